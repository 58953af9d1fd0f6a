//! T16 (notes/T16.md) and notes/quality.md of the worst of several tasks: what limits, rows and tasks are worth at most, and
//! distances less quality, by looking at every subset.

use kantor_theory::certificate::MadeBy;
use kantor_theory::constraints::ColumnRecord;
use kantor_theory::rounding::{ExactSum, add_up, div_down, mul_down, mul_up};
use kantor_theory::{
    BestBound, BestEvidence, Certificate, Column, Constraints, Cost, Facts, FeasibleSet, LimitEnd, NewRow, Power,
    Price, Quality, Sensitivity, Statement, Verdict, constrained_best_bound, constrained_distance_bound, sequential,
    verify,
};
use proptest::prelude::*;

use crate::constrained::records;
use crate::constraints::{constraints, some_prices, with_labels_of};
use crate::duality::subsets;
use crate::sensitivity::{costs_below, first_rows, relax};
use crate::support::{Instance, Random};
use crate::worst::Case;

/// A problem of the first `n` rows.
struct Problem {
    case: Case,
    n: usize,
    constraints: Constraints,
    data: Vec<Column>,
    quality: Option<(f64, Vec<f64>)>,
    proof: BestEvidence,
    prices: Vec<Price>,
    /// All subsets of all rows with numbers ≥ their distances to each task, to the power p.
    subsets: Vec<(Vec<usize>, Vec<f64>)>,
}

impl Problem {
    fn new(random: &mut Random, cost: Cost, more: usize, valued: bool) -> Self {
        let mut case = Case::new(random, cost);
        let n = case.all.n.saturating_sub(more).max(1);
        let mut kept: Vec<usize> = (0..n).collect();
        random.shuffle(&mut kept);
        kept.truncate(1 + random.below(n.min(3)));
        case.all.subset = kept;
        let kept = &case.all.subset;
        let (mut constraints, data) = match random.below(4) {
            0 => (Constraints::default(), Vec::new()),
            _ => constraints(random, case.all.n, kept, false),
        };
        constraints.columns = records(&constraints.columns, &data);
        let power = |upper: f64| if case.all.p == Power::Two { mul_up(upper, upper) } else { upper };
        let uppers = |rows: &Vec<usize>| case.of_tasks(rows).iter().map(|of| power(of.upper.unwrap())).collect();
        let subsets: Vec<(Vec<usize>, Vec<f64>)> =
            subsets(case.all.n, kept.len()).into_iter().map(|rows| (rows.clone(), uppers(&rows))).collect();
        let size = subsets.iter().flat_map(|(_, uppers)| uppers).fold(1e-30f64, |most, x| most.max(x.abs()));
        let scores = (0..case.all.n).map(|_| [0.0, -1.0, 2.5, random.signed()][random.below(4)]).collect();
        let quality = valued.then(|| ([1.0, 1e-3, 1e3][random.below(3)] * size.min(1e200), scores));
        let proof = case.some_proof(random, kept.len());
        let mut problem = Self { case, n, constraints, data, quality, proof, prices: Vec::new(), subsets };
        // Of some prices the best: where the bound is far below, no claim is put to the test.
        let mut lower = problem.best().lower();
        for _ in 0..if problem.data.is_empty() { 0 } else { 1 + 20 * random.below(2) } {
            let scale = size * [0.1, 1.0][random.below(2)];
            let some = some_prices(random, &problem.constraints, scale);
            let prices = with_labels_of(&problem.data, some, problem.case.all.n);
            let known = std::mem::replace(&mut problem.prices, prices);
            match problem.best().lower() {
                raised if raised >= lower => lower = raised,
                _ => problem.prices = known,
            }
        }
        problem
    }

    fn column(&self) -> Option<(Quality, Column)> {
        let (weight, scores) = self.quality.clone()?;
        let column = Column::scores(scores).unwrap();
        let named = ColumnRecord { name: "score".into(), ..ColumnRecord::default() };
        Some((Quality { weight, column: records(&[named], std::slice::from_ref(&column)).remove(0) }, column))
    }

    fn set(&self, constraints: &Constraints, rows: usize) -> FeasibleSet {
        let dropped: Vec<usize> = (rows..self.case.all.n).collect();
        let set = FeasibleSet::new(constraints, &self.data, self.case.all.n, &dropped).unwrap();
        match self.column() {
            None => set,
            Some((quality, column)) => set.valued(quality, &column, &dropped).unwrap(),
        }
    }

    fn on_first_rows<T>(&self, f: impl FnOnce(&kantor_theory::Geometry<'_>, Statement) -> T) -> T {
        let small = first_rows(&self.case.all, self.n);
        small.with(|geometry| {
            let statement = self.case.statement(geometry, self.case.all.subset.len());
            let quality = self.column().map(|(quality, _)| quality);
            f(geometry, statement.constrained(self.constraints.clone()).valued(quality))
        })
    }

    fn best(&self) -> BestBound {
        let set = self.set(&self.constraints, self.n);
        self.on_first_rows(|geometry, statement| {
            constrained_best_bound(geometry, &statement, self.proof.clone(), &set, &self.prices, &sequential).unwrap()
        })
    }

    /// A number ≥ what certificates call the distance of a subset, if the distances to the tasks count so much less.
    fn value(&self, (rows, uppers): &(Vec<usize>, Vec<f64>), less: &[f64]) -> f64 {
        let largest =
            uppers.iter().zip(less).map(|(upper, less)| add_up(*upper, -less)).fold(f64::NEG_INFINITY, f64::max);
        match &self.quality {
            None => largest,
            Some((weight, scores)) => {
                let mut worth = ExactSum::default();
                rows.iter().for_each(|&row| worth.add_product(*weight, scores[row]));
                add_up(largest, -div_down(worth.down(), rows.len() as f64))
            }
        }
    }

    /// A number ≥ the least such among the subsets of the first `rows` rows that obey.
    fn least(&self, constraints: &Constraints, rows: usize, less: &[f64]) -> f64 {
        let set = self.set(constraints, rows);
        let obeys = |subset: &[usize]| subset.iter().all(|&row| row < rows) && set.check(subset).is_ok();
        let values = self.subsets.iter().filter(|(subset, _)| obeys(subset)).map(|of| self.value(of, less));
        values.fold(f64::INFINITY, f64::min)
    }

    /// The same as certificates call it.
    fn nearest(&self, constraints: &Constraints, rows: usize) -> f64 {
        let power = self.least(constraints, rows, &vec![0.0; self.case.tasks.len()]);
        let is_root = self.case.all.p == Power::Two && self.quality.is_none();
        if is_root { power.sqrt().next_up() } else { power }
    }
}

fn some_cost() -> impl Strategy<Value = Cost> {
    prop::sample::select(Cost::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// T16 (a), (b) and (d): neither limits that are relaxed, nor rows that are released or added make a subset closer to its worst
    /// task than claimed.
    #[test]
    fn nothing_gains_more_than_claimed_of_the_worst_task(cost in some_cost(), seed: u64, more in 0usize..3, valued: bool) {
        let of = Problem::new(&mut Random(seed), cost, if valued { 0 } else { more }, valued);
        let (best, upper) = (of.best(), of.nearest(&of.constraints, of.n));
        let sensitivity = Sensitivity::new(&best, upper).unwrap();
        prop_assert!(0.0 <= sensitivity.unchanged().unwrap());
        for (at, end) in (0..of.constraints.limits.len()).flat_map(|at| [LimitEnd::Min, LimitEnd::Max].map(|end| (at, end))) {
            for by in [1.0, 2.0] {
                let mut relaxed = of.constraints.clone();
                relax(&mut relaxed.limits[at], end, by);
                let (gain, claimed) = (upper - of.nearest(&relaxed, of.n), sensitivity.relaxed(at, None, end, by).unwrap());
                prop_assert!(gain <= claimed, "{gain} {claimed} {:?} {:?}", of.constraints, of.prices);
            }
        }
        for included in [true, false] {
            let fixed = sensitivity.fixed(included);
            let mut freed = of.constraints.clone();
            let list = if included { &mut freed.include } else { &mut freed.exclude };
            list.retain(|row| !fixed.contains(row));
            if let Some(claimed) = sensitivity.released(&fixed) {
                prop_assert!(upper - of.nearest(&freed, of.n) <= claimed);
            }
        }
        let all = &of.case.all;
        for rows in of.n..=all.n {
            let gain = upper - of.nearest(&of.constraints, rows);
            let claimed = sensitivity.new_rows(rows - of.n);
            prop_assert!(claimed.is_none_or(|claimed| gain <= claimed), "{gain} {claimed:?}");
            prop_assert!(!valued || claimed.is_none());
            if rows == of.n + 1 {
                let costs = all.with(|geometry| costs_below(geometry, all.p, of.n));
                let labels: Vec<Option<&str>> = of.data.iter().map(|column| column.label(of.n)).collect();
                let numbers: Vec<f64> = of.data.iter().map(|column| column.number(of.n).unwrap_or(0.0)).collect();
                let claimed = sensitivity.new_row(NewRow { costs: &costs, labels: &labels, numbers: &numbers }).unwrap().unwrap();
                prop_assert!(gain <= claimed, "{gain} {claimed} {:?} {:?}", of.constraints, of.prices);
            }
        }
    }

    /// T16 (f): if tasks may be farther by some numbers, no subset is closer by more than their prices say.
    #[test]
    fn tasks_that_may_be_farther_gain_no_more_than_their_prices(cost in some_cost(), seed: u64, valued: bool) {
        let random = &mut Random(seed);
        let of = Problem::new(random, cost, 0, valued);
        let best = of.best();
        let prices = Sensitivity::new(&best, f64::MAX).unwrap().task_prices();
        prop_assert_eq!(prices.len(), of.case.tasks.len());
        let lower = best.lower();
        let lower = if of.case.all.p == Power::Two && !valued { mul_down(lower, lower) } else { lower };
        for _ in 0..4 {
            let less: Vec<f64> = prices.iter().map(|_| lower.abs() * [0.0, 0.01, 1.0, 3.0][random.below(4)]).collect();
            let fall = prices.iter().zip(&less).fold(0.0, |fall, (price, less)| add_up(fall, mul_up(*price, *less)));
            let least = of.least(&of.constraints, of.n, &less);
            prop_assert!(add_up(lower, -fall) <= least + 1e-12 * least.abs(), "{lower} {fall} {least} {less:?}");
        }
    }

    /// notes/quality.md: whatever shares, potentials, prices and qualities, no subset that obeys has a lower largest distance less
    /// quality, and certificates say so.
    #[test]
    fn no_subset_has_a_lower_distance_to_its_worst_task_less_quality(cost in some_cost(), seed: u64) {
        let of = Problem::new(&mut Random(seed), cost, 0, true);
        let all = &of.case.all;
        let set = of.set(&of.constraints, all.n);
        let certificate = all.with(|geometry| {
            let statement = of.on_first_rows(|_, statement| statement);
            let rows = &all.subset;
            let distance = constrained_distance_bound(geometry, &statement, rows, of.case.evidence(), &set, &sequential).unwrap();
            let best = constrained_best_bound(geometry, &statement, of.proof.clone(), &set, &of.prices, &sequential).unwrap();
            let Facts { inputs, dropped, .. } = all.facts();
            Certificate::new(inputs, dropped, &distance, Some(&best), MadeBy::default()).unwrap()
        });
        let read = Certificate::parse(&certificate.to_json()).unwrap();
        prop_assert_eq!(&read, &certificate);
        let (quality, column) = of.column().unwrap();
        let columns: Vec<Column> = of.data.iter().cloned().chain([column]).collect();
        let column_records = of.constraints.columns.iter().cloned().chain([quality.column]).collect();
        let facts = Facts { column_records, columns, ..all.facts() };
        let verdict = all.with(|geometry| verify(&read, &facts, geometry, &sequential));
        let Verdict::Verified(proved) = verdict else { panic!("{verdict:?}") };
        let nearest = of.nearest(&of.constraints, all.n);
        prop_assert!(proved.best.unwrap() <= nearest, "{:?} above {nearest}", proved.best);
        let at = of.subsets.iter().find(|(rows, _)| { let mut sorted = all.subset.clone(); sorted.sort_unstable(); *rows == sorted });
        let value = of.value(at.unwrap(), &vec![0.0; of.case.tasks.len()]);
        prop_assert!(proved.distance.lower.unwrap() <= value);
    }
}

/// Queries at 0 and 4 on a line, each a task, and rows at 1 and 9: what is claimed is attained.
#[test]
fn claims_about_the_worst_task_are_attained_on_a_line() {
    let (p, weights) = (Power::One, Default::default());
    let (n, m, dim, subset) = (2, 2, 1, vec![0]);
    let instance =
        Instance { cost: Cost::Euclidean, p, n, m, dim, pool: vec![1.0, 9.0], query: vec![0.0, 4.0], subset, weights };
    let case = Case { all: instance, tasks: vec![1, 1] };
    // The row at 1 is at 3 from the second task, which is all that counts.
    let proof = BestEvidence::Tasks { shares: vec![0.0, 2.0], potentials: vec![0.0, 3.0] };
    let best = case.best(1, proof).unwrap();
    let sensitivity = Sensitivity::new(&best, 3.0).unwrap();
    let near = |claimed: f64, gain: f64| assert!(gain <= claimed && claimed <= gain + 1e-9, "{claimed} is not {gain}");
    near(sensitivity.unchanged().unwrap(), 0.0);
    near(sensitivity.task_prices()[1], 1.0);
    assert_eq!(sensitivity.task_prices()[0], 0.0);
    // A row at 2 would be at 2 from both, closer by 1.
    let at = |x: f64| {
        sensitivity.new_row(NewRow { costs: &[x, (4.0 - x).abs()], labels: &[], numbers: &[] }).unwrap().unwrap()
    };
    near(at(2.0), 1.0);
    near(sensitivity.new_rows(1).unwrap(), 3.0);
}
