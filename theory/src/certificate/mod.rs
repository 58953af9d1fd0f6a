//! Certificates: a claim about a subset, the evidence for it, and the input that both speak of.
//!
//! A certificate is JSON of schema [`SCHEMA`]; those of [`SCHEMA_1`] are read and checked too. Everything in it is either
//! part of the statement (`problem`, `inputs`, `dropped`, `subset`), the claim (`distance`, `best`), the evidence, or a
//! remark that proves nothing (`made_by`, names of inputs). Numbers are written so that reading them gives the same bits;
//! masses are integers.

mod input;
mod layout;
mod parse;

use serde::{Deserialize, Serialize};
use serde_json::ser::Serializer;

use crate::bounds::{BestBound, BestEvidence, DistanceBound, Interval, Witness};
use crate::constraints::Price;
use crate::plan::SparsePlan;
use crate::rejection::Rejection;
use crate::statement::Statement;

pub(crate) use input::check_inputs;
pub use input::{Content, Input, Role};
use layout::Layout;
pub(crate) use parse::check_schema;

/// Name and version of the format.
pub const SCHEMA: &str = "kantor/certificate/2";

/// The version before, whose inputs are whole files.
pub const SCHEMA_1: &str = "kantor/certificate/1";

/// Rows of the concatenated input that are left out of the problem, ascending.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropped {
    /// Rows of the pool (columns of a matrix).
    pub pool: Vec<usize>,
    /// Rows of the query set (rows of a matrix).
    pub query: Vec<usize>,
}

/// The claim about all subsets.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BestClaim {
    /// Every subset of `budget` rows is at least this far from the queries.
    pub lower: f64,
}

/// What the claims rest on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// For `distance.lower`: one number per query.
    pub distance_potentials: Option<Vec<f64>>,
    /// For `best.lower` of transport, regularised or not: one number per query.
    pub best_potentials: Option<Vec<f64>>,
    /// For `distance.upper`.
    pub plan: Option<SparsePlan>,
    /// For `best.lower` under the distance of a kernel, which needs none of the others: the checker evaluates
    /// `distance` itself. Rows are numbered as in `subset`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<Witness>,
    /// For `best.lower` under a local kernel, beside the witness, whose rows are then the active ones: what is taken from the diagonal of
    /// each (T19).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shift: Vec<f64>,
    /// For `best.lower` of the worst of several tasks, beside the potentials: one number per task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub task_shares: Vec<f64>,
    /// For `best.lower` under constraints, beside the above: prices of their limits. Those that are missing are zero.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prices: Vec<Price>,
}

/// Who made it. Nothing depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MadeBy {
    /// The tool.
    pub tool: String,
    /// Its version.
    pub version: String,
    /// The selector that chose the subset, if any.
    pub selector: Option<String>,
}

/// A claim with its evidence. Make one with [`Certificate::new`], read one with [`Certificate::parse`], believe one
/// that [`verify`](crate::checker::verify) accepts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Certificate {
    /// [`SCHEMA`] or [`SCHEMA_1`].
    pub schema: String,
    /// The terms of the statement.
    pub problem: Statement,
    /// The rows that it speaks of: all those of the pool, then all queries; or a matrix.
    pub inputs: Vec<Input>,
    /// Rows among them that it leaves out.
    pub dropped: Dropped,
    /// The distance of the subset lies in here.
    pub distance: Interval,
    /// What holds for every subset.
    pub best: Option<BestClaim>,
    /// The subset: rows of the concatenated pool as stored, dropped rows counted.
    pub subset: Vec<usize>,
    /// What proves it.
    pub evidence: Evidence,
    /// Who says so.
    pub made_by: MadeBy,
}

impl Certificate {
    /// The certificate of bounds that were proved, of the problem that both are about. That `inputs` and `dropped` are those
    /// of the geometry on which they were proved is for the caller to see to, and for
    /// [`verify`](crate::checker::verify) to find out.
    ///
    /// # Errors
    /// If the two bounds are not about one problem on one geometry, `inputs` are no ranges that follow one another,
    /// `dropped` is out of order, or the bounds contradict each other (which would mean a defect here).
    pub fn new(
        inputs: Vec<Input>,
        dropped: Dropped,
        distance: &DistanceBound,
        best: Option<&BestBound>,
        made_by: MadeBy,
    ) -> Result<Self, Rejection> {
        let problem = distance.statement().clone();
        let kept = kept_rows(&dropped.pool, problem.pool)?;
        check_inputs(SCHEMA, &inputs)?;
        best.map_or(Ok(()), |best| distance.check_same_problem(best))?;
        check_order(distance.interval(), best.map(BestBound::lower))?;
        let stored = |rows: &[usize]| rows.iter().map(|&row| kept[row]).collect();
        let of = |Witness { rows, weights }: &Witness| Some(Witness { rows: stored(rows), weights: weights.clone() });
        let (mut task_shares, mut shift) = (Vec::new(), Vec::new());
        let (best_potentials, witness) = match best.map(BestBound::evidence) {
            None => (None, None),
            Some(BestEvidence::Potentials(g)) => (Some(g.clone()), None),
            Some(BestEvidence::Tasks { shares, potentials }) => {
                task_shares.clone_from(shares);
                (Some(potentials.clone()), None)
            }
            Some(BestEvidence::Witness(witness)) => (None, of(witness)),
            Some(BestEvidence::Local { witness, shift: of_rows }) => {
                shift.clone_from(of_rows);
                (None, of(witness))
            }
        };
        Ok(Self {
            schema: SCHEMA.to_owned(),
            inputs,
            distance: distance.interval(),
            best: best.map(|best| BestClaim { lower: best.lower() }),
            subset: stored(distance.rows()),
            evidence: Evidence {
                distance_potentials: distance.evidence().potentials.clone(),
                best_potentials,
                plan: distance.evidence().plan.clone(),
                witness,
                shift,
                task_shares,
                prices: best.map_or_else(Vec::new, |best| best.prices().to_vec()),
            },
            problem,
            dropped,
            made_by,
        })
    }

    /// The certificate as JSON: objects indented, every array on one line.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let written = self.serialize(&mut Serializer::with_formatter(&mut out, Layout::default()));
        // Writing to memory does not fail, keys are strings, and every number was checked to be finite.
        debug_assert!(written.is_ok());
        out.push(b'\n');
        out
    }
}

/// For every row that is not dropped its number among all rows.
pub(crate) fn kept_rows(dropped: &[usize], kept: usize) -> Result<Vec<usize>, Rejection> {
    let mut rows = Vec::with_capacity(kept);
    let mut next = 0;
    for row in dropped {
        while next < *row && rows.len() < kept {
            rows.push(next);
            next += 1;
        }
        if next != *row {
            return Err(Rejection::new("dropped", format!("row {row} is repeated, out of order or out of range")));
        }
        next += 1;
    }
    rows.extend(next..next + kept.saturating_sub(rows.len()));
    Ok(rows)
}

/// Checks that no lower bound of the subset's distance is above an upper one.
pub(crate) fn check_order(distance: Interval, best: Option<f64>) -> Result<(), Rejection> {
    for (name, lower) in [("distance.lower", distance.lower), ("best.lower", best)] {
        if let (Some(lower), Some(upper)) = (lower, distance.upper)
            && lower > upper
        {
            return Err(Rejection::new("contradiction", format!("{name} {lower} is above distance.upper {upper}")));
        }
    }
    Ok(())
}
