//! The corpus of certificates that both checkers are tried on: true ones, forgeries made by hand, and changes without
//! thought. `kantor verify` is tried here; `.ci/verify` has the same files written to `KANTOR_CORPUS` and tries
//! `examples/verify.py` on them.

mod bases;
mod constraints;
mod evidence;
mod forge;
mod forgeries;
mod inputs;
mod quality;
mod quotas;
mod spellings;
mod tokens;
mod truth;
mod variants;

use std::path::{Path, PathBuf};

use assert_cmd::cargo::cargo_bin_cmd;
use kantor::pipeline::{Error, InputSpec};
use kantor::solvers::Quiet;
use kantor::source::DataError;
use kantor::theory::{Certificate, Power, Proved, Verdict, sequential};
use kantor::verify::verify;
use serde_json::{Value, json};
use tempfile::TempDir;

use bases::{Base, bases};
use forge::Mutant;
use forgeries::forgeries;
use truth::Truth;
use variants::variants;

/// What was tried of one kind, with the files that it speaks of.
struct Corpus {
    directory: PathBuf,
    temporary: Option<TempDir>,
    index: Vec<Value>,
}

impl Corpus {
    /// In a folder of `KANTOR_CORPUS` of that name, or gone with the test.
    fn new(kind: &str) -> Self {
        let Some(kept) = std::env::var_os("KANTOR_CORPUS") else {
            let temporary = tempfile::tempdir().unwrap();
            return Self { directory: temporary.path().to_owned(), temporary: Some(temporary), index: Vec::new() };
        };
        let directory = Path::new(&kept).join(kind);
        std::fs::create_dir_all(&directory).unwrap();
        Self { directory, temporary: None, index: Vec::new() }
    }

    /// Notes what this checker says of a certificate and whether another may believe it, and writes it if it is to be
    /// kept; its path.
    fn keep(&mut self, base: &Base, name: &str, bytes: &[u8], verdict: &Verdict, believable: bool) -> PathBuf {
        let path = self.directory.join(format!("{}.json", self.index.len()));
        if self.temporary.is_none() {
            std::fs::write(&path, bytes).unwrap();
        }
        self.index.push(json!({
            "name": format!("{}: {name}", base.name),
            "certificate": path,
            "files": files(base),
            "kantor": verdict.name(),
            "believable": believable,
            "in_python": base.in_python,
        }));
        path
    }

    fn finish(self) {
        if self.temporary.is_none() {
            std::fs::write(self.directory.join("index.json"), json!(self.index).to_string()).unwrap();
        }
    }
}

/// The words that name the files of a base on the command line.
fn files(base: &Base) -> Vec<String> {
    let word = |flag: &str, path: &PathBuf| [format!("--{flag}"), path.display().to_string()];
    let pool = base.spec.pool.iter().flat_map(|path| word("pool", path));
    let query = base.spec.query.iter().flat_map(|path| word("query", path));
    let columns = base
        .columns
        .iter()
        .flat_map(|(name, path)| word("column", &PathBuf::from(format!("{name}={}", path.display()))));
    pool.chain(query)
        .chain(base.spec.similarity.iter().flat_map(|path| word("similarity", path)))
        .chain(columns)
        .collect()
}

/// What the checker says of these bytes, who is not told which tensor is meant.
fn judged(base: &Base, bytes: &[u8]) -> Verdict {
    let spec = InputSpec { tensor: None, ..base.spec.clone() };
    let certificate = match Certificate::parse(bytes) {
        Ok(certificate) => certificate,
        Err(rejection) => return Verdict::Rejected(rejection),
    };
    match verify(&certificate, &spec, &base.columns, &sequential, &Quiet) {
        Ok(verdict) => verdict,
        // Neither says which.
        Err(Error::Data(error @ DataError::Tensor { .. })) => Verdict::CannotCheck(error.to_string()),
        Err(error) => panic!("{}: {error}", base.name),
    }
}

/// Exit code and verdict of the program.
fn by_program(base: &Base, path: &Path) -> (i32, String) {
    let output = cargo_bin_cmd!("kantor").args(["verify", "--json"]).arg(path).args(files(base)).output().unwrap();
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), printed["verdict"].as_str().unwrap_or_default().to_owned())
}

fn assert_agrees(base: &Base, path: &Path, bytes: &[u8], verdict: &Verdict, name: &str) {
    std::fs::write(path, bytes).unwrap();
    // Bytes of another format are refused before they are judged.
    if std::str::from_utf8(bytes).is_err() {
        assert_ne!(verdict.name(), "verified", "{}: {name}", base.name);
        assert!([1, 3].contains(&by_program(base, path).0), "{}: {name}", base.name);
        return;
    }
    let code = i32::from(verdict.name() != "verified");
    assert_eq!(by_program(base, path), (code, verdict.name().to_owned()), "{}: {name}", base.name);
}

#[test]
fn true_certificates_are_verified() {
    let mut corpus = Corpus::new("true");
    for base in bases(&corpus.directory) {
        let certificate = &base.certificate;
        let verdict = judged(&base, &certificate.to_json());
        let claim = Proved { distance: certificate.distance, best: certificate.best.map(|best| best.lower) };
        assert_eq!(verdict, Verdict::Verified(claim), "{}", base.name);
        assert!(claim.distance.lower.is_some_and(|lower| lower > 1e-3), "{}: {claim:?}", base.name);
        Truth::of(&base).assert_holds(certificate, claim, base.name);
        let path = corpus.keep(&base, "as written", &certificate.to_json(), &verdict, true);
        assert_agrees(&base, &path, &certificate.to_json(), &verdict, "as written");
    }
    corpus.finish();
}

/// Else a false sentence about all queries together would be called verified.
#[test]
fn verify_says_that_claims_are_about_the_largest_distance_to_several_tasks() {
    let directory = tempfile::tempdir().unwrap();
    let base = bases(directory.path()).into_iter().find(|base| base.name == "worst").unwrap();
    let path = directory.path().join("worst.json");
    std::fs::write(&path, base.certificate.to_json()).unwrap();
    let output = cargo_bin_cmd!("kantor").arg("verify").arg(&path).args(files(&base)).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("the largest W_1 to any of 2 tasks of 2, 2 queries under cost euclidean"), "{text}");
    let output = cargo_bin_cmd!("kantor").args(["verify", "--json"]).arg(&path).args(files(&base)).output().unwrap();
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&printed["verdict"], &printed["tasks"]), (&json!("verified"), &json!([2, 2])));
}

/// Certificates that leave out the rows of the subset, or queries, with counts and evidence to match.
fn dropping(base: &Base, directory: &Path) -> Vec<Mutant> {
    let Some(remake) = &base.remake else { return Vec::new() };
    let mut best = base.certificate.subset.clone();
    best.sort_unstable();
    let drops = [(best, vec![]), (vec![0], vec![]), (vec![], vec![0]), (vec![9], vec![1, 2])];
    let forged = |(pool, query): (Vec<usize>, Vec<usize>)| {
        let mut certificate = remake.without(directory, &pool, &query);
        let kept: Vec<usize> = (0..10).filter(|row| !pool.contains(row)).collect();
        let witness = certificate.evidence.witness.as_mut().map(|witness| &mut witness.rows);
        [Some(&mut certificate.subset), witness].into_iter().flatten().flatten().for_each(|row| *row = kept[*row]);
        certificate.inputs = base.certificate.inputs.clone();
        let name = format!("pool rows {pool:?} and queries {query:?} dropped");
        (certificate.dropped.pool, certificate.dropped.query) = (pool, query);
        Mutant { name, bytes: certificate.to_json(), harmless: false }
    };
    drops.into_iter().map(forged).collect()
}

#[test]
fn no_forgery_is_believed() {
    let mut corpus = Corpus::new("forged");
    let (mut forged, mut harmless) = (0, 0);
    for base in bases(&corpus.directory) {
        for mutant in forgeries(&base).into_iter().chain(dropping(&base, &corpus.directory)) {
            let verdict = judged(&base, &mutant.bytes);
            let believed = verdict.name() == "verified";
            // Of several tasks, what is changed in one that is not the worst may leave every claim true; so may a limit whose price
            // adds nothing to a bound in tokens, as the prices are those of rows.
            let may_be_true = base.name.starts_with("worst") || base.name.contains("quotas-tokens");
            if may_be_true && believed && !mutant.harmless {
                let certificate = Certificate::parse(&mutant.bytes).unwrap();
                Truth::of(&base).assert_holds(&certificate, verdict.proved().unwrap(), &mutant.name);
                continue;
            }
            if base.name.contains("quotas-tokens") && mutant.harmless && !believed {
                // What is claimed of fewer subsets is proved by other quotients, rounded in the last place.
                let claimed = Certificate::parse(&mutant.bytes).unwrap().best.unwrap().lower;
                let proved = verdict.proved().and_then(|proved| proved.best).unwrap();
                assert!(claimed <= proved + 1e-15, "{}: {}: {verdict:?}", base.name, mutant.name);
                continue;
            }
            assert_eq!(believed, mutant.harmless, "{}: {}: {verdict:?}", base.name, mutant.name);
            *if mutant.harmless { &mut harmless } else { &mut forged } += 1;
            let path = corpus.keep(&base, &mutant.name, &mutant.bytes, &verdict, mutant.harmless);
            if ["cosine", "cosine-quotas"].contains(&base.name) {
                assert_agrees(&base, &path, &mutant.bytes, &verdict, &mutant.name);
            }
        }
    }
    println!("{forged} forgeries, {harmless} remarks");
    assert!(forged > 4000 && harmless > 200, "{forged} {harmless}");
    corpus.finish();
}

#[test]
fn no_change_is_believed_unless_it_is_true() {
    let mut corpus = Corpus::new("changed");
    let (mut tried, mut malformed, mut refused, mut weaker, mut verified) = (0, 0, 0, 0, 0);
    for (seed, base) in bases(&corpus.directory).iter().enumerate() {
        let mut truth = Truth::of(base);
        for (name, bytes) in variants(base, seed as u64) {
            tried += 1;
            let what = format!("{}: {name}", base.name);
            let Ok(certificate) = Certificate::parse(&bytes) else {
                malformed += 1;
                corpus.keep(base, &name, &bytes, &judged(base, &bytes), false);
                continue;
            };
            let verdict = judged(base, &bytes);
            let claim = Proved { distance: certificate.distance, best: certificate.best.map(|best| best.lower) };
            match &verdict {
                Verdict::Rejected(_) | Verdict::CannotCheck(_) => refused += 1,
                Verdict::Weaker(proved) => {
                    weaker += 1;
                    truth.assert_holds(&certificate, *proved, &what);
                }
                Verdict::Verified(proved) => {
                    verified += 1;
                    truth.assert_holds(&certificate, *proved, &what);
                    truth.assert_holds(&certificate, claim, &what);
                }
            }
            let believable = verdict.proved().is_some_and(|proved| is_near(certificate.problem.p, claim, proved));
            corpus.keep(base, &name, &bytes, &verdict, believable);
        }
    }
    println!("{tried} tried: {malformed} malformed, {refused} refused, {weaker} weaker, {verified} verified");
    assert!(tried > 10_000 && malformed > 2000 && refused > 2000 && weaker > 100 && verified > 100);
    corpus.finish();
}

/// Whether the claims follow from what was proved but for what another checker may be in doubt about.
fn is_near(power: Power, claim: Proved, proved: Proved) -> bool {
    // The doubt is about costs to the power p.
    let raised = |x: f64| if power == Power::Two { x * x.abs() } else { x };
    let near = |claim: Option<f64>, proved: Option<f64>, sign: f64| match (claim, proved) {
        (None, _) => true,
        (Some(claim), Some(proved)) => {
            let (claim, proved) = (raised(claim), raised(proved));
            sign * (claim - proved) <= 1e-11 * (1.0 + proved.abs())
        }
        (Some(_), None) => false,
    };
    near(claim.distance.lower, proved.distance.lower, 1.0)
        && near(claim.distance.upper, proved.distance.upper, -1.0)
        && near(claim.best, proved.best, 1.0)
}
