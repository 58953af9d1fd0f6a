//! What single queries get: their price, and the rows of every choice that are closest to them.

use std::collections::BTreeMap;

use kantor_solvers::Watch;
use kantor_theory::Sensitivity;

use crate::cut::cut;
use crate::pipeline::{Error, Inputs, Outcome};
use crate::record::{QueryChoice, QueryRows};
use crate::source::text::beginning;

/// Queries shown, spread evenly over all of them.
const QUERIES: usize = 40;

/// Rows of a choice that are shown.
const ROWS: usize = 3;

/// Letters of the text of a row.
const LETTERS: usize = 240;

/// Some queries with what every choice of `outcome` has for them, and the texts of these rows.
pub(super) fn queries(
    inputs: &Inputs,
    outcome: &Outcome,
    watch: &dyn Watch,
) -> Result<(Vec<QueryRows>, BTreeMap<usize, String>), Error> {
    let m = inputs.queries().len();
    let shown = QUERIES.min(m);
    let places: Vec<usize> = (0..shown).map(|place| place * m / shown).collect();
    let mut found: Vec<QueryRows> = places
        .iter()
        .map(|&query| QueryRows { query: inputs.original_query(query), text: None, choices: Vec::new() })
        .collect();
    for (chosen, proved) in outcome.selections() {
        let best = proved.certified.as_ref().and_then(|certified| certified.best());
        let prices = best.and_then(|best| Sensitivity::new(best, f64::MAX).ok()).map(|prices| prices.above_mean());
        let mut of_query: BTreeMap<usize, Vec<(usize, f64)>> = BTreeMap::new();
        for (&row, &(query, cost)) in proved.selection.rows.iter().zip(&proved.nearest) {
            of_query.entry(query).or_default().push((inputs.original_row(row), cost));
        }
        for (query, found) in places.iter().zip(&mut found) {
            let mut rows = of_query.remove(query).unwrap_or_default();
            rows.sort_by(|a, b| a.1.total_cmp(&b.1));
            rows.truncate(ROWS);
            let price = prices.as_ref().and_then(|prices| prices.get(*query).copied());
            found.choices.push(QueryChoice { method: chosen.method.clone(), budget: proved.budget, price, rows });
        }
    }
    if let Some(examples) = inputs.query_examples() {
        let lines = examples.copy(&found.iter().map(|query| query.query).collect::<Vec<_>>(), watch)?;
        found
            .iter_mut()
            .for_each(|query| query.text = lines.get(&query.query).map(|line| beginning(inputs.said(line))));
    }
    let mut texts = BTreeMap::new();
    if let Some(examples) = inputs.examples() {
        let rows = found.iter().flat_map(|query| &query.choices).flat_map(|choice| choice.rows.iter().map(|row| row.0));
        let wanted: std::collections::BTreeSet<usize> = rows.collect();
        let lines = examples.copy(&wanted.into_iter().collect::<Vec<_>>(), watch)?;
        let short = |line: &[u8]| cut(&beginning(inputs.said(line)), LETTERS);
        texts.extend(lines.iter().map(|(row, line)| (*row, short(line))));
    }
    Ok((found, texts))
}
