//! Exponential and logarithm of whole slices, the same bits on every processor.
//!
//! Plain additions and multiplications, no table: loops of these functions turn into vector code under run-time
//! dispatch, and no system library decides the last bit. Relative error of all four: at most
//! 4·2⁻⁵³ of the result (tested against the standard library), for `exp` where the result is a normal number.
//!
//! Limit: about 20 operations per value, 8 values at a time on AVX-512.

/// Below this the exponential is returned as 0: everything that it would leave out is below 2⁻¹⁰²⁰.
pub(crate) const UNDERFLOW: f64 = -707.0;

/// Above this results would overflow; arguments are cut here.
pub(crate) const OVERFLOW: f64 = 709.0;

/// 1.5·2⁵²: adding it rounds to an integer and leaves that integer in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// ln 2 in two parts (Cody and Waite); the first has 21 trailing zero bits, so its multiples by n are exact.
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// 2ⁿ and e^r − 1 with x = n·ln 2 + r, |r| ≤ ½ ln 2.
#[inline(always)]
fn split(x: f64) -> (f64, f64) {
    let x = if x < UNDERFLOW { UNDERFLOW } else { x };
    let x = if x > OVERFLOW { OVERFLOW } else { x };
    let rounded = x * std::f64::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let scale = f64::from_bits(rounded.to_bits().wrapping_add(1023) << 52);
    // Taylor's series to r¹³/13!; the next term is below 5e-18.
    let mut p = 1.0 / 6_227_020_800.0;
    p = p * r + 1.0 / 479_001_600.0;
    p = p * r + 1.0 / 39_916_800.0;
    p = p * r + 1.0 / 3_628_800.0;
    p = p * r + 1.0 / 362_880.0;
    p = p * r + 1.0 / 40_320.0;
    p = p * r + 1.0 / 5_040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    (scale, r + (r * r) * p)
}

/// eˣ; 0 below [`UNDERFLOW`], cut off at e⁷⁰⁹, NaN for NaN.
#[inline(always)]
pub(crate) fn exp(x: f64) -> f64 {
    let (scale, less_one) = split(x);
    if x < UNDERFLOW { 0.0 } else { scale + scale * less_one }
}

/// eˣ for x ≤ 709, with fused multiplications; 0 below [`UNDERFLOW`] and for NaN.
///
/// Fused operations are rounded once on every processor, but are slow where they are emulated: for loops that are
/// compiled for the processor at hand.
#[inline(always)]
pub(crate) fn exp_fused(x: f64) -> f64 {
    let rounded = x.mul_add(std::f64::consts::LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = n.mul_add(-LN_2_LOW, n.mul_add(-LN_2_HIGH, x));
    let scale = f64::from_bits(rounded.to_bits().wrapping_add(1023) << 52);
    let mut p = 1.0 / 6_227_020_800.0;
    p = f64::mul_add(p, r, 1.0 / 479_001_600.0);
    p = f64::mul_add(p, r, 1.0 / 39_916_800.0);
    p = f64::mul_add(p, r, 1.0 / 3_628_800.0);
    p = f64::mul_add(p, r, 1.0 / 362_880.0);
    p = f64::mul_add(p, r, 1.0 / 40_320.0);
    p = f64::mul_add(p, r, 1.0 / 5_040.0);
    p = f64::mul_add(p, r, 1.0 / 720.0);
    p = f64::mul_add(p, r, 1.0 / 120.0);
    p = f64::mul_add(p, r, 1.0 / 24.0);
    p = f64::mul_add(p, r, 1.0 / 6.0);
    p = f64::mul_add(p, r, 0.5);
    let less_one = (r * r).mul_add(p, r);
    // A comparison with NaN is false.
    if x >= UNDERFLOW { scale.mul_add(less_one, scale) } else { 0.0 }
}

/// eˣ − 1 without cancellation near 0; −1 below [`UNDERFLOW`].
#[inline(always)]
pub(crate) fn exp_m1(x: f64) -> f64 {
    let (scale, less_one) = split(x);
    if x < UNDERFLOW { -1.0 } else { (scale - 1.0) + scale * less_one }
}

/// ln x for positive normal x.
#[inline(always)]
pub(crate) fn ln(x: f64) -> f64 {
    // x = 2ⁿ·m with m in [√½, √2): the offset moves the cut of the exponent from 1 to √½.
    const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    let bits = x.to_bits().wrapping_sub(SQRT_HALF);
    let n = ((bits as i64) >> 52) as f64;
    let m = f64::from_bits((bits & 0x000f_ffff_ffff_ffff).wrapping_add(SQRT_HALF));
    // ln m = 2 artanh f, f = (m − 1)/(m + 1), f² ≤ 0.0295; the series is cut after f²³/23.
    let difference = m - 1.0;
    let f = difference / (2.0 + difference);
    let square = f * f;
    let mut p = 1.0 / 23.0;
    p = p * square + 1.0 / 21.0;
    p = p * square + 1.0 / 19.0;
    p = p * square + 1.0 / 17.0;
    p = p * square + 1.0 / 15.0;
    p = p * square + 1.0 / 13.0;
    p = p * square + 1.0 / 11.0;
    p = p * square + 1.0 / 9.0;
    p = p * square + 1.0 / 7.0;
    p = p * square + 1.0 / 5.0;
    p = p * square + 1.0 / 3.0;
    // 2 artanh f = difference − f·(difference − 2f²·p): the leading term carries no rounding.
    let log = difference - f * (difference - 2.0 * (square * p));
    n * LN_2_HIGH + (log + n * LN_2_LOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(value: f64, truth: f64) {
        assert!((value - truth).abs() <= 4.0 * f64::EPSILON / 2.0 * truth.abs(), "{value:e} is not {truth:e}");
    }

    #[test]
    fn they_agree_with_the_standard_library() {
        for i in 0..2_000_000u64 {
            // Low-discrepancy points of (−707, 709), of a small interval around 0, and of the positive numbers.
            let unit = (i as f64 * 0.618_033_988_749_894_8).fract();
            let x = UNDERFLOW + unit * (OVERFLOW - UNDERFLOW);
            close(exp(x), x.exp());
            close(exp_m1(x), x.exp_m1());
            close(exp_fused(unit * UNDERFLOW), (unit * UNDERFLOW).exp());
            close(exp_fused(-unit), (-unit).exp());
            let small = (unit - 0.5) * 0.6;
            close(exp(small), small.exp());
            close(exp_m1(small), small.exp_m1());
            close(exp_m1(small * 1e-9), (small * 1e-9).exp_m1());
            close(ln(1.0 + small), (1.0 + small).ln());
            close(ln(unit.mul_add(1e6, 1e-3)), unit.mul_add(1e6, 1e-3).ln());
            close(ln(x.exp().max(f64::MIN_POSITIVE)), x.exp().max(f64::MIN_POSITIVE).ln());
        }
    }

    #[test]
    fn ends_of_the_range() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp_m1(0.0), 0.0);
        assert_eq!(ln(1.0), 0.0);
        assert_eq!(exp(f64::NEG_INFINITY), 0.0);
        assert_eq!(exp_fused(f64::NEG_INFINITY), 0.0);
        assert_eq!(exp_fused(f64::NAN), 0.0);
        assert_eq!(exp_fused(0.0), 1.0);
        assert!(exp_fused(709.0).is_finite());
        assert_eq!(exp_fused(-1e300), 0.0);
        assert_eq!(exp(-1e300), 0.0);
        assert_eq!(exp_m1(f64::NEG_INFINITY), -1.0);
        assert!(exp(1e300).is_finite());
        assert!(exp(f64::NAN).is_nan());
    }
}
