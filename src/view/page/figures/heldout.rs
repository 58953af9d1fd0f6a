//! Seen against unseen queries: distances of selections by the other folds, with paired intervals.

use super::axis::Axis;
use super::chart::{Band, Chart, Series};
use super::palette::{BLUE, Look, Marker, VERMILLION};
use super::{Figure, View};
use crate::pipeline::Unseen;
use crate::view::page::PageError;
use crate::view::page::numbers::count;

pub(super) fn figure(view: &View<'_>) -> Result<Option<Figure>, PageError> {
    let here = |unseen: &&Unseen| (unseen.cost, unseen.budget) == (view.cost, view.largest());
    let Some(unseen) = view.found.unseen.iter().find(here) else { return Ok(None) };
    let mut methods: Vec<_> = unseen.methods.iter().collect();
    methods.sort_by(|a, b| a.unseen.total_cmp(&b.unseen));
    let names: Vec<String> = methods.iter().map(|of| of.method.clone()).collect();
    let points = |value: fn(&crate::pipeline::Standing) -> f64| {
        methods.iter().enumerate().map(|(at, of)| (at as f64, value(of))).collect::<Vec<_>>()
    };
    let look = |ink, marker| Look { ink, marker: Some(marker), dash: None };
    let series = vec![
        Series {
            label: "unseen queries".to_owned(),
            look: look(VERMILLION, Marker::Square),
            points: points(|of| of.unseen),
            joined: false,
        },
        Series {
            label: "seen queries".to_owned(),
            look: look(BLUE, Marker::Disc),
            points: points(|of| of.seen),
            joined: false,
        },
    ];
    let bar = |(at, of): (usize, &&crate::pipeline::Standing)| {
        let (x, half) = (at as f64, of.behind_unseen.half_width?);
        let ends = [(x - 0.06, of.unseen - half, of.unseen + half), (x + 0.06, of.unseen - half, of.unseen + half)];
        Some(Band { label: None, ink: VERMILLION, opacity: 0.4, ends: ends.to_vec() })
    };
    let bands: Vec<Band> = methods.iter().enumerate().filter_map(bar).collect();
    let ends = bands.iter().flat_map(|band| band.ends.iter().flat_map(|end| [end.1, end.2]));
    let values: Vec<f64> =
        series.iter().flat_map(|series| series.points.iter().map(|point| point.1)).chain(ends).collect();
    let (x, y) = (Axis::names("method, the closest on unseen queries first", &names), Axis::linear("distance", values));
    let mut description = format!("Distance to seen and unseen queries at {}:", view.largest_budget());
    for of in &methods {
        description.push_str(&format!(" {} {:.4} and {:.4},", of.method, of.seen, of.unseen));
    }
    let caption = format!(
        "Selections of {} by all folds but one of {}, measured on the queries by which they were chosen and on those of the fold. \
         Bars: the 95 % interval of the difference from the closest method, paired by {} ({}): one that does not reach up to it is told \
         apart. {}.",
        count(unseen.budget as u64),
        unseen.folds,
        unseen.paired_by.plural(),
        unseen.pairs,
        unseen.sentence()
    );
    let chart = Chart { x, y, bands, series, heading: None };
    let title = format!("Seen and unseen queries, cost {}", view.cost.name());
    Ok(Some(Figure::new(view.name_at("heldout"), &title, &description, &caption, &chart.draw()?)))
}
