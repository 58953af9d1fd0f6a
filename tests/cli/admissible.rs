//! `distance` under limits, with quality and for several tasks: what `select` says of its own choice, and of others what they break.

use std::fs;
use std::path::Path;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use serde_json::{Value, json};

use crate::support::{json as read_json, kantor, printed_json};
use crate::worst::{TASKS, data, words};

/// `distance` of a subset for these queries.
fn distance<'a>(subset: &'a str, query: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    let common = ["distance", "--pool", "pool.npy", "--cost", "euclidean", "--pool-jsonl", "pool.jsonl"];
    [&common[..], query, &["--subset", subset], more].concat()
}

/// What `select` says of its first result, and `distance` of the same rows.
fn both(at: &Path, query: &[&str], more: &[&str], only: &[&str]) -> (Value, Value) {
    let select = [query, &["--pool-jsonl", "pool.jsonl", "--method", "optimal", "--json"], more, only].concat();
    let chosen = printed_json(kantor().current_dir(at).args(words("select", "out", &select)));
    let subset = "out/optimal/k12/selection.jsonl";
    let more = [more, &["--json"]].concat();
    (chosen["results"][0].clone(), printed_json(kantor().current_dir(at).args(distance(subset, query, &more))))
}

#[test]
fn a_subset_that_keeps_limits_has_the_distance_and_the_bound_that_select_gave_it() {
    let directory = data();
    let at = directory.path();
    fs::write(at.join("scores.txt"), (0..60).map(|row| format!("{}\n", row % 7)).collect::<String>()).unwrap();
    fs::write(at.join("out.txt"), "3\n9\n").unwrap();
    let quality = ["--quality", "scores.txt", "--quality-weight", "0.01"];
    let limits = ["--quota", "source=web:..2", "--exclude", "out.txt"];
    let worst = [&limits[..], &["--aggregate", "worst"]].concat();
    let all = [&worst[..], &quality].concat();
    let cases: [(&[&str], &[&str]); 4] =
        [(&["--query", "a.npy"], &limits), (&["--query", "a.npy"], &quality), (&TASKS, &worst), (&TASKS, &all)];
    for (query, more) in cases {
        let (chosen, found) = both(at, query, more, &[]);
        assert_eq!(found["upper"], chosen["distance"]["upper"], "{more:?}");
        assert_eq!(found["best"], chosen["best"], "{more:?}");
        assert_eq!(found["task_distances"].as_array(), chosen["task_distances"].as_array(), "{more:?}");
        if more.contains(&"--quota") {
            assert_eq!((&found["keeps_limits"], &found["broken_limits"]), (&json!(true), &json!([])));
            assert_eq!(found["limits"][0]["used"], chosen["limits"][0]["used"]);
        }
        if more.contains(&"--quality") {
            assert_eq!(found["quality"]["less_quality"], chosen["quality"]["less_quality"]);
            assert_eq!(found["quality"]["best"], chosen["quality"]["best"]);
        }
    }
    // Of the certificate, too.
    let subset = "out/optimal/k12/selection.jsonl";
    let more = [&all[..], &["--certificate", "c.json"]].concat();
    let shown = kantor().current_dir(at).args(distance(subset, &TASKS, &more)).assert().success();
    shown.stdout(contains("keeps all limits").and(contains("to the task `b`")).and(contains("less quality")));
    let ours = read_json(&at.join("c.json"));
    let theirs = read_json(&at.join("out/optimal/k12/certificate.json"));
    assert_eq!((&ours["problem"], &ours["best"]), (&theirs["problem"], &theirs["best"]));
    let files = ["--pool", "pool.npy", "--query", "a=a.npy", "--query", "b=b.npy"];
    let verified = kantor().current_dir(at).args(["verify", "c.json"]).args(files).assert().success();
    verified.stdout(contains("verified"));
}

#[test]
fn limits_that_a_subset_breaks_are_named_and_it_is_not_compared_with_those_that_keep_them() {
    let directory = data();
    let at = directory.path();
    // Rows 0, 3, 6, … are from the web.
    fs::write(at.join("rows.txt"), "0\n3\n6\n7\n8\n").unwrap();
    fs::write(at.join("out.txt"), "3\n").unwrap();
    fs::write(at.join("in.txt"), "11\n").unwrap();
    let query = ["--query", "a.npy"];
    let limits =
        ["--quota", "source=web:..2", "--quota", "source=book:3..", "--exclude", "out.txt", "--include", "in.txt"];
    let more = [&limits[..], &["--json", "--certificate", "c.json"]].concat();
    let shown = kantor().current_dir(at).args(distance("rows.txt", &query, &more)).assert().code(1);
    let found: Value = serde_json::from_slice(&shown.get_output().stdout).unwrap();
    let broken = found["broken_limits"].as_array().unwrap();
    for (broken, word) in broken.iter().zip(["that must not be: 3", "0 of 1 rows", "source=web", "source=book"]) {
        assert!(broken.as_str().unwrap().contains(word), "{broken} {word}");
    }
    assert_eq!((broken.len(), &found["keeps_limits"], &found["excess"]), (4, &json!(false), &Value::Null));
    // The bound is that of the rows that keep the limits; the certificate is of the distance alone.
    let kept =
        [&limits[..], &["--budget", "5", "--method", "optimal", "--pool-jsonl", "pool.jsonl", "--json"]].concat();
    let select = ["select", "--pool", "pool.npy", "--query", "a.npy", "--cost", "euclidean", "-o", "out"];
    let chosen = printed_json(kantor().current_dir(at).args(select).args(kept));
    assert_eq!(found["best"], chosen["results"][0]["best"]);
    let certificate = read_json(&at.join("c.json"));
    assert!(certificate["best"].is_null() && certificate["problem"].get("constraints").is_none());
    let shown = kantor().current_dir(at).args(distance("rows.txt", &query, &limits)).assert().code(1);
    shown.stdout(contains("limit broken: 3 rows are chosen with source=web").and(contains("that keeps the limits")));
}

#[test]
fn limits_and_tasks_are_refused_beside_what_they_do_not_go_with() {
    let directory = data();
    let at = directory.path();
    fs::write(at.join("rows.txt"), "0\n3\n6\n").unwrap();
    fs::write(at.join("weights.txt"), "1\n2\n3\n").unwrap();
    let refused = |query: &[&str], more: &[&str], said: &[&str]| {
        let shown = kantor().current_dir(at).args(distance("rows.txt", query, more)).assert().code(2);
        let shown = String::from_utf8(shown.get_output().stderr.clone()).unwrap();
        assert!(said.iter().all(|word| shown.contains(word)), "{more:?}: {shown}");
    };
    let (one, quota) = (["--query", "a.npy"], ["--quota", "source=web:..2"]);
    let with = |more: &[&'static str]| [&quota[..], more].concat();
    refused(&one, &with(&["--metric", "energy"]), &["a limit", "--metric energy"]);
    refused(&one, &with(&["--solver", "sinkhorn"]), &["a limit", "--solver"]);
    refused(&one, &with(&["--subset-weights", "weights.txt"]), &["a limit", "--subset-weights"]);
    refused(&TASKS, &["--aggregate", "worst", "--metric", "hausdorff"], &["--aggregate worst", "--metric hausdorff"]);
    refused(&TASKS, &["--aggregate", "worst", "--query-shares", "a=1,b=1"], &["--query-shares", "--aggregate worst"]);
    let words = ["distance", "--pool", "pool.npy", "--query", "a.npy", "--pool-jsonl", "pool.jsonl"];
    let shown = kantor().current_dir(at).args(words).args(quota).assert().code(2);
    shown.stderr(contains("--subset"));
    let words = ["bound", "--pool", "pool.npy", "--query", "a.npy", "--subset", "rows.txt"];
    let shown = kantor().current_dir(at).args(words).args(quota).assert().code(2);
    shown.stderr(contains("--quota").and(contains("distance --subset")));
}

/// Any list of rows under a budget in tokens, for one task and the worst of two: what `select` says of its own choice, and what is
/// broken by one of other tokens.
#[test]
fn a_choice_in_tokens_has_the_distance_and_the_bound_that_select_gave_it() {
    let directory = data();
    let at = directory.path();
    fs::write(at.join("lengths.txt"), (0..60).map(|row| format!("{}\n", 1 + row % 5)).collect::<String>()).unwrap();
    fs::write(at.join("scores.txt"), (0..60).map(|row| format!("{}\n", row % 7)).collect::<String>()).unwrap();
    let budget = ["--token-budget", "40", "--tokens", "tokens", "--column", "tokens=lengths.txt"];
    let worst = ["--aggregate", "worst", "--quota", "source=web:..3"];
    let valued = [&worst[..], &["--quality", "scores.txt", "--quality-weight", "0.01"]].concat();
    let cases: [(&[&str], &[&str]); 4] =
        [(&["--query", "a.npy"], &[]), (&TASKS, &worst[..2]), (&TASKS, &worst), (&TASKS, &valued)];
    for (query, more) in cases {
        let common = ["--pool", "pool.npy", "--cost", "euclidean", "--pool-jsonl", "pool.jsonl", "--json"];
        let words = [&common[..], query, &budget, more].concat();
        let select = [&["select", "--method", "optimal,swap,random", "--force", "-o", "out"][..], &words].concat();
        let chosen = printed_json(kantor().current_dir(at).args(&select));
        for result in chosen["results"].as_array().unwrap() {
            let dir = result["dir"].as_str().unwrap();
            kantor().current_dir(at).args(["verify", &format!("{dir}/certificate.json")]).assert().success();
            // A list that does not say how it was chosen.
            let rows = crate::support::indices(&at.join(dir).join("indices.npy"));
            fs::write(at.join("rows.txt"), rows.iter().map(|row| format!("{row}\n")).collect::<String>()).unwrap();
            let words =
                [&["distance", "--subset", "rows.txt", "--certificate", "c.json", "--force"][..], &words].concat();
            let found = printed_json(kantor().current_dir(at).args(&words));
            assert_eq!(found["upper"], result["distance"]["upper"], "{dir} {more:?}");
            assert_eq!(found["keeps_limits"], json!(true), "{dir} {more:?}");
            if more.contains(&"--quality") {
                assert_eq!(found["quality"]["best"], result["quality"]["best"], "{dir}");
                assert_eq!(found["quality"]["less_quality"], result["quality"]["less_quality"], "{dir}");
            } else {
                assert_eq!(found["best"], result["best"], "{dir} {more:?}");
                assert!(result["best"]["lower"].as_f64().unwrap() <= result["distance"]["upper"].as_f64().unwrap());
            }
            let said = ["problem", "distance", "best"].map(|key| read_json(&at.join("c.json"))[key].clone());
            let of = read_json(&at.join(dir).join("certificate.json"));
            assert_eq!((&said[1], &said[2]), (&of["distance"], &of["best"]), "{dir} {more:?}");
            assert_eq!(said[0]["tokens"]["max"], json!(40.0));
        }
    }
    // Fewer tokens than are asked for.
    fs::write(at.join("few.txt"), "0\n1\n").unwrap();
    let few = ["distance", "--pool", "pool.npy", "--cost", "euclidean", "--query", "a.npy", "--subset", "few.txt"];
    let found = kantor().current_dir(at).args([&few[..], &budget].concat()).assert().code(1);
    found.stdout(contains("limit broken: the chosen rows have 3 tokens, not").and(contains("every choice of so many")));
    let alone = kantor().current_dir(at).args([&few[..], &["--token-budget", "40"]].concat()).assert().code(2);
    alone.stderr(contains("--tokens"));
}
