//! The theorems behind the bounds, tried on instances small enough to look at every subset.

use std::cell::Cell;

use kantor_theory::{
    Candidates, Cost, DenseRows, DistanceEvidence, Executor, Geometry, Power, Screened, SparsePlan, Statement, Verdict,
    Weights, best_bound, distance_bound, excess, sequential,
};
use proptest::prelude::*;

use crate::support::{Instance, Random, transport};

/// Every k-subset of 0..n.
pub(crate) fn subsets(n: usize, k: usize) -> Vec<Vec<usize>> {
    let all = 0u32..1 << n;
    let chosen = |bits: u32| (0..n).filter(move |i| bits >> i & 1 == 1);
    all.filter(|bits| bits.count_ones() as usize == k).map(|bits| chosen(bits).collect()).collect()
}

fn costs() -> impl Strategy<Value = Cost> {
    prop::sample::select(Cost::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Best subset (notes/best-subset.md): L(g) is below the distance of every k-subset, for the best g and for any;
    /// with M | k and uniform queries the best g attains the minimum. `excess` is never negative.
    #[test]
    fn no_subset_beats_the_bound_for_all(cost in costs(), seed: u64, k in 1usize..9) {
        let random = &mut Random(seed);
        let mut instance = Instance::random(random, cost, 9, 4, 6);
        instance.weights.subset = None;
        let k = k.min(instance.n);
        instance.with(|geometry| {
            let g = instance.best_potentials(geometry, k);
            let scale = g.iter().fold(0.0f64, |a, b| a.max(b.abs()));
            let anything = g.iter().map(|g| g + scale * random.signed()).collect();
            let best = instance.best(geometry, k, g).unwrap().lower();
            let loose = instance.best(geometry, k, anything).unwrap().lower();
            let mut smallest = f64::INFINITY;
            for subset in subsets(instance.n, k) {
                let instance = Instance { subset, ..instance.clone() };
                let interval = instance.distance(geometry, instance.distance_evidence(geometry)).unwrap().interval();
                let upper = interval.upper.unwrap();
                prop_assert!(best <= upper && loose <= upper);
                prop_assert!(best <= 0.0 || excess(upper, best).is_some_and(|excess| excess >= 0.0));
                smallest = smallest.min(upper);
            }
            let power = |x: f64| if instance.p == Power::Two { x * x } else { x };
            let largest = (0..instance.n * instance.m)
                .map(|t| instance.cost_power(geometry, t / instance.m, t % instance.m).abs())
                .fold(f64::from(geometry.points().is_some() && matches!(cost, Cost::Cosine | Cost::HalfCosine)), f64::max);
            if k % instance.m == 0 && instance.weights.query.is_none() && cost != Cost::Angular {
                prop_assert!(power(smallest) - power(best) <= 1e-11 * largest + 1e-158, "{best} {smallest}");
            }
            Ok(())
        })?;
    }

    /// Weak duality (notes/weak-duality.md): any potentials give a lower bound, any plan an upper bound.
    #[test]
    fn any_potentials_are_below_any_plan(cost in costs(), seed: u64, g in prop::collection::vec(-3.0f64..3.0, 6)) {
        let random = &mut Random(seed);
        let instance = Instance::random(random, cost, 7, 6, 6);
        instance.with(|geometry| {
            let (k, m) = (instance.subset.len(), instance.m);
            let mut evidence = instance.distance_evidence(geometry);
            let lower = |g| {
                let evidence = DistanceEvidence { potentials: Some(g), plan: None };
                instance.distance(geometry, evidence).unwrap().interval().lower.unwrap()
            };
            let any = lower(g[..m].to_vec());
            let optimal = instance.distance(geometry, evidence.clone()).unwrap().interval();
            prop_assert!(any <= optimal.upper.unwrap());
            if instance.weights == Weights::default() {
                // Another coupling, the one that orders its points at random.
                let (mut rows, mut columns): (Vec<usize>, Vec<usize>) = ((0..k).collect(), (0..m).collect());
                random.shuffle(&mut rows);
                random.shuffle(&mut columns);
                let unit = |t: usize| (rows[t / m], columns[t / k], 1);
                evidence.plan = SparsePlan::new((0..k * m).map(unit).collect());
                let interval = instance.distance(geometry, evidence).unwrap().interval();
                prop_assert!(interval.upper >= optimal.lower);
                prop_assert_eq!(interval.lower, optimal.lower);
            }
            Ok(())
        })?;
    }

    /// W(S, S) = 0, exactly, under every cost that compares points.
    #[test]
    fn identical_sets_are_at_distance_exactly_zero(cost in costs(), seed: u64, two: bool) {
        prop_assume!(cost != Cost::Precomputed);
        let random = &mut Random(seed);
        let mut instance = Instance::random(random, cost, 6, 6, 9);
        prop_assume!(instance.dim > 0);
        instance.p = if two { Power::Two } else { Power::One };
        instance.pool = instance.query.clone();
        instance.n = instance.m;
        instance.weights = Weights::default();
        instance.subset = (0..instance.m).rev().collect();
        instance.with(|geometry| {
            let plan = SparsePlan::new((0..instance.m).map(|i| (instance.m - 1 - i, i, 1)).collect());
            let evidence = DistanceEvidence { potentials: Some(vec![0.0; instance.m]), plan };
            let interval = instance.distance(geometry, evidence).unwrap().interval();
            prop_assert_eq!((interval.lower, interval.upper), (Some(0.0), Some(0.0)));
            prop_assert_eq!(excess(0.0, 0.0), Some(0.0));
            Ok(())
        })?;
    }
}

/// Rows on a circle, more of them than one task takes.
fn circle(count: usize, step: f64) -> DenseRows {
    let angle = |t: usize| t as f64 * step;
    DenseRows::from_f64(2, (0..count).flat_map(|t| [angle(t).cos(), angle(t).sin()]).collect()).unwrap()
}

#[test]
fn the_order_in_which_tasks_run_changes_no_bit() {
    let (pool, query) = (circle(5000, 0.37), circle(3, 0.9));
    let geometry = Geometry::new(&pool, &query, Cost::Angular).unwrap();
    let rows: Vec<usize> = (0..4500).rev().collect();
    let problem = Statement::new(&geometry, Power::Two, rows.len());
    let g = vec![0.3, 0.2, 0.5];
    let plan = SparsePlan::new((0..4500).map(|i| (i, i / 1500, 1)).collect());
    let evidence = DistanceEvidence { potentials: Some(g.clone()), plan };
    let backwards = |count: usize, task: &(dyn Fn(usize) + Sync)| (0..count).rev().for_each(task);
    let twice = |count: usize, task: &(dyn Fn(usize) + Sync)| (0..2 * count).for_each(|t| task(t / 2));
    let threads = |count: usize, task: &(dyn Fn(usize) + Sync)| {
        std::thread::scope(|scope| (0..count).for_each(|t| drop(scope.spawn(move || task(t)))));
    };
    let stopped = |count: usize, task: &(dyn Fn(usize) + Sync)| (1..count).for_each(task);
    let distance = distance_bound(&geometry, &problem, &rows, evidence.clone(), &sequential).unwrap();
    let best = best_bound(&geometry, &problem, g.clone(), Candidates::All, &sequential).unwrap();
    let executors: [Executor<'_>; 3] = [&backwards, &twice, &threads];
    for executor in executors {
        assert_eq!(distance_bound(&geometry, &problem, &rows, evidence.clone(), executor).unwrap(), distance);
        assert_eq!(best_bound(&geometry, &problem, g.clone(), Candidates::All, executor).unwrap(), best);
    }
    assert_eq!(distance_bound(&geometry, &problem, &rows, evidence, &stopped).unwrap_err().rule, "complete");
    assert_eq!(best_bound(&geometry, &problem, g, Candidates::All, &stopped).unwrap_err().rule, "complete");
}

#[test]
fn rows_that_add_nothing_may_be_left_out() {
    let (pool, query) = (circle(3000, 0.37), circle(4, 0.9));
    let geometry = Geometry::new(&pool, &query, Cost::Cosine).unwrap();
    let problem = Statement::new(&geometry, Power::One, 100);
    let g = vec![0.01, 0.02, 0.015, 0.0];
    let mut active: Vec<usize> = (0..3000).filter(|&i| (0..4).any(|j| g[j] - geometry.cost_of(i, j) > -1e-9)).collect();
    assert!(active.len() > 50 && active.len() < 1000);
    active.reverse();
    let all = best_bound(&geometry, &problem, g.clone(), Candidates::All, &sequential).unwrap();
    let calls = Cell::new(0);
    let counted = |count: usize, task: &(dyn Fn(usize) + Sync)| {
        calls.set(calls.get() + count);
        sequential(count, task);
    };
    // SAFETY: the costs of all other rows exceed the potentials by more than rounding.
    #[allow(unsafe_code)]
    let left = unsafe { Screened::assume(&geometry, Power::One, g.clone(), active) };
    assert_eq!(best_bound(&geometry, &problem, g, Candidates::Screened(&left), &counted).unwrap(), all);
    assert_eq!(calls.get(), 1);
}

/// A solver that stops early can report equal primal and dual values whose dual is infeasible (POT 0.9.7.post1 `emd`
/// does at its iteration limit). Such are the values of any simplex basis, here of the first one.
#[test]
fn equal_primal_and_dual_values_are_not_believed() {
    let random = &mut Random(4);
    let n = 6;
    let values = |random: &mut Random| (0..n * 3).map(|_| random.signed()).collect::<Vec<f64>>();
    let instance = Instance {
        cost: Cost::Euclidean,
        p: Power::One,
        n,
        m: n,
        dim: 3,
        pool: values(random),
        query: values(random),
        subset: (0..n).collect(),
        weights: Weights::default(),
    };
    let (g, claimed, violation, optimum) = instance.with(|geometry| {
        let cost = |i, j| geometry.cost_of(i, j);
        // The basis of diagonal and superdiagonal: f_i + g_i = c_ii, f_i + g_{i+1} = c_{i,i+1}.
        let (mut f, mut g) = (vec![0.0], vec![cost(0, 0)]);
        for i in 1..n {
            g.push(cost(i - 1, i) - f[i - 1]);
            f.push(cost(i, i) - g[i]);
        }
        let primal = (0..n).map(|i| cost(i, i)).sum::<f64>() / n as f64;
        let dual = (f.iter().sum::<f64>() + g.iter().sum::<f64>()) / n as f64;
        assert!((primal - dual).abs() < 1e-14);
        let violation = (0..n * n).map(|t| f[t / n] + g[t % n] - cost(t / n, t % n)).fold(0.0, f64::max);
        let costs: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| cost(i, j)).collect()).collect();
        let (flow, _) = transport(&costs, &[1; 6], &[1; 6]);
        let optimum = flow.iter().map(|&(i, j, x)| cost(i, j) * x as f64).sum::<f64>() / n as f64;
        (g, primal, violation, optimum)
    });
    assert!(violation > 0.1 && optimum < 0.95 * claimed);
    let mut certificate = instance.certificate();
    certificate.evidence.distance_potentials = Some(g);
    certificate.evidence.plan = SparsePlan::new((0..n).map(|i| (i, i, 1)).collect());
    certificate.distance.lower = Some(claimed - 1e-12);
    certificate.distance.upper = Some(claimed + 1e-12);
    let Verdict::Weaker(proved) = instance.check(&certificate) else { panic!("believed") };
    assert!(proved.distance.lower.unwrap() <= optimum);
    assert!((proved.distance.upper.unwrap() - claimed).abs() < 1e-12);
}

#[test]
fn rows_that_cannot_be_measured_prove_nothing() {
    let query = DenseRows::from_f64(2, vec![1.0, 0.0]).unwrap();
    // The last one has a norm, but too few bits of it.
    for bad in [[0.0, 0.0], [f64::NAN, 1.0], [f64::INFINITY, 1.0], [1e-160, 3e-160]] {
        let pool = DenseRows::from_f64(2, [vec![1.0, 1.0], bad.to_vec()].concat()).unwrap();
        let geometry = Geometry::new(&pool, &query, Cost::Cosine).unwrap();
        let problem = Statement::new(&geometry, Power::One, 1);
        let best = best_bound(&geometry, &problem, vec![0.1], Candidates::All, &sequential);
        assert_eq!(best.unwrap_err().rule, "rows", "{bad:?}");
        let evidence = DistanceEvidence { potentials: Some(vec![0.1]), plan: None };
        assert_eq!(distance_bound(&geometry, &problem, &[1], evidence, &sequential).unwrap_err().rule, "rows");
    }
}

#[test]
fn excess_is_absent_when_only_the_best_is_zero() {
    assert_eq!(excess(0.5, 0.0), None);
    assert_eq!(excess(0.5, 0.5), Some(f64::EPSILON));
    let ratio = excess(0.33, 0.3).unwrap();
    assert!((0.1..0.1 + 1e-12).contains(&ratio));
}
