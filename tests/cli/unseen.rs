//! Queries that take no part in a choice take none in the rules either.

use std::fs;

use crate::support::{json, kantor, printed_json, write_npy};

/// Rows of three numbers: `near` of them along the first, as many along the second, and some along the third.
fn pool(near: usize) -> Vec<f32> {
    let along = |axis: usize, row: usize| {
        let mut of = [0.01 * row as f32; 3];
        of[axis] = 1.0;
        of
    };
    (0..near).flat_map(|row| [along(0, row), along(1, row), along(2, row)]).flatten().collect()
}

/// The rows that are like no query were found once, by all queries: those of the fold that is measured had a part in it.
#[test]
fn rows_like_no_query_are_found_anew_for_each_fold() {
    let work = tempfile::tempdir().unwrap();
    let at = work.path();
    write_npy(&at.join("p.npy"), 3, &pool(10));
    let [a, b] = [[1.0f32, 0.0, 0.0], [0.0, 1.0, 0.0]];
    write_npy(&at.join("q.npy"), 3, &[a, b].concat());
    write_npy(&at.join("a.npy"), 3, &a);
    let select = |query: &str, out: &str, more: &[&str]| {
        let mut command = kantor();
        command.current_dir(at).args(["select", "--pool", "p.npy", "--query", query, "--budget", "4", "--json"]);
        printed_json(command.args(["--method", "random", "--min-similarity", "0.9", "-o", out]).args(more))
    };
    let both = select("q.npy", "both", &["--cross-fit", "2"]);
    let held = both["results"][0]["held_out"]["distance"]["lower"].as_f64();
    // Rows that are near one of two queries at right angles are far from the other.
    assert!(held.is_some_and(|distance| distance > 0.8), "{both}");
    // Choices by all queries are what they were.
    let rules = |out: &str| json(&at.join(out).join("manifest.json"))["parameters"]["constraints"].to_string();
    select("a.npy", "one", &[]);
    assert!(
        rules("both").contains("rows excluded: 10") && rules("one").contains("rows excluded: 20"),
        "{}",
        rules("one")
    );
}

/// Rows that kept others out were taken for queries that had no part in the choice.
#[test]
fn rows_that_others_must_not_be_near_are_not_held_out() {
    let work = tempfile::tempdir().unwrap();
    let at = work.path();
    write_npy(&at.join("p.npy"), 3, &pool(10));
    write_npy(&at.join("q.npy"), 3, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    write_npy(&at.join("h.npy"), 3, &[0.1, 1.0, 0.0, 0.0, 1.0, 0.1]);
    let mut select = kantor();
    select.current_dir(at).args(["select", "--pool", "p.npy", "--query", "q.npy", "--budget", "4", "--quiet"]);
    select.args(["--exclude-near", "h.npy", "-o", "out"]).assert().success();
    let status = |subset: &str| {
        let mut bound = kantor();
        bound.current_dir(at).args([
            "bound",
            "--pool",
            "p.npy",
            "--query",
            "q.npy",
            "--references",
            "2",
            "--splits",
            "2",
        ]);
        let printed = printed_json(bound.args(["--json", "--heldout-query", "h.npy", "--subset", subset]));
        let lines = printed["results"].as_array().unwrap().clone();
        let found = lines.iter().find(|line| line["quantity"].as_str().unwrap().starts_with("W₁(S, P), from held-out"));
        found.unwrap()["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(status("out/round-robin/k4/indices.npy"), "refused");
    fs::write(at.join("other.txt"), "0\n3\n6\n9\n").unwrap();
    assert_ne!(status("other.txt"), "refused");
}

/// Copies of a query fell into several folds, and what had been seen was called unseen.
#[test]
fn groups_of_queries_stay_in_one_fold() {
    let work = tempfile::tempdir().unwrap();
    let at = work.path();
    let row = |row: usize, step: f32| [(row as f32 * step).sin(), (row as f32 * step).cos(), (row as f32 * 0.3).sin()];
    write_npy(&at.join("p.npy"), 3, &(0..90).flat_map(|of| row(of, 0.71)).collect::<Vec<f32>>());
    // Twelve queries, each five times, in turn.
    write_npy(&at.join("q.npy"), 3, &(0..60).flat_map(|of| row(of % 12, 1.3)).collect::<Vec<f32>>());
    let labels = |name: &str, of: &dyn Fn(usize) -> String| {
        fs::write(at.join(name), (0..60).map(|query| of(query) + "\n").collect::<String>()).unwrap();
    };
    labels("groups.txt", &|query| format!("conversation {}", query % 12));
    labels("renamed.txt", &|query| format!("{}", 100 - query % 12));
    labels("few.txt", &|query| format!("{}", query % 3));
    let select_by = |folds: &str, out: &str, more: &[&str]| {
        let mut command = kantor();
        command.current_dir(at).args(["select", "--pool", "p.npy", "--query", "q.npy", "--budget", "12"]);
        printed_json(command.args(["--method", "optimal,auto", "--cross-fit", folds, "--json", "-o", out]).args(more))
    };
    let select = |out: &str, more: &[&str]| select_by("4", out, more);
    let (plain, kept) = (select("plain", &[]), select("kept", &["--query-groups", "groups.txt"]));
    let held = |of: &serde_json::Value| of["results"][0]["held_out"]["distance"]["lower"].as_f64().unwrap();
    assert!(held(&kept) > 1.5 * held(&plain), "{} {}", held(&kept), held(&plain));
    assert!(plain["results"][0]["held_out"]["law"].is_object() && kept["results"][0]["held_out"]["law"].is_null());
    let paired = |of: &serde_json::Value| (of["unseen"][0]["paired_by"].clone(), of["unseen"][0]["pairs"].clone());
    assert_eq!(paired(&plain), ("query".into(), 60.into()));
    assert_eq!(paired(&kept), ("group".into(), 12.into()));
    let results = |of: &serde_json::Value| of["results"].as_array().unwrap().clone();
    assert!(results(&kept).iter().any(|of| of["notes"]["auto-groups"] == 12), "{kept}");
    assert!(results(&plain).iter().all(|of| of["notes"]["auto-groups"].is_null()));
    // What groups are called changes nothing.
    let renamed = select("renamed", &["--query-groups", "renamed.txt"]);
    let numbers = |of: &serde_json::Value| results(of).iter().map(|of| of["held_out"].clone()).collect::<Vec<_>>();
    assert_eq!(numbers(&renamed), numbers(&kept));
    // Of three groups no four folds can be made.
    let few = select("few", &["--query-groups", "few.txt"]);
    // `auto` makes as few as there are groups.
    assert_eq!((&numbers(&few)[0], paired(&few)), (&numbers(&plain)[0], paired(&plain)));
    assert!(results(&few).iter().any(|of| of["notes"]["auto-groups"] == 3 && of["notes"]["auto-folds"] == 3), "{few}");
    let noted = |of: &serde_json::Value| {
        of["notes"]
            .as_array()
            .unwrap()
            .iter()
            .find(|note| note["kind"] == "split-groups")
            .map(|note| note["details"].clone())
    };
    assert!(noted(&few).unwrap()["folds"] == 4 && noted(&kept).is_none() && noted(&plain).is_none(), "{few}");
    // By a distance that is no sum over queries too.
    let energy = select("energy", &["--query-groups", "few.txt", "--objective", "energy"]);
    assert!(noted(&energy).is_some_and(|of| of["folds"] == 4), "{energy}");
    // Three folds of three groups are kept apart, and so are those of auto.
    labels("one.txt", &|_| "one".to_owned());
    let three = select_by("3", "three", &["--query-groups", "few.txt"]);
    assert_eq!(paired(&three), ("group".into(), 3.into()));
    assert!(noted(&three).is_none(), "{three}");
    let one = select("one", &["--query-groups", "one.txt"]);
    assert!(noted(&one).is_some_and(|of| of["folds"] == 4 && of["groups"] == 1), "{one}");
}
