//! Certificates: a claim about a subset, the evidence for it, and the input that both speak of.
//!
//! A certificate is JSON of schema [`SCHEMA`]. Everything in it is either part of the statement (`problem`, `inputs`,
//! `dropped`, `subset`), the claim (`distance`, `best`), the evidence, or a remark that nobody relies on (`made_by`,
//! names of inputs). Numbers are written so that reading them gives the same bits; masses are integers.

use std::io;

use serde::{Deserialize, Serialize};
use serde_json::ser::{Formatter, Serializer};

use crate::bounds::{BestBound, DistanceBound, Interval, Rejection, check_subset, total};
use crate::cost::Cost;
use crate::cost_bounds::{LARGEST_DIM, Power};
use crate::geometry::Geometry;
use crate::plan::SparsePlan;
use crate::rounding::{ExactSum, div_down};

/// Name and version of the format.
pub const SCHEMA: &str = "kantor/certificate/1";

/// What the bounds bound; part of every certificate.
pub const CONVENTION: &str = "distance = (min <c^p, x> over couplings x of subset and queries, both of total mass 1)^(1/p); \
     best = lower bound of the distance of every subset of `budget` distinct pool rows with equal weights";

/// Weights of the two measures, divided by their exact sum; uniform where missing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// One per subset row, in subset order.
    pub subset: Option<Vec<f64>>,
    /// One per query.
    pub query: Option<Vec<f64>>,
}

/// The statement's terms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// The pairwise cost c.
    pub cost: Cost,
    /// The power p.
    pub p: Power,
    /// Number of subset rows, k.
    pub budget: usize,
    /// Number of pool rows that can be chosen (those not dropped), N.
    pub pool: usize,
    /// Number of queries (those not dropped), M.
    pub queries: usize,
    /// Weights of subset rows and queries.
    pub weights: Weights,
    /// [`CONVENTION`], word for word.
    pub convention: String,
}

impl Problem {
    /// The problem of choosing `budget` rows of this geometry, with uniform weights.
    pub fn new(geometry: &Geometry<'_>, p: Power, budget: usize) -> Self {
        Self {
            cost: geometry.cost(),
            p,
            budget,
            pool: geometry.pool_len(),
            queries: geometry.query_len(),
            weights: Weights::default(),
            convention: CONVENTION.to_owned(),
        }
    }

    /// The same problem with these weights.
    pub fn weighted(self, weights: Weights) -> Self {
        Self { weights, ..self }
    }

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
        match geometry.points().map(|rows| rows.dim()) {
            Some(dim) if dim > LARGEST_DIM => Err(Rejection::new("shape", format!("{dim} columns are too many"))),
            _ => Ok(()),
        }
    }

    /// The part of [`Problem::check`] that needs no data.
    pub(crate) fn check_alone(&self) -> Result<(), Rejection> {
        if self.convention != CONVENTION {
            return Err(Rejection::new("convention", "problem.convention is not the one of this schema"));
        }
        if self.budget == 0 || self.budget > self.pool || self.queries == 0 {
            let place = format!("budget {} of {} rows for {} queries", self.budget, self.pool, self.queries);
            return Err(Rejection::new("budget", place));
        }
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

    /// A number ≤ Σ_j b_j g_j.
    pub(crate) fn mean_potential_down(&self, g: &[f64]) -> f64 {
        let mut sum = ExactSum::default();
        match &self.weights.query {
            None => {
                g.iter().for_each(|&g| sum.add(g));
                div_down(sum.down(), g.len() as f64)
            }
            Some(b) => {
                b.iter().zip(g).for_each(|(&b, &g)| sum.add_product(b, g));
                sum.ratio_down(&total(b))
            }
        }
    }
}

/// What an input file is to the problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Pool rows; several are concatenated in order.
    Pool,
    /// Query rows; several are concatenated in order.
    Query,
    /// The M×N matrix of similarities, or of costs if the cost is `precomputed`.
    Similarity,
}

/// One input file as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// What it is.
    pub role: Role,
    /// What it was called; not relied on.
    pub name: String,
    /// SHA-256 of the whole file, lower-case hexadecimal.
    pub sha256: String,
    /// Rows in it.
    pub rows: usize,
    /// Numbers per row.
    pub dim: usize,
    /// Their type.
    pub dtype: String,
}

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
    /// For `best.lower`: one number per query.
    pub best_potentials: Option<Vec<f64>>,
    /// For `distance.upper`.
    pub plan: Option<SparsePlan>,
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
    /// [`SCHEMA`].
    pub schema: String,
    /// The terms of the statement.
    pub problem: Problem,
    /// The files that it speaks of.
    pub inputs: Vec<Input>,
    /// Rows of these files that it leaves out.
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
    /// The certificate of bounds that were proved for this problem.
    ///
    /// # Errors
    /// If the two bounds are not about this problem or contradict each other (which would mean a defect here).
    pub fn new(
        problem: Problem,
        inputs: Vec<Input>,
        dropped: Dropped,
        distance: &DistanceBound,
        best: Option<&BestBound>,
        made_by: MadeBy,
    ) -> Result<Self, Rejection> {
        let kept = kept_rows(&dropped.pool, problem.pool)?;
        check_subset(distance.rows(), &problem)?;
        if best.is_some_and(|best| best.budget() != problem.budget) {
            return Err(Rejection::new("best", "the bound for all subsets is for another budget"));
        }
        check_order(distance.interval(), best.map(BestBound::lower))?;
        Ok(Self {
            schema: SCHEMA.to_owned(),
            inputs,
            distance: distance.interval(),
            best: best.map(|best| BestClaim { lower: best.lower() }),
            subset: distance.rows().iter().map(|&row| kept[row]).collect(),
            evidence: Evidence {
                distance_potentials: distance.evidence().potentials.clone(),
                best_potentials: best.map(|best| best.potentials().to_vec()),
                plan: distance.evidence().plan.clone(),
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

/// JSON layout: one key per line in objects, arrays of scalars on one line, objects in arrays on a line each.
#[derive(Default)]
struct Layout {
    depth: usize,
    arrays: usize,
}

impl Layout {
    fn line(&self, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        write!(out, "\n{:1$}", "", self.depth)
    }
}

impl Formatter for Layout {
    fn begin_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.arrays += 1;
        out.write_all(b"[")
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.arrays -= 1;
        out.write_all(b"]")
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        if self.arrays > 0 {
            self.line(out)?;
        }
        self.depth += 1;
        out.write_all(b"{")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if self.arrays == 0 {
            self.line(out)?;
        }
        out.write_all(b"}")
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if !first {
            out.write_all(b",")?;
        }
        match (self.arrays, first) {
            (0, _) => self.line(out),
            (_, false) => out.write_all(b" "),
            (_, true) => Ok(()),
        }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}
