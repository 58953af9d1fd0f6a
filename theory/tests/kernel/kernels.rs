//! The kernels: enclosures against arithmetic with 300 bits, Gram matrices against theory, names and files.

use dashu::float::FBig;
use dashu::float::round::mode::HalfEven;
use kantor_theory::kernel::{BANDWIDTH_RANGE, MOST_BANDWIDTHS};
use kantor_theory::{Kernel, KernelError, KernelName};
use proptest::prelude::*;

use crate::support::Random;

type Real = FBig<HalfEven, 2>;

fn real(x: f64) -> Real {
    Real::try_from(x).unwrap().with_precision(300).value()
}

/// The kernel at a squared distance, in 300 bits.
fn exact(kernel: Kernel, squared: f64) -> Real {
    match kernel.bandwidths() {
        [] => exact_of(kernel, squared, 1.0),
        sigmas => {
            let sum = sigmas.iter().fold(real(0.0), |sum, &sigma| sum + exact_of(kernel, squared, sigma));
            sum / real(sigmas.len() as f64)
        }
    }
}

fn exact_of(kernel: Kernel, squared: f64, sigma: f64) -> Real {
    let (squared, sigma) = (real(squared), real(sigma));
    let ratio = &squared / (&sigma * &sigma);
    match kernel.name() {
        KernelName::Gaussian => (-ratio / real(2.0)).exp(),
        KernelName::Laplace => (-(squared.sqrt() / sigma)).exp(),
        KernelName::InverseMultiquadric => real(1.0) / (real(1.0) + ratio).sqrt(),
        KernelName::Energy => -squared.sqrt(),
        KernelName::Cosine => real(1.0) - squared / real(2.0),
        KernelName::Compact => (real(1.0) - ratio).max(real(0.0)),
    }
}

fn kernel(name: KernelName, sigma: f64) -> Kernel {
    Kernel::new(name, name.has_bandwidth().then_some(sigma)).unwrap()
}

/// The mean of some with wider bandwidths, of those kernels that have several.
fn several(name: KernelName, sigma: f64, count: usize) -> Kernel {
    match name.is_nonnegative() {
        true => {
            Kernel::mean_of(name, &(0..count).map(|at| sigma * 1.9f64.powi(at as i32)).collect::<Vec<_>>()).unwrap()
        }
        false => kernel(name, sigma),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The enclosure holds in exact arithmetic, and is tight where the argument is of ordinary size.
    #[test]
    fn enclosures_hold(
        name in prop::sample::select(KernelName::ALL.to_vec()),
        squared in prop_oneof![3 => 0.0f64..8.0, 1 => (-60i32..40).prop_map(|e| 1.7f64.powi(e)), 1 => Just(0.0)],
        sigma in prop_oneof![3 => 0.1f64..3.0, 1 => (-20i32..20).prop_map(|e| 2.3f64.powi(e))],
        count in 1usize..=MOST_BANDWIDTHS,
    ) {
        let kernel = several(name, sigma, count);
        let (low, high, value) = (kernel.lower(squared), kernel.upper(squared), kernel.value(squared));
        // exp of huge arguments is zero for all purposes, and slow in many digits.
        let argument = squared / (sigma * sigma);
        if argument < 1e5 {
            let truth = exact(kernel, squared);
            prop_assert!(real(low) <= truth && truth <= real(high), "{kernel} at {squared}: {low} {high}");
        }
        prop_assert!(low <= value && value <= high);
        if argument < 100.0 && squared > 1e-3 {
            prop_assert!(high - low <= 1e-12 * value.abs().max(1e-3), "{kernel} at {squared}: {low} {high}");
        }
    }

    /// Farther is less alike.
    #[test]
    fn kernels_fall(
        name in prop::sample::select(KernelName::ALL.to_vec()), near in 0.0f64..4.0, step in 1e-9f64..4.0, count in 1usize..4,
    ) {
        let kernel = several(name, 0.9, count);
        prop_assert!(kernel.value(near + step) <= kernel.value(near));
        if name.is_nonnegative() {
            prop_assert!((kernel.ln_value(near) - kernel.value(near).ln()).abs() < 1e-12);
            // Where the kernel itself is too small for a double.
            prop_assert!(kernel.ln_value(1e6).is_finite() && kernel.ln_value(1e6) < -5.0);
        }
        prop_assert!(kernel.lower(near + step) <= kernel.upper(near));
    }

    /// Schoenberg: Gram matrices are positive semidefinite, those of −d on vectors of sum zero.
    #[test]
    fn gram_matrices_are_positive(
        name in prop::sample::select(KernelName::ALL.to_vec()), seed: u64, sigma in 0.2f64..3.0, dim in 1usize..6, count in 1usize..4,
    ) {
        prop_assume!(name.makes_a_distance());
        let random = &mut Random(seed);
        let (n, kernel) = (9, several(name, sigma, count));
        let mut points: Vec<Vec<f64>> = (0..n).map(|_| (0..dim).map(|_| random.signed()).collect()).collect();
        if name == KernelName::Cosine {
            for x in &mut points {
                let norm = x.iter().map(|x| x * x).sum::<f64>().sqrt();
                x.iter_mut().for_each(|x| *x /= norm);
            }
        }
        let k = |i: usize, j: usize| {
            kernel.value(points[i].iter().zip(&points[j]).map(|(a, b)| (a - b) * (a - b)).sum())
        };
        for _ in 0..50 {
            let mut c: Vec<f64> = (0..n).map(|_| random.signed()).collect();
            if !name.is_positive_definite() {
                let mean = c.iter().sum::<f64>() / n as f64;
                c.iter_mut().for_each(|c| *c -= mean);
            }
            let form: f64 = (0..n * n).map(|t| c[t / n] * c[t % n] * k(t / n, t % n)).sum();
            prop_assert!(form >= -1e-12, "{kernel}: {form}");
        }
    }
}

/// Why `compact` makes no distance: a measure of total mass zero, two copies of opposite sign of three points half a
/// bandwidth apart, far from each other, has a negative squared length.
#[test]
fn the_compact_kernel_is_not_positive() {
    let kernel = kernel(KernelName::Compact, 1.0);
    let half = [(0.0, 1.0), (0.5, -std::f64::consts::SQRT_2), (1.0, 1.0)];
    let nu: Vec<(f64, f64)> = half.into_iter().chain(half.map(|(x, c)| (x + 10.0, -c))).collect();
    assert!(nu.iter().map(|(_, c)| c).sum::<f64>().abs() < 1e-15);
    let form: f64 = nu.iter().flat_map(|a| nu.iter().map(move |b| a.1 * b.1 * kernel.value((a.0 - b.0).powi(2)))).sum();
    assert!((form / 8.0 - (1.0 - 0.75 * std::f64::consts::SQRT_2)).abs() < 1e-12 && form < 0.0);
    assert!(!KernelName::Compact.is_positive_definite() && !KernelName::Compact.makes_a_distance());
}

#[test]
fn names_and_files_are_read_back() {
    for name in KernelName::ALL {
        assert_eq!(name.name().parse(), Ok(name));
        let kernel = kernel(name, 0.7);
        let text = serde_json::to_string(&kernel).unwrap();
        assert_eq!(serde_json::from_str::<Kernel>(&text).unwrap(), kernel, "{text}");
        assert_eq!(text.contains("bandwidth"), name.has_bandwidth());
        let wrong = (!name.has_bandwidth()).then_some(1.0);
        assert!(matches!(Kernel::new(name, wrong), Err(KernelError::Presence(..))), "{name}");
    }
    for name in KernelName::ALL {
        let mean = Kernel::mean_of(name, &[0.7, 0.25]);
        assert_eq!(mean.is_ok(), name.is_nonnegative(), "{name}");
        assert!(Kernel::mean_of(name, &[]).is_err());
        let Ok(mean) = mean else { continue };
        assert_eq!((mean.bandwidths(), mean.bandwidth()), (&[0.25, 0.7][..], None));
        let text = serde_json::to_string(&mean).unwrap();
        assert_eq!(text, format!("{{\"kernel\":\"{name}\",\"bandwidth\":[0.25,0.7]}}"));
        assert_eq!(serde_json::from_str::<Kernel>(&text).unwrap(), mean);
        // The same bandwidth again changes nothing but the rounding.
        let (one, twice) = (kernel(name, 0.7), Kernel::mean_of(name, &[0.7, 0.7]).unwrap());
        assert_eq!(one.value(0.3), twice.value(0.3));
        let many = vec![1.0; MOST_BANDWIDTHS + 1];
        assert!(matches!(Kernel::mean_of(name, &many), Err(KernelError::Many(_))));
        assert!(matches!(Kernel::mean_of(name, &[1.0, 0.0]), Err(KernelError::Bandwidth(_))));
    }
    assert!("gauss".parse::<KernelName>().is_err());
    for sigma in [0.0, -1.0, f64::NAN, f64::INFINITY, BANDWIDTH_RANGE.0 / 2.0, BANDWIDTH_RANGE.1 * 2.0] {
        assert!(matches!(Kernel::new(KernelName::Gaussian, Some(sigma)), Err(KernelError::Bandwidth(_))));
    }
    for bad in [
        "{\"kernel\":\"gaussian\",\"bandwidth\":[]}",
        "{\"kernel\":\"gaussian\",\"bandwidth\":[1]}",
        "{\"kernel\":\"cosine\",\"bandwidth\":[1,2]}",
        "{\"kernel\":\"gaussian\"}",
        "{\"kernel\":\"energy\",\"bandwidth\":1}",
        "{\"kernel\":\"x\"}",
        "{}",
    ] {
        assert!(serde_json::from_str::<Kernel>(bad).is_err(), "{bad}");
    }
}
