//! Every kind of bad input fails with a message that names the file, the place, the value and the remedy; every
//! kind of good input is read as what it is; no bytes whatever make a reader panic.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod archives;
mod changed;
#[cfg(feature = "parquet")]
mod columnar;
mod corpus;
mod damage;
mod formats;
mod inspection;
mod jsonl;
mod limits;
mod overlaps;
mod packed;
mod quotes;
mod round_trip;
mod rows;
mod sparse;
mod support;
mod tables;
mod torch;
