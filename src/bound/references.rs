//! The subset among random ones, the paper's gain over random, the best that any subset could be, intrinsic dimension.

use kantor_solvers::relax::budgeted::{self, Budgeted};
use kantor_solvers::scan::scan;
use kantor_solvers::{SelectError, Task, draw};
use kantor_theory::Rows;
use kantor_theory::generalization::dimension::{growth_to_halve, levina_bickel, two_nn};
use kantor_theory::generalization::rates::{AprioriGain, a_priori_gain, gain_over_random};
use kantor_theory::generalization::reference::{p_value, percentile, position};
use kantor_theory::generalization::{Bound, Cloud, Theorem};

use super::line::{EVERY, SHARE_CLOSER};
use super::solve::Solved;
use super::{BoundTerms, Line, Study};
use crate::certify::{self, CertifyError};
use crate::pipeline::Error;

/// Subsets larger than this are not transported to each other.
const LARGEST_PAIR: usize = 1024;

/// Pool rows whose neighbours are looked at for the intrinsic dimension.
const SAMPLE: usize = 1500;

/// Neighbours of each.
const NEIGHBOURS: usize = 10;

/// Streams of the seed.
const REFERENCES: u64 = 2 << 32;
const DIMENSION: u64 = 3 << 32;

impl Study<'_> {
    pub(super) fn references(&mut self, solved: &Solved) -> Result<(), Error> {
        let (pool, k) = (self.pool, self.subset.len());
        self.watch.begin("random subsets", self.terms.references as u64);
        let mut references = Vec::new();
        for r in 0..self.terms.references {
            self.watch.advance(1)?;
            references.push(self.distance(&self.random(r, k)?, &self.query)?);
        }
        let best = self.best()?;
        let name = EVERY;
        match &best {
            Some(bound) => self.push(Line::value(name, bound.clone())),
            None => self.skip(name, Theorem::BestSubset, "the best subset's transport does not fit into --max-memory"),
        }
        if !references.is_empty() {
            self.push(Line::value("p-value of \"S is random\"", p_value(solved.distance, &references)));
            let others = [
                (SHARE_CLOSER, percentile(solved.distance, &references)),
                (
                    "position, 0 chance, 1 best possible",
                    best.and_then(|best| position(solved.distance, &references, best.value())),
                ),
            ];
            for (name, bound) in others {
                if let Some(bound) = bound {
                    self.push(Line::value(name, bound));
                }
            }
        }
        self.gain(solved, pool, k)?;
        self.dimension(pool)
    }

    fn random(&self, r: usize, k: usize) -> Result<Cloud, Error> {
        let rows = draw::without_replacement(self.terms.seed, REFERENCES + r as u64, self.pool.len(), k);
        Cloud::new(self.metric, self.pool, rows).ok_or_else(|| Error::Request("the pool has no rows".to_owned()))
    }

    /// The pool as a cloud with all its distances to the queries, if memory allows.
    fn pool(&self, copies: usize) -> Option<Cloud> {
        let pool = self.pool;
        let needed = 8 * (2 * pool.len() * pool.dim() + copies * pool.len() * self.query.len()) as u64;
        (needed <= self.terms.memory).then(|| Cloud::new(self.metric, pool, 0..pool.len())).flatten()
    }

    /// A lower bound of all subsets of that size, from the potentials of the best one; `None` if that takes too much memory.
    fn best(&self) -> Result<Option<Bound>, Error> {
        let Some(pool) = self.pool(0) else { return Ok(None) };
        let (pairs, k) = (pool.pairs(&self.query)?, self.subset.len());
        let BoundTerms { seed, memory, .. } = *self.terms;
        let task = Task { seed, ..Task::new(pairs.geometry(), memory, self.watch) };
        let findings = scan(&task, budgeted::needs(&task, k))?;
        let found = match budgeted::solve(&task, &findings, &[k]) {
            Err(SelectError::Memory { .. }) => return Ok(None),
            found => found?,
        };
        let bound = |best: Budgeted| pairs.best_subset(k, best.potentials, &certify::in_parallel);
        Ok(found.budgets.into_iter().next().map(bound).transpose().map_err(CertifyError::from)?)
    }

    /// Theorem 6.2: its finite quantity beside its right-hand side, both in units of C*.
    fn gain(&mut self, solved: &Solved, pool: &dyn Rows, k: usize) -> Result<(), Error> {
        let name = "gain over random / C* ≤ W₁(S_random, S)";
        if self.terms.references == 0 || k > LARGEST_PAIR {
            let why =
                format!("needs {k}² distances between two subsets; done with references and up to k = {LARGEST_PAIR}");
            self.skip(name, Theorem::Paper62, why);
        } else {
            let between = self.distance(&self.random(0, k)?, &self.subset)?;
            let reason = "no gain exceeds C* times the diameter";
            self.push(Line::against(name, gain_over_random(1.0, between), self.diameter, reason));
        }
        let name = "gain over random / C*, rate with C_d = 1";
        let Some(diameter) = self.diameter else {
            self.skip(name, Theorem::Paper62, "needs a diameter fixed in advance: give --diameter");
            return Ok(());
        };
        let Some(all) = self.pool(3) else {
            self.skip(name, Theorem::Paper62, "the transport of the whole pool does not fit into --max-memory");
            return Ok(());
        };
        let x = AprioriGain {
            c_star: 1.0,
            c_d: 1.0,
            diameter,
            dim: pool.dim(),
            budget: k,
            delta: self.terms.delta,
            pool_to_queries: self.distance(&all, &self.query)?,
            subset_to_queries: solved.distance,
        };
        if let Some(bound) = a_priori_gain(&x) {
            self.push(Line::against(name, bound, Some(diameter), "no gain exceeds C* times the diameter"));
        }
        Ok(())
    }

    fn dimension(&mut self, pool: &dyn Rows) -> Result<(), Error> {
        let count = pool.len().min(SAMPLE);
        let rows = draw::without_replacement(self.terms.seed, DIMENSION, pool.len(), count);
        let Some(sample) = Cloud::new(self.metric, pool, rows) else { return Ok(()) };
        self.watch.advance(0)?;
        let mut lists = Vec::with_capacity(count);
        sample.pairs(&sample)?.for_each_row(|row, lower, upper| {
            let mut distances: Vec<f64> =
                (0..count).filter(|&j| j != row).map(|j| middle(lower[j], upper[j])).collect();
            let kept = NEIGHBOURS.min(distances.len());
            if kept > 0 {
                distances.select_nth_unstable_by(kept - 1, f64::total_cmp);
            }
            distances.truncate(kept);
            distances.sort_by(f64::total_cmp);
            lists.push(distances);
        });
        let pairs: Vec<(f64, f64)> = lists.iter().filter(|l| l.len() > 1).map(|l| (l[0], l[1])).collect();
        for (name, bound) in [("TwoNN", two_nn(&pairs)), ("Levina–Bickel", levina_bickel(&lists))] {
            match bound {
                Some(bound) => {
                    let growth = growth_to_halve(&bound);
                    self.push(Line::value(&format!("intrinsic dimension, {name}"), bound));
                    self.push(Line::value(&format!("rows to halve distances ×, {name}"), growth));
                }
                None => self.skip(
                    &format!("intrinsic dimension, {name}"),
                    Theorem::IntrinsicDimension,
                    "too few distinct rows in the sample",
                ),
            }
        }
        Ok(())
    }
}

/// What stands for a distance in an estimate: the middle of its enclosure, 0 if it cannot be told from 0.
fn middle(lower: f64, upper: f64) -> f64 {
    if lower == 0.0 { 0.0 } else { lower.midpoint(upper) }
}
