//! Printed bounds against exact arithmetic on the input bits: inner products and norms as big integers, roots and arc
//! cosines in 400-bit floating point.

use dashu::float::FBig;
use dashu::integer::IBig;
use kantor_theory::{Cost, DistanceEvidence, Power};

use crate::support::{Instance, Random};

const BITS: usize = 400;

pub(crate) fn float(integer: IBig, exponent: isize) -> FBig {
    FBig::from_parts(integer, exponent).with_precision(BITS).value()
}

/// x·2¹⁰⁷⁴, an integer.
pub(crate) fn scaled(x: f64) -> IBig {
    let bits = x.to_bits();
    let (biased, fraction) = (bits >> 52 & 0x7ff, bits & ((1 << 52) - 1));
    let magnitude =
        if biased == 0 { IBig::from(fraction) } else { IBig::from(fraction | 1 << 52) << (biased as usize - 1) };
    if x < 0.0 { -magnitude } else { magnitude }
}

pub(crate) fn real(x: f64) -> FBig {
    float(scaled(x), -1074)
}

pub(crate) fn dot(x: &[IBig], y: &[IBig]) -> IBig {
    x.iter().zip(y).map(|(a, b)| a * b).sum()
}

/// c^p for all pairs (N×M).
pub(crate) fn costs(instance: &Instance) -> Vec<Vec<FBig>> {
    let one = real(1.0);
    let scale_rows = |values: &[f64]| -> Vec<Vec<IBig>> {
        values.chunks(instance.dim.max(1)).map(|row| row.iter().map(|&x| scaled(x)).collect()).collect()
    };
    let (pool, query) = (scale_rows(&instance.pool), scale_rows(&instance.query));
    let power = |c: FBig| if instance.p == Power::Two { &c * &c } else { c };
    let from_cosine = |cosine: FBig| {
        let cosine = if cosine > one { one.clone() } else { cosine };
        let cosine = if cosine < -one.clone() { -one.clone() } else { cosine };
        match instance.cost {
            Cost::Cosine => &one - &cosine,
            Cost::HalfCosine => (&one - &cosine) * real(0.5),
            _ => cosine.acos_unit(2),
        }
    };
    let pair = |i: usize, j: usize| {
        if instance.dim == 0 {
            let entry = real(instance.pool[j * instance.n + i]);
            return if instance.cost == Cost::Precomputed { entry } else { from_cosine(entry) };
        }
        let (x, q) = (&pool[i], &query[j]);
        match instance.cost {
            Cost::Euclidean | Cost::Sqeuclidean => {
                let squared = float(x.iter().zip(q).map(|(a, b)| (a - b) * (a - b)).sum(), -2148);
                if instance.cost == Cost::Euclidean { squared.sqrt() } else { squared }
            }
            _ if x == q => real(0.0),
            _ => {
                let norms = float(dot(x, x) * dot(q, q), -4 * 1074).sqrt();
                from_cosine(float(dot(x, q), -2148) / norms)
            }
        }
    };
    (0..instance.n).map(|i| (0..instance.m).map(|j| power(pair(i, j))).collect()).collect()
}

pub(crate) fn shares(weights: Option<&[f64]>, count: usize) -> Vec<FBig> {
    match weights {
        None => vec![real(1.0) / real(count as f64); count],
        Some(weights) => {
            let total = weights.iter().map(|&w| real(w)).fold(real(0.0), |sum, w| sum + w);
            weights.iter().map(|&w| real(w) / &total).collect()
        }
    }
}

fn reply(g: &[f64], costs: &[FBig]) -> FBig {
    let gains = g.iter().zip(costs).map(|(&g, c)| real(g) - c);
    gains.reduce(|a, b| if b > a { b } else { a }).unwrap()
}

/// Σ b g − Σ_{i∈S} a max(g − c), and a scale against which 2⁻³⁰⁰ is nothing.
fn dual(instance: &Instance, costs: &[Vec<FBig>], g: &[f64]) -> FBig {
    let (a, b) = (
        shares(instance.weights.subset.as_deref(), instance.subset.len()),
        shares(instance.weights.query.as_deref(), instance.m),
    );
    let gain = g.iter().zip(&b).fold(real(0.0), |sum, (&g, b)| sum + real(g) * b);
    let spent = instance.subset.iter().zip(&a).fold(real(0.0), |sum, (&i, a)| sum + reply(g, &costs[i]) * a);
    gain - spent
}

/// Σ b g − (1/k) Σ_{i∈pool} max(0, max(g − c)).
fn dual_of_all(instance: &Instance, costs: &[Vec<FBig>], g: &[f64]) -> FBig {
    let b = shares(instance.weights.query.as_deref(), instance.m);
    let gain = g.iter().zip(&b).fold(real(0.0), |sum, (&g, b)| sum + real(g) * b);
    let replies = costs.iter().map(|row| reply(g, row)).filter(|reply| *reply > real(0.0));
    gain - replies.fold(real(0.0), |sum, reply| sum + reply) / real(instance.subset.len() as f64)
}

/// The p-th power of a printed bound, exactly, with its sign.
pub(crate) fn power(instance: &Instance, printed: f64) -> FBig {
    let x = real(printed);
    if instance.p == Power::Two { &x * &x } else { x }
}

fn slack(terms: &[&FBig]) -> FBig {
    let size = terms.iter().fold(real(0.0), |sum, &x| if *x < real(0.0) { sum - x } else { sum + x });
    size * real(2f64.powi(-300))
}

/// Potentials with and without sense.
fn some_potentials(random: &mut Random, optimal: &[f64]) -> Vec<f64> {
    let scale = optimal.iter().fold(1e-300f64, |a, b| a.max(b.abs()));
    match random.below(5) {
        0 => optimal.iter().map(|g| g * (1.0 + 1e-3 * random.signed())).collect(),
        1 => optimal.iter().map(|_| scale * random.signed()).collect(),
        2 => optimal.iter().map(|_| 1e6 * scale * random.signed()).collect(),
        3 => vec![0.0; optimal.len()],
        _ => optimal.iter().map(|g| g + scale * 0.1 * random.signed()).collect(),
    }
}

/// Weak duality and rounding outwards: for every instance the printed lower bound is at most the exact dual value of
/// its potentials (or 0) and at most the exact cost of the plan, the printed upper bound is at least the latter and at
/// least the exact dual value of optimal potentials, and the bound for all subsets is at most its exact value.
fn replay(cost: Cost, instances: u64, dim: usize) {
    let (mut closed, mut intervals) = (0, 0);
    for seed in 0..instances {
        let random = &mut Random(seed ^ (cost as u64) << 40);
        let instance = Instance::random(random, cost, 5, 4, dim);
        let exact = costs(&instance);
        let zero = real(0.0);
        let negative = exact.iter().flatten().any(|c| *c < zero);
        instance.with(|geometry| {
            let optimal = instance.distance_evidence(geometry);
            let (g, plan) = (optimal.potentials.clone().unwrap(), optimal.plan.clone().unwrap());
            let dual_value = dual(&instance, &exact, &g);
            let total = float(IBig::from(plan.total()), 0);
            let primal = plan.entries().fold(real(0.0), |sum, (position, j, mass)| {
                sum + &exact[instance.subset[position]][j] * float(IBig::from(mass), 0)
            }) / total;
            let uniform = instance.weights.subset.is_none() && instance.weights.query.is_none();

            let interval = instance.distance(geometry, optimal).unwrap().interval();
            let (lower, upper) = (interval.lower.unwrap(), interval.upper.unwrap());
            let slack_ = slack(&[&dual_value, &primal, &exact.iter().flatten().max().unwrap().clone()]);
            assert!(upper >= 0.0 || negative, "seed {seed}: {instance:?}");
            assert!(power(&instance, upper) + &slack_ >= dual_value, "upper {upper}, seed {seed}: {instance:?}");
            if uniform {
                assert!(power(&instance, upper) + &slack_ >= primal, "upper {upper}, seed {seed}: {instance:?}");
                assert!(power(&instance, lower) <= &primal + &slack_, "lower {lower}, seed {seed}: {instance:?}");
            }
            // Optimal evidence closes the interval to the error of the costs, so the bounds are not loose either.
            intervals += 1;
            let sizes = exact.iter().flatten().map(|c| c.to_f64().value().abs());
            // Costs of the cosine family are known to an error that does not shrink with them.
            let unit = f64::from(instance.dim > 0 && matches!(cost, Cost::Cosine | Cost::HalfCosine));
            let width = if instance.p == Power::Two { upper * upper - lower * lower } else { upper - lower };
            closed += u32::from(width <= 1e-12 * sizes.fold(unit, f64::max) + 1e-158);

            for g in [g.clone(), some_potentials(random, &g)] {
                let evidence = DistanceEvidence { potentials: Some(g.clone()), plan: None };
                let lower = instance.distance(geometry, evidence).unwrap().interval().lower.unwrap();
                let value = dual(&instance, &exact, &g);
                let value = if value < zero && !negative { zero.clone() } else { value };
                let slack = slack(&[&value, &real(g.iter().fold(0.0, |a, b| a + b.abs()))]);
                assert!(power(&instance, lower) <= &value + slack, "lower {lower}, seed {seed}: {instance:?}");
            }
            let best = instance.best_potentials(geometry, instance.subset.len());
            for g in [best.clone(), some_potentials(random, &best)] {
                let lower = instance.best(geometry, instance.subset.len(), g.clone()).unwrap().lower();
                let value = dual_of_all(&instance, &exact, &g);
                let value = if value < zero && !negative { zero.clone() } else { value };
                let slack = slack(&[&value, &real(g.iter().fold(0.0, |a, b| a + b.abs()))]);
                assert!(power(&instance, lower) <= &value + slack, "best {lower}, seed {seed}: {instance:?}");
            }
        });
    }
    if cost != Cost::Angular {
        assert!(closed * 100 >= intervals * 99, "only {closed} of {intervals} intervals close");
    }
}

#[test]
fn cosine_bounds_hold_in_exact_arithmetic() {
    replay(Cost::Cosine, 3500, 40);
}

#[test]
fn half_cosine_bounds_hold_in_exact_arithmetic() {
    replay(Cost::HalfCosine, 1500, 40);
}

#[test]
fn euclidean_bounds_hold_in_exact_arithmetic() {
    replay(Cost::Euclidean, 2000, 40);
}

#[test]
fn sqeuclidean_bounds_hold_in_exact_arithmetic() {
    replay(Cost::Sqeuclidean, 2000, 40);
}

#[test]
fn angular_bounds_hold_in_exact_arithmetic() {
    replay(Cost::Angular, 500, 20);
}

#[test]
fn given_costs_bounds_hold_in_exact_arithmetic() {
    replay(Cost::Precomputed, 2000, 1);
}
