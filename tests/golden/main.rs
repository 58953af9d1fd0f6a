//! Golden test: every command on bundled data, word for word.
//!
//! A case is a few command lines (`cases.rs`). Their exit codes, standard output, standard error and every file that they
//! write become one text, in which what differs between two runs is masked (`masks.rs`), and which must equal the file
//! `recorded/GROUP/CASE.txt`. After an intended change record anew, and read the difference before it is committed:
//!
//! ```sh
//! KANTOR_GOLDEN=record cargo test --release --test golden && git diff tests/golden/recorded
//! ```
//!
//! `RAYON_NUM_THREADS` reaches the program: the texts are the same for every number of threads.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cases;
mod coverage;
mod difference;
mod files;
mod masks;
mod pages;
mod run;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use cases::Case;

/// Runs the cases of a group and compares them with their recorded texts, or records these.
fn check(group: &str, cases: &[Case]) {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/recorded").join(group);
    let record = match env::var("KANTOR_GOLDEN").as_deref() {
        Ok("record") => true,
        Ok(other) => panic!("KANTOR_GOLDEN is `{other}`: only `record` is known"),
        Err(_) => false,
    };
    if record {
        fs::create_dir_all(&recorded).unwrap();
    }
    let path = |case: &Case| recorded.join(case.name).with_extension("txt");
    let mut faults = Vec::new();
    for case in cases {
        let text = run::transcript(case);
        if record {
            fs::write(path(case), text).unwrap();
            continue;
        }
        let Ok(old) = fs::read_to_string(path(case)) else {
            faults.push(format!(
                "tests/golden/recorded/{group}/{}.txt is not there: the case was never recorded\n",
                case.name
            ));
            continue;
        };
        let found = difference::between(&old, &text, case.numbers);
        if !found.is_empty() {
            faults.push(format!("tests/golden/recorded/{group}/{}.txt\n{found}", case.name));
        }
    }
    let expected: BTreeSet<PathBuf> = cases.iter().map(path).collect();
    for stale in fs::read_dir(&recorded)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|at| !expected.contains(at))
    {
        if record {
            fs::remove_file(stale).unwrap();
        } else {
            faults.push(format!("{}: no case has this name\n", stale.display()));
        }
    }
    assert!(
        faults.is_empty(),
        "what kantor prints or writes is not what was recorded:\n\n{}\nif that is intended, record anew and read the \
         difference:\n    KANTOR_GOLDEN=record cargo test --release --test golden && git diff tests/golden/recorded\n",
        faults.join("\n")
    );
}

macro_rules! groups {
    ($($name:ident: $cases:ident),* $(,)?) => {
        /// All groups of cases.
        const GROUPS: &[(&str, &[Case])] = &[$((stringify!($name), cases::$cases)),*];

        $(#[test]
        fn $name() {
            check(stringify!($name), cases::$cases);
        })*
    };
}

groups! {
    help: HELP,
    registries: REGISTRIES,
    inspect: INSPECT,
    select: SELECT,
    prices: PRICES,
    distance: DISTANCE,
    solvers: SOLVERS,
    verify: VERIFY,
    compare: COMPARE,
    bound: BOUND,
    quantiles: QUANTILES,
    batch: BATCH,
    study: STUDY,
    errors: ERRORS,
}
