//! Numbers of things on the command line.

/// Repeats of something random from which on more tell nothing.
const REPEATS: usize = 100_000;

/// Reads `500`, `1_000`, `10k` and `2M`: digits, groups of which `_` may part, and perhaps a factor of a thousand or a
/// million.
pub(super) fn count<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let refuse = || "give a whole number, such as 500, 1_000 or 10k (k is 1000, M a million)".to_owned();
    let (digits, factor) = match text.strip_suffix(['k', 'K', 'm', 'M']) {
        Some(digits) if text.ends_with(['k', 'K']) => (digits, 1_000),
        Some(digits) => (digits, 1_000_000),
        None => (text, 1),
    };
    let grouped = |group: &str| !group.is_empty() && group.bytes().all(|digit| digit.is_ascii_digit());
    if !digits.split('_').all(grouped) {
        return Err(refuse());
    }
    let number: u64 = digits.replace('_', "").parse().map_err(|_| refuse())?;
    let number = number.checked_mul(factor).and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| "that is more than can be counted".to_owned())
}

/// Reads how often something random is to be repeated.
pub(super) fn repeats(text: &str) -> Result<usize, String> {
    match count(text)? {
        number if number <= REPEATS => Ok(number),
        _ => Err(format!("give at most {REPEATS}")),
    }
}

/// Reads `123`, `64K`, `500M`, `4G`, `1T` (powers of 1024; `GB` and `GiB` mean the same).
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let refuse = || String::from("give a number of bytes, such as 500M or 4G");
    let stripped = text.trim_end_matches(['B', 'b']).trim_end_matches('i');
    let (digits, unit) = stripped.split_at(stripped.trim_end_matches(char::is_alphabetic).len());
    let shift = match unit.to_ascii_uppercase().as_str() {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err(refuse()),
    };
    let number: u64 = digits.parse().map_err(|_| refuse())?;
    number.checked_mul(1 << shift).ok_or_else(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_and_multiplied() {
        for (text, number) in [
            ("0", 0),
            ("500", 500),
            ("1_000", 1000),
            ("1k", 1000),
            ("10K", 10_000),
            ("2M", 2_000_000),
            ("1_0m", 10_000_000),
        ] {
            assert_eq!(count(text), Ok(number), "{text}");
        }
        for text in ["", "k", "_", "1_", "_1", "1__0", "1.5k", "-1", "+1", "1kk", "1G", "0x10", " 1", "1k ", "٣"] {
            assert!(count::<u64>(text).is_err(), "{text}");
        }
        assert!(count::<u64>("18446744073709551616").is_err() && count::<u64>("18446744073709551615k").is_err());
        assert_eq!((count("65535"), count::<u16>("65_536").is_err()), (Ok(65_535_u16), true));
    }
}
