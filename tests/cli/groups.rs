//! Groups of queries that methods balance over.

use std::fs;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use serde_json::Value;

use crate::support::{json, kantor, select_example, write_npy};

/// Rows count for the group that they were chosen for, wherever they lie, and as many for all groups that can have as
/// many; where they cannot, a note names the groups.
#[test]
fn groups_get_as_many_rows_or_a_note_says_which_do_not() {
    let work = tempfile::tempdir().unwrap();
    let labels = work.path().join("labels.txt");
    let label = |query: usize| ["much", "some", "little"][usize::from(query % 10 > 5) + usize::from(query % 10 == 9)];
    fs::write(&labels, (0..100).map(|query| format!("{}\n", label(query))).collect::<String>()).unwrap();
    let of = |budget: &str, method: &str| {
        let out = work.path().join(format!("{method}{budget}"));
        let words = ["--method", method, "--budget", budget, "--balance-groups", "--query-groups"];
        let run = select_example(&out, &words).arg(&labels).assert().success();
        let printed = String::from_utf8(run.get_output().stderr.clone()).unwrap();
        let manifest = json(&out.join("manifest.json"));
        let notes: Vec<Value> = manifest["notes"].as_array().unwrap().clone();
        let note = notes.into_iter().find(|note| note["kind"] == "uneven-groups");
        let note = note.map(|note| note["text"].as_str().unwrap().to_owned());
        let groups = manifest["results"][0]["groups"].as_array().unwrap();
        let rows: Vec<u64> = groups.iter().map(|group| group["rows"].as_u64().unwrap()).collect();
        if let Some(text) = &note {
            assert!(printed.contains(text), "{printed}");
        } else {
            assert!(!printed.contains("groups"), "{printed}");
        }
        (rows, note)
    };
    for method in ["round-robin", "optimal", "random"] {
        assert_eq!(of("30", method), (vec![10, 10, 10], None), "{method}");
        let (rows, note) = of("31", method);
        assert_eq!(rows, [11, 10, 10], "{method}");
        let note = note.unwrap();
        assert!(note.contains("`much` gets one row more") && note.contains("33 rows"), "{note}");
        let (rows, note) = of("2", method);
        assert_eq!(rows, [1, 1, 0], "{method}");
        let note = note.unwrap();
        assert!(note.contains("`little` gets none") && note.contains("at least 3 rows"), "{note}");
    }
    // In a comparison it is a warning.
    let out = work.path().join("compared");
    let mut compare = kantor();
    compare.args([
        "compare",
        "--budget",
        "2",
        "--method",
        "round-robin",
        "--random-seeds",
        "0",
        "--balance-groups",
        "--pool",
    ]);
    compare.arg(crate::support::example("pool.embed.npy")).arg("--query");
    compare.arg(crate::support::example("query_gsm8k.embed.npy")).arg("--query-groups").arg(&labels);
    compare.arg("-o").arg(&out).assert().success();
    let found = json(&out.join("results.json"));
    let warned = found["warnings"].as_array().unwrap().iter().any(|warning| {
        warning["kind"] == "uneven-groups" && warning["text"].as_str().unwrap().contains("`little` gets none")
    });
    assert!(warned, "{}", found["warnings"]);
    let rows: Vec<u64> =
        found["results"][0]["groups"].as_array().unwrap().iter().map(|group| group["rows"].as_u64().unwrap()).collect();
    assert_eq!(rows, [1, 1, 0]);
}

/// Where no swap can be told from rounding, nothing is claimed of swaps.
#[test]
fn swaps_that_rounding_hides_are_left_open_in_manifest_and_on_the_terminal() {
    let work = tempfile::tempdir().unwrap();
    let (pool, query) = (work.path().join("p.npy"), work.path().join("q.npy"));
    let rows = |count: u32| (0..count * 2).map(|at| ((at * 37 + 11) % 29) as f32 - 14.0).collect::<Vec<f32>>();
    for (scale, open) in [(1.0, false), (1e-42, true)] {
        // Squares of such numbers are doubles; beside the bandwidth the distances are nothing.
        write_npy(&pool, 2, &rows(20).iter().map(|x| x * scale).collect::<Vec<_>>());
        write_npy(&query, 2, &rows(5).iter().map(|x| x * scale).collect::<Vec<_>>());
        let out = work.path().join(format!("out{open}"));
        let mut run = kantor();
        run.args(["select", "--method", "mmd", "--kernel", "laplace", "--bandwidth", "10", "--cost", "euclidean"]);
        run.args(["--budget", "4", "--pool"]).arg(&pool).arg("--query").arg(&query).arg("-o").arg(&out);
        let said = contains("may be lowered by swapping two rows").and(contains("rounding"));
        let run = run.assert().success();
        if open {
            run.stderr(said)
        } else {
            run.stderr(said.not())
        };
        let manifest = json(&out.join("manifest.json"));
        let notes = &manifest["results"][0]["notes"];
        assert_eq!(notes["no-swap-improves"], !open, "{notes}");
        assert!(notes["least-gain-noticed"].as_f64().unwrap() > 0.0 && notes["rows-compared"] == 20, "{notes}");
        let noted = manifest["notes"].as_array().unwrap().iter().any(|note| note["kind"] == "swaps-left-open");
        assert_eq!(noted, open);
    }
}

#[test]
fn a_text_is_no_label() {
    let work = tempfile::tempdir().unwrap();
    let labels = work.path().join("labels.txt");
    fs::write(&labels, format!("{}{}", "a\n".repeat(99), "x".repeat(1001))).unwrap();
    let mut command = select_example(&work.path().join("out"), &["--budget", "5", "--query-groups"]);
    command.arg(&labels).assert().code(3).stderr(contains("labels.txt:100: ")).stderr(contains("1001 bytes"));
}

/// A group without queries is at no distance from anything.
#[test]
fn a_group_whose_queries_were_all_dropped_has_no_cost() {
    let work = tempfile::tempdir().unwrap();
    let path = |name: &str| work.path().join(name);
    write_npy(&path("pool.npy"), 2, &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    write_npy(&path("query.npy"), 2, &[1.0, 0.5, 0.0, 0.0, 0.5, 1.0]);
    fs::write(path("groups.txt"), "kept\ndropped\nkept\n").unwrap();
    let mut command = kantor();
    command.args(["compare", "--on-bad-row", "drop", "--budget", "1", "--method", "round-robin", "--pool"]);
    command.arg(path("pool.npy")).arg("--query").arg(path("query.npy"));
    command.arg("--query-groups").arg(path("groups.txt")).arg("-o").arg(path("out")).assert().success();
    let groups = &json(&path("out/results.json"))["results"][0]["groups"];
    assert!(groups[0]["cost"].as_f64().unwrap() > 0.0 && groups[1]["cost"].is_null(), "{groups}");
}
