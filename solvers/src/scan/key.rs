//! A screened value and its row in one integer, so that sorting integers sorts by closeness.

/// Sorts ascending as: larger value first, then lower row. Values are never NaN.
pub(crate) fn key(value: f32, row: usize) -> u64 {
    (u64::from(rank(value)) << 32) | row as u64
}

/// The row of a key.
pub(crate) fn row(key: u64) -> usize {
    (key & u64::from(u32::MAX)) as usize
}

/// The value of a key.
pub(crate) fn value(key: u64) -> f32 {
    let rank = !((key >> 32) as u32);
    f32::from_bits(if rank >> 31 == 1 { rank ^ (1 << 31) } else { !rank })
}

/// The largest key of a row whose value is at least `value`.
pub(crate) fn last_with(value: f32) -> u64 {
    // −0 ranks below +0 but equals it.
    let value = if value == 0.0 { -0.0 } else { value };
    key(value, u32::MAX as usize)
}

/// A single-precision number at most `value − margin`.
#[inline(always)]
pub(crate) fn lower(value: f32, margin: f64) -> f32 {
    let exact = f64::from(value) - margin;
    let near = exact as f32;
    if f64::from(near) > exact { near.next_down() } else { near }
}

/// Keeps the keys of all values that are at least the `count`-th largest minus `margin`; returns that cut.
///
/// The order of what is kept is arbitrary. `None` if there are no more than `count` keys, which are all kept.
pub(crate) fn keep_nearest(keys: &mut Vec<u64>, count: usize, margin: f64) -> Option<f32> {
    if keys.len() <= count {
        return None;
    }
    let (_, &mut last, beyond) = keys.select_nth_unstable(count - 1);
    let cut = lower(value(last), margin);
    let limit = last_with(cut);
    let mut kept = 0;
    for at in 0..beyond.len() {
        if beyond[at] <= limit {
            beyond.swap(at, kept);
            kept += 1;
        }
    }
    keys.truncate(count + kept);
    Some(cut)
}

/// An integer that is larger for a larger value. Values are never NaN.
#[inline(always)]
pub(crate) fn order(value: f32) -> i32 {
    let bits = value.to_bits().cast_signed();
    bits ^ ((bits >> 31) & i32::MAX)
}

/// The value of an [`order`].
#[inline(always)]
pub(crate) fn in_order(order: i32) -> f32 {
    f32::from_bits((order ^ ((order >> 31) & i32::MAX)).cast_unsigned())
}

/// Single-precision numbers as their bits, so that any text format holds infinite ones too.
pub(crate) mod bit {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
        value.to_bits().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
        u32::deserialize(deserializer).map(f32::from_bits)
    }
}

/// The same for several.
pub(crate) mod bits {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(values: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|value| value.to_bits()))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
        Ok(Vec::<u32>::deserialize(deserializer)?.into_iter().map(f32::from_bits).collect())
    }
}

fn rank(value: f32) -> u32 {
    let bits = value.to_bits();
    !(if bits >> 31 == 1 { !bits } else { bits ^ (1 << 31) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_by_value_then_row_and_give_both_back() {
        let values = [f32::INFINITY, 3.5, 1e-40, 0.0, -0.0, -1e-40, -2.0, f32::NEG_INFINITY];
        for (rank, &a) in values.iter().enumerate() {
            assert_eq!(value(key(a, 77)).to_bits(), a.to_bits());
            assert_eq!(row(key(a, 77)), 77);
            assert_eq!(in_order(order(a)).to_bits(), a.to_bits());
            assert!(key(a, 3) < key(a, 4));
            for &b in &values[rank + 1..] {
                assert!(key(a, 9) < key(b, 2));
                assert!(order(a) > order(b));
            }
        }
        assert!(key(-0.0, 5) <= last_with(0.0) && key(0.0, 5) <= last_with(-0.0));
    }

    #[test]
    fn lower_never_exceeds_the_difference() {
        for (value, margin) in [(1.0, 1e-9), (1.0f32, 0.3), (-5.0, 1e-20), (0.0, 0.0), (f32::NEG_INFINITY, 1.0)] {
            assert!(f64::from(lower(value, margin)) <= f64::from(value) - margin);
        }
        assert_eq!(lower(1.5, 0.0), 1.5);
    }
}
