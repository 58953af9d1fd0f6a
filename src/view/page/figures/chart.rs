//! Lines, points and bands between two axes.

use plotters::prelude::{ChartBuilder, Color, Polygon, TRANSPARENT};
use plotters::style::text_anchor::{HPos, VPos};

use super::Fault;
use super::axis::Axis;
use super::canvas::{self, Area, Drawing, LETTER, Point, short, style, width};
use super::legend::{Entry, Legend, NAME};
use super::marks;
use super::palette::{GRID, Ink, Look, MUTED, TEXT};
use crate::view::page::PageError;

/// Points that belong together.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) label: String,
    pub(super) look: Look,
    pub(super) points: Vec<(f64, f64)>,
    /// Whether a line joins them.
    pub(super) joined: bool,
}

/// What lies between a lower and an upper end at each place.
#[derive(Debug, Clone)]
pub(super) struct Band {
    /// In the legend, if it has its own entry.
    pub(super) label: Option<String>,
    pub(super) ink: Ink,
    pub(super) opacity: f64,
    /// Place, lower and upper end.
    pub(super) ends: Vec<(f64, f64, f64)>,
}

/// A figure with two axes.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// Drawn first.
    pub(super) bands: Vec<Band>,
    pub(super) series: Vec<Series>,
    /// Words above it.
    pub(super) heading: Option<String>,
}

/// Series of more points have no words under the pointer.
const FEW: usize = 64;

/// Height of a chart without its legend.
pub(super) const CHART: u32 = 700;

impl Chart {
    /// One chart with its legend, as wide as the figure.
    pub(super) fn draw(&self) -> Result<Drawing, PageError> {
        let legend = self.legend();
        let mut points = Vec::new();
        let drawing = canvas::draw(CHART + legend.height(), |area| {
            let (above, below) = area.split_vertically(CHART);
            self.draw_on(&above, &mut points)?;
            legend.draw(&below)
        })?;
        let lines = self.lines(&[]).collect::<Vec<_>>();
        Ok(drawing.telling(points, [self.header(&[])].into_iter().chain(lines).collect()))
    }

    /// Names of the fields of [`Chart::lines`].
    pub(super) fn header(&self, before: &[&str]) -> Vec<String> {
        let names = before.iter().copied().chain(["series", self.x.label.as_str(), self.y.label.as_str()]);
        names.map(str::to_owned).collect()
    }

    /// Every point of every series in numbers, after the fields that all of them have.
    pub(super) fn lines<'a>(&'a self, before: &'a [&'a str]) -> impl Iterator<Item = Vec<String>> + 'a {
        self.series.iter().flat_map(move |series| {
            series.points.iter().map(move |&(x, y)| {
                let own = [series.label.clone(), self.x.name(x).unwrap_or_else(|| x.to_string()), y.to_string()];
                before.iter().map(|&text| text.to_owned()).chain(own).collect()
            })
        })
    }

    /// Its series and its bands that have a name.
    pub(super) fn legend(&self) -> Legend {
        let series = self.series.iter().map(|series| {
            let label = series.label.clone();
            if series.joined { Entry::Line(label, series.look) } else { Entry::Point(label, series.look) }
        });
        let bands = self.bands.iter().filter_map(|band| Some(Entry::Area(band.label.clone()?, band.ink, band.opacity)));
        Legend(series.chain(bands).collect())
    }

    /// The chart without its legend; adds the points that have a mark.
    pub(super) fn draw_on(&self, area: &Area<'_>, points: &mut Vec<Point>) -> Result<(), Fault> {
        let Self { x, y, bands, series, heading } = self;
        let widest = y.ticks.iter().map(|(_, text)| width(text, LETTER)).max().unwrap_or(0);
        let mut builder = ChartBuilder::on(area);
        builder.margin_left(14).margin_right(32).margin_top(16).x_label_area_size(96).y_label_area_size(widest + 72);
        if let Some(heading) = heading {
            builder.caption(short(heading, NAME), style(TEXT, LETTER, HPos::Center, VPos::Center));
        }
        let mut plane = builder.build_cartesian_2d(x.clone(), y.clone())?;
        let text = |axis: &Axis, place: f64| {
            axis.ticks.iter().find(|tick| tick.0 == place).map_or_else(String::new, |tick| tick.1.clone())
        };
        let plain = style(TEXT, LETTER, HPos::Center, VPos::Center);
        plane
            .configure_mesh()
            .bold_line_style(GRID.color.stroke_width(2))
            .light_line_style(TRANSPARENT)
            .axis_style(MUTED.color.stroke_width(2))
            .set_all_tick_mark_size(8)
            .x_label_formatter(&|place| text(x, *place))
            .y_label_formatter(&|place| text(y, *place))
            .label_style(plain.clone())
            .axis_desc_style(plain)
            .x_desc(x.label.as_str())
            .y_desc(y.label.as_str())
            .draw()?;
        for band in bands {
            let fill = band.ink.color.mix(band.opacity).filled();
            plane.draw_series(self.outline(band).map(|border| Polygon::new(border, fill)))?;
        }
        let corner = area.get_base_pixel();
        for series in series {
            let mut places = Vec::with_capacity(series.points.len());
            for &(across, value) in &series.points {
                let Some(place) = self.place((across, value)) else { continue };
                let place = plane.backend_coord(&place);
                if series.look.marker.is_some() && series.points.len() <= FEW {
                    let named = x.name(across).map_or_else(String::new, |name| format!(", {name}"));
                    points.push(Point { place, words: format!("{}{named}: {value}", series.label) });
                }
                places.push((place.0 - corner.0, place.1 - corner.1));
            }
            if series.joined {
                marks::line(area, &places, series.look)?;
            }
            places.into_iter().try_for_each(|place| marks::mark(area, place, series.look))?;
        }
        Ok(())
    }

    /// The border of a band; none if it has no breadth.
    fn outline(&self, band: &Band) -> Option<Vec<(f64, f64)>> {
        let there = band.ends.iter().filter_map(|end| self.place((end.0, end.2)));
        let back = band.ends.iter().rev().filter_map(|end| self.place((end.0, end.1)));
        let border: Vec<_> = there.chain(back).collect();
        (border.len() >= 4).then_some(border)
    }

    /// Where a point is; none if it is not on the axes.
    fn place(&self, (x, y): (f64, f64)) -> Option<(f64, f64)> {
        Some((self.x.at(x)?, self.y.at(y)?))
    }
}
