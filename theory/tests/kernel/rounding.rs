//! Exact sums against rational arithmetic.

use dashu::rational::RBig;
use kantor_theory::rounding::{ExactSum, add_up, div_down, div_up, mul_down, mul_up, sqrt_down, sqrt_up, sub_down};

use crate::support::Random;

/// Doubles of all magnitudes, subnormal and extreme ones included.
fn double(random: &mut Random) -> f64 {
    match random.below(6) {
        0 => random.signed(),
        1 => f64::from_bits(random.bits() % 5000),
        2 => -f64::MIN_POSITIVE * random.signed(),
        3 => random.below(1000) as f64,
        _ => {
            let x = f64::from_bits(random.bits());
            if x.is_finite() { x } else { f64::MAX }
        }
    }
}

fn exact(x: f64) -> RBig {
    RBig::try_from(x).unwrap()
}

/// `down` and `up` are the doubles on either side of the value, and equal if it is one.
fn assert_tight(value: &RBig, down: f64, up: f64) {
    assert!(down == f64::NEG_INFINITY || exact(down) <= *value, "{down} is above");
    assert!(up == f64::INFINITY || exact(up) >= *value, "{up} is below");
    assert!(down == up || down.next_up() == up, "{down} and {up} are no neighbours");
    assert!(down != up || exact(down) == *value, "{down} is not the sum");
}

#[test]
fn exact_sums_round_to_the_neighbouring_doubles() {
    let random = &mut Random(1);
    for _ in 0..2000 {
        let (mut sum, mut halves) = (ExactSum::default(), [ExactSum::default(), ExactSum::default()]);
        let mut value = RBig::ZERO;
        for _ in 0..random.below(12) {
            let (x, y, n) = (double(random), double(random), random.bits() >> random.below(64));
            let half = &mut halves[random.below(2)];
            match random.below(4) {
                0 => {
                    sum.add(x);
                    half.add(x);
                    value += exact(x);
                }
                1 => {
                    sum.add_times(n, x);
                    half.add_times(n, x);
                    value += exact(x) * RBig::from(n);
                }
                2 => {
                    sum.add_product(x, y);
                    half.add_product(x, y);
                    value += exact(x) * exact(y);
                }
                // Cancels exactly.
                _ => {
                    for x in [x, -x] {
                        sum.add(x);
                        half.add(x);
                    }
                }
            }
        }
        assert_tight(&value, sum.down(), sum.up());
        let [mut merged, other] = halves;
        merged.merge(&other);
        assert_eq!(merged, sum, "the order of terms changed the sum");
    }
}

#[test]
fn what_is_not_finite_spoils_a_sum() {
    let mut sum = ExactSum::default();
    sum.add(1.0);
    sum.add_product(f64::INFINITY, 0.0);
    let mut total = ExactSum::default();
    total.merge(&sum);
    assert_eq!((total.down(), total.up()), (f64::NEG_INFINITY, f64::INFINITY));
}

#[test]
fn single_operations_err_on_the_stated_side() {
    let random = &mut Random(2);
    for _ in 0..20_000 {
        let (a, b) = (double(random), double(random));
        let below = |low: f64, value: &RBig| low == f64::NEG_INFINITY || exact(low) <= *value;
        let above = |high: f64, value: &RBig| high == f64::INFINITY || exact(high) >= *value;
        assert!(above(add_up(a, b), &(exact(a) + exact(b))), "{a} + {b}");
        assert!(below(sub_down(a, b), &(exact(a) - exact(b))), "{a} - {b}");
        let (x, y) = (a.abs(), b.abs());
        let product = exact(x) * exact(y);
        assert!(above(mul_up(x, y), &product) && below(mul_down(x, y), &product), "{x} * {y}");
        if y > 0.0 {
            let ratio = exact(a) / exact(y);
            assert!(above(div_up(a, y), &ratio) && below(div_down(a, y), &ratio), "{a} / {y}");
        }
        let (low, high) = (sqrt_down(x), sqrt_up(x));
        assert!(exact(low) * exact(low) <= exact(x) && exact(high) * exact(high) >= exact(x), "root of {x}");
    }
    assert_eq!(add_up(0.1, 0.0), 0.1);
    assert_eq!(add_up(f64::MIN, f64::MIN), f64::MIN);
}
