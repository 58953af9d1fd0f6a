//! Low-rank maps beside those of a model (LoRA, arXiv 2106.09685), and their files as PEFT lays them out.

use std::collections::BTreeMap;

use candle_core::{Tensor, Var};
use kantor_solvers::Watch;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::represent::encoder::LoraSettings;
use crate::represent::models::causal::Shape;
use crate::represent::models::folder::Folder;
use crate::represent::models::tensors::Tensors;
use crate::represent::models::weights::Files;
use crate::source::DataError;
use crate::source::memory::Allowance;

/// Maps of a layer, in the order in which their gradients stand in a row.
pub(super) const TARGETS: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

const SETTINGS: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";

/// What a folder of a checkpoint must hold.
pub(super) const HOW: &str = "give checkpoints as `kantor warmup` writes them: adapter_config.json and adapter_model.safetensors as PEFT \
                              writes them, exp_avg.safetensors, exp_avg_sq.safetensors and checkpoint.json";

/// What names of tensors begin with in the files.
const PREFIX: &str = "base_model.model.model.";

/// The low-rank maps of all layers.
pub(super) struct Lora {
    pub(super) settings: LoraSettings,
    /// Down and up, rank × from and to × rank, by layer and target.
    pub(super) maps: BTreeMap<(usize, usize), (Var, Var)>,
}

/// Names of all tensors of an adapter with their shapes, in the order in which their gradients stand in a row.
pub(super) fn tensors(settings: &LoraSettings, shape: &Shape) -> Vec<(String, [usize; 2])> {
    let mut all = Vec::new();
    for (layer, target) in places(settings, shape) {
        let (from, to) = sizes(target, shape);
        let block = if target < 4 { "self_attn" } else { "mlp" };
        let name = format!("layers.{layer}.{block}.{}", TARGETS[target]);
        all.push((format!("{name}.lora_A.weight"), [settings.rank, from]));
        all.push((format!("{name}.lora_B.weight"), [to, settings.rank]));
    }
    all
}

/// Numbers of an adapter.
pub(super) fn numbers(settings: &LoraSettings, shape: &Shape) -> usize {
    tensors(settings, shape).iter().map(|(_, [rows, columns])| rows * columns).sum()
}

/// Layers and targets that have a map.
fn places(settings: &LoraSettings, shape: &Shape) -> Vec<(usize, usize)> {
    let is_asked = |target: &usize| settings.targets.iter().any(|name| name == TARGETS[*target]);
    (0..shape.layers).flat_map(|layer| (0..TARGETS.len()).filter(is_asked).map(move |target| (layer, target))).collect()
}

fn sizes(target: usize, shape: &Shape) -> (usize, usize) {
    let (queries, keys) = (shape.heads * shape.head, shape.key_heads * shape.head);
    match target {
        0 => (shape.width, queries),
        1 | 2 => (shape.width, keys),
        3 => (queries, shape.width),
        4 | 5 => (shape.width, shape.wide),
        _ => (shape.wide, shape.width),
    }
}

/// Settings that can be used, with targets in their order; or what is wrong with them.
pub(super) fn checked(settings: &LoraSettings) -> Result<LoraSettings, String> {
    /// Of maps that are still low.
    const HIGHEST: usize = 1 << 16;
    if !(1..=HIGHEST).contains(&settings.rank) {
        return Err(format!("a rank of {}: 1 to {HIGHEST} are read", settings.rank));
    }
    if !(settings.alpha.is_finite() && settings.alpha > 0.0) {
        return Err(format!("an alpha of {}", settings.alpha));
    }
    if let Some(other) = settings.targets.iter().find(|name| !TARGETS.contains(&&name[..])) {
        return Err(format!("a target `{other}`: known are {}", TARGETS.join(", ")));
    }
    let targets = TARGETS.iter().filter(|known| settings.targets.iter().any(|name| name == *known));
    let targets: Vec<String> = targets.map(|&name| name.to_owned()).collect();
    if targets.is_empty() { Err("no target".to_owned()) } else { Ok(LoraSettings { targets, ..settings.clone() }) }
}

impl Lora {
    /// Maps that change nothing yet: down is random, uniform within 1/√from, up is zero.
    pub(super) fn fresh(settings: LoraSettings, shape: &Shape, seed: u64) -> candle_core::Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let device = &candle_core::Device::Cpu;
        let made = tensors(&settings, shape).into_iter().enumerate().map(|(at, (_, [rows, columns]))| {
            let (is_up, most) = (at % 2 == 1, 1.0 / (columns as f32).sqrt());
            let mut number = || if is_up { 0.0 } else { rng.random_range(-most..most) };
            Var::from_vec((0..rows * columns).map(|_| number()).collect::<Vec<f32>>(), (rows, columns), device)
        });
        let made = made.collect::<candle_core::Result<Vec<_>>>()?;
        Ok(Self::of(settings, shape, made))
    }

    pub(super) fn of(settings: LoraSettings, shape: &Shape, tensors: Vec<Var>) -> Self {
        let pairs = tensors.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        let maps = places(&settings, shape).into_iter().zip(pairs).collect();
        Self { settings, maps }
    }

    /// Reads the adapter of a folder.
    pub(super) fn read(
        folder: &mut Folder,
        shape: &Shape,
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<Self, DataError> {
        let settings = settings(folder)?;
        let read = numbers_of(folder, WEIGHTS, &settings, shape, allowance, watch)?;
        let vars = read.iter().map(Var::from_tensor).collect::<candle_core::Result<Vec<_>>>();
        let vars = vars.map_err(|error| folder.bad(WEIGHTS, format!("cannot be used: {error}"), HOW))?;
        Ok(Self::of(settings, shape, vars))
    }

    /// What is multiplied to the low-rank maps.
    pub(super) fn scale(&self) -> f64 {
        self.settings.alpha / self.settings.rank as f64
    }

    /// All tensors, in the order in which their gradients stand in a row.
    pub(super) fn vars(&self) -> impl Iterator<Item = &Var> {
        self.maps.values().flat_map(|(down, up)| [down, up])
    }

    /// Its files: names and content.
    pub(super) fn files(&self, shape: &Shape) -> Result<[(&'static str, Vec<u8>); 2], String> {
        let LoraSettings { rank, alpha, targets } = &self.settings;
        let settings = json!({
            "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": null, "r": rank, "lora_alpha": alpha,
            "lora_dropout": 0.0, "target_modules": targets, "bias": "none", "fan_in_fan_out": false, "inference_mode": true,
            "init_lora_weights": true, "modules_to_save": null, "use_rslora": false, "use_dora": false,
        });
        let mut settings = serde_json::to_vec_pretty(&settings).map_err(|error| error.to_string())?;
        settings.push(b'\n');
        let numbers: Vec<Vec<f32>> = self
            .vars()
            .map(|var| var.flatten_all()?.to_vec1())
            .collect::<candle_core::Result<_>>()
            .map_err(|error| error.to_string())?;
        Ok([(SETTINGS, settings), (WEIGHTS, packed(&self.settings, shape, &numbers)?)])
    }
}

/// A safetensors file with tensors of an adapter's names and shapes.
pub(super) fn packed(settings: &LoraSettings, shape: &Shape, numbers: &[Vec<f32>]) -> Result<Vec<u8>, String> {
    let views = tensors(settings, shape).into_iter().zip(numbers).map(|((name, of), numbers)| {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
        (format!("{PREFIX}{name}"), of.to_vec(), bytes)
    });
    let views: Vec<(String, Vec<usize>, Vec<u8>)> = views.collect();
    let views = views.iter().map(|(name, of, bytes)| {
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, of.clone(), bytes);
        view.map(|view| (name, view)).map_err(|error| error.to_string())
    });
    let said = [("format".to_owned(), "pt".to_owned())].into();
    safetensors::serialize(views.collect::<Result<Vec<_>, String>>()?, Some(said)).map_err(|error| error.to_string())
}

/// The tensors of a file with those of an adapter and no others, in their order.
pub(super) fn numbers_of(
    folder: &mut Folder,
    name: &str,
    settings: &LoraSettings,
    shape: &Shape,
    allowance: &Allowance,
    watch: &dyn Watch,
) -> Result<Vec<Tensor>, DataError> {
    let files = Files::one(folder, name, HOW, watch)?;
    let wanted = tensors(settings, shape);
    let weights = files.weights(folder, &wanted[0].0, allowance)?;
    if weights.len() != wanted.len() {
        let fault = format!("has {} tensors, where adapter_config.json asks for {}", weights.len(), wanted.len());
        return Err(folder.bad(name, fault, HOW));
    }
    let read = wanted.iter().map(|(name, of)| weights.get(name, of)).collect::<Result<_, _>>()?;
    files.check()?;
    Ok(read)
}

/// What `adapter_config.json` says, as far as it is read; what else it may say must leave the maps as they are.
fn settings(folder: &mut Folder) -> Result<LoraSettings, DataError> {
    #[derive(Deserialize)]
    struct Settings {
        r: usize,
        lora_alpha: f64,
        target_modules: Value,
        #[serde(flatten)]
        more: BTreeMap<String, Value>,
    }
    let said: Settings = folder.json(SETTINGS)?;
    let refuse = |fault: String| {
        let remedy =
            "adapters of kind LORA on named maps of the layers, of one rank and without more to train, are read";
        Err(folder.bad(SETTINGS, fault, remedy))
    };
    let usual = |name: &str, values: &[Value]| {
        let value = said.more.get(name).unwrap_or(&Value::Null);
        let is_empty = value.as_object().is_some_and(serde_json::Map::is_empty);
        value.is_null() || is_empty || value == &Value::Bool(false) || values.contains(value)
    };
    let others = [
        ("peft_type", &[json!("LORA")][..]),
        ("bias", &[json!("none")]),
        ("modules_to_save", &[]),
        ("fan_in_fan_out", &[]),
        ("use_rslora", &[]),
        ("use_dora", &[]),
        ("lora_bias", &[]),
        ("rank_pattern", &[]),
        ("alpha_pattern", &[]),
        ("layers_to_transform", &[]),
        ("layer_replication", &[]),
        ("trainable_token_indices", &[]),
        ("alora_invocation_tokens", &[]),
        ("use_qalora", &[]),
        ("arrow_config", &[]),
        ("exclude_modules", &[]),
        ("target_parameters", &[]),
    ];
    if let Some((name, _)) = others.iter().find(|(name, values)| !usual(name, values)) {
        return refuse(format!("has {name} = {}", said.more[*name]));
    }
    let names = |list: &Vec<Value>| list.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<_>>();
    let Some(targets) = said.target_modules.as_array().and_then(names) else {
        return refuse(format!("has target_modules = {}", said.target_modules));
    };
    match checked(&LoraSettings { rank: said.r, alpha: said.lora_alpha, targets }) {
        Ok(settings) => Ok(settings),
        Err(fault) => refuse(format!("has {fault}")),
    }
}
