//! Inputs of both versions: ranges of rows that are known by value, and files.

use kantor_theory::certificate::{Content, Input, Role};
use kantor_theory::{Certificate, Cost, Facts, Verdict};

use crate::support::{Instance, Random, range};

/// The certificate with other inputs.
fn with(certificate: &Certificate, inputs: &[Input]) -> Certificate {
    let mut certificate = certificate.clone();
    certificate.inputs = inputs.to_vec();
    certificate
}

/// How rows are divided into ranges proves nothing, as long as the ranges cover them once and in order.
#[test]
fn ranges_divide_the_rows_in_any_way_that_covers_them_once() {
    let instance = Instance::random(&mut Random(4), Cost::Euclidean, 6, 4, 5);
    let (n, m, dim) = (instance.n, instance.m, instance.dim);
    assert!(n >= 4);
    let pool = |start, rows| range(Role::Pool, start, rows, dim, "0");
    let query = |start, rows| range(Role::Query, start, rows, dim, "0");
    let verdict = |inputs: &[Input], found: &[Input]| {
        let certificate = with(&instance.certificate(), inputs);
        let facts = Facts { inputs: found.to_vec(), ..Facts::default() };
        instance.with(|geometry| kantor_theory::verify(&certificate, &facts, geometry, &kantor_theory::sequential))
    };
    let whole = query(0, m);
    for pools in [vec![pool(0, n)], vec![pool(0, 1), pool(1, n - 1)], (0..n).map(|row| pool(row, 1)).collect()] {
        let inputs = [&pools[..], std::slice::from_ref(&whole)].concat();
        assert_eq!(verdict(&inputs, &inputs).name(), "verified");
        // Other values in the last of them.
        let mut other = inputs.clone();
        let Content::Values { blake3, .. } = &mut other[pools.len() - 1].content else { panic!("no values") };
        *blake3 = "1".into();
        assert_eq!(verdict(&inputs, &other).name(), "cannot-check");
    }
    let far = usize::MAX;
    for pools in [
        vec![pool(1, n - 1)],
        vec![pool(0, 2), pool(1, n - 1)],
        vec![pool(0, 2), pool(3, n - 3)],
        vec![pool(1, n - 1), pool(0, 1)],
        vec![pool(0, n), pool(0, n)],
        vec![pool(0, 0), pool(0, n)],
        vec![pool(0, n), pool(n, 0)],
        vec![pool(0, far), pool(far, 1)],
        vec![pool(0, n), whole.clone(), query(0, m)],
        vec![pool(0, n), whole.clone(), pool(n, 1)],
        vec![whole.clone(), pool(0, n)],
        vec![pool(0, n), range(Role::Similarity, 0, m, n, "0")],
        vec![pool(0, n), range(Role::Pool, n, 1, dim + 1, "0")],
        vec![Input { dtype: String::new(), ..pool(0, n) }],
        vec![],
    ] {
        let inputs = [&pools[..], std::slice::from_ref(&whole)].concat();
        let verdict = verdict(&inputs, &inputs);
        assert!(
            matches!(&verdict, Verdict::Rejected(rejection) if rejection.rule == "inputs"),
            "{pools:?} {verdict:?}"
        );
    }
    // A matrix has one line per query.
    let matrix = Instance::random(&mut Random(3), Cost::Precomputed, 6, 4, 5);
    let line = |at| range(Role::Similarity, at, 1, matrix.n, "0");
    let lines: Vec<Input> = (0..matrix.m).map(line).collect();
    let facts = Facts { inputs: lines.clone(), ..Facts::default() };
    let certificate = with(&matrix.certificate(), &lines);
    let found =
        matrix.with(|geometry| kantor_theory::verify(&certificate, &facts, geometry, &kantor_theory::sequential));
    assert!(matrix.m > 1 && found.name() == "verified", "{found:?}");
    // Rows that nobody has, and fewer rows than there are.
    for rows in [n - 1, n + 1] {
        let inputs = [pool(0, rows), whole.clone()];
        assert_eq!(verdict(&inputs, &inputs).name(), "cannot-check");
    }
    assert_eq!(verdict(&[pool(0, n)], &[pool(0, n)]).name(), "rejected");
}

#[test]
fn each_version_has_its_own_digests() {
    let instance = Instance::random(&mut Random(8), Cost::Sqeuclidean, 6, 4, 5);
    let (old, new) = (instance.certificate_1(), instance.certificate());
    for certificate in [&old, &new] {
        assert_eq!(&Certificate::parse(&certificate.to_json()).unwrap(), certificate);
        assert_eq!(instance.check(certificate).name(), "verified");
    }
    let mixed =
        [with(&old, &new.inputs), with(&new, &old.inputs), with(&new, &[new.inputs[0].clone(), old.inputs[1].clone()])];
    for certificate in mixed {
        let certificate = Certificate::parse(&certificate.to_json()).unwrap();
        assert!(matches!(instance.check(&certificate), Verdict::Rejected(rejection) if rejection.rule == "inputs"));
    }
    // What is known of values says nothing of files, nor the other way round.
    let check = |certificate, facts| {
        instance
            .with(|geometry| kantor_theory::verify(certificate, &facts, geometry, &kantor_theory::sequential).name())
    };
    assert_eq!(check(&old, instance.facts()), "cannot-check");
    assert_eq!(check(&new, instance.facts_1()), "cannot-check");
}
