//! Comparisons made up for tests: every part of them filled, with numbers by formula.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kantor::constraints::LimitUse;
use kantor::pipeline::{Aggregate, Behind, GroupCoverage, PairedBy, Standing, Unseen};
use kantor::record::{
    AgainstRandom, Best, COMPARISON_SCHEMA, Comparison, Examined, FixedRows, LimitPrice, Map, MapChoice,
    NearestExample, NearestExamples, NewRows, Overlap, PRICES_SCHEMA, Parameters, Prices, QueryChoice, QueryPrice,
    QueryRows, RandomReference, RowPrice, SelectionRecord, SolverRow, Warning,
};
use kantor::source::InputRecord;
use kantor_theory::{Cost, Interval, LimitEnd, Objective, Power, Status};
use serde_json::Value;

/// What HTML, XML and terminals could take for something else.
pub(super) const NASTY: &str = "<script>x</script>&\"'";

/// Seen and unseen queries under every cost and budget.
fn unseen(names: &[String], costs: &[Cost], budgets: &[usize]) -> Vec<Unseen> {
    let behind = |mean: f64, half: f64| Behind { mean, half_width: Some(half) };
    let standing = |(at, method): (usize, &String)| Standing {
        method: method.clone(),
        seen: 0.4 + 0.01 * at as f64,
        unseen: 0.5 + 0.002 * at as f64,
        behind_seen: behind(0.01 * at as f64, 0.001),
        behind_unseen: behind(0.002 * at as f64, 0.003),
    };
    let one = |cost: Cost, budget: usize| Unseen {
        cost,
        budget,
        folds: 5,
        paired_by: PairedBy::Query,
        pairs: 40,
        methods: names.iter().enumerate().map(standing).collect(),
        leader_unseen: (names.len() > 1).then(|| behind(-0.002, 0.003)),
    };
    costs.iter().flat_map(|cost| budgets.iter().map(move |budget| one(*cost, *budget))).collect()
}

/// A comparison of this many methods under these costs; names and texts contain [`NASTY`] if `nasty`.
pub(super) fn comparison(methods: usize, budgets: &[usize], costs: &[Cost], groups: usize, nasty: bool) -> Comparison {
    let word = |text: String| if nasty { format!("{NASTY}{text}") } else { text };
    let names: Vec<String> = (0..methods).map(|method| word(format!("m{method}"))).collect();
    let queries = 40;
    let row = |cost: Cost, method: usize, budget: usize| {
        let best = 0.3 + 0.02 * (budget as f64).ln();
        let distance = best * (1.0 + 0.03 * method as f64);
        SelectionRecord {
            solves_constrained: None,
            quality: None,
            cost: Some(cost),
            bin: None,
            method: names[method].clone(),
            budget,
            in_tokens: None,
            dir: None,
            ranks: None,
            nested: true,
            distance: Some(Interval { lower: Some(distance), upper: Some(distance + 1e-6) }),
            task_distances: Vec::new(),
            best: Some(Best::Number(best)),
            excess: Some((distance + 1e-6) / best - 1.0),
            energy: Some(Interval { lower: Some(0.1), upper: Some(0.1) }),
            chamfer: Some(Interval { lower: Some(0.25), upper: Some(0.26) }),
            held_out: None,
            examined: Some(Examined {
                against_random: Some(AgainstRandom { percentile: 0.05, p_value: 0.0952 }),
                tokens: Some(123_456),
                lengths: vec![method, 10, 20, 5],
                near_duplicates: Some(0.125),
                query_costs: (0..queries).map(|query| 0.2 + 0.01 * query as f64).collect(),
                query_rows: vec![1; queries],
            }),
            groups: (0..groups)
                .map(|group| GroupCoverage { cost: Some(0.2 + 0.01 * (group + method) as f64), rows: group })
                .collect(),
            sources: Some((0..12).map(|source| budget / (source + 2)).collect()),
            limits: vec![LimitUse {
                limit: word("at most 3 rows of each `source`".to_owned()),
                column: word("source".to_owned()),
                used: 4.0,
                labels: vec![(word("web".to_owned()), 3), (word("books".to_owned()), 1)],
                labels_at_end: Some(1),
                binds: true,
            }],
            status: if method == 0 { Status::Optimal } else { Status::Certified },
            notes: BTreeMap::new(),
            seconds: 0.01 * (method + 1) as f64,
            cpu_seconds: 0.02 * (method + 1) as f64,
            certify_seconds: 1e-5 * budget as f64,
            peak_memory_bytes: Some(100 << 20),
        }
    };
    let grid = || costs.iter().flat_map(|cost| budgets.iter().map(move |budget| (*cost, *budget)));
    let results = costs.iter().flat_map(|cost| {
        (0..methods).flat_map(move |method| budgets.iter().map(move |budget| (*cost, method, *budget)))
    });
    let jaccard = |a: usize, b: usize| if a == b { 1.0 } else { 1.0 / (1 + a + b) as f64 };
    Comparison {
        schema: COMPARISON_SCHEMA.into(),
        kantor: "0".into(),
        command: ["kantor", "compare", "--pool", &word("a pool.npy".to_owned())].map(str::to_owned).to_vec(),
        inputs: vec![InputRecord {
            role: "pool".into(),
            path: PathBuf::from(word("pool.npy".to_owned())),
            format: "npy".into(),
            tensor: None,
            rows: 5005,
            columns: Some(384),
            dtype: Some("f16".into()),
            bytes: 1,
            sha256: "0123456789abcdef".repeat(4),
            blake3: None,
            cached: false,
        }],
        pool_rows: 5005,
        query_rows: queries,
        dimension: Some(384),
        costs: costs.to_vec(),
        parameters: Parameters {
            balance_groups: false,
            methods: names.clone(),
            budgets: budgets.to_vec(),
            budgets_in_tokens: false,
            cost: costs[0],
            p: Power::One,
            objective: Objective::W,
            certify: true,
            energy: false,
            cross_fit: None,
            settings: Default::default(),
            constraints: Vec::new(),
            quality: None,
            aggregate: Aggregate::Mixture,
            tasks: Vec::new(),
            on_bad_row: Default::default(),
        },
        seed: 0,
        random_seeds: 3,
        warnings: vec![Warning {
            kind: "order".into(),
            budget: None,
            text: word("W and energy disagree".to_owned()),
            details: Value::Null,
        }],
        unseen: unseen(&names, costs, budgets),
        results: results.map(|(cost, method, budget)| row(cost, method, budget)).collect(),
        references: (grid())
            .map(|(cost, budget)| RandomReference {
                cost,
                budget,
                mean: 0.7,
                range: (0.68, 0.72),
                best: 0.3 + 0.02 * (budget as f64).ln(),
                distances: vec![0.68, 0.70, 0.72],
            })
            .collect(),
        overlaps: (grid())
            .map(|(cost, budget)| Overlap {
                cost,
                budget,
                methods: names.clone(),
                jaccard: (0..methods).map(|a| (0..methods).map(|b| jaccard(a, b)).collect()).collect(),
            })
            .collect(),
        solvers: (grid())
            .map(|(cost, budget)| SolverRow {
                cost,
                method: names[0].clone(),
                budget,
                solver: "sinkhorn".to_owned(),
                epsilon: 0.01,
                distance: Interval { lower: Some(0.3), upper: Some(0.4) },
                value: Some(0.35),
                iterations: 30,
                residual: Some(1e-9),
                status: Status::IterationLimit,
                seconds: 0.1,
                cpu_seconds: 0.1,
            })
            .collect(),
        groups: (0..groups).map(|group| (word(format!("group {group}")), 3)).collect(),
        sources: (0..12).map(|source| (word(format!("source {source}")), 400)).collect(),
        length_bins: vec![64, 128, 256],
        queries: (0..3)
            .map(|query| QueryRows {
                query,
                text: Some(word(format!("question {query}"))),
                choices: (names.iter().flat_map(|method| budgets.iter().map(move |budget| (method, budget))))
                    .map(|(method, &budget)| QueryChoice {
                        method: method.clone(),
                        budget,
                        price: Some(0.125),
                        rows: vec![(7 + query, 0.25), (11, 0.375)],
                    })
                    .collect(),
            })
            .collect(),
        row_texts: BTreeMap::from([(7, word("seven".to_owned())), (11, word("eleven".to_owned()))]),
        map: Some(Map {
            seed: 0,
            explained: [0.5, 0.25],
            pool: (0..300).map(|at| [f64::from(at).sin(), f64::from(at).cos()]).collect(),
            queries: vec![[0.1, 0.2], [0.3, 0.1]],
            choices: grid()
                .map(|(cost, budget)| MapChoice { cost, budget, method: names[0].clone(), rows: vec![[0.5, 0.5]; 3] })
                .collect(),
        }),
        nearest: vec![NearestExamples {
            query: 7,
            text: Some(word("What is asked?\n\u{1}\u{c}".to_owned())),
            examples: vec![NearestExample {
                row: 4711,
                id: word("c4711".to_owned()),
                cost: 0.125,
                text: word("x".repeat(500)),
                chosen_by: names.clone(),
            }],
        }],
        prices: (grid()).map(|(cost, budget)| prices(cost, budget, &names[0], &word)).collect(),
        seconds: 1.0,
        cpu_seconds: 2.0,
        peak_memory_bytes: Some(100 << 20),
    }
}

/// What has a price: two ends of a limit, rows that are fixed, a query and new rows.
fn prices(cost: Cost, budget: usize, method: &str, word: &dyn Fn(String) -> String) -> Prices {
    let limit = |labels: usize| LimitPrice {
        limit: word(format!("at most 3 rows of `source=web`{}", if labels > 1 { ", 12 others" } else { "" })),
        column: word("source".to_owned()),
        label: (labels == 1).then(|| word("web".to_owned())),
        labels,
        end: LimitEnd::Max,
        price: 0.0123,
        closer_by_at_most: Some(0.0321),
    };
    let row = RowPrice { row: 4711, id: word("c4711".to_owned()), closer_by_at_most: Some(0.25) };
    Prices {
        schema: PRICES_SCHEMA.into(),
        cost,
        p: Power::One,
        objective: Objective::W,
        method: method.to_owned(),
        budget,
        tokens: None,
        quality_weight: None,
        distance_upper: 0.4,
        best_lower: 0.375,
        closer_by_at_most: Some(0.025),
        tasks: Vec::new(),
        limits: vec![limit(1), limit(12)],
        included: FixedRows::default(),
        excluded: FixedRows { rows: 2, closer_by_at_most: None, dearest: vec![row] },
        queries: vec![QueryPrice {
            query: 7,
            task: None,
            copy_closer_by_at_most: None,
            above_mean: 0.0625,
            nearest_row: 4712,
            nearest_id: word("c4712".to_owned()),
            cost: 0.125,
            text: Some(word("What is asked? ".repeat(10))),
        }],
        new_rows: vec![NewRows { rows: 1, closer_by_at_most: Some(0.0375) }],
        new_tokens: Vec::new(),
    }
}
