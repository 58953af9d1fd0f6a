//! TSDS's regularised problem: bounds against exact arithmetic, against any plan and all subsets, and certificates of
//! it against tampering.

use dashu::float::FBig;
use kantor_theory::{
    Candidates, Certificate, Cost, DistanceEvidence, Interval, Objective, Power, Rejection, Screened, SparsePlan,
    Statement, Verdict, Weights, Witness, best_bound, distance_bound, sequential,
};
use proptest::prelude::*;

use crate::duality::subsets;
use crate::evaluated::{certificate, lower, refused, statement, tamper, value};
use crate::exact_replay::{costs, real};
use crate::support::{Instance, Random};

/// An instance in terms that the objective knows, and a weight of the size of its costs.
pub(crate) fn instance(random: &mut Random, cost: Cost, n: usize, m: usize, dim: usize) -> (Instance, f64) {
    let mut instance = Instance::random(random, cost, n, m, dim);
    instance.p = Power::One;
    instance.weights = Weights::default();
    let largest = instance.with(|geometry| {
        let pairs = (0..instance.n * instance.m).map(|t| geometry.cost_of(t / instance.m, t % instance.m).abs());
        pairs.fold(0.0f64, f64::max)
    });
    let scale = if largest > 1e-250 { largest } else { 1.0 };
    (instance, scale * [0.01, 0.3, 1.0, 5.0, 300.0][random.below(5)])
}

fn tsds(diversity: f64) -> Objective {
    Objective::Tsds { diversity }
}

/// Potentials around the costs, some far off.
pub(crate) fn some_potentials(random: &mut Random, instance: &Instance) -> Vec<f64> {
    let stretch = [0.3, 1.0, 1.0, 1e3][random.below(4)];
    instance.with(|geometry| {
        (0..instance.m)
            .map(|j| stretch * geometry.cost_of(random.below(instance.n), j) * (1.0 + 0.1 * random.signed()))
            .collect()
    })
}

fn sum<'a>(terms: impl IntoIterator<Item = &'a FBig>) -> FBig {
    terms.into_iter().fold(real(0.0), |sum, term| sum + term)
}

/// Everything that is printed, against 400 bits: the interval holds the least value over K of the plan that spreads every
/// query evenly over its K nearest rows, and the bound for all subsets is no more than its formula says.
#[test]
fn printed_bounds_hold_in_exact_arithmetic() {
    let (mut closed, mut positive) = (0, 0);
    for seed in 0..600 {
        let random = &mut Random(seed);
        let cost = Cost::ALL[random.below(Cost::ALL.len())];
        let (instance, diversity) = instance(random, cost, 8, 4, 20);
        let (n, m, k) = (instance.n, instance.m, instance.subset.len());
        let (c, weight) = (costs(&instance), real(diversity));
        let size = c.iter().flatten().fold(weight.clone(), |size, c| if *c < real(0.0) { size - c } else { size + c });
        let slack = &size * real(2f64.powi(-300));
        let columns: Vec<Vec<FBig>> = (0..m)
            .map(|j| {
                let mut column: Vec<FBig> = instance.subset.iter().map(|&i| c[i][j].clone()).collect();
                column.sort();
                column
            })
            .collect();
        let constant = &weight / real(n as f64);
        let even = |count: usize| {
            let near = columns.iter().map(|column| sum(&column[..count])).fold(real(0.0), |a, b| a + b);
            near / real((m * count) as f64) + &weight / real(count as f64) - &constant
        };
        let exact = (1..=k).map(even).min().unwrap();
        let Interval { lower: Some(low), upper: Some(high) } = value(&instance, tsds(diversity), &instance.subset)
        else {
            panic!("both ends are evaluated")
        };
        assert!(real(low) <= &exact + &slack, "{low} seed {seed}: {diversity} {instance:?}");
        assert!(real(high) >= &exact - &slack, "{high} seed {seed}: {diversity} {instance:?}");
        // Cosines are known up to some 1e-14, whatever the costs; angles near zero by the root of that.
        let (share, absolute) = match cost {
            Cost::Angular => (1e-11, 1e-6),
            Cost::Cosine | Cost::HalfCosine => (1e-11, 1e-12),
            _ => (1e-11, 1e-150),
        };
        closed += u32::from(high - low <= share * size.to_f64().value() + absolute);

        let g = some_potentials(random, &instance);
        let height = |row: &Vec<FBig>| {
            let parts: Vec<FBig> = g.iter().zip(row).map(|(&g, c)| real(g) - c).filter(|x| *x > real(0.0)).collect();
            sum(&parts)
        };
        let mut heights: Vec<FBig> = c.iter().map(height).collect();
        heights.sort();
        let slope = &weight - sum(heights.iter().rev().take(k)) / real(m as f64);
        let least = if slope > real(0.0) { slope / real(k as f64) } else { slope };
        let mean = g.iter().fold(real(0.0), |sum, &g| sum + real(g)) / real(m as f64);
        let dual = mean + least - constant;
        let best = lower(&instance, tsds(diversity), k, g).unwrap().lower();
        let dual = if dual < real(0.0) && cost != Cost::Precomputed { real(0.0) } else { dual };
        assert!(real(best) <= dual + &slack * real(1e6), "{best} seed {seed}: {diversity} {instance:?}");
        assert!(best <= high, "seed {seed}");
        positive += u32::from(best > 0.0);
    }
    assert!(closed > 590 && positive > 100, "{closed} intervals close, {positive} bounds say something");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// TSDS (notes/tsds.md): whatever the potentials, their bound is below every k-subset; F_λ falls as rows are added and
    /// grows with λ, and no plan on the subset's rows is below it.
    #[test]
    fn no_subset_and_no_plan_beats_the_bounds(cost in prop::sample::select(Cost::ALL.to_vec()), seed: u64, k in 1usize..10) {
        let random = &mut Random(seed);
        let (instance, diversity) = instance(random, cost, 10, 4, 5);
        let k = k.min(instance.n);
        let upper = |subset: &[usize]| value(&instance, tsds(diversity), subset).upper.unwrap();
        let all = subsets(instance.n, k);
        let smallest = all.iter().map(|s| upper(s)).fold(f64::INFINITY, f64::min);
        for _ in 0..4 {
            let g = some_potentials(random, &instance);
            prop_assert!(lower(&instance, tsds(diversity), k, g).unwrap().lower() <= smallest);
        }
        let subset = &all[random.below(all.len())];
        let low = value(&instance, tsds(diversity), subset).lower.unwrap();
        let more: Vec<usize> = (0..instance.n).collect();
        prop_assert!(value(&instance, tsds(diversity), &more).lower.unwrap() <= upper(subset));
        // A random plan with the queries' masses.
        let (mut cost, mut most, mut size) = (0.0, 0.0f64, diversity);
        instance.with(|geometry| for j in 0..instance.m {
            let shares: Vec<f64> = subset.iter().map(|_| random.signed().abs().powi(3) + 1e-9).collect();
            let total: f64 = shares.iter().sum();
            for (&i, share) in subset.iter().zip(&shares) {
                let c = geometry.cost_of(i, j);
                cost += c * share / total / instance.m as f64;
                (most, size) = (most.max(share / total), size.max(c.abs()));
            }
        });
        let plan = cost + diversity * (most - 1.0 / instance.n as f64);
        prop_assert!(low <= plan + 1e-12 * size + 1e-150, "{low} {plan}");
        let wider = value(&instance, tsds(2.0 * diversity), subset);
        prop_assert!(low <= wider.upper.unwrap());
    }

    /// Rows whose every cost is at least its potential add nothing and may be left out, to the bit.
    #[test]
    fn rows_without_height_may_be_left_out(cost in prop::sample::select(Cost::ALL.to_vec()), seed: u64) {
        let random = &mut Random(seed);
        let (instance, diversity) = instance(random, cost, 20, 3, 5);
        let g = some_potentials(random, &instance);
        instance.with(|geometry| {
            let k = 1 + random.below(instance.n);
            let problem = statement(geometry, tsds(diversity), k);
            let bounds = kantor_theory::CostBounds::new(geometry, Power::One);
            let counts = |i: &usize| (0..instance.m).any(|j| g[j] > bounds.lower(geometry.closeness(*i, j)));
            let rows: Vec<usize> = (0..instance.n).filter(counts).collect();
            let all = best_bound(geometry, &problem, g.clone(), Candidates::All, &sequential).unwrap();
            // SAFETY: every other row has the lower end of its cost at or above the potential, for every query.
            #[allow(unsafe_code)]
            let left = unsafe { Screened::assume(geometry, Power::One, g.clone(), rows) };
            let few = best_bound(geometry, &problem, g.clone(), Candidates::Screened(&left), &sequential).unwrap();
            prop_assert_eq!(all, few);
            Ok(())
        })?;
    }
}

/// By hand: one query at costs 0, 1, 4 of three rows. K = 1: λ − λ/3; K = 2: ½ + λ/2 − λ/3; K = 3: 5/3.
#[test]
fn the_penalty_decides_how_many_rows_share_a_query() {
    let instance = Instance {
        cost: Cost::Precomputed,
        p: Power::One,
        n: 3,
        m: 1,
        dim: 0,
        pool: vec![4.0, 0.0, 1.0],
        query: Vec::new(),
        subset: vec![0, 1, 2],
        weights: Weights::default(),
    };
    let around = |diversity: f64, subset: &[usize], exact: f64| {
        let Interval { lower: Some(low), upper: Some(high) } = value(&instance, tsds(diversity), subset) else {
            panic!()
        };
        assert!(
            low <= exact && exact <= high && high - low <= 1e-12 * exact,
            "{diversity}: [{low}, {high}], not {exact}"
        );
    };
    around(0.75, &[0, 1, 2], 0.5);
    around(3.0, &[0, 1, 2], 1.0);
    around(30.0, &[0, 1, 2], 5.0 / 3.0);
    around(30.0, &[1, 2], 5.5);
    // Of two rows, 1 and 2 are best; potentials between the second and the third cost prove it.
    let best = lower(&instance, tsds(3.0), 2, vec![2.0]).unwrap().lower();
    assert!((best - 1.0).abs() < 1e-12, "{best}");
}

#[test]
fn what_makes_no_problem_is_refused() {
    let (instance, diversity) = instance(&mut Random(5), Cost::Cosine, 6, 3, 4);
    instance.with(|geometry| {
        let rule = |result: Result<(), Rejection>| result.unwrap_err().rule;
        let good = statement(geometry, tsds(diversity), 1);
        let g = vec![0.0; instance.m];
        let evidence = DistanceEvidence { potentials: Some(g.clone()), plan: None };
        assert_eq!(rule(distance_bound(geometry, &good, &[0], evidence, &sequential).map(drop)), "objective");
        let witness = Witness { rows: vec![0], weights: vec![1.0] };
        assert_eq!(rule(best_bound(geometry, &good, witness, Candidates::All, &sequential).map(drop)), "objective");
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let problem = statement(geometry, tsds(bad), 1);
            assert_eq!(refused(geometry, &problem), "objective", "{bad}");
        }
        let squared = Statement::new(geometry, Power::Two, 1).under(good.objective);
        assert_eq!(refused(geometry, &squared), "objective");
        let weighted = good.clone().weighted(Weights { subset: None, query: Some(vec![1.0; instance.m]) });
        assert_eq!(refused(geometry, &weighted), "objective");
        for bad in [vec![f64::NAN; instance.m], vec![f64::INFINITY; instance.m], vec![0.0; instance.m + 1]] {
            let best = best_bound(geometry, &good, bad, Candidates::All, &sequential);
            assert_eq!(rule(best.map(drop)), "potentials");
        }
        let huge = best_bound(geometry, &good, vec![f64::MAX; instance.m], Candidates::All, &sequential);
        assert!(huge.is_err() || huge.unwrap().lower() == 0.0);
    });
}

/// Every bit of a certificate, every field, and the words for other objectives: what is not refused is true.
#[test]
fn no_tampering_is_believed_unless_it_is_true() {
    let random = &mut Random(11);
    let values = |random: &mut Random, count: usize| -> Vec<f64> { (0..count).map(|_| random.signed()).collect() };
    let instance = Instance {
        cost: Cost::Cosine,
        p: Power::One,
        n: 5,
        m: 2,
        dim: 2,
        pool: values(random, 10),
        query: values(random, 4),
        subset: vec![3, 1],
        weights: Weights::default(),
    };
    let objective = Objective::Tsds { diversity: 0.5 };
    let others = ["\"w\"", "\"energy\"", "\"tsds\"", "{\"tsds\": {}}", "{\"tsds\": {\"diversity\": 0.25}}"];
    tamper(&instance, &certificate(&instance, objective, vec![0.6, 0.9]), &others);
}

#[test]
fn evidence_of_other_objectives_is_refused() {
    let (mut instance, diversity) = instance(&mut Random(20), Cost::Cosine, 6, 2, 3);
    instance.subset = vec![0];
    let good = certificate(&instance, tsds(diversity), vec![0.1; instance.m]);
    let rejected = |certificate: &Certificate| match instance.check(certificate) {
        Verdict::Rejected(rejection) => rejection.rule,
        other => panic!("{other:?}"),
    };
    let mut bad = good.clone();
    bad.evidence.distance_potentials = Some(vec![0.0; instance.m]);
    assert_eq!(rejected(&bad), "evidence");
    let mut bad = good.clone();
    bad.evidence.plan = SparsePlan::new((0..instance.m).map(|j| (0, j, 1)).collect());
    assert_eq!(rejected(&bad), "evidence");
    let mut bad = good.clone();
    bad.evidence.witness = Some(Witness { rows: vec![0], weights: vec![1.0] });
    assert_eq!(rejected(&bad), "evidence");
    let mut bad = good.clone();
    bad.evidence.best_potentials = None;
    assert_eq!(rejected(&bad), "evidence");
    let mut bad = good.clone();
    bad.problem.objective = Objective::W;
    assert_eq!(rejected(&bad), "convention");
    // Nothing needs to be claimed of all subsets.
    let mut alone = good;
    (alone.best, alone.evidence.best_potentials) = (None, None);
    assert_eq!(instance.check(&alone).name(), "verified");
}
