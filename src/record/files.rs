//! The files of one selection: `indices.npy`, `selection.jsonl`, and `certificate.json` and `prices.json` if its distance and a
//! bound for all subsets were proved.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Write};
use std::path::Path;

use kantor_theory::{Certificate, Facts, json};
use serde::{Deserialize, Deserializer, Serialize};

use crate::output::{CERTIFICATE, PRICES, ResultDirectory};
use crate::pipeline::{Error, ProvedSelection};
use crate::source::whole::{self, Whole};
use crate::source::{DataError, Taken, list, npy};

use super::formats::{Copies, Records};
use super::{Origin, Prices, QueryTexts};

const INDICES: &str = "indices.npy";
const ROWS: &str = "selection.jsonl";

/// What files of selections show of the text of rows.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    /// Lines of the pool's examples by row number, if they are known.
    pub(super) pool: Option<HashMap<usize, Box<[u8]>>>,
    /// The same with their columns, if they have some.
    pub(super) taken: Option<Taken>,
    pub(super) queries: QueryTexts,
    /// How the records are copied.
    pub(super) copies: Copies,
}

/// A chosen row: a line of `selection.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelectedRow {
    /// Place in the selection order, from 0.
    pub rank: usize,
    /// Row number in the pool.
    pub index: usize,
    /// The example's id, if examples were given and have ids; else the row number.
    pub id: String,
    /// Why it was chosen, in the method's own unit.
    #[serde(deserialize_with = "null_as_nan")]
    pub score: f64,
    /// The query that it is closest to.
    pub nearest_query: usize,
    /// The cost between the two.
    #[serde(deserialize_with = "null_as_nan")]
    pub cost: f64,
}

/// JSON has no word for what is no finite number.
pub(super) fn null_as_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// The rows of a selection and the proof of its distance.
#[derive(Debug, Clone, PartialEq)]
pub struct SelectionFiles {
    /// In the order of the selection.
    pub rows: Vec<SelectedRow>,
    /// Absent if nothing was proved.
    pub certificate: Option<Certificate>,
    /// Absent if no bound for all subsets was proved, or one that says nothing of other problems.
    pub prices: Option<Prices>,
}

impl SelectionFiles {
    /// Of a selection that `method` made. The certificate is bound to `facts`.
    ///
    /// # Errors
    /// If the certificate contradicts itself.
    pub(super) fn of(
        origin: Origin<'_>,
        facts: &Facts,
        method: &str,
        proved: &ProvedSelection,
        texts: &Texts,
    ) -> Result<Self, Error> {
        let ProvedSelection { selection, certified, nearest, .. } = proved;
        let row = |(rank, (&row, &(query, cost))): (usize, (&usize, &(usize, f64)))| {
            let index = origin.row(row);
            let (id, nearest_query) = (origin.id(index).into_owned(), origin.query(query));
            SelectedRow { rank, index, id, score: selection.scores[rank], nearest_query, cost }
        };
        let rows = selection.rows.iter().zip(nearest).enumerate().map(row).collect();
        let certificate = certified.as_ref().map(|certified| certified.certificate(facts, Some(method))).transpose()?;
        let prices = Prices::of(origin, method, proved, &texts.queries);
        Ok(Self { rows, certificate, prices })
    }

    /// Writes the files into the directory `dir` of a result, with the records of the rows if they are known.
    ///
    /// # Errors
    /// If the system refuses.
    pub(super) fn write(
        &self,
        staging: &mut ResultDirectory,
        dir: &str,
        records: Option<&Records<'_>>,
    ) -> Result<(), Error> {
        staging.file(&format!("{dir}/{INDICES}"), |out| indices(self.rows.iter().map(|row| row.index), out))?;
        staging.file(&format!("{dir}/{ROWS}"), |out| {
            self.rows.iter().try_for_each(|row| {
                serde_json::to_writer(&mut *out, row)?;
                out.write_all(b"\n")
            })
        })?;
        if let Some(records) = records {
            records.write(&self.rows, staging, dir)?;
        }
        if let Some(certificate) = &self.certificate {
            staging.file(&format!("{dir}/{CERTIFICATE}"), |out| out.write_all(&certificate.to_json()))?;
        }
        if let Some(prices) = &self.prices {
            staging.file(&format!("{dir}/{PRICES}"), |out| {
                serde_json::to_writer_pretty(&mut *out, prices)?;
                out.write_all(b"\n")
            })?;
        }
        Ok(())
    }

    /// Reads the files in the directory `dir` of a result under `root`, of which `listed` are those that the manifest lists.
    ///
    /// # Errors
    /// If a file is missing, damaged or contradicts another.
    pub(super) fn read(root: &Path, dir: &str, listed: &BTreeSet<&str>) -> Result<Self, DataError> {
        let path = |name: &str| root.join(dir).join(name);
        let bytes = whole::read(&path(ROWS), Whole::List)?;
        let mut rows: Vec<SelectedRow> = Vec::new();
        for (at, line) in bytes.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
            rows.push(json::from_slice(line).map_err(|error| {
                let fault = format!("is no line of a selection: {error}");
                DataError::Line { file: path(ROWS), line: at + 1, fault, remedy: "make the result again" }
            })?);
        }
        let numbers = list::read_list(&path(INDICES), rows.len())?;
        if numbers.len() != rows.len() || !numbers.iter().zip(&rows).all(|(&number, row)| number == row.index as f64) {
            let fault = format!("does not name the rows of {ROWS} beside it");
            return Err(DataError::malformed(&path(INDICES), fault, "make the result again"));
        }
        let certificate = listed.contains(&*format!("{dir}/{CERTIFICATE}")).then(|| {
            let bytes = whole::read(&path(CERTIFICATE), Whole::Certificate)?;
            let refuse = |fault| DataError::malformed(&path(CERTIFICATE), format!("{fault}"), "make the result again");
            Certificate::parse(&bytes).map_err(refuse)
        });
        let prices = listed.contains(&*format!("{dir}/{PRICES}")).then(|| {
            let refuse = |error| {
                let fault = format!("is no file of prices: {error}");
                DataError::malformed(&path(PRICES), fault, "make the result again")
            };
            json::from_slice(&whole::read(&path(PRICES), Whole::Record)?).map_err(refuse)
        });
        Ok(Self { rows, certificate: certificate.transpose()?, prices: prices.transpose()? })
    }
}

/// `indices.npy`: row numbers in selection order, little-endian int64.
///
/// # Errors
/// If the system refuses.
pub fn indices(rows: impl ExactSizeIterator<Item = usize>, out: &mut dyn Write) -> io::Result<()> {
    npy::write_header(rows.len(), out)?;
    // A row number is at most the length of a file in memory, far below 2^63.
    rows.into_iter().try_for_each(|row| out.write_all(&(row as i64).to_le_bytes()))
}

/// Path of a selection's directory, relative to the result.
pub(crate) fn directory(method: &str, proved: &ProvedSelection) -> String {
    format!("{method}/{}{}", if proved.tokens.is_some() { 't' } else { 'k' }, proved.budget)
}
