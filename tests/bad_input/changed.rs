//! Files that others change while they are read.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use kantor::batch::{Job, JobPlan, Options, Shard, State};
use kantor::compare as comparing;
use kantor::output::ResultDirectory;
use kantor::pipeline::{Error, InputSpec, Inputs, Request, RuleSpec, select};
use kantor::problem::Goal;
use kantor::quantiles;
use kantor::record::{Copies, Cut, Manifest, Run, write};
use kantor::source::list::{read_list, read_weights};
use kantor::source::{Digests, FaultKind, Labels, OnBadRow, OpenOptions};
use kantor::view::page;
use kantor_solvers::{Quiet, Stopped, Watch};
use kantor_theory::cost::Family;
use kantor_theory::{Cost, Rows};

use crate::support::*;

/// Rows that take many pages.
fn many_rows(files: &Files, name: &str) -> std::path::PathBuf {
    let values: Vec<f32> = (0..64 * 1024).map(|i| (i * 7919 % 10_007) as f32 - 4999.0).collect();
    files.put(name, npy_f32(64, &values))
}

fn set_length(path: &Path, bytes: u64) {
    File::options().write(true).open(path).unwrap().set_len(bytes).unwrap();
}

/// Writes one number anew and gives the file its time of modification back.
fn overwrite(path: &Path) {
    use std::io::{Seek, SeekFrom, Write};
    let modified: SystemTime = std::fs::metadata(path).unwrap().modified().unwrap();
    let mut file = File::options().write(true).open(path).unwrap();
    file.seek(SeekFrom::End(-4)).unwrap();
    file.write_all(&7f32.to_le_bytes()).unwrap();
    file.set_modified(modified).unwrap();
    assert_eq!(std::fs::metadata(path).unwrap().modified().unwrap(), modified);
}

#[cfg(unix)]
#[test]
fn a_table_that_is_cut_while_it_is_mapped_is_an_error_and_no_signal() {
    kantor::source::outlive_cuts().unwrap();
    let files = Files::new();
    let path = many_rows(&files, "pool.npy");
    let mut table = open(&path).unwrap();
    let (mut first, mut last) = ([0.0; 64], [0.0; 64]);
    table.read_row(1023, &mut last);
    set_length(&path, 8192);
    // Pages that were there when they were mapped are lost all the same.
    table.read_row(0, &mut first);
    table.read_row(1023, &mut last);
    assert_eq!((first[0], last), (-4999.0, [0.0; 64]));
    for refused in [
        says(table.check_unchanged(), &["pool.npy", "changed while it was read", "run again when it is complete"]),
        // Not that the lost rows are zero.
        says(table.validate(Family::Angle, OnBadRow::Error, &Quiet), &["pool.npy", "changed while it was read"]),
        says(table.validate(Family::Angle, OnBadRow::Drop, &Quiet), &["pool.npy", "changed while it was read"]),
        says(table.digests(&Quiet), &["pool.npy", "it was cut, or its disk failed"]),
    ] {
        assert_eq!(refused.kind(), FaultKind::Io);
    }
    // The old length does not bring the rows back.
    set_length(&path, 128 + 4 * 64 * 1024);
    says(table.check_unchanged(), &["pool.npy", "changed while it was read"]);
    assert_eq!(open(&path).unwrap().len(), 1024);
}

#[cfg(unix)]
#[test]
fn work_on_a_file_that_is_cut_is_asked_to_stop_and_says_why() {
    kantor::source::outlive_cuts().unwrap();
    let files = Files::new();
    let (pool, query) = (many_rows(&files, "pool.npy"), many_rows(&files, "query.npy"));
    let spec = InputSpec { pool: vec![pool.clone()], query: vec![query], ..InputSpec::default() };
    let inputs = Inputs::open(&spec, Cost::Cosine, &Quiet).unwrap();
    let worked = inputs.guarded(&Quiet, |watch| {
        watch.advance(1)?;
        set_length(&pool, 8192);
        let mut row = [0.0; 64];
        inputs.points().unwrap().0.read_row(1023, &mut row);
        assert_eq!(watch.advance(1), Err(Stopped));
        Ok::<_, Error>("a result that is worth nothing")
    });
    assert!(worked.unwrap_err().to_string().contains("changed while it was read"));
    // A defect that the zeros bring to light is not what is wrong.
    let worked = inputs.guarded(&Quiet, |_| -> Result<(), Error> { panic!("no such row") });
    assert!(worked.unwrap_err().to_string().contains("changed while it was read"));
}

#[test]
fn work_that_fails_on_files_that_stay_fails_for_its_own_reason() {
    let files = Files::new();
    let path = many_rows(&files, "pool.npy");
    let spec = InputSpec { pool: vec![path.clone()], query: vec![path.clone()], ..InputSpec::default() };
    let inputs = Inputs::open(&spec, Cost::Cosine, &Quiet).unwrap();
    let fail = |watch: &dyn Watch| {
        inputs.guarded(watch, |_| Err::<(), _>(Error::Request("too few".into()))).unwrap_err().to_string()
    };
    assert_eq!(fail(&Quiet), "too few");
    // A file that is gone, or whose name another has, is as it was to those who have opened it.
    let elsewhere = files.path("elsewhere.npy");
    std::fs::rename(&path, &elsewhere).unwrap();
    assert_eq!(fail(&Quiet), "too few");
    std::fs::rename(&elsewhere, &path).unwrap();
    overwrite(&path);
    assert!(fail(&Quiet).contains("changed while it was read"));
}

#[cfg(unix)]
#[test]
fn a_change_in_place_is_seen_though_the_time_of_modification_is_set_back() {
    let files = Files::new();
    let path = many_rows(&files, "pool.npy");
    let table = open(&path).unwrap();
    let mut digests = Digests::default();
    digests.add(&path, &Quiet).unwrap();
    table.check_unchanged().unwrap();
    overwrite(&path);
    says(table.check_unchanged(), &["pool.npy", "changed while it was read", "its status changed"]);
    says(digests.check_unchanged(&path), &["pool.npy", "its status changed"]);

    let text = files.put("rows.jsonl", "{\"a\": 1}\n{\"a\": 2}   \n");
    let rows = kantor::source::JsonlRows::scan(std::slice::from_ref(&text), None, &Quiet).unwrap();
    let labels = files.put("labels.txt", "a\nb   \n");
    let groups = Labels::read(&labels, 2, &Quiet).unwrap();
    overwrite(&text);
    overwrite(&labels);
    says(rows.check_unchanged(), &["rows.jsonl", "its status changed"]);
    says(rows.copy(&[0], &Quiet), &["rows.jsonl", "its status changed"]);
    says(groups.file.unwrap().check_unchanged(), &["labels.txt", "its status changed"]);
}

/// Does something once, when the stage of this number begins.
struct At<F> {
    stage: usize,
    begun: AtomicUsize,
    act: F,
}

impl<F: Fn() + Send + Sync> Watch for At<F> {
    fn begin(&self, _: &str, _: u64) {
        if self.begun.fetch_add(1, Ordering::Relaxed) == self.stage {
            (self.act)();
        }
    }

    fn advance(&self, _: u64) -> Result<(), Stopped> {
        Ok(())
    }
}

/// Cuts a pool, and writes it anew in place, at the beginning of every stage of `run`, which must say so; at least
/// `stages` there are.
#[cfg(unix)]
fn refused_at_every_stage(stages: usize, run: impl Fn(&Files, &Path, &dyn Watch) -> Result<(), String>) {
    kantor::source::outlive_cuts().unwrap();
    let acts: [&(dyn Fn(&Path) + Sync); 2] = [&|path| set_length(path, 8192), &overwrite];
    for act in acts {
        for stage in 0.. {
            let files = Files::new();
            let pool = many_rows(&files, "pool.npy");
            let watch = At { stage, begun: AtomicUsize::new(0), act: || act(&pool) };
            let ended = run(&files, &pool, &watch);
            if watch.begun.into_inner() <= stage {
                assert!(stage >= stages && ended.is_ok(), "{stage}: {ended:?}");
                break;
            }
            assert!(
                ended.clone().is_err_and(|e| e.contains("pool.npy: changed while it was read")),
                "{stage}: {ended:?}"
            );
        }
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_changes_while_it_is_inspected() {
    refused_at_every_stage(3, |_, pool, watch| {
        let found = kantor::inspect::inspect(pool, &OpenOptions::default(), watch);
        found.map(|_| ()).map_err(|error| error.to_string())
    });
}

#[cfg(unix)]
#[test]
fn a_job_on_a_pool_that_changes_fails_for_that_reason() {
    refused_at_every_stage(5, |files, pool, watch| {
        let query = vec![many_rows(files, "query.npy")];
        let spec = InputSpec { pool: vec![pool.to_owned()], query, ..InputSpec::default() };
        let ended = by_batch(files, spec, watch);
        assert_eq!(files.path("out/a/round-robin-k5-seed0").exists(), ended.is_ok());
        ended.map(|_| ())
    });
}

/// Pool and a few queries, opened.
fn opened(files: &Files, pool: &Path, watch: &dyn Watch) -> Result<Inputs, Error> {
    let values: Vec<f32> = (0..20 * 64).map(|i| (i * 7919 % 101) as f32 - 20.0).collect();
    let query = vec![files.put("query.npy", npy_f32(64, &values))];
    Inputs::open(&InputSpec { pool: vec![pool.to_owned()], query, ..InputSpec::default() }, Cost::Cosine, watch)
}

/// Fails if anything is left in the place of a result.
fn nothing_left(files: &Files, error: Error) -> String {
    let left: Vec<_> = std::fs::read_dir(files.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| ["pool.npy", "query.npy"].iter().any(|input| name == input)), "{left:?}");
    error.to_string()
}

#[cfg(unix)]
#[test]
fn no_selection_of_a_pool_that_changes_is_written() {
    refused_at_every_stage(10, |files, pool, watch| {
        let run = || {
            let inputs = opened(files, pool, watch)?;
            let methods = ["round-robin", "optimal", "uot", "knn-uniform", "energy"].map(str::to_owned).to_vec();
            let goal = Goal { budgets: vec![20], ..Goal::default() };
            let request = Request { methods, cross_fit: Some(2), ..Request::default() };
            let staging = ResultDirectory::begin(&files.path("out"), false, &inputs.paths())?;
            let outcome = select(&inputs, &goal, &request, watch)?;
            let run = Run { begun: std::time::Instant::now(), on_bad_row: OnBadRow::Error };
            write(staging, &inputs, &outcome, run, watch)
        };
        run().map(|_| ()).map_err(|error| nothing_left(files, error))
    });
}

#[cfg(unix)]
#[test]
fn no_comparison_and_no_quantiles_of_a_pool_that_changes_are_written() {
    refused_at_every_stage(10, |files, pool, watch| {
        let run = || {
            let inputs = opened(files, pool, watch)?;
            let methods = vec!["round-robin".to_owned(), "random".to_owned()];
            let request = comparing::CompareRequest {
                goal: Goal { budgets: vec![20], ..Goal::default() },
                selecting: Request { methods, ..Request::default() },
                costs: vec![Cost::Cosine, Cost::Euclidean],
                random_seeds: 3,
                solvers: None,
                write_selections: Some(Copies::default()),
                on_bad_row: OnBadRow::Error,
                command: Vec::new(),
                begun: std::time::Instant::now(),
            };
            let staging = ResultDirectory::begin(&files.path("out"), false, &inputs.paths())?;
            let compared = comparing::compare(&inputs, &request, watch)?;
            let page = page::comparison(&compared.comparison).unwrap();
            comparing::write(staging, &inputs, &request, &compared, &page, watch)
        };
        run().map_err(|error| nothing_left(files, error))
    });
    refused_at_every_stage(4, |files, pool, watch| {
        let run = || {
            let inputs = opened(files, pool, watch)?;
            let staging = ResultDirectory::begin(&files.path("out"), false, &inputs.paths())?;
            let cut = Cut { bins: 3, take: 20, focus_bin: None };
            let (goal, request) = (Goal::default(), Request::default());
            quantiles::run(staging, &inputs, &goal, &request, cut, OnBadRow::Error, watch)
        };
        run().map(|_| ()).map_err(|error| nothing_left(files, error))
    });
}

/// A list of rows was read at another time than its digest was taken: a result spoke of a list that was not used.
#[cfg(unix)]
#[test]
fn a_result_speaks_of_the_list_of_rows_that_was_used() {
    let mut refused = [0, 0];
    for batch in [false, true] {
        for stage in 0.. {
            let files = Files::new();
            let (pool, list) = (many_rows(&files, "pool.npy"), files.put("list.txt", "1\n2\n"));
            let query = vec![files.put("query.npy", npy_f32(64, &[1.5; 64]))];
            let rules = RuleSpec { exclude: vec![list.clone()], ..RuleSpec::default() };
            let spec = InputSpec { pool: vec![pool], query, rules, ..InputSpec::default() };
            let watch = At { stage, begun: AtomicUsize::new(0), act: || std::fs::write(&list, "3\n4\n").unwrap() };
            let ended = if batch { by_batch(&files, spec, &watch) } else { by_select(&files, &spec, &watch) };
            match ended {
                Ok(manifest) => {
                    let manifest: Manifest = serde_json::from_slice(&std::fs::read(manifest).unwrap()).unwrap();
                    let record = manifest.inputs.iter().find(|input| input.role == "exclude").unwrap();
                    let mut digests = Digests::default();
                    digests.add(&list, &Quiet).unwrap();
                    assert_eq!((record.rows, Some(&*record.sha256)), (2, digests.get(&list)), "{batch} {stage}");
                }
                Err(error) => {
                    assert!(error.contains("list.txt: changed while it was read"), "{batch} {stage}: {error}");
                    refused[usize::from(batch)] += 1;
                }
            }
            if watch.begun.into_inner() <= stage {
                break;
            }
        }
    }
    assert!(refused.iter().all(|&count| count > 2), "{refused:?}");
}

#[cfg(unix)]
fn by_select(files: &Files, spec: &InputSpec, watch: &dyn Watch) -> Result<PathBuf, String> {
    let run = || {
        let inputs = Inputs::open(spec, Cost::Cosine, watch)?;
        let staging = ResultDirectory::begin(&files.path("out"), false, &inputs.paths())?;
        let goal = Goal { budgets: vec![5], ..Goal::default() };
        let outcome = select(&inputs, &goal, &Request::default(), watch)?;
        let run = Run { begun: std::time::Instant::now(), on_bad_row: OnBadRow::Error };
        write(staging, &inputs, &outcome, run, watch)
    };
    run().map(|_| files.path("out/manifest.json")).map_err(|error: Error| error.to_string())
}

#[cfg(unix)]
fn by_batch(files: &Files, spec: InputSpec, watch: &dyn Watch) -> Result<PathBuf, String> {
    let job = Job { task: "a".into(), method: "round-robin".into(), budget: 5, in_tokens: false, seed: 0 };
    let (out, tasks) = (files.path("out"), [("a".to_owned(), spec)].into());
    let request = Request { certify: false, ..Request::default() };
    let plan = JobPlan { out, tasks, jobs: vec![job], goal: Goal::default(), request, copies: Copies::default() };
    let options = Options { parallel: 1, shard: Shard::default() };
    let report = kantor::batch::run(&plan, options, watch, &|_| {}).unwrap();
    match &report.lines[0].state {
        State::Done(_) => Ok(files.path("out/a/round-robin-k5-seed0/manifest.json")),
        State::Failed(failure) => Err(failure.error.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn lists_are_read_once_and_kept() {
    let files = Files::new();
    let path = files.put("w.txt", "1\n2\n");
    assert_eq!(read_weights(&path, 2, 0..2).unwrap(), [1.0, 2.0]);
    let path = files.put("w.npy", npy("<f4", "(2,)", &[0; 8]));
    assert_eq!(read_list(&path, 9).unwrap(), [0.0, 0.0]);
}
