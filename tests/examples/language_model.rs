//! The trigram model is modified Kneser–Ney smoothing by its definition; the bootstrap covers.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::evidence::bootstrap::{Bootstrap, ratio};
use super::evidence::text::{Example, Vocabulary};
use super::evidence::trigram::{END, FIRST, START, Trigram, UNKNOWN};

fn trained(texts: &[Vec<u32>], words: usize) -> Trigram {
    Trigram::train(texts.iter().map(Vec::as_slice), usize::MAX, words)
}

fn near(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-12, "{a} {b}");
}

/// The formulas, word for word: `grams` are all n-grams of one order, with repetition if they are counted as such.
fn by_definition(texts: &[Vec<u32>], words: usize, context: &[u32], word: u32) -> f64 {
    let mut all: Vec<Vec<u32>> = Vec::new();
    for text in texts {
        let padded: Vec<u32> = [START, START].into_iter().chain(text.iter().copied()).chain([END]).collect();
        all.extend(padded.windows(3).map(<[u32]>::to_vec));
    }
    let order = context.len() + 1;
    // Below the highest order, an n-gram counts once for every word that precedes it.
    let counted: Vec<Vec<u32>> = if order == 3 {
        all
    } else {
        let longer: BTreeSet<Vec<u32>> = all.into_iter().map(|gram| gram[2 - order..].to_vec()).collect();
        longer.into_iter().map(|gram| gram[1..].to_vec()).collect()
    };
    let distinct: BTreeSet<&Vec<u32>> = counted.iter().collect();
    let count = |gram: &[u32]| counted.iter().filter(|of| *of == gram).count();
    let n = |c: usize| distinct.iter().filter(|gram| count(gram) == c).count() as f64;
    let y = n(1) / (n(1) + 2.0 * n(2));
    let discount = |c: usize| {
        let c = c.min(3);
        let d = c as f64 - (c as f64 + 1.0) * y * n(c + 1) / n(c);
        if d > 0.0 && d <= c as f64 { d } else { [0.5, 1.0, 1.5][c - 1] }
    };
    let below = match context {
        [] => 1.0 / (words - 1) as f64,
        [_, shorter @ ..] => by_definition(texts, words, shorter, word),
    };
    let after: Vec<&Vec<u32>> = distinct.iter().copied().filter(|gram| gram.starts_with(context)).collect();
    if after.is_empty() {
        return below;
    }
    let total: f64 = after.iter().map(|gram| count(gram) as f64).sum();
    let left: f64 = after.iter().map(|gram| discount(count(gram))).sum();
    let own = count(&[context, &[word]].concat());
    let kept = if own > 0 { own as f64 - discount(own) } else { 0.0 };
    (kept + left * below) / total
}

fn corpora() -> impl Strategy<Value = Vec<Vec<u32>>> {
    prop::collection::vec(prop::collection::vec(UNKNOWN..FIRST + 4, 0..12), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 48, ..ProptestConfig::default() })]

    /// After every context, seen or not, the probabilities of all words, the unknown one and the end sum to 1.
    #[test]
    fn probabilities_sum_to_one(texts in corpora()) {
        let words = FIRST as usize + 6;
        let model = trained(&texts, words);
        for u in START..words as u32 {
            for v in START..words as u32 {
                let sum: f64 = (END..words as u32).map(|word| model.probability([u, v], word)).sum();
                prop_assert!((sum - 1.0).abs() < 1e-12, "{} after {} {}", sum, u, v);
                prop_assert!((END..words as u32).all(|word| model.probability([u, v], word) > 0.0));
            }
        }
    }

    /// Sorted keys and running sums give what the definition gives.
    #[test]
    fn probabilities_are_those_of_the_definition(texts in corpora(), u in 0..8u32, v in 0..8u32, word in END..8u32) {
        let words = 8;
        let (found, defined) = (trained(&texts, words).probability([u, v], word), by_definition(&texts, words, &[u, v], word));
        prop_assert!((found - defined).abs() < 1e-12, "{} {}", found, defined);
    }
}

#[test]
fn a_small_corpus_by_hand() {
    let [a, b, c] = [FIRST, FIRST + 1, FIRST + 2];
    let model = trained(&[vec![a, b], vec![a, b], vec![a, c]], 6);
    // Unigrams count in how many contexts a word is seen: a 1, b 1, c 1, end 2. n₁ = 3, n₂ = 1, so Y = 3/5,
    // D₁ = 1 − 2·Y/3 = 0.6, D₂ = 2 − 0; 3·0.6 + 2 of 5 go to the uniform distribution over 5 words.
    let unigram = |kept: f64| (kept + 3.8 * 0.2) / 5.0;
    near(model.probability([UNKNOWN, UNKNOWN], a), unigram(0.4));
    near(model.probability([UNKNOWN, UNKNOWN], UNKNOWN), unigram(0.0));
    near(model.probability([UNKNOWN, UNKNOWN], END), unigram(0.0));
    // Bigrams all have continuation count 1, so D₁ = 1 and everything is left to the unigrams.
    near(model.probability([UNKNOWN, a], b), unigram(0.4));
    // Trigrams: counts 3, 2, 2, 1, 1; Y = 1/3, D₁ = 1/3, D₂ = 3/2. After (start, a): b twice, c once.
    let left = 1.5 + 1.0 / 3.0;
    near(model.probability([START, a], b), (0.5 + left * unigram(0.4)) / 3.0);
    near(model.probability([START, a], c), (2.0 / 3.0 + left * unigram(0.4)) / 3.0);
    let nats = -[([START, START], a), ([START, a], b), ([a, b], END)]
        .map(|(context, word)| model.probability(context, word).ln())
        .iter()
        .sum::<f64>();
    near(model.nats(&[a, b]), nats);
}

#[test]
fn training_stops_at_the_limit() {
    let texts = [vec![3, 4, 5], vec![3, 4]];
    let of = |texts: &[Vec<u32>], limit| {
        let model = Trigram::train(texts.iter().map(Vec::as_slice), limit, 8);
        [([START, START], 3), ([START, 3], 4), ([3, 4], 5), ([3, 4], END), ([7, 7], 4)]
            .map(|(context, word)| model.probability(context, word))
    };
    // The first text is three words and its end.
    assert_eq!(of(&texts, 4), of(&texts[..1], usize::MAX));
    assert_eq!(of(&texts, 7), of(&texts, usize::MAX));
    let cut: Vec<_> = [4, 5, 6, 7].map(|limit| of(&texts, limit)).into();
    assert!(cut.windows(2).all(|two| two[0] != two[1]), "{cut:?}");
}

#[test]
fn words_that_occur_once_are_unknown_and_case_does_not_matter() {
    let example = |prompt: &str| -> Example {
        serde_json::from_value(serde_json::json!({"prompt": prompt, "response": "é_1 +"})).unwrap()
    };
    let examples = [example("To be,\nor NOT"), example("to Be ,once")];
    let vocabulary = Vocabulary::of(&examples).unwrap();
    let texts = vocabulary.encode(&examples);
    // to be , | or not | é_1 +, with line ends; `or`, `not` and `once` occur once.
    let kinds = |text: &[u32]| text.iter().map(|&word| word == UNKNOWN).collect::<Vec<_>>();
    assert_eq!(kinds(&texts[0]), [false, false, false, false, true, true, false, false, false]);
    assert_eq!(kinds(&texts[1]), [false, false, false, true, false, false, false]);
    assert_eq!((&texts[0][..3], &texts[0][6..]), (&texts[1][..3], &texts[1][4..]));
    assert_eq!(vocabulary.len(), FIRST as usize + 6);
}

/// Of intervals that are to hold the truth 19 times in 20, about that many do.
#[test]
fn bootstrap_intervals_cover() {
    let mut generator = ChaCha8Rng::seed_from_u64(1);
    let (runs, queries) = (400, 60);
    let mut covered = 0;
    for run in 0..runs {
        // Texts of different length, 2 nats per token in the mean, more in the longer ones.
        let tokens: Vec<f64> = (0..queries).map(|_| f64::from(generator.random_range(1..=19))).collect();
        let nats: Vec<f64> = tokens.iter().map(|y| y * (1.0 + 0.08 * y + generator.random_range(-1.0..1.0))).collect();
        // Σ y (1 + 0.08 y) / Σ y in expectation: 1 + 0.08·E y²/E y, with E y = 10 and E y² = 130.
        let truth = 1.0 + 0.08 * 13.0;
        let found = Bootstrap::new(queries, 300, run).estimate(|weights| ratio(weights, &nats, &tokens));
        assert!(found.low <= found.value && found.value <= found.high);
        covered += u32::from(found.low <= truth && truth <= found.high);
    }
    let share = f64::from(covered) / runs as f64;
    assert!((0.90..=0.98).contains(&share), "{share}");
}

#[test]
fn one_set_of_draws_serves_differences() {
    let bootstrap = Bootstrap::new(5, 100, 0);
    let (a, b) = ([1.0, 9.0, 2.0, 7.0, 30.0], [2.0, 10.0, 3.0, 8.0, 31.0]);
    let difference = bootstrap.estimate(|w| ratio(w, &b, &[1.0; 5]) - ratio(w, &a, &[1.0; 5]));
    near(difference.low, 1.0);
    near(difference.high, 1.0);
    assert_eq!(difference.sign(), 1);
    assert_eq!(bootstrap.estimate(|w| ratio(w, &a, &[1.0; 5]) - 10.0).sign(), 0);
}
