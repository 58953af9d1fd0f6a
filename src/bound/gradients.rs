//! Rows that are gradients of the loss: T8 and T8b, on the raw rows whatever the cost of the selection.

use kantor_theory::generalization::gradients::{descent, loss_change_gap, relative_matching_error, require_raw};
use kantor_theory::generalization::lower::{mean_difference, mean_norm};
use kantor_theory::generalization::projection::johnson_lindenstrauss;
use kantor_theory::generalization::{Cloud, Metric, Theorem};
use kantor_theory::{Rows, dot};

use super::{Line, Study};
use crate::pipeline::Error;

impl Study<'_> {
    pub(super) fn gradients(&mut self) -> Result<(), Error> {
        let Some(terms) = self.terms.gradients else { return Ok(()) };
        let subset = Cloud::new(Metric::Euclidean, self.pool, self.subject.subset.iter().copied());
        let queries = self.subject.problem.queries();
        let query = Cloud::new(Metric::Euclidean, queries, 0..queries.len());
        let (Some(subset), Some(query)) = (subset, query) else { return Ok(()) };
        let norms: Vec<f64> = [&subset, &query].into_iter().flat_map(norms).collect();
        if let Err(refusal) = require_raw(&norms) {
            self.refuse("loss change on Q against S", refusal);
            return Ok(());
        }
        let mismatch = match mean_difference(&subset, &query) {
            Ok(mismatch) => mismatch,
            Err(refusal) => {
                self.refuse("loss change on Q against S", refusal);
                return Ok(());
            }
        };
        self.projected();
        let norm = mean_norm(&query);
        let matching = relative_matching_error(mismatch, norm);
        self.push(Line::against(
            "relative matching error r",
            matching,
            Some(1.0),
            "a step on S need not help Q from r =",
        ));
        match (terms.step, terms.smoothness) {
            (Some(step), Some(beta)) => {
                let bound = loss_change_gap(step, mismatch.upper, beta);
                self.push(Line::against(
                    "loss change on Q against S",
                    bound,
                    self.range,
                    "losses never differ by more than B =",
                ));
            }
            _ => self.skip("loss change on Q against S", Theorem::T8, "needs --step and --smoothness"),
        }
        match terms.smoothness {
            Some(beta) if beta > 0.0 => {
                let line = Line::value("descent on Q of one step 1/β on S", descent(1.0 / beta, mismatch, norm));
                self.push(line);
            }
            _ => self.skip("descent on Q of one step 1/β on S", Theorem::T8b, "needs --smoothness above 0"),
        }
        Ok(())
    }

    /// T7: what is known of gradients that were projected at random before they were written down.
    fn projected(&mut self) {
        let (name, r) = ("ε: W₁ before projection is W₁/√(1 ± ε)", self.pool.dim());
        let (n, m) = (self.pool.len(), self.query.len());
        match johnson_lindenstrauss(r, m, n, self.terms.delta) {
            _ if self.metric != Metric::Euclidean => self.skip(name, Theorem::T7, "is about `--cost euclidean`"),
            Some(bound) => self.push(Line::value(name, bound)),
            None => self.skip(name, Theorem::T7, format!("no ε below 1 holds for {m}·{n} pairs in {r} dimensions")),
        }
    }
}

fn norms(cloud: &Cloud) -> Vec<f64> {
    let mut row = vec![0.0; cloud.rows().dim()];
    (0..cloud.len())
        .map(|i| {
            cloud.rows().read_row(i, &mut row);
            dot::dot(&row, &row).sqrt()
        })
        .collect()
}
