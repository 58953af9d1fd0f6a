//! The capacity path (T3): convex, between transport and nearest rows, and with all its breakpoints.

use kantor_solvers::transport::exact::masses;
use kantor_solvers::transport::exact::transport;
use kantor_solvers::transport::exact::{capacity_path, capped};
use kantor_solvers::{Quiet, draw};
use kantor_theory::generalization::cloud::Capacity;
use proptest::prelude::*;

fn costs(seed: u64, n: usize, m: usize) -> Vec<f64> {
    // Whole numbers from a shuffle: exact in every arithmetic, no ties.
    draw::without_replacement(seed, 0, n * m, n * m).into_iter().map(|x| x as f64 / 16.0).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// The path starts at the transport cost, ends at the mean cost of nearest rows, and its chords are met by every value
    /// in between: nothing bends where no point is.
    #[test]
    fn path_is_convex_and_complete(seed: u64, n in 1usize..12, m in 1usize..6) {
        let c = costs(seed, n, m);
        let path = capacity_path(&c, n, m, 200, &Quiet).unwrap().unwrap();
        let whole = transport(&c, &masses(n, None, m, None).unwrap()).unwrap();
        let scale = whole.value.max(1.0);
        prop_assert!((path[0].value - whole.value).abs() <= 1e-9 * scale);
        let nearest: f64 = (0..m).map(|j| (0..n).map(|i| c[i * m + j]).fold(f64::INFINITY, f64::min)).sum::<f64>() / m as f64;
        prop_assert!((path[path.len() - 1].value - nearest).abs() <= 1e-9 * scale);
        for pair in path.windows(2) {
            let (a, b) = (&pair[0], &pair[1]);
            prop_assert!(a.capacity.value() < b.capacity.value() && b.value <= a.value + 1e-9);
            prop_assert!(a.slope <= 1e-12);
            // A tangent stays below the path.
            prop_assert!(a.value + a.slope * (b.capacity.value() - a.capacity.value()) <= b.value + 1e-9 * scale);
            // Half-way the path is the chord, up to what the grid of λ leaves.
            let middle = Capacity {
                num: a.capacity.num * b.capacity.den + b.capacity.num * a.capacity.den,
                den: 2 * a.capacity.den * b.capacity.den,
            };
            let value = capped(&c, n, m, middle).unwrap().value;
            let chord = (a.value + b.value) / 2.0;
            let grid = (a.slope.abs() + 1.0) * 2.0 / 16384.0;
            prop_assert!(value <= chord + 1e-9 * scale && value >= chord - grid * scale, "{value} {chord}");
        }
    }

    /// Every plan keeps its capacity and serves every query alike.
    #[test]
    fn plans_keep_their_capacity(seed: u64, n in 1usize..9, m in 1usize..6, num in 4u64..20) {
        let capacity = Capacity { num, den: 4 };
        let c = costs(seed, n, m);
        let found = capped(&c, n, m, capacity).unwrap();
        let total: u64 = found.plan.iter().map(|s| s.mass).sum();
        let (mut sent, mut received) = (vec![0u64; n], vec![0u64; m]);
        for s in &found.plan {
            sent[s.row] += s.mass;
            received[s.query] += s.mass;
        }
        prop_assert!(received.iter().all(|r| r * m as u64 == total));
        prop_assert!(sent.iter().all(|s| s * n as u64 * capacity.den <= total * capacity.num));
    }
}

#[test]
fn impossible_capacities_are_refused() {
    let c = costs(1, 2, 2);
    assert!(capped(&c, 2, 2, Capacity { num: 1, den: 2 }).is_err());
    assert!(capped(&c, 2, 2, Capacity { num: 1, den: 0 }).is_err());
    assert!(capped(&c, 3, 2, Capacity { num: 1, den: 1 }).is_err());
    assert!(capped(&c, 2, 2, Capacity { num: 1 << 61, den: 1 }).is_err());
}

#[test]
fn streams_are_independent_and_prefixes_nest() {
    let all = draw::without_replacement(7, 0, 50, 50);
    assert_eq!(draw::without_replacement(7, 0, 50, 20), all[..20]);
    assert_ne!(draw::without_replacement(7, 1, 50, 50), all);
    let mut sorted = all;
    sorted.sort_unstable();
    assert_eq!(sorted, (0..50).collect::<Vec<_>>());
}
