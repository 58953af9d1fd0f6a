//! Energy distance and Gaussian MMD between the queries and a subset, by NumPy 2.4.6 in double precision.

use kantor::certify::{Metric, Terms, in_parallel, measure};
use kantor_theory::{Cost, Geometry, Kernel, KernelName};

use crate::support::{indices, pool_and_query, record};

#[test]
fn energy_and_mmd_are_those_of_numpy() {
    let (pool, query) = pool_and_query();
    let record = record();
    let rows = indices("subset_round_robin_prefix_200.npy");
    let geometry = Geometry::new(&pool, &query, Cost::Cosine).unwrap();
    let squared = |metric| {
        let measured = measure(&geometry, metric, &Terms::default(), &rows, &in_parallel).unwrap();
        let interval = measured.squared.unwrap();
        (interval.lower.unwrap(), interval.upper.unwrap())
    };
    let agree = |(low, high): (f64, f64), theirs: &serde_json::Value| {
        let theirs = theirs.as_f64().unwrap();
        assert!(high - low < 1e-12 && (0.5 * (low + high) - theirs).abs() <= 1e-9 * theirs, "{low} {high} {theirs}");
    };
    agree(squared(Metric::Energy), &record["energy_distance_squared"]);
    let cases = record["mmd_gauss_squared"].as_object().unwrap();
    assert_eq!(cases.len(), 2);
    for (sigma, theirs) in cases {
        let kernel = Kernel::new(KernelName::Gaussian, Some(sigma.parse().unwrap())).unwrap();
        agree(squared(Metric::Mmd(kernel)), theirs);
    }
}
