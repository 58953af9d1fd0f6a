//! Templates to one file of HTML. Every text is shown without hidden characters and escaped, but for the figures, which do
//! the same with their own.

use minijinja::Environment;
use minijinja::escape_formatter;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use serde::Serialize;

use super::PageError;
use super::figures::{Figure, Figures, STYLE};
use crate::view::escape::OneLine;

const TEMPLATES: [(&str, &str); 5] = [
    ("page.html", include_str!("templates/page.html")),
    ("parts.html", include_str!("templates/parts.html")),
    ("comparison.html", include_str!("templates/comparison.html")),
    ("published.html", include_str!("templates/published.html")),
    ("joined.html", include_str!("templates/joined.html")),
];

/// A figure, as templates see it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Drawn {
    name: String,
    caption: String,
    svg: String,
}

impl From<&Figure> for Drawn {
    fn from(figure: &Figure) -> Self {
        let Figure { name, caption, inline, .. } = figure;
        Self { name: name.clone(), caption: caption.clone(), svg: inline.clone() }
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
    figure_style: &'a str,
    kantor: &'a str,
    page: &'a T,
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
    let style = include_str!("templates/page.css");
    let context = Context { style, figure_style: STYLE, kantor: env!("CARGO_PKG_VERSION"), page };
    let html = environment.get_template(template)?.render(Serde(&context))?;
    Ok(html)
}
