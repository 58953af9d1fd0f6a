//! What contributors read is true of the code: files that are named exist, and diffs show lines that are there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    let path = root().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Documents, each with the folders from which it names files.
const DOCUMENTS: [(&str, &[&str]); 4] = [
    ("ARCHITECTURE.md", &["", "src/batch", "src/source"]),
    ("CONTRIBUTING.md", &["", "src/source"]),
    ("theory/README.md", &["", "theory", "theory/src", "theory/src/generalization"]),
    ("solvers/README.md", &["", "solvers/src"]),
];

/// Paths in backticks, names of Rust files, and links.
#[test]
fn documents_name_files_that_exist() {
    for (document, folders) in DOCUMENTS {
        let text = read(document);
        let quoted = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
        let linked = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
        let plain = |word: &&str| word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
        let named = |word: &&str| word.contains('/') || word.ends_with(".rs");
        let paths: Vec<&str> = quoted.chain(linked).filter(plain).filter(named).collect();
        assert!(paths.len() > 10, "{document} names {paths:?}");
        for path in paths {
            let there = folders.iter().any(|folder| root().join(folder).join(path).exists());
            assert!(there, "{document} names `{path}`, which does not exist");
        }
    }
}

/// README and the pages of `docs/`: every link to a file leads to one, every page is in the summary, and README is short.
#[test]
fn pages_link_to_what_exists() {
    let summary = read("docs/src/SUMMARY.md");
    let mut pages = vec!["README.md".to_owned()];
    for entry in fs::read_dir(root().join("docs/src")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "SUMMARY.md" || summary.contains(&format!("]({name})")), "SUMMARY.md has no {name}");
        pages.push(format!("docs/src/{name}"));
    }
    for page in pages {
        let (text, folder) = (read(&page), root().join(&page));
        let links = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
        for link in links.filter(|link| !link.contains("://")) {
            // As a book, the pages stand alone.
            assert!(page == "README.md" || !link.contains("../"), "{page} links to `{link}`, which is not in the book");
            let path = folder.parent().unwrap().join(link.split('#').next().unwrap_or_default());
            assert!(path.exists(), "{page} links to `{link}`, which does not exist");
        }
    }
    assert!(read("README.md").lines().count() <= 150, "README is for strangers: move what is long to docs/");
}

#[test]
fn diffs_for_contributors_show_the_code_as_it_is() {
    let text = read("CONTRIBUTING.md");
    let diffs: Vec<&str> =
        text.split("```diff\n").skip(1).map(|rest| rest.split_once("\n```").expect("a diff ends").0).collect();
    assert_eq!(diffs.len(), 9);
    for diff in diffs {
        let (mut name, mut code) = ("", String::new());
        for line in diff.lines() {
            if let Some(next) = line.strip_prefix("+++ ") {
                (name, code) = (next, read(next));
                continue;
            }
            let added = line.strip_prefix('+').expect("a diff for contributors adds lines only");
            assert!(
                code.lines().any(|line| line == added),
                "CONTRIBUTING.md shows a line that is not in {name}: {added}"
            );
        }
    }
}

#[test]
fn no_public_type_name_stands_twice() {
    let mut folders: Vec<PathBuf> = ["src", "solvers/src", "theory/src"].map(|name| root().join(name)).to_vec();
    let mut places: BTreeMap<String, PathBuf> = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // Stands in the place of `columnar` where that is not built.
            if path.ends_with("no_columns.rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap_or_default();
            for line in text.lines().filter_map(|line| line.trim_start().strip_prefix("pub ")) {
                let words = ["struct ", "enum ", "trait ", "type "];
                let Some(rest) = words.iter().find_map(|word| line.strip_prefix(word)) else { continue };
                let name: String = rest.chars().take_while(|letter| letter.is_alphanumeric()).collect();
                // A macro has no name yet for what it makes.
                if let (false, Some(other)) = (name.is_empty(), places.insert(name.clone(), path.clone())) {
                    panic!("`{name}` is a public type of {} and of {}", other.display(), path.display());
                }
            }
        }
    }
    assert!(places.len() > 100, "{places:?}");
}
