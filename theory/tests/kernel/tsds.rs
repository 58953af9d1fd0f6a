//! TSDS's regularised problem: bounds against exact arithmetic, against any plan and all subsets, and certificates of
//! it against tampering.

use dashu::float::FBig;
use kantor_theory::certificate::MadeBy;
use kantor_theory::{
    BestBound, Candidates, Certificate, Cost, DistanceEvidence, Geometry, Interval, Objective, Power, Proved,
    Rejection, Screened, SparsePlan, Statement, Verdict, Weights, Witness, best_bound, best_tsds_bound, distance_bound,
    in_turn, tsds_bound,
};
use proptest::prelude::*;
use serde_json::Value;

use crate::duality::subsets;
use crate::exact_replay::{costs, real};
use crate::mutations::{paths, variants};
use crate::support::{Instance, Random};

/// An instance in terms that the objective knows, and a weight of the size of its costs.
fn instance(random: &mut Random, cost: Cost, n: usize, m: usize, dim: usize) -> (Instance, f64) {
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

fn statement(geometry: &Geometry<'_>, diversity: f64, k: usize) -> Statement {
    Statement::new(geometry, Power::One, k).under(Objective::Tsds { diversity })
}

fn value(instance: &Instance, diversity: f64, subset: &[usize]) -> Interval {
    instance.with(|geometry| {
        let problem = statement(geometry, diversity, subset.len());
        tsds_bound(geometry, &problem, subset, &in_turn).unwrap().interval()
    })
}

fn lower(instance: &Instance, diversity: f64, k: usize, g: Vec<f64>) -> Result<BestBound, Rejection> {
    instance
        .with(|geometry| best_tsds_bound(geometry, &statement(geometry, diversity, k), g, Candidates::All, &in_turn))
}

/// Potentials around the costs, some far off.
fn some_potentials(random: &mut Random, instance: &Instance) -> Vec<f64> {
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
        let Interval { lower: Some(low), upper: Some(high) } = value(&instance, diversity, &instance.subset) else {
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
        let best = lower(&instance, diversity, k, g).unwrap().lower();
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
        let upper = |subset: &[usize]| value(&instance, diversity, subset).upper.unwrap();
        let all = subsets(instance.n, k);
        let smallest = all.iter().map(|s| upper(s)).fold(f64::INFINITY, f64::min);
        for _ in 0..4 {
            let g = some_potentials(random, &instance);
            prop_assert!(lower(&instance, diversity, k, g).unwrap().lower() <= smallest);
        }
        let subset = &all[random.below(all.len())];
        let low = value(&instance, diversity, subset).lower.unwrap();
        let more: Vec<usize> = (0..instance.n).collect();
        prop_assert!(value(&instance, diversity, &more).lower.unwrap() <= upper(subset));
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
        let wider = value(&instance, 2.0 * diversity, subset);
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
            let problem = statement(geometry, diversity, k);
            let bounds = kantor_theory::CostBounds::new(geometry, Power::One);
            let counts = |i: &usize| (0..instance.m).any(|j| g[j] > bounds.lower(geometry.closeness(*i, j)));
            let rows: Vec<usize> = (0..instance.n).filter(counts).collect();
            let all = best_tsds_bound(geometry, &problem, g.clone(), Candidates::All, &in_turn).unwrap();
            // SAFETY: every other row has the lower end of its cost at or above the potential, for every query.
            #[allow(unsafe_code)]
            let left = unsafe { Screened::assume(geometry, Power::One, g.clone(), rows) };
            let few = best_tsds_bound(geometry, &problem, g.clone(), Candidates::Screened(&left), &in_turn).unwrap();
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
        let Interval { lower: Some(low), upper: Some(high) } = value(&instance, diversity, subset) else { panic!() };
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
    let best = lower(&instance, 3.0, 2, vec![2.0]).unwrap().lower();
    assert!((best - 1.0).abs() < 1e-12, "{best}");
}

#[test]
fn what_makes_no_problem_is_refused() {
    let (instance, diversity) = instance(&mut Random(5), Cost::Cosine, 6, 3, 4);
    instance.with(|geometry| {
        let rule = |result: Result<(), Rejection>| result.unwrap_err().rule;
        let w = Statement::new(geometry, Power::One, 1);
        let good = statement(geometry, diversity, 1);
        let g = vec![0.0; instance.m];
        assert_eq!(rule(tsds_bound(geometry, &w, &[0], &in_turn).map(drop)), "objective");
        assert_eq!(rule(best_tsds_bound(geometry, &w, g.clone(), Candidates::All, &in_turn).map(drop)), "objective");
        let evidence = DistanceEvidence { potentials: Some(g.clone()), plan: None };
        assert_eq!(rule(distance_bound(geometry, &good, &[0], evidence, &in_turn).map(drop)), "objective");
        assert_eq!(rule(best_bound(geometry, &good, g.clone(), Candidates::All, &in_turn).map(drop)), "objective");
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let problem = statement(geometry, bad, 1);
            assert_eq!(rule(tsds_bound(geometry, &problem, &[0], &in_turn).map(drop)), "objective", "{bad}");
        }
        let squared = Statement::new(geometry, Power::Two, 1).under(good.objective);
        assert_eq!(rule(tsds_bound(geometry, &squared, &[0], &in_turn).map(drop)), "objective");
        let weighted = good.clone().weighted(Weights { subset: None, query: Some(vec![1.0; instance.m]) });
        assert_eq!(rule(tsds_bound(geometry, &weighted, &[0], &in_turn).map(drop)), "objective");
        for bad in [vec![f64::NAN; instance.m], vec![f64::INFINITY; instance.m], vec![0.0; instance.m + 1]] {
            let best = best_tsds_bound(geometry, &good, bad, Candidates::All, &in_turn);
            assert_eq!(rule(best.map(drop)), "potentials");
        }
        let huge = best_tsds_bound(geometry, &good, vec![f64::MAX; instance.m], Candidates::All, &in_turn);
        assert!(huge.is_err() || huge.unwrap().lower() == 0.0);
    });
}

fn certificate(instance: &Instance, diversity: f64, g: Vec<f64>) -> Certificate {
    instance.with(|geometry| {
        let problem = statement(geometry, diversity, instance.subset.len());
        let distance = tsds_bound(geometry, &problem, &instance.subset, &in_turn).unwrap();
        let best = best_tsds_bound(geometry, &problem, g, Candidates::All, &in_turn).unwrap();
        let facts = instance.facts();
        let made_by = MadeBy { tool: "test".into(), version: "1".into(), selector: None };
        Certificate::new(facts.inputs, facts.dropped, &distance, Some(&best), made_by).unwrap()
    })
}

/// Claims and proofs of a certificate hold for what it states, by a look at every subset.
fn assert_holds(instance: &Instance, certificate: &Certificate, proved: &Proved, what: &str) {
    let Objective::Tsds { diversity } = certificate.problem.objective else { return };
    let interval = value(instance, diversity, &certificate.subset);
    assert!(proved.distance.lower.is_none_or(|lower| lower <= interval.upper.unwrap()), "{what}");
    assert!(proved.distance.upper.is_none_or(|upper| upper >= interval.lower.unwrap()), "{what}");
    if let Some(best) = proved.best {
        let all = subsets(instance.n, certificate.problem.budget);
        let uppers = all.iter().map(|subset| value(instance, diversity, subset).upper.unwrap());
        assert!(best <= uppers.fold(f64::INFINITY, f64::min), "{what}");
    }
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
    let original = certificate(&instance, 0.5, vec![0.6, 0.9]);
    assert_eq!(instance.check(&original).name(), "verified");
    let bytes = original.to_json();
    assert_eq!(Certificate::parse(&bytes).unwrap(), original, "what is written reads back as it was");
    let (mut tried, mut refused, mut weaker, mut verified) = (0, 0, 0, 0);
    let mut attempt = |bytes: &[u8], what: &str| {
        tried += 1;
        let verdict = Certificate::parse(bytes).map(|certificate| (instance.check(&certificate), certificate));
        match verdict {
            Err(_) | Ok((Verdict::Rejected(_) | Verdict::CannotCheck(_), _)) => refused += 1,
            Ok((Verdict::Weaker(proved), certificate)) => {
                weaker += 1;
                assert_holds(&instance, &certificate, &proved, what);
            }
            Ok((Verdict::Verified(proved), certificate)) => {
                verified += 1;
                assert_holds(&instance, &certificate, &proved, what);
                let claim = Proved { distance: certificate.distance, best: certificate.best.map(|b| b.lower) };
                assert_holds(&instance, &certificate, &claim, what);
            }
        }
    };
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut mutant = bytes.clone();
            mutant[at] ^= 1 << bit;
            attempt(&mutant, &format!("bit {bit} of byte {at}"));
        }
    }
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    let mut places = Vec::new();
    paths(&value, "", &mut places);
    assert!(places.iter().any(|place| place == "/problem/objective/tsds/diversity"), "{places:?}");
    for place in &places {
        for variant in variants(value.pointer(place).unwrap()) {
            let mut mutant = value.clone();
            let what = format!("{place} = {variant}");
            *mutant.pointer_mut(place).unwrap() = variant;
            attempt(&serde_json::to_vec(&mutant).unwrap(), &what);
        }
    }
    for other in ["\"w\"", "\"energy\"", "\"tsds\"", "{\"tsds\": {}}", "{\"tsds\": {\"diversity\": 0.25}}"] {
        let mut mutant = value.clone();
        mutant["problem"]["objective"] = serde_json::from_str(other).unwrap();
        attempt(&serde_json::to_vec(&mutant).unwrap(), other);
    }
    println!("{tried} tried, {refused} refused, {weaker} weaker, {verified} verified");
    assert!(refused > tried / 2 && weaker > 10 && verified > 10, "{tried} {refused} {weaker} {verified}");
}

#[test]
fn evidence_of_other_objectives_is_refused() {
    let (mut instance, diversity) = instance(&mut Random(20), Cost::Cosine, 6, 2, 3);
    instance.subset = vec![0];
    let good = certificate(&instance, diversity, vec![0.1; instance.m]);
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
