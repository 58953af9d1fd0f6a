//! What the manifest says of the input files, their digests among it.

use std::path::Path;

use kantor_solvers::Watch;

use crate::represent::{MODEL, ReadText};
use crate::source::cells::ValueFile;
use crate::source::format::Columnar;
use crate::source::jsonl::JsonlFile;
use crate::source::{DataError, Digests, FileDigests, InputRecord, JsonlRows, Representation, SourceFile};

use super::{Error, Inputs};

impl Inputs {
    /// What the manifest says of the input files; computes their digests, those of the values of rows too if `certified`:
    /// certificates bind themselves to them.
    ///
    /// # Errors
    /// If a file cannot be read any more.
    pub fn records(&self, certified: bool, watch: &dyn Watch) -> Result<Vec<InputRecord>, Error> {
        self.records_by(|table| {
            if certified {
                let digests = table.digests_with_values(watch)?.into_iter();
                return Ok(digests.map(|FileDigests { sha256, blake3 }| (sha256, Some(blake3))).collect());
            }
            Ok(table.digests(watch)?.into_iter().map(|sha256| (sha256, None)).collect())
        })
    }

    /// As [`Inputs::records`], with digests of the files that are known already.
    ///
    /// # Errors
    /// If a file is not among them, or changed since it was digested or since it was opened.
    pub fn records_known(
        &self,
        digests: &Digests,
        certified: bool,
        watch: &dyn Watch,
    ) -> Result<Vec<InputRecord>, Error> {
        let records = self.records_by(|table| {
            let known = |file: &SourceFile| digests.get(&file.path).unwrap_or_default().to_owned();
            let known = table.files().iter().map(known);
            if certified {
                return Ok(known.zip(table.value_digests(watch)?.into_iter().map(Some)).collect());
            }
            Ok(known.map(|sha256| (sha256, None)).collect())
        })?;
        self.check_unchanged()?;
        self.model_files().iter().try_for_each(|path| digests.check_unchanged(path))?;
        // Of a model, the digest is one of all of its files.
        for InputRecord { path, sha256, .. } in records.iter().filter(|record| record.role != MODEL) {
            digests.check_unchanged(path)?;
            if digests.get(path) != Some(sha256) {
                return Err(DataError::Changed { file: path.clone(), what: "its digest differs" }.into());
            }
        }
        Ok(records)
    }

    /// `digests` finds for every file of a table the digest of the file and, if wanted, that of the values in it.
    fn records_by(
        &self,
        digests: impl Fn(&Representation) -> Result<Vec<(String, Option<String>)>, Error>,
    ) -> Result<Vec<InputRecord>, Error> {
        let mut records = Vec::new();
        for (role, table) in self.tables().into_iter().chain(self.near()) {
            for (file, (sha256, blake3)) in table.files().iter().zip(digests(table)?) {
                records.push(InputRecord {
                    role: role.into(),
                    path: file.path.clone(),
                    format: file.format.name().into(),
                    tensor: file.tensor.clone(),
                    rows: file.rows,
                    columns: Some(file.dim),
                    dtype: Some(file.dtype.into()),
                    bytes: file.bytes,
                    sha256,
                    blake3,
                    cached: table.is_cached(),
                });
            }
        }
        for (role, file) in self.texts() {
            records.push(InputRecord {
                role: role.into(),
                path: file.path.clone(),
                format: file.columnar.map_or("jsonl", Columnar::name).into(),
                tensor: None,
                rows: file.rows,
                columns: None,
                dtype: None,
                bytes: file.bytes,
                sha256: file.digest.clone(),
                blake3: None,
                cached: false,
            });
        }
        records.extend(self.values().map(|(role, file)| InputRecord {
            role: role.into(),
            path: file.path.clone(),
            format: file.format.into(),
            tensor: None,
            rows: file.rows,
            columns: None,
            dtype: None,
            bytes: file.bytes,
            sha256: file.sha256.clone(),
            blake3: None,
            cached: false,
        }));
        records.extend(self.read_text.iter().filter_map(ReadText::model_record));
        Ok(records)
    }

    /// All input files.
    pub fn paths(&self) -> Vec<&Path> {
        let tables = self.tables().into_iter().flat_map(|(_, table)| table.files()).map(|file| file.path.as_path());
        tables
            .chain(self.texts().map(|(_, file)| file.path.as_path()))
            .chain(self.values().map(|(_, file)| file.path.as_path()))
            .chain(self.rules.near.iter().flat_map(Representation::files).map(|file| file.path.as_path()))
            .collect()
    }

    /// Files of one value a row, and lists of rows.
    pub(super) fn values(&self) -> impl Iterator<Item = (&'static str, &ValueFile)> {
        let groups = self.groups().into_iter().flat_map(|groups| &groups.file).map(|file| ("query-groups", file));
        let weights = self.weights.file.iter().map(|file| ("query-weights", file));
        let tokenizer = self.rules.tokenizer.iter().map(|file| ("tokenizer", file));
        groups.chain(weights).chain(self.rules.files.iter().map(|(role, file)| (*role, file))).chain(tokenizer)
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = (&'static str, &JsonlFile)> {
        let pool = self.examples().into_iter().flat_map(JsonlRows::files).map(|file| ("pool-jsonl", file));
        pool.chain(self.query_examples().into_iter().flat_map(JsonlRows::files).map(|file| ("query-jsonl", file)))
    }

    /// Rows to which chosen rows must not be near.
    pub(super) fn near(&self) -> impl Iterator<Item = (&'static str, &Representation)> {
        self.rules.near.iter().map(|table| ("exclude-near", table))
    }
}
