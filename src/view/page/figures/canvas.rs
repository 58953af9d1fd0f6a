//! From drawing commands to a finished SVG: scalable, named for people who do not see it, light and dark.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Fault;
use super::palette::{self, Ink};
use crate::cut::cut_within;
use crate::view::escape::{OneLine, in_lines};
use crate::view::page::PageError;

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
pub(in crate::view::page) const STYLE: &str = include_str!("../templates/figure.css");

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
    Ok(Drawing { elements: in_lines(&elements(&svg)), height, points: Vec::new(), data: Vec::new() })
}

/// A drawn point and what it is, exactly.
pub(super) struct Point {
    pub(super) place: (i32, i32),
    pub(super) words: String,
}

/// The elements of a figure.
pub(super) struct Drawing {
    elements: String,
    height: u32,
    /// What a page tells of points under the pointer.
    points: Vec<Point>,
    /// What is drawn, in numbers: a header and lines.
    data: Vec<Vec<String>>,
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
    joined(&inside)
}

/// Lines that look the same and follow each other, such as the dashes of one, as one path, which is much shorter.
fn joined(elements: &str) -> String {
    let mut written = String::with_capacity(elements.len());
    let mut lines = elements.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((look, points)) = polyline(line) else {
            written.push_str(line);
            written.push('\n');
            continue;
        };
        written.push_str(&format!("<path{look} d=\"M{points}"));
        while let Some((_, more)) = lines.peek().and_then(|next| polyline(next)).filter(|next| next.0 == look) {
            written.push_str(&format!("M{more}"));
            lines.next();
        }
        written.push_str("\"/>\n");
    }
    written
}

/// How a line looks, and through which points it goes. No text starts like this: its angle brackets are escaped.
fn polyline(line: &str) -> Option<(&str, &str)> {
    let (look, points) = line.strip_prefix("<polyline")?.split_once(" points=\"")?;
    Some((look, points.split_once('"')?.0.trim_end()))
}

/// Half the size of the region around a point that answers to the pointer.
const REACH: u32 = 14;

impl Drawing {
    /// With what its points are, and its numbers.
    pub(super) fn telling(self, points: Vec<Point>, data: Vec<Vec<String>>) -> Self {
        Self { points, data, ..self }
    }

    /// Its numbers as CSV; empty if there are none.
    pub(super) fn csv(&self) -> String {
        let mut lines = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        let written = self.data.iter().try_for_each(|line| lines.write_record(line));
        let text = written.ok().and_then(|()| lines.into_inner().ok());
        text.and_then(|text| String::from_utf8(text).ok()).unwrap_or_default()
    }

    /// The points as regions that show their words under the pointer.
    fn regions(&self) -> String {
        let region = |Point { place: (x, y), words }: &Point| {
            let words = escape(words);
            format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{REACH}\"><title>{words}</title></circle>\n")
        };
        let regions: String = self.points.iter().map(region).collect();
        if regions.is_empty() { regions } else { format!("<g fill=\"none\" pointer-events=\"all\">\n{regions}</g>\n") }
    }

    /// The SVG for a page, whose style sheet holds [`STYLE`], and the SVG that stands alone.
    pub(super) fn finish(&self, id: &str, title: &str, description: &str) -> (String, String) {
        let Self { elements, height, .. } = self;
        let (title, description) = (escape(title), escape(description));
        let svg = |size: &str, style: &str, regions: &str| {
            format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"figure\" role=\"img\" \
                 aria-labelledby=\"{id}-title {id}-desc\"{size} viewBox=\"0 0 {WIDTH} {height}\" \
                 font-family=\"sans-serif\">\n<title id=\"{id}-title\">{title}</title>\n\
                 <desc id=\"{id}-desc\">{description}</desc>{style}{elements}{regions}</svg>\n"
            )
        };
        let size = format!(" width=\"{}\" height=\"{}\"", WIDTH / 2, height / 2);
        (svg("", "", &self.regions()), svg(&size, &format!("\n<style>\n{STYLE}</style>"), ""))
    }
}

/// Text as XML wants it, without hidden characters, of which it cannot hold all.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in OneLine(text).to_string().chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// A name of at most `letters` letters, without hidden characters.
pub(super) fn short(text: &str, letters: usize) -> String {
    cut_within(&OneLine(text).to_string(), letters)
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
