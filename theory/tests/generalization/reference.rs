//! Random references.

use kantor_theory::bounds::Interval;
use kantor_theory::generalization::reference::{noise_ratio, p_value, percentile, position};
use kantor_theory::generalization::{Kind, MetricDistance};

use crate::support::{Random, unit};

fn distance(x: f64) -> MetricDistance {
    MetricDistance::new(Interval { lower: Some(x), upper: Some(x) }).unwrap()
}

/// Under the null hypothesis P(p ≤ t) ≤ t.
#[test]
fn p_values_are_valid() {
    let random = &mut Random(31);
    let (runs, r) = (4000, 19);
    let mut below = [0; 4];
    let levels = [0.05, 0.1, 0.5, 0.9];
    for _ in 0..runs {
        let references: Vec<MetricDistance> = (0..r).map(|_| distance(unit(random))).collect();
        let p = p_value(distance(unit(random)), &references).value();
        levels.iter().zip(&mut below).for_each(|(t, n)| *n += u32::from(p <= t + 1e-12));
    }
    for (t, n) in levels.iter().zip(below) {
        assert!(f64::from(n) <= t * 4000.0 + 4.0 * (4000.0 * t * (1.0 - t)).sqrt(), "{t}: {n}");
    }
}

#[test]
fn position_and_percentile() {
    let references: Vec<MetricDistance> = [0.5, 0.6, 0.7].map(distance).to_vec();
    let p = p_value(distance(0.3), &references);
    assert!(p.value() >= 0.25 && p.value() < 0.25 + 1e-12 && p.kind() == Kind::Deterministic);
    assert_eq!(percentile(distance(0.65), &references).unwrap().value(), 2.0 / 3.0);
    assert!((position(distance(0.3), &references, 0.3).unwrap().value() - 1.0).abs() < 1e-12);
    assert!(position(distance(0.6), &references, 0.3).unwrap().value().abs() < 1e-12);
    assert!(position(distance(0.9), &references, 0.3).unwrap().value() < 0.0);
    assert!(percentile(distance(0.3), &[]).is_none() && position(distance(0.3), &references, 0.6).is_none());
    assert_eq!(noise_ratio(distance(0.3), 0.15).unwrap().value(), 2.0);
    assert!(noise_ratio(distance(0.3), 0.0).is_none());
    // An interval that overlaps the subset's counts against it.
    let wide = MetricDistance::new(Interval { lower: Some(0.2), upper: Some(0.9) }).unwrap();
    assert!(p_value(distance(0.3), &[wide]).value() >= 1.0);
}
