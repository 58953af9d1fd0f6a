//! Checkpoints: folders with an adapter, Adam's moments and the learning rate that led there.

use std::path::{Path, PathBuf};

use candle_core::Tensor;
use kantor_solvers::Watch;
use serde::{Deserialize, Serialize};

use super::adam::Moments;
use super::lora::{HOW, Lora, numbers_of, packed};
use crate::represent::encoder::CheckpointRecord;
use crate::represent::models::causal::Shape;
use crate::represent::models::folder::Folder;
use crate::source::DataError;
use crate::source::memory::Allowance;

const SAID: &str = "checkpoint.json";
const ADAPTER: &str = "adapter_config.json";
const FIRST: &str = "exp_avg.safetensors";
const SECOND: &str = "exp_avg_sq.safetensors";

const SCHEMA: &str = "kantor/checkpoint/1";

/// What a checkpoint says beside its numbers.
#[derive(Debug, Serialize, Deserialize)]
struct Said {
    schema: Option<String>,
    /// The mean learning rate of the steps since the checkpoint before.
    learning_rate: f64,
    /// Steps of the optimiser since the beginning.
    step: Option<usize>,
    /// SHA-256 of the model beside which it was trained, as records of rows have it.
    model: Option<String>,
}

/// A checkpoint that was read.
pub(super) struct Checkpoint {
    pub(super) lora: Lora,
    /// Adam's moments by tensor: means of gradients, and of their squares.
    pub(super) moments: [Vec<Vec<f32>>; 2],
    pub(super) record: CheckpointRecord,
}

impl Checkpoint {
    /// Reads all checkpoints of a folder: itself, or the folders in it, in the order of their names, numbers by their size.
    pub(super) fn all(
        path: &Path,
        model: &str,
        shape: &Shape,
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<Vec<Self>, DataError> {
        let found = folders(path)?;
        let read = found.iter().map(|path| Self::read(path, model, shape, allowance, watch));
        let all: Vec<Self> = read.collect::<Result<_, _>>()?;
        let is_other = |other: &&Self| other.lora.settings != all[0].lora.settings;
        if let Some(at) = all.iter().position(|other| is_other(&other)) {
            let fault = format!("is of another adapter than that of {}", found[0].display());
            return Err(DataError::malformed(&found[at].join(ADAPTER), fault, "give checkpoints of one training"));
        }
        Ok(all)
    }

    fn read(
        path: &Path,
        model: &str,
        shape: &Shape,
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<Self, DataError> {
        let mut folder = Folder::open(path)?;
        if !folder.has(SAID) {
            let remedy = "say the mean learning rate of its steps, as in {\"learning_rate\": 2e-5}";
            return Err(folder.bad(SAID, "is not there", remedy));
        }
        let said: Said = folder.json(SAID)?;
        if !(said.learning_rate > 0.0 && said.learning_rate <= 1.0) {
            return Err(folder.bad(SAID, format!("has learning_rate = {:e}", said.learning_rate), HOW));
        }
        if let Some(other) = said.model.filter(|other| other != model) {
            let fault = format!("was trained beside the model {other}, and the model that is given is {model}");
            return Err(folder.bad(SAID, fault, "give the model beside which the checkpoint was trained"));
        }
        let lora = Lora::read(&mut folder, shape, allowance, watch)?;
        let mut moments = |name: &str| -> Result<Vec<Vec<f32>>, DataError> {
            let read = numbers_of(&mut folder, name, &lora.settings, shape, allowance, watch)?;
            let flat = |tensor: &Tensor| tensor.flatten_all()?.to_vec1();
            let numbers = read.iter().map(flat).collect::<candle_core::Result<_>>();
            numbers.map_err(|error| folder.bad(name, format!("cannot be used: {error}"), HOW))
        };
        let moments = [moments(FIRST)?, moments(SECOND)?];
        if moments[1].iter().flatten().any(|&second| second < 0.0) {
            return Err(folder.bad(SECOND, "has a mean of squares below zero", HOW));
        }
        let record = CheckpointRecord { sha256: folder.digest(), learning_rate: said.learning_rate };
        Ok(Self { lora, moments, record })
    }
}

/// The files of a checkpoint: names and content.
pub(super) fn files(
    lora: &Lora,
    moments: &Moments,
    learning_rate: f64,
    model: &str,
    shape: &Shape,
) -> Result<Vec<(&'static str, Vec<u8>)>, String> {
    let step = usize::try_from(moments.steps).ok();
    let said = Said { schema: Some(SCHEMA.to_owned()), learning_rate, step, model: Some(model.to_owned()) };
    let mut said = serde_json::to_vec_pretty(&said).map_err(|error| error.to_string())?;
    said.push(b'\n');
    let mut files = Vec::from(lora.files(shape)?);
    files.push((FIRST, packed(&lora.settings, shape, &moments.first)?));
    files.push((SECOND, packed(&lora.settings, shape, &moments.second)?));
    files.push((SAID, said));
    Ok(files)
}

/// The folders of the checkpoints in a folder, which may be one itself.
fn folders(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    if path.join(ADAPTER).exists() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).map_err(DataError::io(path, "list it"))?;
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(DataError::io(path, "list it"))?.path();
        if entry.join(ADAPTER).exists() {
            found.push(entry);
        }
    }
    // `checkpoint-80` comes before `checkpoint-160`.
    found.sort_by_cached_key(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let (begin, number) = name.split_at(name.len() - digits);
        (begin.to_owned(), number.parse::<u64>().ok(), number.len())
    });
    if found.is_empty() { Err(DataError::malformed(path, "has no checkpoint in it", HOW)) } else { Ok(found) }
}
