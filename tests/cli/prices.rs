//! What limits, rows and queries are worth: what is claimed holds when problems are solved again, and is shown as it was proved.

use std::fs;
use std::path::Path;

use kantor::certify::{self, Terms};
use kantor::constraints::Rules;
use kantor::prelude::*;
use kantor::record::{LimitPrice, Prices};
use kantor_theory::constraints::{Counted, Limit};
use kantor_theory::{Column, Constraints, FeasibleSet, LimitEnd, Objective, Power};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use serde_json::Value;

use super::support::{example, json, kantor, printed_json, select_example, write_npy};

const POOL: usize = 9;
/// Rows that are added: copies of the queries.
const MORE: usize = 3;
const BUDGET: usize = 3;

/// A pool on a plane with labels and numbers, and rules for it.
struct Small {
    /// The rows of the pool, and those that are added.
    rows: DenseRows,
    query: DenseRows,
    columns: [Column; 3],
    sources: Vec<Option<&'static str>>,
    rules: Rules,
}

impl Small {
    fn new(seed: u64) -> Self {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut below = |n: u64| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (state >> 33) % n
        };
        let query: Vec<f64> = (0..2 * MORE).map(|_| below(1000) as f64 / 100.0).collect();
        let mut rows: Vec<f64> = (0..2 * POOL).map(|_| below(1000) as f64 / 100.0).collect();
        rows.extend(&query);
        let mut labels = |of: [&'static str; 3]| -> Vec<Option<&'static str>> {
            (0..POOL + MORE).map(|_| of.get(below(4) as usize).copied()).collect()
        };
        let (sources, clusters) = (labels(["a", "b", "c"]), labels(["x", "y", "z"]));
        let numbers: Vec<f64> = (0..POOL + MORE).map(|_| 1.0 + below(5) as f64).collect();
        let columns = [
            Column::labels(sources.iter().copied()),
            Column::labels(clusters.iter().copied()),
            Column::numbers(numbers).unwrap(),
        ];
        let mut small = Self {
            rows: DenseRows::from_f64(2, rows).unwrap(),
            query: DenseRows::from_f64(2, query).unwrap(),
            columns,
            sources,
            rules: Rules::default(),
        };
        let [source, cluster, tokens] = small.first(POOL);
        let mut rules = Rules::default().column("source", source).column("cluster", cluster).column("tokens", tokens);
        if small.sources[..POOL].contains(&Some("a")) && below(3) > 0 {
            rules = rules.quota("source=a:..1".parse().unwrap());
        }
        if small.sources[..POOL].contains(&Some("b")) && below(3) > 0 {
            rules = rules.quota("source=b:1..".parse().unwrap());
        }
        if below(2) == 0 {
            rules = rules.quota("cluster:..1".parse().unwrap());
        }
        if below(2) == 0 {
            rules = rules.sum("tokens", None, Some(4.0 + below(6) as f64));
        }
        if below(2) == 0 {
            rules = rules.include([below(3) as usize]).exclude([3 + below(3) as usize, 6 + below(3) as usize]);
        }
        small.rules = rules;
        small
    }

    /// The columns for the first rows.
    fn first(&self, rows: usize) -> [Column; 3] {
        self.columns.each_ref().map(|column| match column.number(0) {
            Some(_) => Column::numbers((0..rows).filter_map(|row| column.number(row)).collect()).unwrap(),
            None => Column::labels((0..rows).map(|row| column.label(row))),
        })
    }

    /// The columns that constraints speak of, for the first rows.
    fn spoken_of(&self, constraints: &Constraints, rows: usize) -> Vec<Column> {
        let named = ["source", "cluster", "tokens"].into_iter().zip(self.first(rows)).collect::<Vec<_>>();
        let of = |name: &str| named.iter().find(|(of, _)| *of == name).unwrap().1.clone();
        constraints.columns.iter().map(|record| of(&record.name)).collect()
    }

    /// What the method finds, and what its proof says; nothing if nothing can be chosen.
    fn solved(&self, goal: &Goal, method: &str) -> Option<(Objective, Prices)> {
        let pool = DenseRows::from_f64(2, self.numbers(POOL)).unwrap();
        let problem = Problem::new(&pool, &self.query, goal.clone()).unwrap().constrained(self.rules.clone());
        let request = Request { methods: vec![method.to_owned()], ..Request::default() };
        let outcome = choose(&problem, &request, &Quiet).ok()?;
        let mut record = outcome.record(&problem).unwrap();
        Some((outcome.objective, record.files.remove(0)?.prices?))
    }

    fn numbers(&self, rows: usize) -> Vec<f64> {
        let mut numbers = vec![0.0; 2 * rows];
        self.rows.read(0, 0..2, &mut numbers);
        numbers
    }
}

/// All subsets of the larger pool with a number ≥ the distance of each.
fn distances(small: &Small, goal: &Goal, objective: Objective) -> Vec<(Vec<usize>, f64)> {
    let problem = Problem::new(&small.rows, &small.query, goal.clone()).unwrap();
    let terms = Terms { power: goal.power, objective, ..Terms::default() };
    let n = POOL + MORE;
    let subsets = (0..n).flat_map(|a| (a + 1..n).flat_map(move |b| (b + 1..n).map(move |c| vec![a, b, c])));
    let of = |rows: Vec<usize>| {
        let upper = certify::distance(problem.geometry(), &terms, &rows).unwrap().interval().upper.unwrap();
        (rows, upper)
    };
    subsets.map(of).collect()
}

/// The least distance of the subsets of the first rows that obey.
fn least(small: &Small, constraints: &Constraints, rows: usize, distances: &[(Vec<usize>, f64)]) -> f64 {
    let set = FeasibleSet::new(constraints, &small.spoken_of(constraints, rows), rows, &[]).unwrap();
    let obeys = |subset: &[usize]| subset.iter().all(|row| *row < rows) && set.check(subset).is_ok();
    distances.iter().filter(|(subset, _)| obeys(subset)).fold(f64::INFINITY, |least, (_, of)| least.min(*of))
}

/// The same constraints with one end relaxed by one.
fn relaxed(constraints: &Constraints, columns: &[Column], price: &LimitPrice) -> Constraints {
    let mut relaxed = constraints.clone();
    let is_meant = |limit: &Limit| match &limit.of {
        Counted::Label(label) => price.limit.ends_with(&format!("`source={label}`")),
        Counted::Each => price.column == "cluster",
        Counted::Sum => price.column == "tokens",
    };
    let at = relaxed.limits.iter().position(is_meant).unwrap();
    let ease = |Limit { min, max, .. }: &mut Limit| match price.end {
        LimitEnd::Min => *min = min.map(|min| min - 1.0),
        LimitEnd::Max => *max = max.map(|max| max + 1.0),
    };
    match relaxed.limits[at].of {
        Counted::Each => {
            // For one label only.
            let each = relaxed.limits.remove(at);
            for name in columns[each.column].names() {
                let mut limit = Limit { of: Counted::Label(name.clone()), ..each.clone() };
                if price.label.as_deref() == Some(name) {
                    ease(&mut limit);
                }
                relaxed.limits.push(limit);
            }
        }
        _ => ease(&mut relaxed.limits[at]),
    }
    relaxed
}

/// Every problem is solved again by looking at all subsets: with a limit relaxed by one, with a row that is no longer fixed, and
/// with copies of the queries in the pool.
#[test]
fn no_problem_that_is_solved_again_gains_more_than_prices_say() {
    let (mut solved, mut limits, mut fixed, mut added, mut copies, mut attained) = (0, 0, 0, 0, 0, 0);
    for seed in 0..60 {
        let small = Small::new(seed);
        let constraints = small.rules.at(BUDGET).unwrap();
        for (objective, power, method) in [
            (Target::W, Power::One, "optimal"),
            (Target::W, Power::Two, "optimal"),
            (Target::Energy, Power::One, "energy"),
            (Target::Mmd, Power::One, "mmd"),
        ] {
            let goal = Goal { cost: Cost::Euclidean, power, objective, budgets: vec![BUDGET] };
            let Some((objective, prices)) = small.solved(&goal, method) else { continue };
            let all = distances(&small, &goal, objective);
            let mut check = |of: &Constraints, rows: usize, claimed: Option<f64>, count: &mut u32| {
                let gain = prices.distance_upper - least(&small, of, rows, &all);
                let claimed = claimed.unwrap();
                assert!(gain <= claimed, "seed {seed}, {method}: {gain} > {claimed}, {of:?}, {prices:?}");
                *count += u32::from(gain > 1e-6);
                attained += u32::from(gain > 1e-6 && claimed - gain < 1e-6);
            };
            check(&constraints, POOL, prices.closer_by_at_most, &mut 0);
            for price in &prices.limits {
                let columns = small.spoken_of(&constraints, POOL);
                check(&relaxed(&constraints, &columns, price), POOL, price.closer_by_at_most, &mut limits);
            }
            for row in prices.included.dearest.iter().chain(&prices.excluded.dearest) {
                let mut freed = constraints.clone();
                freed.include.retain(|of| *of != row.row);
                freed.exclude.retain(|of| *of != row.row);
                check(&freed, POOL, row.closer_by_at_most, &mut fixed);
            }
            for more in 1..=MORE {
                let claim = prices.new_rows.iter().find(|claim| claim.rows >= more).unwrap();
                check(&constraints, POOL + more, claim.closer_by_at_most, &mut added);
            }
            // The first row that is added is a copy of the first query.
            for query in prices.queries.iter().filter(|of| of.query == 0 && of.copy_closer_by_at_most.is_some()) {
                check(&constraints, POOL + 1, query.copy_closer_by_at_most, &mut copies);
            }
            solved += 1;
        }
    }
    assert!(solved > 150 && limits > 30 && fixed > 30 && added > 60, "{solved} {limits} {fixed} {added}");
    assert!(attained > 20 && copies > 5, "{attained} claims are attained, {copies} copies of queries gain");
}

/// `select` on the bundled data with its texts and some quotas.
fn select(out: &Path, most: usize, more: &[&str]) {
    let quota = format!("source=gsm8k_train:..{most}");
    let words = ["--method", "optimal,round-robin", "--budget", "100,200", "--quota", &quota];
    let mut command = select_example(out, &[&words[..], more].concat());
    command.arg("--pool-jsonl").arg(example("pool.jsonl.gz"));
    command.arg("--query-jsonl").arg(example("query_gsm8k.jsonl"));
    let output = command.assert().success().stdout(contains("limits at 100 rows, by optimal")).get_output().clone();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.trim_start().starts_with(&format!("at most {most} rows of"))).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[words.len() - 2..], [&*most.to_string(), "yes"], "{line}");
}

#[test]
fn prices_are_those_of_the_result_and_hold_when_it_is_made_with_one_row_more() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    select(&out, 10, &[]);
    let written = json(&out.join("optimal/k100/prices.json"));
    let printed = printed_json(kantor().arg("prices").arg(&out).arg("--json"));
    assert_eq!(printed["results"][0], written);
    assert_eq!(printed["results"].as_array().unwrap().len(), 2, "the closest of each budget");
    let other = ["--method", "round-robin", "--budget", "200", "--json"];
    let printed = printed_json(kantor().arg("prices").arg(&out).args(other));
    assert_eq!(printed["results"], Value::from(vec![json(&out.join("round-robin/k200/prices.json"))]));
    // What is written is listed.
    let manifest = json(&out.join("manifest.json"));
    let listed = manifest["outputs"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap());
    assert_eq!(listed.filter(|path| path.ends_with("prices.json")).count(), 4);
    let [limit] = &written["limits"].as_array().unwrap()[..] else { panic!("{written}") };
    assert_eq!(limit["limit"], "at most 10 rows of `source=gsm8k_train`");
    let query = &written["queries"][0];
    assert!(query["text"].as_str().unwrap().len() > 20 && query["nearest_id"].as_str().unwrap().starts_with('c'));
    kantor().arg("prices").arg(&out).args(["--budget", "100"]).assert().success().stdout(
        contains("at most 10 rows of `source=gsm8k_train`")
            .and(contains("(proved)"))
            .and(contains(query["nearest_id"].as_str().unwrap()))
            .and(contains(&query["text"].as_str().unwrap()[..30])),
    );
    // The optimum with one row more is a best one, and is closer by no more than was said.
    let more = work.path().join("more");
    select(&more, 11, &[]);
    let upper = |out: &Path| json(&out.join("manifest.json"))["results"][0]["distance"]["upper"].as_f64().unwrap();
    let (gain, claimed) = (upper(&out) - upper(&more), limit["closer_by_at_most"].as_f64().unwrap());
    assert!(gain > 0.0 && gain <= claimed && claimed < 2.0 * gain, "{gain} {claimed}");
}

#[test]
fn prices_that_are_not_there_or_were_changed_are_not_shown() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    select(&out, 10, &["--no-certify"]);
    kantor().arg("prices").arg(&out).assert().code(3).stderr(contains("no prices").and(contains("with proofs")));
    kantor().arg("prices").arg(work.path()).assert().code(4);
    fs::remove_dir_all(&out).unwrap();
    select(&out, 10, &[]);
    for (words, said) in
        [(["--method", "energy"], "it has optimal, round-robin"), (["--budget", "7"], "it has 100, 200")]
    {
        kantor().arg("prices").arg(&out).args(words).assert().code(2).stderr(contains(said));
    }
    // A manifest is no proof of what is in it: both files say of what the prices are.
    let manifest = out.join("manifest.json");
    let written = fs::read_to_string(&manifest).unwrap();
    let mut edited: Value = serde_json::from_str(&written).unwrap();
    edited["results"][0]["best"]["lower"] = 0.0.into();
    fs::write(&manifest, edited.to_string()).unwrap();
    kantor()
        .arg("prices")
        .arg(&out)
        .assert()
        .code(3)
        .stderr(contains("prices.json").and(contains("another selection")));
    fs::write(&manifest, &written).unwrap();
    let path = out.join("optimal/k100/prices.json");
    // Nor are prices that fit no manifest, or less than the bounds leave open, whatever digest goes with them.
    let good = fs::read_to_string(&path).unwrap();
    let digest = |bytes: &str| {
        use sha2::Digest;
        sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let forgeries: [(&str, Value); 6] = [
        ("/cost", "angular".into()),
        ("/p", 2.into()),
        ("/objective", "energy".into()),
        ("/closer_by_at_most", 0.0.into()),
        ("/limits/0/closer_by_at_most", 0.0.into()),
        ("/new_rows/0/closer_by_at_most", (-1.0).into()),
    ];
    let edited = |place: &str, value: Value| {
        let mut tree: Value = serde_json::from_str(&good).unwrap();
        *tree.pointer_mut(place).unwrap() = value;
        tree
    };
    let mut trees: Vec<Value> = forgeries.map(|(place, value)| edited(place, value)).into();
    trees.push(edited("/limits/0/column", "other".into()));
    let mut more = edited("/p", 1.into());
    more["unknown"] = 1.into();
    trees.push(more);
    for tree in trees {
        let forged = tree.to_string();
        let mut of_all: Value = serde_json::from_str(&written).unwrap();
        let outputs = of_all["outputs"].as_array_mut().unwrap();
        let output = outputs.iter_mut().find(|output| output["path"] == "optimal/k100/prices.json").unwrap();
        output["bytes"] = forged.len().into();
        output["sha256"] = digest(&forged).into();
        fs::write(&manifest, of_all.to_string()).unwrap();
        fs::write(&path, &forged).unwrap();
        kantor().arg("prices").arg(&out).assert().code(3).stderr(contains("prices.json"));
    }
    fs::write(&manifest, written).unwrap();
    fs::write(&path, good).unwrap();
    kantor().arg("prices").arg(&out).assert().success();
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("0.", "1.")).unwrap();
    kantor().arg("prices").arg(&out).assert().code(3).stderr(contains("was changed since it was written"));
}

/// Of a comparison under several costs only the prices of the first were shown, and nothing said so.
#[test]
fn prices_of_other_costs_of_a_comparison_are_named() {
    let work = tempfile::tempdir().unwrap();
    let at = |name: &str| work.path().join(name);
    let point = |row: u32| [(row * 7 % 23) as f32 / 7.0, 1.0 + (row * 5 % 11) as f32 / 9.0];
    write_npy(&at("pool.npy"), 2, &(0..30).flat_map(point).collect::<Vec<f32>>());
    write_npy(&at("query.npy"), 2, &[0.4, 1.2, 1.9, 1.7]);
    let words =
        ["compare", "--pool", "pool.npy", "--query", "query.npy", "--budget", "4", "--cost", "cosine,euclidean"];
    let more = ["--method", "optimal", "--random-seeds", "0", "--write-selections", "-o", "out"];
    kantor().current_dir(work.path()).args(words).args(more).assert().success();
    let shown = kantor().current_dir(work.path()).args(["prices", "out"]).assert().success();
    shown.stderr(contains("prices of the first cost").and(contains("euclidean/optimal/k4/prices.json")));
}
