//! What a geometry has cached is what it would evaluate.

use kantor_theory::{Cost, DenseRows, Geometry};

use crate::support::Random;

#[test]
fn cached_rows_have_the_bits_of_evaluated_ones() {
    let (n, m, d) = (60, 7, 19);
    let mut random = Random(5);
    let mut values = |count: usize| (0..count).map(|_| random.signed()).collect::<Vec<f64>>();
    let (pool, query) = (values(n * d), values(m * d));
    let (pool, query) = (DenseRows::from_f64(d, pool).unwrap(), DenseRows::from_f64(d, query).unwrap());
    for cost in [Cost::Cosine, Cost::Euclidean] {
        let plain = Geometry::new(&pool, &query, cost).unwrap();
        let cached = Geometry::new(&pool, &query, cost).unwrap().with_cache();
        let mut random = Random(6);
        for round in 0..50 {
            // Repeats within a request, and rows of earlier requests.
            let rows: Vec<usize> = (0..random.below(12)).map(|_| random.below(n)).collect();
            let mut expected = vec![0.0; rows.len() * m];
            let mut found = expected.clone();
            plain.closeness_gather(&rows, &mut expected);
            cached.closeness_gather(&rows, &mut found);
            assert!(expected.iter().zip(&found).all(|(a, b)| a.to_bits() == b.to_bits()), "{rows:?}");
            if round == 25 {
                cached.clear_cache();
            }
        }
    }
}
