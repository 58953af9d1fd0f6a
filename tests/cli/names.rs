//! Names, numbers and settings on the command line, in `--config` and in job files.

use std::fs;

use kantor_solvers::registry::SELECTORS;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use serde_json::Value;

use crate::support::{example, indices, kantor, printed_json, select_example, write_npy};

#[test]
fn a_mistyped_name_is_answered_with_the_right_one() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    for (words, meant) in [
        (&["--method", "round-robbin"][..], "unknown method `round-robbin`; did you mean `round-robin`?"),
        (&["--method", "random,Energy"], "did you mean `energy`?"),
        (&["--cost", "euclidian"], "'euclidean'"),
        (&["--objective", "enrgy"], "'energy'"),
        (&["--kernel", "gausian"], "'gaussian'"),
        (&["--sampling", "multinomal"], "'multinomial'"),
        (&["--bandwidth", "medain"], "`median`"),
        (&["--on-bad-row", "drpo"], "'drop'"),
        (&["--bugdet", "4"], "'--budget'"),
    ] {
        select_example(&out, &["--budget", "5"]).args(words).assert().code(2).stderr(contains(meant));
    }
    for (words, meant) in [
        (&["distance", "--metric", "chamfer-to-subet"][..], "'chamfer-to-subset'"),
        (&["distance", "--solver", "sinkhron"], "'sinkhorn'"),
        (&["distance", "--reference", "contuing"], "'counting'"),
        (&["compare", "--budget", "5", "-o", "x", "--solver", "exat"], "'exact'"),
        (&["compare", "--budget", "5", "-o", "x", "--method", "knn-uniforn"], "`knn-uniform`"),
        (&["quantiles", "-o", "x", "--method", "mean-similarty"], "`mean-similarity`"),
        (&["selct"], "'select'"),
    ] {
        // The files do not exist: names are looked at first.
        let mut command = kantor();
        command.args(words);
        if words.len() > 1 {
            command.args(["--pool", "none.npy", "--query", "none.npy"]);
        }
        command.assert().code(2).stderr(contains(meant));
    }
    let config = work.path().join("config.toml");
    for (line, meant) in [
        ("methd = \"uot\"", "config.toml: unknown key `methd`; did you mean `method`?"),
        ("config = \"other.toml\"", "config.toml: unknown key `config`"),
        ("method = []", "`method` is an empty list"),
        ("max_memory = \"1G\"", "did you mean `max-memory`?"),
        ("cost = \"cosin\"", "'cosine'"),
        ("cost = false", "`cost` is false: give its value"),
        ("seed = true", "`seed` is true: give its value"),
        ("method = [\"random\", false]", "`method` is false: give its value"),
        ("forbid-overlap = 1", "`forbid-overlap` is set in"),
        ("forbid-overlap = \"true\"", "`forbid-overlap` is set in"),
    ] {
        fs::write(&config, line).unwrap();
        let mut select = select_example(&out, &["--budget", "5", "--config"]);
        select.arg(&config).assert().code(2).stderr(contains(meant)).stderr(contains("config.toml"));
    }
    let jobs = work.path().join("jobs.toml");
    for (line, meant) in [
        ("budgts = [5]", "unknown key `budgts`; did you mean `budgets`?"),
        ("budgets = [5]\nmethods = [\"round-robbin\"]", "did you mean `round-robin`?"),
        ("budgets = [5]\ncost = \"cosin\"", "did you mean `cosine`?"),
        ("budgets = [5]\nepsilonn = 0.1", "did you mean `epsilon`?"),
        ("budgets = [5]\nepsilon = false", "`epsilon` is false: give its value"),
        ("budgets = [5]\non-bad-row = false", "`on-bad-row` is false: give its value"),
    ] {
        fs::write(&jobs, format!("out = \"out\"\npool = \"p.npy\"\n{line}\n[tasks]\na = \"q.npy\"\n")).unwrap();
        kantor().arg("batch").arg(&jobs).assert().code(2).stderr(contains(meant)).stderr(contains("jobs.toml"));
    }
    // Thousands are not grouped by commas.
    let grouped = select_example(&out, &["--budget", "1,000"]).assert().code(3);
    grouped.stderr(contains("a comma separates budgets"));
    // What is like nothing gets the list and no guess.
    let refused = select_example(&out, &["--budget", "5", "--method", "zzz"]).assert().code(2);
    refused.stderr(contains("round-robin").and(contains("did you mean").not()));
    assert!(!out.exists());
}

#[test]
fn settings_out_of_range_are_refused_before_anything_is_read() {
    let work = tempfile::tempdir().unwrap();
    let (config, jobs) = (work.path().join("config.toml"), work.path().join("jobs.toml"));
    for (name, value, rule) in [
        ("alpha", "1.5", "strictly between 0 and 1"),
        ("epsilon", "0", "must be positive"),
        ("list-cap", "0", "at least 1"),
        ("density-bandwidth", "-1", "between 1e-70 and 1e70"),
        ("bandwidth", "-2", "between 1e-70 and 1e70"),
    ] {
        let select = |words: &[&str]| {
            let mut command = kantor();
            command.args(["select", "--pool", "none.npy", "--query", "none.npy", "--budget", "1", "-o", "never"]);
            let said = contains(rule).and(contains(format!("--{name}"))).and(contains(value));
            command.args(words).assert().code(2).stderr(said)
        };
        select(&[&format!("--{name}={value}")]);
        fs::write(&config, format!("{name} = {value}\n")).unwrap();
        select(&["--config", config.to_str().unwrap()]).stderr(contains("config.toml"));
        fs::write(
            &jobs,
            format!("{name} = {value}\nout = \"o\"\npool = \"p.npy\"\nbudgets = [1]\n[tasks]\na = \"q.npy\"\n"),
        )
        .unwrap();
        kantor().arg("batch").arg(&jobs).assert().code(2).stderr(contains("jobs.toml").and(contains(rule)));
    }
}

#[test]
fn every_setting_that_methods_lists_is_a_flag_a_key_of_config_and_of_job_files() {
    let work = tempfile::tempdir().unwrap();
    let printed = printed_json(kantor().args(["methods", "--json"]));
    let text = String::from_utf8(kantor().arg("methods").output().unwrap().stdout).unwrap();
    let help = String::from_utf8(kantor().args(["select", "--help"]).output().unwrap().stdout).unwrap();
    let mut seen = 0;
    for (entry, method) in SELECTORS.iter().zip(printed["methods"].as_array().unwrap()) {
        assert_eq!(method["name"], entry.name);
        for (name, default) in method["defaults"].as_object().unwrap() {
            seen += 1;
            assert!(text.contains(&format!("--{name}")) && help.contains(&format!("--{name}")), "{name}");
            // The flag, and the same in files. The setting without a default takes a number.
            let (words, line) = match default {
                Value::Bool(false) => (vec![format!("--{name}")], format!("{name} = true")),
                Value::String(word) => (vec![format!("--{name}={word}")], format!("{name} = \"{word}\"")),
                Value::Null => (vec![format!("--{name}=0.5")], format!("{name} = 0.5")),
                number => (vec![format!("--{name}={number}")], format!("{name} = {number}")),
            };
            let select = |words: &[String]| {
                let mut command = kantor();
                command.args(["select", "--pool", "none.npy", "--query", "none.npy", "--budget", "1", "-o", "never"]);
                command.args(["--method", entry.name]).args(words);
                // Past the words, to the files that do not exist.
                command.assert().code(4).stderr(contains("none.npy"));
            };
            select(&words);
            let (config, jobs) = (work.path().join("config.toml"), work.path().join("jobs.toml"));
            fs::write(&config, &line).unwrap();
            select(&["--config".to_owned(), config.to_str().unwrap().to_owned()]);
            let head = format!("out = \"out\"\npool = \"none.npy\"\nbudgets = [1]\nmethods = [\"{}\"]", entry.name);
            fs::write(&jobs, format!("{head}\n{line}\n[tasks]\na = \"none.npy\"\n")).unwrap();
            kantor().arg("batch").arg(&jobs).arg("--status").assert().success();
        }
    }
    assert!(seen > 20);
    // The older spelling of one of them.
    select_example(&work.path().join("out"), &["--budget", "5", "--method", "knn-tv", "--compat", "reference"])
        .assert()
        .success();
}

#[test]
fn counts_may_be_grouped_and_multiplied_everywhere() {
    let work = tempfile::tempdir().unwrap();
    let path = |name: &str| work.path().join(name);
    select_example(
        &path("out"),
        &["--budget", "1k,2_0,0_5", "--method", "knn-uniform", "--list-cap", "1K", "--no-certify"],
    )
    .assert()
    .success();
    for budget in [5, 20, 1000] {
        assert_eq!(indices(&path("out").join(format!("knn-uniform/k{budget}/indices.npy"))).len(), budget);
    }
    fs::write(path("config.toml"), "budget = \"1k\"\ncross-fit = \"0_2\"\nno-certify = true\n").unwrap();
    select_example(&path("from-config"), &["--config"]).arg(path("config.toml")).assert().success();
    assert!(path("from-config/round-robin/k1000").exists());
    let numbers: Vec<f32> = (0..1200 * 3).map(|i| ((i * 7919 % 1013) as f32) - 500.0).collect();
    write_npy(&path("pool.npy"), 3, &numbers);
    write_npy(&path("query.npy"), 3, &numbers[3..33]);
    let jobs = "out = \"jobs\"\npool = \"pool.npy\"\nbudgets = [\"1k\", 2_0, \"3_0\"]\nno-certify = true\n\
                kde-cap = \"1k\"\n[tasks]\na = \"query.npy\"\n";
    fs::write(path("jobs.toml"), jobs).unwrap();
    kantor().arg("batch").arg(path("jobs.toml")).assert().success();
    for budget in [20, 30, 1000] {
        assert!(path("jobs").join(format!("a/round-robin-k{budget}-seed0")).exists());
    }
    let on_files = |words: &[&str]| {
        let mut command = kantor();
        command
            .args(words)
            .current_dir(work.path())
            .arg("--pool")
            .arg(path("pool.npy"))
            .arg("--query")
            .arg(path("query.npy"));
        command
    };
    on_files(&["quantiles", "--bins", "0_5", "--take", "1_00", "--no-certify", "-o", "bins"]).assert().success();
    on_files(&["distance", "--solver", "sliced", "--directions", "1k", "--iterations", "1M"]).assert().success();
    kantor().args(["inspect", "--near-rows", "1k"]).arg(path("pool.npy")).assert().success();
    for budget in ["1.5k", "1__0", "_1", "1k0", "k", "-1", "1e3", "99999999999999999999"] {
        let mut select = select_example(&path("never"), &[]);
        select.arg(format!("--budget={budget}")).assert().code(2).stderr(contains("--budget"));
    }
    fs::write(path("jobs.toml"), jobs.replace("1k\", 2", "1.5k\", 2")).unwrap();
    kantor().arg("batch").arg(path("jobs.toml")).assert().code(2).stderr(contains("1.5k"));
}

#[test]
fn progress_names_method_budget_and_fold() {
    let work = tempfile::tempdir().unwrap();
    let words = ["--budget", "60,120", "--method", "round-robin,energy", "--cross-fit", "2", "--verbose"];
    let run = select_example(&work.path().join("out"), &words).assert().success();
    let said = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    for stage in [
        "\nchoosing the best subset: every subset, budgets 60, 120: ",
        "\nchoosing: round-robin, budgets 60, 120: ",
        "\nherding: energy, budgets 60, 120: ",
        "\ncertifying: energy, budget 60: ",
        "\nherding: energy, budgets 60, 120, fold 1 of 2: ",
        "\nchoosing: round-robin, budgets 60, 120, fold 2 of 2: ",
    ] {
        assert!(said.contains(stage), "{stage} is not in\n{said}");
    }
    let words =
        ["--budget", "60", "--method", "random", "--cost", "cosine,euclidean", "--solver", "exact", "--verbose"];
    let mut compare = kantor();
    compare
        .args(["compare", "--pool"])
        .arg(example("pool.embed.npy"))
        .arg("--query")
        .arg(example("query_gsm8k.embed.npy"));
    let run = compare.args(words).arg("-o").arg(work.path().join("compared")).assert().success();
    let said = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    for stage in ["\nchoosing: random, budget 60, cost euclidean: ", "\nrandom reference: cost cosine: "] {
        assert!(said.contains(stage), "{stage} is not in\n{said}");
    }
}

#[test]
fn help_reads_well_in_eighty_columns() {
    let commands = [
        "select",
        "compare",
        "distance",
        "bound",
        "verify",
        "inspect",
        "batch",
        "quantiles",
        "study",
        "methods",
        "solvers",
        "costs",
    ];
    for command in commands.map(|command| vec![command, "--help"]).into_iter().chain([vec!["--help"], vec!["methods"]])
    {
        let run = kantor().args(&command).env("COLUMNS", "80").assert().success();
        let text = String::from_utf8_lossy(&run.get_output().stdout).into_owned();
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{command:?}: {line}");
        }
    }
    kantor().arg("--help").assert().success().stdout(contains("Exit codes: 0 done"));
    // Lines that are laid out by hand are not broken.
    let batch = kantor().args(["batch", "--help"]).env("COLUMNS", "80").assert().success();
    let line = "\n  methods = [\"round-robin\", \"uot\"] # every task with every method, budget, seed\n";
    batch.stdout(contains(line));
}
