//! The N×M costs as an iteration reads them, row by row: evaluated when asked for, or held in memory.
//!
//! Limit: evaluating them is N·M·d `f64` multiply-adds, reading them back N·M·8 bytes of memory traffic.

use std::ops::Range;

use kantor_theory::cost::Family;
use kantor_theory::{Cost, DenseRows, Geometry, Power, Rows};
use rayon::prelude::*;

use crate::simd;
use crate::watch::{Stopped, Watch};

/// Rows that are evaluated at a time: whole tiles of [`Geometry`]'s blocks.
const CHUNK: usize = 960;

/// Costs of N pool rows to M queries.
pub struct Costs<'a> {
    geometry: &'a Geometry<'a>,
    cost: Cost,
    power: Power,
    /// The pool rows and queries that take part; all if `None`.
    rows: Option<&'a [usize]>,
    queries: Option<&'a [usize]>,
    held: Option<Vec<f64>>,
    /// Bytes that may still be used.
    room: u64,
}

impl<'a> Costs<'a> {
    /// The costs of the geometry's pairs under `cost`, which must be of the family of the geometry's own. What is
    /// computed from them may take `memory` bytes.
    pub fn new(geometry: &'a Geometry<'a>, cost: Cost, memory: u64) -> Self {
        Self { geometry, cost, power: Power::One, rows: None, queries: None, held: None, room: memory }
    }

    /// The costs of some pool rows to some queries, all where `None`, under the geometry's own cost to this power.
    pub(crate) fn between(
        geometry: &'a Geometry<'a>,
        power: Power,
        rows: Option<&'a [usize]>,
        queries: Option<&'a [usize]>,
        memory: u64,
    ) -> Self {
        Self { power, rows, queries, ..Self::new(geometry, geometry.cost(), memory) }
    }

    /// The same costs, all evaluated now if that is work to be saved and they fit into memory.
    ///
    /// # Errors
    /// If the observer asks to stop.
    pub(crate) fn hold_if_dear(&self, watch: &dyn Watch) -> Result<Self, Stopped> {
        if self.are_cheap() { Ok(Self { held: None, ..*self }) } else { self.hold(watch) }
    }

    /// The same costs, all evaluated now if they fit into memory.
    ///
    /// # Errors
    /// If the observer asks to stop.
    pub(crate) fn hold(&self, watch: &dyn Watch) -> Result<Self, Stopped> {
        let (n, m) = (self.pool_len(), self.query_len());
        let mut costs = Self { held: None, ..*self };
        if (n as u128) * (m as u128) * 8 <= u128::from(self.room) {
            watch.begin("costs", n as u64);
            let mut held = vec![0.0; n * m];
            held.par_chunks_mut(CHUNK * m).enumerate().try_for_each(|(chunk, out)| {
                let first = chunk * CHUNK;
                let last = first + out.len() / m;
                costs.evaluate(first..last, out);
                watch.advance((last - first) as u64)
            })?;
            costs.room -= size_of_val(held.as_slice()) as u64;
            costs.held = Some(held);
        }
        Ok(costs)
    }

    /// Number of pool rows, N.
    pub fn pool_len(&self) -> usize {
        self.rows.map_or(self.geometry.pool_len(), <[usize]>::len)
    }

    /// Number of queries, M.
    pub fn query_len(&self) -> usize {
        self.queries.map_or(self.geometry.query_len(), <[usize]>::len)
    }

    /// The pool rows at these positions.
    pub(crate) fn rows_at(&self, positions: &[usize]) -> Vec<usize> {
        positions.iter().map(|&at| self.rows.map_or(at, |rows| rows[at])).collect()
    }

    /// The costs of these pool rows, not held.
    pub(crate) fn among<'b>(&'b self, rows: &'b [usize]) -> Costs<'b> {
        Costs { rows: Some(rows), held: None, ..*self }
    }

    /// Whether they are never negative.
    pub(crate) fn are_nonnegative(&self) -> bool {
        self.cost.family() != Family::Given
    }

    /// Whether all of them are in memory.
    pub(crate) fn are_held(&self) -> bool {
        self.held.is_some()
    }

    /// The matrix that holds them query by query, if there is one and all of it takes part.
    fn matrix(&self) -> Option<&'a dyn Rows> {
        let all = self.held.is_none() && self.rows.is_none() && self.queries.is_none();
        self.geometry.matrix().filter(|_| all)
    }

    /// Whether they can be read query by query as they lie in memory: [`Self::line`].
    pub(crate) fn are_lines(&self) -> bool {
        self.matrix().is_some()
    }

    /// What kind of numbers the geometry was given.
    pub(crate) fn given_as(&self) -> Cost {
        self.geometry.cost()
    }

    /// What [`Self::line`] reads, at these pool rows alone (M×rows, row-major), as it lies.
    pub(crate) fn lines_at(&self, positions: &[Range<usize>]) -> Option<DenseRows> {
        let matrix = self.matrix()?;
        let count = positions.iter().map(Range::len).sum();
        let mut values = vec![0.0; self.query_len() * count];
        for (j, mut line) in values.chunks_exact_mut(count).enumerate() {
            for span in positions {
                let (to, rest) = line.split_at_mut(span.len());
                matrix.read(j, span.clone(), to);
                line = rest;
            }
        }
        DenseRows::from_f64(count, values)
    }

    /// The same costs of the pairs of a matrix made by [`Self::lines_at`], whose geometry this is.
    pub(crate) fn on<'b>(&self, geometry: &'b Geometry<'b>) -> Costs<'b> {
        Costs { power: self.power, ..Costs::new(geometry, self.cost, self.room) }
    }

    /// `map` of the costs of pool rows `rows` to one query and of what belongs to the rows, where all costs lie in memory
    /// query by query.
    #[inline(always)]
    pub(crate) fn line(
        &self,
        query: usize,
        rows: Range<usize>,
        of_rows: &[f64],
        out: &mut [f64],
        map: impl Fn(f64, f64) -> f64,
    ) {
        let Some(matrix) = self.matrix() else { unreachable!("asked for lines of costs that are none") };
        let given = self.geometry.cost() == Cost::Precomputed;
        let plain = matrix.borrow(query, rows.clone()).filter(|_| self.power == Power::One);
        match (plain, self.cost) {
            // Straight from where they lie, one loop for each of the plain formulas.
            (Some(values), _) if given => mapped(values, of_rows, out, |x| x, map),
            (Some(values), Cost::Cosine) => mapped(values, of_rows, out, |x| Cost::Cosine.from_closeness(x), map),
            (Some(values), Cost::HalfCosine) => {
                mapped(values, of_rows, out, |x| Cost::HalfCosine.from_closeness(x), map);
            }
            _ => {
                matrix.read(query, rows, out);
                self.convert(given, out);
                out.iter_mut().zip(of_rows).for_each(|(to, x)| *to = map(*to, *x));
            }
        }
    }

    /// Whether evaluating them again costs little more than reading them back.
    pub(crate) fn are_cheap(&self) -> bool {
        self.geometry.points().is_none() && self.rows.is_none()
    }

    /// Whether so many bytes more may be held in memory.
    pub(crate) fn leave_room_for(&self, bytes: u128) -> bool {
        bytes <= u128::from(self.room)
    }

    /// The costs of pool rows `rows` (rows×M, row-major), in `buffer` if they are not held.
    pub(crate) fn rows<'b>(&'b self, rows: Range<usize>, buffer: &'b mut Vec<f64>) -> &'b [f64] {
        let m = self.query_len();
        match &self.held {
            Some(held) => &held[rows.start * m..rows.end * m],
            None => {
                buffer.resize(rows.len() * m, 0.0);
                self.evaluate(rows, buffer);
                buffer
            }
        }
    }

    fn evaluate(&self, rows: Range<usize>, out: &mut [f64]) {
        let Some(queries) = self.queries else { return self.evaluate_all(rows, out) };
        let m = self.geometry.query_len();
        let mut all = vec![0.0; rows.len() * m];
        self.evaluate_all(rows, &mut all);
        for (to, from) in out.chunks_exact_mut(queries.len()).zip(all.chunks_exact(m)) {
            to.iter_mut().zip(queries).for_each(|(to, &j)| *to = from[j]);
        }
    }

    fn evaluate_all(&self, rows: Range<usize>, out: &mut [f64]) {
        match self.rows {
            Some(listed) => self.geometry.closeness_gather(&listed[rows], out),
            None => self.geometry.closeness_block(rows, out),
        }
        simd::wide(
            #[inline(always)]
            || self.convert(false, out),
        );
    }

    /// Costs in the place of values of closeness, or of costs as they are given if `given`.
    #[inline(always)]
    fn convert(&self, given: bool, values: &mut [f64]) {
        let squared = self.power == Power::Two;
        match self.cost {
            // One loop for each of the plain formulas, which the compiler then turns into vector code.
            _ if given => convert(values, squared, |x| x),
            Cost::Precomputed => convert(values, squared, |x| Cost::Precomputed.from_closeness(x)),
            Cost::Cosine => convert(values, squared, |x| Cost::Cosine.from_closeness(x)),
            Cost::HalfCosine => convert(values, squared, |x| Cost::HalfCosine.from_closeness(x)),
            other => convert(values, squared, |x| other.from_closeness(x)),
        }
    }
}

/// `map` of the costs that belong to `values` and of what belongs to the rows.
#[inline(always)]
fn mapped(values: &[f64], of_rows: &[f64], out: &mut [f64], cost: impl Fn(f64) -> f64, map: impl Fn(f64, f64) -> f64) {
    for ((to, value), x) in out.iter_mut().zip(values).zip(of_rows) {
        *to = map(reachable(cost(*value)), *x);
    }
}

/// A pair without a closeness is infinitely far, so that it receives nothing.
#[inline(always)]
fn reachable(cost: f64) -> f64 {
    if cost.is_nan() { f64::INFINITY } else { cost }
}

#[inline(always)]
fn convert(values: &mut [f64], squared: bool, cost: impl Fn(f64) -> f64) {
    if squared {
        values.iter_mut().for_each(|x| *x = reachable(cost(*x) * cost(*x)));
    } else {
        values.iter_mut().for_each(|x| *x = reachable(cost(*x)));
    }
}

/// The cost of unbalanced transport in arXiv 2602.14696: half-cosine for directions, else the cost as it is.
pub(crate) fn published(cost: Cost) -> Cost {
    if cost.family() == Family::Angle { Cost::HalfCosine } else { cost }
}
