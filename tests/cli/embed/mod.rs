//! `kantor embed`: rows of text by a sentence encoder.

#[cfg(feature = "models")]
mod chosen;
#[cfg(feature = "models")]
mod language;
#[cfg(feature = "models")]
mod less;
#[cfg(feature = "models")]
mod made;
mod records;
#[cfg(feature = "models")]
mod t5;
#[cfg(feature = "models")]
mod tiny;

#[test]
fn embed_has_no_flags_of_a_cache_that_it_does_not_use() {
    crate::support::kantor()
        .args(["embed", "--no-cache"])
        .assert()
        .code(2)
        .stderr(predicates::str::contains("--no-cache"));
}

#[cfg(not(feature = "models"))]
#[test]
fn a_program_without_models_names_the_feature() {
    use predicates::prelude::PredicateBooleanExt;
    use predicates::str::contains;
    let work = tempfile::tempdir().unwrap();
    std::fs::create_dir(work.path().join("model")).unwrap();
    std::fs::write(work.path().join("text.jsonl"), "{\"text\": \"a\"}\n").unwrap();
    let mut command = crate::support::kantor();
    command.current_dir(work.path()).args(["embed", "text.jsonl", "--model", "model", "-o", "rows.safetensors"]);
    command.assert().code(3).stderr(contains("built without").and(contains("--features models")));
    let mut select = crate::support::kantor();
    select.current_dir(work.path()).args([
        "select",
        "--pool",
        "text.jsonl",
        "--query",
        "text.jsonl",
        "-k",
        "1",
        "-o",
        "out",
    ]);
    select.args(["--represent", "embed", "--model", "model"]);
    select.assert().code(3).stderr(contains("model: is a model").and(contains("--features models")));
    assert_eq!(std::fs::read_dir(work.path()).unwrap().count(), 2);
}
