//! Whether a statement makes sense, by itself and of the rows at hand.

use super::{Objective, Statement, Weights, total};
use crate::constraints::Quality;
use crate::cost::Family;
use crate::cost_bounds::{LARGEST_DIM, Power};
use crate::geometry::Geometry;
use crate::kernel::KernelName;
use crate::rejection::Rejection;

impl Statement {
    /// Checks that the problem makes sense and is about this geometry.
    pub(crate) fn check(&self, geometry: &Geometry<'_>) -> Result<(), Rejection> {
        self.check_alone()?;
        let (n, m) = (geometry.pool_len(), geometry.query_len());
        if (self.pool, self.queries) != (n, m) {
            let place = format!("{} rows and {} queries are claimed, there are {n} and {m}", self.pool, self.queries);
            return Err(Rejection::new("shape", place));
        }
        if self.cost != geometry.cost() {
            return Err(Rejection::new("cost", format!("`{}` is claimed, not `{}`", self.cost, geometry.cost())));
        }
        self.p.check(geometry).map_err(|fault| Rejection::new("cost", fault.to_string()))?;
        match geometry.points().map(|rows| rows.dim()) {
            Some(dim) if dim > LARGEST_DIM => Err(Rejection::new("shape", format!("{dim} columns are too many"))),
            _ => Ok(()),
        }
    }

    /// The part of [`Statement::check`] that needs no data.
    pub(crate) fn check_alone(&self) -> Result<(), Rejection> {
        if self.convention != self.expected_convention() {
            return Err(Rejection::new("convention", "problem.convention is not the one of this schema"));
        }
        if let Objective::Mmd(kernel) = self.objective
            && !kernel.name().is_positive_definite()
        {
            return Err(Rejection::new("objective", format!("kernel `{kernel}` is not positive definite")));
        }
        self.constraints.check_alone()?;
        if self.objective != Objective::W {
            self.check_plain_terms()?;
        }
        let no_rows = self.budget == 0 && (self.tokens.is_none() || self.weights.subset.is_some());
        if no_rows || self.budget > self.pool || self.queries == 0 {
            let place = format!("budget {} of {} rows for {} queries", self.budget, self.pool, self.queries);
            return Err(Rejection::new("budget", place));
        }
        self.check_tasks()?;
        self.check_quality()?;
        self.check_tokens()?;
        let sides = [("subset", &self.weights.subset, self.budget), ("query", &self.weights.query, self.queries)];
        for (side, weights, count) in sides {
            let Some(weights) = weights else { continue };
            if weights.len() != count {
                let place = format!("{} {side} weights for {count} rows", weights.len());
                return Err(Rejection::new("weights", place));
            }
            // Negated so that NaN is caught; -0 is refused with the negative numbers.
            if let Some(at) = weights.iter().position(|w| !w.is_finite() || w.is_sign_negative()) {
                return Err(Rejection::new("weights", format!("{side} weight {at} is negative or not finite")));
            }
            let sum = total(weights);
            if !(sum.down() >= f64::MIN_POSITIVE && sum.up() < f64::MAX) {
                return Err(Rejection::new("weights", format!("the {side} weights have sum zero or overflow")));
            }
        }
        Ok(())
    }

    /// Checks that a budget in tokens, if there is one, makes sense.
    fn check_tokens(&self) -> Result<(), Rejection> {
        let Some(tokens) = &self.tokens else { return Ok(()) };
        if matches!(self.objective, Objective::Tsds { .. }) {
            return Err(Rejection::new("tokens", "they are the budget under a distance between measures only"));
        }
        tokens.check_alone()
    }

    /// Checks that the tasks, if there are several, have all queries and each some weight.
    fn check_tasks(&self) -> Result<(), Rejection> {
        let fault = |place: String| Err(Rejection::new("tasks", place));
        if self.tasks.is_empty() {
            return Ok(());
        }
        if self.objective != Objective::W {
            return fault(format!("`{}` has no tasks", self.objective.name()));
        }
        let sum = self.tasks.iter().try_fold(0usize, |sum, &count| sum.checked_add(count));
        if self.tasks.len() < 2 || self.tasks.contains(&0) || sum != Some(self.queries) {
            return fault(format!("{:?} queries in tasks, of {} queries", self.tasks, self.queries));
        }
        let Some(weights) = self.weights.query.as_ref().filter(|weights| weights.len() == self.queries) else {
            return Ok(());
        };
        let mut rest = &weights[..];
        for (task, &count) in self.tasks.iter().enumerate() {
            let (of_task, others) = rest.split_at(count);
            let sum = total(of_task);
            if !(sum.down() >= f64::MIN_POSITIVE && sum.up() < f64::MAX) {
                return fault(format!("the weights of task {task} have sum zero or overflow"));
            }
            rest = others;
        }
        Ok(())
    }

    /// Checks that a quality has a weight, and belongs to subsets that are uniform or weigh their lengths, under a distance that is
    /// known to go with it.
    fn check_quality(&self) -> Result<(), Rejection> {
        let Some(Quality { weight, .. }) = &self.quality else { return Ok(()) };
        let fault = if !(*weight > 0.0 && weight.is_finite()) {
            "has a weight that is not positive and finite"
        } else if matches!(self.objective, Objective::Tsds { .. }) {
            "is not known of `tsds`"
        } else if self.weights.subset.is_some() && self.tokens.is_none() {
            "is known of uniform subsets and of lengths only"
        } else {
            return Ok(());
        };
        Err(Rejection::new("quality", format!("the quality of rows {fault}")))
    }

    /// What other objectives than W do not know of.
    fn check_plain_terms(&self) -> Result<(), Rejection> {
        let (name, kernel) = (self.objective.name(), self.objective.kernel());
        let fault = if self.p != Power::One {
            "has no power p"
        } else if kernel.is_none() && self.weights != Weights::default() {
            "is proved for uniform weights only"
        } else if kernel.is_some() && self.cost.family() == Family::Given {
            "needs points, not a matrix of costs"
        } else if kernel.is_some_and(|k| k.name() == KernelName::Cosine) && self.cost.family() != Family::Angle {
            "with the cosine kernel needs unit rows, that is a cost of directions"
        } else if let Objective::Tsds { diversity } = self.objective
            && !(diversity > 0.0 && diversity.is_finite())
        {
            "needs a diversity that is positive and finite"
        } else {
            return Ok(());
        };
        Err(Rejection::new("objective", format!("`{name}` {fault}")))
    }

    /// Checks that there is nothing for which a [`FeasibleSet`](crate::FeasibleSet) is needed.
    pub(crate) fn check_unconstrained(&self) -> Result<(), Rejection> {
        let (rule, what) = match (self.constraints.are_none(), &self.quality, &self.tokens) {
            (true, None, None) => return Ok(()),
            (true, Some(_), _) => ("quality", "a quality"),
            (true, None, Some(_)) => ("tokens", "a budget in tokens"),
            (false, _, _) => ("constraints", "constraints"),
        };
        Err(Rejection::new(rule, format!("the statement has {what}, which this bound does not know of")))
    }
}
