//! Quotas as users write them: `source=web:..30%`, `source:20..`.

use std::fmt;
use std::str::FromStr;

use super::Amount;

/// How many rows with a label may be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// The name of the column of labels.
    pub column: String,
    /// The label; every label by itself if none is named.
    pub label: Option<String>,
    /// At least so many, if anything.
    pub min: Option<Amount>,
    /// At most so many, if anything.
    pub max: Option<Amount>,
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.column)?;
        if let Some(label) = &self.label {
            write!(f, "={label}")?;
        }
        let end = |amount: Option<Amount>| amount.map_or_else(String::new, |amount| amount.to_string());
        write!(f, ":{}..{}", end(self.min), end(self.max))
    }
}

impl FromStr for Quota {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let remedy = "write FIELD:MIN..MAX or FIELD=VALUE:MIN..MAX, for instance source=web:..30%";
        // A label may hold colons, a range holds none.
        let Some((what, range)) = text.rsplit_once(':') else { return Err(format!("`{text}` has no `:`; {remedy}")) };
        let Some((min, max)) = range.split_once("..") else { return Err(format!("`{range}` is no range; {remedy}")) };
        let end = |text: &str| Some(text.trim()).filter(|text| !text.is_empty()).map(str::parse::<Amount>).transpose();
        let (min, max) = (end(min)?, end(max)?);
        let (column, label) = match what.split_once('=') {
            Some((column, label)) => (column, Some(label.to_owned())),
            None => (what, None),
        };
        if column.is_empty() {
            return Err(format!("`{text}` names no field; {remedy}"));
        }
        match (min, max) {
            (None, None) => Err(format!("`{range}` limits nothing; {remedy}")),
            (Some(Amount::Rows(min)), Some(Amount::Rows(max)))
            | (Some(Amount::Share(min)), Some(Amount::Share(max)))
                if min > max =>
            {
                Err(format!("`{range}` ends before it begins"))
            }
            _ => Ok(Self { column: column.to_owned(), label, min, max }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_keep_their_words() {
        for text in ["source:..25%", "source=web:..30%", "source=a:b=c:20..", "x=:1..2", "lang=de:10..12.5%"] {
            assert_eq!(text.parse::<Quota>().map(|quota| quota.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn quotas_that_say_nothing_are_refused() {
        for (text, why) in [
            ("source", "no `:`"),
            ("source:..", "limits nothing"),
            ("source:5", "no range"),
            (":1..2", "names no field"),
            ("source:5..4", "before it begins"),
            ("source:x..4", "neither a number"),
            ("source:..110%", "more than the budget"),
        ] {
            let error = text.parse::<Quota>().err().unwrap_or_default();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
