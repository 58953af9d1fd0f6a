//! Composition: the weakest kind, all assumptions, probabilities that add up.

use kantor_theory::bounds::{Interval, sequential};
use kantor_theory::generalization::assumption::require_held_out;
use kantor_theory::generalization::heldout::{held_out_distance, same_queries_distance};
use kantor_theory::generalization::{
    Assumption, Kind, Metric, MetricDistance, Theorem, heldout, lipschitz, lower, rates,
};
use kantor_theory::{Cost, DistanceEvidence, Power, SparsePlan, Statement};

fn distance(lower: f64, upper: f64) -> MetricDistance {
    MetricDistance::new(Interval { lower: Some(lower), upper: Some(upper) }).unwrap()
}

#[test]
fn composition_keeps_the_weakest_kind_and_all_assumptions() {
    let w = distance(0.4, 0.5);
    let sure = lipschitz::gap(2.0, w);
    let likely = held_out_distance(w, 2.0, 50, 0.05);
    let vague = lipschitz::observed_lipschitz(&[]);
    assert_eq!(sure.kind(), Kind::Deterministic);
    assert_eq!(sure.plus(Theorem::Composite, &likely).kind(), Kind::HighProbability(0.05));
    assert_eq!(likely.plus(Theorem::Composite, &vague).kind(), Kind::Estimate);
    let both = likely.min(Theorem::Composite, &likely);
    assert!(matches!(both.kind(), Kind::HighProbability(delta) if (0.1..0.1 + 1e-12).contains(&delta)));
    let sum = sure.plus(Theorem::Composite, &likely);
    for part in [&sure, &likely] {
        assert!(sum.assumptions().is_superset(part.assumptions()));
        assert!(part.inputs().iter().all(|input| sum.inputs().contains(input)));
    }
    assert!(sum.value() >= sure.value() + likely.value());
    // Heuristics stay heuristics, whatever is added to them.
    let x = rates::AprioriGain {
        c_star: 1.0,
        c_d: 1.0,
        diameter: 2.0,
        dim: 8,
        budget: 100,
        delta: 0.05,
        pool_to_queries: w,
        subset_to_queries: w,
    };
    let rule = rates::a_priori_gain(&x).unwrap();
    assert_eq!(sure.plus(Theorem::Paper62, &rule).kind(), Kind::Heuristic);
    assert!(!rule.kind().is_proved() && sure.kind().is_proved());
}

/// A bound from below is rounded down by what is done to it, and makes no proved number with one from above.
#[test]
fn bounds_keep_their_side() {
    let w = distance(0.1, 0.3);
    let (low, high) = (lower::below(0.1), lipschitz::gap(1.0, w));
    assert!(low.is_lower() && !high.is_lower());
    // 0.1·0.3 and 0.1 + 0.2 lie strictly between two doubles.
    let (product, sum) = (low.times(Theorem::T6, "L", 0.3), low.plus(Theorem::T6, &lower::below(0.2)));
    assert!(product.value() < 0.1 * 0.3 && sum.value() < 0.1 + 0.2);
    assert!(high.times(Theorem::T1, "L", 0.3).value() > high.value() * 0.3);
    assert!(low.times(Theorem::T6, "L", 0.0).value() == 0.0);
    for mixed in [low.plus(Theorem::T6, &high), high.plus(Theorem::T6, &low), low.min(Theorem::T6, &high)] {
        assert!(!mixed.kind().is_proved());
    }
    for factor in [-1.0, f64::NAN] {
        assert!(!low.times(Theorem::T6, "L", factor).kind().is_proved());
    }
}

/// W₂ is no lower bound of W₁.
#[test]
fn distances_of_another_power_are_none_of_a_metric() {
    let cloud = |values: &[f64]| crate::support::cloud(Metric::Euclidean, 1, values);
    let (rows, columns) = (cloud(&[0.0, 3.0]), cloud(&[0.0, 1.0]));
    let pairs = rows.pairs(&columns).unwrap();
    let of = |power| {
        let evidence = DistanceEvidence { potentials: None, plan: SparsePlan::new(vec![(0, 0, 1), (1, 1, 1)]) };
        pairs.distance(&Statement::new(pairs.geometry(), power, 2), evidence, &sequential)
    };
    assert!((of(Power::One).unwrap().upper() - 1.0).abs() < 1e-12);
    assert_eq!(of(Power::Two).unwrap_err().rule, "power");
}

#[test]
fn what_is_no_probability_makes_no_statement() {
    for delta in [0.0, -0.5, f64::NAN] {
        assert_eq!(heldout::deviation(10, delta), f64::INFINITY, "{delta}");
        assert_eq!(held_out_distance(distance(0.1, 0.2), 2.0, 10, delta).value(), f64::INFINITY, "{delta}");
    }
}

#[test]
fn certified_distances_enter_by_their_upper_end() {
    let (narrow, wide) = (distance(0.5, 0.5), distance(0.1, 0.5));
    assert_eq!(lipschitz::gap(2.0, narrow).value(), lipschitz::gap(2.0, wide).value());
    assert!(lipschitz::gap(2.0, distance(0.1, 0.6)).value() > lipschitz::gap(2.0, narrow).value());
    assert_eq!(held_out_distance(narrow, 2.0, 9, 0.1).value(), held_out_distance(wide, 2.0, 9, 0.1).value());
    let law = heldout::law_distance(&[wide], 2.0, 10, 0.1).unwrap();
    assert_eq!(law.value(), heldout::law_distance(&[narrow], 2.0, 10, 0.1).unwrap().value());
    assert!(same_queries_distance(narrow, &law).value() >= 0.5 + law.value());
}

#[test]
fn costs_that_are_no_metric_are_refused() {
    for cost in Cost::ALL {
        let metric = Metric::of(cost, Theorem::T1);
        assert_eq!(metric.is_ok(), cost.is_metric(), "{cost}");
        if let Err(refusal) = metric {
            assert_eq!((refusal.assumption, refusal.theorem), (Assumption::Metric, Theorem::T1));
        }
    }
    // The counterexample of the message: three directions, 60 degrees apart.
    let cos = |degrees: f64| degrees.to_radians().cos();
    assert!((1.0 - cos(120.0)) > (1.0 - cos(60.0)) + (1.0 - cos(60.0)) + 0.4);
}

#[test]
fn queries_that_took_part_are_refused() {
    assert!(require_held_out(Theorem::T10, 0, 30).is_ok());
    let refusal = require_held_out(Theorem::T12, 3, 30).unwrap_err();
    assert_eq!(refusal.assumption, Assumption::HeldOut);
    assert!(refusal.to_string().contains("3 of the 30"), "{refusal}");
}

#[test]
fn names_of_assumptions_are_distinct() {
    let names: std::collections::BTreeSet<_> = Assumption::ALL.iter().map(|a| a.name()).collect();
    let words: std::collections::BTreeSet<_> = Assumption::ALL.iter().map(|a| a.words()).collect();
    assert_eq!((names.len(), words.len()), (Assumption::ALL.len(), Assumption::ALL.len()));
}
