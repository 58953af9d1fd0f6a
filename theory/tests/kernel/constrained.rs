//! Certificates under constraints: what they say holds for every subset that obeys, and nothing else is believed.

use std::collections::HashMap;

use kantor_theory::certificate::MadeBy;
use kantor_theory::constraints::{ColumnRecord, Counted, Limit};
use kantor_theory::{
    BestBound, BestEvidence, Certificate, Column, Constraints, Cost, DistanceBound, DistanceEvidence, Facts,
    FeasibleSet, Objective, Power, Price, Proved, Rejection, Statement, Verdict, constrained_best_bound,
    constrained_distance_bound, sequential, verify,
};
use serde_json::json;

use crate::constraints::{constraints, evidence, instance, smallest, some_prices, with_labels_of};
use crate::duality::subsets;
use crate::mutations::each_change;
use crate::support::{Instance, Random};

/// What stands for a digest of a column.
fn digest(column: &Column) -> String {
    let mut hash = 1u64;
    column.encode(|bytes| bytes.iter().for_each(|x| hash = (hash ^ u64::from(*x)).wrapping_mul(0x100_0000_01b3)));
    format!("{hash:064x}")
}

pub(crate) fn records(names: &[ColumnRecord], data: &[Column]) -> Vec<ColumnRecord> {
    let record = |(of, column): (&ColumnRecord, &Column)| ColumnRecord { blake3: digest(column), ..of.clone() };
    names.iter().zip(data).map(record).collect()
}

/// An instance with constraints that its subset obeys.
pub(crate) struct Case {
    pub(crate) instance: Instance,
    pub(crate) objective: Objective,
    pub(crate) constraints: Constraints,
    pub(crate) data: Vec<Column>,
}

impl Case {
    pub(crate) fn random(random: &mut Random, cost: Cost) -> Self {
        let (mut instance, objective) = instance(random, cost);
        if objective != Objective::W {
            instance.p = Power::One;
        }
        instance.subset.truncate(5);
        let (mut constraints, data) = constraints(random, instance.n, &instance.subset, false);
        constraints.columns = records(&constraints.columns, &data);
        Self { instance, objective, constraints, data }
    }

    fn feasible(&self) -> FeasibleSet {
        FeasibleSet::new(&self.constraints, &self.data, self.instance.n, &[]).unwrap()
    }

    fn facts(&self) -> Facts {
        let column_records = records(&self.constraints.columns, &self.data);
        Facts { columns: self.data.clone(), column_records, ..self.instance.facts() }
    }

    pub(crate) fn prices(&self, random: &mut Random, scale: f64) -> Vec<Price> {
        with_labels_of(&self.data, some_prices(random, &self.constraints, scale), self.instance.n)
    }

    fn distance(&self, rows: &[usize]) -> Result<DistanceBound, Rejection> {
        let instance = Instance { subset: rows.to_vec(), ..self.instance.clone() };
        instance.with(|geometry| {
            let statement = instance.problem(geometry).under(self.objective).constrained(self.constraints.clone());
            let evidence = match self.objective {
                Objective::W => instance.distance_evidence(geometry),
                _ => DistanceEvidence::default(),
            };
            constrained_distance_bound(geometry, &statement, rows, evidence, &self.feasible(), &sequential)
        })
    }

    pub(crate) fn best(&self, evidence: BestEvidence, prices: &[Price]) -> Result<BestBound, Rejection> {
        self.instance.with(|geometry| {
            let statement = self.instance.problem(geometry).under(self.objective).constrained(self.constraints.clone());
            constrained_best_bound(geometry, &statement, evidence, &self.feasible(), prices, &sequential)
        })
    }

    /// Both bounds are of one geometry in a program; here each is made on its own, so they are joined by hand.
    fn certificate(&self, evidence: BestEvidence, prices: &[Price]) -> Certificate {
        let rows = &self.instance.subset;
        self.instance.with(|geometry| {
            let statement = self.instance.problem(geometry).under(self.objective).constrained(self.constraints.clone());
            let of_one = match self.objective {
                Objective::W => self.instance.distance_evidence(geometry),
                _ => DistanceEvidence::default(),
            };
            let set = self.feasible();
            let distance = constrained_distance_bound(geometry, &statement, rows, of_one, &set, &sequential).unwrap();
            let best = constrained_best_bound(geometry, &statement, evidence, &set, prices, &sequential).unwrap();
            let facts = self.facts();
            Certificate::new(facts.inputs, facts.dropped, &distance, Some(&best), MadeBy::default()).unwrap()
        })
    }

    fn check(&self, certificate: &Certificate) -> Verdict {
        self.instance.with(|geometry| verify(certificate, &self.facts(), geometry, &sequential))
    }

    fn obeying(&self) -> Vec<Vec<usize>> {
        let (set, k) = (self.feasible(), self.instance.subset.len());
        subsets(self.instance.n, k).into_iter().filter(|rows| set.check(rows).is_ok()).collect()
    }
}

/// T15 through certificates, under every objective: written, read and checked, the bound is below every subset that obeys.
#[test]
fn constrained_certificates_are_verified_and_true() {
    let (mut of_objective, mut priced) = (HashMap::new(), 0);
    for seed in 0..400 {
        let random = &mut Random(seed);
        let case = Case::random(random, Cost::ALL[seed as usize % 6]);
        if case.constraints.are_none() {
            continue;
        }
        let least = smallest(&case.instance, case.objective, &case.obeying());
        let scale = least.abs().max(1e-12) * [0.1, 1.0, 10.0][random.below(3)];
        let prices = case.prices(random, scale);
        let evidence = evidence(random, &case.instance, case.objective, case.instance.subset.len());
        let certificate = case.certificate(evidence, &prices);
        let read = Certificate::parse(&certificate.to_json()).unwrap();
        assert_eq!(read, certificate);
        let Verdict::Verified(proved) = case.check(&read) else { panic!("seed {seed}: {:?}", case.check(&read)) };
        assert!(proved.best.unwrap() <= least, "seed {seed}");
        assert_eq!((proved.distance, proved.best), (certificate.distance, certificate.best.map(|best| best.lower)));
        assert!(read.problem.convention.contains("obeys `constraints`"));
        // Nothing needs to be claimed of all subsets.
        let mut alone = read;
        (alone.best, alone.evidence.best_potentials, alone.evidence.witness) = (None, None, None);
        let without = |prices| {
            let mut alone = alone.clone();
            alone.evidence.prices = prices;
            alone
        };
        assert_eq!(case.check(&without(Vec::new())).name(), "verified");
        if !prices.is_empty() {
            assert_eq!(case.check(&without(prices.clone())).name(), "rejected");
        }
        *of_objective.entry(case.objective.name()).or_insert(0) += 1;
        priced += u32::from(!prices.is_empty());
    }
    assert!(
        of_objective.len() == 4 && of_objective.values().all(|&count| count > 10) && priced > 100,
        "{of_objective:?}"
    );
}

/// Constraints and statement in a form of their own: whether rows obey, from the labels and numbers alone.
fn obeys(certificate: &Certificate, sources: &[Option<&str>], tokens: &[f64], rows: &[usize]) -> bool {
    let Constraints { limits, include, exclude, .. } = &certificate.problem.constraints;
    let within = |limit: &Limit, x: f64| limit.min.is_none_or(|min| min <= x) && limit.max.is_none_or(|max| x <= max);
    let count = |label: &str| rows.iter().filter(|&&row| sources[row] == Some(label)).count() as f64;
    include.iter().all(|row| rows.contains(row))
        && !exclude.iter().any(|row| rows.contains(row))
        && limits.iter().all(|limit| match &limit.of {
            Counted::Label(label) => within(limit, count(label)),
            Counted::Each => sources.iter().flatten().all(|label| within(limit, count(label))),
            Counted::Sum => within(limit, rows.iter().map(|&row| tokens[row]).sum()),
        })
}

/// Every bit turned, every value in the place of every other: refused, or still true of all subsets that obey what is then said.
#[test]
fn no_change_of_a_constrained_certificate_is_believed_unless_it_is_true() {
    let (sources, tokens) =
        ([Some("a"), Some("b"), None, Some("a"), Some("b"), Some("a")], [1.0, 2.0, 4.0, 0.5, 8.0, 3.0]);
    let random = &mut Random(3);
    let mut values = |count: usize| -> Vec<f64> { (0..count).map(|_| random.signed()).collect() };
    let instance = Instance {
        cost: Cost::Euclidean,
        p: Power::One,
        n: 6,
        m: 2,
        dim: 2,
        pool: values(12),
        query: values(4),
        subset: vec![5, 2, 1],
        weights: Default::default(),
    };
    let data = vec![Column::labels(sources), Column::numbers(tokens.to_vec()).unwrap()];
    let limit = |column, of, min, max| Limit { column, of, min, max };
    let named = |name: &str| ColumnRecord { name: name.into(), ..ColumnRecord::default() };
    let constraints = Constraints {
        columns: records(&[named("source"), named("tokens")], &data),
        limits: vec![
            limit(0, Counted::Label("a".into()), None, Some(1.0)),
            limit(0, Counted::Each, Some(1.0), Some(2.0)),
            limit(1, Counted::Sum, Some(2.5), Some(9.5)),
        ],
        include: vec![2],
        exclude: vec![4],
    };
    let case = Case { instance, objective: Objective::W, constraints, data };
    let g = case.instance.with(|geometry| case.instance.best_potentials(geometry, 3));
    let price = |limit, label: Option<&str>, price| Price { limit, label: label.map(str::to_owned), price };
    let prices = [price(0, None, 0.125), price(1, Some("b"), -0.0625), price(2, None, 0.03125)];
    let good = case.certificate(g.into(), &prices);
    let (mut verified, mut weaker, mut refused) = (0, 0, 0);
    let mut distances = HashMap::new();
    each_change(&good.to_json(), |bytes, what| {
        let Ok(certificate) = Certificate::parse(bytes) else { return refused += 1 };
        let verdict = case.check(&certificate);
        let Some(proved) = verdict.proved() else { return refused += 1 };
        let claimed = Proved { distance: certificate.distance, best: certificate.best.map(|best| best.lower) };
        let is_verified = matches!(verdict, Verdict::Verified(_));
        *if is_verified { &mut verified } else { &mut weaker } += 1;
        let problem = &certificate.problem;
        assert_eq!((problem.pool, problem.queries, problem.cost), (6, 2, Cost::Euclidean), "{what}");
        assert!(obeys(&certificate, &sources, &tokens, &certificate.subset), "{what}");
        let mut distance = |rows: &[usize]| {
            let instance = Instance {
                subset: rows.to_vec(),
                p: problem.p,
                weights: problem.weights.clone(),
                ..case.instance.clone()
            };
            let of = |geometry: &kantor_theory::Geometry<'_>| {
                instance.distance(geometry, instance.distance_evidence(geometry)).unwrap().interval()
            };
            *distances
                .entry(format!("{rows:?} {:?} {:?}", problem.p, problem.weights))
                .or_insert_with(|| instance.with(of))
        };
        for said in [proved, claimed].into_iter().take(if is_verified { 2 } else { 1 }) {
            let interval = distance(&certificate.subset);
            assert!(said.distance.lower.is_none_or(|lower| lower <= interval.upper.unwrap()), "{what}");
            assert!(said.distance.upper.is_none_or(|upper| upper >= interval.lower.unwrap()), "{what}");
            let Some(best) = said.best else { continue };
            for rows in subsets(6, problem.budget) {
                if obeys(&certificate, &sources, &tokens, &rows) {
                    assert!(best <= distance(&rows).upper.unwrap(), "{what}: {rows:?}");
                }
            }
        }
    });
    println!("{verified} verified, {weaker} weaker, {refused} refused");
    assert!(verified > 30 && weaker > 100 && refused > 5000, "{verified} {weaker} {refused}");

    // By name: what a forger would touch, and what is said of it.
    let said = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut tree: serde_json::Value = serde_json::from_slice(&good.to_json()).unwrap();
        change(&mut tree);
        match Certificate::parse(tree.to_string().as_bytes()) {
            Ok(certificate) => case.check(&certificate).name(),
            Err(_) => "malformed",
        }
    };
    assert_eq!(said(&|_| {}), "verified");
    let at = |place: &'static str, value: serde_json::Value| {
        said(&move |tree: &mut serde_json::Value| *tree.pointer_mut(place).unwrap() = value.clone())
    };
    assert_eq!(at("/problem/constraints/columns/0/blake3", json!("0")), "cannot-check");
    assert_eq!(at("/problem/constraints/columns/0/name", json!("origin")), "cannot-check");
    assert_eq!(
        said(&|tree| tree["problem"]["constraints"]["columns"].as_array_mut().unwrap().swap(0, 1)),
        "cannot-check"
    );
    assert_eq!(at("/problem/constraints/limits/0/max", json!(0.5)), "rejected", "the subset has one row of a");
    assert_eq!(at("/problem/constraints/limits/0/max", json!(2.0)), "weaker", "a looser limit allows more");
    assert_eq!(at("/problem/constraints/limits/0/column", json!(2)), "rejected");
    assert_eq!(at("/problem/constraints/limits/2/column", json!(0)), "rejected");
    assert_eq!(at("/problem/constraints/include", json!([0])), "rejected");
    assert_eq!(at("/problem/constraints/include", json!([6])), "rejected");
    assert_eq!(at("/problem/constraints/exclude", json!([5])), "rejected");
    assert_eq!(at("/evidence/prices/0/price", json!(1e6)), "weaker");
    assert_eq!(at("/evidence/prices/1/label", json!("c")), "rejected");
    assert_eq!(at("/evidence/prices/1/label", json!(null)), "rejected");
    assert_eq!(at("/evidence/prices/0/limit", json!(3)), "rejected");
    assert_eq!(at("/evidence/prices", json!(null)), "malformed");
    assert_eq!(at("/subset", json!([5, 2, 4])), "rejected");
    assert_eq!(at("/subset", json!([5, 2, 0])), "rejected");
    assert_eq!(said(&|tree| drop(tree["problem"].as_object_mut().unwrap().remove("constraints"))), "rejected");
    assert_eq!(at("/problem/convention", json!(kantor_theory::statement::CONVENTION)), "rejected");
    let origin = json!("pool.jsonl:source");
    assert_eq!(said(&|tree| tree["problem"]["constraints"]["columns"][0]["origin"] = origin.clone()), "verified");
}

/// Prices without constraints, columns without values, and bounds of two problems make no certificate.
#[test]
fn bounds_under_other_constraints_make_no_certificate() {
    let mut seeds = (0..).map(|seed| Case::random(&mut Random(seed), Cost::Euclidean));
    let case = seeds.find(|case| case.objective == Objective::W && !case.constraints.limits.is_empty()).unwrap();
    let other = Constraints { limits: Vec::new(), ..case.constraints.clone() };
    let k = case.instance.subset.len();
    case.instance.with(|geometry| {
        let statement =
            |constraints: &Constraints| Statement::new(geometry, case.instance.p, k).constrained(constraints.clone());
        let evidence = || case.instance.distance_evidence(geometry);
        let set = |of: &Constraints| FeasibleSet::new(of, &case.data, case.instance.n, &[]).unwrap();
        let rows = &case.instance.subset;
        let distance = |of: &Constraints, set: &FeasibleSet| {
            constrained_distance_bound(geometry, &statement(of), rows, evidence(), set, &sequential)
        };
        let found = distance(&case.constraints, &set(&case.constraints)).unwrap();
        let g = vec![0.0; case.instance.m];
        let best = constrained_best_bound(geometry, &statement(&other), g, &set(&other), &[], &sequential).unwrap();
        let Facts { inputs, dropped, .. } = case.facts();
        let made = Certificate::new(inputs, dropped, &found, Some(&best), MadeBy::default());
        assert_eq!(made.unwrap_err().rule, "best");
        assert_eq!(distance(&case.constraints, &set(&other)).unwrap_err().rule, "constraints");
        let free = kantor_theory::distance_bound(geometry, &statement(&other), rows, evidence(), &sequential);
        assert_eq!(free.unwrap_err().rule, "constraints", "a subset that nobody checked");
    });
    let breaking = subsets(case.instance.n, k).into_iter().find(|rows| case.feasible().check(rows).is_err());
    assert!(breaking.is_none_or(|rows| case.distance(&rows).unwrap_err().rule == "constraints"));
    assert_eq!(
        case.best(vec![0.0; case.instance.m].into(), &[Price { limit: 99, label: None, price: 0.0 }]).unwrap_err().rule,
        "prices"
    );
    let good = case.certificate(vec![0.0; case.instance.m].into(), &[]);
    let with = |facts: Facts| case.instance.with(|geometry| verify(&good, &facts, geometry, &sequential).name());
    assert_eq!(with(case.facts()), "verified");
    assert_eq!(with(Facts { columns: Vec::new(), ..case.facts() }), "cannot-check");
    assert_eq!(with(case.instance.facts()), "cannot-check");
    let mut short = case.facts();
    short.columns[0] = Column::labels([None]);
    assert_eq!(with(short), "cannot-check");
}
