//! Settings: described once, carried by name, checked when they are given.

use std::collections::HashMap;

use kantor_solvers::bandwidth::Bandwidth;
use kantor_solvers::registry::{SELECTORS, settings};
use kantor_solvers::settings::SettingKind;
use kantor_solvers::{KnnKde, KnnTv, Mmd, SelectError, SettingGroup, Settings, Tradeoff, Uot};
use serde_json::{Value, json};

/// `batch` takes results as done by a digest of this text.
#[test]
fn settings_are_written_as_results_have_always_been_digested() {
    let wanted = concat!(
        r#"{"epsilon":0.01,"rho":0.0001,"alpha":0.01,"tradeoff-c":5.0,"diversity":null,"list-cap":5000,"sigma":0.75,"#,
        r#""kde-cap":1000,"sampling":"top-k","kernel":"gaussian","bandwidth":"median","density-bandwidth":0.2,"#,
        r#""density-sample":5000,"compat-reference":false}"#,
    );
    assert_eq!(serde_json::to_string(&Settings::default().digested()).unwrap(), wanted);
    let mut given = Settings::default();
    given.set("epsilon", &json!(1)).unwrap();
    given.set("rho", &json!("inf")).unwrap();
    let changed = wanted.replace("\"epsilon\":0.01,\"rho\":0.0001", "\"epsilon\":1.0,\"rho\":\"inf\"");
    assert_eq!(serde_json::to_string(&given.digested()).unwrap(), changed);
    // Settings that came later count where they are set: results that know nothing of them stay as they are.
    given.set("swap-limit", &json!(3)).unwrap();
    let more = changed.replace('}', ",\"swap-limit\":3}");
    assert_eq!(serde_json::to_string(&given.digested()).unwrap(), more);
}

#[test]
fn every_setting_is_described_once_with_a_default_that_is_in_range() {
    let mut read = HashMap::new();
    for setting in SELECTORS.iter().flat_map(|entry| (entry.settings)()) {
        assert!(setting.help.len() > 20 && !setting.help.contains("  "), "{setting:?}");
        assert_eq!(setting.check(&setting.default).unwrap(), setting.default, "{}", setting.name);
        let same = read.entry(setting.name.clone()).or_insert_with(|| setting.clone());
        assert_eq!((&same.help, &same.default), (&setting.help, &setting.default), "{}", setting.name);
    }
    assert!(settings().iter().all(|setting| read.contains_key(&setting.name)));
    assert_eq!(settings().len(), read.len());
    let named: Vec<String> = KnnTv::described().into_iter().map(|setting| setting.name).collect();
    assert_eq!(named, ["alpha", "tradeoff-c", "diversity", "sampling", "compat-reference"]);
}

#[test]
fn what_a_group_of_settings_says_reaches_all_who_read_it() {
    let uot = Uot { epsilon: 0.05, rho: f64::INFINITY };
    let tradeoff = Tradeoff { alpha: 0.5, diversity: Some(2.0), ..Tradeoff::default() };
    let settings = Settings::default().with(&uot).with(&tradeoff);
    assert_eq!((settings.read::<Uot>(), settings.read::<KnnTv>().tradeoff), (uot.clone(), tradeoff.clone()));
    assert_eq!(settings.read::<KnnKde>(), KnnKde { tradeoff, ..KnnKde::default() });
    assert_eq!(settings.read::<Mmd>(), Mmd::default());
    let changed: Vec<&str> = settings.changed().map(|setting| &setting.name[..]).collect();
    assert_eq!(changed, ["epsilon", "rho", "alpha", "diversity"]);
    let written = serde_json::to_string(&uot).unwrap();
    assert_eq!(written, r#"{"epsilon":0.05,"rho":"inf"}"#);
    assert_eq!(serde_json::from_str::<Uot>(&written).unwrap(), uot);
    assert_eq!(serde_json::from_str::<Uot>("{}").unwrap(), Uot::default());
}

#[test]
fn values_that_make_no_sense_are_refused_by_the_name_of_the_setting() {
    for (name, value, said) in [
        ("alhpa", json!(0.5), "no setting `alhpa` (known: epsilon, rho, alpha,"),
        ("alpha", json!(1.5), "`alpha` is 1.5: it must lie strictly between 0 and 1"),
        ("alpha", json!("large"), "`alpha` is \"large\": give a number"),
        ("alpha", Value::Null, "`alpha` is null: give a number"),
        ("rho", json!(-1), "`rho` is -1: it must not be negative"),
        ("list-cap", json!(0), "`list-cap` is 0: it must be at least 1"),
        ("list-cap", json!(1.5), "`list-cap` is 1.5: give a whole number"),
        ("kernel", json!("guassian"), "`kernel` is \"guassian\": give one of gaussian, laplace,"),
        (
            "bandwidth",
            json!("wide"),
            "`bandwidth` is \"wide\": give a number or one of median, local, scott, silverman",
        ),
        ("density-bandwidth", json!(1e80), "it must lie between 1e-70 and 1e70"),
        ("compat-reference", json!("reference"), "give true or false"),
    ] {
        let refused = Settings::default().set(name, &value).unwrap_err().to_string();
        assert!(refused.contains(said), "{refused}");
        let read = serde_json::from_value::<Settings>(json!({name: value})).unwrap_err().to_string();
        assert!(read.contains(said), "{read}");
    }
    // A struct may hold anything; it is looked at before anything is chosen.
    for epsilon in [0.0, f64::NAN, f64::INFINITY] {
        let refused = Settings::from(Uot { epsilon, ..Uot::default() }).read::<Uot>().check();
        assert!(matches!(refused, Err(SelectError::Setting { name, .. }) if name == "epsilon"), "{epsilon}");
    }
    assert!(Mmd { bandwidth: Bandwidth::Given(f64::NAN).into(), ..Mmd::default() }.check().is_err());
    assert!(settings().iter().any(|setting| setting.kind == SettingKind::Bandwidth));
}
