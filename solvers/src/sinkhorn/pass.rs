//! One pass over all pairs for given query potentials: what the dual and its derivatives need.
//!
//! With prior a = 1/N on the pool, b = 1/M on the queries and θ = ε/(ρ + ε):
//! s_i = Σ_j b exp((g_j − c_ij)/ε),  T_i = a s_i^θ,  T_ij = T_i · b exp((g_j − c_ij)/ε)/s_i.
//! With reference potentials h and m_i = max_j (h_j − c_ij)/ε that is s_i = b e^{m_i} Σ_j w_ij u_j for the weights
//! w_ij = exp((h_j − c_ij)/ε − m_i) and the factors u_j = exp((g_j − h_j)/ε) (Schmitzer's absorption,
//! arXiv 1610.06519). The weights are kept from pass to pass as long as g stays near h, and s_i is exact in the log
//! domain at any ε.
//!
//! Sums over rows run in slices of the pool that depend on N alone and are added in order, and weights that cannot be
//! kept are computed again to the same bits: the result has one value for every thread count and every way of holding
//! costs and weights. Limit: reading N·M weights from memory, four operations each; where h changes, one exponential
//! per pair, about 40 operations; with second derivatives M/2 more multiply-adds per pair.

use rayon::prelude::*;

use super::costs::Costs;
use super::exp;
use super::penalty::Penalty;
use super::slice::{LANES, Run, STEP, Slice, Worker};
use crate::watch::{Stopped, Watch};

/// Slices of the pool at most; a sum over rows has this many partial sums.
const SLICES: usize = 64;

/// Largest |g_j − h_j|/ε. Weights below e⁻⁷⁰⁷ are 0, so what they leave out of s_i is below e^(2·DRIFT − 707) of it.
pub(crate) const DRIFT: f64 = 64.0;

/// What a pass finds out beyond column sums and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Nothing.
    Sums,
    /// The matrix of second derivatives.
    Outer,
    /// ln s_i of every row and the cost of the plan.
    Rows,
}

/// Sums over all pool rows.
#[derive(Debug, Clone)]
pub(crate) struct Sums {
    /// Σ_i T_ij, per query.
    pub(crate) columns: Vec<f64>,
    /// Σ_i a [ρ (s_i^θ − 1) + ε s_i^θ]; for a hard pool marginal Σ_i a [ε ln s_i + ε].
    pub(crate) value: f64,
    /// Σ_ij T_ij c_ij; 0 unless asked for.
    pub(crate) transport: f64,
    /// Σ_i T_i (T_ij/T_i)(T_ij'/T_i): lower triangle of M×M, row-major with rows of [`stride`]`(M)`; empty unless asked for.
    pub(crate) outer: Vec<f64>,
    /// ln s_i (N); empty unless asked for.
    pub(crate) logs: Vec<f64>,
}

impl Sums {
    pub(super) fn zero(queries: usize, with_outer: bool) -> Self {
        let outer = if with_outer { vec![0.0; queries * stride(queries)] } else { Vec::new() };
        Self { columns: vec![0.0; queries], value: 0.0, transport: 0.0, outer, logs: Vec::new() }
    }

    fn add(&mut self, other: &Sums) {
        let add = |to: &mut [f64], from: &[f64]| to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
        add(&mut self.columns, &other.columns);
        add(&mut self.outer, &other.outer);
        self.value += other.value;
        self.transport += other.transport;
    }
}

/// M rounded up to whole lanes.
pub(crate) fn stride(queries: usize) -> usize {
    queries.next_multiple_of(LANES)
}

pub(crate) fn slice_len(rows: usize) -> usize {
    rows.div_ceil(SLICES).next_multiple_of(STEP)
}

/// The weights of all pairs for reference potentials.
pub(crate) struct Kernel<'a> {
    costs: &'a Costs<'a>,
    epsilon: f64,
    reference: Vec<f64>,
    /// Weights (N×[`stride`]) and m_i (N), both empty if they are not kept.
    weights: Vec<f64>,
    greatest: Vec<f64>,
    /// Whether costs are read off their weights where they are wanted.
    inverts: bool,
    /// Whether what is kept belongs to `reference`.
    filled: bool,
}

impl<'a> Kernel<'a> {
    /// No weights yet.
    ///
    /// With `inverts` the costs are needed for weights alone: the costs of a plan come from weights that came from
    /// them. That costs digits where ε is far above the costs, and saves evaluating or holding them.
    pub(crate) fn new(costs: &'a Costs<'a>, inverts: bool) -> Self {
        let (rows, width) = (costs.pool_len(), stride(costs.query_len()));
        let (weights, greatest) = if (inverts || costs.are_held()) && costs.leave_room_for(rows * (width + 1)) {
            (vec![0.0; rows * width], vec![0.0; rows])
        } else {
            Default::default()
        };
        Self { costs, epsilon: f64::NAN, reference: Vec::new(), weights, greatest, inverts, filled: false }
    }

    /// One pass.
    pub(crate) fn pass(
        &mut self,
        penalty: &Penalty,
        potentials: &[f64],
        ask: Ask,
        watch: &dyn Watch,
    ) -> Result<Sums, Stopped> {
        let (rows, m) = (self.costs.pool_len(), self.costs.query_len());
        let near = |(g, h): (&f64, &f64)| (g - h).abs() <= DRIFT * self.epsilon;
        if self.epsilon != penalty.epsilon || !potentials.iter().zip(&self.reference).all(near) {
            self.epsilon = penalty.epsilon;
            self.reference = potentials.to_vec();
            self.filled = false;
        }
        let inverse = 1.0 / self.epsilon;
        let mut factors: Vec<f64> =
            potentials.iter().zip(&self.reference).map(|(g, h)| exp::exp((g - h) * inverse)).collect();
        factors.resize(stride(m), 0.0);

        let with_outer = ask == Ask::Outer;
        let mut all_logs = vec![0.0; if ask == Ask::Rows { rows } else { 0 }];
        let slice = slice_len(rows);
        let mut weights = self.weights.chunks_mut(slice * stride(m));
        let mut greatest = self.greatest.chunks_mut(slice);
        let mut logs = all_logs.chunks_mut(slice);
        let mut slices: Vec<Slice<'_>> = (0..rows)
            .step_by(slice)
            .map(|start| Slice {
                rows: start..(start + slice).min(rows),
                weights: weights.next().unwrap_or_default(),
                greatest: greatest.next().unwrap_or_default(),
                logs: logs.next().unwrap_or_default(),
            })
            .collect();
        // One M×M matrix per thread at a time; partial sums are added in the order of the slices either way.
        let wave = if with_outer { rayon::current_num_threads().max(1) } else { slices.len() };
        let mut total = Sums::zero(m, with_outer);
        for wave in slices.chunks_mut(wave) {
            let parts: Result<Vec<Sums>, Stopped> = wave
                .par_iter_mut()
                .map(|slice| {
                    watch.advance(0)?;
                    let mut worker =
                        Worker::new(self.costs, penalty, &self.reference, &factors, with_outer, self.inverts);
                    pulp::Arch::new().dispatch(Run { worker: &mut worker, slice, filled: self.filled });
                    Ok(worker.sums)
                })
                .collect();
            parts?.iter().for_each(|part| total.add(part));
        }
        self.filled = !self.weights.is_empty();
        total.logs = all_logs;
        Ok(total)
    }
}
