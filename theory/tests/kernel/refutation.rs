//! Prices that prove that limits cannot be met: never where a subset obeys.

use kantor_theory::constraints::{ColumnRecord, Counted, Limit, Price};
use kantor_theory::{Column, Constraints, FeasibleSet, TokenBudget};
use proptest::prelude::*;

fn record(name: &str) -> ColumnRecord {
    ColumnRecord { name: name.into(), blake3: String::new(), origin: None }
}

/// At least `min` rows with label `x`, at most `max` in all of a sum.
fn set(labels: &[bool], lengths: &[f64], (min, max): (f64, f64), tokens: Option<(f64, f64)>) -> FeasibleSet {
    let columns = ["of", "sum"].map(record).to_vec();
    let label = Limit { column: 0, of: Counted::Label("x".into()), min: Some(min), max: None };
    let sum = Limit { column: 1, of: Counted::Sum, min: None, max: Some(max) };
    let numbers = Column::numbers(lengths.to_vec()).unwrap();
    let data = [Column::labels(labels.iter().map(|is| Some(if *is { "x" } else { "y" }))), numbers.clone()];
    let constraints = Constraints { columns, limits: vec![label, sum], ..Constraints::default() };
    let set = FeasibleSet::new(&constraints, &data, labels.len(), &[]).unwrap();
    match tokens {
        None => set,
        Some((min, max)) => {
            set.in_tokens(&TokenBudget { column: record("sum"), min, max }, &numbers, labels.len(), &[]).unwrap()
        }
    }
}

fn prices(of: [f64; 2]) -> Vec<Price> {
    of.into_iter().enumerate().map(|(limit, price)| Price { limit, label: None, price }).collect()
}

#[test]
fn prices_of_a_conflict_prove_it_and_no_others() {
    let (labels, lengths) = ([true, true, false, false], [5.0, 5.0, 1.0, 1.0]);
    let refuted =
        |ends, prices_of, budget| set(&labels, &lengths, ends, None).refutes(budget, &prices(prices_of)).unwrap();
    // One row with the label and another have 6.
    assert!(refuted((1.0, 5.5), [-4.0, 1.0], 2));
    assert!(!refuted((1.0, 6.0), [-4.0, 1.0], 2));
    assert!(!refuted((1.0, 5.5), [-1.0, 1.0], 2) && !refuted((1.0, 5.5), [0.0, 1.0], 2));
    let in_tokens = |tokens| set(&labels, &lengths, (0.0, 9.0), Some(tokens)).refutes(9, &prices([0.0, 1.0])).unwrap();
    assert!(in_tokens((9.5, 12.0)) && !in_tokens((9.0, 12.0)));
    let words = set(&labels, &lengths, (1.0, 5.5), None);
    let words: Vec<String> = prices([-4.0, 1.0]).iter().map(|price| words.end_in_words(price)).collect();
    assert_eq!(words, ["`of=x` (at least 1)", "`sum` (at most 5.5)"]);
    let fault = set(&labels, &lengths, (1.0, 5.5), None).refutes(2, &prices([1.0, 1.0])).unwrap_err();
    assert!(fault.to_string().contains("price 0"), "{fault}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// T15: whatever the prices, what is called refuted has no subset that obeys.
    #[test]
    fn nothing_that_can_be_met_is_refuted(
        rows in prop::collection::vec((any::<bool>(), 0u8..5), 2..7),
        min in 0u8..4,
        max in 1u8..20,
        tokens in prop::option::of((1u8..12, 0u8..6)),
        of_label in -6.0..0.0f64,
        of_sum in 0.0..4.0f64,
        k in 1usize..5,
    ) {
        let (labels, lengths): (Vec<bool>, Vec<f64>) = rows.iter().map(|(is, x)| (*is, f64::from(*x))).unzip();
        let tokens = tokens.map(|(min, more)| (f64::from(min), f64::from(min + more)));
        let set = set(&labels, &lengths, (f64::from(min), f64::from(max)), tokens);
        if set.refutes(k, &prices([of_label, of_sum])).unwrap() {
            for bits in 0u32..1 << labels.len() {
                let chosen: Vec<usize> = (0..labels.len()).filter(|row| bits >> row & 1 == 1).collect();
                if tokens.is_some() || chosen.len() == k {
                    prop_assert!(set.check(&chosen).is_err(), "{chosen:?}");
                }
            }
        }
    }
}
