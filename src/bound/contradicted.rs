//! What measured losses say against the assumptions on which bounds rest: such bounds are refused.

use kantor_theory::generalization::lipschitz::Carried;
use kantor_theory::generalization::{Assumption, Refusal};

use super::{Says, Study};
use crate::select::Error;

impl Study<'_> {
    /// Takes back the bounds that rest on an assumption which the given losses contradict.
    pub(super) fn refuse_contradicted(&mut self) -> Result<(), Error> {
        let found = [self.beyond_the_range(), self.below_zero(), self.steeper()?];
        let found: Vec<(Assumption, String)> = found.into_iter().flatten().collect();
        for line in self.lines.iter_mut().filter(|line| line.bound().is_some()) {
            let rests_on = line.assumptions();
            if let Some((assumption, why)) = found.iter().find(|(assumption, _)| rests_on.contains(assumption)) {
                line.says = Says::Refused(Refusal::new(line.theorem(), *assumption, why));
            }
        }
        Ok(())
    }

    /// Fails if a row of the subset and a query are farther apart than the diameter that was given for all points.
    pub(super) fn check_diameter(&self) -> Result<(), Error> {
        let Some(diameter) = self.diameter else { return Ok(()) };
        let mut farthest = (0.0, 0, 0);
        self.subset.pairs(&self.query)?.for_each_row(|row, lower, _| {
            for (column, &distance) in lower.iter().enumerate() {
                if distance > farthest.0 {
                    farthest = (distance, row, column);
                }
            }
        });
        let (distance, row, column) = farthest;
        if distance > diameter {
            return Err(Error::Request(format!(
                "row {row} of the subset and query {column} are at least {distance} apart, so the diameter of all points \
                 is not {diameter}: give a larger --diameter"
            )));
        }
        Ok(())
    }

    fn all_losses(&self) -> impl Iterator<Item = f64> {
        let losses = self.subject.losses;
        [&losses.subset, &losses.query, &losses.held_out].into_iter().flatten().flatten().copied()
    }

    fn beyond_the_range(&self) -> Option<(Assumption, String)> {
        let (least, most) = (self.all_losses().reduce(f64::min)?, self.all_losses().reduce(f64::max)?);
        let range = self.range.filter(|&range| (most - least).next_down() > range)?;
        let why = format!("the given losses lie between {least} and {most}, farther apart than B = {range}");
        Some((Assumption::Bounded, why))
    }

    fn below_zero(&self) -> Option<(Assumption, String)> {
        let least = self.all_losses().reduce(f64::min).filter(|&least| least < 0.0)?;
        Some((Assumption::NonNegative, format!("a given loss is {least}; add a constant to all losses")))
    }

    fn steeper(&self) -> Result<Option<(Assumption, String)>, Error> {
        let losses = self.subject.losses;
        let (Some(l), Some(subset), Some(query)) = (self.lipschitz, &losses.subset, &losses.query) else {
            return Ok(None);
        };
        let mut steepest = (0.0, 0, 0);
        self.subset.pairs(&self.query)?.for_each_row(|row, _, upper| {
            for (column, (&distance, &query_loss)) in upper.iter().zip(query).enumerate() {
                let ratio = Carried { mass: 1, distance, subset_loss: subset[row], query_loss }.ratio();
                if ratio > steepest.0 {
                    steepest = (ratio, row, column);
                }
            }
        });
        let (ratio, row, column) = steepest;
        let why = format!(
            "the losses of subset row {row} and query {column} differ by {ratio:.4} times their distance, more than L = {l}"
        );
        Ok((ratio > l).then_some((Assumption::Lipschitz, why)))
    }
}
