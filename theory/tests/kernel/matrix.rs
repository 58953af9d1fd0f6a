//! Entries of a given matrix: what is a similarity, what is a cost, and for which power.

use kantor_theory::geometry::{Entry, cosine_allowance};
use kantor_theory::{
    Cost, DenseRows, DistanceEvidence, Element, Geometry, GeometryError, Power, Statement, TransportProblem, Weights,
    distance_bound, nearest_distances, sequential,
};

const COSINES: [Cost; 3] = [Cost::Cosine, Cost::HalfCosine, Cost::Angular];

/// Two queries, three pool rows; one entry is to be judged.
fn double(entry: f64) -> DenseRows {
    DenseRows::from_f64(3, vec![0.1, 0.9, 0.3, 0.2, entry, -0.5]).unwrap()
}

fn single(entry: f32) -> DenseRows {
    DenseRows::from_f32(3, vec![0.1, 0.9, 0.3, 0.2, entry, -0.5]).unwrap()
}

#[test]
fn similarities_outside_one_are_refused_by_place() {
    for cost in COSINES {
        for bad in [1.5, -1.5, 1.001, -1.001, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let matrix = double(bad);
            let Err(error) = Geometry::from_matrix(&matrix, cost) else { panic!("{cost} accepts {bad}") };
            let GeometryError::BadEntry { query: 1, pool: 1, value, fault } = error else { panic!("{error}") };
            assert!(value.to_bits() == bad.to_bits());
            assert_eq!(fault.contains("finite"), !bad.is_finite());
            assert_eq!(fault.contains("normalise") && fault.contains("give costs"), bad.is_finite());
        }
        assert!(Geometry::from_matrix(&single(1.001), cost).is_err());
    }
    assert!(Geometry::from_matrix(&double(7.0), Cost::Precomputed).is_ok());
    assert!(Geometry::from_matrix(&double(f64::NAN), Cost::Precomputed).is_err());
}

/// The first bad entry is named, wherever it stands in a long line.
#[test]
fn the_first_bad_entry_of_a_long_line_is_named() {
    let mut values = vec![0.5f64; 2 * 70_000];
    (values[69_999], values[70_000 + 33_333]) = (2.0, 3.0);
    let matrix = DenseRows::from_f64(70_000, values).unwrap();
    let error = Geometry::from_matrix(&matrix, Cost::Cosine).map(drop).unwrap_err();
    assert!(matches!(error, GeometryError::BadEntry { query: 0, pool: 69_999, .. }), "{error}");
}

/// What rounding leaves of the cosine of equal rows is one: read so everywhere, in all ways of reading.
#[test]
fn cosines_beyond_one_by_rounding_are_one() {
    let allowance = cosine_allowance(Element::F64);
    for over in [f64::EPSILON, f64::from(f32::EPSILON), allowance] {
        for sign in [1.0, -1.0] {
            let matrix = double(sign * (1.0 + over));
            for cost in COSINES {
                let geometry = Geometry::from_matrix(&matrix, cost).unwrap();
                let most = if cost == Cost::Cosine { 2.0 } else { 1.0 };
                let expected = if sign > 0.0 { 0.0 } else { most };
                assert_eq!((geometry.closeness(1, 1), geometry.cost_of(1, 1)), (sign, expected));
                let (mut block, mut listed) = (vec![0.0; 6], vec![0.0; 2]);
                geometry.closeness_block(0..3, &mut block);
                geometry.closeness_gather(&[1], &mut listed);
                let read = geometry.matrix().unwrap();
                let (mut line, mut narrow) = (vec![0.0; 3], vec![0.0f32; 3]);
                read.read_row(1, &mut line);
                read.read_f32(1, &mut narrow);
                assert_eq!((block[3], listed[1], line[1], f64::from(narrow[1])), (sign, sign, sign, sign));
                assert!(read.borrow(1, 0..3).is_none());
            }
        }
    }
    // Without such entries the table is lent as it lies.
    let matrix = double(1.0);
    assert!(Geometry::from_matrix(&matrix, Cost::Cosine).unwrap().matrix().unwrap().borrow(1, 0..3).is_some());
    // The allowance is that of the type in which the matrix is stored.
    assert!(Geometry::from_matrix(&single((1.0 + allowance) as f32), Cost::Cosine).is_ok());
    assert!(cosine_allowance(Element::F16) > 1.9e-3 && cosine_allowance(Element::F16) < 3e-3);
    assert!(cosine_allowance(Element::F32) < 5e-6 && cosine_allowance(Element::BF16) < 0.02);
}

#[test]
fn negative_costs_are_not_squared() {
    let matrix = double(0.4);
    let geometry = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
    assert_eq!(geometry.negative_cost(), Some(Entry { query: 1, pool: 2, value: -0.5 }));
    assert!(Power::One.check(&geometry).is_ok());
    let named = |text: String| assert!(text.contains("-0.5") && text.contains("negative"), "{text}");
    named(Power::Two.check(&geometry).unwrap_err().to_string());
    let evidence = || DistanceEvidence { potentials: Some(vec![0.0; 2]), plan: None };
    let statement = |power| Statement::new(&geometry, power, 1);
    assert!(distance_bound(&geometry, &statement(Power::One), &[2], evidence(), &sequential).is_ok());
    named(distance_bound(&geometry, &statement(Power::Two), &[0], evidence(), &sequential).unwrap_err().to_string());
    let chamfer = |power| nearest_distances(&geometry, power, &[0], &Weights::default(), &sequential);
    assert!(chamfer(Power::One).is_ok());
    named(chamfer(Power::Two).unwrap_err().to_string());
    assert!(TransportProblem::new(&geometry, Power::One).check().is_ok());
    named(TransportProblem::new(&geometry, Power::Two).check().unwrap_err().to_string());
    // Zero of either sign is no negative cost.
    let zero = DenseRows::from_f64(2, vec![0.0, -0.0]).unwrap();
    assert!(Power::Two.check(&Geometry::from_matrix(&zero, Cost::Precomputed).unwrap()).is_ok());
}
