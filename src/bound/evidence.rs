//! What other evidence says of the same distance: a plan that is not finished (T4), an entropic solution (T5), a
//! projection (T7). None of it is sharper than the exact transport; it shows what those who have only that may claim.

use kantor_solvers::transport::divergence::sinkhorn_divergence;
use kantor_solvers::transport::evidence::conjugate;
use kantor_solvers::transport::evidence::round;
use kantor_solvers::transport::linalg::Backend;
use kantor_solvers::transport::sinkhorn::sinkhorn_newton;
use kantor_solvers::{Solver, SolverSettings};
use kantor_theory::generalization::bracket::{divergence, entropic_interval, uniform_excess};
use kantor_theory::generalization::partial::partial_plan_cost;
use kantor_theory::generalization::projection::Projected;
use kantor_theory::generalization::{Assumption, Refusal, Theorem};
use kantor_theory::{DistanceEvidence, Power, Rows, SparsePlan, Statement, TransportProblem};

use super::solve::{self, Solved};
use super::{Line, PAIRWISE, Study};
use crate::certify::{self, CertifyError};
use crate::decimal::magnitude;
use crate::pipeline::Error;

/// The share of a plan's mass that is left out: the longest entries.
const LEFT_OUT: f64 = 0.1;

/// ε as a share of the mean distance, where none was given.
const ENTROPY: f64 = 0.05;

/// Directions on which rows are projected: principal ones of the queries, at most as many as there are.
const DIRECTIONS: usize = 20;

/// Queries whose principal directions are taken, at most: factorising more would take longer than transport.
const FACTORISED: usize = 256;

impl Study<'_> {
    pub(super) fn other_evidence(&mut self, solved: &Solved) -> Result<(), Error> {
        self.unfinished(solved)?;
        self.entropic(solved)?;
        self.projection()
    }

    /// An upper end of the distance that every entry of a plan carries its mass over.
    pub(super) fn lengths(&self, plan: &SparsePlan) -> Result<Vec<f64>, Error> {
        let mut lengths = vec![0.0; plan.len()];
        let mut entries = plan.entries().enumerate().peekable();
        self.subset.pairs(&self.query)?.for_each_row(|row, _, upper| {
            while let Some((at, (_, column, _))) = entries.next_if(|(_, entry)| entry.0 == row) {
                lengths[at] = upper[column];
            }
        });
        Ok(lengths)
    }

    /// T4: the plan without its longest entries.
    fn unfinished(&mut self, solved: &Solved) -> Result<(), Error> {
        let plan = &solved.plan;
        let mut entries: Vec<(f64, u64)> =
            self.lengths(plan)?.into_iter().zip(plan.entries().map(|entry| entry.2)).collect();
        entries.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut left, allowed) = (0.0, LEFT_OUT * plan.total() as f64);
        let longest = entries.iter().find(|(_, mass)| {
            left += *mass as f64;
            left > allowed
        });
        let Some(&(limit, _)) = longest else { return Ok(()) };
        let (cost, missing) =
            self.subset.pairs(&self.query)?.without_longer(plan, limit).map_err(CertifyError::from)?;
        let quantity = format!("⟨d, π⟩ without the longest {:.1} % of π", 100.0 * missing);
        self.push(Line::value(&quantity, partial_plan_cost(cost, missing)));
        Ok(())
    }

    /// T5: how far entropic transport can be off, what its solution proves, and its divergence, which proves nothing.
    fn entropic(&mut self, solved: &Solved) -> Result<(), Error> {
        let pairs = self.subset.pairs(&self.query)?;
        let epsilon = self.terms.epsilon.unwrap_or(ENTROPY * pairs.mean().upper());
        if epsilon <= 0.0 {
            return Ok(());
        }
        let (k, m) = pairs.shape();
        let mut lines = vec![Line::against(
            &format!("entropic cost − W₁ at ε = {}", magnitude(epsilon)),
            uniform_excess(epsilon, k, m),
            Some(solved.distance.upper()),
            "W₁ itself is at most",
        )];
        let problem = TransportProblem { epsilon, ..TransportProblem::new(pairs.geometry(), Power::One) };
        let effort = SolverSettings { memory: self.terms.memory, ..SolverSettings::default() };
        let solver = sinkhorn_newton(&effort);
        let (solution, value) = if k <= PAIRWISE {
            let found = sinkhorn_divergence(&problem, &solver, &effort, self.watch).map_err(CertifyError::from)?;
            (found.cross, Some(found.value))
        } else {
            (solver.solve(&problem, None, self.watch).map_err(CertifyError::from)?, None)
        };
        self.watch.advance(0)?;
        let potentials = conjugate(&problem, &solution.potentials.query);
        let plan = round(&problem, &solution, &potentials, self.terms.memory).map_err(CertifyError::from)?;
        let evidence = DistanceEvidence { potentials: Some(potentials), plan: Some(plan) };
        let statement = Statement::new(pairs.geometry(), Power::One, k);
        let distance = pairs.distance(&statement, evidence, &certify::in_parallel).map_err(CertifyError::from)?;
        let (lower, upper) = entropic_interval(distance, epsilon);
        lines.push(Line::value("W₁ ≤ entropic plan, made feasible", upper));
        lines.push(Line::value("W₁ ≥ entropic potentials, made feasible", lower));
        if let Some(value) = value {
            lines.push(Line::value("Sinkhorn divergence: no bound of W₁", divergence(value, epsilon)));
        }
        drop(pairs);
        self.lines.extend(lines);
        Ok(())
    }

    /// T7: what the queries' principal directions keep of the distance.
    fn projection(&mut self) -> Result<(), Error> {
        if !self.metric.is_norm() {
            let why = "angles have no projections: use `euclidean` or directions";
            self.refuse("W₁ after a projection", Refusal::new(Theorem::T7, Assumption::Metric, why));
            return Ok(());
        }
        self.watch.advance(0)?;
        let (dim, count) = (self.query.rows().dim(), self.query.len().min(FACTORISED));
        let mut rows = vec![0.0; count * dim];
        self.query.rows().read(0, 0..dim, &mut rows);
        let found = Backend::default().right_singular(dim, &rows).map(|spectrum| spectrum.vectors);
        let r = DIRECTIONS.min(count).min(dim);
        let directions = found.as_deref().and_then(|vectors| vectors.get(..r * dim));
        let projected = directions.and_then(|u| Projected::new(u, &self.subset, &self.query));
        let Some(projected) = projected else {
            self.skip(
                "W₁ after a projection",
                Theorem::T7,
                "the queries have no principal directions to be told apart",
            );
            return Ok(());
        };
        let (subset, query) = projected.clouds();
        let (lower, upper) = projected.bracket(solve::distance(&subset.pairs(query)?)?.distance);
        self.push(Line::value(&format!("W₁ ≥ W₁ on {r} directions of Q"), lower));
        self.push(Line::value(&format!("W₁ ≤ W₁ on {r} directions + residuals"), upper));
        Ok(())
    }
}
