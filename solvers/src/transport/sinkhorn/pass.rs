//! One pass over all pairs for given query potentials: what the dual and its derivatives need.
//!
//! With masses a of the rows, the reference r_ij = α_i β_j and θ = ε/(ρ + ε):
//! s_i = (α_i/a_i) Σ_j β_j exp((g_j − c_ij)/ε),  T_ij = α_i β_j exp((f_i + g_j − c_ij)/ε),  T_i = a_i s_i e^{f_i/ε},
//! and the best pool potentials f_i = −ε(1 − θ) ln s_i, for which T_i = a_i s_i^θ.
//! With reference potentials h and m_i = max_j (h_j − c_ij)/ε the sum in s_i is e^{m_i} Σ_j w_ij u_j for the weights
//! w_ij = exp((h_j − c_ij)/ε − m_i) and the factors u_j = β_j exp((g_j − h_j)/ε) (Schmitzer's absorption,
//! arXiv 1610.06519). The weights are kept from pass to pass as long as g stays near h, and s_i is exact in the log
//! domain at any ε.
//!
//! Sums over rows run in slices of the pool that depend on N alone and are added in order, and weights that cannot be
//! kept are computed again to the same bits: the result has one value for every thread count and every way of holding
//! costs and weights.
//!
//! Where the costs are a matrix that lies in memory query by query, weights are never kept: module `panel`.
//!
//! Limit: a pass over kept weights reads 8 bytes (or 4) and does four operations per pair. Where h changes, an exponential per pair is added, about 40 operations, and the first
//! touch of the memory. Second derivatives add M/2 multiply-adds per pair (module `outer`).

use rayon::prelude::*;

use super::costs::Costs;
use super::exp;
use super::measures::Measures;
use super::panel::{PanelWorkspace, Panels};
use super::penalty::Penalty;
use super::slice::{LANES, STEP, Slice, SliceRun, Worker};
use super::weight::Weight;
use crate::watch::{Stopped, Watch};

/// Slices of the pool at most; a sum over rows has this many partial sums.
const SLICES: usize = 64;

/// What a pass finds out beyond column sums and value.
#[derive(Debug)]
pub(crate) enum Ask<'r> {
    /// Nothing.
    Sums,
    /// The matrix of second derivatives, in `f64` throughout or good enough for a direction.
    Outer {
        /// In `f64`.
        exact: bool,
        /// Estimated from about so many rows, drawn in proportion to their mass; from all rows if 0.
        draws: usize,
    },
    /// ln s_i of every row and the cost of the plan.
    Rows,
    /// The same, and v_i = Σ_j T_ij `share`_j of every row with Σ_i v_i Σ_j `toll`_j c_ij.
    Shares {
        /// Per query.
        share: &'r [f64],
        /// Per query.
        toll: &'r [f64],
    },
    /// Pool potentials that follow the queries' by over-relaxation instead of being the best ones; see [`OverRelaxation`].
    Relaxed {
        /// How far.
        relaxation: OverRelaxation,
        /// f (N), before and after; NaN stands for none so far.
        rows: &'r mut [f64],
    },
}

/// How far potentials go beyond the best reply to the other side's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OverRelaxation {
    /// ω in [1, 2).
    pub(crate) factor: f64,
    /// Step lengths in units of ε (up) and ρ (down) beyond which ω is taken as 1.
    pub(crate) reach: f64,
    /// To be added to the old potentials of the rows first.
    pub(crate) shift: f64,
}

/// Sums over all pool rows.
#[derive(Debug, Clone)]
pub(crate) struct Sums {
    /// Σ_i T_ij, per query.
    pub(crate) columns: Vec<f64>,
    /// Σ_i [ε T_i − gain of f_i]: with the best f, Σ_i a [ρ (s_i^θ − 1) + ε s_i^θ], for a hard pool marginal
    /// Σ_i a [ε ln s_i + ε].
    pub(crate) value: f64,
    /// Σ_ij T_ij c_ij; 0 unless asked for.
    pub(crate) transport: f64,
    /// Σ_i v_i Σ_j toll_j c_ij; 0 unless asked for.
    pub(crate) toll: f64,
    /// Σ_i |T_i − a_i e^{−f_i/ρ}|; 0 for the best f.
    pub(crate) row_residual: f64,
    /// Σ_i a_i (e^{−f_i/ρ} − 1), for relaxed potentials.
    pub(crate) escape: f64,
    /// Σ_i T_i (T_ij/T_i)(T_ij'/T_i): lower triangle of M×M, row-major with rows of [`stride`]`(M)`; empty unless asked for.
    pub(crate) outer: Vec<f64>,
    /// ln s_i (N); empty unless asked for.
    pub(crate) logs: Vec<f64>,
    /// v_i (N); empty unless asked for.
    pub(crate) shares: Vec<f64>,
}

impl Sums {
    pub(super) fn zero(queries: usize, with_outer: bool) -> Self {
        Self {
            columns: vec![0.0; queries],
            value: 0.0,
            transport: 0.0,
            toll: 0.0,
            row_residual: 0.0,
            escape: 0.0,
            outer: if with_outer { vec![0.0; queries * stride(queries)] } else { Vec::new() },
            logs: Vec::new(),
            shares: Vec::new(),
        }
    }

    fn add(&mut self, other: &Sums) {
        let add = |to: &mut [f64], from: &[f64]| to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
        add(&mut self.columns, &other.columns);
        add(&mut self.outer, &other.outer);
        self.value += other.value;
        self.transport += other.transport;
        self.toll += other.toll;
        self.row_residual += other.row_residual;
        self.escape += other.escape;
    }
}

/// M rounded up to whole lanes.
pub(crate) fn stride(queries: usize) -> usize {
    queries.next_multiple_of(LANES)
}

pub(crate) fn slice_len(rows: usize) -> usize {
    rows.div_ceil(SLICES).next_multiple_of(STEP)
}

/// What stays the same within a pass.
pub(crate) struct Frame<'p> {
    pub(crate) costs: &'p Costs<'p>,
    pub(crate) penalty: &'p Penalty,
    pub(crate) measures: &'p Measures,
    /// h.
    pub(crate) reference: &'p [f64],
    /// u_j, then zeros to [`stride`].
    pub(crate) factors: Vec<f64>,
    /// u_j·share_j, then zeros; empty unless asked for.
    pub(crate) shares: Vec<f64>,
    /// toll_j, then zeros; empty unless asked for.
    pub(crate) toll: Vec<f64>,
    pub(crate) relaxation: OverRelaxation,
    /// Whether costs are read off their weights where they are wanted.
    pub(crate) inverts: bool,
    pub(crate) with_outer: bool,
    /// Whether second derivatives are wanted in `f64`.
    pub(crate) exact: bool,
    /// Mass that a drawn row stands for; 0 if all rows are taken.
    pub(crate) unit: f64,
}

impl Frame<'_> {
    /// Who chooses rows for second derivatives, in a slice that begins at this row.
    pub(crate) fn sampler(&self, start: usize) -> Sampler {
        // Where the first draw falls differs from slice to slice, so that no mass is left out for ever.
        let seen = self.unit * (start as f64 * 0.618_033_988_749_894_8).fract();
        Sampler { rows: self.measures.rows.len() as f64, unit: self.unit, seen }
    }
}

/// Chooses rows for the matrix of second derivatives Σ_i T_i r_i r_iᵀ: every row that can matter, or the rows at which the
/// running sum of T passes a multiple of the unit (systematic sampling, which has no bias and depends on nothing but T).
pub(crate) struct Sampler {
    rows: f64,
    unit: f64,
    seen: f64,
}

impl Sampler {
    /// What a row of this mass and sum of weights is multiplied by before its outer product is taken, if it is taken.
    #[inline(always)]
    pub(crate) fn factor(&mut self, mass: f64, row_sum: f64) -> Option<f64> {
        // Scaled to have squares about 1, whatever N is.
        if self.unit == 0.0 {
            return (mass > 1e-13 / self.rows && row_sum > 0.0).then(|| (mass * self.rows).sqrt() / row_sum);
        }
        self.seen += mass;
        if self.seen < self.unit || row_sum <= 0.0 {
            return None;
        }
        let draws = (self.seen / self.unit).floor();
        self.seen -= draws * self.unit;
        Some(draws.sqrt() / row_sum)
    }

    /// What the sum of outer products is multiplied by.
    pub(crate) fn unit(&self) -> f64 {
        if self.unit == 0.0 { 1.0 / self.rows } else { self.unit }
    }
}

/// The weights of all pairs for reference potentials.
pub(crate) struct PassLoop<'a, W> {
    costs: &'a Costs<'a>,
    epsilon: f64,
    reference: Vec<f64>,
    /// Weights (N×[`stride`]) and m_i (N), both empty if they are not kept. Of costs that lie in memory query by query m_i
    /// alone is kept.
    weights: Vec<W>,
    greatest: Vec<f64>,
    /// Whether costs are read off their weights where they are wanted.
    inverts: bool,
    /// Whether what is kept belongs to `reference`.
    filled: bool,
}

impl<'a, W: Weight> PassLoop<'a, W> {
    /// No weights yet. They will be kept if they fit beside held costs, or costs that need not be held, unless costs
    /// lie in memory query by query.
    ///
    /// With `inverts` the costs are needed for weights alone: the costs of a plan come from weights that came from
    /// them. That costs digits where ε is far above the costs, and saves evaluating or holding them.
    pub(crate) fn new(costs: &'a Costs<'a>, inverts: bool) -> Self {
        let (rows, width) = (costs.pool_len(), stride(costs.query_len()));
        let bytes = rows as u128 * (width * size_of::<W>() + size_of::<f64>()) as u128;
        let (weights, greatest) = if costs.are_lines() {
            (Vec::new(), vec![0.0; rows])
        } else if (inverts || costs.are_held() || costs.are_cheap()) && costs.leave_room_for(bytes) {
            (vec![W::ZERO; rows * width], vec![0.0; rows])
        } else {
            Default::default()
        };
        Self { costs, epsilon: f64::NAN, reference: Vec::new(), weights, greatest, inverts, filled: false }
    }

    /// Whether costs are read as they lie in memory, query by query.
    pub(crate) fn reads_lines(&self) -> bool {
        self.costs.are_lines()
    }

    /// One pass.
    pub(crate) fn pass(
        &mut self,
        penalty: &Penalty,
        measures: &Measures,
        potentials: &[f64],
        ask: Ask<'_>,
        watch: &dyn Watch,
    ) -> Result<Sums, Stopped> {
        let (rows, m) = (self.costs.pool_len(), self.costs.query_len());
        let near = |(g, h): (&f64, &f64)| (g - h).abs() <= W::DRIFT * self.epsilon;
        let lines = self.costs.are_lines();
        if self.epsilon != penalty.epsilon || !potentials.iter().zip(&self.reference).all(near) {
            self.epsilon = penalty.epsilon;
            self.reference = potentials.to_vec();
            self.filled = false;
        }
        let inverse = 1.0 / self.epsilon;
        let reference = if lines { potentials } else { &self.reference };
        let drifts = potentials.iter().zip(reference);
        let mut factors: Vec<f64> =
            drifts.zip(&measures.base).map(|((g, h), base)| base * exp::exp((g - h) * inverse)).collect();
        factors.resize(stride(m), 0.0);

        let mut frame = Frame {
            costs: self.costs,
            penalty,
            measures,
            reference,
            factors,
            shares: Vec::new(),
            toll: Vec::new(),
            relaxation: OverRelaxation { factor: 1.0, reach: 0.0, shift: 0.0 },
            inverts: self.inverts,
            with_outer: matches!(ask, Ask::Outer { .. }),
            exact: matches!(ask, Ask::Outer { exact: true, .. }),
            unit: match ask {
                Ask::Outer { draws, .. } if draws > 0 => measures.queries.iter().sum::<f64>() / draws as f64,
                _ => 0.0,
            },
        };
        let with_logs = matches!(ask, Ask::Rows | Ask::Shares { .. });
        let mut all_logs = vec![0.0; if with_logs { rows } else { 0 }];
        let mut all_shares = Vec::new();
        let mut states: &mut [f64] = &mut [];
        match ask {
            Ask::Shares { share, toll } => {
                all_shares = vec![0.0; rows];
                frame.shares = frame.factors.iter().zip(share).map(|(u, share)| u * share).collect();
                frame.shares.resize(stride(m), 0.0);
                frame.toll = toll.to_vec();
                frame.toll.resize(if toll.is_empty() { 0 } else { stride(m) }, 0.0);
            }
            Ask::Relaxed { relaxation, rows } => {
                frame.relaxation = relaxation;
                states = rows;
            }
            Ask::Sums | Ask::Outer { .. } | Ask::Rows => {}
        }

        let slice = slice_len(rows);
        let mut weights = self.weights.chunks_mut(slice * stride(m));
        let mut greatest = self.greatest.chunks_mut(slice);
        let mut logs = all_logs.chunks_mut(slice);
        let mut shares = all_shares.chunks_mut(slice);
        let mut states = states.chunks_mut(slice);
        let mut slices: Vec<Slice<'_, W>> = (0..rows)
            .step_by(slice)
            .map(|start| Slice {
                rows: start..(start + slice).min(rows),
                weights: weights.next().unwrap_or_default(),
                greatest: greatest.next().unwrap_or_default(),
                logs: logs.next().unwrap_or_default(),
                shares: shares.next().unwrap_or_default(),
                state: states.next().unwrap_or_default(),
            })
            .collect();
        // One M×M matrix per thread at a time; partial sums are added in the order of the slices either way.
        let wave = if frame.with_outer { rayon::current_num_threads().max(1) } else { slices.len() };
        let mut total = Sums::zero(m, frame.with_outer);
        for wave in slices.chunks_mut(wave) {
            let parts: Result<Vec<Sums>, Stopped> = wave
                .par_iter_mut()
                .map_init(PanelWorkspace::default, |scratch, slice| {
                    watch.advance(0)?;
                    let mut worker = Worker::new(&frame);
                    if lines {
                        let panels = Panels { worker: &mut worker, slice, scratch, shifts_known: self.filled };
                        pulp::Arch::new().dispatch(panels);
                    } else {
                        pulp::Arch::new().dispatch(SliceRun { worker: &mut worker, slice, filled: self.filled });
                    }
                    Ok(worker.sums)
                })
                .collect();
            parts?.iter().for_each(|part| total.add(part));
        }
        drop(slices);
        self.filled = lines || !self.weights.is_empty();
        total.logs = all_logs;
        total.shares = all_shares;
        Ok(total)
    }
}
