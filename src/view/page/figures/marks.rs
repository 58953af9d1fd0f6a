//! Lines and points as a series' look says, in units of the figure.

use plotters::element::{Circle, DashedPathElement, PathElement, Polygon};
use plotters::style::Color;

use super::Fault;
use super::canvas::Area;
use super::palette::{Look, Marker};

/// Half the size of a marker.
const HALF: i32 = 9;

/// Width of lines.
const STROKE: u32 = 4;

/// A place in units of the area.
pub(super) type Place = (i32, i32);

/// A line through these places.
pub(super) fn line(area: &Area<'_>, places: &[Place], look: Look) -> Result<(), Fault> {
    if places.len() < 2 {
        return Ok(());
    }
    let stroke = look.ink.color.stroke_width(STROKE);
    match look.dash {
        None => area.draw(&PathElement::new(places, stroke)),
        Some((dash, gap)) => area.draw(&DashedPathElement::new(places.iter().copied(), dash, gap, stroke)),
    }
}

/// The marker at a place, if the look has one.
pub(super) fn mark(area: &Area<'_>, (x, y): Place, look: Look) -> Result<(), Fault> {
    let (filled, stroke) = (look.ink.color.filled(), look.ink.color.stroke_width(STROKE));
    let polygon = |corners: &[Place]| {
        let corners: Vec<Place> = corners.iter().map(|(right, down)| (x + right, y + down)).collect();
        area.draw(&Polygon::new(corners, filled))
    };
    let strokes = |ends: [[Place; 2]; 2]| {
        ends.iter().try_for_each(|pair| {
            let pair = pair.map(|(right, down)| (x + right, y + down));
            area.draw(&PathElement::new(pair, stroke))
        })
    };
    let (half, wide) = (HALF, HALF + 3);
    match look.marker {
        None => Ok(()),
        Some(Marker::Dot) => area.draw(&Circle::new((x, y), HALF / 3, filled)),
        Some(Marker::Disc) => area.draw(&Circle::new((x, y), half, filled)),
        Some(Marker::Ring) => area.draw(&Circle::new((x, y), half, stroke)),
        Some(Marker::Square) => polygon(&[(-half, -half), (half, -half), (half, half), (-half, half)]),
        Some(Marker::Diamond) => polygon(&[(0, -wide), (wide, 0), (0, wide), (-wide, 0)]),
        Some(Marker::Up) => polygon(&[(0, -wide), (wide, half), (-wide, half)]),
        Some(Marker::Down) => polygon(&[(0, wide), (wide, -half), (-wide, -half)]),
        Some(Marker::Cross) => strokes([[(-half, -half), (half, half)], [(-half, half), (half, -half)]]),
        Some(Marker::Plus) => strokes([[(-wide, 0), (wide, 0)], [(0, -wide), (0, wide)]]),
    }
}
