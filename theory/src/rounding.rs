//! Arithmetic that errs on a chosen side, and sums that do not err at all.
//!
//! A bound is computed in `f64` but speaks of real numbers. Two tools make that honest: single operations that are
//! moved one number outwards unless they were exact, and [`ExactSum`], a fixed-point register wide enough for every
//! sum of products of two doubles, which rounds once, at the end, in the direction asked for. Since it does not
//! round on the way, the order of its terms (blocks, shards, threads) cannot change a printed bit.

/// Unit roundoff of `f64`, 2⁻⁵³.
pub const UNIT: f64 = f64::EPSILON / 2.0;

/// The smallest positive `f64`, 2⁻¹⁰⁷⁴: twice the largest absolute error of an operation that underflows.
pub const TINY: f64 = f64::from_bits(1);

/// a + b and its rounding error, which is itself a double (Møller–Knuth TwoSum).
#[inline(always)]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    (sum, (a - (sum - b_part)) + (b - b_part))
}

/// A number ≥ a + b, equal to it if that is a double.
#[inline(always)]
pub fn add_up(a: f64, b: f64) -> f64 {
    let (sum, error) = two_sum(a, b);
    // A NaN error means overflow: next_up leaves +∞ and turns −∞ into the least finite number.
    if error <= 0.0 { sum } else { sum.next_up() }
}

/// A number ≤ a − b, equal to it if that is a double.
#[inline(always)]
pub fn sub_down(a: f64, b: f64) -> f64 {
    -add_up(-a, b)
}

/// A number ≤ a + b, equal to it if that is a double.
pub fn add_down(a: f64, b: f64) -> f64 {
    sub_down(a, -b)
}

/// A number ≥ a·b for a, b ≥ 0; zero if a factor is.
#[inline(always)]
pub fn mul_up(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 { 0.0 } else { (a * b).next_up() }
}

/// A number ≤ a·b and ≥ 0 for a, b ≥ 0.
#[inline(always)]
pub fn mul_down(a: f64, b: f64) -> f64 {
    (a * b).next_down().max(0.0)
}

/// A number ≥ a/b for b > 0; zero if a is.
#[inline(always)]
pub fn div_up(a: f64, b: f64) -> f64 {
    if a == 0.0 { 0.0 } else { (a / b).next_up() }
}

/// A number ≤ a/b for b > 0; zero if a is.
#[inline(always)]
pub fn div_down(a: f64, b: f64) -> f64 {
    -div_up(-a, b)
}

/// A number ≥ √x for x ≥ 0; zero if x is.
#[inline(always)]
pub fn sqrt_up(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x.sqrt().next_up() }
}

/// The power of two at or below the largest size of these numbers, by which division is exact for all that count beside
/// that: squares of the quotients neither overflow nor underflow.
pub fn scale_of(numbers: &[f64]) -> f64 {
    let largest = numbers.iter().fold(f64::MIN_POSITIVE, |largest, x| largest.max(x.abs()));
    f64::from_bits(largest.to_bits() & (0x7ff << 52)).min(f64::MAX)
}

/// A number ≤ √x and ≥ 0, for x ≥ 0.
#[inline(always)]
pub fn sqrt_down(x: f64) -> f64 {
    x.sqrt().next_down().max(0.0)
}

/// Relative error allowed for a logarithm, exponential or power of the standard library: sixteen units, some ten times
/// what common libraries have.
const LIBRARY: f64 = 16.0 * UNIT;

/// A number ≥ the true value of a logarithm, exponential or power that the library computed as `x`.
pub fn library_up(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { add_up(x, mul_up(x.abs(), LIBRARY)) }
}

/// A number ≤ the true value of a logarithm, exponential or power that the library computed as `x`.
pub fn library_down(x: f64) -> f64 {
    -library_up(-x)
}

/// Exponent of the register's lowest bit: below that of any product of two doubles (2⁻²¹⁴⁸).
const LOWEST: i32 = -2150;

/// 68 × 64 bits reach from 2⁻²¹⁵⁰ to 2²²⁰¹: 2¹⁵² times the largest product of two doubles, sign included.
const LIMBS: usize = 68;

/// A sum of doubles, or of products of two, without rounding (Kulisch's long accumulator).
///
/// A term that is not finite spoils the sum for good: its bounds are then −∞ and +∞.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExactSum {
    /// Two's complement, least significant limb first.
    limbs: [u64; LIMBS],
    spoiled: bool,
}

impl Default for ExactSum {
    fn default() -> Self {
        Self { limbs: [0; LIMBS], spoiled: false }
    }
}

impl ExactSum {
    /// Adds x.
    pub fn add(&mut self, x: f64) {
        self.add_times(1, x);
    }

    /// Adds n·x.
    pub fn add_times(&mut self, n: u64, x: f64) {
        if x.is_finite() {
            let (negative, mantissa, exponent) = parts(x);
            self.add_scaled(negative, u128::from(n) * u128::from(mantissa), exponent);
        } else {
            self.spoiled = true;
        }
    }

    /// Adds x·y.
    pub fn add_product(&mut self, x: f64, y: f64) {
        if x.is_finite() && y.is_finite() {
            let (a, b) = (parts(x), parts(y));
            self.add_scaled(a.0 != b.0, u128::from(a.1) * u128::from(b.1), a.2 + b.2);
        } else {
            self.spoiled = true;
        }
    }

    /// Adds what another sum holds.
    pub fn merge(&mut self, other: &ExactSum) {
        self.spoiled |= other.spoiled;
        let mut carry = false;
        for (limb, &term) in self.limbs.iter_mut().zip(&other.limbs) {
            let (sum, first) = limb.overflowing_add(term);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            (*limb, carry) = (sum, first || second);
        }
    }

    /// The largest double ≤ the sum.
    pub fn down(&self) -> f64 {
        self.round().0
    }

    /// The smallest double ≥ the sum.
    pub fn up(&self) -> f64 {
        self.round().1
    }

    /// A number ≤ sum / other, for other > 0.
    pub fn ratio_down(&self, other: &ExactSum) -> f64 {
        let sum = self.down();
        div_down(sum, if sum >= 0.0 { other.up() } else { other.down() })
    }

    /// A number ≥ sum / other, for other > 0.
    pub fn ratio_up(&self, other: &ExactSum) -> f64 {
        let sum = self.up();
        div_up(sum, if sum >= 0.0 { other.down() } else { other.up() })
    }

    fn add_scaled(&mut self, negative: bool, magnitude: u128, exponent: i32) {
        let position = (exponent - LOWEST) as usize;
        let (limb, shift) = (position / 64, position % 64);
        let low = magnitude << shift;
        // The bits that the shift pushed out; a shift of 0 pushes none.
        let high = if shift == 0 { 0 } else { (magnitude >> (128 - shift)) as u64 };
        let words = [low as u64, (low >> 64) as u64, high];
        let mut carry = false;
        for (offset, limb) in self.limbs[limb..].iter_mut().enumerate() {
            let word = words.get(offset).copied().unwrap_or(0);
            if offset >= words.len() && !carry {
                break;
            }
            let (value, first, second);
            if negative {
                let step = limb.overflowing_sub(word);
                first = step.1;
                (value, second) = step.0.overflowing_sub(u64::from(carry));
            } else {
                let step = limb.overflowing_add(word);
                first = step.1;
                (value, second) = step.0.overflowing_add(u64::from(carry));
            }
            *limb = value;
            carry = first || second;
        }
    }

    /// The neighbouring doubles below and above the sum; both are the sum if it is a double.
    fn round(&self) -> (f64, f64) {
        if self.spoiled {
            return (f64::NEG_INFINITY, f64::INFINITY);
        }
        let negative = self.limbs[LIMBS - 1] >> 63 == 1;
        let mut limbs = self.limbs;
        if negative {
            let mut carry = true;
            for limb in &mut limbs {
                (*limb, carry) = (!*limb).overflowing_add(u64::from(carry));
            }
        }
        let Some(top) = limbs.iter().rposition(|&limb| limb != 0) else { return (0.0, 0.0) };
        let highest = top as i32 * 64 + 63 - limbs[top].leading_zeros() as i32;
        // 53 bits from the highest, or fewer where doubles are subnormal.
        let lowest = (highest - 52).max(-1074 - LOWEST);
        let (limb, shift) = ((lowest / 64) as usize, lowest % 64);
        let next = limbs.get(limb + 1).copied().unwrap_or(0);
        let window = (u128::from(next) << 64 | u128::from(limbs[limb])) >> shift;
        let mantissa = window as u64;
        let inexact = limbs[..limb].iter().any(|&limb| limb != 0) || limbs[limb] & ((1 << shift) - 1) != 0;
        let biased = lowest + LOWEST + 1075;
        let (near, far);
        if biased > 2046 {
            (near, far) = (f64::MAX, f64::INFINITY);
        } else {
            // A subnormal mantissa lacks the leading bit, which stands for a biased exponent of one.
            near = f64::from_bits((((biased - 1) as u64) << 52) + mantissa);
            far = if inexact { near.next_up() } else { near };
        }
        if negative { (-far, -near) } else { (near, far) }
    }
}

/// Sign, mantissa and exponent: x = ±mantissa·2^exponent. x is finite.
fn parts(x: f64) -> (bool, u64, i32) {
    let bits = x.to_bits();
    let (biased, fraction) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
    let mantissa = if biased == 0 { fraction } else { fraction | 1 << 52 };
    (bits >> 63 == 1, mantissa, biased.max(1) - 1075)
}
