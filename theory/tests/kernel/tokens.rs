//! T17 (notes/T17.md): budgets in tokens, against every subset and against tampering.

use kantor_theory::certificate::MadeBy;
use kantor_theory::constraints::ColumnRecord;
use kantor_theory::{
    BestBound, BestEvidence, Candidates, Certificate, Column, Constraints, Cost, DistanceBound, DistanceEvidence,
    Facts, FeasibleSet, Geometry, Interval, Objective, Power, Price, Proved, Rejection, Statement, TokenBudget,
    Verdict, Weights, best_bound, constrained_best_bound, constrained_distance_bound, distance_bound, sequential,
    verify,
};
use proptest::prelude::*;
use serde_json::json;

use crate::constrained::records;
use crate::constraints::{constraints, evidence, instance, some_prices, with_labels_of};
use crate::mutations::each_change;
use crate::support::{Instance, Random};

/// An instance whose rows have lengths, with a budget that its subset keeps to, and perhaps constraints that it obeys.
#[derive(Clone)]
struct Case {
    instance: Instance,
    objective: Objective,
    constraints: Constraints,
    data: Vec<Column>,
    lengths: Vec<f64>,
    tokens: TokenBudget,
}

impl Case {
    fn random(random: &mut Random, cost: Cost, limited: bool) -> Self {
        let (mut instance, objective) = loop {
            let (instance, objective) = instance(random, cost);
            if !matches!(objective, Objective::Tsds { .. }) {
                break (instance, objective);
            }
        };
        instance.weights.subset = None;
        if objective != Objective::W {
            instance.p = Power::One;
        }
        let whole = random.below(4) > 0;
        let length = |random: &mut Random| match (random.below(8), whole) {
            (0, _) => 1.0,
            (1, false) => 0.0,
            (_, true) => 1.0 + random.below(9) as f64,
            (_, false) => random.signed().abs() * [1.0, 1e-3, 1e6][random.below(3)],
        };
        let mut lengths: Vec<f64> = (0..instance.n).map(|_| length(random)).collect();
        lengths[instance.subset[0]] += 1.0;
        let used: f64 = instance.subset.iter().map(|&row| lengths[row]).sum();
        let (below, above) = (random.signed().abs(), random.signed().abs() * used);
        let (min, max) = if random.below(4) == 0 { (used, used) } else { (used * below + 1e-9, used + above) };
        // Sums of lengths that are no whole numbers are rounded here.
        let slack = if whole { 0.0 } else { 1e-9 * used };
        let (constraints, data) = match limited {
            true => constraints(random, instance.n, &instance.subset, false),
            false => Default::default(),
        };
        let constraints = Constraints { columns: records(&constraints.columns, &data), ..constraints };
        let column = ColumnRecord { name: "tokens".into(), ..ColumnRecord::default() };
        let column = records(&[column], &[Column::numbers(lengths.clone()).unwrap()]).remove(0);
        let tokens = TokenBudget { column, min: (min - slack).max(1e-9).min(max), max: max + slack };
        Self { instance, objective, constraints, data, lengths, tokens }
    }

    fn feasible(&self) -> FeasibleSet {
        let n = self.instance.n;
        let lengths = Column::numbers(self.lengths.clone()).unwrap();
        let set = FeasibleSet::new(&self.constraints, &self.data, n, &[]).unwrap();
        set.in_tokens(&self.tokens, &lengths, n, &[]).unwrap()
    }

    fn statement(&self, geometry: &Geometry<'_>, rows: &[usize]) -> Statement {
        let subset = Some(rows.iter().map(|&row| self.lengths[row]).collect());
        Statement::new(geometry, self.instance.p, rows.len())
            .weighted(Weights { subset, query: self.instance.weights.query.clone() })
            .under(self.objective)
            .constrained(self.constraints.clone())
            .in_tokens(self.tokens.clone())
    }

    /// Encloses the distance of some rows under their lengths, by what knows of no tokens.
    fn interval(&self, rows: &[usize]) -> Interval {
        let subset = Some(rows.iter().map(|&row| self.lengths[row]).collect());
        let weights = Weights { subset, query: self.instance.weights.query.clone() };
        let of = Instance { subset: rows.to_vec(), weights, ..self.instance.clone() };
        of.with(|geometry| {
            let evidence = match self.objective {
                Objective::W => of.distance_evidence(geometry),
                _ => DistanceEvidence::default(),
            };
            let statement = of.problem(geometry).under(self.objective);
            distance_bound(geometry, &statement, rows, evidence, &sequential).unwrap().interval()
        })
    }

    fn distance(&self, geometry: &Geometry<'_>, rows: &[usize]) -> Result<DistanceBound, Rejection> {
        let statement = self.statement(geometry, rows);
        let of = Instance { subset: rows.to_vec(), weights: statement.weights.clone(), ..self.instance.clone() };
        let evidence = match self.objective {
            Objective::W => of.distance_evidence(geometry),
            _ => DistanceEvidence::default(),
        };
        constrained_distance_bound(geometry, &statement, rows, evidence, &self.feasible(), &sequential)
    }

    fn best(&self, geometry: &Geometry<'_>, evidence: BestEvidence, prices: &[Price]) -> Result<BestBound, Rejection> {
        let statement = self.statement(geometry, &self.instance.subset).of_every_subset();
        constrained_best_bound(geometry, &statement, evidence, &self.feasible(), prices, &sequential)
    }

    fn facts(&self) -> Facts {
        let mut facts = self.instance.facts();
        facts.column_records.clone_from(&self.constraints.columns);
        facts.columns.clone_from(&self.data);
        facts.column_records.push(self.tokens.column.clone());
        facts.columns.push(Column::numbers(self.lengths.clone()).unwrap());
        facts
    }

    fn certificate(&self, evidence: BestEvidence, prices: &[Price]) -> Certificate {
        let Facts { inputs, dropped, .. } = self.facts();
        self.instance.with(|geometry| {
            let distance = self.distance(geometry, &self.instance.subset).unwrap();
            let best = self.best(geometry, evidence, prices).unwrap();
            Certificate::new(inputs, dropped, &distance, Some(&best), MadeBy::default()).unwrap()
        })
    }

    fn check(&self, certificate: &Certificate) -> Verdict {
        self.instance.with(|geometry| verify(certificate, &self.facts(), geometry, &sequential))
    }

    /// All subsets of the budget, of any number of rows, that obey the constraints.
    fn obeying(&self) -> Vec<Vec<usize>> {
        let set = self.feasible();
        let all =
            (1u32..1 << self.instance.n).map(|bits| (0..self.instance.n).filter(|i| bits >> i & 1 == 1).collect());
        all.filter(|rows: &Vec<usize>| set.check(rows).is_ok()).collect()
    }

    fn least(&self) -> f64 {
        self.obeying().iter().map(|rows| self.interval(rows).upper.unwrap()).fold(f64::INFINITY, f64::min)
    }
}

fn some_cost() -> impl Strategy<Value = Cost> {
    prop::sample::select(Cost::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// T17: whatever the evidence and the prices, no subset of the budget is closer than the bound, through certificates too; the
    /// interval of a subset is that of rows with these weights.
    #[test]
    fn no_subset_of_so_many_tokens_is_closer_than_proved(cost in some_cost(), limited: bool, seed: u64) {
        let random = &mut Random(seed);
        let case = Case::random(random, cost, limited);
        let least = case.least();
        for round in 0..3 {
            let scale = least.abs().max(1e-12) * [0.1, 1.0, 10.0][random.below(3)];
            let prices = match limited {
                true => with_labels_of(&case.data, some_prices(random, &case.constraints, scale), case.instance.n),
                false => Vec::new(),
            };
            let k = case.instance.subset.len();
            let evidence = evidence(random, &case.instance, case.objective, k);
            let certificate = case.certificate(evidence, &prices);
            let claimed = certificate.best.unwrap().lower;
            prop_assert!(claimed <= least, "{claimed} above {least}");
            prop_assert_eq!(certificate.distance, case.interval(&case.instance.subset));
            if round == 0 {
                let read = Certificate::parse(&certificate.to_json()).unwrap();
                prop_assert_eq!(&read, &certificate);
                let verdict = case.check(&read);
                prop_assert_eq!(verdict.name(), "verified", "{:?}", verdict);
            }
        }
    }

    /// With the length 1 for every row, the budget k is k rows: the same numbers.
    #[test]
    fn unit_lengths_are_rows(cost in some_cost(), seed: u64) {
        let random = &mut Random(seed);
        let mut case = Case::random(random, cost, false);
        let k = case.instance.subset.len();
        (case.lengths, case.tokens.min, case.tokens.max) = (vec![1.0; case.instance.n], k as f64, k as f64);
        let evidence = evidence(random, &case.instance, case.objective, k);
        let (tokens, rows) = case.instance.with(|geometry| {
            let query = case.instance.weights.query.clone();
            let statement = Statement::new(geometry, case.instance.p, k).weighted(Weights { subset: None, query });
            let statement = statement.under(case.objective);
            let rows = best_bound(geometry, &statement, evidence.clone(), Candidates::All, &sequential).unwrap();
            (case.best(geometry, evidence, &[]).unwrap().lower(), rows.lower())
        });
        // Shifted potentials prove the same of tokens; of rows they hold the price as they are.
        prop_assert!(tokens >= rows - 1e-7 * rows.abs().max(1e-300).sqrt().max(rows.abs()), "{tokens} {rows}");
    }

    /// One query: the bound is attained if the rows closest to it fill the fewest tokens.
    #[test]
    fn the_closest_tokens_attain_the_bound(seed: u64) {
        let random = &mut Random(seed);
        let n = 1 + random.below(8);
        let pool: Vec<f64> = (0..n).map(|_| random.signed()).collect();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| pool[a].abs().total_cmp(&pool[b].abs()));
        order.truncate(1 + random.below(n));
        let lengths: Vec<f64> = (0..n).map(|_| 1.0 + random.below(9) as f64).collect();
        let min: f64 = order.iter().map(|&row| lengths[row]).sum();
        let instance = Instance {
            cost: Cost::Euclidean,
            p: if random.below(2) == 0 { Power::One } else { Power::Two },
            n,
            m: 1,
            dim: 1,
            pool,
            query: vec![0.0],
            subset: order,
            weights: Weights::default(),
        };
        let column = records(&[ColumnRecord::default()], &[Column::numbers(lengths.clone()).unwrap()]).remove(0);
        let tokens = TokenBudget { column, min, max: min + random.below(20) as f64 };
        let (objective, constraints, data) = (Objective::W, Constraints::default(), Vec::new());
        let case = Case { instance, objective, constraints, data, lengths, tokens };
        // A potential above all costs holds the price of no row.
        let bound = case.instance.with(|geometry| case.best(geometry, vec![9.0].into(), &[]).unwrap().lower());
        let reached = case.interval(&case.instance.subset).upper.unwrap();
        // Of a root, its square is as near.
        prop_assert!(bound <= reached && bound.powi(2) >= reached.powi(2) - 1e-12, "{bound} {reached}");
        prop_assert!(bound <= case.least());
    }
}

#[test]
fn budgets_in_tokens_that_make_no_sense_are_refused() {
    let mut seeds = (0..).map(|seed| Case::random(&mut Random(seed), Cost::Euclidean, false));
    let case = seeds.find(|case| case.objective == Objective::W && case.instance.n > 3 && case.instance.m > 1).unwrap();
    let rule = |change: &dyn Fn(Statement) -> Statement| {
        case.instance.with(|geometry| {
            let statement = change(case.statement(geometry, &case.instance.subset));
            let evidence = case.instance.distance_evidence(geometry);
            let rows = &case.instance.subset;
            let found = constrained_distance_bound(geometry, &statement, rows, evidence, &case.feasible(), &sequential);
            found.map_or_else(|fault| fault.rule, |_| "proved")
        })
    };
    assert_eq!(rule(&|statement| statement), "proved");
    assert_eq!(rule(&|statement| Statement { tokens: None, ..statement }), "constraints");
    let uniform = |statement: Statement| statement.weighted(Weights::default());
    assert_eq!(rule(&uniform), "tokens", "rows of equal weight are no measure of tokens");
    let twice = |statement: Statement| {
        let subset = statement.weights.subset.as_ref().map(|of| of.iter().map(|x| 2.0 * x).collect());
        statement.clone().weighted(Weights { subset, ..statement.weights })
    };
    assert_eq!(rule(&twice), "tokens", "weights are the lengths, not in proportion to them");
    assert_eq!(rule(&|statement| statement.under(Objective::Tsds { diversity: 1.0 })), "objective");
    assert_eq!(rule(&|statement| statement.in_tasks(vec![1, case.instance.m - 1])), "tokens");
    let ends = |min: f64, max: f64| {
        let tokens = TokenBudget { min, max, ..case.tokens.clone() };
        let n = case.instance.n;
        let set = FeasibleSet::new(&Constraints::default(), &[], n, &[]).unwrap();
        set.in_tokens(&tokens, &Column::numbers(case.lengths.clone()).unwrap(), n, &[]).map_err(|fault| fault.rule)
    };
    for (min, max) in [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (1.0, f64::NAN), (1.0, f64::INFINITY)] {
        assert_eq!(ends(min, max).err(), Some("tokens"), "{min} {max}");
    }
    let set = FeasibleSet::new(&Constraints::default(), &[], 2, &[]).unwrap();
    for column in [Column::labels([Some("a"), None]), Column::numbers(vec![1.0]).unwrap()] {
        assert!(set.clone().in_tokens(&case.tokens, &column, 2, &[]).is_err());
    }
    case.instance.with(|geometry| {
        let statement = case.statement(geometry, &case.instance.subset).of_every_subset();
        let g = vec![0.0; case.instance.m];
        let free = best_bound(geometry, &statement, g.clone(), Candidates::All, &sequential);
        assert_eq!(free.unwrap_err().rule, "tokens", "lengths that nobody gave");
        let one = case.statement(geometry, &case.instance.subset);
        let set = case.feasible();
        let of_one = constrained_best_bound(geometry, &one, g, &set, &[], &sequential);
        assert_eq!(of_one.unwrap_err().rule, "best", "the weights of one subset are not those of every one");
    });
}

/// Every bit and field of certificates changed: what is not refused is true.
#[test]
fn no_change_of_a_certificate_of_tokens_is_believed_unless_it_is_true() {
    let mut done = 0;
    for seed in 0.. {
        let random = &mut Random(seed);
        let case = Case::random(random, Cost::Euclidean, done == 1);
        let small = case.instance.n == 5 && case.instance.m == 2 && case.instance.subset.len() < 4;
        if !small || case.objective != Objective::W || case.instance.p == Power::Two {
            continue;
        }
        let evidence = evidence(random, &case.instance, case.objective, case.instance.subset.len());
        let good = case.certificate(evidence, &[]);
        assert_eq!(case.check(&good).name(), "verified");
        let (mut verified, mut refused) = (0, 0);
        let mut known = std::collections::HashMap::new();
        each_change(&good.to_json(), |bytes, what| {
            let Ok(certificate) = Certificate::parse(bytes) else { return refused += 1 };
            let verdict = case.check(&certificate);
            let Some(proved) = verdict.proved() else { return refused += 1 };
            let problem = &certificate.problem;
            let Some(tokens) = problem.tokens.clone() else { panic!("seed {seed}: {what}: lost its tokens") };
            let instance = Instance { p: problem.p, subset: certificate.subset.clone(), ..case.instance.clone() };
            let instance = Instance { weights: Weights { subset: None, ..problem.weights.clone() }, ..instance };
            let of = Case { instance, tokens, constraints: problem.constraints.clone(), ..case.clone() };
            assert!(of.obeying().iter().any(|rows| {
                let mut chosen = certificate.subset.clone();
                chosen.sort_unstable();
                *rows == chosen
            }));
            let key = |of: &Case| format!("{:?} {:?} {:?}", of.instance.p, of.instance.weights, of.tokens);
            let least = *known.entry(key(&of) + &format!("{:?}", of.constraints)).or_insert_with(|| of.least());
            let claimed = Proved { distance: certificate.distance, best: certificate.best.map(|best| best.lower) };
            let is_verified = matches!(verdict, Verdict::Verified(_));
            verified += u32::from(is_verified);
            for said in [proved, claimed].into_iter().take(1 + usize::from(is_verified)) {
                let interval = of.interval(&certificate.subset);
                assert!(
                    said.distance.lower.is_none_or(|lower| lower <= interval.upper.unwrap()),
                    "seed {seed}: {what}"
                );
                assert!(
                    said.distance.upper.is_none_or(|upper| upper >= interval.lower.unwrap()),
                    "seed {seed}: {what}"
                );
                assert!(said.best.is_none_or(|best| best <= least), "seed {seed}: {what}");
            }
        });
        assert!(verified > 20 && refused > 3000, "{verified} {refused}");
        // By name: what a forger would touch, and what is said of it.
        let said = |place: &str, value: serde_json::Value| {
            let mut tree: serde_json::Value = serde_json::from_slice(&good.to_json()).unwrap();
            *tree.pointer_mut(place).unwrap() = value;
            match Certificate::parse(tree.to_string().as_bytes()) {
                Ok(certificate) => case.check(&certificate).name(),
                Err(_) => "malformed",
            }
        };
        assert_eq!(said("/problem/tokens/column/blake3", json!("0")), "cannot-check");
        assert_eq!(said("/problem/tokens/column/name", json!("words")), "cannot-check");
        assert_eq!(said("/problem/tokens/min", json!(0.0)), "rejected");
        assert_eq!(said("/problem/tokens/max", json!(case.tokens.min / 2.0)), "rejected");
        assert_eq!(said("/problem/tokens/min", json!(case.tokens.max * 2.0)), "rejected");
        assert_eq!(said("/problem/tokens", json!(null)), "rejected");
        assert_eq!(said("/problem/weights/subset", json!(null)), "rejected");
        assert_eq!(said("/problem/budget", json!(case.instance.subset.len() + 1)), "rejected");
        assert_eq!(said("/problem/convention", json!(kantor_theory::statement::CONVENTION)), "rejected");
        done += 1;
        if done == 2 {
            break;
        }
    }
}
