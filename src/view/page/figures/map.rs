//! Where the chosen rows lie among pool and queries: the two directions in which these vary most.

use super::axis::Axis;
use super::chart::{Chart, Series};
use super::palette::{BLUE, Look, MUTED, Marker, VERMILLION};
use super::{Figure, View};
use crate::view::page::PageError;
use crate::view::page::numbers::count;

pub(super) fn figure(view: &View<'_>) -> Result<Option<Figure>, PageError> {
    let Some(map) = &view.found.map else { return Ok(None) };
    let here = |choice: &&crate::record::MapChoice| (choice.cost, choice.budget) == (view.cost, view.largest());
    let Some(choice) = map.choices.iter().find(here) else { return Ok(None) };
    let series = |label: String, ink, marker, points: &[[f64; 2]]| Series {
        label,
        look: Look { ink, marker: Some(marker), dash: None },
        points: points.iter().map(|&[x, y]| (x, y)).collect(),
        joined: false,
    };
    let series = vec![
        series("pool".to_owned(), MUTED, Marker::Dot, &map.pool),
        series("queries".to_owned(), VERMILLION, Marker::Plus, &map.queries),
        series(format!("chosen by {}", choice.method), BLUE, Marker::Ring, &choice.rows),
    ];
    let all = || series.iter().flat_map(|series| series.points.iter());
    let share = |at: usize| format!("{:.0} % of the variance", 100.0 * map.explained[at]);
    let x = Axis::linear(share(0), all().map(|point| point.0));
    let y = Axis::linear(share(1), all().map(|point| point.1));
    let caption = format!(
        "The two principal components of {} rows of the pool and {} queries, drawn by the seed {}, with {} of the rows that the closest \
         method, {}, chose at {}. What is near here need not be near in all directions.",
        count(map.pool.len() as u64),
        count(map.queries.len() as u64),
        map.seed,
        count(choice.rows.len() as u64),
        choice.method,
        view.largest_budget()
    );
    let description = format!("Points of the pool, of the queries and of the choice of {} in a plane.", choice.method);
    let chart = Chart { x, y, bands: Vec::new(), series, heading: None };
    let title = format!("Map of pool, queries and choice, cost {}", view.cost.name());
    Ok(Some(Figure::new(view.name_at("map"), &title, &description, &caption, &chart.draw()?)))
}
