//! Reads certificates, and nothing else: what is unknown, repeated, missing or left over is refused.
//!
//! Memory grows with the bytes given, never with a number written in them.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::json;
use crate::plan::SparsePlan;
use crate::rejection::Rejection;

use super::{Certificate, SCHEMA, SCHEMA_1};

/// Reads the schema and passes over the rest, so that another version is called that and not malformed.
#[derive(Deserialize)]
#[serde(expecting = "an object with the key `schema`, as a certificate is")]
struct Header {
    schema: String,
}

impl Certificate {
    /// Reads a certificate. It is not believed yet.
    ///
    /// # Errors
    /// If the bytes are no certificate of schema [`SCHEMA`] or [`SCHEMA_1`]: other version, unknown or duplicate key
    /// (constraints among them that this version does not know), wrong type (an array for an object among them), number
    /// that is not finite, trailing data.
    pub fn parse(bytes: &[u8]) -> Result<Self, Rejection> {
        let malformed = |fault: serde_json::Error| Rejection::new("json", fault.to_string());
        let header: Header = json::from_slice(bytes).map_err(malformed)?;
        check_schema(&header.schema)?;
        json::from_slice(bytes).map_err(malformed)
    }
}

/// Checks that this is a version that is known.
pub(crate) fn check_schema(schema: &str) -> Result<(), Rejection> {
    match schema {
        SCHEMA | SCHEMA_1 => Ok(()),
        other => Err(Rejection::new("schema", format!("`{other}` is neither `{SCHEMA}` nor `{SCHEMA_1}`"))),
    }
}

/// The plan as written: three arrays of equal length.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Columns<P, M> {
    position: P,
    query: P,
    mass: M,
}

impl Serialize for SparsePlan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Columns { position: &self.position, query: &self.query, mass: &self.mass }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SparsePlan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Columns::<Vec<usize>, Vec<u64>> { position, query, mass } = Columns::deserialize(deserializer)?;
        if position.len() != mass.len() || query.len() != mass.len() {
            return Err(D::Error::custom("position, query and mass of a plan must have one length"));
        }
        Ok(Self { position, query, mass })
    }
}
