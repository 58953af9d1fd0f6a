//! Energy distance and maximum mean discrepancy against NumPy 2.4.6 in double precision.

use kantor_theory::{
    Cost, DistanceEvidence, Geometry, Kernel, KernelName, Objective, Power, Statement, distance_bound, sequential,
};

use crate::support::{indices, pool_and_query, record};

#[test]
fn squared_distances_of_kernels_are_those_of_numpy() {
    let (pool, query) = pool_and_query();
    let geometry = Geometry::new(&pool, &query, Cost::Cosine).unwrap();
    let rows = indices("subset_round_robin_prefix_200.npy");
    let record = record();
    let gauss = |sigma| Objective::Mmd(Kernel::new(KernelName::Gaussian, Some(sigma)).unwrap());
    let stored = record["mmd_gauss_squared"].as_object().unwrap();
    let mut cases = vec![(Objective::Energy, record["energy_distance_squared"].as_f64().unwrap())];
    cases.extend(stored.iter().map(|(sigma, value)| (gauss(sigma.parse().unwrap()), value.as_f64().unwrap())));
    assert!(cases.len() >= 3);
    for (objective, wanted) in cases {
        let problem = Statement::new(&geometry, Power::One, rows.len()).under(objective);
        let interval =
            distance_bound(&geometry, &problem, &rows, DistanceEvidence::default(), &sequential).unwrap().interval();
        let (lower, upper) = (interval.lower.unwrap(), interval.upper.unwrap());
        assert!((lower * lower - wanted).abs() < 1e-12 && (upper * upper - wanted).abs() < 1e-12, "{objective:?}");
        assert!(upper - lower < 1e-11, "{objective:?}: {lower} {upper}");
    }
}
