//! Learning curves as tables and sentences.

use super::escape::Text;
use super::prices::Listing;
use super::unseen::behind;
use crate::decimal::magnitude;
use crate::pipeline::Behind;
use crate::record::columns::distance_name;
use crate::study::{Axis, Curve, LearningCurves, LeftOut};

/// The name of a curve: its method and budget.
pub(crate) fn name(found: &LearningCurves, curve: &Curve) -> String {
    let unit = if found.in_tokens { "tokens" } else { "rows" };
    format!("{}, {} {unit}", curve.method, curve.budget)
}

/// The curves along an axis.
pub(crate) fn along(found: &LearningCurves, axis: Axis) -> impl Iterator<Item = &Curve> {
    found.curves.iter().filter(move |curve| curve.axis == axis)
}

/// The table of an axis; none without curves.
pub(crate) fn listing(found: &LearningCurves, axis: Axis) -> Option<Listing> {
    let gain = |gain: Option<Behind>| gain.map_or_else(|| "–".to_owned(), behind);
    let with_energy = along(found, axis).any(|curve| curve.points.iter().any(|point| point.energy.is_some()));
    let rows = along(found, axis).flat_map(|curve| {
        curve.points.iter().map(move |point| {
            let mut row = vec![curve.method.clone(), curve.budget.to_string(), curve.size(point).to_string()];
            row.extend([magnitude(point.seen), magnitude(point.unseen), gain(point.gain)]);
            if with_energy {
                row.extend([point.energy.map_or_else(|| "–".to_owned(), magnitude), gain(point.energy_gain)]);
            }
            row
        })
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let size = match axis {
        Axis::Queries => ("queries", "by which rows were chosen, the mean over the draws"),
        Axis::Pool => ("pool", "rows from which they were chosen"),
    };
    let mut columns = vec![
        ("method|", ""),
        ("budget", "rows or tokens to choose"),
        size,
        ("seen", "mean distance to the queries by which rows were chosen; fewer are farther from any rows"),
        ("unseen", "mean distance to the queries that were kept out"),
        (
            "gain",
            "by how much that is less than in the line above, with its 95 % interval, paired by parts that are kept out",
        ),
    ];
    if with_energy {
        columns.push(("energy", "mean energy distance to the queries that were kept out"));
        columns.push(("gain", "the same gain in energy distance"));
    }
    let of = distance_name(found.objective);
    let caption = match axis {
        Axis::Queries => format!("{of} to queries that were kept out, of choices by some of the others"),
        Axis::Pool => format!("{of} to queries that were kept out, of choices from a part of the pool"),
    };
    (!rows.is_empty()).then_some(Listing { caption, columns, rows })
}

/// What was done, in a sentence.
pub(crate) fn how(found: &LearningCurves) -> String {
    let together = found.groups.map_or_else(String::new, |groups| format!(" ({groups} groups, which stay together)"));
    format!(
        "{} queries{together} in {} parts, of which each was kept out once; sizes are nested random draws; intervals are Student's for \
         the mean difference over these parts, 95 % each by itself, and approximate, as the parts share queries",
        found.query_rows, found.folds
    )
}

/// What the curves say: a sentence for each, and for each size that has no point.
pub(crate) fn sentences(found: &LearningCurves) -> Vec<String> {
    let curves = found.curves.iter().map(|curve| format!("{}: {}", name(found, curve), curve.sentence()));
    curves.chain(found.left_out.iter().map(LeftOut::sentence)).collect()
}

/// Tables and sentences for the terminal.
pub(crate) fn text(found: &LearningCurves) -> Text {
    let mut text = Text::default();
    for listing in Axis::ALL.into_iter().filter_map(|axis| listing(found, axis)) {
        text.append(listing.text());
        text.push("");
    }
    sentences(found).into_iter().for_each(|sentence| text.push(sentence));
    text.push(how(found));
    text
}
