//! `round-robin` and `doubly-greedy` against the paper's reference code (arXiv:2602.14696,
//! dcml-lab/targeted-instruction-selection at c1dc028) on `f64` cosines: the whole order of all 2000 rows.

use kantor_solvers::scan;
use kantor_solvers::{Quiet, Settings, Task, registry};
use kantor_theory::{Cost, Geometry};

use crate::support::{indices, pool_and_query};

fn whole_order(method: &str, block: usize, memory: u64) -> Vec<usize> {
    let (pool, query) = pool_and_query();
    let geometry = Geometry::new(&pool, &query, Cost::Cosine).unwrap();
    let task = Task {
        geometry: &geometry,
        seed: 0,
        power: kantor_theory::Power::One,
        block,
        memory,
        constraints: None,
        watch: &Quiet,
    };
    let selector = (registry::selector(method).unwrap().build)(&Settings::default());
    let findings = scan::scan(&task, selector.needs(&task, geometry.pool_len())).unwrap();
    selector.select(&task, &findings, &[geometry.pool_len()]).unwrap().remove(0).rows
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
