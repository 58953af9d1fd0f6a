//! First contact: help in two lengths, short flags, completions, manual pages, an example of a config, tips for slips.

use std::fs;
use std::path::Path;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

use crate::support::{example, indices, kantor, printed_json, select_example, write_npy};

fn printed(words: &[&str]) -> String {
    String::from_utf8(kantor().args(words).assert().success().get_output().stdout.clone()).unwrap()
}

/// `select -h` was as long as `--help`, and neither had an example.
#[test]
fn short_help_is_short_and_long_help_has_examples() {
    for command in ["select", "compare", "distance", "bound"] {
        let (short, long) = (printed(&[command, "-h"]), printed(&[command, "--help"]));
        assert!(2 * short.lines().count() < long.lines().count(), "{command}: {}", short.lines().count());
        assert!(short.contains(&format!("kantor {command} --help")) && !short.contains("Examples:"), "{short}");
        assert!(long.contains("Examples:") && long.contains(&format!("  kantor {command} --pool")), "{long}");
        assert!(short.contains("--pool") && short.contains("--quiet"), "{short}");
    }
    // Nothing is coloured where nobody watches.
    assert!(!printed(&["select", "--help"]).contains('\u{1b}'));
    kantor().args(["select", "--budgt", "3"]).assert().code(2).stderr(contains('\u{1b}').not());
}

#[test]
fn shells_complete_and_man_has_a_page_of_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = printed(&["completions", shell]);
        assert!(script.contains("quantiles") && script.contains("cross-fit"), "{shell}");
    }
    kantor().args(["completions", "bsh"]).assert().code(2).stderr(contains("bash"));
    assert!(printed(&["man"]).contains(".TH kantor 1"));
    let work = tempfile::tempdir().unwrap();
    let pages = work.path().join("man1");
    let write = |more: &[&str]| kantor().arg("man").arg(&pages).args(more).assert();
    write(&[]).success();
    let page = fs::read_to_string(pages.join("kantor-select.1")).unwrap();
    assert!(page.contains("Examples:") && page.contains("cross\\-fit"), "{page}");
    assert_eq!(fs::read_dir(&pages).unwrap().count(), printed(&["--help"]).lines().filter(|l| is_command(l)).count());
    write(&[]).code(2);
    write(&["--force"]).success();
    // A directory that was made for pages which could not be written is gone too.
    let program = assert_cmd::cargo::cargo_bin("kantor");
    let mut limited = assert_cmd::Command::new("sh");
    limited
        .args(["-c", "ulimit -f 0; trap '' XFSZ; exec \"$0\" man \"$1\""])
        .arg(program)
        .arg(work.path().join("new/man1"));
    limited.assert().failure();
    assert!(!work.path().join("new").exists());
}

/// A line of the list of commands, `help` taking the place of the program itself.
fn is_command(line: &str) -> bool {
    line.starts_with("  ") && line.chars().nth(2).is_some_and(char::is_lowercase)
}

/// Runs `select` or `compare` in the clone by the example of its config.
fn by_config(text: &str, command: &str, work: &Path, more: &[&str]) -> assert_cmd::assert::Assert {
    let file = work.join("config.toml");
    fs::write(&file, text).unwrap();
    let mut run = kantor();
    run.current_dir(env!("CARGO_MANIFEST_DIR")).arg(command).arg("--config").arg(&file);
    run.arg("-o").arg(work.join(command)).args(more).assert()
}

#[test]
fn the_example_of_a_config_works_and_has_every_flag() {
    let work = tempfile::tempdir().unwrap();
    for command in ["select", "compare"] {
        let text = printed(&["config", "--example", command]);
        by_config(&text, command, work.path(), &["--quiet"]).success();
        for line in printed(&[command, "--help"]).lines().map(str::trim_start) {
            let flag = line.split_whitespace().find_map(|word| word.strip_prefix("--"));
            let name = flag
                .filter(|_| line.starts_with('-'))
                .map(|flag| flag.split(|c: char| c != '-' && !c.is_alphanumeric()).next().unwrap());
            if let Some(name) = name.filter(|name| !["help", "version", "config"].contains(name)) {
                assert!(text.contains(&format!("\n{name} = ")) || text.contains(&format!("\n# {name} = ")), "{name}");
            }
        }
    }
    // Defaults are written so that they mean themselves.
    let text = printed(&["config", "--example"]);
    let defaults: String = ["seed", "p", "on-bad-row", "epsilon", "rho", "cost", "kernel"]
        .iter()
        .map(|name| {
            text.lines().find_map(|line| line.strip_prefix(&format!("# {name} = ")).map(|v| (name, v))).unwrap()
        })
        .map(|(name, value)| format!("{name} = {value}\n"))
        .collect();
    by_config(&format!("{defaults}{text}"), "select", work.path(), &["--force", "--quiet", "--method", "uot"])
        .success();
    by_config(&text.replace("\nbudget", "\nbudgte"), "select", work.path(), &[]).code(2).stderr(contains("`budget`?"));
}

/// A short flag counted beside its long name in the config, which was then given twice.
#[test]
fn short_flags_mean_the_long_ones_and_win_over_the_config() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    let text = printed(&["config", "--example"]).replace("round-robin,random", "round-robin");
    let assert = by_config(&text, "select", work.path(), &["-qk", "20"]);
    assert.success().stderr("");
    select_example(&out, &["--budget", "20", "--quiet"]).assert().success();
    let file = "round-robin/k20/indices.npy";
    assert_eq!(indices(&work.path().join("select").join(file)), indices(&out.join(file)));
}

/// `all` was for `compare` only.
#[test]
fn all_methods_are_chosen_by_where_there_may_be_several() {
    let work = tempfile::tempdir().unwrap();
    let rows: Vec<f32> = (0..60 * 3).map(|at| ((at * 37 % 101) as f32).sin()).collect();
    write_npy(&work.path().join("pool.npy"), 3, &rows);
    write_npy(&work.path().join("query.npy"), 3, &rows[30..45]);
    // All but `auto`, which runs the others.
    let registered = printed_json(kantor().args(["methods", "--json"]))["methods"].as_array().unwrap().len() - 1;
    let mut select = kantor();
    select
        .current_dir(work.path())
        .args("select --pool pool.npy --query query.npy -k 4 --method all -o out --json".split(' '));
    assert_eq!(printed_json(&mut select)["results"].as_array().unwrap().len(), registered);
    let jobs = "out = \"jobs\"\npool = \"pool.npy\"\nmethods = \"all\"\nbudgets = 4\n[tasks]\na = \"query.npy\"\n";
    fs::write(work.path().join("jobs.toml"), jobs).unwrap();
    let mut batch = kantor();
    let printed = printed_json(batch.current_dir(work.path()).args(["batch", "jobs.toml", "--json"]));
    assert_eq!(printed["counts"]["done"], registered);
    let mut quantiles = kantor();
    quantiles.current_dir(work.path()).args("quantiles --pool pool.npy --query query.npy --bins 2 -o bins".split(' '));
    quantiles.args(["--method", "all"]).assert().code(2).stderr(contains("one method"));
}

/// Methods and keys had tips, fields and tensors had none.
#[test]
fn mistyped_names_get_a_tip_whatever_they_are_of() {
    let work = tempfile::tempdir().unwrap();
    let at = |name: &str| work.path().join(name);
    fs::write(at("labels.jsonl"), "{\"task\": \"a\", \"text\": \"x\"}\n".repeat(100)).unwrap();
    let labels = format!("{}:tsk", at("labels.jsonl").display());
    let out = at("out");
    let refused = |more: &[&str], tip: &str| {
        let words: Vec<&str> = ["--budget", "5"].iter().chain(more).copied().collect();
        let run = select_example(&out, &words).assert();
        let text = String::from_utf8(run.get_output().stderr.clone()).unwrap();
        let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(!run.get_output().status.success() && one_line.contains(tip), "{more:?}: {text}");
    };
    refused(&["--method", "optmal"], "did you mean `optimal`?");
    refused(&["--cost", "cosin"], "'cosine'");
    refused(&["--query-groups", &labels], "did you mean `task`?");
    refused(&["--budgt", "5"], "'--budget'");
    let text = example("pool.jsonl.gz").display().to_string();
    refused(&["--pool-jsonl", &text, "--quota", "sorce:..25%"], "did you mean `source`?");
    let subset = at("rows.txt");
    fs::write(&subset, "1\n2\n").unwrap();
    let mut distance = kantor();
    distance.arg("distance").arg("--pool").arg(example("pool.embed.npy")).arg("--subset").arg(&subset);
    distance.arg("--query").arg(example("query_gsm8k.embed.npy")).args(["--solver", "sinkhrn"]);
    distance.assert().code(2).stderr(contains("'sinkhorn'"));
    let mut text = kantor();
    text.args(["select", "--text", "{promt}", "-k", "5", "--pool"]).arg(example("pool.jsonl.gz"));
    text.arg("--query").arg(example("query_gsm8k.jsonl")).arg("-o").arg(&out);
    text.assert().failure().stderr(contains("did you mean `prompt`?"));
}
