//! T17 (notes/T17.md): budgets in tokens, against every subset and against tampering.

use kantor_theory::certificate::MadeBy;
use kantor_theory::constraints::ColumnRecord;
use kantor_theory::rounding::{ExactSum, add_up, mul_down, mul_up, sub_down};
use kantor_theory::{
    BestBound, BestEvidence, Candidates, Certificate, Column, Constraints, Cost, DistanceBound, DistanceEvidence,
    Facts, FeasibleSet, Geometry, Interval, LimitEnd, NewRow, Objective, Power, Price, PricedEnd, Proved, Quality,
    Rejection, Sensitivity, Statement, TokenBudget, Verdict, Weights, best_bound, constrained_best_bound,
    constrained_distance_bound, distance_bound, sequential, verify,
};
use proptest::prelude::*;
use serde_json::json;

use crate::constrained::records;
use crate::constraints::{constraints, evidence, instance, some_prices, with_labels_of};
use crate::mutations::each_change;
use crate::sensitivity::{costs_below, first_rows, relax};
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
    /// A weight, and what rows are worth by themselves.
    quality: Option<(f64, Vec<f64>)>,
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
        Self { instance, objective, constraints, data, lengths, tokens, quality: None }
    }

    /// The same with a quality of any sign and size.
    fn valued(self, random: &mut Random) -> Self {
        let size = self.interval(&self.instance.subset).upper.unwrap().clamp(1e-30, 1e100);
        let scores = (0..self.instance.n).map(|_| [0.0, -1.0, 2.5, random.signed()][random.below(4)]).collect();
        Self { quality: Some((size * [0.1, 1.0, 30.0][random.below(3)], scores)), ..self }
    }

    fn scores(&self) -> Option<(Quality, Column)> {
        let (weight, scores) = self.quality.as_ref()?;
        let column = Column::scores(scores.clone()).unwrap();
        let record = ColumnRecord { name: "score".into(), ..ColumnRecord::default() };
        let record = records(&[record], std::slice::from_ref(&column)).remove(0);
        Some((Quality { weight: *weight, column: record }, column))
    }

    fn feasible(&self) -> FeasibleSet {
        self.among(&self.constraints, &self.tokens, self.instance.n)
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

    fn statement(&self, geometry: &Geometry<'_>, rows: &[usize]) -> Statement {
        let subset = Some(rows.iter().map(|&row| self.lengths[row]).collect());
        Statement::new(geometry, self.instance.p, rows.len())
            .weighted(Weights { subset, query: self.instance.weights.query.clone() })
            .under(self.objective)
            .constrained(self.constraints.clone())
            .in_tokens(self.tokens.clone())
            .valued(self.scores().map(|(quality, _)| quality))
    }

    /// Encloses the distance of some rows under their lengths, less their quality if there is one, by what knows of no tokens.
    fn interval(&self, rows: &[usize]) -> Interval {
        let plain = self.plain(rows);
        let Some((weight, scores)) = &self.quality else { return plain };
        let (mut worth, mut total) = (ExactSum::default(), ExactSum::default());
        for &row in rows {
            worth.add_product(self.lengths[row], scores[row]);
            total.add(self.lengths[row]);
        }
        let times = |mean: f64, up: bool| match (up, mean >= 0.0) {
            (true, true) => mul_up(*weight, mean),
            (true, false) => -mul_down(*weight, -mean),
            (false, true) => mul_down(*weight, mean),
            (false, false) => -mul_up(*weight, -mean),
        };
        let (low, high) = (plain.lower.unwrap(), plain.upper.unwrap());
        let square = self.objective != Objective::W || self.instance.p == Power::Two;
        let (low, high) = if square { (mul_down(low, low), mul_up(high, high)) } else { (low, high) };
        Interval {
            lower: Some(sub_down(low, times(worth.ratio_up(&total), true))),
            upper: Some(add_up(high, -times(worth.ratio_down(&total), false))),
        }
    }

    fn plain(&self, rows: &[usize]) -> Interval {
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
        if let Some((quality, column)) = self.scores() {
            facts.column_records.push(quality.column);
            facts.columns.push(column);
        }
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
        every(self.instance.n).filter(|rows: &Vec<usize>| set.check(rows).is_ok()).collect()
    }

    fn least(&self) -> f64 {
        self.obeying().iter().map(|rows| self.interval(rows).upper.unwrap()).fold(f64::INFINITY, f64::min)
    }
}

/// All subsets of so many rows, but the one of none.
fn every(n: usize) -> impl Iterator<Item = Vec<usize>> {
    (1u32..1 << n).map(move |bits| (0..n).filter(|i| bits >> i & 1 == 1).collect())
}

fn some_cost() -> impl Strategy<Value = Cost> {
    prop::sample::select(Cost::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// T17: whatever the evidence and the prices, no subset of the budget is closer than the bound, through certificates too; the
    /// interval of a subset is that of rows with these weights.
    #[test]
    fn no_subset_of_so_many_tokens_is_closer_than_proved(cost in some_cost(), limited: bool, valued: bool, seed: u64) {
        let random = &mut Random(seed);
        let case = Case::random(random, cost, limited);
        let case = if valued { case.valued(random) } else { case };
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
            let (claimed, truth) = (certificate.distance, case.interval(&case.instance.subset));
            prop_assert!(valued || claimed == truth, "{claimed:?} {truth:?}");
            // Both enclose the same number.
            prop_assert!(claimed.lower <= truth.upper && truth.lower <= claimed.upper, "{claimed:?} {truth:?}");
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
        let terms = match &evidence {
            BestEvidence::Potentials(potentials) => potentials.iter().fold(0.0f64, |most, g| most.max(g.abs())),
            _ => 0.0,
        };
        let (tokens, rows) = case.instance.with(|geometry| {
            let query = case.instance.weights.query.clone();
            let statement = Statement::new(geometry, case.instance.p, k).weighted(Weights { subset: None, query });
            let statement = statement.under(case.objective);
            let rows = best_bound(geometry, &statement, evidence.clone(), Candidates::All, &sequential).unwrap();
            (case.best(geometry, evidence, &[]).unwrap().lower(), rows.lower())
        });
        // Shifted potentials prove the same of tokens; of rows they hold the price as they are. Either sum rounds by units of its largest terms.
        let rounding = 1e-7 * rows.abs().max(1e-300).sqrt().max(rows.abs()).max(1e-7 * terms);
        prop_assert!(tokens >= rows - rounding, "{tokens} {rows} {terms}");
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
        let case = Case { instance, objective, constraints, data, lengths, tokens, quality: None };
        // A potential above all costs holds the price of no row.
        let bound = case.instance.with(|geometry| case.best(geometry, vec![9.0].into(), &[]).unwrap().lower());
        let reached = case.interval(&case.instance.subset).upper.unwrap();
        // Of a root, its square is as near.
        prop_assert!(bound <= reached && bound.powi(2) >= reached.powi(2) - 1e-12, "{bound} {reached}");
        prop_assert!(bound <= case.least());
    }
}

/// T16 for budgets in tokens: neither limits, rows nor ends of the budget that are relaxed, nor rows that are added, make a subset
/// closer than claimed, less quality if there is one.
#[test]
fn nothing_that_changes_gains_more_tokens_than_claimed() {
    let (mut gains, mut added, mut budgets) = (0, 0, 0);
    for seed in 0..700 {
        let random = &mut Random(seed);
        let mut case = Case::random(random, Cost::ALL[seed as usize % 6], seed % 5 > 0);
        if seed % 3 == 0 {
            case = case.valued(random);
        }
        let n = case.instance.n;
        let all: Vec<(Vec<usize>, f64)> = every(n)
            .filter(|rows| rows.iter().any(|&row| case.lengths[row] > 0.0))
            .map(|rows| {
                let upper = case.interval(&rows).upper.unwrap();
                (rows, upper)
            })
            .collect();
        let least = |constraints: &Constraints, tokens: &TokenBudget, rows: usize| {
            let set = case.among(constraints, tokens, rows);
            let obeys = |chosen: &Vec<usize>| chosen.iter().all(|&row| row < rows) && set.check(chosen).is_ok();
            all.iter().filter(|(rows, _)| obeys(rows)).fold(f64::INFINITY, |least, (_, upper)| least.min(*upper))
        };
        let upper = least(&case.constraints, &case.tokens, n);
        let prices = match case.data.is_empty() {
            true => Vec::new(),
            false => with_labels_of(&case.data, some_prices(random, &case.constraints, upper.abs().max(1e-12)), n),
        };
        let k = case.instance.subset.len();
        let evidence = evidence(random, &case.instance, case.objective, k);
        let best = case.instance.with(|geometry| case.best(geometry, evidence.clone(), &prices)).unwrap();
        let sensitivity = Sensitivity::new(&best, upper).unwrap();
        let fault = |gain: f64, claimed: Option<f64>, what: &str| {
            assert!(claimed.is_none_or(|claimed| gain <= claimed), "seed {seed}, {what}: {gain} {claimed:?}");
        };
        let mut check = |changed: Constraints, claimed: Option<f64>, what: &str| {
            let gain = upper - least(&changed, &case.tokens, n);
            gains += u32::from(gain > 1e-9);
            fault(gain, claimed, what);
        };
        for PricedEnd { limit, label, end, .. } in sensitivity.priced_ends() {
            let mut relaxed = case.constraints.clone();
            relax(&mut relaxed.limits[limit], end, 1.0);
            if label.is_none() {
                check(relaxed, sensitivity.relaxed(limit, None, end, 1.0), "a limit");
            }
        }
        let fixed: Vec<usize> = case.constraints.include.iter().chain(&case.constraints.exclude).copied().collect();
        for rows in fixed.chunks(1).chain([&fixed[..]]).filter(|rows| !rows.is_empty()) {
            let mut changed = case.constraints.clone();
            changed.include.retain(|row| !rows.contains(row));
            changed.exclude.retain(|row| !rows.contains(row));
            check(changed, sensitivity.released(rows), "rows");
        }
        for (end, by) in [LimitEnd::Min, LimitEnd::Max].into_iter().flat_map(|end| [0.25, 1.0, 3.0].map(|by| (end, by)))
        {
            let by = by * case.tokens.min.min(1.0);
            let tokens = match end {
                LimitEnd::Min => TokenBudget { min: case.tokens.min - by, ..case.tokens.clone() },
                LimitEnd::Max => TokenBudget { max: case.tokens.max + by, ..case.tokens.clone() },
            };
            let claimed = sensitivity.relaxed_tokens(end, by);
            if tokens.min > 0.0 {
                let gain = upper - least(&case.constraints, &tokens, n);
                budgets += u32::from(gain > 1e-9 && claimed.is_some());
                fault(gain, claimed, "the budget");
            }
        }
        // The last row is new.
        let last = n - 1;
        let spoken_of = case.instance.subset.contains(&last) || fixed.contains(&last);
        if spoken_of || case.objective != Objective::W || n == 1 {
            continue;
        }
        let small = Case { instance: first_rows(&case.instance, last), ..case.clone() };
        let best = small.instance.with(|geometry| {
            let statement = small.statement(geometry, &small.instance.subset).of_every_subset();
            let set = small.among(&small.constraints, &small.tokens, last);
            constrained_best_bound(geometry, &statement, evidence, &set, &prices, &sequential)
        });
        let upper = least(&case.constraints, &case.tokens, last);
        // Prices may be of a label that only that row has.
        let Ok(best) = best else { continue };
        let sensitivity = Sensitivity::new(&best, upper).unwrap();
        let gain = upper - least(&case.constraints, &case.tokens, n);
        added += u32::from(gain > 1e-9);
        assert_eq!(sensitivity.new_rows(1), None, "of so many rows nothing is known");
        fault(gain, sensitivity.new_tokens(case.lengths[last]), "tokens wherever they are");
        let costs = case.instance.with(|geometry| costs_below(geometry, case.instance.p, last));
        let labels: Vec<Option<&str>> = case.data.iter().map(|column| column.label(last)).collect();
        let numbers = case.data.iter().map(|column| column.number(last).unwrap_or(0.0));
        let numbers: Vec<f64> = numbers.chain([case.lengths[last]]).collect();
        let row = NewRow { costs: &costs, labels: &labels, numbers: &numbers };
        fault(gain, sensitivity.new_row(row).unwrap(), "a row");
    }
    assert!(gains > 100 && added > 8 && budgets > 100, "{gains} {added} {budgets}");
}

/// One query at 0 and rows at 0 and 5 of ten tokens each: with ten tokens less the second need not be chosen.
#[test]
fn claims_about_budgets_in_tokens_are_attained_on_a_line() {
    let lengths = vec![10.0, 10.0];
    let column = records(&[ColumnRecord::default()], &[Column::numbers(lengths.clone()).unwrap()]).remove(0);
    let (pool, query, subset) = (vec![0.0, 5.0], vec![0.0], vec![0, 1]);
    let (cost, p, weights) = (Cost::Euclidean, Power::One, Weights::default());
    let instance = Instance { cost, p, n: 2, m: 1, dim: 1, pool, query, subset, weights };
    let tokens = TokenBudget { column, min: 20.0, max: 20.0 };
    let (objective, constraints, data) = (Objective::W, Constraints::default(), Vec::new());
    let case = Case { instance, objective, constraints, data, lengths, tokens, quality: None };
    let best = case.instance.with(|geometry| case.best(geometry, vec![5.0].into(), &[]).unwrap());
    let sensitivity = Sensitivity::new(&best, 2.5).unwrap();
    let near = |claimed: Option<f64>, gain: f64| {
        let claimed = claimed.unwrap();
        assert!(gain <= claimed && claimed <= gain + 1e-9, "{claimed} is not {gain}");
    };
    near(sensitivity.unchanged(), 0.0);
    near(sensitivity.relaxed_tokens(LimitEnd::Min, 10.0), 2.5);
    near(sensitivity.relaxed_tokens(LimitEnd::Max, 10.0), 0.0);
    near(sensitivity.new_tokens(10.0), 2.5);
    near(sensitivity.new_row(NewRow { costs: &[1.0], labels: &[], numbers: &[10.0] }).unwrap(), 2.0);
    assert_eq!(sensitivity.relaxed_tokens(LimitEnd::Min, 20.0), None);
    assert!(sensitivity.new_row(NewRow { costs: &[1.0], labels: &[], numbers: &[] }).is_err());
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
    // The worst of several tasks is proved too.
    assert_eq!(rule(&|statement| statement.in_tasks(vec![1, case.instance.m - 1])), "proved");
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
        let case = if done == 2 { case.valued(random) } else { case };
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
            let scores = case.quality.clone().map(|(_, scores)| scores);
            let quality = problem.quality.as_ref().map(|quality| (quality.weight, scores.unwrap()));
            let of = Case { instance, tokens, constraints: problem.constraints.clone(), quality, ..case.clone() };
            assert!(of.obeying().iter().any(|rows| {
                let mut chosen = certificate.subset.clone();
                chosen.sort_unstable();
                *rows == chosen
            }));
            let key =
                |of: &Case| format!("{:?} {:?} {:?} {:?}", of.instance.p, of.instance.weights, of.tokens, of.quality);
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
        if done == 3 {
            break;
        }
    }
}
