//! T16 (g) (notes/T16.md): what new rows are worth at most under the distance of a kernel, against every subset of the larger pool.

use kantor_theory::{
    BestEvidence, Column, Constraints, Cost, FeasibleSet, Geometry, Objective, Sensitivity, Statement,
    constrained_best_bound, sequential,
};

use crate::constraints::{constraints, smallest, some_prices, with_labels_of};
use crate::discrepancy;
use crate::duality::subsets;
use crate::sensitivity::first_rows;
use crate::support::{Instance, Random};

/// The bound for the first rows, by a witness on these.
fn bound(
    instance: &Instance,
    objective: Objective,
    (constraints, set): (&Constraints, &FeasibleSet),
    evidence: BestEvidence,
    prices: &[kantor_theory::Price],
) -> kantor_theory::BestBound {
    instance.with(|geometry: &Geometry<'_>| {
        let statement = Statement::new(geometry, instance.p, instance.subset.len()).under(objective);
        let statement = statement.weighted(instance.weights.clone()).constrained(constraints.clone());
        constrained_best_bound(geometry, &statement, evidence, set, prices, &sequential).unwrap()
    })
}

/// Rows that are added, copies of queries among them, under all kernels and costs: none makes a subset closer than claimed.
#[test]
fn no_added_row_gains_more_than_claimed_under_a_kernel() {
    let (mut gains, mut copies, mut near) = (0, 0, 0);
    for seed in 0..1500 {
        let random = &mut Random(seed);
        let cost = [Cost::Euclidean, Cost::Cosine, Cost::Sqeuclidean, Cost::Angular][seed as usize % 4];
        let (mut all, objective) = discrepancy::instance(random, cost, 7, 3, 3);
        all.weights.subset = None;
        let more = 1 + random.below(2);
        if all.n < more + 2 {
            continue;
        }
        let n = all.n - more;
        let k = 1 + random.below(n.min(3));
        let mut kept: Vec<usize> = (0..n).collect();
        random.shuffle(&mut kept);
        kept.truncate(k);
        all.subset = kept;
        let copied = random.below(all.m);
        let is_copy = random.below(2) == 0;
        if is_copy {
            let query = all.query[copied * all.dim..(copied + 1) * all.dim].to_vec();
            all.pool[n * all.dim..(n + 1) * all.dim].copy_from_slice(&query);
        }
        let (limits, data): (Constraints, Vec<Column>) = match random.below(2) {
            0 => Default::default(),
            _ => constraints(random, all.n, &all.subset, false),
        };
        let set = |rows: usize| {
            let dropped: Vec<usize> = (rows..all.n).collect();
            FeasibleSet::new(&limits, &data, all.n, &dropped).unwrap()
        };
        let small = first_rows(&all, n);
        let prices = match data.is_empty() {
            true => Vec::new(),
            false => with_labels_of(&data, some_prices(random, &limits, 0.1), all.n),
        };
        let is_local = random.below(2) == 0 && objective.kernel().is_some_and(|kernel| kernel.name().is_nonnegative());
        // Of some witnesses the best: where the bound is far below, no claim is put to the test.
        let bounds = (0..8).map(|_| {
            let mut witness = discrepancy::some_witness(random, n);
            // Other rows may count for themselves alone (T19), masses then being in units of 1/k.
            let evidence = if is_local {
                witness.weights.iter_mut().for_each(|weight| *weight *= k as f64);
                BestEvidence::Local { shift: vec![0.0; witness.rows.len()], witness }
            } else {
                witness.into()
            };
            bound(&small, objective, (&limits, &set(n)), evidence, &prices)
        });
        let best = bounds.max_by(|a, b| a.lower().total_cmp(&b.lower())).unwrap();
        let least = |rows: usize| {
            let set = set(rows);
            let of: Vec<Vec<usize>> = subsets(all.n, k)
                .into_iter()
                .filter(|of| of.iter().all(|&row| row < rows) && set.check(of).is_ok())
                .collect();
            smallest(&all, objective, &of)
        };
        let upper = least(n);
        let sensitivity = Sensitivity::new(&best, upper).unwrap();
        for rows in n..=all.n {
            let gain = upper - least(rows);
            gains += u32::from(gain > 1e-6);
            if let Some(claimed) = sensitivity.new_rows(rows - n) {
                assert!(gain <= claimed, "seed {seed}: {gain} {claimed}");
                near += u32::from(claimed < upper - 1e-9);
            }
            if rows == n + 1
                && is_copy
                && let Some(claimed) = sensitivity.copy_of_query(copied)
            {
                copies += u32::from(gain > 1e-6);
                assert!(gain <= claimed, "seed {seed}: {gain} {claimed}");
                assert!(sensitivity.new_rows(1).is_none_or(|any| claimed <= any + 1e-9 * any.abs()), "seed {seed}");
            }
        }
    }
    assert!(
        gains > 300 && copies > 100 && near > 50,
        "{gains} gains, {copies} of copies, {near} claims of less than all"
    );
}
