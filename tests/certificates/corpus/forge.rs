//! Makes changed certificates and keeps them with what is to become of them.

use kantor::theory::certificate::SCHEMA_1;
use serde_json::{Value, json};

use super::bases::Base;

/// A changed certificate.
pub(super) struct Mutant {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    /// Whether all claims remain true and proved.
    pub(super) harmless: bool,
}

/// Stands where text is put that need not be JSON.
const HOLE: &str = "\u{1f573}";

/// A tree to change and what became of it.
pub(super) struct Forge {
    pub(super) good: Value,
    pub(super) mutants: Vec<Mutant>,
}

impl Forge {
    pub(super) fn new(base: &Base) -> Self {
        Self { good: serde_json::from_slice(&base.certificate.to_json()).unwrap(), mutants: Vec::new() }
    }

    pub(super) fn add(&mut self, name: &str, bytes: impl Into<Vec<u8>>, harmless: bool) {
        self.mutants.push(Mutant { name: name.to_owned(), bytes: bytes.into(), harmless });
    }

    /// Changes a copy of the tree; nothing if it has not what is to be changed.
    pub(super) fn edit(&mut self, name: &str, harmless: bool, change: impl FnOnce(&mut Value) -> Option<()>) {
        let mut tree = self.good.clone();
        if change(&mut tree).is_some() {
            self.add(name, serde_json::to_vec(&tree).unwrap(), harmless);
        }
    }

    pub(super) fn forge(&mut self, name: &str, change: impl FnOnce(&mut Value) -> Option<()>) {
        self.edit(name, false, change);
    }

    pub(super) fn remark(&mut self, name: &str, change: impl FnOnce(&mut Value) -> Option<()>) {
        self.edit(name, true, change);
    }

    /// Puts a value where there is one.
    pub(super) fn put(&mut self, place: &str, value: Value) {
        let name = format!("{place} = {}", shortened(&value.to_string()));
        self.forge(&name, |tree| (tree.pointer(place)? != &value).then(|| *tree.pointer_mut(place).unwrap() = value));
    }

    /// Puts text where there is a value.
    pub(super) fn raw(&mut self, place: &str, text: &str) {
        let mut tree = self.good.clone();
        if let Some(value) = tree.pointer_mut(place) {
            *value = json!(HOLE);
            let whole = tree.to_string().replace(&json!(HOLE).to_string(), text);
            self.add(&format!("{place} = {} (as text)", shortened(text)), whole, false);
        }
    }

    pub(super) fn number(&self, place: &str) -> Option<f64> {
        self.good.pointer(place)?.as_f64()
    }
}

/// Puts a value at a place, whose last key may be new.
pub(super) fn set(tree: &mut Value, place: &str, value: Value) -> Option<()> {
    let (parent, key) = place.rsplit_once('/')?;
    *match tree.pointer_mut(parent)? {
        Value::Object(object) => object.entry(key).or_insert(Value::Null),
        other => other.get_mut(key.parse::<usize>().ok()?)?,
    } = value;
    Some(())
}

fn shortened(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    if short.len() < text.len() { short + "…" } else { short }
}

pub(super) fn transport(tree: &Value) -> bool {
    tree["problem"].get("objective").is_none()
}

pub(super) fn version_1(tree: &Value) -> bool {
    tree["schema"] == SCHEMA_1
}
