//! What rows are worth by themselves (notes/quality.md): distances less quality against every subset, and certificates of them
//! against tampering.

use std::collections::HashMap;

use kantor_theory::bounds::Interval;
use kantor_theory::certificate::MadeBy;
use kantor_theory::constraints::{ColumnRecord, Counted, Limit};
use kantor_theory::rounding::{ExactSum, add_up, div_down, div_up, mul_down, mul_up, sub_down};
use kantor_theory::{
    BestBound, BestEvidence, Candidates, Certificate, Column, Constraints, Cost, DistanceBound, DistanceEvidence,
    Facts, FeasibleSet, Geometry, LimitEnd, NewRow, Objective, Power, Price, Proved, Quality, Rejection, Sensitivity,
    Statement, Verdict, Weights, best_bound, constrained_best_bound, constrained_distance_bound, distance_bound,
    sequential, verify,
};
use proptest::prelude::*;
use serde_json::json;

use crate::constrained::records;
use crate::constraints::{constraints, evidence, instance, some_prices, with_labels_of};
use crate::duality::subsets;
use crate::mutations::each_change;
use crate::support::{Instance, Random};

fn named(name: &str) -> ColumnRecord {
    ColumnRecord { name: name.into(), ..ColumnRecord::default() }
}

/// A problem whose rows are worth something by themselves, with constraints that the subset of the instance obeys.
struct Case {
    instance: Instance,
    objective: Objective,
    constraints: Constraints,
    data: Vec<Column>,
    weight: f64,
    scores: Vec<f64>,
}

impl Case {
    fn random(random: &mut Random, cost: Cost) -> Self {
        loop {
            let (mut instance, objective) = instance(random, cost);
            if matches!(objective, Objective::Tsds { .. }) {
                continue;
            }
            if objective != Objective::W {
                instance.p = Power::One;
            }
            instance.subset.truncate(5);
            instance.weights.subset = None;
            let weighted = (objective != Objective::W || random.below(2) == 0) && instance.weights.query.is_none();
            if weighted && random.below(2) == 0 {
                instance.weights.query = Some((0..instance.m).map(|_| 0.1 + random.signed().abs()).collect());
            }
            let (mut constraints, data) = match random.below(3) {
                0 => Default::default(),
                _ => constraints(random, instance.n, &instance.subset, false),
            };
            constraints.columns = records(&constraints.columns, &data);
            let size = instance.with(|geometry| {
                (0..instance.n).fold(1e-30f64, |most, row| most.max(instance.cost_power(geometry, row, 0).abs()))
            });
            let weight = [1.0, 1e-3, 1e3, 1e12][random.below(4)] * size.min(1e200);
            let scores = (0..instance.n).map(|_| [0.0, -1.0, 2.5, random.signed()][random.below(4)]).collect();
            return Self { instance, objective, constraints, data, weight, scores };
        }
    }

    fn column(&self) -> Column {
        Column::scores(self.scores.clone()).unwrap()
    }

    fn quality(&self) -> Quality {
        let column = records(&[named("score")], &[self.column()]).remove(0);
        Quality { weight: self.weight, column }
    }

    fn set(&self, constraints: &Constraints) -> FeasibleSet {
        let plain = FeasibleSet::new(constraints, &self.data, self.instance.n, &[]).unwrap();
        plain.valued(self.quality(), &self.column(), &[]).unwrap()
    }

    fn statement(&self, geometry: &Geometry<'_>, k: usize) -> Statement {
        let weights = self.instance.weights.clone();
        let plain = Statement::new(geometry, self.instance.p, k).weighted(weights).under(self.objective);
        plain.constrained(self.constraints.clone()).valued(Some(self.quality()))
    }

    fn facts(&self) -> Facts {
        let data: Vec<Column> = self.data.iter().cloned().chain([self.column()]).collect();
        let names: Vec<ColumnRecord> = self.constraints.columns.iter().cloned().chain([named("score")]).collect();
        Facts { column_records: records(&names, &data), columns: data, ..self.instance.facts() }
    }

    /// Encloses the distance of these rows to its power, less what they are worth, from the plain distance.
    fn truth(&self, rows: &[usize]) -> Interval {
        let of = Instance { subset: rows.to_vec(), ..self.instance.clone() };
        let plain = of.with(|geometry| {
            let statement = of.problem(geometry).under(self.objective);
            distance_bound(geometry, &statement, rows, self.evidence(&of, geometry), &sequential).unwrap().interval()
        });
        let (low, high) = (plain.lower.unwrap(), plain.upper.unwrap());
        let square = self.objective != Objective::W || of.p == Power::Two;
        let (low, high) = if square { (mul_down(low, low), mul_up(high, high)) } else { (low, high) };
        let mut worth = ExactSum::default();
        rows.iter().for_each(|&row| worth.add_product(self.weight, self.scores[row]));
        let k = rows.len() as f64;
        Interval {
            lower: Some(sub_down(low, div_up(worth.up(), k))),
            upper: Some(add_up(high, -div_down(worth.down(), k))),
        }
    }

    fn evidence(&self, of: &Instance, geometry: &Geometry<'_>) -> DistanceEvidence {
        if self.objective == Objective::W { of.distance_evidence(geometry) } else { DistanceEvidence::default() }
    }

    fn least(&self, constraints: &Constraints) -> f64 {
        let set = self.set(constraints);
        let all = subsets(self.instance.n, self.instance.subset.len());
        let obeying = all.iter().filter(|rows| set.check(rows).is_ok());
        obeying.map(|rows| self.truth(rows).upper.unwrap()).fold(f64::INFINITY, f64::min)
    }

    fn bounds(
        &self,
        geometry: &Geometry<'_>,
        evidence: BestEvidence,
        prices: &[Price],
    ) -> Result<(DistanceBound, BestBound), Rejection> {
        let (rows, set) = (&self.instance.subset, self.set(&self.constraints));
        let statement = self.statement(geometry, rows.len());
        let of_one = self.evidence(&self.instance, geometry);
        let distance = constrained_distance_bound(geometry, &statement, rows, of_one, &set, &sequential)?;
        Ok((distance, constrained_best_bound(geometry, &statement, evidence, &set, prices, &sequential)?))
    }

    fn certificate(&self, evidence: BestEvidence, prices: &[Price]) -> Certificate {
        self.instance.with(|geometry| {
            let (distance, best) = self.bounds(geometry, evidence, prices).unwrap();
            let facts = self.facts();
            Certificate::new(facts.inputs, facts.dropped, &distance, Some(&best), MadeBy::default()).unwrap()
        })
    }

    fn check(&self, certificate: &Certificate) -> Verdict {
        self.instance.with(|geometry| verify(certificate, &self.facts(), geometry, &sequential))
    }

    fn prices(&self, random: &mut Random, scale: f64) -> Vec<Price> {
        match self.data.is_empty() {
            true => Vec::new(),
            false => with_labels_of(&self.data, some_prices(random, &self.constraints, scale), self.instance.n),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever evidence, prices and qualities: the bound is below every subset that obeys, the interval holds, and certificates
    /// say so.
    #[test]
    fn no_subset_has_a_lower_distance_less_quality(cost in prop::sample::select(Cost::ALL.to_vec()), seed: u64) {
        let random = &mut Random(seed);
        let case = Case::random(random, cost);
        let (least, k) = (case.least(&case.constraints), case.instance.subset.len());
        for _ in 0..3 {
            let scale = least.abs().max(1e-12) * [0.1, 1.0, 10.0][random.below(3)];
            let (prices, proof) = (case.prices(random, scale), evidence(random, &case.instance, case.objective, k));
            let certificate = case.certificate(proof, &prices);
            let read = Certificate::parse(&certificate.to_json()).unwrap();
            prop_assert_eq!(&read, &certificate);
            let Verdict::Verified(proved) = case.check(&read) else { panic!("{:?}", case.check(&read)) };
            prop_assert!(proved.best.unwrap() <= least, "{:?} above {}", proved.best, least);
            let truth = case.truth(&case.instance.subset);
            prop_assert!(proved.distance.lower <= truth.upper && proved.distance.upper >= truth.lower);
            prop_assert!(read.problem.convention.ends_with("and may be negative"));
        }
    }

    /// What limits are worth stays true, in units of the distance less quality; of new rows nothing is said.
    #[test]
    fn no_relaxed_limit_gains_more_than_claimed_with_quality(cost in prop::sample::select(Cost::ALL.to_vec()), seed: u64) {
        let random = &mut Random(seed);
        let case = Case::random(random, cost);
        let upper = case.truth(&case.instance.subset).upper.unwrap();
        let prices = case.prices(random, case.weight);
        let proof = evidence(random, &case.instance, case.objective, case.instance.subset.len());
        let best = case.instance.with(|geometry| case.bounds(geometry, proof, &prices).unwrap().1);
        let sensitivity = Sensitivity::new(&best, upper).unwrap();
        prop_assert!(upper - case.least(&case.constraints) <= sensitivity.unchanged().unwrap());
        for (at, limit) in case.constraints.limits.iter().enumerate() {
            for end in [LimitEnd::Min, LimitEnd::Max] {
                let mut relaxed = case.constraints.clone();
                match end {
                    LimitEnd::Min => relaxed.limits[at].min = limit.min.map(|min| (min - 1.0).max(0.0)),
                    LimitEnd::Max => relaxed.limits[at].max = limit.max.map(|max| max + 1.0),
                }
                let gain = upper - case.least(&relaxed);
                prop_assert!(gain <= sensitivity.relaxed(at, None, end, 1.0).unwrap());
            }
        }
        for included in [true, false] {
            let fixed = sensitivity.fixed(included);
            let mut freed = case.constraints.clone();
            let list = if included { &mut freed.include } else { &mut freed.exclude };
            list.retain(|row| !fixed.contains(row));
            if let Some(claimed) = sensitivity.released(&fixed) {
                prop_assert!(upper - case.least(&freed) <= claimed);
            }
        }
        prop_assert_eq!(sensitivity.new_rows(3), None);
        let columns = case.constraints.columns.len();
        let (costs, labels, numbers) = (vec![0.0; case.instance.m], vec![None; columns], vec![0.0; columns]);
        let row = NewRow { costs: &costs, labels: &labels, numbers: &numbers };
        prop_assert_eq!(sensitivity.new_row(row).unwrap(), None);
    }
}

/// Where every query has whole rows, the potentials of the reduced costs c − w·s prove the best subset.
#[test]
fn the_bound_is_attained_where_queries_divide_the_budget() {
    let mut moved = 0;
    for seed in 0..200 {
        let random = &mut Random(seed);
        let mut case = Case::random(random, [Cost::Euclidean, Cost::Precomputed][seed as usize % 2]);
        if case.objective != Objective::W || case.instance.n < case.instance.m {
            continue;
        }
        (case.constraints, case.data, case.instance.weights) = Default::default();
        let size = case.scores.iter().fold(0.0f64, |most, score| most.max((case.weight * score).abs()));
        let k = case.instance.m * (1 + random.below(case.instance.n / case.instance.m));
        case.instance.subset = (0..k).collect();
        let g = case.instance.with(|geometry| {
            let cost = |i: usize, j: usize| case.instance.cost_power(geometry, i, j) - case.weight * case.scores[i];
            let (n, m) = (case.instance.n, case.instance.m);
            let pool = (0..m).flat_map(|j| (0..n).map(move |i| (i, j))).map(|(i, j)| cost(i, j)).collect();
            let (cost, p, query) = (Cost::Precomputed, Power::One, Vec::new());
            let reduced = Instance { cost, p, dim: 0, pool, query, ..case.instance.clone() };
            reduced.with(|geometry| reduced.best_potentials(geometry, k))
        });
        let scale = g.iter().fold(size, |most, g| most.max(g.abs()));
        let bound = case.instance.with(|geometry| case.bounds(geometry, g.into(), &[]).unwrap().1.lower());
        let least = case.least(&Constraints::default());
        assert!(bound <= least && least - bound <= 1e-9 * scale, "{seed}: {bound} {least}");
        moved += u32::from(least < 0.0);
    }
    assert!(moved > 20, "{moved}");
}

fn line() -> Case {
    let mut instance = Instance::random(&mut Random(3), Cost::Euclidean, 6, 2, 2);
    (instance.n, instance.m, instance.dim, instance.p, instance.cost) = (6, 2, 2, Power::One, Cost::Euclidean);
    let random = &mut Random(11);
    let mut values = |count: usize| -> Vec<f64> { (0..count).map(|_| random.signed()).collect() };
    (instance.pool, instance.query, instance.subset) = (values(12), values(4), vec![5, 2, 1]);
    instance.weights = Weights::default();
    let data = vec![Column::labels([Some("a"), Some("b"), None, Some("a"), Some("b"), Some("a")])];
    let constraints = Constraints {
        columns: records(&[named("source")], &data),
        limits: vec![Limit { column: 0, of: Counted::Label("a".into()), min: None, max: Some(1.0) }],
        include: vec![2],
        exclude: vec![4],
    };
    let scores = vec![1.0, -0.5, 0.25, 2.0, -1.0, 0.125];
    Case { instance, objective: Objective::W, constraints, data, weight: 0.5, scores }
}

/// Every bit turned, every value in the place of every other: refused, or still true of all subsets that obey what is then said.
#[test]
fn no_change_of_a_certificate_with_quality_is_believed_unless_it_is_true() {
    let case = line();
    let g = case.instance.with(|geometry| case.instance.best_potentials(geometry, 3));
    let good = case.certificate(g.into(), &[Price { limit: 0, label: None, price: 0.125 }]);
    let (mut verified, mut weaker, mut refused) = (0, 0, 0);
    let mut known: HashMap<String, Interval> = HashMap::new();
    each_change(&good.to_json(), |bytes, what| {
        let Ok(certificate) = Certificate::parse(bytes) else { return refused += 1 };
        let verdict = case.check(&certificate);
        let Some(proved) = verdict.proved() else { return refused += 1 };
        let claimed = Proved { distance: certificate.distance, best: certificate.best.map(|best| best.lower) };
        let is_verified = matches!(verdict, Verdict::Verified(_));
        *if is_verified { &mut verified } else { &mut weaker } += 1;
        let problem = &certificate.problem;
        let weight = problem.quality.as_ref().unwrap().weight;
        let instance = Instance { p: problem.p, weights: problem.weights.clone(), ..case.instance.clone() };
        let of = Case {
            instance,
            objective: problem.objective,
            constraints: problem.constraints.clone(),
            data: case.data.clone(),
            weight,
            scores: case.scores.clone(),
        };
        let mut truth = |rows: &[usize]| {
            let key = format!("{rows:?} {weight} {:?} {:?}", problem.p, problem.weights);
            *known.entry(key).or_insert_with(|| of.truth(rows))
        };
        for said in [proved, claimed].into_iter().take(if is_verified { 2 } else { 1 }) {
            let interval = truth(&certificate.subset);
            assert!(said.distance.lower.is_none_or(|lower| lower <= interval.upper.unwrap()), "{what}");
            assert!(said.distance.upper.is_none_or(|upper| upper >= interval.lower.unwrap()), "{what}");
            let set = of.set(&of.constraints);
            let Some(best) = said.best else { continue };
            for rows in subsets(6, problem.budget).iter().filter(|rows| set.check(rows).is_ok()) {
                assert!(best <= truth(rows).upper.unwrap(), "{what}: {rows:?}");
            }
        }
    });
    assert!(verified > 30 && weaker > 100 && refused > 3000, "{verified} {weaker} {refused}");

    // By name: what a forger would touch, and what is said of it.
    let said = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut tree: serde_json::Value = serde_json::from_slice(&good.to_json()).unwrap();
        change(&mut tree);
        match Certificate::parse(tree.to_string().as_bytes()) {
            Ok(certificate) => case.check(&certificate).name(),
            Err(_) => "malformed",
        }
    };
    let at = |place: &'static str, value: serde_json::Value| {
        said(&move |tree: &mut serde_json::Value| *tree.pointer_mut(place).unwrap() = value.clone())
    };
    assert_eq!(said(&|_| {}), "verified");
    assert_eq!(at("/problem/quality/weight", json!(0.6)), "weaker", "the subset is worth less than nothing");
    for weight in [json!(0.0), json!(-0.5), json!(1e308)] {
        assert_eq!(at("/problem/quality/weight", weight), "rejected");
    }
    assert_eq!(at("/problem/quality/column/blake3", json!("0")), "cannot-check");
    assert_eq!(at("/problem/quality/column/name", json!("source")), "cannot-check");
    assert_eq!(at("/problem/quality/column/blake3", json!(case.constraints.columns[0].blake3)), "cannot-check");
    assert_eq!(said(&|tree| drop(tree["problem"].as_object_mut().unwrap().remove("quality"))), "rejected");
    let plain = case.instance.with(|geometry| {
        let statement = Statement::new(geometry, Power::One, 3).constrained(case.constraints.clone());
        statement.convention
    });
    assert_eq!(at("/problem/convention", json!(plain)), "rejected");
    // Without its quality, the statement speaks of another number, and of fewer columns.
    let stripped = |tree: &mut serde_json::Value| {
        drop(tree["problem"].as_object_mut().unwrap().remove("quality"));
        tree["problem"]["convention"] = json!(plain);
    };
    assert_eq!(said(&stripped), "cannot-check");
    let changed = Case { scores: vec![1.0, -0.5, 0.25, 2.0, -1.0, 0.25], ..line() };
    assert_eq!(changed.check(&good).name(), "cannot-check", "a number of the column was changed");
}

#[test]
fn qualities_that_make_no_sense_are_refused() {
    let case = line();
    let g = || BestEvidence::Potentials(vec![0.0, 0.0]);
    let none = Constraints::default();
    case.instance.with(|geometry| {
        let quality = |weight: f64| Some(Quality { weight, ..case.quality() });
        let of = |weight: f64| Statement::new(geometry, Power::One, 3).valued(quality(weight));
        let set = |weight: f64| {
            let plain = FeasibleSet::new(&none, &[], 6, &[]).unwrap();
            plain.valued(quality(weight).unwrap(), &case.column(), &[]).unwrap()
        };
        let rule = |statement: &Statement, set: &FeasibleSet| {
            constrained_best_bound(geometry, statement, g(), set, &[], &sequential).unwrap_err().rule
        };
        for weight in [0.0, -1.0, f64::INFINITY] {
            let refused =
                FeasibleSet::new(&none, &[], 6, &[]).unwrap().valued(quality(weight).unwrap(), &case.column(), &[]);
            match refused {
                Ok(set) => assert_eq!(rule(&of(weight), &set), "quality", "{weight}"),
                Err(refused) => assert_eq!(refused.rule, "quality", "{weight}"),
            }
        }
        assert_eq!(rule(&of(0.5).under(Objective::Tsds { diversity: 1.0 }), &set(0.5)), "quality");
        let weights = Weights { subset: Some(vec![1.0, 2.0, 3.0]), query: None };
        assert_eq!(rule(&of(0.5).weighted(weights), &set(0.5)), "quality");
        // Not of the same quality, or of none.
        assert_eq!(rule(&of(0.25), &set(0.5)), "constraints");
        assert_eq!(rule(&Statement::new(geometry, Power::One, 3), &set(0.5)), "constraints");
        let alone = best_bound(geometry, &of(0.5), g(), Candidates::All, &sequential).unwrap_err();
        assert_eq!(alone.rule, "quality");
        let alone = distance_bound(geometry, &of(0.5), &[0, 1, 2], DistanceEvidence::default(), &sequential);
        assert_eq!(alone.unwrap_err().rule, "quality");
        // Bounds that are too large for a double are none.
        let far = set(f64::MAX / 8.0);
        let refused = far.quality().is_some_and(|quality| {
            let statement = Statement::new(geometry, Power::One, 3).valued(Some(quality.clone()));
            constrained_best_bound(geometry, &statement, vec![f64::MAX, 0.0], &far, &[], &sequential).is_err()
        });
        assert!(refused);
    });
    let valued = |column: &Column, weight: f64| {
        let set = FeasibleSet::new(&none, &[], 3, &[]).unwrap();
        set.valued(Quality { weight, column: named("score") }, column, &[]).unwrap_err().to_string()
    };
    assert!(valued(&Column::labels([Some("a"), None, None]), 1.0).contains("no numbers"));
    assert!(valued(&Column::scores(vec![1.0, 2.0]).unwrap(), 1.0).contains("2 rows, the pool 3"));
    let huge = valued(&Column::scores(vec![1.0, -1e200, 0.0]).unwrap(), 1e200);
    assert!(huge.contains("row 1") && huge.contains("-1e200"), "{huge}");
    assert!(Column::scores(vec![0.0, f64::NAN]).unwrap_err().to_string().contains("row 1"));
    // What adds up under a limit must not be negative, wherever it comes from.
    let limit = Limit { column: 0, of: Counted::Sum, min: None, max: Some(1.0) };
    let sums = Constraints { columns: vec![named("score")], limits: vec![limit], ..Constraints::default() };
    assert!(FeasibleSet::new(&sums, &[Column::scores(vec![1.0, -1.0]).unwrap()], 2, &[]).is_err());
}
