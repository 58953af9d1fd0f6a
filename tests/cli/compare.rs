//! `kantor compare`, and labels of queries in `select`.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::str::contains;
use serde_json::Value;

use crate::support::{example, indices, json, kantor, printed_json, select_example, write_npy};

/// `kantor compare` on the bundled data into `out`.
fn compare_example(out: &Path, more: &[&str]) -> Command {
    let mut command = kantor();
    command.arg("compare").arg("--pool").arg(example("pool.embed.npy"));
    command.arg("--query").arg(example("query_gsm8k.embed.npy")).arg("-o").arg(out).args(more);
    command
}

/// The lines of `results.csv` by column name.
fn lines(out: &Path) -> Vec<std::collections::BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(out.join("results.csv")).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

#[test]
fn results_are_those_of_select_and_its_certificates_verify() {
    let work = tempfile::tempdir().unwrap();
    let (compared, selected) = (work.path().join("compared"), work.path().join("selected"));
    let words = ["--method", "round-robin,random,energy", "--budget", "50,120", "--cross-fit", "3"];
    let mut command = compare_example(&compared, &words);
    command.args(["--random-seeds", "9", "--write-selections", "--json", "--pool-jsonl"]).arg(example("pool.jsonl.gz"));
    let found = printed_json(command.arg("--query-jsonl").arg(example("query_gsm8k.jsonl")));
    assert_eq!(found["schema"], "kantor/compare/1");
    assert_eq!(found["results"], json(&compared.join("results.json"))["results"]);
    let mut command = select_example(&selected, &words);
    command.args(["--energy", "--json", "--pool-jsonl"]).arg(example("pool.jsonl.gz"));
    let plain = printed_json(command.arg("--query-jsonl").arg(example("query_gsm8k.jsonl")));
    let (mine, theirs) = (found["results"].as_array().unwrap(), plain["results"].as_array().unwrap());
    assert_eq!((mine.len(), theirs.len()), (6, 6));
    for (mine, theirs) in mine.iter().zip(theirs) {
        for key in ["method", "budget", "distance", "excess", "energy", "chamfer", "held_out", "status"] {
            assert_eq!(mine[key], theirs[key], "{key}");
        }
        assert_eq!(mine["best"], theirs["best"]["lower"]);
        let dir = mine["dir"].as_str().unwrap();
        for file in ["indices.npy", "selection.jsonl", "selected.jsonl", "certificate.json", "prices.json"] {
            let read = |root: &Path| fs::read(root.join(dir).join(file)).unwrap();
            assert!(read(&compared) == read(&selected), "{dir}/{file} differs");
        }
        let rows = indices(&compared.join(dir).join("indices.npy"));
        let text = fs::read_to_string(compared.join(dir).join("selected.jsonl")).unwrap();
        assert_eq!(text.lines().count(), rows.len());
        let counted = |list: &Value| list.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>();
        for list in ["lengths", "sources", "query_rows"] {
            assert_eq!(counted(&mine[list]), rows.len() as u64, "{list}");
        }
        let mut verify = kantor();
        verify.arg("verify").arg(compared.join(dir).join("certificate.json"));
        verify.arg("--pool").arg(example("pool.embed.npy")).arg("--query").arg(example("query_gsm8k.embed.npy"));
        verify.assert().success().stdout(contains("verified"));
    }
    let sources = found["sources"].as_array().unwrap();
    assert_eq!(sources[0], serde_json::json!(["gsm8k_train", 919]));
    assert_eq!(sources.iter().map(|source| source[1].as_u64().unwrap()).sum::<u64>(), 5005);
    let nearest = found["nearest"].as_array().unwrap();
    assert_eq!(nearest.len(), 6);
    assert!(nearest.iter().all(|query| query["examples"].as_array().unwrap().len() == 3 && query["text"].is_string()));
    let kinds: Vec<&str> = found["warnings"].as_array().unwrap().iter().filter_map(|w| w["kind"].as_str()).collect();
    assert!(kinds.contains(&"across-budgets") && kinds.contains(&"order"), "{kinds:?}");

    let lines = lines(&compared);
    assert_eq!(lines.len(), 6);
    for (line, row) in lines.iter().zip(mine) {
        assert_eq!(line["method"], row["method"].as_str().unwrap());
        assert_eq!(line["distance_upper"].parse::<f64>().unwrap(), row["distance"]["upper"].as_f64().unwrap());
        assert_eq!(line["random_p"].parse::<f64>().unwrap(), row["against_random"]["p_value"].as_f64().unwrap());
        assert_eq!(line["tokens"].parse::<u64>().unwrap(), row["tokens"].as_u64().unwrap());
    }
}

#[test]
fn places_among_random_subsets_are_counted() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    let words =
        ["--method", "round-robin,random", "--budget", "20,60", "--random-seeds", "7", "--cost", "cosine,euclidean"];
    let found = printed_json(compare_example(&out, &words).arg("--json"));
    let (rows, references) = (found["results"].as_array().unwrap(), found["references"].as_array().unwrap());
    assert_eq!((rows.len(), references.len(), found["overlaps"].as_array().unwrap().len()), (8, 4, 4));
    for row in rows {
        let of = |r: &&Value| (&r["cost"], &r["budget"]) == (&row["cost"], &row["budget"]);
        let reference = references.iter().find(of).unwrap();
        let drawn: Vec<f64> = reference["distances"].as_array().unwrap().iter().map(|d| d.as_f64().unwrap()).collect();
        assert_eq!(drawn.len(), 7);
        assert!(
            drawn.iter().all(|&d| d >= reference["best"].as_f64().unwrap()),
            "a draw below the bound for all subsets"
        );
        assert!((reference["mean"].as_f64().unwrap() - drawn.iter().sum::<f64>() / 7.0).abs() < 1e-12);
        let upper = row["distance"]["upper"].as_f64().unwrap();
        let closer = drawn.iter().filter(|&&d| d <= upper).count() as f64;
        assert_eq!(row["against_random"]["percentile"].as_f64().unwrap(), closer / 7.0);
        assert_eq!(row["against_random"]["p_value"].as_f64().unwrap(), (1.0 + closer) / 8.0);
        if row["method"] == "round-robin" {
            assert_eq!(closer, 0.0, "round robin is farther than a random subset");
        }
        // No selection was asked for.
        assert_eq!(row["dir"], Value::Null);
    }
    let mut files: Vec<String> =
        fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, ["figures", "manifest.json", "report.html", "results.csv", "results.json"]);
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("round-robin") && page.contains("euclidean") && page.contains("<svg"));
    assert!(page.len() < 2 << 20);
    // A result of kantor's own may be replaced.
    compare_example(&out, &["--method", "random", "--budget", "5", "--force"]).assert().success();
    assert_eq!(json(&out.join("manifest.json"))["results"].as_array().unwrap().len(), 1);
}

#[test]
fn all_methods_are_those_that_take_the_inputs() {
    let work = tempfile::tempdir().unwrap();
    let matrix = work.path().join("similarities.npy");
    let value = |at: usize| ((at * 7919 + 13) % 1009) as f32 / 1009.0;
    write_npy(&matrix, 30, &(0..90).map(value).collect::<Vec<_>>());
    let out = work.path().join("out");
    let mut command = kantor();
    command.args(["compare", "--budget", "6", "--json", "--similarity"]).arg(&matrix).arg("-o").arg(&out);
    let found = printed_json(&mut command);
    let named = |method: &str| found["results"].as_array().unwrap().iter().any(|row| row["method"] == method);
    assert!(named("round-robin") && named("uot") && !named("energy"));
    let warnings = found["warnings"].as_array().unwrap();
    let left_out = warnings.iter().find(|warning| warning["kind"] == "methods-left-out").unwrap();
    assert!(left_out["text"].as_str().unwrap().contains("energy"));
    assert!(found["results"].as_array().unwrap().iter().all(|row| row["near_duplicates"].is_null()));
}

#[test]
fn solvers_are_compared_on_every_selection() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    let words = ["--method", "round-robin,random", "--budget", "100", "--solver", "exact,sinkhorn-newton"];
    let found = printed_json(compare_example(&out, &words).args(["--solver-epsilon", "0.1,0.02", "--json"]));
    let solved = found["solvers"].as_array().unwrap();
    let named: Vec<(&str, f64)> =
        solved.iter().map(|s| (s["solver"].as_str().unwrap(), s["epsilon"].as_f64().unwrap())).collect();
    assert_eq!(named[..3], [("exact", 0.0), ("sinkhorn-newton", 0.1), ("sinkhorn-newton", 0.02)]);
    assert_eq!(named.len(), 6);
    for row in solved {
        let method = found["results"].as_array().unwrap().iter().find(|r| r["method"] == row["method"]).unwrap();
        let end = |side: &str, row: &Value| row["distance"][side].as_f64().unwrap();
        assert!(end("lower", row) <= end("upper", method) && end("upper", row) >= end("lower", method));
        if row["solver"] == "exact" {
            assert!(end("upper", row) - end("lower", row) < 1e-9);
        }
    }
}

#[test]
fn a_solver_is_called_optimal_only_where_its_interval_closes() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    let words = ["--method", "random", "--budget", "50", "--solver", "exact,sinkhorn,low-rank", "--json"];
    let found = printed_json(compare_example(&out, &words).args(["--solver-epsilon=0.5", "--solver-tolerance=0.4"]));
    for row in found["solvers"].as_array().unwrap() {
        let end = |side: &str| row["distance"][side].as_f64().unwrap();
        let closed = end("upper") - end("lower") <= 1e-9 * end("lower");
        assert_eq!(row["status"], if closed { "optimal" } else { "certified" }, "{row}");
        assert_eq!(closed, row["solver"] == "exact");
    }
    // Where one falls short, standard error says which.
    let again = work.path().join("again");
    let words =
        ["--method=random", "--budget=50", "--solver=sinkhorn", "--solver-iterations=1", "--solver-epsilon=0.001"];
    let run = compare_example(&again, &words).assert().code(1);
    run.stderr(contains("the tolerance was not met: sinkhorn on random, budget 50: iteration_limit"));
}

#[test]
fn groups_are_reported_and_balanced() {
    let work = tempfile::tempdir().unwrap();
    let labels = work.path().join("labels.txt");
    // Three groups of 60, 30 and 10 queries.
    let label = |query: usize| ["much", "some", "little"][usize::from(query % 10 > 5) + usize::from(query % 10 == 9)];
    fs::write(&labels, (0..100).map(|query| format!("{}\n", label(query))).collect::<String>()).unwrap();
    let json_labels = work.path().join("labels.jsonl");
    let line = |query: usize| format!("{{\"id\": {query}, \"kind\": \"{}\"}}\n", label(query));
    fs::write(&json_labels, (0..100).map(line).collect::<String>()).unwrap();

    let words = ["--method", "round-robin,optimal", "--budget", "31", "--random-seeds", "0", "--json"];
    let plain = printed_json(compare_example(&work.path().join("a"), &words).arg("--query-groups").arg(&labels));
    assert_eq!(plain["groups"], serde_json::json!([["much", 60], ["some", 30], ["little", 10]]));
    let named = format!("{}:kind", json_labels.display());
    let mut command = compare_example(&work.path().join("b"), &words);
    command.args(["--write-selections", "--balance-groups", "--query-groups", &named]);
    let balanced = printed_json(&mut command);
    assert_eq!(balanced["groups"], plain["groups"]);
    for (row, other) in plain["results"].as_array().unwrap().iter().zip(balanced["results"].as_array().unwrap()) {
        let costs: Vec<f64> = row["query_costs"].as_array().unwrap().iter().map(|c| c.as_f64().unwrap()).collect();
        let chamfer = row["chamfer"]["upper"].as_f64().unwrap();
        assert!((costs.iter().sum::<f64>() / 100.0 - chamfer).abs() < 1e-9);
        let mut rows = 0;
        for (group, name) in ["much", "some", "little"].iter().enumerate() {
            let own: Vec<f64> = (0..100).filter(|&query| label(query) == *name).map(|query| costs[query]).collect();
            let mean = own.iter().sum::<f64>() / own.len() as f64;
            let coverage = &row["groups"][group];
            assert!((coverage["cost"].as_f64().unwrap() - mean).abs() < 1e-12);
            rows += coverage["rows"].as_u64().unwrap();
        }
        assert_eq!(rows, 31);
        assert_ne!(row["query_costs"], other["query_costs"], "balancing changes what is chosen");
    }
    // Pick r of round robin over one group's queries alone is that group's.
    let few = work.path().join("few");
    let queries = work.path().join("little.npy");
    let bytes = fs::read(example("query_gsm8k.embed.npy")).unwrap();
    let all = npyz::NpyFile::new(&bytes[..]).unwrap();
    let values: Vec<f32> = all.into_vec().unwrap();
    let own: Vec<f32> =
        (0..100).filter(|&q| label(q) == "little").flat_map(|q| &values[q * 384..][..384]).copied().collect();
    write_npy(&queries, 384, &own);
    let mut command = kantor();
    command.args(["select", "--budget", "31", "--pool"]).arg(example("pool.embed.npy"));
    command.arg("--query").arg(&queries).arg("-o").arg(&few).assert().success();
    let alone = indices(&few.join("round-robin/k31/indices.npy"));
    let chosen = indices(&work.path().join("b/round-robin/k31/indices.npy"));
    for turn in (2..31).step_by(3) {
        let first = alone.iter().find(|row| !chosen[..turn].contains(row));
        assert_eq!(first, Some(&chosen[turn]), "turn {turn}");
    }
    let manifest = json(&work.path().join("b/manifest.json"));
    assert_eq!(manifest["parameters"]["balance_groups"], true);
    assert!(manifest["inputs"].as_array().unwrap().iter().any(|input| input["role"] == "query-groups"));
    // The same through select.
    let out = work.path().join("c");
    let mut command = select_example(&out, &["--budget", "31", "--balance-groups", "--query-groups", &named]);
    command.assert().success().stdout(contains("worst group"));
    assert_eq!(indices(&out.join("round-robin/k31/indices.npy")), chosen);
}

#[test]
fn labels_that_do_not_fit_are_refused_by_file_and_line() {
    let work = tempfile::tempdir().unwrap();
    let (labels, out) = (work.path().join("labels.txt"), work.path().join("out"));
    let hundred = "a\n".repeat(100);
    for (text, line) in [
        ("a\n".repeat(99), "labels.txt:100:"),
        ("a\n".repeat(101), "labels.txt:101:"),
        (hundred.replacen("a\na\n", "a\n \n", 1), "labels.txt:2:"),
        (format!("{{\"task\": \"x\"}}\n{{\"other\": 1}}\n{}", "{}\n".repeat(98)), "labels.txt:2:"),
    ] {
        fs::write(&labels, text).unwrap();
        for command in ["select", "compare"] {
            let mut run = kantor();
            run.args([command, "--budget", "5", "--method", "random", "--pool"]).arg(example("pool.embed.npy"));
            run.arg("--query").arg(example("query_gsm8k.embed.npy")).arg("--query-groups").arg(&labels);
            run.arg("-o").arg(&out).assert().code(3).stderr(contains(line));
            assert!(!out.exists());
        }
    }
}

#[test]
fn comparisons_that_make_no_sense_end_with_2() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    for words in [
        &["--budget", "5", "--solver", "no-such-solver"][..],
        &["--budget", "5", "--solver", "sinkhorn", "--solver-epsilon", "0"],
        &["--budget", "5", "--solver-epsilon", "0.1"],
        &["--budget", "5", "--method", "no-such-method"],
        &["--budget", "5", "--cost", "cosine,no-such-cost"],
        &["--budget", "5", "--balance-groups"],
        &["--budget", "5", "--method", "random", "--cross-fit", "1"],
        &["--method", "random"],
    ] {
        compare_example(&out, words).assert().code(2);
        assert!(!out.exists(), "{words:?}");
    }
}

/// With many budgets and methods one screen was full of remarks before the table began.
#[test]
fn warnings_collapse_by_kind_and_are_on_the_page_in_full() {
    let work = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| {
        let out = work.path().join(format!("out{}", more.len()));
        let words = ["--method", "round-robin,energy,mean-similarity,doubly-greedy", "--budget", "30,31,33,70,71"];
        let mut command = compare_example(&out, &words);
        let output = command
            .args(["--random-seeds", "0", "--cross-fit", "0"])
            .args(more)
            .assert()
            .success()
            .get_output()
            .clone();
        (out, String::from_utf8(output.stderr).unwrap())
    };
    let (out, told) = run(&[]);
    let warnings = json(&out.join("results.json"))["warnings"].as_array().unwrap().clone();
    let order: Vec<&Value> = warnings.iter().filter(|warning| warning["kind"] == "order").collect();
    assert!(order.len() > 1, "{warnings:?}");
    let pairs: usize = order.iter().map(|warning| warning["details"]["pairs"].as_array().unwrap().len()).sum();
    let line = format!("kantor: order: {} budgets, {pairs} pairs: ", order.len());
    assert_eq!(told.lines().filter(|told| told.starts_with(&line)).count(), 1, "{told}");
    let kinds: std::collections::BTreeSet<&str> = warnings.iter().map(|w| w["kind"].as_str().unwrap()).collect();
    let said = told.lines().filter(|told| kinds.iter().any(|kind| told.starts_with(&format!("kantor: {kind}: "))));
    assert_eq!(said.count(), kinds.len(), "{told}");
    assert!(told.contains("report.html") && told.lines().all(|line| line.chars().count() < 280), "{told}");
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    let (_, every) = run(&["--verbose"]);
    for warning in order {
        assert!(every.contains(warning["text"].as_str().unwrap()), "{every}");
        let text = warning["text"].as_str().unwrap().split(" (by ").next().unwrap();
        assert!(page.contains(text), "{text}");
    }
}
