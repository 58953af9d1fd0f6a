//! Which method `auto` took.

use serde_json::{Value, json};

use super::{Note, ProvedSelection};

/// Methods that are named in words; the others are counted.
const NAMED: usize = 4;

/// What to say of a choice that one of several methods made.
pub(super) fn taken(proved: &ProvedSelection) -> Option<Note> {
    let notes = &proved.selection.notes;
    let took = notes.get("auto-took")?.as_str()?;
    let like: Vec<&str> = notes.get("auto-not-told-apart")?.as_array()?.iter().filter_map(Value::as_str).collect();
    let (named, others) = like.split_at(like.len().min(NAMED));
    let more = if others.is_empty() { String::new() } else { format!("; and {} more", others.len()) };
    let alone = notes.get("auto-folds").and_then(Value::as_u64) == Some(1);
    let apart = match named {
        _ if alone => "one query cannot be held out, so nothing was compared".to_owned(),
        [] => "by a local kernel it is closer to unseen queries than all others that were compared".to_owned(),
        named => {
            format!("by a local kernel, on unseen queries, it cannot be told apart from {}{more}", named.join("; "))
        }
    };
    let budget = proved.budget;
    let text = format!("at budget {budget} auto took {took}: {apart}");
    Some(Note { kind: "auto".into(), budget, text, details: json!({"took": took, "not-told-apart": like}) })
}
