//! What contributors read is true of the code: files that are named exist, and diffs show lines that are there.

use std::fs;
use std::path::Path;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn documents_name_files_that_exist() {
    for document in ["ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = read(document);
        let words = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
        let plain = |word: &&str| word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
        let paths: Vec<&str> = words.filter(plain).filter(|word| word.contains('/')).collect();
        assert!(paths.len() > 10, "{document} names {paths:?}");
        for path in paths {
            let there = Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists();
            assert!(there, "{document} names `{path}`, which does not exist");
        }
    }
}

#[test]
fn diffs_for_contributors_show_the_code_as_it_is() {
    let text = read("CONTRIBUTING.md");
    let diffs: Vec<&str> =
        text.split("```diff\n").skip(1).map(|rest| rest.split_once("\n```").expect("a diff ends").0).collect();
    assert_eq!(diffs.len(), 8);
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
