//! Statements, pages, tests and ids in the code belong together.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kantor_theory::generalization::Theorem;

fn crate_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(under: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(under).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn pages() -> BTreeSet<String> {
    let stem = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    files(&crate_dir().join("notes"), "md").iter().map(stem).collect()
}

#[test]
fn every_statement_has_a_page_and_every_page_a_statement() {
    let known: BTreeSet<String> = Theorem::ALL.iter().map(|theorem| theorem.id().to_owned()).collect();
    assert_eq!(known.len(), Theorem::ALL.len());
    let pages = pages();
    let missing: Vec<_> = known.difference(&pages).collect();
    assert!(missing.is_empty(), "no page for {missing:?}");
    // Other pages are about certificates and numbers: code names them where it rests on them.
    let root = crate_dir().parent().unwrap();
    let code: String = ["theory/src", "solvers/src", "src"]
        .iter()
        .flat_map(|dir| files(&root.join(dir), "rs"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let named = |page: &String| known.contains(page) || code.contains(&format!("notes/{page}.md"));
    let strange: Vec<_> = pages.iter().filter(|page| !named(page)).collect();
    assert!(strange.is_empty(), "pages that no statement and no code name: {strange:?}");
    let map = fs::read_to_string(crate_dir().join("README.md")).unwrap();
    for page in &pages {
        assert!(map.contains(&format!("notes/{page}.md")), "theory/README.md does not name notes/{page}.md");
    }
}

/// A page ends with a paragraph `Tests:` that names files and functions; they must exist.
#[test]
fn every_page_names_tests_that_exist() {
    let root = crate_dir().parent().unwrap();
    let all: Vec<(PathBuf, String)> = ["theory/tests", "solvers/tests", "tests", "src"]
        .iter()
        .flat_map(|dir| files(&root.join(dir), "rs"))
        .map(|path| (path.clone(), fs::read_to_string(&path).unwrap()))
        .collect();
    for page in pages() {
        let text = fs::read_to_string(crate_dir().join("notes").join(format!("{page}.md"))).unwrap();
        let tests = text.split("Tests").last().filter(|_| text.contains("Tests")).unwrap_or_default();
        let words = tests.split('`').skip(1).step_by(2);
        let mut named = 0;
        for word in words {
            let found = if let Some(file) = word.strip_suffix(".rs") {
                all.iter().any(|(path, _)| path.ends_with(format!("{file}.rs")))
            } else {
                all.iter().any(|(_, text)| text.contains(&format!("fn {word}(")))
            };
            assert!(found, "notes/{page}.md names `{word}`, which is no test");
            named += 1;
        }
        assert!(named > 0, "notes/{page}.md names no test");
    }
}

/// `T` and a number, perhaps with b, as in the notes.
fn ids(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let boundary = |at: Option<&u8>| at.is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'_');
    let mut found = Vec::new();
    for (start, _) in text.match_indices('T') {
        let digits = bytes[start + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
        let mut end = start + 1 + digits;
        if digits > 0 && bytes.get(end) == Some(&b'b') {
            end += 1;
        }
        let before = start.checked_sub(1).and_then(|at| bytes.get(at));
        if digits > 0 && boundary(before) && boundary(bytes.get(end)) {
            found.push(text[start..end].to_owned());
        }
    }
    found
}

/// What code says of theorems and pages exists.
#[test]
fn code_carries_no_unknown_id() {
    assert_eq!(ids("T1b, T12; UT3 T4x T (T99)"), ["T1b", "T12", "T99"]);
    let known: BTreeSet<&str> = Theorem::ALL.iter().map(|theorem| theorem.id()).collect();
    let pages = pages();
    let root = crate_dir().parent().unwrap();
    let mut seen = BTreeSet::new();
    for dir in ["theory/src", "solvers/src", "src"] {
        for path in files(&root.join(dir), "rs") {
            let text = fs::read_to_string(&path).unwrap();
            for line in text.lines().filter(|line| line.contains("//")) {
                for id in ids(line) {
                    let is_known = known.contains(id.as_str()) || pages.contains(id.as_str());
                    assert!(is_known, "{}: no statement {id}: {line}", path.display());
                    seen.insert(id);
                }
            }
            for (at, _) in text.match_indices("notes/") {
                let rest = &text[at + "notes/".len()..];
                if let Some(page) = rest.split(".md").next().filter(|page| rest.contains(".md") && page.len() < 40) {
                    let unknown = !pages.contains(page) && !page.contains(['<', '*', '{']);
                    assert!(!unknown, "{}: no page notes/{page}.md", path.display());
                }
            }
        }
    }
    let unused: Vec<_> = known.iter().filter(|id| id.starts_with('T') && !seen.contains(**id)).collect();
    assert!(unused.is_empty(), "no code names {unused:?}");
}

/// The lower crates know no command line: messages and comments name quantities.
#[test]
fn lower_crates_name_no_flag() {
    let root = crate_dir().parent().unwrap();
    for path in ["theory/src", "solvers/src"].iter().flat_map(|dir| files(&root.join(dir), "rs")) {
        let text = fs::read_to_string(&path).unwrap();
        for line in text.lines() {
            let flag =
                line.split("--").skip(1).any(|after| after.starts_with(|c: char| c.is_ascii_lowercase() || c == '{'));
            assert!(!flag, "{}: {line}", path.display());
        }
    }
}
