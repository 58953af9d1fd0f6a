//! Energy distance and maximum mean discrepancy: bounds against exact arithmetic and against all subsets, and
//! certificates of them against tampering.

use dashu::float::FBig;
use kantor_theory::{
    Candidates, Certificate, Cost, DenseRows, DistanceEvidence, Executor, Geometry, Interval, Kernel, KernelName,
    Objective, Power, Rejection, Screened, SparsePlan, Statement, Verdict, Weights, Witness, best_bound,
    distance_bound, sequential,
};
use proptest::prelude::*;

use crate::duality::subsets;
use crate::evaluated::{certificate, lower, refused, statement, tamper, value};
use crate::exact_replay::{dot, float, real, scaled};
use crate::support::{Instance, Random};

const POINT_COSTS: [Cost; 5] = [Cost::Cosine, Cost::HalfCosine, Cost::Angular, Cost::Euclidean, Cost::Sqeuclidean];

/// An instance of points, and an objective whose kernel tells its points apart.
pub(crate) fn instance(random: &mut Random, cost: Cost, n: usize, m: usize, dim: usize) -> (Instance, Objective) {
    let mut instance = Instance::random(random, cost, n, m, dim);
    while instance.dim == 0 {
        instance = Instance::random(random, cost, n, m, dim);
    }
    instance.p = Power::One;
    instance.weights = Weights::default();
    let distances = matches!(cost, Cost::Euclidean | Cost::Sqeuclidean);
    let scale = if distances { instance.pool.iter().fold(1e-60, |a: f64, x| a.max(x.abs())) } else { 1.0 };
    let sigma = Some(scale * [0.3, 1.0, 5.0][random.below(3)]);
    let objective = match random.below(6) {
        0 => Objective::Mmd(Kernel::new(KernelName::Gaussian, sigma).unwrap()),
        5 => Objective::Mmd(Kernel::mean_of(KernelName::Gaussian, &[0.4, 2.0, 1.0].map(|x| scale * x)).unwrap()),
        1 => Objective::Mmd(Kernel::new(KernelName::Laplace, sigma).unwrap()),
        2 => Objective::Mmd(Kernel::new(KernelName::InverseMultiquadric, sigma).unwrap()),
        3 if !distances => Objective::Mmd(Kernel::new(KernelName::Cosine, None).unwrap()),
        _ => Objective::Energy,
    };
    (instance, objective)
}

/// The same, where queries may have weights; some may be zero, or of other magnitudes.
fn weighted_instance(random: &mut Random, cost: Cost, n: usize, m: usize, dim: usize) -> (Instance, Objective) {
    let (mut instance, objective) = instance(random, cost, n, m, dim);
    let weight = |random: &mut Random| match random.below(4) {
        0 => [0.0, 1e-30, 3.0, 1e20][random.below(4)],
        _ => random.signed().abs(),
    };
    if random.below(3) > 0 {
        let mut weights: Vec<f64> = (0..instance.m).map(|_| weight(random)).collect();
        weights[0] += 0.25;
        instance.weights.query = Some(weights);
    }
    (instance, objective)
}

/// Some measure of positive total; kinds: uniform on a subset, positive, of both signs.
pub(crate) fn some_witness(random: &mut Random, n: usize) -> Witness {
    let mut rows: Vec<usize> = (0..n).collect();
    random.shuffle(&mut rows);
    rows.truncate(1 + random.below(n));
    let kind = random.below(3);
    let mut weights: Vec<f64> = (0..rows.len())
        .map(|_| match kind {
            0 => 0.1,
            1 => random.signed().abs() + 1e-3,
            _ => random.signed(),
        })
        .collect();
    weights[0] += (1.0 - weights.iter().sum::<f64>()).max(0.0);
    Witness { rows, weights }
}

/// k between all pairs of pool rows and queries, N + M rows, in 400 bits.
pub(crate) fn gram(instance: &Instance, kernel: Kernel) -> Vec<Vec<FBig>> {
    let rows: Vec<Vec<_>> = [&instance.pool, &instance.query]
        .into_iter()
        .flat_map(|values| values.chunks(instance.dim))
        .map(|row| row.iter().map(|&x| scaled(x)).collect())
        .collect();
    let one = real(1.0);
    let squared = |x: &[_], y: &[_]| -> FBig {
        match instance.cost {
            _ if x == y => real(0.0),
            Cost::Euclidean | Cost::Sqeuclidean => {
                let difference = |(a, b): (&dashu::integer::IBig, &dashu::integer::IBig)| (a - b) * (a - b);
                float(x.iter().zip(y).map(difference).sum(), -2148)
            }
            _ => {
                let norms = float(dot(x, x) * dot(y, y), -4 * 1074).sqrt();
                let cosine = float(dot(x, y), -2148) / norms;
                (&one - if cosine > one { one.clone() } else { cosine }) * real(2.0)
            }
        }
    };
    let of_one = |squared: &FBig, sigma: &FBig| match kernel.name() {
        KernelName::Gaussian => (-squared / (sigma * sigma * real(2.0))).exp(),
        KernelName::Laplace => (-(squared.sqrt() / sigma)).exp(),
        KernelName::InverseMultiquadric => &one / (&one + squared / (sigma * sigma)).sqrt(),
        KernelName::Energy => -squared.sqrt(),
        KernelName::Cosine => &one - squared / real(2.0),
        KernelName::Compact => unreachable!("makes no distance"),
    };
    let sigmas = if kernel.name().has_bandwidth() { kernel.bandwidths() } else { &[1.0] };
    let of =
        |squared: FBig| sum(sigmas.iter().map(|&sigma| of_one(&squared, &real(sigma)))) / real(sigmas.len() as f64);
    rows.iter().map(|x| rows.iter().map(|y| of(squared(x, y))).collect()).collect()
}

fn sum(terms: impl Iterator<Item = FBig>) -> FBig {
    terms.fold(real(0.0), |sum, term| sum + term)
}

/// Everything that is printed, against 400 bits: the interval of a subset, and the bound that any measure proves.
#[test]
fn printed_bounds_hold_in_exact_arithmetic() {
    let (mut closed, mut positive) = (0, 0);
    for seed in 0..700 {
        let random = &mut Random(seed);
        let cost = POINT_COSTS[random.below(5)];
        let (instance, objective) = weighted_instance(random, cost, 7, 4, 20);
        let kernel = objective.kernel().unwrap();
        let gram = &gram(&instance, kernel);
        let (n, k, m) = (instance.n, instance.subset.len(), instance.m);
        // Of rows and of queries, which stand after all rows.
        let shares = |rows: &[usize]| -> Vec<FBig> {
            let given = instance.weights.query.as_ref();
            let weight = |&i: &usize| real(given.filter(|_| i >= n).map_or(1.0, |weights| weights[i - n]));
            let total = sum(rows.iter().map(weight));
            rows.iter().map(|i| weight(i) / &total).collect()
        };
        let mean = |rows: &[usize], columns: &[usize]| {
            let (a, b) = (shares(rows), shares(columns));
            let inner = |i: usize| sum(columns.iter().zip(&b).map(|(&j, b)| b * &gram[i][j]));
            sum(rows.iter().zip(&a).map(|(&i, a)| a * inner(i)))
        };
        let queries: Vec<usize> = (n..n + m).collect();
        let among_queries = mean(&queries, &queries);
        let larger = |a: FBig, x: &FBig| {
            let x = if *x < real(0.0) { -x.clone() } else { x.clone() };
            if x > a { x } else { a }
        };
        let size = gram.iter().flatten().fold(real(1e-300), larger);
        // What 400 bits may have lost.
        let slack = &size * real(2f64.powi(-350));
        let exact =
            mean(&instance.subset, &instance.subset) - mean(&instance.subset, &queries) * real(2.0) + &among_queries;
        let Interval { lower: Some(low), upper: Some(high) } = value(&instance, objective, &instance.subset) else {
            panic!("both ends are evaluated")
        };
        assert!(real(low) * real(low) <= &exact + &slack, "{low} seed {seed}: {objective:?} {instance:?}");
        assert!(real(high) * real(high) >= &exact - &slack, "{high} seed {seed}: {objective:?} {instance:?}");
        closed += u32::from(high * high - low * low <= 1e-6 * size.to_f64().value());

        let witness = some_witness(random, n);
        let total = sum(witness.weights.iter().map(|&w| real(w)));
        let weights: Vec<FBig> = witness.weights.iter().map(|&w| real(w) / &total).collect();
        let towards = |i: usize| sum(witness.rows.iter().zip(&weights).map(|(&l, w)| w * &gram[i][l]));
        let mut heights: Vec<FBig> = (0..n).map(|i| towards(i) - mean(&[i], &queries)).collect();
        heights.sort();
        let smallest = sum(heights.into_iter().take(k)) / real(k as f64);
        let length = sum(witness.rows.iter().zip(&weights).map(|(&l, w)| w * towards(l)));
        let dual = smallest * real(2.0) - length + &among_queries;
        let best = lower(&instance, objective, k, witness).unwrap().lower();
        let dual = if dual < real(0.0) { real(0.0) } else { dual };
        assert!(real(best) * real(best) <= dual + &slack, "{best} seed {seed}: {objective:?} {instance:?}");
        assert!(best <= high, "seed {seed}");
        positive += u32::from(best > 0.0);
    }
    assert!(closed > 650 && positive > 100, "{closed} intervals close, {positive} bounds say something");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Kernel distance (notes/kernel-distance.md): whatever the witness, its bound is below every k-subset; with the
    /// uniform measure on the best subset as witness of k = N it is attained.
    #[test]
    fn no_subset_beats_the_bound_for_all(cost in prop::sample::select(POINT_COSTS.to_vec()), seed: u64, k in 1usize..10) {
        let random = &mut Random(seed);
        let (instance, objective) = weighted_instance(random, cost, 10, 4, 5);
        let k = k.min(instance.n);
        let uppers: Vec<(f64, Vec<usize>)> =
            subsets(instance.n, k).into_iter().map(|s| (value(&instance, objective, &s).upper.unwrap(), s)).collect();
        let (smallest, best) = uppers.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        for _ in 0..3 {
            let witness = some_witness(random, instance.n);
            prop_assert!(lower(&instance, objective, k, witness).unwrap().lower() <= smallest);
        }
        let witness = Witness { weights: vec![1.0; k], rows: best };
        let bound = lower(&instance, objective, k, witness).unwrap().lower();
        prop_assert!(bound <= smallest);
        if k == instance.n {
            let size = instance.pool.iter().chain(&instance.query).fold(1.0f64, |a, x| a.max(x.abs()));
            prop_assert!(smallest * smallest - bound * bound <= 1e-5 * size, "{bound} {smallest}");
        }
    }

    /// The energy distance grows with the points, and no shift, permutation of coordinates or doubling of both sides
    /// changes it or any discrepancy.
    #[test]
    fn motions_change_nothing(seed: u64) {
        let random = &mut Random(seed);
        let (n, m, dim) = (8, 3, 4);
        let values = |random: &mut Random, rows: usize| -> Vec<f64> { (0..rows * dim).map(|_| random.signed()).collect() };
        let base = Instance {
            cost: Cost::Euclidean, p: Power::One, n, m, dim, pool: values(random, n), query: values(random, m),
            subset: vec![5, 1, 2], weights: Weights::default(),
        };
        let moved = |f: &dyn Fn(&[f64]) -> Vec<f64>| Instance {
            pool: base.pool.chunks(dim).flat_map(f).collect(),
            query: base.query.chunks(dim).flat_map(f).collect(),
            ..base.clone()
        };
        let sigma = Kernel::new(KernelName::Gaussian, Some(0.8)).unwrap();
        for objective in [Objective::Energy, Objective::Mmd(sigma)] {
            let of = |instance: &Instance| value(instance, objective, &instance.subset).upper.unwrap();
            let expected = of(&base);
            prop_assert!((of(&moved(&|x| x.iter().map(|x| x + 0.25).collect())) - expected).abs() < 1e-9);
            prop_assert!((of(&moved(&|x| x.iter().rev().copied().collect())) - expected).abs() < 1e-9);
            let mut twice = base.clone();
            twice.pool.extend(base.pool.clone());
            twice.query.extend(base.query.clone());
            (twice.n, twice.m) = (2 * n, 2 * m);
            twice.subset = vec![5, 1, 2, 13, 9, 10];
            prop_assert!((of(&twice) - expected).abs() < 1e-9);
        }
        let energy = |instance: &Instance| value(instance, Objective::Energy, &instance.subset).upper.unwrap();
        let scaled = moved(&|x| x.iter().map(|x| 4.0 * x).collect());
        prop_assert!((energy(&scaled) - 2.0 * energy(&base)).abs() < 1e-9, "the square is of degree one");
        // Two Diracs: the square is twice their distance.
        let pair = Instance { n: 1, m: 1, pool: base.pool[..dim].to_vec(), query: base.query[..dim].to_vec(), subset: vec![0], ..base.clone() };
        let gap: f64 = pair.pool.iter().zip(&pair.query).map(|(x, q)| (x - q) * (x - q)).sum();
        prop_assert!((energy(&pair).powi(2) - 2.0 * gap.sqrt()).abs() < 1e-9);
    }
}

#[test]
fn equal_sets_are_at_distance_zero() {
    let random = &mut Random(3);
    for cost in POINT_COSTS {
        let (mut instance, objective) = instance(random, cost, 6, 6, 9);
        (instance.pool, instance.n) = (instance.query.clone(), instance.m);
        instance.subset = (0..instance.m).collect();
        let interval = value(&instance, objective, &instance.subset);
        let size = instance.pool.iter().fold(1.0f64, |a, x| a.max(x.abs()));
        assert!(interval.lower == Some(0.0) && interval.upper.unwrap() <= 1e-3 * size, "{cost}: {interval:?}");
    }
}

/// Rows on a circle, more of them than one task takes.
fn circle(count: usize, step: f64) -> DenseRows {
    let angle = |t: usize| t as f64 * step;
    DenseRows::from_f64(2, (0..count).flat_map(|t| [angle(t).cos(), angle(t).sin()]).collect()).unwrap()
}

#[test]
fn the_order_in_which_tasks_run_changes_no_bit() {
    let (pool, query) = (circle(3000, 0.37), circle(3, 0.9));
    let geometry = Geometry::new(&pool, &query, Cost::Cosine).unwrap();
    let rows: Vec<usize> = (0..2500).rev().collect();
    let problem = Statement::new(&geometry, Power::One, rows.len()).under(Objective::Energy);
    let witness =
        Witness { rows: (0..1500).collect(), weights: (0..1500).map(|i| 1.0 - (i % 7) as f64 / 6.5).collect() };
    let backwards = |count: usize, task: &(dyn Fn(usize) + Sync)| (0..count).rev().for_each(task);
    let threads = |count: usize, task: &(dyn Fn(usize) + Sync)| {
        std::thread::scope(|scope| (0..count).for_each(|t| drop(scope.spawn(move || task(t)))));
    };
    let stopped = |count: usize, task: &(dyn Fn(usize) + Sync)| (1..count).for_each(task);
    let distance = |executor| distance_bound(&geometry, &problem, &rows, DistanceEvidence::default(), executor);
    let best = |k, executor| {
        let problem = Statement { budget: k, ..problem.clone() };
        best_bound(&geometry, &problem, witness.clone(), Candidates::All, executor)
    };
    let executors: [Executor<'_>; 2] = [&backwards, &threads];
    for executor in executors {
        assert_eq!(distance(executor).unwrap(), distance(&sequential).unwrap());
        for k in [1, 3, 2500, 3000] {
            assert_eq!(best(k, executor).unwrap(), best(k, &sequential).unwrap());
        }
    }
    assert_eq!(distance(&stopped).unwrap_err().rule, "complete");
    assert_eq!(best(3, &stopped).unwrap_err().rule, "complete");
}

#[test]
fn a_screen_of_potentials_says_nothing_of_a_witness() {
    let (instance, objective) = instance(&mut Random(8), Cost::Cosine, 9, 3, 4);
    let witness = Witness { rows: vec![0], weights: vec![1.0] };
    instance.with(|geometry| {
        // SAFETY: no row is left out.
        #[allow(unsafe_code)]
        let all = unsafe { Screened::assume(geometry, Power::One, Vec::new(), (0..instance.n).collect()) };
        let problem = statement(geometry, objective, 1);
        let best = best_bound(geometry, &problem, witness, Candidates::Screened(&all), &sequential);
        assert_eq!(best.unwrap_err().rule, "screen");
    });
}

#[test]
fn what_is_no_witness_is_refused() {
    let (instance, objective) = instance(&mut Random(8), Cost::Cosine, 9, 3, 4);
    let refused = |rows: &[usize], weights: &[f64]| {
        let witness = Witness { rows: rows.to_vec(), weights: weights.to_vec() };
        lower(&instance, objective, 1, witness).map(|bound| bound.lower())
    };
    assert!(instance.n > 2);
    for (rows, weights) in [
        (&[][..], &[][..]),
        (&[0, 1], &[1.0]),
        (&[0, 0], &[1.0, 1.0]),
        (&[0, instance.n], &[1.0, 1.0]),
        (&[0, 1], &[1.0, -1.0]),
        (&[0, 1], &[1.0, -2.0]),
        (&[0, 1], &[f64::NAN, 1.0]),
        (&[0, 1], &[f64::INFINITY, 1.0]),
        (&[0, 1], &[1e308, 1e308]),
        (&[0], &[1e-310]),
    ] {
        assert_eq!(refused(rows, weights).unwrap_err().rule, "witness", "{rows:?} {weights:?}");
    }
    // Weights whose products overflow prove nothing, and say so.
    assert_eq!(refused(&[0, 1, 2], &[1e308, -1e308, 1.0]).unwrap_err().rule, "range");
}

#[test]
fn objectives_are_not_mixed_up() {
    let (instance, objective) = instance(&mut Random(8), Cost::Cosine, 9, 3, 4);
    let cosine = Kernel::new(KernelName::Cosine, None).unwrap();
    instance.with(|geometry| {
        let w = Statement::new(geometry, Power::One, 1);
        let kernel = w.clone().under(objective);
        let one = Witness { rows: vec![0], weights: vec![1.0] };
        let evidence = || DistanceEvidence { potentials: Some(vec![0.0; instance.m]), plan: None };
        let rule = |result: Result<(), Rejection>| result.unwrap_err().rule;
        assert_eq!(rule(best_bound(geometry, &w, one.clone(), Candidates::All, &sequential).map(drop)), "objective");
        assert_eq!(rule(distance_bound(geometry, &kernel, &[0], evidence(), &sequential).map(drop)), "objective");
        let best = best_bound(geometry, &kernel, vec![0.0; instance.m], Candidates::All, &sequential);
        assert_eq!(rule(best.map(drop)), "objective");
        // Kernels that make no distance, powers, weights.
        let compact = Kernel::new(KernelName::Compact, Some(1.0)).unwrap();
        for bad in [Kernel::ENERGY, compact] {
            let problem = w.clone().under(Objective::Mmd(bad));
            assert_eq!(refused(geometry, &problem), "objective", "{bad}");
        }
        let squared = Statement::new(geometry, Power::Two, 1).under(objective);
        assert_eq!(refused(geometry, &squared), "objective");
        let weights = Weights { subset: None, query: Some(vec![1.0; instance.m]) };
        let weighted = w.clone().under(Objective::Tsds { diversity: 1.0 }).weighted(weights);
        assert_eq!(refused(geometry, &weighted), "objective");
        // The words of a statement without weights are not those of one with weights.
        let words = Statement { convention: kernel.convention.clone(), ..kernel.clone().weighted(weighted.weights) };
        assert_eq!(refused(geometry, &words), "convention");
    });
    let matrix = DenseRows::from_f64(4, vec![0.5; 8]).unwrap();
    let geometry = Geometry::from_matrix(&matrix, Cost::Cosine).unwrap();
    let problem = Statement::new(&geometry, Power::One, 1).under(Objective::Mmd(cosine));
    let refused = distance_bound(&geometry, &problem, &[0], DistanceEvidence::default(), &sequential).unwrap_err();
    assert!(refused.to_string().contains("matrix"), "{refused}");
}

#[test]
fn no_mutation_is_believed_unless_it_is_true() {
    let sigma = Kernel::new(KernelName::Gaussian, Some(0.75)).unwrap();
    let queries = |weights: Option<Vec<f64>>| Weights { subset: None, query: weights };
    for (cost, objective, weights) in [
        (Cost::Cosine, Objective::Energy, queries(None)),
        (Cost::Euclidean, Objective::Mmd(sigma), queries(None)),
        (Cost::Euclidean, Objective::Energy, queries(Some(vec![1.0, 0.5]))),
    ] {
        let random = &mut Random(11);
        let values = |random: &mut Random, count: usize| -> Vec<f64> { (0..count).map(|_| random.signed()).collect() };
        let instance = Instance {
            cost,
            p: Power::One,
            n: 5,
            m: 2,
            dim: 2,
            pool: values(random, 10),
            query: values(random, 4),
            subset: vec![3, 1],
            weights,
        };
        let witness = Witness { rows: vec![1, 3, 4], weights: vec![0.5, 0.25, 0.125] };
        let others = ["\"w\"", "\"energy\"", "null", "{\"mmd\": {\"kernel\": \"laplace\", \"bandwidth\": 2.0}}"];
        tamper(&instance, &certificate(&instance, objective, witness), &others);
    }
}

/// Evidence for W proves nothing of a kernel's distance, and the other way round.
#[test]
fn evidence_of_another_objective_is_refused() {
    let (mut instance, objective) = instance(&mut Random(20), Cost::Cosine, 6, 2, 3);
    instance.subset = vec![0];
    let witness = Witness { rows: vec![0], weights: vec![1.0] };
    let good = certificate(&instance, objective, witness.clone());
    let rejected = |certificate: &Certificate| match instance.check(certificate) {
        Verdict::Rejected(rejection) => rejection.rule,
        other => panic!("{other:?}"),
    };
    let mut bad = good.clone();
    bad.evidence.best_potentials = Some(vec![0.0; instance.m]);
    assert_eq!(rejected(&bad), "evidence");
    let mut bad = good.clone();
    bad.evidence.plan = SparsePlan::new((0..instance.m).map(|j| (0, j, 1)).collect());
    assert_eq!(rejected(&bad), "evidence");
    let mut bad = good.clone();
    bad.best = None;
    assert_eq!(rejected(&bad), "evidence");
    let mut bad = good.clone();
    bad.evidence.witness = None;
    assert_eq!(rejected(&bad), "evidence");
    let mut bad = good.clone();
    bad.problem.objective = Objective::W;
    assert_eq!(rejected(&bad), "convention");
    let mut transport = instance.certificate();
    assert!(!String::from_utf8(transport.to_json()).unwrap().contains("witness"), "certificates of W are as they were");
    transport.evidence.witness = Some(witness);
    assert_eq!(rejected(&transport), "evidence");
    // Nothing needs to be claimed of all subsets.
    let mut alone = good;
    (alone.best, alone.evidence.witness) = (None, None);
    assert_eq!(instance.check(&alone).name(), "verified");
}
