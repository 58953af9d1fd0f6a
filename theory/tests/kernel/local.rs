//! T19 (notes/T19.md): bounds under local kernels, against all subsets, exact arithmetic and tampering.

use dashu::float::FBig;
use kantor_theory::{
    BestEvidence, Cost, Kernel, KernelName, Objective, Power, Rejection, Weights, Witness, sequential, shift_holds,
};
use proptest::prelude::*;

use crate::discrepancy::gram;
use crate::duality::subsets;
use crate::evaluated::{certificate, lower, tamper, value};
use crate::exact_replay::real;
use crate::support::{Instance, Random};

/// Points under a kernel that is never negative, of a bandwidth from narrow to wide; some rows repeat others, or nearly.
fn instance(random: &mut Random, n: usize, m: usize, dim: usize) -> (Instance, Objective) {
    let cost = [Cost::Euclidean, Cost::Cosine, Cost::Sqeuclidean, Cost::Angular][random.below(4)];
    let mut values = |rows: usize| -> Vec<f64> { (0..rows * dim).map(|_| random.signed()).collect() };
    let (mut pool, query) = (values(n), values(m));
    for row in 1..n {
        let (noise, kind) = (1e-3 * random.signed(), random.below(6));
        for t in 0..dim {
            pool[row * dim + t] = match kind {
                0 => pool[t],
                1 => pool[t] + noise * (t + 1) as f64,
                _ => pool[row * dim + t],
            };
        }
    }
    let mut subset: Vec<usize> = (0..n).collect();
    random.shuffle(&mut subset);
    subset.truncate(1 + random.below(n));
    let query_weights = (random.below(2) == 0).then(|| (0..m).map(|_| random.signed().abs() + 0.1).collect());
    let weights = Weights { subset: None, query: query_weights };
    let sigmas = &[0.2, 0.5, 1.0, 3.0][random.below(4)..][..1];
    let sigmas = if random.below(3) == 0 { &[0.3, 2.0] } else { sigmas };
    let kind = [KernelName::Gaussian, KernelName::Laplace, KernelName::InverseMultiquadric][random.below(3)];
    let objective = Objective::Mmd(Kernel::mean_of(kind, sigmas).unwrap());
    (Instance { cost, p: Power::One, n, m, dim, pool, query, subset, weights }, objective)
}

/// Some active rows, masses of both signs, and the largest of a family of shifts that is accepted.
fn some_evidence(random: &mut Random, instance: &Instance, kernel: Kernel) -> (Witness, Vec<f64>) {
    let mut rows: Vec<usize> = (0..instance.n).collect();
    random.shuffle(&mut rows);
    rows.truncate(1 + random.below(instance.n));
    let signed = random.below(3) == 0;
    let weights = rows.iter().map(|_| if signed { random.signed() } else { random.signed().abs() }).collect();
    let some: Vec<f64> = rows.iter().map(|_| 0.5 + 0.5 * random.signed().abs()).collect();
    let shift = (0..12).map(|step| some.iter().map(|d| d - step as f64 / 10.0).collect::<Vec<f64>>());
    let holds = |shift: &Vec<f64>| {
        instance.with(|geometry| shift_holds(geometry, kernel, &rows, shift, &sequential))
            && shift.iter().all(|d| *d < 1.0)
    };
    let shift = shift.into_iter().find(holds).unwrap();
    (Witness { rows, weights }, shift)
}

fn local((witness, shift): (Witness, Vec<f64>)) -> BestEvidence {
    BestEvidence::Local { witness, shift }
}

fn sum(terms: impl Iterator<Item = FBig>) -> FBig {
    terms.fold(real(0.0), |sum, term| sum + term)
}

/// Whether a symmetric matrix is positive semidefinite but for `slack`, by elimination in 400 bits.
fn is_semidefinite(mut a: Vec<Vec<FBig>>, slack: &FBig) -> bool {
    let n = a.len();
    for at in 0..n {
        a[at][at] += slack;
        if a[at][at] <= real(0.0) {
            return false;
        }
        for row in at + 1..n {
            let factor = &a[row][at] / &a[at][at];
            let above = a[at].clone();
            for (below, above) in a[row].iter_mut().zip(&above).skip(at + 1) {
                *below -= &factor * above;
            }
        }
    }
    true
}

/// What is printed holds in 400 bits: the shift leaves the kernel positive semidefinite, and the bound is no more than its formula.
#[test]
fn local_bounds_hold_in_exact_arithmetic() {
    let (mut shifted, mut tight) = (0, 0);
    for seed in 0..300 {
        let random = &mut Random(seed);
        let (instance, objective) = instance(random, 7, 3, 6);
        let kernel = objective.kernel().unwrap();
        let (witness, shift) = some_evidence(random, &instance, kernel);
        let gram = &gram(&instance, kernel);
        let (n, m, k) = (instance.n, instance.m, instance.subset.len());
        let given = instance.weights.query.clone().unwrap_or(vec![1.0; m]);
        let total = sum(given.iter().map(|&b| real(b)));
        let b: Vec<FBig> = given.iter().map(|&b| real(b) / &total).collect();
        let of_queries = |i: usize| sum(b.iter().enumerate().map(|(j, b)| b * &gram[i][n + j]));
        let among = sum(b.iter().enumerate().map(|(j, b)| b * of_queries(n + j)));
        let alpha: Vec<FBig> = witness.weights.iter().map(|&w| real(w) / real(k as f64)).collect();
        let less = |a: usize, c: usize| {
            let k = &gram[witness.rows[a]][witness.rows[c]];
            if a == c { k - real(shift[a]) } else { k.clone() }
        };
        let count = alpha.len();
        let matrix: Vec<Vec<FBig>> = (0..count).map(|a| (0..count).map(|c| less(a, c)).collect()).collect();
        let slack = real(2f64.powi(-300));
        assert!(is_semidefinite(matrix, &slack), "seed {seed}");
        let pulls: Vec<FBig> = (0..count).map(|a| sum((0..count).map(|c| less(a, c) * &alpha[c]))).collect();
        let square = sum(alpha.iter().zip(&pulls).map(|(a, pull)| a * pull));
        let half = real(0.5) / real(k as f64);
        let mut heights: Vec<FBig> = (0..n)
            .map(|row| match witness.rows.iter().position(|active| *active == row) {
                Some(at) => &half * real(shift[at]) + &pulls[at] - of_queries(row),
                None => &half - of_queries(row),
            })
            .collect();
        heights.sort();
        let dual = sum(heights.into_iter().take(k)) * real(2.0) / real(k as f64) - square + among;
        let dual = if dual < real(0.0) { real(0.0) } else { dual };
        let best = lower(&instance, objective, k, local((witness, shift.clone()))).unwrap().lower();
        assert!(real(best) * real(best) <= &dual + &slack, "{best} seed {seed}: {objective:?} {instance:?}");
        shifted += u32::from(shift.iter().any(|d| *d > 0.2));
        tight += u32::from(best * best >= dual.to_f64().value() - 1e-9);
    }
    assert!(shifted > 100 && tight > 280, "{shifted} shifts are large, {tight} bounds are tight");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// T19: whatever is active and whatever the masses, no subset is below the bound; from the masses of the best subset itself, all
    /// rows active, the largest shift gives more than none.
    #[test]
    fn no_subset_beats_a_local_bound(seed: u64, k in 1usize..8) {
        let random = &mut Random(seed);
        let (instance, objective) = instance(random, 8, 3, 4);
        let kernel = objective.kernel().unwrap();
        let k = k.min(instance.n);
        let least = subsets(instance.n, k)
            .iter()
            .map(|subset| value(&instance, objective, subset).upper.unwrap())
            .fold(f64::INFINITY, f64::min);
        for _ in 0..4 {
            let evidence = some_evidence(random, &instance, kernel);
            let bound = lower(&instance, objective, k, local(evidence.clone())).unwrap();
            prop_assert!(bound.lower() <= least, "{} {least}: {evidence:?} {instance:?} {objective:?}", bound.lower());
        }
    }
}

/// Rows that are nothing like each other: the plain bound spreads its mass over all of them, and the local one is exact.
#[test]
fn rows_apart_from_each_other_count_in_full() {
    let (n, k) = (12, 3);
    let pool: Vec<f64> = (0..n).map(|i| 100.0 * i as f64).collect();
    let kernel = Objective::Mmd(Kernel::new(KernelName::Gaussian, Some(1.0)).unwrap());
    let query: Vec<f64> = pool.iter().map(|x| x + 1.0).collect();
    let instance = Instance {
        cost: Cost::Euclidean,
        p: Power::One,
        n,
        m: n,
        dim: 1,
        pool,
        query,
        subset: (0..k).collect(),
        weights: Weights::default(),
    };
    let exact = value(&instance, kernel, &instance.subset).upper.unwrap();
    let uniform = Witness { rows: (0..n).collect(), weights: vec![k as f64 / n as f64; n] };
    let plain = lower(&instance, kernel, k, uniform.clone()).unwrap().lower();
    let shifted = lower(&instance, kernel, k, local((uniform, vec![0.999; n]))).unwrap().lower();
    let alone = local((Witness { rows: vec![0], weights: vec![0.0] }, vec![0.0]));
    let alone = lower(&instance, kernel, k, alone).unwrap().lower();
    assert!(plain < 0.6 * exact && shifted > 0.999 * exact && shifted <= exact, "{plain} {shifted} {exact}");
    assert!(alone <= exact && alone > 0.8 * exact, "{alone} {exact}");
}

#[test]
fn bad_shifts_are_refused() {
    let random = &mut Random(5);
    let (mut instance, objective) = instance(random, 6, 2, 3);
    instance.weights = Weights::default();
    let kernel = objective.kernel().unwrap();
    let rows = vec![0, 2, 3];
    let rule = |objective: Objective, rows: &[usize], weights: &[f64], shift: &[f64]| {
        let witness = Witness { rows: rows.to_vec(), weights: weights.to_vec() };
        lower(&instance, objective, 2, local((witness, shift.to_vec())))
            .map(drop)
            .map_err(|Rejection { rule, .. }| rule)
    };
    let three = [0.5, 0.5, 0.5];
    assert_eq!(rule(objective, &rows, &three, &[0.0; 3]), Ok(()));
    assert_eq!(rule(objective, &rows, &[0.0; 3], &[-1.0; 3]), Ok(()), "numbers below zero need no proof");
    for shift in [&[0.0; 2][..], &[0.0; 4], &[f64::NAN, 0.0, 0.0], &[1.0, 0.0, 0.0], &[f64::INFINITY, 0.0, 0.0]] {
        assert_eq!(rule(objective, &rows, &three, shift), Err("shift"), "{shift:?}");
    }
    assert_eq!(rule(objective, &[0, 0, 1], &three, &[0.0; 3]), Err("witness"));
    assert_eq!(rule(objective, &[0, 6, 1], &three, &[0.0; 3]), Err("witness"));
    assert_eq!(rule(objective, &rows, &[f64::NAN, 0.0, 0.0], &[0.0; 3]), Err("witness"));
    assert_eq!(rule(Objective::Energy, &rows, &three, &[0.0; 3]), Err("shift"), "the kernel of energy is negative");
    // A pair of equal rows leaves nothing to take.
    let dim = instance.dim;
    let mut twins = instance.clone();
    let first = twins.pool[..dim].to_vec();
    twins.pool[dim..2 * dim].copy_from_slice(&first);
    let holds = |d: f64| twins.with(|geometry| shift_holds(geometry, kernel, &[0, 1], &[d, d], &sequential));
    assert!(holds(0.0) && !holds(1e-13) && !holds(0.01));
}

/// More rows than a panel: chains of neighbours, of whose kernel it is known how much its diagonal can lose.
#[test]
fn shifts_of_many_rows_are_proved_up_to_what_holds() {
    for n in [63, 64, 65, 200] {
        let pool: Vec<f64> = (0..n).map(|i| 1.5 * i as f64).collect();
        let kernel = Kernel::new(KernelName::Laplace, Some(1.0)).unwrap();
        let instance = Instance {
            cost: Cost::Euclidean,
            p: Power::One,
            n,
            m: 1,
            dim: 1,
            pool,
            query: vec![0.0],
            subset: vec![0],
            weights: Weights::default(),
        };
        // The inverse is tridiagonal: the least eigenvalue lies above (1 − r)/(1 + r), r = exp(−1.5), and near it.
        let r = (-1.5f64).exp();
        let least = (1.0 - r) / (1.0 + r);
        let rows: Vec<usize> = (0..n).collect();
        let holds = |d: f64| instance.with(|geometry| shift_holds(geometry, kernel, &rows, &vec![d; n], &sequential));
        assert!(holds(least - 1e-9) && !holds(least * 1.01), "{n}");
    }
}

#[test]
fn no_mutation_of_a_local_certificate_is_believed_unless_it_is_true() {
    let random = &mut Random(13);
    let values = |random: &mut Random, count: usize| -> Vec<f64> { (0..count).map(|_| random.signed()).collect() };
    let (pool, query) = (values(random, 10), values(random, 4));
    let instance = Instance {
        cost: Cost::Euclidean,
        p: Power::One,
        n: 5,
        m: 2,
        dim: 2,
        pool,
        query,
        subset: vec![3, 1],
        weights: Weights::default(),
    };
    let kernel = Kernel::new(KernelName::Gaussian, Some(0.4)).unwrap();
    let rows = vec![1, 3, 4];
    let shift = [0.5, 0.4, 0.3, 0.2, 0.1, 0.0].map(|d| vec![d, d - 0.0625, d + 0.03125]);
    let holds = |shift: &Vec<f64>| instance.with(|geometry| shift_holds(geometry, kernel, &rows, shift, &sequential));
    let shift = shift.into_iter().find(holds).unwrap();
    let evidence = local((Witness { rows: rows.clone(), weights: vec![0.5, 0.75, 0.125] }, shift));
    let others = ["\"w\"", "\"energy\"", "null", "{\"mmd\": {\"kernel\": \"cosine\"}}"];
    tamper(&instance, &certificate(&instance, Objective::Mmd(kernel), evidence), &others);
}
