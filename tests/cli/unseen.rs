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
