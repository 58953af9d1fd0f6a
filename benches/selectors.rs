//! The blocked pass against plain matrix products of the same shape; selectors and certificates against that pass.
//!
//! `cargo bench --bench selectors`; smaller or larger by `N`, `M`, `D`, `BUDGET`, `BLOCK` and `RUNS` in the
//! environment, fewer threads by `RAYON_NUM_THREADS`, fewer lines by `ONLY`, a list of words of which a line must
//! hold one. All candidates take turns in every run, and what is printed is the median over runs of the ratio to the
//! bare pass of the same run, so that a change of load disturbs it little: of wall-clock time, and of the processor time
//! of all threads, which other programs disturb least.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fs::File;
use std::hint::black_box;
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

#[path = "support/constraints.rs"]
mod constraints;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use kantor::certify;
use kantor::output::ResultDirectory;
use kantor::pipeline::{InputSpec, Inputs, Request};
use kantor::problem::{Goal, Problem};
use kantor::record::Run;
use kantor_solvers::relax::budgeted;
use kantor_solvers::relax::herding;
use kantor_solvers::scan;
use kantor_solvers::{Quiet, ScanRequest, Settings, Task, registry};
use kantor_theory::bounds::{Candidates, best_bound};
use kantor_theory::{DenseRows, Kernel, Objective, Power, Statement, sequential};
use npyz::WriterBuilder;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

fn main() {
    let (n, m, d) = (setting("N", 197_000), setting("M", 100), setting("D", 512));
    let (budget, block, runs) = (setting("BUDGET", 10_000).min(n), setting("BLOCK", 512), setting("RUNS", 5));
    let threads = rayon::current_num_threads();
    let (x, q) = clustered(n, m, d);
    let query = DenseRows::from_f32(d, q.clone()).unwrap();
    let pool = DenseRows::from_f32(d, x.clone()).unwrap();
    let problem = Problem::new(&pool, &query, Goal::default()).unwrap();
    let (geometry, task) = (problem.geometry(), Task { block, ..problem.task(0, 1 << 30, &Quiet) });
    println!("N = {n}, M = {m}, d = {d}, blocks of {block} rows, {threads} threads, {runs} runs, load {}", load());

    let select = |name: &str, k: usize| {
        let selector = (registry::selector(name).unwrap().build)(&Settings::default());
        let scanned = scan::scan(&task, selector.needs(&task, k)).unwrap();
        selector.select(&task, &scanned, &[k]).unwrap().remove(0)
    };
    let solve = || {
        let scanned = scan::scan(&task, budgeted::needs(&task, budget)).unwrap();
        let mut solved = budgeted::solve(&task, &scanned, &[budget]).unwrap();
        (solved.budgets.remove(0), solved.lists.or(scanned.lists))
    };
    let only = std::env::var("ONLY").unwrap_or_default();
    let wanted = |name: &str| only.is_empty() || only.split(',').any(|word| name.contains(word));
    // What the certificates are proved from.
    let certified = wanted("certificate").then(|| (solve(), select("round-robin", budget).rows));

    let files = wanted("files").then(|| Files::write(&x, &q, d));

    let free = format!("optimal k={budget}");
    let sets =
        if wanted("constraints") { constraints::sets(&x, d, &select("optimal", budget).rows) } else { Vec::new() };

    let mut candidates: Vec<(String, Box<dyn Fn() + '_>)> = vec![
        ("bare pass".into(), Box::new(|| drop(black_box(scan::scan(&task, ScanRequest::default()))))),
        ("faer, row blocks".into(), Box::new(|| blocked_product(&x, &q, m, d, block))),
        ("faer, one product".into(), Box::new(|| whole_product(&x, &q, m, d))),
    ];
    for entry in registry::SELECTORS {
        candidates
            .push((format!("{} k={budget}", entry.name), Box::new(|| drop(black_box(select(entry.name, budget))))));
    }
    candidates.push((format!("round-robin k={n}"), Box::new(|| drop(black_box(select("round-robin", n))))));
    if let Some(((best, lists), rows)) = &certified {
        candidates.push(("certificate: solve".into(), Box::new(|| drop(black_box(solve())))));
        candidates.push((
            "certificate: best, active rows".into(),
            Box::new(|| {
                drop(black_box(certify::best(geometry, &certify::Terms::default(), best, lists.as_ref()).unwrap()))
            }),
        ));
        candidates.push((
            "certificate: best, 1 thread".into(),
            Box::new(|| {
                let problem = Statement::new(geometry, Power::One, budget);
                let all = Candidates::All;
                black_box(best_bound(geometry, &problem, best.potentials.clone(), all, &sequential).unwrap());
            }),
        ));
        candidates.push((
            "certificate: distance".into(),
            Box::new(|| drop(black_box(certify::distance(geometry, &certify::Terms::default(), rows).unwrap()))),
        ));
    }
    if let Some(files) = &files {
        candidates.push((format!("files to certificate, k={budget}"), Box::new(|| files.select(budget))));
    }
    if wanted("energy") {
        let (geometry, task) = (geometry, &task);
        let herded = move || {
            let solved = herding::choose(task, Kernel::ENERGY, &[budget]).unwrap();
            herding::dual(task, Kernel::ENERGY, &solved.budgets[0]).unwrap().witness
        };
        let witness = herded();
        candidates.push(("energy: choose and relax".into(), Box::new(move || drop(black_box(herded())))));
        candidates.push((
            format!("energy: best from {} rows", witness.rows.len()),
            Box::new(move || {
                let terms = certify::Terms { objective: Objective::Energy, ..certify::Terms::default() };
                black_box(certify::best_under(geometry, &terms, budget, witness.clone()).unwrap());
            }),
        ));
    }
    for (name, set) in &sets {
        let task = Task { constraints: Some(set), ..task };
        let solve = move || {
            let scanned = scan::scan(&task, budgeted::needs(&task, budget)).unwrap();
            budgeted::solve(&task, &scanned, &[budget]).unwrap().budgets.remove(0)
        };
        let found = solve();
        println!("constraints, {name}: {:.4} % above the bound", 100.0 * (found.value / found.lp_value - 1.0));
        candidates.push((format!("constraints: {name}"), Box::new(move || drop(black_box(solve())))));
    }
    candidates.retain(|(name, _)| name == "bare pass" || wanted(name) || !sets.is_empty() && *name == free);
    if wanted("excess") {
        let chosen = &herding::choose(&task, Kernel::ENERGY, &[budget]).unwrap().budgets[0];
        let witness = herding::dual(&task, Kernel::ENERGY, chosen).unwrap().witness;
        let terms = certify::Terms { objective: Objective::Energy, ..certify::Terms::default() };
        let best = certify::best_under(geometry, &terms, budget, witness).unwrap();
        let distance = certify::distance(geometry, &terms, chosen.rows()).unwrap();
        let excess = certify::Certified::new(distance, Some(best)).unwrap().excess();
        println!("energy k={budget}: excess {excess:?} after {:.1} CPU s, files aside", processor_seconds());
    }

    let mut seconds = vec![Vec::new(); candidates.len()];
    let mut processor = seconds.clone();
    let mut peak = vec![0u64; candidates.len()];
    for run in 0..=runs {
        for (at, (_, candidate)) in candidates.iter().enumerate() {
            let before = reset_peak();
            let (start, spent) = (Instant::now(), processor_seconds());
            candidate();
            // The first run warms up and measures memory.
            if run == 0 {
                peak[at] = status("VmHWM:").saturating_sub(before);
            } else {
                seconds[at].push(start.elapsed().as_secs_f64());
                processor[at].push(processor_seconds() - spent);
            }
        }
    }
    let heads = ["seconds", "× pass", "CPU s", "× pass", "GFLOP/s", "peak MB"];
    println!("{:<32}{}", "", heads.map(|head| format!("{head:>11}")).concat());
    for (at, (name, _)) in candidates.iter().enumerate() {
        let ratio = |of: &[Vec<f64>]| median(of[at].iter().zip(&of[0]).map(|(a, b)| a / b).collect());
        let (time, spent) = (median(seconds[at].clone()), median(processor[at].clone()));
        let rate = 2e-9 * (n * m * d) as f64 / time;
        let (wall, cpu, peak) = (ratio(&seconds), ratio(&processor), peak[at] as f64 / 1e3);
        println!("{name:<32}{time:>11.3}{wall:>11.2}{spent:>11.2}{cpu:>11.2}{rate:>11.1}{peak:>11.1}");
    }
    let base = candidates.iter().position(|(name, _)| *name == free);
    for (at, (name, _)) in candidates.iter().enumerate().filter(|(_, (name, _))| name.starts_with("constraints")) {
        let Some(base) = base else { continue };
        let ratio = |of: &[Vec<f64>]| median(of[at].iter().zip(&of[base]).map(|(a, b)| a / b).collect());
        println!("{name:<32}{:>11.2} × `{free}`, {:.2} in processor time", ratio(&seconds), ratio(&processor));
    }
    println!("load {}", load());
}

/// Unit rows in 200 clusters of Zipf size around a common mean; the queries come from 10 of the clusters.
fn clustered(n: usize, m: usize, d: usize) -> (Vec<f32>, Vec<f32>) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut noise = |scale: f32| rng.random_range(-scale..scale);
    let mean: Vec<f32> = (0..d).map(|_| noise(0.5)).collect();
    let centres: Vec<Vec<f32>> = (0..200).map(|_| mean.iter().map(|x| x + noise(1.0)).collect()).collect();
    let mut rows = |count: usize, clusters: usize| {
        let mut rows = Vec::with_capacity(count * d);
        for _ in 0..count {
            // Inverse transform of a continuous Zipf law.
            let cluster = (clusters as f32).powf(f32::midpoint(noise(1.0), 1.0)) as usize - 1;
            let row: Vec<f32> = centres[cluster.min(clusters - 1)].iter().map(|x| x + noise(1.0)).collect();
            let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            rows.extend(row.iter().map(|x| x / norm));
        }
        rows
    };
    (rows(n, 200), rows(m, 10))
}

/// Pool and queries as `.npy` files, and what is chosen from them.
struct Files(PathBuf);

impl Files {
    fn write(pool: &[f32], query: &[f32], d: usize) -> Self {
        let directory = std::env::temp_dir().join(format!("kantor-bench-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        for (name, values) in [("pool.npy", pool), ("query.npy", query)] {
            let shape = [(values.len() / d) as u64, d as u64];
            let file = BufWriter::new(File::create(directory.join(name)).unwrap());
            let mut out = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd().unwrap();
            out.extend(values).unwrap();
            out.finish().unwrap();
        }
        Self(directory)
    }

    /// What `kantor select --method optimal` does, from files to files.
    fn select(&self, budget: usize) {
        let begun = Instant::now();
        let spec = InputSpec {
            pool: vec![self.0.join("pool.npy")],
            query: vec![self.0.join("query.npy")],
            ..InputSpec::default()
        };
        let goal = Goal { budgets: vec![budget], ..Goal::default() };
        let request = Request { methods: vec!["optimal".into()], ..Request::default() };
        let inputs = Inputs::open_to_select(&spec, goal.cost, &Quiet).unwrap();
        let staging = ResultDirectory::begin(&self.0.join("out"), true, &inputs.paths()).unwrap();
        let outcome = kantor::pipeline::select(&inputs, &goal, &request, &Quiet).unwrap();
        let run = Run { begun, on_bad_row: spec.on_bad_row };
        kantor::record::write(staging, &inputs, &outcome, run, &Quiet).unwrap();
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn blocked_product(x: &[f32], q: &[f32], m: usize, d: usize, block: usize) {
    let blocks = Mutex::new(x.chunks(block * d));
    rayon::broadcast(|_| {
        let mut out = vec![0.0f32; block * m];
        loop {
            let next = blocks.lock().unwrap().next();
            let Some(rows) = next else { break };
            product(rows, q, m, d, &mut out[..rows.len() / d * m], Par::Seq);
            black_box(&out);
        }
    });
}

fn whole_product(x: &[f32], q: &[f32], m: usize, d: usize) {
    let mut out = vec![0.0f32; x.len() / d * m];
    product(x, q, m, d, &mut out, Par::rayon(0));
    black_box(&out);
}

fn product(x: &[f32], q: &[f32], m: usize, d: usize, out: &mut [f32], par: Par) {
    let n = x.len() / d;
    let (x, q) = (MatRef::from_row_major_slice(x, n, d), MatRef::from_row_major_slice(q, m, d));
    matmul(MatMut::from_row_major_slice_mut(out, n, m), Accum::Replace, x, q.transpose(), 1.0, par);
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Seconds that all threads of this program have spent on processors, in steps of a hundredth (where the system says).
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(") ").next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Forgets the peak so far (where the system can) and returns what is resident, in kB.
fn reset_peak() -> u64 {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    status("VmRSS:")
}

fn status(field: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").map_or_else(|_| "unknown".into(), |text| text.trim().into())
}
