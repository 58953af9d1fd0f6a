//! Kernel weights as they are kept in memory: `f64`, or `f32` at half the traffic.
//!
//! All sums are `f64` either way. A weight kept in `f32` is off by 2⁻²⁴ of itself, which is what a change of the costs by
//! 6e-8·ε does: harmless on the way to the solution, which is then finished on `f64` weights.

/// A number in [0, 1] at rest.
pub(crate) trait Weight: Copy + Send + Sync {
    /// Nothing.
    const ZERO: Self;

    /// Largest |g_j − h_j|/ε between potentials and the reference potentials of the weights. Weights below the least
    /// normal number are 0, so what they leave out of a row's sum is below that number times e^(2·DRIFT) of it.
    const DRIFT: f64;

    /// Rounds a number, to 0 below the normal range.
    fn of(value: f64) -> Self;

    /// The number.
    fn get(self) -> f64;
}

impl Weight for f64 {
    const ZERO: Self = 0.0;
    const DRIFT: f64 = 64.0;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn get(self) -> f64 {
        self
    }
}

impl Weight for f32 {
    const ZERO: Self = 0.0;
    const DRIFT: f64 = 16.0;

    #[inline(always)]
    fn of(value: f64) -> Self {
        let least = f64::from(f32::MIN_POSITIVE);
        (if value < least { 0.0 } else { value }) as f32
    }

    #[inline(always)]
    fn get(self) -> f64 {
        f64::from(self)
    }
}
