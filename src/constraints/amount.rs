//! Numbers of rows as users write them: `150`, or `30%` of the budget.

use std::fmt;
use std::str::FromStr;

/// Parts of one per cent that a share is counted in.
const PARTS: u64 = 1_000_000;

/// A number of rows, or a share of the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many rows.
    Rows(u64),
    /// So many millionths of one per cent of the budget; at most 100 %.
    Share(u64),
}

impl Amount {
    /// The least number of rows that is no less than this.
    pub fn at_least(self, budget: usize) -> u64 {
        match self {
            Amount::Rows(rows) => rows,
            Amount::Share(parts) => scaled(parts, budget).div_ceil(u128::from(100 * PARTS)) as u64,
        }
    }

    /// The largest number of rows that is no more than this.
    pub fn at_most(self, budget: usize) -> u64 {
        match self {
            Amount::Rows(rows) => rows,
            Amount::Share(parts) => (scaled(parts, budget) / u128::from(100 * PARTS)) as u64,
        }
    }
}

fn scaled(parts: u64, budget: usize) -> u128 {
    u128::from(parts) * budget as u128
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Amount::Rows(rows) => write!(f, "{rows}"),
            Amount::Share(parts) => {
                let (whole, rest) = (parts / PARTS, parts % PARTS);
                let digits = format!("{rest:06}");
                let digits = digits.trim_end_matches('0');
                write!(f, "{whole}{}{digits}%", if digits.is_empty() { "" } else { "." })
            }
        }
    }
}

impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || format!("`{text}` is neither a number of rows nor a share of the budget such as 30%");
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let Some(share) = text.strip_suffix('%') else {
            let rows = Some(text).filter(|text| digits(text)).and_then(|text| text.parse().ok());
            // What limits count is held as `f64`.
            return rows.filter(|rows| *rows <= 1 << 53).map(Amount::Rows).ok_or_else(fault);
        };
        let share = share.trim_end();
        let (whole, rest) = share.split_once('.').unwrap_or((share, ""));
        if whole.is_empty() || !digits(whole) || !digits(rest) {
            return Err(fault());
        }
        if rest.len() > 6 {
            return Err(format!("`{text}` has more than six digits after the point"));
        }
        let whole = whole.parse::<u64>().ok().filter(|whole| *whole <= 100);
        let rest = format!("{rest:0<6}").parse::<u64>().map_err(|_| fault())?;
        match whole.map(|whole| whole * PARTS + rest) {
            Some(parts) if parts <= 100 * PARTS => Ok(Amount::Share(parts)),
            _ => Err(format!("`{text}` is more than the budget")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_exact_and_keep_their_words() {
        for (text, least, most) in
            [("30%", 150, 150), ("0.1%", 1, 0), ("33.333333%", 167, 166), ("100%", 500, 500), ("7", 7, 7), ("0%", 0, 0)]
        {
            let amount: Amount = text.parse().unwrap_or(Amount::Rows(u64::MAX));
            assert_eq!((amount.at_least(500), amount.at_most(500)), (least, most), "{text}");
            assert_eq!(amount.to_string(), text);
        }
    }

    #[test]
    fn other_words_are_refused() {
        for text in [
            "",
            "%",
            "-1",
            "+3",
            "1e3",
            "100.000001%",
            "101%",
            "1.2345678%",
            ".5%",
            "3 0%",
            "９%",
            "99999999999999999999",
        ] {
            assert!(text.parse::<Amount>().is_err(), "{text}");
        }
    }
}
