//! The weights of a folder: tensors by name, checked and converted to `f32`.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use kantor_solvers::Watch;
use kantor_theory::json;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use super::folder::{Folder, HOW};
use super::tensors::{HEAD, Tensors};
use crate::source::Source;
use crate::source::memory::{Allowance, Claim};
use crate::source::whole::Whole;
use crate::source::{DataError, safetensors as tables};

/// Files of weights, mapped while they are read.
pub(super) struct Files {
    sources: Vec<(String, Source)>,
    /// What the folder must hold.
    how: &'static str,
}

/// The name of the only file, and of the list of several.
const ONE: &str = "model.safetensors";
const SEVERAL: &str = "model.safetensors.index.json";

/// Weights as PyTorch pickles them, which is not read.
const PICKLED: &str = "pytorch_model.bin";

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Files {
    /// Opens the files of weights of this part of a folder (`""`, or a name with a slash at its end), and notes their digests.
    pub(super) fn open(folder: &mut Folder, part: &str, watch: &dyn Watch) -> Result<Self, DataError> {
        let several = format!("{part}{SEVERAL}");
        let names: Vec<String> = if folder.has(&several) && !folder.has(&format!("{part}{ONE}")) {
            let bytes = folder.read(&several, Whole::ModelSettings)?;
            let index: Index = json::from_slice(&bytes)
                .map_err(|error| folder.bad(&several, format!("cannot be read: {error}"), HOW))?;
            let mut names: Vec<String> = index.weight_map.into_values().collect();
            names.sort_unstable();
            names.dedup();
            let is_outside = |name: &&String| name.contains(['/', '\\']) || name.starts_with('.');
            if let Some(name) = names.iter().find(is_outside) {
                return Err(folder.bad(&several, format!("names the file `{name}`"), "weights are in the same folder"));
            }
            names
        } else {
            vec![ONE.to_owned()]
        };
        let names = names.into_iter().map(|name| format!("{part}{name}"));
        let mut sources = Vec::new();
        for name in names {
            if !folder.has(&name) && folder.has(&format!("{part}{PICKLED}")) {
                let remedy = "a pickle is not executed: load the model and save it anew with \
                              save_pretrained(…, safe_serialization=True)";
                return Err(folder.bad(&name, format!("is not there, only {PICKLED}"), remedy));
            }
            sources.push(source(folder, name, HOW, watch)?);
        }
        Ok(Self { sources, how: HOW })
    }

    /// Opens one file of weights of a folder, which holds what `how` says, and notes its digest.
    pub(super) fn one(
        folder: &mut Folder,
        name: &str,
        how: &'static str,
        watch: &dyn Watch,
    ) -> Result<Self, DataError> {
        Ok(Self { sources: vec![source(folder, name.to_owned(), how, watch)?], how })
    }

    /// All tensors of the files. What they take in `f32` is counted.
    /// `known` is a name that is among them; whatever stands before it stands before all.
    pub(super) fn weights<'a>(
        &'a self,
        folder: &'a Folder,
        known: &str,
        allowance: &Allowance,
    ) -> Result<Weights<'a>, DataError> {
        let mut tensors = BTreeMap::new();
        let mut claim = Claim::new(allowance, &self.sources[0].1.path);
        for (name, source) in &self.sources {
            tables::check(&source.path, source.bytes(), &mut claim).map_err(|error| of_model(error, self.how))?;
            let all = SafeTensors::deserialize(source.bytes())
                .map_err(|error| folder.bad(name, format!("cannot be read: {error}"), self.how))?;
            for (tensor, view) in all.iter() {
                tensors.insert(tensor.to_owned(), view);
            }
        }
        let prefix = tensors.keys().find_map(|name| name.strip_suffix(known));
        let prefix = prefix.unwrap_or_default().to_owned();
        let numbers: usize = tensors.values().map(|view| view.shape().iter().product::<usize>()).sum();
        claim.add(
            4 * numbers as u64,
            "the weights of the model",
            "allow more with --max-memory, or take a smaller model",
        )?;
        claim.keep();
        Ok(Weights { folder, file: &self.sources[0].0, tensors, prefix, how: self.how })
    }

    /// Fails if a file was changed while it was read.
    pub(super) fn check(&self) -> Result<(), DataError> {
        self.sources.iter().try_for_each(|(_, source)| source.check_unchanged())
    }
}

fn source(
    folder: &mut Folder,
    name: String,
    how: &'static str,
    watch: &dyn Watch,
) -> Result<(String, Source), DataError> {
    if !folder.has(&name) {
        return Err(folder.bad(&name, "is not there", how));
    }
    let source = Source::open(&folder.path.join(&name)).map_err(|error| of_model(error, how))?;
    watch.begin("read the model", source.identity.bytes);
    folder.note(&name, source.digest(watch)?);
    Ok((name, source))
}

/// The same fault, whose remedy is for files of rows, of a file of weights.
fn of_model(error: DataError, how: &'static str) -> DataError {
    match error {
        DataError::Malformed { file, fault, .. } => DataError::malformed(&file, fault, how),
        DataError::Empty { file, fault } => DataError::malformed(&file, fault, how),
        other => other,
    }
}

/// The tensors of some files.
pub(super) struct Weights<'a> {
    folder: &'a Folder,
    file: &'a str,
    tensors: BTreeMap<String, safetensors::tensor::TensorView<'a>>,
    /// What all names begin with.
    prefix: String,
    how: &'static str,
}

impl Weights<'_> {
    /// Tensors in the files.
    pub(super) fn len(&self) -> usize {
        self.tensors.len()
    }
}

impl Tensors for Weights<'_> {
    fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, DataError> {
        let prefix = if name == HEAD { "" } else { &self.prefix };
        let name = format!("{prefix}{name}");
        let Some(view) = self.tensors.get(&name) else {
            return Err(self.folder.bad(self.file, format!("has no tensor `{name}`"), self.how));
        };
        let stated = view.shape();
        if stated != shape {
            let fault = format!("has `{name}` of shape {stated:?}, where the settings ask for {shape:?}");
            return Err(self.folder.bad(self.file, fault, "take settings and weights that belong together"));
        }
        let number = match view.dtype() {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            other => {
                let fault = format!("has `{name}` of type {other:?}");
                return Err(self.folder.bad(self.file, fault, "weights of f32, f16 and bf16 are read"));
            }
        };
        let read = Tensor::from_raw_buffer(view.data(), number, shape, &Device::Cpu);
        let tensor = read.and_then(|read| read.to_dtype(DType::F32)).map_err(|error| self.failed(&error))?;
        match largest(&tensor).map_err(|error| self.failed(&error))? {
            most if most.is_finite() => Ok(tensor),
            _ => Err(self.folder.bad(self.file, format!("has numbers in `{name}` that are not finite"), self.how)),
        }
    }

    fn failed(&self, error: &candle_core::Error) -> DataError {
        self.folder.bad(self.file, format!("cannot be used: {error}"), self.how)
    }
}

/// The largest of the numbers, whatever their signs; NaN if one is.
pub(super) fn largest(tensor: &Tensor) -> candle_core::Result<f32> {
    // A sum hides no NaN, as a maximum may.
    let sum = tensor.abs()?.sum_all()?.to_scalar::<f32>()?;
    if sum.is_nan() { Ok(sum) } else { tensor.abs()?.max_all()?.to_scalar::<f32>() }
}
