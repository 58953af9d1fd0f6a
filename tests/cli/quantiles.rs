//! `kantor quantiles`.

use std::collections::BTreeSet;
use std::path::Path;

use predicates::str::contains;

use crate::support::{example, indices, json, kantor, printed_json, select_example};

fn quantiles(out: &Path, words: &[&str]) -> assert_cmd::Command {
    let mut command = kantor();
    command.arg("quantiles").arg("--pool").arg(example("pool.embed.npy"));
    command.arg("--query").arg(example("query_gsm8k.embed.npy")).arg("-o").arg(out).args(words);
    command
}

#[test]
fn bins_part_the_order_and_their_distance_rises() {
    let work = tempfile::tempdir().unwrap();
    let (out, whole) = (work.path().join("bins"), work.path().join("order"));
    let printed = printed_json(
        quantiles(&out, &["--bins", "7", "--take", "300", "--json"])
            .args(["--pool-jsonl"])
            .arg(example("pool.jsonl.gz")),
    );
    select_example(&whole, &["--budget", "5005", "--no-certify"]).assert().success();
    let order = indices(&whole.join("round-robin/k5005/indices.npy"));
    assert_eq!((&printed["schema"], &printed["spearman"]), (&"kantor/quantiles/1".into(), &1.0.into()));
    let bins = printed["results"].as_array().unwrap();
    assert_eq!(bins.len(), 7);
    let (mut next, mut seen, mut before) = (0, BTreeSet::new(), 0.0);
    for (place, bin) in bins.iter().enumerate() {
        let number = |key: &str| bin[key].as_u64().unwrap() as usize;
        let (first, last) = (number("first_rank"), number("last_rank"));
        assert_eq!((first, last + 1 - first), (next, 715));
        next = last + 1;
        let rows = indices(&out.join(format!("bin0{place}/indices.npy")));
        assert_eq!(rows, order[first..first + 300]);
        assert!(rows.iter().all(|&row| seen.insert(row)), "bin {place} shares rows with another");
        let (lower, upper) = (bin["distance"]["lower"].as_f64().unwrap(), bin["distance"]["upper"].as_f64().unwrap());
        assert!(before < lower && lower <= upper && upper - lower < 1e-6, "{bin}");
        before = upper;
        let copied = std::fs::read_to_string(out.join(format!("bin0{place}/selected.jsonl"))).unwrap();
        assert_eq!(copied.lines().count(), 300);
    }
    assert_eq!(next, 5005);
    let manifest = json(&out.join("manifest.json"));
    assert_eq!((&manifest["schema"], &manifest["cut"]["take"]), (&"kantor/quantiles-manifest/1".into(), &300.into()));
    for (bin, data) in [("bin00", "query_gsm8k.embed.npy"), ("bin06", "query_gsm8k.embed.npy")] {
        let mut verify = kantor();
        verify.arg("verify").arg(out.join(bin).join("certificate.json"));
        verify.arg("--pool").arg(example("pool.embed.npy")).arg("--query").arg(example(data));
        verify.assert().success();
    }
}

/// Every objective was called `distance`.
#[test]
fn a_column_has_the_name_of_its_distance() {
    let work = tempfile::tempdir().unwrap();
    for (words, name) in [
        (&[][..], "distance"),
        (&["--objective=energy"], "energy distance"),
        (&["--objective=mmd"], "discrepancy"),
        (&["--diversity=0.5"], "regularised cost"),
    ] {
        let out = work.path().join(name.replace(' ', "-"));
        let run = quantiles(&out, &["--bins=2", "--take=20"]).args(words).assert().success();
        let printed = String::from_utf8(run.get_output().stdout.clone()).unwrap();
        assert!(printed.lines().next().unwrap().contains(&format!("  {name} ")), "{printed}");
        assert!(printed.contains(&format!("rank correlation of bin and {name}:")), "{printed}");
    }
}

#[test]
fn the_focus_bin_is_cut_once_more() {
    let work = tempfile::tempdir().unwrap();
    let (out, focus) = (work.path().join("bins"), work.path().join("focus"));
    printed_json(&mut quantiles(&out, &["--take", "500", "--method", "doubly-greedy", "--no-certify", "--json"]));
    let words = ["--take", "50", "--method", "doubly-greedy", "--no-certify", "--json", "--focus-bin", "1"];
    let printed = printed_json(&mut quantiles(&focus, &words));
    // 5005 rows in 10 bins: the first five hold 501.
    let ranks: Vec<(u64, u64)> = printed["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bin| (bin["first_rank"].as_u64().unwrap(), bin["last_rank"].as_u64().unwrap()))
        .collect();
    assert_eq!((ranks.len(), ranks[0], ranks[1], ranks[9]), (10, (501, 551), (552, 601), (952, 1001)));
    let whole = indices(&out.join("bin01/indices.npy"));
    for (bin, &(first, _)) in ranks.iter().enumerate().take(9) {
        let from = first as usize - 501;
        assert_eq!(indices(&focus.join(format!("bin0{bin}/indices.npy"))), whole[from..from + 50]);
    }
}

#[test]
fn what_has_no_quantiles_is_refused() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    for (words, message) in [
        (&["--method", "optimal"][..], "round-robin"),
        (&["--method", "energy"], "prefix"),
        (&["--method", "best"], "unknown method"),
        (&["--take", "501"], "at most 500"),
        (&["--bins", "0"], "at least 1"),
        (&["--focus-bin", "10", "--take", "5"], "0 to 9"),
        (&["--focus-bin", "0"], "at most 50"),
    ] {
        quantiles(&out, words).assert().code(2).stderr(contains(message));
        assert!(!out.exists(), "{words:?}");
    }
}

#[test]
fn methods_with_one_order_have_quantiles() {
    let work = tempfile::tempdir().unwrap();
    for method in ["random", "mean-similarity", "knn-uniform", "knn-kde", "knn-tv", "kde-ratio", "uot"] {
        let out = work.path().join(method);
        let words = ["--method", method, "--take", "20", "--bins", "4", "--no-certify", "--json"];
        let printed = printed_json(&mut quantiles(&out, &words));
        assert_eq!(printed["results"].as_array().unwrap().len(), 4, "{method}");
    }
}
