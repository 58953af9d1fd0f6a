//! Costs on a grid that is coarse enough for sums and differences of them to be exact.

/// Rounds costs to multiples of one power of two, about 2⁻⁵⁰ of the largest, so that sums and differences of costs
/// and potentials are exact in `f64`: the solver then decides every comparison rightly and its optimum has no gap.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid(f64);

impl Grid {
    /// The grid for costs of at most this magnitude. Larger ones are rounded relative to themselves.
    pub(crate) fn new(largest: f64) -> Self {
        let exponent = (largest.abs().to_bits() >> 52).min(2040) + 1;
        Self(12.0 * f64::from_bits(exponent << 52).max(f64::MIN_POSITIVE))
    }

    /// The multiple that is nearest to `cost`.
    #[inline(always)]
    pub(crate) fn snap(self, cost: f64) -> f64 {
        (cost + self.0) - self.0
    }

    /// Differences of costs and potentials up to this magnitude are exact, and so are differences of two of them.
    pub(crate) fn reach(self) -> f64 {
        0.5 * self.0
    }

    /// A grid of multiples 1,024 times as large, unless it would leave the range of `f64`.
    pub(crate) fn coarser(self) -> Option<Self> {
        let coarser = 1024.0 * self.0;
        (2.0 * coarser).is_finite().then_some(Self(coarser))
    }
}

/// The costs of a subset, n×m, row-major, rounded to a grid as they are read.
#[derive(Clone, Copy)]
pub(crate) struct GridCosts<'a> {
    pub(crate) values: &'a [f64],
    pub(crate) m: usize,
    pub(crate) grid: Grid,
}

impl<'a> GridCosts<'a> {
    /// The costs of a row as given, not rounded.
    #[inline(always)]
    pub(crate) fn line(&self, row: u32) -> &'a [f64] {
        &self.values[row as usize * self.m..][..self.m]
    }
}
