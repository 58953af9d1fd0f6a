//! What `select` writes and prints.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;

use crate::support::{example, indices, json, kantor, printed_json, select_example};

#[test]
fn a_selection_holds_exactly_the_promised_files() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    let examples = example("pool.jsonl.gz");
    let words = ["--budget", "5,20", "--method", "round-robin,random", "--json", "--pool-jsonl"];
    let printed = printed_json(select_example(&out, &words).arg(&examples));

    assert_eq!(printed["schema"], "kantor/select/1");
    assert_eq!(printed["results"].as_array().unwrap().len(), 4);
    let manifest = json(&out.join("manifest.json"));
    assert_eq!(manifest["schema"], "kantor/manifest/1");
    assert_eq!(manifest["parameters"]["budgets"], serde_json::json!([5, 20]));
    assert_eq!(manifest["pool_rows"], 5005);
    assert_eq!(manifest["inputs"].as_array().unwrap().len(), 3);
    for output in manifest["outputs"].as_array().unwrap() {
        let bytes = fs::read(out.join(output["path"].as_str().unwrap())).unwrap();
        assert_eq!(output["bytes"], bytes.len());
    }

    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(fs::File::open(examples).unwrap()).read_to_string(&mut text).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for method in ["round-robin", "random"] {
        for budget in [5, 20] {
            let dir = out.join(method).join(format!("k{budget}"));
            let rows = indices(&dir.join("indices.npy"));
            assert_eq!(rows.len(), budget);
            assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), budget);
            let copied = fs::read_to_string(dir.join("selected.jsonl")).unwrap();
            let expected: String = rows.iter().map(|&row| lines[row as usize]).collect();
            assert_eq!(copied, expected);
            let records = fs::read_to_string(dir.join("selection.jsonl")).unwrap();
            for (rank, record) in records.lines().enumerate() {
                let record: serde_json::Value = serde_json::from_str(record).unwrap();
                assert_eq!(record["rank"], rank);
                assert_eq!(record["index"], rows[rank]);
                assert_eq!(record["id"], format!("c{:05}", rows[rank]));
                assert!(record["nearest_query"].as_u64().unwrap() < 100);
                assert!(record["cost"].as_f64().unwrap() >= 0.0);
            }
        }
        let dir = out.join(method);
        assert_eq!(indices(&dir.join("k20/indices.npy"))[..5], indices(&dir.join("k5/indices.npy"))[..]);
    }
}

/// Whatever stood before `..` was asked to hold the new result.
#[test]
fn a_target_above_the_current_directory_is_made_with_the_directories_in_between() {
    let work = tempfile::tempdir().unwrap();
    let inside = work.path().join("inside");
    fs::create_dir(&inside).unwrap();
    let select = |out: &str| {
        let mut command = select_example(out.as_ref(), &["--budget", "3", "--no-certify"]);
        command.current_dir(&inside).assert()
    };
    select("../new/deep/x").success();
    assert!(work.path().join("new/deep/x/manifest.json").is_file());
    // What `..` leads to is not made up.
    select("nowhere/../x").code(4).stderr(predicates::str::contains("nowhere/../x: No such file or directory"));
    assert_eq!(fs::read_dir(&inside).unwrap().count(), 0);
}

#[test]
fn threads_and_shards_change_nothing() {
    let work = tempfile::tempdir().unwrap();
    let run = |name: &str, pools: &[&std::path::Path], threads: &str| {
        let out = work.path().join(name);
        let mut command = kantor();
        command.args(["select", "--budget", "300", "--threads", threads, "--query"]);
        command.arg(example("query_humaneval.embed.npy")).arg("-o").arg(&out);
        command.args(["--method", "round-robin,doubly-greedy,mean-similarity,knn-uniform,uot"]);
        for pool in pools {
            command.arg("--pool").arg(pool);
        }
        command.assert().success();
        ["round-robin", "doubly-greedy", "mean-similarity", "knn-uniform", "uot"]
            .map(|method| indices(&out.join(method).join("k300/indices.npy")))
    };
    let whole = example("pool.embed.npy");
    let values: Vec<half::f16> = {
        let bytes = fs::read(&whole).unwrap();
        bytes[bytes.len() - 5005 * 384 * 2..].chunks(2).map(|b| half::f16::from_le_bytes([b[0], b[1]])).collect()
    };
    let (first, second) = (work.path().join("a.npy"), work.path().join("b.npy"));
    let widened: Vec<f32> = values.iter().map(|x| x.to_f32()).collect();
    crate::support::write_npy(&first, 384, &widened[..1003 * 384]);
    crate::support::write_npy(&second, 384, &widened[1003 * 384..]);
    let expected = run("one", &[&whole], "1");
    assert_eq!(run("two", &[&whole], "2"), expected);
    assert_eq!(run("shards", &[&first, &second], "2"), expected);
}

#[test]
fn a_config_file_gives_flags_and_flags_win() {
    let work = tempfile::tempdir().unwrap();
    let config = work.path().join("job.toml");
    fs::write(&config, "budget = [3, 4]\nmethod = \"random\"\nseed = 7\nforce = false\n").unwrap();
    let out = work.path().join("out");
    select_example(&out, &["--seed=9", "--config"]).arg(&config).assert().success();
    let manifest = json(&out.join("manifest.json"));
    assert_eq!(manifest["parameters"]["methods"], serde_json::json!(["random"]));
    assert_eq!(manifest["parameters"]["budgets"], serde_json::json!([3, 4]));
    assert_eq!(manifest["seed"], 9);
}

#[test]
fn registries_are_printed_as_tables_and_as_json() {
    for (verb, list) in [("methods", "methods"), ("costs", "costs")] {
        let printed = printed_json(kantor().args([verb, "--json"]));
        let table = kantor().arg(verb).assert().success().get_output().stdout.clone();
        let table = String::from_utf8(table).unwrap();
        for entry in printed[list].as_array().unwrap() {
            assert!(table.contains(entry["name"].as_str().unwrap()));
        }
        if verb == "methods" {
            assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
            let words = table.split_whitespace().collect::<Vec<_>>().join(" ");
            for entry in printed[list].as_array().unwrap() {
                let guarantee = entry["guarantee"].as_str().unwrap();
                assert!(words.contains(guarantee) && !guarantee.starts_with("nothing is stated"), "{entry}");
            }
            assert!(table.contains("--tradeoff-c 5") && table.contains("[--diversity]"), "{table}");
        }
    }
}

#[test]
fn the_readme_lists_the_registry() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let listed: Vec<&str> = readme
        .lines()
        .skip_while(|line| !line.starts_with("| method |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    let printed = printed_json(kantor().args(["methods", "--json"]));
    let methods = printed["methods"].as_array().unwrap();
    assert_eq!(listed.len(), methods.len());
    for (line, entry) in listed.iter().zip(methods) {
        let (name, summary) = (entry["name"].as_str().unwrap(), entry["summary"].as_str().unwrap());
        assert!(line.starts_with(&format!("| `{name}` | {summary} |")), "{line}");
    }
}

#[test]
fn verbose_runs_say_what_each_stage_took() {
    let work = tempfile::tempdir().unwrap();
    let run = select_example(&work.path().join("out"), &["--budget", "2", "--verbose"]).assert().success();
    let said = String::from_utf8(run.get_output().stderr.clone()).unwrap();
    assert!(said.contains("comparing pool with queries: "), "{said}");
}

#[test]
fn an_infinite_penalty_is_recorded_as_such() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    select_example(&out, &["--budget", "2", "--method", "uot", "--rho", "inf"]).assert().success();
    assert_eq!(json(&out.join("manifest.json"))["parameters"]["rho"], "inf");
}

#[test]
fn quiet_runs_say_nothing_on_standard_error() {
    let work = tempfile::tempdir().unwrap();
    let output = select_example(&work.path().join("out"), &["--budget", "2", "--quiet"]).assert().success();
    assert!(output.get_output().stderr.is_empty());
}
