//! From drawing commands to a finished SVG: scalable, named for people who do not see it, light and dark.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Fault;
use super::palette::{self, Ink};
use crate::report::page::PageError;

/// Width of every figure. Twice what is shown: plotters rounds to whole units.
pub(super) const WIDTH: u32 = 1120;

/// Height of letters.
pub(super) const LETTER: f64 = 29.0;

/// Height of letters in the cells of heat maps and of small notes.
pub(super) const SMALL: f64 = 24.0;

/// Width of a letter, about, as a share of its height.
const LETTER_WIDTH: f64 = 0.6;

/// What plotters divides a font's size by for SVG.
const PLOTTERS_SCALE: f64 = 1.24;

/// Colours on dark ground.
pub(in crate::report::page) const STYLE: &str = include_str!("../templates/figure.css");

/// Something to draw on.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Runs `fill` on an empty figure of this height and returns its elements.
pub(super) fn draw(height: u32, fill: impl FnOnce(&Area<'_>) -> Result<(), Fault>) -> Result<Drawing, PageError> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        fill(&area)?;
        area.present()?;
    }
    Ok(Drawing { elements: elements(&svg), height })
}

/// The elements of a figure.
pub(super) struct Drawing {
    elements: String,
    height: u32,
}

/// What plotters wrote inside its `svg` element, with a class for each colour.
///
/// Text is escaped by plotters, so that a quoted attribute is never part of it.
fn elements(svg: &str) -> String {
    let inside = svg.split_once('>').map_or("", |(_, rest)| rest);
    let mut inside = inside.rsplit_once("</svg>").map_or(inside, |(elements, _)| elements).to_owned();
    for attribute in [" opacity=\"1\"", " stroke=\"none\"", " font-family=\"sans-serif\""] {
        inside = inside.replace(attribute, "");
    }
    for Ink { class, color: RGBColor(r, g, b) } in palette::inks() {
        for (attribute, prefix) in [("fill", "f"), ("stroke", "s")] {
            let drawn = format!("{attribute}=\"#{r:02X}{g:02X}{b:02X}\"");
            inside = inside.replace(&drawn, &format!("class=\"{prefix}-{class}\" {drawn}"));
        }
    }
    inside
}

impl Drawing {
    /// The SVG for a page, whose style sheet holds [`STYLE`], and the SVG that stands alone.
    pub(super) fn finish(&self, id: &str, title: &str, description: &str) -> (String, String) {
        let Self { elements, height } = self;
        let (title, description) = (escape(title), escape(description));
        let svg = |size: &str, style: &str| {
            format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"figure\" role=\"img\" \
                 aria-labelledby=\"{id}-title {id}-desc\"{size} viewBox=\"0 0 {WIDTH} {height}\" \
                 font-family=\"sans-serif\">\n<title id=\"{id}-title\">{title}</title>\n\
                 <desc id=\"{id}-desc\">{description}</desc>{style}{elements}</svg>\n"
            )
        };
        let size = format!(" width=\"{}\" height=\"{}\"", WIDTH / 2, height / 2);
        (svg("", ""), svg(&size, &format!("\n<style>\n{STYLE}</style>")))
    }
}

/// Text as XML wants it, without the control characters that XML cannot hold.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            letter => escaped.push(printable(letter)),
        }
    }
    escaped
}

/// A letter that XML can hold, in one line.
fn printable(letter: char) -> char {
    match letter {
        '\n' | '\t' | '\r' => ' ',
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        letter if letter.is_control() => '\u{fffd}',
        letter => letter,
    }
}

/// A name of at most `letters` letters.
pub(super) fn short(text: &str, letters: usize) -> String {
    let mut text = text.chars().map(printable);
    let mut kept: String = text.by_ref().take(letters).collect();
    if text.next().is_some() {
        kept.pop();
        kept.push('…');
    }
    kept
}

/// Width that a text takes, about.
pub(super) fn width(text: &str, size: f64) -> i32 {
    (text.chars().count() as f64 * size * LETTER_WIDTH).ceil() as i32
}

/// How text looks.
pub(super) fn style(ink: Ink, size: f64, across: HPos, along: VPos) -> TextStyle<'static> {
    let font = ("sans-serif", size * PLOTTERS_SCALE).into_font();
    font.color(&ink.color).pos(Pos::new(across, along))
}
