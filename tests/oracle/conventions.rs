//! The words of POT 0.9.7.post1 and OTT-JAX 0.6.0 for a problem, against numbers that they produced.

use kantor_solvers::transport::evidence::thresholded;
use kantor_solvers::{Plan, Potentials, Quiet, Residuals, Solution, SolverSettings, registry};
use kantor_theory::conventions::{
    OTT_REFERENCE, RegType, marginal_of_reg_m, marginal_of_tau, potential_of_log_scaling, reg_m, tau,
    total_cost_of_value, under_counting, under_product, value_of_ent_reg_cost, value_of_total_cost,
};
use kantor_theory::transport_problem::{Marginal, Reference};
use kantor_theory::{Cost, DenseRows, Geometry, Power, Status, TransportProblem, Weights};
use serde_json::Value;

use crate::support::golden;

fn record() -> Value {
    serde_json::from_slice(&std::fs::read(golden("conventions.json")).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn close(found: f64, wanted: f64) {
    assert!((found - wanted).abs() <= 1e-9 * wanted.abs().max(1.0), "{found} is not {wanted}");
}

/// The stored costs, queries by rows as geometries have them, and the weights.
fn stored(record: &Value) -> (DenseRows, Weights) {
    let costs: Vec<Vec<f64>> = record["costs"].as_array().unwrap().iter().map(numbers).collect();
    let turned = (0..costs[0].len()).flat_map(|j| costs.iter().map(move |line| line[j])).collect();
    let weights =
        Weights { subset: Some(numbers(&record["pool_weights"])), query: Some(numbers(&record["query_weights"])) };
    (DenseRows::from_f64(costs.len(), turned).unwrap(), weights)
}

/// KL(x|y) with mass terms.
fn kl(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(&x, &y)| if x > 0.0 { x * (x / y).ln() - x + y } else { y }).sum()
}

/// Mass, marginals, cost and value of the plan that these potentials have.
struct Evaluated {
    mass: f64,
    pool: Vec<f64>,
    query: Vec<f64>,
    transport: f64,
    value: f64,
}

fn evaluate(problem: &TransportProblem<'_>, f: Vec<f64>, g: Vec<f64>) -> Evaluated {
    let (a, b) = (problem.weights.subset.clone().unwrap(), problem.weights.query.clone().unwrap());
    let solution = Solution {
        status: Status::Uncertified,
        potentials: Potentials { pool: f, query: g },
        plan: Plan::Gibbs,
        primal: f64::NAN,
        dual: f64::NAN,
        transport: f64::NAN,
        residuals: Residuals::default(),
        iterations: 0,
    };
    let plan = thresholded(problem, &solution, 0.0, u64::MAX).unwrap().plan;
    let (n, m) = (a.len(), b.len());
    let (mut pool, mut query, mut transport, mut dense) = (vec![0.0; n], vec![0.0; m], 0.0, vec![0.0; n * m]);
    for (&mass, (i, j)) in plan.iter() {
        pool[i] += mass;
        query[j] += mass;
        transport += mass * problem.geometry.cost_of(i, j);
        dense[i * m + j] = mass;
    }
    let prior: Vec<f64> = match problem.reference {
        Reference::Product => a.iter().flat_map(|a| b.iter().map(move |b| a * b)).collect(),
        Reference::Counting => vec![1.0; n * m],
    };
    let penalty = |marginal, x: &[f64], w: &[f64]| if let Marginal::Kl(rho) = marginal { rho * kl(x, w) } else { 0.0 };
    let value = transport
        + problem.epsilon * kl(&dense, &prior)
        + penalty(problem.pool, &pool, &a)
        + penalty(problem.query, &query, &b);
    Evaluated { mass: pool.iter().sum(), pool, query, transport, value }
}

/// Every registered solver that takes the problem finds the same value.
fn assert_solved(problem: &TransportProblem<'_>, value: f64) {
    for entry in registry::SOLVERS {
        let solver = (entry.build)(&SolverSettings { tolerance: 1e-11, ..SolverSettings::default() });
        if let Ok(found) = solver.solve(problem, None, &Quiet)
            && found.status.is_success()
        {
            let slack = 1e-8 * value.abs().max(1.0);
            assert!(found.dual <= value + slack && found.primal >= value - slack, "{}: {value}", entry.name);
        }
    }
}

#[test]
fn pot_regularisation_types_penalties_scalings_and_total_costs() {
    let record = record();
    let (costs, weights) = stored(&record);
    let geometry = Geometry::from_matrix(&costs, Cost::Precomputed).unwrap();
    for case in record["pot"].as_array().unwrap() {
        let reg_type = if case["reg_type"] == "kl" { RegType::Kl } else { RegType::Entropy };
        let strength = |side: usize| case["reg_m"][side].as_f64().unwrap_or(f64::INFINITY);
        let epsilon = case["reg"].as_f64().unwrap();
        let problem = TransportProblem {
            weights: weights.clone(),
            pool: marginal_of_reg_m(strength(0)),
            query: marginal_of_reg_m(strength(1)),
            epsilon,
            reference: reg_type.reference(),
            ..TransportProblem::new(&geometry, Power::One)
        };
        assert_eq!(RegType::from(problem.reference), reg_type);
        assert_eq!((reg_m(problem.pool), reg_m(problem.query)), (Some(strength(0)), Some(strength(1))));
        let potentials = |key: &str| -> Vec<f64> {
            numbers(&case[key]).into_iter().map(|log| potential_of_log_scaling(log, epsilon)).collect()
        };
        let found = evaluate(&problem, potentials("logu"), potentials("logv"));
        for (found, key) in [(&found.pool, "pool_mass"), (&found.query, "query_mass")] {
            found.iter().zip(numbers(&case[key])).for_each(|(found, wanted)| close(*found, wanted));
        }
        close(found.transport, case["cost"].as_f64().unwrap());
        close(found.mass, case["mass"].as_f64().unwrap());
        let total_cost = case["total_cost"].as_f64().unwrap();
        close(total_cost_of_value(&problem, found.value, found.mass), total_cost);
        close(value_of_total_cost(&problem, total_cost, found.mass), found.value);
        if strength(0).is_finite() && strength(1).is_finite() {
            close(total_cost, 0.0);
        }
        assert_solved(&problem, found.value);
    }
}

#[test]
fn ott_tau_potentials_and_costs() {
    let record = record();
    let (costs, weights) = stored(&record);
    let geometry = Geometry::from_matrix(&costs, Cost::Precomputed).unwrap();
    let (a, b) = (weights.subset.clone().unwrap(), weights.query.clone().unwrap());
    for case in record["ott"].as_array().unwrap() {
        let number = |key: &str| case[key].as_f64().unwrap();
        let epsilon = number("epsilon");
        let marginal = |key: &str| marginal_of_tau(number(key), epsilon).unwrap();
        let counting = TransportProblem {
            weights: weights.clone(),
            pool: marginal("tau_a"),
            query: marginal("tau_b"),
            epsilon,
            reference: OTT_REFERENCE,
            ..TransportProblem::new(&geometry, Power::One)
        };
        close(tau(counting.pool, epsilon).unwrap(), number("tau_a"));
        close(tau(counting.query, epsilon).unwrap(), number("tau_b"));
        let (f, g) = (numbers(&case["f"]), numbers(&case["g"]));
        let found = evaluate(&counting, f.clone(), g.clone());
        for (found, key) in [(&found.pool, "pool_mass"), (&found.query, "query_mass")] {
            found.iter().zip(numbers(&case[key])).for_each(|(found, wanted)| close(*found, wanted));
        }
        close(found.transport, number("cost"));
        assert_optimal(&counting, &f, &g, &found);
        assert_solved(&counting, found.value);

        let shift = |potentials: &[f64], weights: &[f64]| -> Vec<f64> {
            let ours = |(&f, &w): (&f64, &f64)| under_product(f, w, epsilon);
            let ours: Vec<f64> = potentials.iter().zip(weights).map(ours).collect();
            let back = ours.iter().zip(weights).map(|(&f, &w)| under_counting(f, w, epsilon));
            back.zip(potentials).for_each(|(back, &f)| close(back, f));
            ours
        };
        let product = TransportProblem { reference: Reference::Product, ..counting.clone() };
        let shifted = evaluate(&product, shift(&f, &a), shift(&g, &b));
        close(shifted.mass, found.mass);
        if (counting.pool, counting.query) == (Marginal::Hard, Marginal::Hard) {
            close(shifted.value, number("kl_reg_cost"));
            close(value_of_ent_reg_cost(&counting, number("ent_reg_cost")), found.value);
        } else {
            // Neither the value of this plan nor the least one: a dual value away from the optimum.
            assert!(number("kl_reg_cost") < shifted.value - 1e-3);
        }
    }
}

/// The potentials are those of the optimum: f = −ρ ln(r/a) where the marginal r is penalised, r = a where it is hard.
fn assert_optimal(problem: &TransportProblem<'_>, f: &[f64], g: &[f64], found: &Evaluated) {
    let (a, b) = (problem.weights.subset.clone().unwrap(), problem.weights.query.clone().unwrap());
    for (marginal, potentials, masses, weights) in
        [(problem.pool, f, &found.pool, &a), (problem.query, g, &found.query, &b)]
    {
        for ((&potential, &mass), &weight) in potentials.iter().zip(masses).zip(weights) {
            match marginal {
                Marginal::Kl(rho) => close(-rho * (mass / weight).ln(), potential),
                _ => close(mass, weight),
            }
        }
    }
}

#[test]
fn what_others_have_no_word_for() {
    for marginal in [Marginal::Tv(1.0), Marginal::Capacity(2.0)] {
        assert_eq!((reg_m(marginal), tau(marginal, 0.1)), (None, None));
    }
    for bad in [0.0, -1.0, 1.5, f64::NAN] {
        assert_eq!(marginal_of_tau(bad, 0.1), None);
    }
}
