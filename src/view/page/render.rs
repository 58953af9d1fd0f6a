//! Templates to one file of HTML. Every text is shown without hidden characters and escaped, but for the figures, which do
//! the same with their own.

use minijinja::Environment;
use minijinja::escape_formatter;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::PageError;
use super::figures::{Figure, Figures, STYLE};
use crate::view::escape::{OneLine, in_lines};

const TEMPLATES: [(&str, &str); 6] = [
    ("page.html", include_str!("templates/page.html")),
    ("parts.html", include_str!("templates/parts.html")),
    ("comparison.html", include_str!("templates/comparison.html")),
    ("published.html", include_str!("templates/published.html")),
    ("joined.html", include_str!("templates/joined.html")),
    ("curve.html", include_str!("templates/curve.html")),
];

/// A figure, as templates see it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Drawn {
    name: String,
    kind: String,
    budget: Option<usize>,
    caption: String,
    svg: String,
}

impl From<&Figure> for Drawn {
    fn from(figure: &Figure) -> Self {
        let Figure { name, kind, budget, caption, inline, .. } = figure;
        let (name, kind, caption) = (name.clone(), kind.clone(), caption.clone());
        Self { name, kind, budget: *budget, caption, svg: inline.clone() }
    }
}

/// Figures that are shown and that are folded away, as templates see them.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Gallery {
    shown: Vec<Drawn>,
    folded: Vec<Drawn>,
}

impl From<&Figures> for Gallery {
    fn from(figures: &Figures) -> Self {
        let drawn = |list: &[Figure]| list.iter().map(Drawn::from).collect();
        Self { shown: drawn(&figures.shown), folded: drawn(&figures.folded) }
    }
}

/// What every template gets.
#[derive(Debug, Serialize)]
struct Context<'a, T> {
    style: &'a str,
    script: &'a str,
    /// By which the policy of the page knows the script, and lets no other run.
    script_digest: String,
    figure_style: &'a str,
    kantor: &'a str,
    page: &'a T,
}

/// Bytes in the letters of RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letters = bytes.chunks(3).flat_map(|part| {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(part.get(at).copied().unwrap_or(0)));
        let letter = move |at: usize| {
            let letter = LETTERS[(bits >> (18 - 6 * at) & 63) as usize];
            if at <= part.len() { char::from(letter) } else { '=' }
        };
        (0..4).map(letter)
    });
    letters.collect()
}

/// A value as JSON that may stand inside a page: nothing in it is markup, and no letter is hidden.
pub(super) fn island(value: &impl Serialize) -> Result<String, PageError> {
    let value = serde_json::to_value(value)?;
    let text = seen(value).to_string();
    let safe = |letter: char| matches!(letter, '<' | '>' | '&').then(|| format!("\\u{:04x}", u32::from(letter)));
    Ok(text.chars().map(|letter| safe(letter).unwrap_or_else(|| letter.to_string())).collect())
}

fn seen(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(in_lines(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(seen).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(key, value)| (OneLine(key).to_string(), seen(value))).collect())
        }
        other => other,
    }
}

/// The page that this template makes of `page`.
pub(super) fn render<T: Serialize>(template: &str, page: &T) -> Result<String, PageError> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_formatter(|out, state, value| match value.as_str() {
        Some(text) if !value.is_safe() => escape_formatter(out, state, &OneLine(text).to_string().into()),
        _ => escape_formatter(out, state, value),
    });
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    let (style, script) = (include_str!("templates/page.css"), include_str!("templates/page.js"));
    let script_digest = base64(&Sha256::digest(script.as_bytes()));
    let context =
        Context { style, script, script_digest, figure_style: STYLE, kantor: env!("CARGO_PKG_VERSION"), page };
    let html = environment.get_template(template)?.render(Serde(&context))?;
    Ok(html)
}
