//! What `distance` says of a subset under limits, of its quality, and of several tasks: whether it keeps the limits, and what is
//! proved among the subsets that do.

use kantor_theory::{BestBound, DistanceBound, FeasibleSet, Interval};
use serde_json::{Map, Value, json};

use super::failure::Failure;
use crate::certify::{Certified, CertifyError};
use crate::constraints::{LISTED, LimitUse, Rules, uses};
use crate::decimal::difference;
use crate::pipeline::{Error, Inputs};
use crate::problem::Problem;
use crate::statistics::mean;
use crate::view::table;

/// A subset and the limits asked for.
pub(super) struct Admissible {
    /// The subsets that keep the limits, if this is one of them; `None` also where there are no limits and nothing is worth anything.
    pub(super) set: Option<FeasibleSet>,
    /// The limits that it breaks, in words.
    pub(super) broken: Vec<String>,
    /// Whether there are limits.
    limited: bool,
    /// What it uses of every limit.
    uses: Vec<LimitUse>,
    /// The mean quality of its rows, which weigh their tokens where these are the budget.
    quality: Option<f64>,
    /// The tokens of its rows, where these are the budget.
    pub(super) lengths: Option<Vec<f64>>,
    /// The names of several tasks, of which the worst counts.
    tasks: Vec<String>,
}

impl Admissible {
    /// Of these rows of the problem, among the choices of so many rows or tokens.
    pub(super) fn of(inputs: &Inputs, problem: &Problem<'_>, (size, rows): (usize, &[usize])) -> Result<Self, Failure> {
        let set = problem.feasible(size).map_err(Error::from)?;
        let limited = problem.rules().is_some_and(|rules: &Rules| !rules.admit_all());
        let broken = set.as_ref().map_or_else(Vec::new, |set| broken(inputs, set, rows));
        let uses = set.as_ref().map_or_else(Vec::new, |set| uses(set, rows, &[]));
        let tokens = set.as_ref().and_then(FeasibleSet::tokens);
        let lengths: Option<Vec<f64>> = tokens.map(|(_, of)| rows.iter().map(|&row| of[row]).collect());
        let quality = problem.scores().map(|scores| {
            let scores = rows.iter().map(|&row| scores[row]);
            match &lengths {
                None => mean(scores),
                Some(of) => scores.zip(of).map(|(score, t)| score * t).sum::<f64>() / of.iter().sum::<f64>(),
            }
        });
        let tasks = if problem.tasks().is_empty() { Vec::new() } else { inputs.task_names().to_vec() };
        Ok(Self { set: set.filter(|_| broken.is_empty()), broken, limited, uses, quality, lengths, tasks })
    }

    /// What is proved of it; a bound among subsets of which it is none stands for itself.
    pub(super) fn certified(
        &self,
        distance: DistanceBound,
        best: Option<BestBound>,
    ) -> Result<(Certified, Option<f64>), CertifyError> {
        let among = best.as_ref().map(BestBound::lower);
        Ok((Certified::new(distance, best.filter(|_| self.broken.is_empty()))?, among))
    }

    /// Keys of an object that `--json` prints.
    pub(super) fn keys(&self, certified: &Certified) -> Map<String, Value> {
        let mut object = Map::new();
        if self.limited {
            object.insert("keeps_limits".to_owned(), json!(self.broken.is_empty()));
            object.insert("broken_limits".to_owned(), json!(self.broken));
            object.insert("limits".to_owned(), json!(self.uses));
        }
        if let Some(mean) = self.quality {
            let (less_quality, best) = certified.less_quality().unzip();
            object.insert(
                "quality".to_owned(),
                json!({"mean": mean, "less_quality": less_quality, "best": best.flatten()}),
            );
        }
        if !self.tasks.is_empty() {
            object.insert("task_distances".to_owned(), json!(certified.distance().of_tasks()));
        }
        object
    }

    /// The same for people, line by line.
    pub(super) fn lines(&self, certified: &Certified) -> Vec<String> {
        let mut lines = Vec::new();
        for (task, distance) in self.tasks.iter().zip(certified.distance().of_tasks()) {
            lines.push(format!("to the task `{task}`: {}", table::interval(*distance)));
        }
        if let Some(mean) = self.quality {
            let less = certified.less_quality().map(|(interval, _): (Interval, _)| table::interval(interval));
            let less = less.map_or_else(String::new, |less| format!("; less quality: {less}"));
            lines.push(format!("mean quality {}{less}", difference(mean)));
        }
        if self.limited && self.broken.is_empty() {
            lines.push("the subset keeps all limits".to_owned());
        }
        lines.extend(self.broken.iter().take(LISTED).map(|broken| format!("limit broken: {broken}")));
        if self.broken.len() > LISTED {
            lines.push(format!("and {} more limits are broken", self.broken.len() - LISTED));
        }
        lines
    }

    /// The subsets below which a bound is, in words.
    pub(super) fn every(&self) -> &'static str {
        if self.lengths.is_some() {
            return "every choice of so many tokens that keeps all limits";
        }
        if self.limited { "every subset of that size that keeps the limits" } else { "every subset of that size" }
    }
}

/// The limits that rows of the problem break, in words, which name rows as their files number them.
fn broken(inputs: &Inputs, set: &FeasibleSet, rows: &[usize]) -> Vec<String> {
    let barred: Vec<usize> =
        rows.iter().filter(|&&row| set.is_excluded(row)).map(|&row| inputs.original_row(row)).collect();
    let listed: Vec<String> = barred.iter().take(LISTED).map(usize::to_string).collect();
    let more = if barred.len() > LISTED { ", …" } else { "" };
    let words = format!("{} rows are chosen that must not be: {}{more}", barred.len(), listed.join(", "));
    // These come first there too, by the numbers of the problem.
    let others = set.broken(rows).into_iter().skip(usize::from(!barred.is_empty())).map(|broken| broken.place);
    (!barred.is_empty()).then_some(words).into_iter().chain(others).collect()
}

/// Refuses what limits, quality or several tasks do not go with, by the flag.
pub(super) fn refuse_beside(what: &str, flags: &[(&str, bool)]) -> Result<(), Failure> {
    match flags.iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(Failure::Usage(format!("{what} does not go with {flag}: leave out one of both"))),
        None => Ok(()),
    }
}
