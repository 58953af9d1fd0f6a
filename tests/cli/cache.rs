//! Rows that were made of text and kept for the next run: the same as without, whatever happens to the folder that they are in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use predicates::str::contains;
use serde_json::{Value, json};

use crate::support::{json as read_json, kantor};

/// A pool of text that is large enough to be kept, and queries.
struct Texts(tempfile::TempDir);

impl Texts {
    fn new() -> Self {
        let texts = Self(tempfile::tempdir().unwrap());
        let word = |row: usize, at: usize| format!("w{}", (row * (at + 3) + at * at) % 4001);
        let line = |row: usize| {
            let prompt = (0..18).map(|at| word(row, at)).collect::<Vec<_>>().join(" ");
            format!("{}\n", json!({"prompt": prompt, "response": word(row, 19)}))
        };
        fs::write(texts.at("pool.jsonl"), (0..9000).map(line).collect::<String>()).unwrap();
        fs::write(texts.at("query.jsonl"), (9000..9003).map(line).collect::<String>()).unwrap();
        fs::write(texts.at("other.jsonl"), (9010..9012).map(line).collect::<String>()).unwrap();
        assert!(fs::metadata(texts.at("pool.jsonl")).unwrap().len() > 1 << 20);
        texts
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn words<'a>(&self, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let words = ["select", "--pool", "pool.jsonl", "--query", "query.jsonl", "-k", "5", "--method", "round-robin"];
        [&words[..], &["--threads", "2", "-o", out], more].concat()
    }

    /// Selects into `out` and returns what was said.
    fn select(&self, out: &str, more: &[&str]) -> String {
        let mut command = kantor();
        command.current_dir(self.0.path()).args(self.words(out, more));
        String::from_utf8(command.assert().success().get_output().stderr.clone()).unwrap()
    }

    fn begin(&self, out: &str, more: &[&str]) -> Child {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("kantor"));
        command.current_dir(self.0.path()).args(self.words(out, more)).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// That the rows and the proof in `out` are those in `as_in`.
    fn same(&self, out: &str, as_in: &str) {
        for file in ["indices.npy", "selection.jsonl", "certificate.json"] {
            let read = |out: &str| fs::read(self.at(out).join("round-robin/k5").join(file)).unwrap();
            assert!(read(out) == read(as_in), "{file} of {out}");
        }
    }

    /// Whether the manifest says that the rows of these inputs were read from the cache.
    fn cached(&self, out: &str) -> Vec<(String, bool)> {
        let manifest = read_json(&self.at(out).join("manifest.json"));
        let of = |input: &Value| (input["role"].as_str().unwrap().to_owned(), input["cached"] == true);
        manifest["inputs"].as_array().unwrap().iter().filter(|input| input["columns"].is_u64()).map(of).collect()
    }

    /// What is in a folder, hidden names too, sorted.
    fn entries(&self, folder: &str) -> Vec<PathBuf> {
        let mut names: Vec<PathBuf> =
            fs::read_dir(self.at(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names
    }
}

fn roles(pool: bool, query: bool) -> Vec<(String, bool)> {
    vec![("pool".to_owned(), pool), ("query".to_owned(), query)]
}

#[test]
fn rows_from_the_cache_are_those_that_are_made() {
    let texts = Texts::new();
    texts.select("without", &["--no-cache"]);
    let said = texts.select("first", &["--cache", "cache"]);
    assert!(said.contains("rows are kept in the cache cache"), "{said}");
    assert_eq!(texts.cached("first"), roles(false, false));
    // How common words are, and rows of pool and queries.
    let entries = texts.entries("cache");
    assert_eq!(entries.len(), 3);
    let said = texts.select("second", &["--cache", "cache"]);
    assert!(said.contains("rows were read from the cache cache"), "{said}");
    assert_eq!(texts.cached("second"), roles(true, true));
    for out in ["first", "second"] {
        texts.same(out, "without");
    }
    assert_eq!(texts.entries("cache"), entries);
    // The proof is of what the text says, not of the cache: it is checked by rows that are made again.
    let mut verify = kantor();
    verify.current_dir(texts.0.path()).args(["verify", "second/round-robin/k5/certificate.json"]);
    verify.args(["--pool", "pool.jsonl", "--query", "query.jsonl"]).assert().success();
    // Other queries need the words of the pool, other templates and lengths everything.
    let of_other = ["--query", "other.jsonl", "--threads", "2", "-k", "5", "--pool", "pool.jsonl", "-o"];
    let other = |out: &str, cache: &[&str]| {
        let mut command = kantor();
        command.current_dir(texts.0.path()).arg("select").args(of_other).arg(out).args(cache).assert().success();
    };
    other("other", &["--cache", "cache"]);
    other("other-without", &["--no-cache"]);
    texts.same("other", "other-without");
    assert_eq!((texts.cached("other"), texts.entries("cache").len()), (roles(true, false), 4));
    for more in [["--text", "{response}"], ["--ngram-dim", "64"]] {
        texts.select(more[1], &[&["--cache", "cache"][..], &more[..]].concat());
        assert_eq!(texts.cached(more[1]), roles(false, false), "{more:?}");
    }
}

#[test]
fn the_users_cache_directory_is_the_default_and_small_pools_are_not_kept() {
    let texts = Texts::new();
    let run = |out: &str, more: &[&str]| {
        let mut command = kantor();
        command.current_dir(texts.0.path()).env("XDG_CACHE_HOME", texts.at("home")).args(texts.words(out, more));
        command.assert().success()
    };
    run("a", &["--no-cache"]);
    assert!(!texts.at("home").exists());
    if cfg!(target_os = "linux") {
        run("b", &[]).stderr(contains("home/kantor"));
        assert_eq!(texts.entries("home/kantor").len(), 3);
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&fs::metadata(texts.at("home/kantor")).unwrap()) & 0o77, 0);
    }
    let begin = fs::read_to_string(texts.at("pool.jsonl")).unwrap().lines().take(50).collect::<Vec<_>>().join("\n");
    fs::write(texts.at("pool.jsonl"), begin).unwrap();
    texts.select("c", &["--cache", "small"]);
    assert!(!texts.at("small").exists());
    let mut both = kantor();
    both.current_dir(texts.0.path()).args(texts.words("d", &["--cache", "small", "--no-cache"])).assert().code(2);
}

#[test]
fn damaged_and_exchanged_entries_are_made_again() {
    let texts = Texts::new();
    texts.select("first", &["--cache", "cache"]);
    let entries = texts.entries("cache");
    let whole: Vec<Vec<u8>> = entries.iter().map(|path| fs::read(path).unwrap()).collect();
    let largest = (0..3).max_by_key(|&at| whole[at].len()).unwrap();
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        for (path, whole) in entries.iter().zip(&whole) {
            let mut bytes = whole.clone();
            change(&mut bytes);
            fs::write(path, bytes).unwrap();
        }
    };
    let packed = |content: &[u8], like: &[u8]| [&like[..47], &zstd::encode_all(content, 1).unwrap()].concat();
    let flip = |bytes: &mut Vec<u8>| {
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
    };
    type Spoil<'a> = &'a dyn Fn(&mut Vec<u8>);
    let cases: [(&str, Spoil<'_>); 6] = [
        ("a bit", &flip),
        ("the digest", &|bytes| bytes[20] ^= 1),
        ("cut", &|bytes| bytes.truncate(bytes.len() - 100)),
        ("nearly nothing", &|bytes| bytes.truncate(17)),
        ("the content of another", &|bytes| bytes.clone_from(&whole[largest])),
        ("longer", &|bytes| {
            let content = zstd::decode_all(&bytes[47..]).unwrap();
            *bytes = packed(&[&content[..], &[0; 9]].concat(), bytes);
        }),
    ];
    for (case, change) in cases {
        changed(change);
        let said = texts.select(&format!("out of {case}"), &["--cache", "cache"]);
        assert!(said.contains("was damaged or changed"), "{case}: {said}");
        texts.same(&format!("out of {case}"), "first");
        // Those that were needed are whole again, and nothing else is there.
        assert_eq!(texts.entries("cache"), entries, "{case}");
        assert!((0..3).filter(|&at| fs::read(&entries[at]).unwrap() == whole[at]).count() >= 2, "{case}");
    }
    // Rows of zeros that somebody packed with a digest of his own.
    let zeros = packed(&vec![0; 9000 * 2048], &[b"kantor/cache/1\n".to_vec(), vec![7; 32]].concat());
    fs::write(&entries[largest], zeros).unwrap();
    texts.select("forged", &["--cache", "cache"]);
    texts.same("forged", "first");
}

#[cfg(unix)]
#[test]
fn what_kantor_did_not_write_stays() {
    let texts = Texts::new();
    texts.select("first", &["--cache", "cache"]);
    let entries = texts.entries("cache");
    fs::write(texts.at("victim"), "keep").unwrap();
    fs::rename(&entries[0], texts.at("entry")).unwrap();
    std::os::unix::fs::symlink("../victim", &entries[0]).unwrap();
    fs::remove_file(&entries[1]).unwrap();
    fs::create_dir(&entries[1]).unwrap();
    fs::write(&entries[2], "my notes").unwrap();
    fs::write(texts.at("cache/more"), "mine").unwrap();
    let said = texts.select("second", &["--cache", "cache"]);
    assert!(said.matches("is not used and stays as it is").count() >= 2, "{said}");
    texts.same("second", "first");
    assert_eq!(fs::read_link(&entries[0]).unwrap(), Path::new("../victim"));
    assert_eq!(fs::read_to_string(texts.at("victim")).unwrap(), "keep");
    assert!(entries[1].is_dir());
    assert_eq!(fs::read_to_string(&entries[2]).unwrap(), "my notes");
    assert_eq!(texts.entries("cache").len(), 4);
    // Not even a link to a good entry is followed.
    fs::remove_file(&entries[0]).unwrap();
    std::os::unix::fs::symlink("../entry", &entries[0]).unwrap();
    texts.select("third", &["--cache", "cache"]);
    assert!(fs::symlink_metadata(&entries[0]).unwrap().is_symlink());
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_ends_no_run() {
    let texts = Texts::new();
    texts.select("without", &["--no-cache"]);
    fs::write(texts.at("file"), "no folder").unwrap();
    std::os::unix::fs::symlink("nowhere/at/all", texts.at("dangling")).unwrap();
    for folder in ["file", "file/below", "dangling", "/proc/kantor"] {
        let out = format!("out{}", folder.replace('/', "-"));
        let said = texts.select(&out, &["--cache", folder]);
        assert!(said.contains("kantor: note: cache: nothing is kept in"), "{folder}: {said}");
        assert!(said.contains("not a directory") || !folder.starts_with("file"), "{said}");
        assert_eq!(said.matches("cache:").count(), 1, "{said}");
        texts.same(&out, "without");
        assert!(texts.select(&format!("{out}-quiet"), &["--cache", folder, "--quiet"]).is_empty());
    }
    // A disk on which entries do not fit.
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -f 256 && exec \"$@\"", "sh"]).arg(assert_cmd::cargo::cargo_bin!("kantor"));
    let output = shell.current_dir(texts.0.path()).args(texts.words("full", &["--cache", "small"])).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("nothing is kept in small"), "{said}");
    texts.same("full", "without");
    assert!(texts.entries("small").iter().all(|path| fs::metadata(path).unwrap().len() <= 256 * 1024));
    assert_eq!(texts.cached("full"), roles(false, false));
    texts.select("later", &["--cache", "small"]);
    texts.same("later", "without");
}

#[test]
fn of_several_runs_one_keeps_its_rows_and_all_have_the_same() {
    let texts = Texts::new();
    texts.select("without", &["--no-cache"]);
    let outs: Vec<String> = (0..4).map(|run| format!("out{run}")).collect();
    let runs: Vec<Child> = outs.iter().map(|out| texts.begin(out, &["--cache", "cache"])).collect();
    for (run, out) in runs.into_iter().zip(&outs) {
        let output = run.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !said.contains("cache:"), "{said}");
        texts.same(out, "without");
    }
    assert_eq!(texts.entries("cache").len(), 3);
    texts.select("later", &["--cache", "cache"]);
    assert_eq!(texts.cached("later"), roles(true, true));
}

#[cfg(unix)]
#[test]
fn a_run_that_is_killed_leaves_no_part_of_an_entry() {
    let texts = Texts::new();
    texts.select("without", &["--no-cache"]);
    for wait in [20, 60, 100, 140, 180, 220, 260, 300, 360, 420, 500] {
        let mut run = texts.begin("killed", &["--cache", "cache", "--force"]);
        std::thread::sleep(Duration::from_millis(wait));
        run.kill().unwrap();
        run.wait().unwrap();
    }
    let said = texts.select("later", &["--cache", "cache"]);
    assert!(!said.contains("damaged"), "{said}");
    texts.same("later", "without");
    // What the killed runs had begun is gone with the run that needed the same.
    texts.select("last", &["--cache", "cache"]);
    assert_eq!(texts.cached("last"), roles(true, true));
    let hidden = |path: &PathBuf| path.file_name().unwrap().as_encoded_bytes()[0] == b'.';
    assert!(!texts.entries("cache").iter().any(hidden), "{:?}", texts.entries("cache"));
}
