//! Fields that say which rank a chosen row has and what it weighs.

use crate::source::json::Json;
use crate::source::text::{RANK, WEIGHT};

/// Adds them to a line that is one JSON object, whose bytes stay as they are.
pub(super) fn add(line: Vec<u8>, rank: usize, weight: f64) -> Result<Vec<u8>, String> {
    let text = std::str::from_utf8(&line).unwrap_or_default();
    let names = || Json::fields_of(text).flatten().filter_map(|(name, _)| name.text());
    if let Some(name) = names().find(|name| name == RANK || name == WEIGHT) {
        return Err(format!("it has a field `{name}` already, which --with-ranks would add"));
    }
    let comma = if names().next().is_some() { ", " } else { "" };
    let Some(object) = text.trim_end().strip_suffix('}') else { return Err("it is no JSON object".to_owned()) };
    Ok(format!("{}{comma}\"{RANK}\": {rank}, \"{WEIGHT}\": {weight:?}}}\n", object.trim_end()).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::add;

    #[test]
    fn fields_are_added_after_those_that_are_there() {
        let added = |line: &str| add(line.as_bytes().to_vec(), 3, 0.5).map(String::from_utf8);
        let said = |text: &str| Ok(Ok(text.to_owned()));
        assert_eq!(added("{\"a\": NaN }\r\n"), said("{\"a\": NaN, \"kantor_rank\": 3, \"kantor_weight\": 0.5}\n"));
        assert_eq!(added("{}\n"), said("{\"kantor_rank\": 3, \"kantor_weight\": 0.5}\n"));
        assert!(added("{\"kantor\\u005frank\": 1}\n").is_err_and(|fault| fault.contains("`kantor_rank`")));
    }
}
