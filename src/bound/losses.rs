//! What measured losses add: T9 on the plan, T12 on held-out queries, and the main statement.

use kantor_theory::generalization::assumption::require_held_out;
use kantor_theory::generalization::cloud::Capacity;
use kantor_theory::generalization::composite::{Constants, held_out, same_queries};
use kantor_theory::generalization::heldout::{HeldOutLosses, clopper_pearson};
use kantor_theory::generalization::lipschitz::{Carried, measured_gap, observed_lipschitz, truncate};
use kantor_theory::generalization::{Assumption, Bound, Refusal, Theorem};

use super::solve::{self, Solved};
use super::{Line, PATH, Study};
use crate::decimal::magnitude;
use crate::pipeline::Error;

/// Λ, fixed here once and for all: λ = num/den.
const GRID: [Capacity; 6] = [
    Capacity { num: 1, den: 1 },
    Capacity { num: 5, den: 4 },
    Capacity { num: 3, den: 2 },
    Capacity { num: 2, den: 1 },
    Capacity { num: 3, den: 1 },
    Capacity { num: 5, den: 1 },
];

/// Values of λ at which the curve of T9 is looked at.
const CURVE: usize = 64;

const TRIVIAL: &str = "losses are at most B =";
const TRIVIAL_GAP: &str = "losses never differ by more than B =";
const SHARE: &str = "no share is above";

impl Study<'_> {
    pub(super) fn measured_losses(&mut self, solved: &Solved, law: Option<&Bound>) -> Result<(), Error> {
        self.along_the_plan(solved)?;
        let direct = self.direct();
        self.main_statement(law, direct.as_ref())
    }

    /// T9: the curve in λ, its least value and the observed constant.
    fn along_the_plan(&mut self, solved: &Solved) -> Result<(), Error> {
        let losses = self.subject.losses;
        let (Some(subset), Some(query)) = (&losses.subset, &losses.query) else { return Ok(()) };
        let Some(range) = self.range else {
            self.skip("R_Q − R_S, measured on the plan", Theorem::T9, "needs the range of the losses: give --range");
            return Ok(());
        };
        let distances = self.lengths(&solved.plan)?;
        let carried: Vec<Carried> = (solved.plan.entries().zip(&distances))
            .map(|((i, j, mass), &distance)| Carried { mass, distance, subset_loss: subset[i], query_loss: query[j] })
            .collect();
        let mut ratios: Vec<f64> = carried.iter().map(Carried::ratio).filter(|ratio| ratio.is_finite()).collect();
        ratios.sort_by(f64::total_cmp);
        let step = ratios.len().div_ceil(CURVE).max(1);
        let chosen = ratios.iter().copied().step_by(step).chain(ratios.last().copied()).chain([0.0]);
        // A ratio itself is a λ at which its own pair fails by a rounding.
        let bounds = chosen.map(|ratio| measured_gap(ratio * (1.0 + 1e-12), range, &carried));
        if let Some(best) = bounds.min_by(|a, b| a.value().total_cmp(&b.value())) {
            self.push(Line::against("R_Q − R_S, measured on the plan", best, Some(range), TRIVIAL_GAP));
        }
        // The curve in λ, where an eighth, a half and all of the pairs of the plan are Lipschitz with it.
        let quantiles: Vec<f64> =
            [8, 2, 1].iter().filter_map(|part| ratios.get((ratios.len() / part).max(1) - 1)).copied().collect();
        for ratio in quantiles {
            let lambda = ratio * (1.0 + 1e-12);
            let quantity = format!("R_Q − R_S, measured with λ = {}", magnitude(lambda));
            self.push(Line::against(&quantity, measured_gap(lambda, range, &carried), Some(range), TRIVIAL_GAP));
        }
        self.push(Line::value("L observed along the plan", observed_lipschitz(&carried)));
        Ok(())
    }

    /// T12, by every method that applies; the least of those at δ/2 for the main statement.
    fn direct(&mut self) -> Option<Bound> {
        let losses = self.subject.losses.held_out.as_ref()?;
        let shared = self.subject.held_out.as_ref().map_or(0, |held| held.shared);
        let name = "R_P on held-out queries";
        if let Err(refusal) = require_held_out(Theorem::T12, shared, losses.len()) {
            self.refuse(name, refusal);
            return None;
        }
        let Some(range) = self.range else {
            self.skip(name, Theorem::T12, "needs the range of the losses: give --range");
            return None;
        };
        let numbers = self.subject.held_out.as_ref().map_or(&[][..], |held| held.numbers);
        let checked = match HeldOutLosses::new(losses, numbers, 0.0, range) {
            Ok(checked) => checked,
            Err(refusal) => {
                self.refuse(name, refusal);
                return None;
            }
        };
        let delta = self.terms.delta;
        self.push(Line::against(&format!("{name}, Hoeffding"), checked.hoeffding(delta), Some(range), TRIVIAL));
        if let Some(bound) = checked.empirical_bernstein(delta) {
            self.push(Line::against(&format!("{name}, Bernstein"), bound, Some(range), TRIVIAL));
        }
        // A larger range says that losses which were not seen may be others.
        if range <= 1.0 && losses.iter().all(|&x| x == 0.0 || x == 1.0) {
            let errors = losses.iter().filter(|&&x| x == 1.0).count() as u64;
            if let Some(bound) = clopper_pearson(errors, losses.len() as u64, delta) {
                self.push(Line::against(&format!("{name}, Clopper–Pearson"), bound, Some(1.0), TRIVIAL));
            }
        }
        Some(checked.hoeffding(delta / 2.0))
    }

    /// The main statement, where all its constants are known.
    fn main_statement(&mut self, law: Option<&Bound>, direct: Option<&Bound>) -> Result<(), Error> {
        let (Some(l), Some(b), Some(d)) = (self.lipschitz, self.range, self.diameter) else { return Ok(()) };
        let Some(losses) = &self.subject.losses.subset else { return Ok(()) };
        if let Some(at) = losses.iter().position(|&x| !(0.0..=b).contains(&x)) {
            let (row, loss) = (self.subject.subset_numbers.get(at).unwrap_or(&at), losses[at]);
            let why =
                format!("the loss of pool row {row} is {loss}, outside [0, {b}]: give the true range of the loss");
            let refusal = Refusal::new(Theorem::Composite, Assumption::Bounded, why);
            self.refuse("R_P, main statement", refusal);
            return Ok(());
        }
        let Some((_, subset_loss)) = self.subset_loss() else { return Ok(()) };
        let constants = Constants { lipschitz: l, range: b, diameter: d, subset_loss, delta: self.terms.delta };
        let cut = |x| truncate(l, b, x);
        if let Some(law) = law {
            let path = solve::path(&self.subset.pairs(&self.query)?, PATH, self.watch, cut)??;
            if let Some(bound) = same_queries(&constants, &path, law) {
                self.lines.extend(self.in_errors("R_P, main statement, same queries", bound, b));
            }
        }
        let shared = self.subject.held_out.as_ref().map_or(0, |held| held.shared);
        let mut lines = Vec::new();
        if let Some(cloud) = self.held_out.as_ref().filter(|_| shared == 0) {
            let path = solve::on_grid(&self.subset.pairs(cloud)?, &GRID, cut)?;
            if let Some(bound) = held_out(&constants, &path, cloud.len()) {
                lines.extend(self.in_errors("R_P, main statement, held-out queries", bound, b));
            }
            let halved = Constants { delta: self.terms.delta / 2.0, ..constants };
            if let (Some(direct), Some(bound)) = (direct, held_out(&halved, &path, cloud.len())) {
                let least = bound.min(Theorem::Composite, direct);
                lines.extend(self.in_errors("R_P, the least of main statement and T12", least, b));
            }
        }
        self.lines.extend(lines);
        Ok(())
    }

    /// With an objective, a bound of the loss is one of the share of wrong tokens too.
    fn in_errors(&self, name: &str, bound: Bound, range: f64) -> Vec<Line> {
        let errors = self.terms.objective.map(|objective| objective.error_bound(&bound));
        let errors = errors.map(|errors| Line::against("share of wrong tokens, from that", errors, Some(1.0), SHARE));
        [Line::against(name, bound, Some(range), TRIVIAL)].into_iter().chain(errors).collect()
    }
}
