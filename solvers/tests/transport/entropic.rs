//! What `sinkhorn` and `sinkhorn-newton` promise, on random problems of every kind that they take.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use kantor_solvers::solver::Step;
use kantor_solvers::{Plan, Potentials, Quiet, Solution, SolveError, SolverSettings, Stopped, Watch, registry};
use kantor_theory::statement::Weights;
use kantor_theory::transport_problem::{Marginal, Reference};
use kantor_theory::{Cost, DenseRows, Geometry, Power, Status, TransportProblem};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const BOTH: [&str; 2] = ["sinkhorn", "sinkhorn-newton"];

/// Clustered points in three dimensions, row-major.
fn cloud(rows: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let centres: Vec<f64> = (0..12).map(|_| rng.random_range(-1.0..1.0)).collect();
    let mut point = || {
        let centre = rng.random_range(0..4usize);
        [0, 1, 2].map(|t| centres[3 * centre + t] + rng.random_range(-0.4..0.4))
    };
    (0..rows).flat_map(|_| point()).collect()
}

/// Positive weights over two orders of magnitude, some zero, at least one positive.
fn weights(count: usize, seed: u64, zeros: bool) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut draw = || if zeros && rng.random::<f64>() < 0.2 { 0.0 } else { 10f64.powf(rng.random_range(-1.0..1.0)) };
    let mut weights: Vec<f64> = (0..count).map(|_| draw()).collect();
    weights[count / 2] = 1.0;
    weights
}

fn rows(values: &[f64]) -> DenseRows {
    DenseRows::from_f64(3, values.to_vec()).unwrap()
}

fn try_solve(name: &str, problem: &TransportProblem<'_>, settings: &SolverSettings) -> Result<Solution, SolveError> {
    (registry::solver(name).unwrap().build)(settings).solve(problem, None, &Quiet)
}

fn solve(name: &str, problem: &TransportProblem<'_>) -> Solution {
    try_solve(name, problem, &SolverSettings::default()).unwrap()
}

/// Costs, both sides' masses and the reference of a problem.
struct Dense {
    costs: Vec<Vec<f64>>,
    a: Vec<f64>,
    b: Vec<f64>,
    base: Vec<Vec<f64>>,
}

fn shares(weights: Option<&Vec<f64>>, count: usize) -> Vec<f64> {
    let weights = weights.cloned().unwrap_or(vec![1.0; count]);
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|w| w / total).collect()
}

fn dense(problem: &TransportProblem<'_>) -> Dense {
    let (n, m) = (problem.row_count(), problem.geometry.query_len());
    let (a, b) = (shares(problem.weights.subset.as_ref(), n), shares(problem.weights.query.as_ref(), m));
    let cost = |i: usize, j: usize| {
        let c = problem.geometry.cost_of(problem.row(i), j);
        if problem.power == Power::Two { c * c } else { c }
    };
    let base = |i: usize, j: usize| if problem.reference == Reference::Product { a[i] * b[j] } else { 1.0 };
    let table = |f: &dyn Fn(usize, usize) -> f64| (0..n).map(|i| (0..m).map(|j| f(i, j)).collect()).collect();
    Dense { costs: table(&cost), base: table(&base), a, b }
}

impl Dense {
    /// The plan that potentials define.
    fn plan(&self, potentials: &Potentials, epsilon: f64) -> Vec<Vec<f64>> {
        let entry = |i: usize, j: usize| {
            if self.a[i] == 0.0 || self.b[j] == 0.0 {
                return 0.0;
            }
            self.base[i][j] * ((potentials.pool[i] + potentials.query[j] - self.costs[i][j]) / epsilon).exp()
        };
        (0..self.a.len()).map(|i| (0..self.b.len()).map(|j| entry(i, j)).collect()).collect()
    }

    /// Objective and L1 errors of hard marginals (0 for the others).
    fn objective(&self, problem: &TransportProblem<'_>, plan: &[Vec<f64>]) -> (f64, f64) {
        let kl = |x: f64, y: f64| if x > 0.0 { x * (x / y).ln() - x + y } else { y };
        let mut value = 0.0;
        let mut columns = vec![0.0; self.b.len()];
        let mut error = 0.0;
        let mut side = |x: &[f64], w: &[f64], marginal: Marginal| match marginal {
            Marginal::Hard => error += x.iter().zip(w).map(|(x, w)| (x - w).abs()).sum::<f64>(),
            Marginal::Kl(rho) => value += rho * x.iter().zip(w).map(|(x, w)| kl(*x, *w)).sum::<f64>(),
            other => panic!("{other:?}"),
        };
        let sums: Vec<f64> = plan.iter().map(|row| row.iter().sum()).collect();
        plan.iter().for_each(|row| columns.iter_mut().zip(row).for_each(|(to, x)| *to += x));
        side(&sums, &self.a, problem.pool);
        side(&columns, &self.b, problem.query);
        for ((plan, costs), base) in plan.iter().zip(&self.costs).zip(&self.base) {
            for ((x, c), r) in plan.iter().zip(costs).zip(base) {
                value += x * c + problem.epsilon * kl(*x, *r);
            }
        }
        (value, error)
    }
}

/// Newton's method has to converge; Sinkhorn's may be too slow where ε is small and marginals are hard, and then says so.
fn converged(name: &str, found: &Solution) -> bool {
    let slow = name == "sinkhorn" && matches!(found.status, Status::IterationLimit | Status::NumericalError);
    assert!(slow || found.status == Status::Optimal, "{name}: {found:?}");
    assert!(found.dual <= found.primal + 1e-11 * (1.0 + found.dual.abs()), "{name}: {found:?}");
    !slow
}

fn marginal(kind: u8, rho: f64) -> Marginal {
    if kind == 0 { Marginal::Hard } else { Marginal::Kl(rho) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// The plan of the potentials has the marginals that it should have, its objective lies between dual and primal
    /// value up to its marginal error, and both solvers agree: for every mix of marginals, references and weights.
    #[test]
    fn optimum_with_bracket(
        n in 1usize..50, m in 1usize..12, pool in 0u8..2, query in 0u8..2, log_rho in -2.0f64..1.0, log_query_rho in -1.0f64..1.0,
        log_epsilon in -2.5f64..0.0, counting: bool, zeros: bool, squared: bool, seed in 0u64..1000,
    ) {
        let (x, q) = (rows(&cloud(n, seed)), rows(&cloud(m, seed + 1)));
        let geometry = Geometry::new(&x, &q, Cost::Euclidean).unwrap();
        let problem = TransportProblem {
            weights: Weights { subset: Some(weights(n, seed, zeros)), query: Some(weights(m, seed + 7, zeros)) },
            pool: marginal(pool, 10f64.powf(log_rho)),
            query: marginal(query, 10f64.powf(log_query_rho)),
            epsilon: 10f64.powf(log_epsilon),
            reference: if counting { Reference::Counting } else { Reference::Product },
            ..TransportProblem::new(&geometry, if squared { Power::Two } else { Power::One })
        };
        let dense = dense(&problem);
        let [one, two] = BOTH.map(|name| solve(name, &problem));
        for (name, found) in BOTH.iter().zip([&one, &two]) {
            if !converged(name, found) {
                continue;
            }
            prop_assert!(found.potentials.pool.iter().chain(&found.potentials.query).all(|x| x.is_finite()));
            prop_assert_eq!(&found.plan, &Plan::Gibbs);
            let (value, error) = dense.objective(&problem, &dense.plan(&found.potentials, problem.epsilon));
            prop_assert!(error <= 2e-9, "marginal error {:e}", error);
            let slack = 1e-11 * (1.0 + value.abs());
            prop_assert!(found.dual <= found.primal + slack, "{} {}", found.dual, found.primal);
            prop_assert!((value - found.primal).abs() <= slack + 1e-7, "{} {}", value, found.primal);
            prop_assert!(found.primal - found.dual <= slack + 1e-7, "gap {:e}", found.primal - found.dual);
        }
        let slack = 1e-11 * (1.0 + one.dual.abs());
        prop_assert!(one.dual <= two.primal + slack && two.dual <= one.primal + slack);
    }

    /// After any number of iterations the dual value is at most, the primal value at least the optimum, and within one ε
    /// the dual value never falls.
    #[test]
    fn bracket_of_an_early_stop(
        n in 1usize..60, m in 2usize..12, pool in 0u8..2, query in 0u8..2, log_epsilon in -3.0f64..-0.5, limit in 1u64..8,
        counting: bool, seed in 0u64..1000,
    ) {
        let (x, q) = (rows(&cloud(n, seed)), rows(&cloud(m, seed + 1)));
        let geometry = Geometry::new(&x, &q, Cost::Sqeuclidean).unwrap();
        let problem = TransportProblem {
            weights: Weights { subset: None, query: Some(weights(m, seed + 7, false)) },
            pool: marginal(pool, 0.3),
            query: marginal(query, 0.7),
            epsilon: 10f64.powf(log_epsilon),
            reference: if counting { Reference::Counting } else { Reference::Product },
            ..TransportProblem::new(&geometry, Power::One)
        };
        let best = solve("sinkhorn-newton", &problem);
        prop_assert_eq!(best.status, Status::Optimal);
        let slack = 1e-11 * (1.0 + best.dual.abs());
        for name in BOTH {
            let settings = SolverSettings { iterations: limit, ..SolverSettings::default() };
            let early = try_solve(name, &problem, &settings).unwrap();
            prop_assert!(matches!(early.status, Status::IterationLimit | Status::Optimal));
            prop_assert!(early.dual <= best.primal + slack, "{}: {} over {}", name, early.dual, best.primal);
            prop_assert!(early.primal >= best.dual - slack, "{}: {} under {}", name, early.primal, best.dual);
            let record = Record::default();
            (registry::solver(name).unwrap().build)(&SolverSettings::default()).solve(&problem, None, &record).unwrap();
            let steps = record.0.into_inner().unwrap();
            prop_assert!(!steps.is_empty());
            for pair in steps.windows(2).filter(|pair| name == "sinkhorn" && pair[0].epsilon == pair[1].epsilon) {
                prop_assert!(pair[1].dual >= pair[0].dual - slack, "{:?}", pair);
            }
        }
    }

    /// Order, position and unit of the points do not matter: permuted rows have permuted potentials, turned and shifted
    /// points the same values, and costs, ε and ρ times s give values times s.
    #[test]
    fn symmetries(n in 2usize..40, m in 1usize..10, log_scale in -6.0f64..6.0, pool in 0u8..2, seed in 0u64..1000) {
        let (x, q) = (cloud(n, seed), cloud(m, seed + 1));
        let turn = |p: &[f64]| -> Vec<f64> {
            let (s, c) = (0.7f64.sin(), 0.7f64.cos());
            p.chunks(3).flat_map(|p| [c * p[0] - s * p[2] + 1.0, p[1] - 2.0, s * p[0] + c * p[2]]).collect()
        };
        let scale = 10f64.powf(log_scale);
        let stretch = |p: &[f64]| -> Vec<f64> { p.iter().map(|x| x * scale).collect() };
        let reverse = |p: &[f64]| -> Vec<f64> { p.chunks(3).rev().flatten().copied().collect() };
        for name in BOTH {
            let run = |x: &[f64], q: &[f64], scale: f64| {
                let (x, q) = (rows(x), rows(q));
                let geometry = Geometry::new(&x, &q, Cost::Euclidean).unwrap();
                let (pool, epsilon) = (marginal(pool, 0.2 * scale), 0.02 * scale);
                solve(name, &TransportProblem { pool, epsilon, ..TransportProblem::new(&geometry, Power::One) })
            };
            let plain = run(&x, &q, 1.0);
            if !converged(name, &plain) {
                continue;
            }
            let reversed = run(&reverse(&x), &q, 1.0);
            for (f, g) in plain.potentials.pool.iter().zip(reversed.potentials.pool.iter().rev()) {
                // The balanced problem has potentials up to a constant, and the tolerance leaves some freedom.
                let constant = plain.potentials.query[0] - reversed.potentials.query[0];
                prop_assert!((f + constant - g).abs() < 1e-6, "{} {}", f, g);
            }
            for (other, unit) in [(reversed, 1.0), (run(&turn(&x), &turn(&q), 1.0), 1.0), (run(&stretch(&x), &stretch(&q), scale), scale)] {
                prop_assert!(converged(name, &other) || name == "sinkhorn");
                prop_assert!((other.dual / unit - plain.dual).abs() < 1e-9, "{} {}", other.dual / unit, plain.dual);
                prop_assert!((other.transport / unit - plain.transport).abs() < 1e-8);
            }
        }
    }

    /// As ρ of the pool tends to 0, the plan is each query's softmax over the rows; as it grows, the balanced plan.
    #[test]
    fn limits_of_the_penalty(n in 1usize..40, m in 1usize..8, epsilon in 0.02f64..0.5, seed in 0u64..1000) {
        let (x, q) = (rows(&cloud(n, seed)), rows(&cloud(m, seed + 1)));
        let geometry = Geometry::new(&x, &q, Cost::Euclidean).unwrap();
        let problem = |pool| TransportProblem { pool, epsilon, ..TransportProblem::new(&geometry, Power::One) };
        let dense = dense(&problem(Marginal::Hard));
        for name in BOTH {
            let loose = solve(name, &problem(Marginal::Kl(1e-9)));
            prop_assert_eq!(loose.status, Status::Optimal);
            let plan = dense.plan(&loose.potentials, epsilon);
            for j in 0..m {
                let weight = |i: usize| (-dense.costs[i][j] / epsilon).exp();
                let total: f64 = (0..n).map(weight).sum();
                for (i, plan) in plan.iter().enumerate() {
                    prop_assert!((plan[j] - weight(i) / total / m as f64).abs() < 1e-6, "{} {}", plan[j], weight(i) / total);
                }
            }
            let (stiff, hard) = (solve(name, &problem(Marginal::Kl(1e7))), solve(name, &problem(Marginal::Hard)));
            if !(converged(name, &stiff) && converged(name, &hard)) {
                continue;
            }
            prop_assert!((stiff.primal - hard.primal).abs() < 1e-6, "{} {}", stiff.primal, hard.primal);
        }
    }

    /// Potentials of another ε, of other rows, of the other solver or of exact transport lead to the same answer.
    #[test]
    fn warm_starts(n in 8usize..60, m in 1usize..8, log_epsilon in -3.0f64..-0.5, pool in 0u8..2, seed in 0u64..1000) {
        let (x, q) = (rows(&cloud(n, seed)), rows(&cloud(m, seed + 1)));
        let geometry = Geometry::new(&x, &q, Cost::Euclidean).unwrap();
        let problem = TransportProblem {
            pool: marginal(pool, 0.5),
            epsilon: 10f64.powf(log_epsilon),
            ..TransportProblem::new(&geometry, Power::One)
        };
        let half: Vec<usize> = (0..n / 2).collect();
        let cold = solve("sinkhorn-newton", &problem);
        let starts = [
            solve("sinkhorn", &TransportProblem { epsilon: 10.0 * problem.epsilon, ..problem.clone() }),
            solve("sinkhorn-newton", &TransportProblem { rows: Some(&half), ..problem.clone() }),
            solve("exact", &TransportProblem { epsilon: 0.0, pool: Marginal::Hard, ..problem.clone() }),
            cold.clone(),
        ];
        for name in BOTH {
            for start in &starts {
                let solver = (registry::solver(name).unwrap().build)(&SolverSettings::default());
                let found = solver.solve(&problem, Some(&start.potentials), &Quiet).unwrap();
                prop_assert!(found.dual <= cold.primal + 1e-12 && cold.dual <= found.primal + 1e-12);
                if converged(name, &found) {
                    prop_assert!((found.dual - cold.dual).abs() < 1e-8);
                }
            }
            let solver = (registry::solver(name).unwrap().build)(&SolverSettings::default());
            prop_assert!(solver.solve(&problem, Some(&cold.potentials), &Quiet).unwrap().iterations <= 4);
        }
    }
}

/// Where the plan nearly falls into parts, D is almost flat along a shift of one part against the rest, and damping that
/// an earlier, bad point asked for stopped Newton's method at a residual of 1.5e-9.
#[test]
fn old_damping_does_not_hold_newton_back_at_the_end() {
    for (n, m, log_epsilon, seed) in [(15, 3, -2.424482840966748, 566), (12, 2, -2.403250970302127, 520)] {
        let (x, q) = (rows(&cloud(n, seed)), rows(&cloud(m, seed + 1)));
        let geometry = Geometry::new(&x, &q, Cost::Euclidean).unwrap();
        let problem =
            TransportProblem { epsilon: 10f64.powf(log_epsilon), ..TransportProblem::new(&geometry, Power::One) };
        let half: Vec<usize> = (0..n / 2).collect();
        let start = solve("sinkhorn-newton", &TransportProblem { rows: Some(&half), ..problem.clone() });
        let exact = solve("exact", &TransportProblem { epsilon: 0.0, ..problem.clone() });
        for start in [start, exact] {
            let solver = (registry::solver("sinkhorn-newton").unwrap().build)(&SolverSettings::default());
            let found = solver.solve(&problem, Some(&start.potentials), &Quiet).unwrap();
            assert_eq!(found.status, Status::Optimal, "n = {n}: {found:?}");
        }
    }
}

/// Keeps all steps.
#[derive(Default)]
struct Record(Mutex<Vec<Step>>);

impl Watch for Record {
    fn begin(&self, _: &str, _: u64) {}

    fn advance(&self, _: u64) -> Result<(), Stopped> {
        Ok(())
    }

    fn step(&self, step: &Step) {
        self.0.lock().unwrap().push(*step);
    }
}

/// From ε = 1 to 1e-5, ρ from 1e-4 to ∞ and costs times 1e-6 to 1e6: converged to 1e-9 in the marginals, or said not to
/// be; never NaN, never a plan without mass.
#[test]
fn every_scale_is_solved_or_refused_honestly() {
    let (x, q) = (rows(&cloud(70, 1)), rows(&cloud(6, 2)));
    let points = Geometry::new(&x, &q, Cost::Sqeuclidean).unwrap();
    let mut unsolved = Vec::new();
    for scale in [1e-6, 1.0, 1e6] {
        let entries = (0..6).flat_map(|j| (0..70).map(move |i| (i, j))).map(|(i, j)| scale * points.cost_of(i, j));
        let matrix = DenseRows::from_f64(70, entries.collect()).unwrap();
        let geometry = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
        for epsilon in [1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5] {
            for rho in [1e-4, 1e-2, 1.0, f64::INFINITY] {
                for name in BOTH {
                    let pool = if rho == f64::INFINITY { Marginal::Hard } else { Marginal::Kl(rho) };
                    let problem = TransportProblem { pool, epsilon, ..TransportProblem::new(&geometry, Power::One) };
                    let found =
                        try_solve(name, &problem, &SolverSettings { iterations: 3000, ..SolverSettings::default() })
                            .unwrap();
                    let label = format!("{name} scale {scale:e} epsilon {epsilon:e} rho {rho:e}: {found:?}");
                    let all = found.potentials.pool.iter().chain(&found.potentials.query);
                    assert!(all.copied().all(f64::is_finite), "{label}");
                    assert!(!found.primal.is_nan() && !found.dual.is_nan() && !found.transport.is_nan(), "{label}");
                    let (plan, dense) = (dense(&problem).plan(&found.potentials, epsilon), dense(&problem));
                    let (_, error) = dense.objective(&TransportProblem { pool: Marginal::Kl(1.0), ..problem }, &plan);
                    assert!(plan.iter().flatten().sum::<f64>() > 0.0, "{label}");
                    if found.status == Status::Optimal {
                        assert!(found.residuals.largest() <= 1e-9, "{label}");
                        // The test computes its plan from rounded potentials: ε below the last digit of f + g shows.
                        let blur = 1e-15 * 10.0 * scale / epsilon;
                        assert!(error <= 2e-9 + 100.0 * blur, "{error:e} {label}");
                    } else {
                        let honest = matches!(found.status, Status::IterationLimit | Status::NumericalError);
                        assert!(honest, "{label}");
                        unsolved.push((name, scale, epsilon, rho));
                    }
                }
            }
        }
    }
    // Beyond Newton's method are costs so far above ε that ε/10⁹ is below their last digit; Sinkhorn's gets slow before.
    let reach = |name: &str| if name == "sinkhorn" { 0.9e5 } else { 0.9e8 };
    assert!(unsolved.iter().all(|(name, scale, epsilon, _)| scale / epsilon >= reach(name)), "{unsolved:?}");
}

/// POT 0.9.7 `sinkhorn_unbalanced` in f32 at ε = 1e-3 and 1e-4, ρ = 1 returns a plan of total mass 0 (with a warning).
#[test]
fn regression_pot_0_9_7_zero_plan_in_f32() {
    let single = |values: Vec<f64>| DenseRows::from_f32(3, values.into_iter().map(|x| x as f32).collect()).unwrap();
    let (x, q) = (single(cloud(400, 3)), single(cloud(20, 4)));
    let geometry = Geometry::new(&x, &q, Cost::Sqeuclidean).unwrap();
    for epsilon in [1e-3, 1e-4] {
        for name in BOTH {
            for query in [Marginal::Kl(1.0), Marginal::Hard] {
                let problem = TransportProblem {
                    pool: Marginal::Kl(1.0),
                    query,
                    epsilon,
                    ..TransportProblem::new(&geometry, Power::One)
                };
                let found = solve(name, &problem);
                assert_eq!(found.status, Status::Optimal, "{name} {epsilon:e} {query:?} {:?}", found.residuals);
                let plan = dense(&problem).plan(&found.potentials, epsilon);
                let mass: f64 = plan.iter().flatten().sum();
                assert!(mass > 0.5, "{mass}");
                assert!(found.primal - found.dual <= 1e-9);
            }
        }
    }
}

#[test]
fn single_points_and_duplicates() {
    for (n, m) in [(1, 1), (1, 7), (7, 1), (3, 9)] {
        for copies in [1, 4] {
            let points = |values: Vec<f64>| rows(&values.chunks(3).flat_map(|p| p.repeat(copies)).collect::<Vec<_>>());
            let (x, q) = (points(cloud(n, 1)), points(cloud(m, 2)));
            let geometry = Geometry::new(&x, &q, Cost::Euclidean).unwrap();
            for (pool, query) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                for epsilon in [1.0, 1e-3] {
                    let problem = TransportProblem {
                        pool: marginal(pool, 0.5),
                        query: marginal(query, 0.5),
                        epsilon,
                        ..TransportProblem::new(&geometry, Power::One)
                    };
                    for name in BOTH {
                        let found = solve(name, &problem);
                        if converged(name, &found) {
                            assert!((found.primal - found.dual).abs() < 1e-8);
                        }
                    }
                }
            }
        }
    }
}

/// The result has one value for every thread count and whatever is held in memory.
#[test]
fn neither_threads_nor_memory_matter() {
    let (x, q) = (rows(&cloud(3000, 5)), rows(&cloud(9, 6)));
    let geometry = Geometry::new(&x, &q, Cost::Euclidean).unwrap();
    let problem = TransportProblem {
        weights: Weights { subset: Some(weights(3000, 1, true)), query: Some(weights(9, 2, true)) },
        epsilon: 0.01,
        ..TransportProblem::new(&geometry, Power::One)
    };
    for name in BOTH {
        let with = |threads: usize, memory: u64| {
            let workers = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            workers
                .install(|| try_solve(name, &problem, &SolverSettings { memory, ..SolverSettings::default() }).unwrap())
        };
        let one = with(1, u64::MAX);
        assert_eq!(one, with(3, 0));
        assert_eq!(one, with(2, 500_000));
    }
}

/// Problems with so many rows begin on a sample of them, and `sinkhorn` with weights in `f32`: the answer does not show it.
#[test]
fn many_rows() {
    let (n, m) = (70_000, 16);
    let (x, q) = (rows(&cloud(n, 7)), rows(&cloud(m, 8)));
    let geometry = Geometry::new(&x, &q, Cost::Sqeuclidean).unwrap();
    for pool in [Marginal::Hard, Marginal::Kl(0.5)] {
        let problem = TransportProblem {
            weights: Weights { subset: Some(weights(n, 1, true)), query: Some(weights(m, 2, true)) },
            pool,
            epsilon: 0.05,
            ..TransportProblem::new(&geometry, Power::One)
        };
        let dense = dense(&problem);
        let [one, two] = BOTH.map(|name| solve(name, &problem));
        for found in [&one, &two] {
            assert_eq!(found.status, Status::Optimal);
            let (value, error) = dense.objective(&problem, &dense.plan(&found.potentials, problem.epsilon));
            assert!(error <= 2e-9, "{error:e}");
            assert!((value - found.dual).abs() <= 1e-8 && found.primal - found.dual <= 1e-8);
        }
        assert!(one.dual <= two.primal + 1e-11 && two.dual <= one.primal + 1e-11);
    }
}

/// A matrix is read as it lies in memory, by a pass of its own: one answer for any number of threads, and that of points.
#[test]
fn a_matrix_is_solved_like_points() {
    let (n, m) = (70_000, 16);
    let (x, q) = (rows(&cloud(n, 9)), rows(&cloud(m, 10)));
    let points = Geometry::new(&x, &q, Cost::Sqeuclidean).unwrap();
    let mut closeness = vec![0.0; n * m];
    points.closeness_block(0..n, &mut closeness);
    let costs = (0..n * m).map(|at| -closeness[at % n * m + at / n]).collect();
    let matrix = DenseRows::from_f64(n, costs).unwrap();
    let matrix = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
    for pool in [Marginal::Hard, Marginal::Kl(0.5), Marginal::Kl(1e-3)] {
        let problem = |geometry| TransportProblem {
            weights: Weights { subset: Some(weights(n, 1, false)), query: Some(weights(m, 2, false)) },
            pool,
            epsilon: 0.05,
            ..TransportProblem::new(geometry, Power::One)
        };
        for name in BOTH {
            let with = |threads: usize| {
                let workers = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                workers.install(|| solve(name, &problem(&matrix)))
            };
            let (one, other) = (with(1), solve(name, &problem(&points)));
            assert_eq!(one, with(3));
            assert_eq!(one.status, Status::Optimal);
            assert!(one.primal - one.dual <= 1e-8 && one.dual - other.primal <= 1e-11);
            assert!((one.dual - other.dual).abs() <= 1e-8 && (one.transport - other.transport).abs() <= 1e-7);
        }
    }
}

/// Costs of a matrix that are far from 0, each row's by another amount, overflow no exponential and lose no row: under
/// hard marginals the plan stays and the value moves by their mean.
#[test]
fn rows_of_a_matrix_far_from_zero() {
    let (n, m) = (700, 9);
    let (x, q) = (rows(&cloud(n, 11)), rows(&cloud(m, 12)));
    let points = Geometry::new(&x, &q, Cost::Sqeuclidean).unwrap();
    let level = |row: usize| [-128.0, 0.0, 0.0, 128.0, 1024.0][row % 5];
    let solved = |levels: bool, name: &str| {
        let cost = |at: usize| points.cost_of(at % n, at / n) + if levels { level(at % n) } else { 0.0 };
        let matrix = DenseRows::from_f64(n, (0..n * m).map(cost).collect()).unwrap();
        let matrix = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
        solve(name, &TransportProblem { epsilon: 0.05, ..TransportProblem::new(&matrix, Power::One) })
    };
    let shift = (0..n).map(level).sum::<f64>() / n as f64;
    for name in BOTH {
        let (plain, moved) = (solved(false, name), solved(true, name));
        assert!(converged(name, &plain) && converged(name, &moved), "{name}: {moved:?}");
        assert!((moved.transport - plain.transport - shift).abs() <= 1e-9, "{name}");
        assert!((moved.dual - plain.dual - shift).abs() <= 1e-9, "{name}");
    }
}

/// Asks to stop after some calls.
struct Impatient(AtomicU64);

impl Watch for Impatient {
    fn begin(&self, _: &str, _: u64) {}

    fn advance(&self, _: u64) -> Result<(), Stopped> {
        let left = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map(|_| ()).map_err(|_| Stopped)
    }
}

#[test]
fn an_interrupted_run_keeps_its_best_potentials() {
    let (x, q) = (rows(&cloud(500, 5)), rows(&cloud(9, 6)));
    let geometry = Geometry::new(&x, &q, Cost::Euclidean).unwrap();
    let problem = TransportProblem { epsilon: 1e-3, ..TransportProblem::new(&geometry, Power::One) };
    let best = solve("sinkhorn-newton", &problem);
    for name in BOTH {
        let mut last = f64::NEG_INFINITY;
        for calls in [0, 20, 200] {
            let solver = (registry::solver(name).unwrap().build)(&SolverSettings::default());
            let found = solver.solve(&problem, None, &Impatient(AtomicU64::new(calls))).unwrap();
            assert_eq!(found.status, Status::Interrupted);
            assert!(found.dual <= best.primal && found.primal >= best.dual && found.dual >= last);
            assert_eq!((found.potentials.pool.len(), found.potentials.query.len()), (500, 9));
            last = found.dual;
        }
    }
}

#[test]
fn what_they_do_not_solve_is_refused_with_a_remedy() {
    let (x, q) = (rows(&cloud(5, 5)), rows(&cloud(2, 6)));
    let geometry = Geometry::new(&x, &q, Cost::Euclidean).unwrap();
    let problem = TransportProblem { epsilon: 0.1, ..TransportProblem::new(&geometry, Power::One) };
    for name in BOTH {
        for (bad, word) in [
            (TransportProblem { epsilon: 0.0, ..problem.clone() }, "exact"),
            (TransportProblem { pool: Marginal::Tv(1.0), ..problem.clone() }, "partial"),
            (TransportProblem { query: Marginal::Capacity(2.0), ..problem.clone() }, "solver `exact`"),
            (TransportProblem { pool: Marginal::Kl(-1.0), ..problem.clone() }, "penalty"),
        ] {
            let error = try_solve(name, &bad, &SolverSettings::default()).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        let weights = Weights { subset: Some(vec![0.0; 5]), query: None };
        let error =
            try_solve(name, &TransportProblem { weights, ..problem.clone() }, &SolverSettings::default()).unwrap_err();
        assert!(matches!(error, SolveError::Weights(_)));
    }
}
