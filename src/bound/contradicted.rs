//! What points and measured losses say against the assumptions on which bounds rest: such bounds are refused.

use kantor_theory::generalization::lipschitz::Carried;
use kantor_theory::generalization::{Assumption, Cloud, Refusal};

use super::{PAIRWISE, Says, Study};
use crate::decimal::magnitude;
use crate::pipeline::Error;

/// Points with a name, and their losses where they are known.
struct Side<'a> {
    name: &'static str,
    points: &'a Cloud,
    /// What its points are called; by their place, if empty.
    numbers: &'a [usize],
    losses: Option<&'a [f64]>,
}

/// What the inputs contradict: bounds that rest on all of these.
struct Contradiction {
    assumptions: &'static [Assumption],
    why: String,
}

impl Study<'_> {
    /// Takes back the bounds that rest on assumptions which the given losses contradict.
    pub(super) fn refuse_contradicted(&mut self) -> Result<(), Error> {
        let found = [self.beyond_the_range(), self.below_zero(), self.above_the_range(), self.steeper()?];
        let found: Vec<Contradiction> = found.into_iter().flatten().collect();
        for line in self.lines.iter_mut().filter(|line| line.bound().is_some()) {
            let rests_on = line.assumptions();
            let contradicts = |c: &&Contradiction| c.assumptions.iter().all(|assumption| rests_on.contains(assumption));
            if let Some(Contradiction { assumptions, why }) = found.iter().find(contradicts) {
                line.says = Says::Refused(Refusal::new(line.theorem(), assumptions[0], why));
            }
        }
        Ok(())
    }

    /// Fails if two of the given points are farther apart than the diameter that was given for all points.
    pub(super) fn check_diameter(&self) -> Result<(), Error> {
        let Some(diameter) = self.diameter else { return Ok(()) };
        let farthest = self.most_of_pairs(|_| true, |_, lower, _| lower)?;
        match farthest {
            Some((distance, between)) if distance > diameter => Err(Error::Request(format!(
                "{between} are at least {distance} apart, so the diameter of all points is not {diameter}: give a larger \
                 --diameter"
            ))),
            _ => Ok(()),
        }
    }

    fn sides<'a>(&'a self) -> Vec<Side<'a>> {
        let losses = self.subject.losses;
        let of = |name, points: &'a Cloud, numbers, losses: &'a Option<Vec<f64>>| Side {
            name,
            points,
            numbers,
            losses: losses.as_deref(),
        };
        let mut sides = vec![
            of("pool row", &self.subset, self.subject.subset_numbers, &losses.subset),
            of("query", &self.query, self.subject.query_numbers, &losses.query),
        ];
        if let (Some(points), Some(held_out)) = (&self.held_out, &self.subject.held_out) {
            sides.push(of("held-out query", points, held_out.numbers, &losses.held_out));
        }
        sides
    }

    /// The largest `value(losses, lower, upper)` of all pairs of points on the sides `of`, and which pair that is: its
    /// losses, if they are known, and the ends of its distance. A large subset is not compared with itself.
    fn most_of_pairs(
        &self,
        of: impl Fn(&Side<'_>) -> bool,
        value: impl Fn([f64; 2], f64, f64) -> f64,
    ) -> Result<Option<(f64, String)>, Error> {
        let sides: Vec<Side<'_>> = self.sides().into_iter().filter(|side| of(side)).collect();
        let mut most: Option<(f64, [(&Side<'_>, usize); 2])> = None;
        for (at, a) in sides.iter().enumerate() {
            for b in &sides[at..] {
                if std::ptr::eq(a, b) && a.points.len() > PAIRWISE {
                    continue;
                }
                self.watch.advance(0)?;
                let loss = |side: &Side<'_>, at: usize| side.losses.map_or(0.0, |losses| losses[at]);
                a.points.pairs(b.points)?.for_each_row(|row, lower, upper| {
                    for (column, (&lower, &upper)) in lower.iter().zip(upper).enumerate() {
                        let found = value([loss(a, row), loss(b, column)], lower, upper);
                        if most.as_ref().is_none_or(|(most, ..)| found > *most) {
                            most = Some((found, [(a, row), (b, column)]));
                        }
                    }
                });
            }
        }
        let name =
            |(side, at): (&Side<'_>, usize)| format!("{} {}", side.name, side.numbers.get(at).copied().unwrap_or(at));
        Ok(most.map(|(value, [a, b])| (value, format!("{} and {}", name(a), name(b)))))
    }

    fn all_losses(&self) -> impl Iterator<Item = f64> {
        let losses = self.subject.losses;
        [&losses.subset, &losses.query, &losses.held_out].into_iter().flatten().flatten().copied()
    }

    fn beyond_the_range(&self) -> Option<Contradiction> {
        let (least, most) = (self.all_losses().reduce(f64::min)?, self.all_losses().reduce(f64::max)?);
        let range = self.range.filter(|&range| (most - least).next_down() > range)?;
        let why = format!("the given losses lie between {least} and {most}, farther apart than B = {range}");
        Some(Contradiction { assumptions: &[Assumption::Bounded], why })
    }

    fn below_zero(&self) -> Option<Contradiction> {
        let least = self.all_losses().reduce(f64::min).filter(|&least| least < 0.0)?;
        let why = format!("a given loss is {least}; add a constant to all losses");
        Some(Contradiction { assumptions: &[Assumption::NonNegative], why })
    }

    /// Losses in an interval of length B that are never negative need not begin at zero, but what is said of [0, B] does
    /// not hold for them.
    fn above_the_range(&self) -> Option<Contradiction> {
        let most = self.all_losses().reduce(f64::max)?;
        let range = self.range.filter(|&range| most > range)?;
        let why =
            format!("a given loss is {most}, above B = {range}; take a constant from all losses, or give a larger B");
        Some(Contradiction { assumptions: &[Assumption::Bounded, Assumption::NonNegative], why })
    }

    fn steeper(&self) -> Result<Option<Contradiction>, Error> {
        let Some(l) = self.lipschitz else { return Ok(None) };
        let ratio = |[subset_loss, query_loss]: [f64; 2], _, distance| {
            Carried { mass: 1, distance, subset_loss, query_loss }.ratio()
        };
        let steepest = self.most_of_pairs(|side| side.losses.is_some(), ratio)?;
        Ok(steepest.filter(|(ratio, _)| *ratio > l).map(|(ratio, between)| Contradiction {
            assumptions: &[Assumption::Lipschitz],
            why: format!(
                "the losses of {between} differ by {} times their distance, more than L = {l}",
                magnitude(ratio)
            ),
        }))
    }
}
