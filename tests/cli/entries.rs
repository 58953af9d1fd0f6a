//! Given matrices whose entries are no similarities or costs, through every command that takes one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use npyz::WriterBuilder as _;
use predicates::str::contains;
use serde_json::{Value, json};

use crate::support::{indices, json as read_json, kantor, printed_json, write_npy};

/// Four queries and six pool rows.
const GOOD: [f32; 24] = [
    0.9, 0.1, 0.3, 0.2, 0.5, 0.4, 0.2, 0.8, 0.1, 0.3, 0.6, 0.5, 0.1, 0.2, 0.7, 0.3, 0.4, 0.6, 0.3, 0.4, 0.2, 0.9, 0.1,
    0.7,
];

/// `GOOD` with another entry of query 1 and pool row 2.
fn matrix(work: &Path, entry: f32) -> PathBuf {
    let mut values = GOOD;
    values[8] = entry;
    let path = work.join("s.npy");
    write_npy(&path, 6, &values);
    path
}

/// Runs every command that takes a matrix, with more words; nothing may be written.
fn refused_everywhere(work: &Path, words: &[&str], settings: &str, said: &[&str]) {
    let (matrix, out) = (work.join("s.npy"), work.join("out"));
    let rows = work.join("rows.txt");
    fs::write(&rows, "0\n2\n").unwrap();
    let out_words = ["-o", out.to_str().unwrap()];
    let subset = ["--subset", rows.to_str().unwrap()];
    let mut commands: Vec<(&str, Vec<&str>)> = vec![
        ("select", [&["--budget", "2"], &out_words[..]].concat()),
        ("select", [&["--budget", "2", "--method", "random", "--no-certify"], &out_words[..]].concat()),
        ("select", [&["--budget", "2", "--method", "mean-similarity", "--cross-fit", "2"], &out_words[..]].concat()),
        ("compare", [&["--budget", "2", "--method", "round-robin,optimal"], &out_words[..]].concat()),
        ("quantiles", [&["--bins", "2", "--take", "1"], &out_words[..]].concat()),
        ("distance", subset.to_vec()),
        ("distance", [&subset[..], &["--solver", "sinkhorn", "--epsilon", "0.1"]].concat()),
        ("distance", [&subset[..], &["--solver", "sinkhorn-newton", "--epsilon", "0.1"]].concat()),
        ("distance", [&subset[..], &["--solver", "partial", "--pool-marginal", "tv:1"]].concat()),
    ];
    // Other metrics have no power.
    if !words.contains(&"--p") {
        commands.push(("distance", [&subset[..], &["--metric", "chamfer-to-subset"]].concat()));
    }
    let expect = |run: &mut assert_cmd::Command, what: &str| {
        let mut run = run.assert().code(3);
        for part in said {
            run = run.stderr(contains(*part));
        }
        assert!(!out.exists(), "{what}");
    };
    for (command, more) in commands {
        let what = format!("{command} {more:?}");
        expect(kantor().arg(command).arg("--similarity").arg(&matrix).args(more).args(words), &what);
    }
    let jobs = work.join("jobs.toml");
    let text = format!(
        "out = \"jobs\"\nmethods = [\"random\"]\nbudgets = [2]\n{settings}\n[tasks]\na = {{ similarity = \"s.npy\" }}\n"
    );
    fs::write(&jobs, text).unwrap();
    let run = kantor().arg("batch").arg(&jobs).arg("--json").output().unwrap();
    assert_ne!(run.status.code(), Some(0));
    let printed = String::from_utf8(run.stdout).unwrap() + &String::from_utf8(run.stderr).unwrap();
    assert!(said.iter().all(|part| printed.contains(part)), "batch: {printed}");
    assert!(!work.join("jobs/a/random-k2-seed0").exists());
}

#[test]
fn similarities_outside_one_are_refused_by_every_command() {
    let work = tempfile::tempdir().unwrap();
    for (entry, value) in [(1.5, "1.5"), (-1.25, "-1.25"), (7.0, "7")] {
        matrix(work.path(), entry);
        let place = format!("query row 1, pool column 2 is {value}, but a cosine lies in [−1, 1]");
        let said = ["s.npy", &place, "--cost precomputed", "normalise the rows"];
        refused_everywhere(work.path(), &[], "", &said);
        refused_everywhere(work.path(), &["--cost", "angular"], "cost = \"angular\"", &said);
    }
}

#[test]
fn negative_costs_are_refused_where_they_would_be_squared() {
    let work = tempfile::tempdir().unwrap();
    let path = matrix(work.path(), -0.5);
    let words = ["--cost", "precomputed", "--p", "2"];
    let said = ["s.npy", "query row 1, pool column 2 is -0.5", "not negative", "--p 1"];
    refused_everywhere(work.path(), &words, "cost = \"precomputed\"\np = 2", &said);
    // A comparison under several costs names the file too.
    matrix(work.path(), 1.5);
    let mut run = kantor();
    run.args(["compare", "--budget", "2", "--method", "random", "--cost", "precomputed,cosine", "--similarity"]);
    run.arg(&path)
        .arg("-o")
        .arg(work.path().join("out"))
        .assert()
        .code(3)
        .stderr(contains("s.npy: entry of query row 1"));
    // With p = 1 they are costs as any.
    matrix(work.path(), -0.5);
    let out = work.path().join("out");
    let mut run = kantor();
    run.args(["select", "--budget", "4", "--method", "optimal", "--cost", "precomputed", "--similarity"]).arg(&path);
    run.arg("-o").arg(&out).assert().success();
}

/// A matrix of doubles, row by row.
fn doubles(path: &Path, dim: usize, values: &[f64]) {
    let shape = [(values.len() / dim) as u64, dim as u64];
    let file = fs::File::create(path).unwrap();
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd().unwrap();
    writer.extend(values.iter().copied()).unwrap();
    writer.finish().unwrap();
}

#[test]
fn costs_whose_sums_or_squares_overflow_are_refused_by_every_command() {
    let work = tempfile::tempdir().unwrap();
    let path = work.path().join("s.npy");
    let row = [1e307, 2e307, 0.0, 1e307, 0.0, 2e307, 1e307];
    doubles(&path, 7, &[row, row].concat());
    let said = ["s.npy", "query row 0, pool column 0 is 1e307", "overflow", "rescale the costs"];
    for p in ["1", "2"] {
        let words = ["--cost", "precomputed", "--p", p];
        refused_everywhere(work.path(), &words, &format!("cost = \"precomputed\"\np = {p}"), &said);
    }
    for method in ["optimal", "random", "doubly-greedy", "knn-uniform"] {
        for budget in ["1", "3", "6"] {
            let mut run = kantor();
            run.args(["select", "--cost", "precomputed", "--p", "2", "--method", method, "--budget", budget]);
            run.arg("--similarity").arg(&path).arg("-o").arg(work.path().join("out")).assert().code(3);
        }
    }
    // What can be added up but not squared.
    let scaled = |by: f64| doubles(&path, 7, &[row, row].concat().iter().map(|x| x / 1e307 * by).collect::<Vec<_>>());
    scaled(1e150);
    let said = ["s.npy", "query row 0, pool column 0 is 1e150", "--p 2", "rescale the costs", "--p 1"];
    refused_everywhere(work.path(), &["--cost", "precomputed", "--p", "2"], "cost = \"precomputed\"\np = 2", &said);
    let run = |p: &str| {
        let mut run = kantor();
        run.args(["select", "--force", "--cost", "precomputed", "--p", p, "--method", "optimal", "--budget", "3"]);
        run.arg("--similarity").arg(&path).arg("-o").arg(work.path().join("out")).assert().success();
    };
    run("1");
    // The largest that can.
    scaled(5e139);
    run("2");
}

/// What rounding leaves of the cosine of equal rows is one, to the choice, to the certificate and to both checkers; what
/// is no cosine neither checker measures.
#[test]
fn both_checkers_read_cosines_beyond_one_alike() {
    let work = tempfile::tempdir().unwrap();
    let path = matrix(work.path(), 1.0 + 8.0 * f32::EPSILON);
    let out = work.path().join("out");
    let mut run = kantor();
    run.args(["select", "--budget", "4", "--method", "optimal,doubly-greedy", "--similarity"]).arg(&path);
    run.arg("-o").arg(&out).assert().success();
    assert_eq!(indices(&out.join("doubly-greedy/k4/indices.npy"))[0], 2);
    let certificate = out.join("optimal/k4/certificate.json");
    let verdict = |certificate: &Path, python: bool| -> Option<(i32, String)> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/verify.py");
        let output = if python {
            Process::new("python3").arg(script).arg(certificate).arg("--similarity").arg(&path).output().ok()?
        } else {
            kantor().arg("verify").arg(certificate).arg("--json").arg("--similarity").arg(&path).output().ok()?
        };
        // Without NumPy there is no second checker.
        let printed: Value = serde_json::from_slice(&output.stdout).ok()?;
        Some((output.status.code()?, printed["verdict"].as_str()?.to_owned()))
    };
    let both = |certificate: &Path, code: i32, word: &str| {
        assert_eq!(verdict(certificate, false), Some((code, word.to_owned())));
        if let Some((_, found)) = verdict(certificate, true) {
            assert_eq!(found, word, "in Python");
        }
    };
    both(&certificate, 0, "verified");
    for words in [["angular", "1"], ["cosine", "2"]] {
        let out = work.path().join("other");
        let mut run = kantor();
        run.args(["select", "--budget", "4", "--method", "optimal", "--force", "--cost", words[0], "--p", words[1]]);
        run.arg("--similarity").arg(&path).arg("-o").arg(&out).assert().success();
        both(&out.join("optimal/k4/certificate.json"), 0, "verified");
    }
    // The same certificate over a matrix that holds no cosine, whose digest it is made to name.
    let digest = |cost: &str| {
        let probe = work.path().join("probe");
        let mut run = kantor();
        run.args(["select", "--budget", "1", "--method", "random", "--force", "--cost", cost]);
        run.arg("--similarity").arg(&path).arg("-o").arg(&probe).assert().success();
        read_json(&probe.join("manifest.json"))["inputs"][0]["blake3"].clone()
    };
    let forged = work.path().join("forged.json");
    let forge = |digest: Value, change: &dyn Fn(&mut Value)| {
        let mut changed = read_json(&certificate);
        changed["inputs"][0]["blake3"] = digest;
        change(&mut changed);
        fs::write(&forged, changed.to_string()).unwrap();
    };
    matrix(work.path(), 1.5);
    forge(digest("precomputed"), &|_| {});
    both(&forged, 1, "cannot-check");
    matrix(work.path(), -0.5);
    let squared =
        |changed: &mut Value| (changed["problem"]["cost"], changed["problem"]["p"]) = (json!("precomputed"), json!(2));
    forge(digest("precomputed"), &squared);
    both(&forged, 1, "cannot-check");
}

/// Parallel rows have the angle zero. No claim of more is believed beyond the roundings of the costs, which the arc cosine
/// of a rounded cosine would make 10⁻⁷.
#[test]
fn the_second_checker_believes_no_angle_between_parallel_rows() {
    let work = tempfile::tempdir().unwrap();
    let (pool, query, out) = (work.path().join("p.npy"), work.path().join("q.npy"), work.path().join("out"));
    let row: Vec<f32> = (0..512).map(|t| (t * t % 101) as f32 - 50.0).collect();
    write_npy(&pool, 512, &row.iter().map(|x| 3.0 * x).chain(row.iter().map(|x| -x)).collect::<Vec<_>>());
    write_npy(&query, 512, &row);
    let mut run = kantor();
    run.args(["select", "--budget", "1", "--method", "optimal", "--cost", "angular", "--pool"]).arg(&pool);
    run.arg("--query").arg(&query).arg("-o").arg(&out).assert().success();
    let written = out.join("optimal/k1/certificate.json");
    let verdict = |certificate: &Path| -> Option<String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/verify.py");
        // As Python 3.10 has it.
        let older = "import hashlib, runpy, sys; vars(hashlib).pop('file_digest', None); sys.argv = sys.argv[1:]; \
                     sys.path.insert(0, 'examples'); runpy.run_path(sys.argv[0], run_name='__main__')";
        let mut run = Process::new("python3");
        run.args(["-c", older]).arg(script).arg(certificate).arg("--pool").arg(&pool).arg("--query").arg(&query);
        // Without NumPy there is no second checker.
        let printed: Value = serde_json::from_slice(&run.output().ok()?.stdout).ok()?;
        Some(printed["verdict"].as_str()?.to_owned())
    };
    let Some(found) = verdict(&written) else { return };
    assert_eq!(found, "verified");
    let mut certificate = read_json(&written);
    certificate["distance"] = json!({"lower": 1e-11, "upper": null});
    certificate["best"] = json!({"lower": 1e-11});
    let evidence = &mut certificate["evidence"];
    (evidence["plan"], evidence["distance_potentials"], evidence["best_potentials"]) =
        (Value::Null, json!([0.25]), json!([1e-3]));
    let forged = work.path().join("forged.json");
    fs::write(&forged, certificate.to_string()).unwrap();
    assert_eq!(verdict(&forged).unwrap(), "weaker");
}

/// The rows of least mean cost, not of least mean squared distance: (0 + 3)/2 = 1.5 against 2.
#[test]
fn mean_similarity_takes_the_row_of_least_mean_cost() {
    let work = tempfile::tempdir().unwrap();
    let (pool, query, out) = (work.path().join("p.npy"), work.path().join("q.npy"), work.path().join("out"));
    write_npy(&pool, 2, &[0.0, 0.0, 1.5, 1.3229]);
    write_npy(&query, 2, &[0.0, 0.0, 3.0, 0.0]);
    for (words, row) in
        [(["euclidean", "1"], 0), (["euclidean", "2"], 1), (["sqeuclidean", "1"], 1), (["sqeuclidean", "2"], 1)]
    {
        let mut run = kantor();
        run.args(["select", "--budget", "1", "--method", "mean-similarity", "--force", "--json", "--cost", words[0]]);
        run.args(["--p", words[1], "--pool"]).arg(&pool).arg("--query").arg(&query).arg("-o").arg(&out);
        printed_json(&mut run);
        assert_eq!(indices(&out.join("mean-similarity/k1/indices.npy")), [row], "{words:?}");
    }
}
