//! Budgets in tokens: every method keeps to them, certificates state them, and what they do not go with is said before the work.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

use crate::support::{example, indices, json, kantor, printed_json, select_example, write_npy};

/// `select` on the bundled data with the words of responses as tokens.
fn select(out: &Path, more: &[&str]) -> Command {
    let mut command = select_example(out, more);
    command.arg("--pool-jsonl").arg(example("pool.jsonl.gz")).args(["--tokens", "words:response"]);
    command
}

fn rows(dir: &Path) -> Vec<usize> {
    indices(&dir.join("indices.npy")).into_iter().map(|row| row as usize).collect()
}

/// The lengths that a result was made with.
fn lengths(out: &Path) -> Vec<u64> {
    let lines = fs::read_to_string(out.join("columns.jsonl")).unwrap();
    let length =
        |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["words"].as_f64().unwrap() as u64;
    lines.lines().map(length).collect()
}

#[test]
fn every_method_keeps_to_budgets_in_tokens_and_certificates_verify() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    let methods =
        "optimal,random,mean-similarity,round-robin,doubly-greedy,knn-uniform,knn-kde,knn-tv,kde-ratio,uot,energy,mmd";
    select(&out, &["--token-budget", "2k,20_000", "--method", methods, "--list-cap", "50"])
        .assert()
        .success()
        .stdout(contains("tokens used").and(contains("budgets in tokens, counted by `words`")))
        .stderr(contains("at 2000 tokens the interval may be wide").and(contains("at 20000 tokens").not()));
    let (lengths, manifest) = (lengths(&out), json(&out.join("manifest.json")));
    assert_eq!(manifest["parameters"]["budgets_in_tokens"], true);
    let mut best = [0.0f64; 2];
    for result in manifest["results"].as_array().unwrap() {
        let (dir, budget) = (result["dir"].as_str().unwrap(), result["budget"].as_u64().unwrap());
        assert_eq!(dir, format!("{}/t{budget}", result["method"].as_str().unwrap()));
        let rows = rows(&out.join(dir));
        let used: u64 = rows.iter().map(|&row| lengths[row]).sum();
        let said = |key: &str| result["in_tokens"][key].as_u64().unwrap();
        assert_eq!((said("rows"), said("used")), (rows.len() as u64, used), "{dir}");
        assert!(used <= budget && used >= said("least") && 10 * said("least") > 9 * budget, "{dir}: {used}");
        let of = usize::from(budget == 20_000);
        let lower = result["best"]["lower"].as_f64().unwrap();
        assert!(best[of] == 0.0 || best[of] == lower, "{dir}: one bound for all methods");
        best[of] = lower;
        assert!(result["distance"]["lower"].as_f64().unwrap() >= lower - 1e-9, "{dir}");
        if result["method"] == "optimal" && budget == 20_000 {
            assert!(result["excess"].as_f64().unwrap() < 0.01, "{dir}");
        }
    }
    for dir in ["optimal/t20000", "kde-ratio/t2000"] {
        let mut verify = kantor();
        verify.arg("verify").arg(out.join(dir).join("certificate.json"));
        verify.arg("--pool").arg(example("pool.embed.npy")).arg("--query").arg(example("query_gsm8k.embed.npy"));
        verify.assert().success().stdout(contains("every subset of so many tokens").and(contains("by `words`")));
    }
    // Lengths that are not those of the certificate.
    let other = work.path().join("other.txt");
    fs::write(&other, "7\n".repeat(lengths.len())).unwrap();
    let mut verify = kantor();
    verify.arg("verify").arg(out.join("optimal/t2000/certificate.json"));
    verify.arg("--column").arg(format!("words={}", other.display()));
    verify.arg("--pool").arg(example("pool.embed.npy")).arg("--query").arg(example("query_gsm8k.embed.npy"));
    verify.assert().code(1).stdout(contains("digest of its values"));
    let prices = kantor().arg("prices").arg(&out).args(["--method", "optimal"]).assert().success();
    prices.stdout(
        contains("optimal, 2000 tokens: distance at most")
            .and(contains("ends of the budget, if relaxed by one token (proved)"))
            .and(contains("at most 20000 of `words`"))
            .and(contains("tokens of new rows")),
    );
    // The distance of such a choice is that of rows that weigh their lengths.
    let mut distance = kantor();
    distance.arg("distance").arg("--pool").arg(example("pool.embed.npy"));
    distance.arg("--query").arg(example("query_gsm8k.embed.npy")).arg("--json");
    distance.arg("--subset").arg(out.join("optimal/t2000/selection.jsonl"));
    let assert = distance.assert().success().stderr(contains("each weighs its `words`"));
    let found: serde_json::Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    let chosen = manifest["results"].as_array().unwrap().iter().find(|of| of["dir"] == "optimal/t2000").unwrap();
    let (a, b) = (found["lower"].as_f64().unwrap(), chosen["distance"]["lower"].as_f64().unwrap());
    assert!((a - b).abs() < 1e-9, "{a} {b}");
    // Whichever file of the result names the rows; bounds of losses weigh all alike, and say so.
    let subset = |word: &str| {
        let mut command = kantor();
        command
            .arg(word)
            .arg("--pool")
            .arg(example("pool.embed.npy"))
            .arg("--query")
            .arg(example("query_gsm8k.embed.npy"));
        command.arg("--pool-jsonl").arg(example("pool.jsonl.gz"));
        command.arg("--subset").arg(out.join("optimal/t2000/selected.jsonl")).arg("--json").assert().success()
    };
    let again = subset("distance").stderr(contains("each weighs its `words`"));
    let again: serde_json::Value = serde_json::from_slice(&again.get_output().stdout).unwrap();
    assert!((again["lower"].as_f64().unwrap() - b).abs() < 1e-9);
    subset("bound").stderr(contains("these bounds weigh all rows alike"));
}

/// Where all rows that may be chosen are included, kernels had no row left to look at, and failed.
#[test]
fn every_method_answers_where_all_rows_are_included() {
    let work = tempfile::tempdir().unwrap();
    let at = |name: &str| work.path().join(name);
    crate::support::write_npy(&at("p.npy"), 2, &[1.0, 0.2, 0.3, 1.0]);
    crate::support::write_npy(&at("q.npy"), 2, &[1.0, 0.0, 0.5, 0.5, 0.0, 1.0]);
    for (name, text) in [("tok", "1\n1\n"), ("inc", "0\n1\n"), ("qu", ".1\n.2\n")] {
        fs::write(at(name), text).unwrap();
    }
    for objective in ["w", "energy", "mmd"] {
        let words = format!(
            "select --pool p.npy --query q.npy --include inc --column tok=tok --tokens tok --token-budget 2 --quality ./qu \
             --quality-weight 0.1 --method all --objective {objective} -o {objective} --quiet"
        );
        kantor().current_dir(work.path()).args(words.split_whitespace()).assert().success();
        assert_eq!(crate::support::json(&at(objective).join("manifest.json"))["results"].as_array().unwrap().len(), 13);
    }
}

/// Everything at once: quotas in rows and in shares, near-duplicates once, rows kept, quality; every method obeys, both kinds of
/// objective are proved, and prices say what limits cost.
#[test]
fn limits_and_quality_hold_within_budgets_in_tokens() {
    let work = tempfile::tempdir().unwrap();
    let (include, scores) = (work.path().join("include.txt"), work.path().join("scores.txt"));
    fs::write(&include, "7\n4000\n").unwrap();
    fs::write(&scores, (0..5005).map(|i| format!("{}\n", f64::from(i % 9) / 9.0)).collect::<String>()).unwrap();
    let limits = [
        ["--token-budget", "12k"],
        ["--quota", "source:..25%"],
        ["--quota", "source=gpteacher_codegen:12.."],
        ["--dedup", "exact"],
        ["--include", include.to_str().unwrap()],
        ["--quality", scores.to_str().unwrap()],
        ["--quality-weight", "0.05"],
    ]
    .concat();
    for (objective, methods) in [("w", "optimal,round-robin,random,knn-kde"), ("energy", "energy,mean-similarity")] {
        let out = work.path().join(objective);
        let words = [&limits[..], &["--objective", objective, "--method", methods, "--list-cap", "50"]].concat();
        select(&out, &words).assert().success();
        let lines = fs::read_to_string(out.join("columns.jsonl")).unwrap();
        let columns: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let manifest = json(&out.join("manifest.json"));
        let mut gaps = Vec::new();
        for result in manifest["results"].as_array().unwrap() {
            let dir = out.join(result["dir"].as_str().unwrap());
            let (rows, mut of_source) = (rows(&dir), std::collections::HashMap::new());
            let length = |row: usize| columns[row]["words"].as_f64().unwrap();
            let total: f64 = rows.iter().map(|&row| length(row)).sum();
            for &row in &rows {
                let of = of_source.entry(columns[row]["source"].as_str().unwrap()).or_insert((0, 0.0));
                *of = (of.0 + 1, of.1 + length(row));
            }
            assert!(total <= 12_000.0 && of_source.values().all(|of| of.1 <= 3000.0), "{dir:?}: {of_source:?}");
            assert!(
                of_source["gpteacher_codegen"].0 >= 12 && [7, 4000].iter().all(|row| rows.contains(row)),
                "{dir:?}"
            );
            let mean: f64 = rows.iter().map(|&row| length(row) / total * (row % 9) as f64 / 9.0).sum();
            assert!((result["quality"]["mean"].as_f64().unwrap() - mean).abs() < 1e-9, "{dir:?}");
            gaps.push(result["quality"]["gap"].as_f64().unwrap());
            assert!(dir.join("prices.json").exists(), "{dir:?}");
        }
        assert!(gaps[0] >= 0.0 && gaps[0] < 0.02, "{gaps:?}");
        let first = methods.split(',').next().unwrap();
        let mut verify = kantor();
        verify.arg("verify").arg(out.join(first).join("t12000/certificate.json"));
        verify.arg("--pool").arg(example("pool.embed.npy")).arg("--query").arg(example("query_gsm8k.embed.npy"));
        verify.assert().success();
        // Names of columns have the mark in them that parts a name from its file.
        let moved = out.join("moved.jsonl");
        std::fs::rename(out.join("columns.jsonl"), &moved).unwrap();
        let names = columns[0].as_object().unwrap().keys().filter(|name| name.contains("source"));
        let words: Vec<String> =
            names.flat_map(|name| ["--column".to_owned(), format!("{name}={}", moved.display())]).collect();
        assert!(words.iter().any(|word| word.starts_with("words of source=gsm8k_train=")), "{words:?}");
        let rest = ["words", "near-duplicates", "equal-rows"].into_iter().filter(|name| columns[0].get(name).is_some());
        let rest = rest.flat_map(|name| ["--column".to_owned(), format!("{name}={}", moved.display())]);
        let words: Vec<String> = words.into_iter().chain(rest).collect();
        verify.args(&words).assert().success();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/verify.py");
        let mut python = std::process::Command::new("python3");
        python.arg(script).args(verify.get_args().skip(1));
        let printed = python.output().unwrap().stdout;
        assert!(!printed.starts_with(b"{") || String::from_utf8_lossy(&printed).contains("\"verified\""), "{words:?}");
        std::fs::rename(&moved, out.join("columns.jsonl")).unwrap();
        let prices = kantor().arg("prices").arg(&out).args(["--method", first]).assert().success();
        prices.stdout(contains("12000 tokens").and(contains("of `words of source=")));
    }
}

/// What prices say of a limit holds: with the limit relaxed by one row nothing is closer by more.
#[test]
fn relaxed_limits_within_tokens_gain_no_more_than_their_prices_say() {
    let work = tempfile::tempdir().unwrap();
    let run = |name: &str, quota: &str, budget: &str| {
        let out = work.path().join(name);
        select(&out, &["--token-budget", budget, "--quota", quota, "--method", "optimal", "--cross-fit", "2"])
            .assert()
            .success();
        let result = json(&out.join("manifest.json"))["results"][0].clone();
        assert!(result["held_out"]["distance"]["lower"].as_f64().is_some(), "{result}");
        (json(&out.join("optimal").join(format!("t{budget}")).join("prices.json")), result)
    };
    let (prices, strict) = run("strict", "source=gsm8k_train:..40", "9000");
    let upper = |result: &serde_json::Value| result["distance"]["upper"].as_f64().unwrap();
    let line = &prices["limits"][0];
    assert!(line["price"].as_f64().unwrap() > 0.0, "{prices}");
    let (_, relaxed) = run("relaxed", "source=gsm8k_train:..41", "9000");
    assert!(upper(&strict) - upper(&relaxed) <= line["closer_by_at_most"].as_f64().unwrap() + 1e-9);
    let (_, longer) = run("longer", "source=gsm8k_train:..40", "9001");
    let more = prices["tokens"]["closer_by_at_most_with_one_more"].as_f64().unwrap();
    assert!(upper(&strict) - upper(&longer) <= more + 1e-9, "{prices}");
}

#[test]
fn what_budgets_in_tokens_do_not_go_with_is_refused_before_the_work() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    let refused = |more: &[&str], code: i32, words: &str| {
        select(&out, more).assert().code(code).stderr(contains(words));
        assert!(!out.exists(), "{more:?}");
    };
    let budget = ["--token-budget", "1k"];
    refused(&["--token-budget", "1k", "--budget", "10"], 2, "cannot be used with");
    let with = |more: &[&'static str]| [&budget[..], more].concat();
    refused(&with(&["--quota", "source=gsm8k_train:400.."]), 3, "but at most 1000 are asked for");
    refused(&with(&["--quota", "source=gsm8k_train:9000.."]), 3, "but at least 9000 are asked for");
    refused(&with(&["--quota", "source:..1%"]), 3, "tokens");
    refused(&with(&["--diversity", "0.5"]), 2, "--diversity");
    let groups = work.path().join("groups.txt");
    fs::write(&groups, "a\nb\n".repeat(50)).unwrap();
    let balanced = [&budget[..], &["--query-groups", groups.to_str().unwrap(), "--balance-groups"]].concat();
    refused(&balanced, 2, "--balance-groups");
    refused(&["--token-budget", "0"], 2, "at least one token");
    refused(&["--token-budget", "900M"], 2, "900000000 tokens are asked for");
    let mut without = select_example(&out, &budget);
    without.assert().code(2).stderr(contains("--tokens"));
    select(&out, &[]).assert().code(2).stderr(contains("--budget"));

    // Lengths that are no numbers of tokens.
    let lengths = work.path().join("lengths.txt");
    let column = format!("length={}", lengths.display());
    let words = ["--token-budget", "10", "--tokens", "length", "--column", &column];
    fs::write(&lengths, "1.5\n".repeat(5005)).unwrap();
    select_example(&out, &words).assert().code(3).stderr(contains("row 0 has 1.5 of `length`").and(contains("whole")));
    fs::write(&lengths, "11\n".repeat(5005)).unwrap();
    select_example(&out, &words).assert().code(2).stderr(contains("the shortest that may be chosen has 11"));
    let include = work.path().join("include.txt");
    fs::write(&include, "3\n").unwrap();
    let included = [&words[..], &["--include", include.to_str().unwrap()]].concat();
    select_example(&out, &included).assert().code(2).stderr(contains("the rows to be included have 11 of `length`"));
}

#[test]
fn rows_are_included_and_excluded_within_a_budget_in_tokens() {
    let work = tempfile::tempdir().unwrap();
    let (out, list) = (work.path().join("out"), |name: &str| work.path().join(name).display().to_string());
    fs::write(list("include"), "7\n100\n4000\n").unwrap();
    fs::write(
        list("exclude"),
        (0..5005).step_by(3).filter(|row| *row != 4000).map(|row| format!("{row}\n")).collect::<String>(),
    )
    .unwrap();
    let (include, exclude) = (list("include"), list("exclude"));
    let words = [
        "--token-budget",
        "3k",
        "--method",
        "optimal,round-robin,random",
        "--include",
        &include,
        "--exclude",
        &exclude,
    ];
    select(&out, &words).assert().success();
    let lengths = lengths(&out);
    for method in ["optimal", "round-robin", "random"] {
        let dir = out.join(method).join("t3000");
        let rows = rows(&dir);
        assert!([7, 100, 4000].iter().all(|row| rows.contains(row)), "{method}");
        assert!(rows.iter().all(|row| row % 3 != 0 || *row == 4000), "{method}");
        assert!(rows.iter().map(|&row| lengths[row]).sum::<u64>() <= 3000, "{method}");
        let mut verify = kantor();
        verify.arg("verify").arg(dir.join("certificate.json"));
        verify.arg("--pool").arg(example("pool.embed.npy")).arg("--query").arg(example("query_gsm8k.embed.npy"));
        verify.assert().success();
    }
}

/// A pool of rows of length one: the numbers of a budget in rows.
#[test]
fn unit_lengths_are_rows_on_the_command_line() {
    let work = tempfile::tempdir().unwrap();
    let path = |name: &str| work.path().join(name);
    let value = |i: u32| ((i * 2_654_435_761) >> 16) as f32 / 65_536.0 - 0.5;
    write_npy(&path("pool.npy"), 4, &(0..400).map(value).collect::<Vec<_>>());
    write_npy(&path("query.npy"), 4, &(1000..1020).map(value).collect::<Vec<_>>());
    fs::write(path("ones.txt"), "1\n".repeat(100)).unwrap();
    let run = |out: &str, more: &[&str]| {
        let mut command = kantor();
        command.current_dir(work.path()).args(["select", "--pool", "pool.npy", "--query", "query.npy", "-o", out]);
        printed_json(command.args(["--method", "optimal,round-robin,doubly-greedy", "--json"]).args(more))
    };
    let by_rows = run("rows", &["--budget", "10,25"]);
    let by_tokens = run("tokens", &["--token-budget", "10,25", "--tokens", "n", "--column", "n=ones.txt"]);
    let results = |found: &serde_json::Value| found["results"].as_array().unwrap().clone();
    for (rows, tokens) in results(&by_rows).iter().zip(results(&by_tokens)) {
        for place in ["/best/lower", "/distance/lower", "/distance/upper"] {
            let (a, b) =
                (rows.pointer(place).unwrap().as_f64().unwrap(), tokens.pointer(place).unwrap().as_f64().unwrap());
            assert!((a - b).abs() < 1e-9, "{place}: {a} {b}");
        }
        assert_eq!((&rows["budget"], &tokens["in_tokens"]["least"]), (&tokens["budget"], &rows["budget"]));
    }
    // The same from a file of flags, and in a comparison; the random reference is drawn by tokens too.
    fs::write(path("config.toml"), "token-budget = [10, \"25\"]\ntokens = \"n\"\ncolumn = \"n=ones.txt\"\n").unwrap();
    let configured = run("configured", &["--config", "config.toml"]);
    assert_eq!(configured["results"][0]["best"], by_tokens["results"][0]["best"]);
    let mut compare = kantor();
    compare.current_dir(work.path()).args(["compare", "--pool", "pool.npy", "--query", "query.npy", "-o", "compared"]);
    compare.args(["--token-budget", "10,25", "--tokens", "n", "--column", "n=ones.txt", "--random-seeds", "3"]);
    compare.args(["--solver", "exact", "--write-selections"]);
    compare.assert().success();
    let found = json(&path("compared/results.json"));
    assert!(found["references"].as_array().unwrap().iter().all(|of| of["mean"].as_f64() >= of["best"].as_f64()));
    let page = fs::read_to_string(path("compared/report.html")).unwrap();
    assert!(page.contains("10 tokens") && page.contains("budget (tokens chosen)") && !page.contains("10 rows"));
    assert!(path("compared/optimal/t25/certificate.json").exists());
    // Of unit lengths, a solver's distance is that of the certificate.
    let solved = found["solvers"].as_array().unwrap();
    assert!(solved.iter().all(|row| row["status"] == "optimal"), "{solved:?}");
}

#[test]
fn job_files_have_budgets_in_tokens() {
    let work = tempfile::tempdir().unwrap();
    let path = |name: &str| work.path().join(name);
    let value = |i: u32| ((i * 2_654_435_761) >> 16) as f32 / 65_536.0 - 0.5;
    write_npy(&path("pool.npy"), 4, &(0..400).map(value).collect::<Vec<_>>());
    write_npy(&path("query.npy"), 4, &(1000..1020).map(value).collect::<Vec<_>>());
    fs::write(path("lengths.txt"), (0..100).map(|i| format!("{}\n", 1 + i % 7)).collect::<String>()).unwrap();
    let file = |budgets: &str| {
        let text = format!(
            "pool = \"pool.npy\"\nout = \"out\"\nmethods = [\"optimal\", \"random\"]\nseeds = [0, 1]\n{budgets}\n\
             tokens = \"n\"\ncolumn = \"n=lengths.txt\"\n[tasks]\na = \"query.npy\"\n"
        );
        fs::write(path("jobs.toml"), text).unwrap();
        let mut command = kantor();
        command.current_dir(work.path()).args(["batch", "jobs.toml"]);
        command
    };
    file("token-budgets = [40, \"1_00\"]").assert().success();
    for name in ["a/optimal-t40-seed0", "a/random-t100-seed1"] {
        let manifest = json(&path("out").join(name).join("manifest.json"));
        assert!(manifest["results"][0]["in_tokens"]["used"].as_u64() <= manifest["results"][0]["budget"].as_u64());
    }
    // Nothing is done twice.
    let again = printed_json(file("token-budgets = [40, 100]").arg("--json"));
    assert!(again["jobs"].as_array().unwrap().iter().all(|job| job["in_tokens"] == true), "{again}");
    file("budgets = [4]\ntoken-budgets = [40]").assert().code(2).stderr(contains("give one of both"));
    file("budgets = [4]").assert().code(1).stdout(contains("--tokens is read for"));
}

/// A tokenizer of whole words with three known ones; all others are `?`.
const TOKENIZER: &str = r#"{"version": "1.0", "truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst",
"stride": 0}, "padding": null, "added_tokens": [], "normalizer": null, "pre_tokenizer": {"type": "Whitespace"},
"post_processor": null, "decoder": null,
"model": {"type": "WordLevel", "vocab": {"?": 0, "a": 1, "b": 2, "c": 3}, "unk_token": "?"}}"#;

#[test]
fn lengths_by_a_tokenizer_are_counted_or_the_feature_is_named() {
    let work = tempfile::tempdir().unwrap();
    let path = |name: &str| work.path().join(name);
    write_npy(&path("pool.npy"), 2, &[1.0, 0.0, 0.9, 0.1, 0.5, 0.5, 0.0, 1.0]);
    write_npy(&path("query.npy"), 2, &[1.0, 0.2]);
    let lines = ["a b", "a-b", "a, b, c!", ""].map(|text| format!("{}\n", serde_json::json!({"text": text})));
    fs::write(path("pool.jsonl"), lines.concat()).unwrap();
    fs::write(path("tokenizer.json"), TOKENIZER).unwrap();
    let run = |tokens: &str| {
        let mut command = kantor();
        command.current_dir(work.path()).args(["select", "--pool", "pool.npy", "--query", "query.npy", "-o", "out"]);
        command.args(["--pool-jsonl", "pool.jsonl", "--token-budget", "5", "--tokens", tokens, "--method", "optimal"]);
        command.assert()
    };
    if cfg!(not(feature = "tokenizers")) {
        run("tokenizer.json:text").code(3).stderr(contains("--features tokenizers"));
        return;
    }
    fs::write(path("other.json"), "{}").unwrap();
    run("other.json:text").code(3).stderr(contains("other.json").and(contains("no tokenizer")));
    run("tokenizer.json:text").success();
    let columns = fs::read_to_string(path("out/columns.jsonl")).unwrap();
    // Not cut at two, as a model would have it.
    assert_eq!(columns, [2, 3, 6, 0].map(|count| format!("{{\"tokens\":{count}.0}}\n")).concat());
    let manifest = json(&path("out/manifest.json"));
    assert!(manifest["inputs"].as_array().unwrap().iter().any(|input| input["role"] == "tokenizer"));
    // The closest row alone has as many tokens as a choice must have.
    assert_eq!(manifest["results"][0]["in_tokens"]["used"], 3);
}

/// The table of numbers did not say what budgets of tokens were used for, and called words tokens.
#[test]
fn results_of_budgets_in_tokens_have_rows_and_tokens_used() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    let mut compare = kantor();
    compare
        .arg("compare")
        .arg("--pool")
        .arg(example("pool.embed.npy"))
        .arg("--pool-jsonl")
        .arg(example("pool.jsonl.gz"));
    compare.arg("--query").arg(example("query_gsm8k.embed.npy")).args(["--method", "random", "--random-seeds", "2"]);
    compare.args(["--tokens", "words:response", "--token-budget", "2k", "--quiet", "-o"]).arg(&out).assert().success();
    let table = fs::read_to_string(out.join("results.csv")).unwrap();
    let (header, line) = table.split_once('\n').unwrap();
    let used = &json(&out.join("results.json"))["results"][0]["in_tokens"];
    for (name, value) in [("rows", &used["rows"]), ("tokens_used", &used["used"])] {
        let place = header.split(',').position(|column| column == name).unwrap();
        assert_eq!(line.trim().split(',').nth(place), Some(value.to_string().as_str()), "{table}");
    }
}

/// The budget of a file of settings did not go with that of the command line, which wins.
#[test]
fn a_budget_of_the_command_line_wins_over_one_of_the_other_unit_in_a_file() {
    let work = tempfile::tempdir().unwrap();
    let at = |name: &str| work.path().join(name);
    for (file, line, words) in [
        ("rows.toml", "budget = 5\n", ["--token-budget", "1k"]),
        ("tokens.toml", "token-budget = \"1k\"\n", ["--budget", "5"]),
    ] {
        fs::write(at(file), line).unwrap();
        let mut command = select_example(&at(&format!("{file}.out")), &words);
        command.args(["--no-certify", "--quiet", "--config"]).arg(at(file));
        if words[0] == "--token-budget" {
            command.arg("--pool-jsonl").arg(example("pool.jsonl.gz")).args(["--tokens", "words:response"]);
        }
        command.assert().success();
    }
}
