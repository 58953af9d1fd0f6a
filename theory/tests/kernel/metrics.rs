//! Chamfer, Hausdorff, kernel means and mean difference, weighted, against exact arithmetic on the input bits.

use dashu::float::FBig;
use kantor_theory::bounds::sequential;
use kantor_theory::{
    Cost, Interval, Kernel, KernelName, kernel_means, mean_difference, nearest_distances, transport_at_least,
};

use crate::discrepancy::gram;
use crate::exact_replay::{costs, dot, float, power, real, scaled, shares};
use crate::support::{Instance, Random};

fn least(values: impl Iterator<Item = FBig>) -> FBig {
    values.reduce(|a, b| if b < a { b } else { a }).unwrap()
}

fn largest(values: impl Iterator<Item = FBig>) -> FBig {
    values.reduce(|a, b| if b > a { b } else { a }).unwrap()
}

fn size(x: &FBig) -> FBig {
    if *x < real(0.0) { -x.clone() } else { x.clone() }
}

/// What 400 bits may have lost of a sum of numbers of this size.
fn slack(size: &FBig) -> FBig {
    size * real(2f64.powi(-340))
}

fn ends(interval: Interval) -> (f64, f64) {
    (interval.lower.unwrap(), interval.upper.unwrap())
}

/// Points of one side as the cost compares them.
fn points(instance: &Instance, query: bool) -> Vec<Vec<FBig>> {
    let values = if query { &instance.query } else { &instance.pool };
    let unit = !matches!(instance.cost, Cost::Euclidean | Cost::Sqeuclidean);
    let point = |row: &[f64]| {
        let x: Vec<_> = row.iter().map(|&x| scaled(x)).collect();
        let norm = if unit { float(dot(&x, &x), -2148).sqrt() } else { real(1.0) };
        row.iter().map(|&x| real(x) / &norm).collect()
    };
    values.chunks(instance.dim).map(point).collect()
}

#[test]
fn printed_distances_hold_in_exact_arithmetic() {
    let (mut tight, mut seen) = (0, 0);
    for seed in 0..900 {
        let random = &mut Random(seed);
        let cost = Cost::ALL[random.below(6)];
        let instance = &Instance::random(random, cost, 7, 4, 12);
        let weights = &instance.weights;
        let (k, m) = (instance.subset.len(), instance.m);
        let (a, b) = (shares(weights.subset.as_deref(), k), shares(weights.query.as_deref(), m));
        let (rows, columns): (Vec<usize>, Vec<usize>) =
            ((0..k).filter(|&i| a[i] > real(0.0)).collect(), (0..m).filter(|&j| b[j] > real(0.0)).collect());
        let costs = costs(instance);
        let cost_of = |i: usize, j: usize| costs[instance.subset[i]][j].clone();
        let of_query = |j: usize| least(rows.iter().map(|&i| cost_of(i, j)));
        let of_row = |i: usize| least(columns.iter().map(|&j| cost_of(i, j)));
        let sum = |terms: &mut dyn Iterator<Item = FBig>| terms.fold(real(0.0), |sum, x| sum + x);
        let to_subset = sum(&mut columns.iter().map(|&j| &b[j] * of_query(j)));
        let to_query = sum(&mut rows.iter().map(|&i| &a[i] * of_row(i)));
        let hausdorff = largest(columns.iter().map(|&j| of_query(j)).chain(rows.iter().map(|&i| of_row(i))));
        let scale = costs.iter().flatten().map(size).fold(real(1e-300), |a, x| if x > a { x } else { a });
        let found = instance
            .with(|geometry| nearest_distances(geometry, instance.p, &instance.subset, weights, &sequential))
            .unwrap();
        let cases =
            [(found.chamfer_to_subset, &to_subset), (found.chamfer_to_query, &to_query), (found.hausdorff, &hausdorff)];
        for (interval, exact) in cases {
            let (low, high) = ends(interval);
            assert!(power(instance, low) <= exact + slack(&scale), "{low} seed {seed} {instance:?}");
            assert!(power(instance, high) >= exact - slack(&scale), "{high} seed {seed} {instance:?}");
        }
        if instance.dim == 0 {
            continue;
        }

        let distances = matches!(cost, Cost::Euclidean | Cost::Sqeuclidean);
        let unit = if distances { instance.pool.iter().fold(1e-60, |a: f64, x| a.max(x.abs())) } else { 1.0 };
        let sigma = Some(unit * [0.3, 1.0, 5.0][random.below(3)]);
        let kernel = match random.below(6) {
            4 => Kernel::mean_of(KernelName::Gaussian, &[0.3 * unit, unit, 5.0 * unit]).unwrap(),
            5 => Kernel::mean_of(KernelName::Laplace, &[0.5 * unit, 2.0 * unit]).unwrap(),
            0 => Kernel::new(KernelName::Gaussian, sigma).unwrap(),
            1 => Kernel::new(KernelName::Laplace, sigma).unwrap(),
            2 if !distances => Kernel::new(KernelName::Cosine, None).unwrap(),
            _ => Kernel::ENERGY,
        };
        let gram = &gram(instance, kernel);
        let scale = gram.iter().flatten().map(size).fold(real(1e-300), |a, x| if x > a { x } else { a });
        let (s, q) = (instance.subset.clone(), (instance.n..instance.n + m).collect::<Vec<_>>());
        let mean = |x: &[usize], a: &[FBig], y: &[usize], b: &[FBig], apart: bool| {
            let pairs =
                || (0..x.len()).flat_map(|i| (0..y.len()).map(move |j| (i, j))).filter(|(i, j)| !apart || i != j);
            let mass = sum(&mut pairs().map(|(i, j)| &a[i] * &b[j]));
            (mass > real(0.0)).then(|| sum(&mut pairs().map(|(i, j)| &a[i] * &b[j] * &gram[x[i]][y[j]])) / mass)
        };
        let squared = |apart: bool| {
            let cross = mean(&s, &a, &q, &b, false)?;
            Some(mean(&s, &a, &s, &a, apart)? - cross * real(2.0) + mean(&q, &b, &q, &b, apart)?)
        };
        let means = instance.with(|geometry| kernel_means(geometry, kernel, &s, weights, &sequential)).unwrap();
        let biased = squared(false).unwrap();
        let (low, high) = ends(means.squared());
        assert!(
            real(low) <= &biased + slack(&scale) && real(high) >= &biased - slack(&scale),
            "seed {seed} {instance:?}"
        );
        tight += u32::from(high - low <= 1e-6 * scale.to_f64().value());
        assert!(biased >= -slack(&scale), "no distance: seed {seed}");
        if let Some(unbiased) = means.unbiased() {
            let (low, high) = ends(unbiased);
            let exact = squared(true).unwrap();
            // Few pairs of little weight are divided by that weight.
            let slack = &scale * real(2f64.powi(-250));
            assert!(
                real(low) <= &exact + &slack && real(high) >= &exact - &slack,
                "seed {seed} {low} {high} {instance:?}"
            );
        }

        let (x, y) = (points(instance, false), points(instance, true));
        let coordinate = |t: usize| {
            let mean = sum(&mut (0..k).map(|i| &a[i] * &x[s[i]][t]));
            let difference = mean - sum(&mut (0..m).map(|j| &b[j] * &y[j][t]));
            &difference * &difference
        };
        let exact = sum(&mut (0..instance.dim).map(coordinate)).sqrt();
        let scale = largest(x.iter().chain(&y).flatten().map(size)) + real(1e-300);
        let (low, high) = ends(instance.with(|geometry| mean_difference(geometry, &s, weights, &sequential)).unwrap());
        assert!(
            real(low) <= &exact + slack(&scale) && real(high) >= &exact - slack(&scale),
            "seed {seed} {instance:?}"
        );
        assert!(high - low <= 1e-12 * scale.to_f64().value() + 1e-160, "{low} {high} seed {seed}");
        seen += 1;
    }
    assert!(seen > 500 && tight * 10 > seen * 9, "{tight} of {seen} are tight");
}

/// The angle of a chord, and squares.
#[test]
fn what_is_said_of_other_costs_is_what_their_points_say() {
    for w in [0.0, 1e-9, 0.3, 1.0, 1.9] {
        let of = |cost| transport_at_least(cost, w).unwrap();
        assert_eq!(of(Cost::Euclidean), w);
        // One pair of unit rows at distance w.
        let angle = 2.0 * f64::asin(w / 2.0) / std::f64::consts::PI;
        for (cost, exact) in [
            (Cost::Sqeuclidean, w * w),
            (Cost::Cosine, w * w / 2.0),
            (Cost::HalfCosine, w * w / 4.0),
            (Cost::Angular, angle),
        ] {
            assert!(of(cost) <= exact * (1.0 + 1e-15) && of(cost) >= 0.6 * exact * (1.0 - 1e-15), "{cost} {w}");
        }
    }
    assert_eq!(transport_at_least(Cost::Precomputed, 1.0), None);
    assert_eq!(transport_at_least(Cost::Cosine, -1.0), Some(0.0));
}
