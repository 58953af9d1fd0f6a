//! The file format: what is written is read back, bit for bit, and nothing else is read.

use kantor_theory::certificate::{Dropped, MadeBy};
use kantor_theory::{Certificate, Cost, Facts, Verdict};

use crate::support::{Instance, Random};

fn some(cost: Cost, seed: u64) -> Instance {
    Instance::random(&mut Random(seed), cost, 6, 4, 5)
}

#[test]
fn what_is_written_is_read_back_and_verified() {
    for seed in 0..1200 {
        let instance = some(Cost::ALL[seed as usize % 6], seed);
        let certificate = instance.certificate();
        let read = Certificate::parse(&certificate.to_json()).unwrap();
        assert_eq!(read, certificate);
        let verdict = instance.check(&read);
        let Verdict::Verified(proved) = verdict else { panic!("seed {seed}: {verdict:?}") };
        assert_eq!(proved.distance, certificate.distance);
        assert_eq!(proved.best, certificate.best.map(|best| best.lower));
    }
}

#[test]
fn a_weaker_claim_is_verified_and_a_stronger_one_is_not() {
    let mut instances = (0..).map(|seed| some(Cost::Sqeuclidean, seed));
    let instance = instances.find(|instance| instance.certificate().distance.lower > Some(1e-3)).unwrap();
    let certificate = instance.certificate();
    let (lower, upper) = (certificate.distance.lower.unwrap(), certificate.distance.upper.unwrap());
    assert!(lower > 0.0 && upper > lower);
    let claim = |lower, upper| {
        let mut claimed = certificate.clone();
        (claimed.distance.lower, claimed.distance.upper) = (Some(lower), Some(upper));
        instance.check(&claimed).name()
    };
    assert_eq!(claim(0.9 * lower, 1.1 * upper), "verified");
    assert_eq!(claim(lower.next_up(), upper), "weaker");
    assert_eq!(claim(lower, upper.next_down()), "weaker");
    assert_eq!(claim(upper, lower), "rejected");
}

#[test]
fn one_sided_claims_are_claims() {
    let instance = some(Cost::Cosine, 3);
    for side in 0..2 {
        let mut certificate = instance.certificate();
        if side == 0 {
            (certificate.distance.upper, certificate.evidence.plan) = (None, None);
        } else {
            (certificate.distance.lower, certificate.evidence.distance_potentials) = (None, None);
            (certificate.best, certificate.evidence.best_potentials) = (None, None);
        }
        let read = Certificate::parse(&certificate.to_json()).unwrap();
        assert_eq!(instance.check(&read).name(), "verified");
    }
}

#[test]
fn dropped_rows_shift_nothing() {
    let instance = some(Cost::Euclidean, 21);
    let mut facts = instance.facts();
    // Rows 0 and 2 of the file are not among those at hand.
    facts.inputs[0].rows += 2;
    facts.dropped = Dropped { pool: vec![0, 2], query: vec![] };
    instance.with(|geometry| {
        let distance = instance.distance(geometry, instance.distance_evidence(geometry)).unwrap();
        let make = |dropped| Certificate::new(facts.inputs.clone(), dropped, &distance, None, MadeBy::default());
        let certificate = make(facts.dropped.clone()).unwrap();
        let stored = |row: usize| if row == 0 { 1 } else { row + 2 };
        assert_eq!(certificate.subset, instance.subset.iter().map(|&row| stored(row)).collect::<Vec<_>>());
        let verify = |certificate: &Certificate, facts: &Facts| {
            kantor_theory::verify(certificate, facts, geometry, &kantor_theory::sequential).name()
        };
        assert_eq!(verify(&certificate, &facts), "verified");
        assert_eq!(verify(&certificate, &instance.facts()), "cannot-check");
        let mut other = certificate.clone();
        other.subset[0] = 2;
        assert_eq!(verify(&other, &facts), "rejected");
        assert_eq!(make(Dropped { pool: vec![2, 0], query: vec![] }).unwrap_err().rule, "dropped");
    });
}

#[test]
fn arrays_are_written_on_one_line() {
    let text = String::from_utf8(some(Cost::Cosine, 5).certificate().to_json()).unwrap();
    assert!(text.lines().count() < 50 && text.ends_with("}\n"));
    assert!(
        text.lines().all(|line| line.matches('[').count() == line.matches(']').count()
            || line.ends_with("[")
            || line.contains("}]")),
        "{text}"
    );
}

#[test]
fn what_is_not_exactly_a_certificate_is_refused() {
    let text = String::from_utf8(some(Cost::Cosine, 5).certificate().to_json()).unwrap();
    assert!(Certificate::parse(text.as_bytes()).is_ok());
    let change = |from: &str, to: &str| {
        assert!(text.contains(from), "{from} is not in {text}");
        Certificate::parse(text.replacen(from, to, 1).as_bytes()).unwrap_err()
    };
    assert_eq!(change("kantor/certificate/2", "kantor/certificate/3").rule, "schema");
    assert_eq!(change("\"p\": ", "\"p\": 1").rule, "json");
    for (from, to, fault) in [
        ("\"p\": ", "\"q\": 1, \"p\": ", "unknown field"),
        ("\"p\": ", "\"p\": 1, \"p\": ", "duplicate field"),
        ("\"lower\": ", "\"lower\": NaN, \"x\": ", "expected"),
        ("\"lower\": ", "\"lower\": Infinity, \"x\": ", "expected"),
        ("\"lower\": ", "\"lower\": 1e999, \"x\": ", "out of range"),
        ("\"budget\": ", "\"budget\": -", "invalid value"),
        ("\"budget\": ", "\"budget\": 1.5, \"x\": ", "invalid type"),
        ("\"position\": [", "\"position\": [0,", "one length"),
        ("\"schema\"", "\"schema\": \"kantor/certificate/2\", \"schema\"", "duplicate field"),
        ("\"convention\": ", "\"constraints\": {\"quota\": 3}, \"convention\": ", "unknown field `quota`"),
        ("\"convention\": ", "\"constraints\": null, \"convention\": ", "invalid type"),
        ("\"convention\": ", "\"constraints\": [], \"convention\": ", "invalid type"),
        ("\"start\": 0, ", "", "`start`"),
        ("\"start\": 0, ", "\"start\": null, ", "invalid type"),
        ("\"start\": 0, ", "\"start\": 0, \"sha256\": \"0\", ", "`sha256`"),
        ("\"start\": 0, ", "\"start\": 0, \"sha256\": null, ", "invalid type"),
        ("\n \"subset\": [", "\n \"subset\": [99999999999999999999,", "invalid"),
        ("}\n", "} x", "trailing"),
    ] {
        let rejection = match fault {
            "trailing" => Certificate::parse(format!("{text} x").as_bytes()).unwrap_err(),
            _ => change(from, to),
        };
        assert!(rejection.rule == "json" && rejection.place.contains(fault), "{fault}: {rejection}");
    }
    // Deep nesting and claims of size cost nothing.
    assert!(Certificate::parse(&[b'['; 100_000]).is_err());
    assert!(Certificate::parse(b"").is_err());
    assert!(Certificate::parse(b"\xff\xfe{}").is_err());
}
