//! T17 and T18 together (notes/T18.md): budgets in tokens for the worst of several tasks, against every subset and against
//! tampering.

use std::collections::HashMap;

use kantor_theory::certificate::MadeBy;
use kantor_theory::constraints::ColumnRecord;
use kantor_theory::rounding::{ExactSum, add_up, mul_down, mul_up};
use kantor_theory::{
    BestBound, BestEvidence, Certificate, Column, Constraints, Cost, Facts, FeasibleSet, Geometry, LimitEnd, NewRow,
    Power, Price, Quality, Sensitivity, Statement, TokenBudget, Verdict, Weights, constrained_best_bound,
    constrained_distance_bound, sequential, verify,
};
use proptest::prelude::*;

use crate::constrained::records;
use crate::constraints::{constraints, some_prices, with_labels_of};
use crate::mutations::each_change;
use crate::sensitivity::{costs_below, first_rows, relax};
use crate::support::{Instance, Random};
use crate::worst::Case;

/// Tasks, and rows with lengths, a budget to which the subset keeps, and perhaps constraints and a quality.
#[derive(Clone)]
struct Problem {
    case: Case,
    constraints: Constraints,
    data: Vec<Column>,
    lengths: Vec<f64>,
    tokens: TokenBudget,
    quality: Option<(f64, Vec<f64>)>,
}

impl Problem {
    fn new(random: &mut Random, cost: Cost, limited: bool, valued: bool) -> Self {
        let mut case = Case::new(random, cost);
        case.all.subset.truncate(4);
        let n = case.all.n;
        let mut lengths: Vec<f64> = (0..n).map(|_| random.below(7) as f64).collect();
        lengths[case.all.subset[0]] += 1.0;
        let used: f64 = case.all.subset.iter().map(|&row| lengths[row]).sum();
        let (below, above) = (random.below(used as usize), random.below(9));
        let (constraints, data) = match limited {
            true => constraints(random, n, &case.all.subset, false),
            false => Default::default(),
        };
        let constraints = Constraints { columns: records(&constraints.columns, &data), ..constraints };
        let column = ColumnRecord { name: "tokens".into(), ..ColumnRecord::default() };
        let column = records(&[column], &[Column::numbers(lengths.clone()).unwrap()]).remove(0);
        let tokens = TokenBudget { column, min: used - below as f64, max: used + above as f64 };
        let mut problem = Self { case, constraints, data, lengths, tokens, quality: None };
        if valued {
            let size = problem.value(&problem.case.all.subset).abs().clamp(1e-30, 1e100);
            let scores = (0..n).map(|_| [0.0, -1.0, 2.5, random.signed()][random.below(4)]).collect();
            problem.quality = Some((size * [0.1, 1.0, 30.0][random.below(3)], scores));
        }
        problem
    }

    fn scores(&self) -> Option<(Quality, Column)> {
        let (weight, scores) = self.quality.as_ref()?;
        let column = Column::scores(scores.clone()).unwrap();
        let record = ColumnRecord { name: "score".into(), ..ColumnRecord::default() };
        let record = records(&[record], std::slice::from_ref(&column)).remove(0);
        Some((Quality { weight: *weight, column: record }, column))
    }

    /// The subsets of the first rows that obey these.
    fn among(&self, constraints: &Constraints, tokens: &TokenBudget, rows: usize) -> FeasibleSet {
        let (stored, dropped) = (self.lengths.len(), (rows..self.lengths.len()).collect::<Vec<_>>());
        let lengths = Column::numbers(self.lengths.clone()).unwrap();
        let set = FeasibleSet::new(constraints, &self.data, stored, &dropped).unwrap();
        let set = set.in_tokens(tokens, &lengths, stored, &dropped).unwrap();
        match self.scores() {
            None => set,
            Some((quality, column)) => set.valued(quality, &column, &dropped).unwrap(),
        }
    }

    fn set(&self) -> FeasibleSet {
        self.among(&self.constraints, &self.tokens, self.case.all.n)
    }

    fn lengths_of(&self, rows: &[usize]) -> Vec<f64> {
        rows.iter().map(|&row| self.lengths[row]).collect()
    }

    fn statement(&self, geometry: &Geometry<'_>) -> Statement {
        let rows = &self.case.all.subset;
        let weights = Weights { subset: Some(self.lengths_of(rows)), query: self.case.all.weights.query.clone() };
        Statement::new(geometry, self.case.all.p, rows.len())
            .weighted(weights)
            .in_tasks(self.case.tasks.clone())
            .constrained(self.constraints.clone())
            .in_tokens(self.tokens.clone())
            .valued(self.scores().map(|(quality, _)| quality))
    }

    /// A number ≥ what certificates call the distance of some rows, by what knows of no tokens.
    fn value(&self, rows: &[usize]) -> f64 {
        let uppers = self.case.of_tasks_weighing(rows, Some(&self.lengths_of(rows)));
        let largest = uppers.iter().filter_map(|of| of.upper).fold(f64::NEG_INFINITY, f64::max);
        let Some((weight, scores)) = &self.quality else { return largest };
        let (mut worth, mut total) = (ExactSum::default(), ExactSum::default());
        for &row in rows {
            worth.add_product(self.lengths[row], scores[row]);
            total.add(self.lengths[row]);
        }
        let mean = worth.ratio_down(&total);
        let worth = if mean >= 0.0 { mul_down(*weight, mean) } else { -mul_up(*weight, -mean) };
        let power = if self.case.all.p == Power::Two { mul_up(largest, largest) } else { largest };
        add_up(power, -worth)
    }

    /// All subsets of some tokens, with their values.
    fn all(&self) -> Vec<(Vec<usize>, f64)> {
        let n = self.case.all.n;
        let rows = (1u32..1 << n).map(|bits| (0..n).filter(|i| bits >> i & 1 == 1).collect::<Vec<_>>());
        let rows = rows.filter(|rows| self.lengths_of(rows).iter().sum::<f64>() > 0.0);
        rows.map(|rows| (rows.clone(), self.value(&rows))).collect()
    }

    fn best(&self, proof: BestEvidence, prices: &[Price]) -> BestBound {
        self.case.all.with(|geometry| self.best_on(geometry, proof, prices))
    }

    fn best_on(&self, geometry: &Geometry<'_>, proof: BestEvidence, prices: &[Price]) -> BestBound {
        let statement = self.statement(geometry).of_every_subset();
        constrained_best_bound(geometry, &statement, proof, &self.set(), prices, &sequential).unwrap()
    }

    fn facts(&self) -> Facts {
        let mut facts = self.case.all.facts();
        facts.column_records.clone_from(&self.constraints.columns);
        facts.columns.clone_from(&self.data);
        facts.column_records.push(self.tokens.column.clone());
        facts.columns.push(Column::numbers(self.lengths.clone()).unwrap());
        if let Some((quality, column)) = self.scores() {
            facts.column_records.push(quality.column);
            facts.columns.push(column);
        }
        facts
    }

    fn certificate(&self, proof: BestEvidence, prices: &[Price]) -> Certificate {
        let Facts { inputs, dropped, .. } = self.facts();
        let mut of = self.case.clone();
        of.all.weights.subset = Some(self.lengths_of(&of.all.subset));
        let (rows, evidence, set) = (&self.case.all.subset, of.evidence(), self.set());
        self.case.all.with(|geometry| {
            let statement = self.statement(geometry);
            let distance = constrained_distance_bound(geometry, &statement, rows, evidence, &set, &sequential).unwrap();
            let best = self.best_on(geometry, proof, prices);
            Certificate::new(inputs, dropped, &distance, Some(&best), MadeBy::default()).unwrap()
        })
    }

    fn some_prices(&self, random: &mut Random, scale: f64) -> Vec<Price> {
        match self.data.is_empty() {
            true => Vec::new(),
            false => with_labels_of(&self.data, some_prices(random, &self.constraints, scale), self.case.all.n),
        }
    }
}

fn some_cost() -> impl Strategy<Value = Cost> {
    prop::sample::select(Cost::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever shares, potentials and prices, no subset of the budget that obeys is closer to its farthest task than the bound,
    /// through certificates too.
    #[test]
    fn no_subset_of_so_many_tokens_is_closer_to_its_worst_task(cost in some_cost(), limited: bool, valued: bool, seed: u64) {
        let random = &mut Random(seed);
        let of = Problem::new(random, cost, limited, valued);
        let set = of.set();
        let obeying = of.all().into_iter().filter(|(rows, _)| set.check(rows).is_ok());
        let least = obeying.fold(f64::INFINITY, |least, (_, value)| least.min(value));
        for round in 0..3 {
            let scale = least.abs().max(1e-12) * [0.1, 1.0, 10.0][random.below(3)];
            let prices = of.some_prices(random, scale);
            let proof = of.case.some_proof(random, of.case.all.subset.len());
            let lower = of.best(proof.clone(), &prices).lower();
            prop_assert!(lower <= least, "{lower} above {least}");
            if round == 0 {
                let certificate = of.certificate(proof, &prices);
                let read = Certificate::parse(&certificate.to_json()).unwrap();
                prop_assert_eq!(&read, &certificate);
                let verdict = of.case.all.with(|geometry| verify(&read, &of.facts(), geometry, &sequential));
                let Verdict::Verified(proved) = verdict else { panic!("{verdict:?}") };
                prop_assert!(proved.best.unwrap() <= least);
                let value = of.value(&of.case.all.subset);
                prop_assert!(proved.distance.lower.unwrap() <= value, "{proved:?} {value}");
            }
        }
    }
}

/// T16 of these: neither limits, rows nor ends of the budget that are relaxed, nor rows that are added, make a subset closer to its
/// worst task than claimed.
#[test]
fn nothing_that_changes_gains_more_than_claimed_of_tokens_and_tasks() {
    let (mut gains, mut added) = (0, 0);
    for seed in 0..500 {
        let random = &mut Random(seed);
        let of = Problem::new(random, Cost::ALL[seed as usize % 6], seed % 4 > 0, seed % 3 == 0);
        let (n, all) = (of.case.all.n, of.all());
        let least = |constraints: &Constraints, tokens: &TokenBudget, rows: usize| {
            let set = of.among(constraints, tokens, rows);
            let obeys = |chosen: &[usize]| chosen.iter().all(|&row| row < rows) && set.check(chosen).is_ok();
            all.iter().filter(|(rows, _)| obeys(rows)).fold(f64::INFINITY, |least, (_, value)| least.min(*value))
        };
        let upper = least(&of.constraints, &of.tokens, n);
        let (prices, proof) = (of.some_prices(random, upper.abs().max(1e-12)), of.case.some_proof(random, 2));
        let best = of.best(proof.clone(), &prices);
        let sensitivity = Sensitivity::new(&best, upper).unwrap();
        let mut check = |after: f64, claimed: Option<f64>, what: &str| {
            gains += u32::from(upper - after > 1e-9 && claimed.is_some());
            let gain = upper - after;
            assert!(claimed.is_none_or(|claimed| gain <= claimed), "seed {seed}, {what}: {gain} {claimed:?}");
        };
        for (at, end) in
            (0..of.constraints.limits.len()).flat_map(|at| [LimitEnd::Min, LimitEnd::Max].map(|end| (at, end)))
        {
            let mut relaxed = of.constraints.clone();
            relax(&mut relaxed.limits[at], end, 1.0);
            check(least(&relaxed, &of.tokens, n), sensitivity.relaxed(at, None, end, 1.0), "a limit");
        }
        let fixed = [sensitivity.fixed(true), sensitivity.fixed(false)].concat();
        let mut freed = of.constraints.clone();
        freed.include.retain(|row| !fixed.contains(row));
        freed.exclude.retain(|row| !fixed.contains(row));
        check(least(&freed, &of.tokens, n), sensitivity.released(&fixed), "rows");
        for (end, by) in [LimitEnd::Min, LimitEnd::Max].into_iter().flat_map(|end| [1.0, 3.0].map(|by| (end, by))) {
            let tokens = match end {
                LimitEnd::Min => TokenBudget { min: of.tokens.min - by, ..of.tokens.clone() },
                LimitEnd::Max => TokenBudget { max: of.tokens.max + by, ..of.tokens.clone() },
            };
            if tokens.min > 0.0 {
                check(least(&of.constraints, &tokens, n), sensitivity.relaxed_tokens(end, by), "the budget");
            }
        }
        // The last row is new.
        let last = n - 1;
        if n == 1 || of.case.all.subset.contains(&last) || of.constraints.exclude.contains(&last) {
            continue;
        }
        let small = first_rows(&of.case.all, last);
        let best = small.with(|geometry| {
            let statement = of.statement(geometry).of_every_subset();
            let set = of.among(&of.constraints, &of.tokens, last);
            constrained_best_bound(geometry, &statement, proof, &set, &prices, &sequential)
        });
        // Prices may be of a label that only that row has.
        let Ok(best) = best else { continue };
        let upper = least(&of.constraints, &of.tokens, last);
        let sensitivity = Sensitivity::new(&best, upper).unwrap();
        let gain = upper - least(&of.constraints, &of.tokens, n);
        added += u32::from(gain > 1e-9);
        let costs = of.case.all.with(|geometry| costs_below(geometry, of.case.all.p, last));
        let labels: Vec<Option<&str>> = of.data.iter().map(|column| column.label(last)).collect();
        let numbers = of.data.iter().map(|column| column.number(last).unwrap_or(0.0));
        let numbers: Vec<f64> = numbers.chain([of.lengths[last]]).collect();
        let row = NewRow { costs: &costs, labels: &labels, numbers: &numbers };
        for claimed in [sensitivity.new_row(row).unwrap(), sensitivity.new_tokens(of.lengths[last])] {
            assert!(claimed.is_none_or(|claimed| gain <= claimed), "seed {seed}: {gain} {claimed:?}");
        }
    }
    assert!(gains > 100 && added > 8, "{gains} {added}");
}

/// Two queries at 0 and 4 on a line, each a task, and rows of three tokens at 1 and of one at 3: the mean is at 1.5.
#[test]
fn the_bound_is_attained_between_two_tasks_by_lengths() {
    let all = Instance {
        cost: Cost::Euclidean,
        p: Power::One,
        n: 3,
        m: 2,
        dim: 1,
        pool: vec![1.0, 3.0, 9.0],
        query: vec![0.0, 4.0],
        subset: vec![0, 1],
        weights: Weights::default(),
    };
    let lengths = vec![3.0, 1.0, 4.0];
    let column = records(&[ColumnRecord::default()], &[Column::numbers(lengths.clone()).unwrap()]).remove(0);
    let tokens = TokenBudget { column, min: 4.0, max: 4.0 };
    let (constraints, data, quality) = (Constraints::default(), Vec::new(), None);
    let of = Problem { case: Case { all, tasks: vec![1, 1] }, constraints, data, lengths, tokens, quality };
    let proof = BestEvidence::Tasks { shares: vec![0.0, 2.0], potentials: vec![0.0, 3.0] };
    let lower = of.best(proof, &[]).lower();
    assert!(lower <= 2.5 && lower > 2.5 - 1e-12 && of.value(&[0, 1]) >= 2.5, "{lower}");
}

/// Every bit and field of certificates changed: what is not refused is true.
#[test]
fn no_change_of_a_certificate_of_tokens_and_tasks_is_believed_unless_it_is_true() {
    let mut done = 0;
    for seed in 0.. {
        let random = &mut Random(seed);
        let of = Problem::new(random, Cost::Euclidean, done == 1, done == 2);
        let all = &of.case.all;
        if all.n > 4 || all.m > 3 || all.subset.len() > 2 || all.p == Power::Two {
            continue;
        }
        let good = of.certificate(of.case.some_proof(random, all.subset.len()), &[]);
        let check = |certificate: &Certificate, of: &Problem| {
            all.with(|geometry| verify(certificate, &of.facts(), geometry, &sequential))
        };
        assert_eq!(check(&good, &of).name(), "verified", "seed {seed}");
        let (mut verified, mut refused, mut known) = (0, 0, HashMap::new());
        each_change(&good.to_json(), |bytes, what| {
            let Ok(certificate) = Certificate::parse(bytes) else { return refused += 1 };
            let verdict = check(&certificate, &of);
            let Some(proved) = verdict.proved() else { return refused += 1 };
            let problem = &certificate.problem;
            let Some(tokens) = problem.tokens.clone() else { panic!("seed {seed}: {what}: lost its tokens") };
            let mut said = of.clone();
            (said.case.all.p, said.tokens, said.constraints) = (problem.p, tokens, problem.constraints.clone());
            said.case.all.weights.query.clone_from(&problem.weights.query);
            said.case.tasks.clone_from(&problem.tasks);
            if problem.tasks.is_empty() {
                said.case.tasks = vec![all.m];
            }
            said.quality = problem.quality.as_ref().map(|of| of.weight).zip(of.quality.clone().map(|of| of.1));
            let set = said.set();
            let mut chosen = certificate.subset.clone();
            chosen.sort_unstable();
            assert!(set.check(&chosen).is_ok(), "seed {seed}: {what}");
            let key = format!("{:?} {:?}", problem.of_every_subset(), said.quality);
            let least = *known.entry(key).or_insert_with(|| {
                let all = said.all().into_iter().filter(|(rows, _)| set.check(rows).is_ok());
                all.fold(f64::INFINITY, |least, (_, value)| least.min(value))
            });
            let claimed = certificate.best.map(|best| best.lower).filter(|_| matches!(verdict, Verdict::Verified(_)));
            verified += u32::from(claimed.is_some());
            let value = said.value(&chosen);
            assert!(proved.distance.lower.is_none_or(|lower| lower <= value), "seed {seed}: {what}");
            for best in [proved.best, claimed].into_iter().flatten() {
                assert!(best <= least, "seed {seed}: {what}: {best} above {least}");
            }
        });
        assert!(verified > 20 && refused > 3000, "{verified} {refused}");
        done += 1;
        if done == 3 {
            break;
        }
    }
}
