//! `round-robin` and `doubly-greedy` against the paper's reference code (arXiv:2602.14696,
//! dcml-lab/targeted-instruction-selection at c1dc028) on `f64` cosines: the whole order of all 2000 rows.

use kantor::problem::{Goal, Problem};
use kantor_solvers::scan;
use kantor_solvers::{Quiet, Settings, Task, registry};

use crate::support::{indices, pool_and_query};

fn whole_order(method: &str, block: usize, memory: u64) -> Vec<usize> {
    let (pool, query) = pool_and_query();
    let problem = Problem::new(&pool, &query, Goal::default()).unwrap();
    let (n, task) = (problem.geometry().pool_len(), Task { block, ..problem.task(0, memory, &Quiet) });
    let selector = (registry::selector(method).unwrap().build)(&Settings::default());
    let findings = scan::scan(&task, selector.needs(&task, n)).unwrap();
    selector.select(&task, &findings, &[n]).unwrap().remove(0).rows
}

#[test]
fn round_robin_gives_the_reference_order() {
    assert_eq!(whole_order("round-robin", 512, 1 << 30), indices("round_robin_order.npy"));
}

#[test]
fn round_robin_gives_the_reference_order_from_short_lists() {
    assert_eq!(whole_order("round-robin", 77, 100_000), indices("round_robin_order.npy"));
}

#[test]
fn doubly_greedy_gives_the_reference_order() {
    assert_eq!(whole_order("doubly-greedy", 512, 1 << 30), indices("doubly_greedy_order.npy"));
}
