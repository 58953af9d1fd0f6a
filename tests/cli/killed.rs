//! A run that is killed leaves the older result whole.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{example, json, kantor};

/// The number of rows of the result at `out`, after checking that all its files are there and whole.
fn whole_result(out: &Path) -> u64 {
    let manifest = json(&out.join("manifest.json"));
    let outputs = manifest["outputs"].as_array().unwrap();
    for output in outputs {
        let length = std::fs::metadata(out.join(output["path"].as_str().unwrap())).unwrap().len();
        assert_eq!(output["bytes"].as_u64(), Some(length));
    }
    manifest["parameters"]["budgets"][0].as_u64().unwrap()
}

#[test]
fn a_kill_at_any_moment_leaves_the_old_result_or_the_new_one() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    let words = |budget: usize| {
        let mut words: Vec<std::ffi::OsString> = vec!["select".into(), "--force".into(), "--no-certify".into()];
        words.extend(["--pool".into(), example("pool.embed.npy").into_os_string()]);
        words.extend(["--query".into(), example("query_gsm8k.embed.npy").into_os_string()]);
        words.extend(["--pool-jsonl".into(), example("pool.jsonl.gz").into_os_string()]);
        words.extend(["-o".into(), out.clone().into_os_string(), "--budget".into(), budget.to_string().into()]);
        words
    };
    kantor().args(words(1)).assert().success();
    let mut seen = 1;
    for round in 2..42 {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin!("kantor"))
            .args(words(round))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis((round as u64 * 37) % 200));
        child.kill().unwrap();
        child.wait().unwrap();
        let found = whole_result(&out);
        assert!(found == seen || found == round as u64, "round {round} left the result of {found}");
        seen = found;
    }
    // What the killed runs left behind is cleared away by the next.
    kantor().args(words(50)).assert().success();
    assert_eq!(std::fs::read_dir(work.path()).unwrap().count(), 1);
    assert_eq!(whole_result(&out), 50);
}
