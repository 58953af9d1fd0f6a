//! T18 (notes/T18.md): the distance to the worst of several tasks, against every subset and against tampering.

use kantor_theory::certificate::MadeBy;
use kantor_theory::{
    BestBound, BestEvidence, Candidates, Certificate, Column, Constraints, Cost, DenseRows, DistanceEvidence, Geometry,
    Interval, Objective, Power, Proved, Rejection, SparsePlan, Statement, Weights, best_bound, constrained_best_bound,
    distance_bound, sequential,
};
use proptest::prelude::*;

use crate::constraints::{constraints, some_prices, with_labels_of};
use crate::duality::subsets;
use crate::mutations::{Tally, each_change};
use crate::support::{Instance, Random};

/// Queries in tasks.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) all: Instance,
    pub(crate) tasks: Vec<usize>,
}

impl Case {
    pub(crate) fn new(random: &mut Random, cost: Cost) -> Self {
        loop {
            let mut all = Instance::random(random, cost, 6, 5, 3);
            all.weights.subset = None;
            if all.m < 2 {
                continue;
            }
            let mut tasks = vec![1 + random.below(all.m - 1)];
            tasks.push(all.m - tasks[0]);
            if tasks[1] > 1 && random.below(3) == 0 {
                tasks = vec![tasks[0], 1, tasks[1] - 1];
            }
            let case = Self { all, tasks };
            let has_weight =
                |at: usize| case.task(at).weights.query.is_none_or(|weights| weights.iter().sum::<f64>() > 0.0);
            if (0..case.tasks.len()).all(has_weight) {
                return case;
            }
        }
    }

    /// The instance of one task, for a subset.
    fn task(&self, at: usize) -> Instance {
        let first = self.tasks[..at].iter().sum::<usize>();
        let Instance { n, dim, .. } = self.all;
        let of = |values: &[f64], width: usize| values[first * width..(first + self.tasks[at]) * width].to_vec();
        let (pool, query) = match dim {
            0 => (of(&self.all.pool, n), Vec::new()),
            dim => (self.all.pool.clone(), of(&self.all.query, dim)),
        };
        let of_queries = self.all.weights.query.as_deref().map(|weights| of(weights, 1));
        let weights = Weights { subset: self.all.weights.subset.clone(), query: of_queries };
        Instance { m: self.tasks[at], pool, query, weights, ..self.all.clone() }
    }

    fn each_task(&self) -> impl Iterator<Item = Instance> + '_ {
        (0..self.tasks.len()).map(|at| self.task(at))
    }

    pub(crate) fn statement(&self, geometry: &Geometry<'_>, k: usize) -> Statement {
        Statement::new(geometry, self.all.p, k).weighted(self.all.weights.clone()).in_tasks(self.tasks.clone())
    }

    /// Encloses the distance to every task, each solved by itself.
    pub(crate) fn of_tasks(&self, subset: &[usize]) -> Vec<Interval> {
        self.of_tasks_weighing(subset, None)
    }

    /// The same of rows of these weights.
    pub(crate) fn of_tasks_weighing(&self, subset: &[usize], of_rows: Option<&[f64]>) -> Vec<Interval> {
        let of = |task: Instance| {
            let weights = Weights { subset: of_rows.map(<[f64]>::to_vec), ..task.weights };
            let task = Instance { subset: subset.to_vec(), weights, ..task };
            task.with(|geometry| task.distance(geometry, task.distance_evidence(geometry)).unwrap().interval())
        };
        self.each_task().map(of).collect()
    }

    /// Encloses the largest distance.
    fn largest(&self, subset: &[usize]) -> Interval {
        let ends = self.of_tasks(subset);
        let most = |end: fn(&Interval) -> Option<f64>| ends.iter().filter_map(end).reduce(f64::max);
        Interval { lower: most(|found| found.lower), upper: most(|found| found.upper) }
    }

    /// Evidence for the subset of the instance: that of every task, one after the other.
    pub(crate) fn evidence(&self) -> DistanceEvidence {
        let (mut potentials, mut entries) = (Vec::new(), Vec::new());
        for task in self.each_task() {
            let found = task.with(|geometry| task.distance_evidence(geometry));
            let first = potentials.len();
            entries.extend(found.plan.unwrap().entries().map(|(i, j, mass)| (i, first + j, mass)));
            potentials.extend(found.potentials.unwrap());
        }
        DistanceEvidence { potentials: Some(potentials), plan: SparsePlan::new(entries) }
    }

    /// Shares and potentials; often those that are best for each task alone.
    pub(crate) fn some_proof(&self, random: &mut Random, k: usize) -> BestEvidence {
        let good = random.below(3) > 0;
        let potentials = self.each_task().flat_map(|task| match good {
            true => task.with(|geometry| task.best_potentials(geometry, k)),
            false => (0..task.m).map(|_| random.signed()).collect(),
        });
        let potentials = potentials.collect();
        let share = |random: &mut Random| [0.0, 0.5, 1.0, random.signed().abs(), 1e-200][random.below(5)];
        let mut shares: Vec<f64> = self.tasks.iter().map(|_| share(random)).collect();
        shares[0] += 0.25;
        BestEvidence::Tasks { shares, potentials }
    }

    pub(crate) fn best(&self, k: usize, evidence: BestEvidence) -> Result<BestBound, Rejection> {
        self.all
            .with(|geometry| best_bound(geometry, &self.statement(geometry, k), evidence, Candidates::All, &sequential))
    }
}

fn some_cost() -> impl Strategy<Value = Cost> {
    prop::sample::select(Cost::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// T18: whatever shares and potentials, no subset is closer to its farthest task than the bound; the interval of a subset
    /// holds the largest of its distances.
    #[test]
    fn no_subset_is_closer_to_its_worst_task_than_proved(cost in some_cost(), seed: u64) {
        let random = &mut Random(seed);
        let case = Case::new(random, cost);
        let k = case.all.subset.len();
        let least = subsets(case.all.n, k).iter().map(|rows| case.largest(rows).upper.unwrap()).fold(f64::INFINITY, f64::min);
        for _ in 0..4 {
            let proof = case.some_proof(random, k);
            let lower = case.best(k, proof).unwrap().lower();
            prop_assert!(lower <= least, "{lower} above {least}");
        }
        let found = case.all.with(|geometry| {
            let statement = case.statement(geometry, k);
            distance_bound(geometry, &statement, &case.all.subset, case.evidence(), &sequential).unwrap()
        });
        prop_assert_eq!(found.interval(), case.largest(&case.all.subset));
        prop_assert_eq!(found.of_tasks(), case.of_tasks(&case.all.subset));
    }

    /// The same under constraints, with any prices.
    #[test]
    fn no_subset_that_obeys_is_closer_to_its_worst_task_than_proved(cost in some_cost(), seed: u64) {
        let random = &mut Random(seed);
        let case = Case::new(random, cost);
        let kept = &case.all.subset;
        let (constraints, data): (Constraints, Vec<Column>) = constraints(random, case.all.n, kept, false);
        let feasible = kantor_theory::FeasibleSet::new(&constraints, &data, case.all.n, &[]).unwrap();
        let obeying = subsets(case.all.n, kept.len()).into_iter().filter(|rows| feasible.check(rows).is_ok());
        let least = obeying.map(|rows| case.largest(&rows).upper.unwrap()).fold(f64::INFINITY, f64::min);
        let prices = with_labels_of(&data, some_prices(random, &constraints, 0.3), case.all.n);
        let proof = case.some_proof(random, kept.len());
        let lower = case.all.with(|geometry| {
            let statement = case.statement(geometry, kept.len()).constrained(constraints.clone());
            constrained_best_bound(geometry, &statement, proof, &feasible, &prices, &sequential).unwrap().lower()
        });
        prop_assert!(lower <= least, "{lower} above {least}");
    }

    /// A task that is given twice proves what it proves alone, whatever its two shares.
    #[test]
    fn a_task_given_twice_is_the_task(cost in some_cost(), seed: u64) {
        let random = &mut Random(seed);
        let one = loop {
            let mut one = Instance::random(random, cost, 6, 3, 3);
            one.weights.subset = None;
            if one.weights.query.is_none() {
                break one;
            }
        };
        let k = one.subset.len();
        let twice = |values: &[f64]| [values, values].concat();
        let (pool, query) = match one.dim {
            0 => (twice(&one.pool), Vec::new()),
            _ => (one.pool.clone(), twice(&one.query)),
        };
        let case = Case { tasks: vec![one.m; 2], all: Instance { m: 2 * one.m, pool, query, ..one.clone() } };
        let g = one.with(|geometry| one.best_potentials(geometry, k));
        let alone = one.with(|geometry| one.best(geometry, k, g.clone()).unwrap().lower());
        let proof = BestEvidence::Tasks { shares: vec![0.25, 0.5], potentials: twice(&g) };
        let both = case.best(k, proof).unwrap().lower();
        let size = g.iter().fold(alone.abs(), |size, g| size.max(g.abs()));
        prop_assert!((alone.powi(2) - both.powi(2)).abs() <= 1e-6 * size.powi(2).max(1e-300) || (alone - both).abs() <= 1e-6 * size, "{alone} {both}");
    }
}

/// Queries at 0 and 2, rows at 0, 1, 2: the row between is at 1 from either, and that is the best.
fn line() -> (DenseRows, DenseRows) {
    let rows = |values: &[f64]| DenseRows::from_f64(1, values.to_vec()).unwrap();
    (rows(&[0.0, 1.0, 2.0]), rows(&[0.0, 2.0]))
}

#[test]
fn the_bound_is_attained_between_two_tasks() {
    let (pool, query) = line();
    let geometry = Geometry::new(&pool, &query, Cost::Euclidean).unwrap();
    let statement = Statement::new(&geometry, Power::One, 1).in_tasks(vec![1, 1]);
    let proof = BestEvidence::Tasks { shares: vec![2.0, 2.0], potentials: vec![1.0, 1.0] };
    let bound = best_bound(&geometry, &statement, proof, Candidates::All, &sequential).unwrap();
    assert!(bound.lower() <= 1.0 && bound.lower() > 1.0 - 1e-12, "{}", bound.lower());
    // The mixture of both tasks proves no more than half of the way to either.
    let mixture = Statement::new(&geometry, Power::One, 1);
    let bound = best_bound(&geometry, &mixture, vec![1.0, 1.0], Candidates::All, &sequential).unwrap();
    assert!(bound.lower() <= 1.0);
}

#[test]
fn what_makes_no_tasks_or_no_shares_is_refused() {
    let (pool, query) = line();
    let geometry = Geometry::new(&pool, &query, Cost::Euclidean).unwrap();
    let statement = Statement::new(&geometry, Power::One, 1);
    let rule = |statement: &Statement, evidence: BestEvidence| {
        best_bound(&geometry, statement, evidence, Candidates::All, &sequential).unwrap_err().rule
    };
    let shares = |shares: &[f64]| BestEvidence::Tasks { shares: shares.to_vec(), potentials: vec![1.0, 1.0] };
    for tasks in [vec![2], vec![0, 2], vec![1, 1, 1], vec![1], vec![usize::MAX, 3]] {
        assert_eq!(
            rule(&statement.clone().in_tasks(tasks.clone()), shares(&vec![1.0; tasks.len()])),
            "tasks",
            "{tasks:?}"
        );
    }
    let two = statement.clone().in_tasks(vec![1, 1]);
    for bad in [&[1.0][..], &[1.0, -1.0], &[f64::NAN, 1.0], &[0.0, 0.0], &[1e308, 1e308], &[1e-320, 0.0]] {
        assert_eq!(rule(&two, shares(bad)), "shares", "{bad:?}");
    }
    assert_eq!(rule(&two, BestEvidence::Potentials(vec![1.0, 1.0])), "tasks");
    assert_eq!(rule(&statement, shares(&[1.0, 1.0])), "tasks");
    assert_eq!(rule(&two.clone().under(Objective::Energy), shares(&[1.0, 1.0])), "tasks");
    let weights = |query: Vec<f64>| Weights { subset: None, query: Some(query) };
    assert_eq!(rule(&two.clone().weighted(weights(vec![1.0, 0.0])), shares(&[1.0, 1.0])), "tasks");
    let words = Statement { convention: statement.convention.clone(), ..two.clone() };
    assert_eq!(rule(&words, shares(&[1.0, 1.0])), "convention");
    // A plan that leaves one task out, or goes beyond all.
    let refused = |entries: Vec<(usize, usize, u64)>| {
        let evidence = DistanceEvidence { potentials: None, plan: SparsePlan::new(entries) };
        distance_bound(&geometry, &two, &[1], evidence, &sequential).unwrap_err().rule
    };
    assert_eq!(refused(vec![(0, 0, 1)]), "plan");
    assert_eq!(refused(vec![(0, 0, 1), (0, 1, 1), (0, 2, 1)]), "plan");
    assert_eq!(refused(vec![(1, 0, 1), (0, 1, 1)]), "plan");
}

/// Every bit and field of certificates changed: what is not refused is true.
#[test]
fn no_mutation_is_believed_unless_it_is_true() {
    let mut done = 0;
    for seed in 0.. {
        let random = &mut Random(seed);
        let cost = [Cost::Euclidean, Cost::Cosine, Cost::Precomputed][seed as usize % 3];
        let case = Case::new(random, cost);
        if case.all.n > 4 || case.all.subset.len() == case.all.n || case.all.m > 3 || case.all.p == Power::Two {
            continue;
        }
        let k = case.all.subset.len();
        let proof = case.some_proof(random, k);
        let facts = case.all.facts();
        let certificate = case.all.with(|geometry| {
            let statement = case.statement(geometry, k);
            let distance =
                distance_bound(geometry, &statement, &case.all.subset, case.evidence(), &sequential).unwrap();
            let best = best_bound(geometry, &statement, proof, Candidates::All, &sequential).unwrap();
            let made_by = MadeBy { tool: "test".into(), version: "1".into(), selector: None };
            Certificate::new(facts.inputs.clone(), facts.dropped.clone(), &distance, Some(&best), made_by).unwrap()
        });
        assert_eq!(case.all.check(&certificate).name(), "verified", "seed {seed}");
        let bytes = certificate.to_json();
        assert_eq!(Certificate::parse(&bytes).unwrap(), certificate);
        let mut tally = Tally::default();
        let holds = &mut |mutant: &Certificate, proved: &Proved, what: &str| {
            let of = Case {
                all: Instance { p: mutant.problem.p, weights: mutant.problem.weights.clone(), ..case.all.clone() },
                tasks: mutant.problem.tasks.clone(),
            };
            let of = if of.tasks.is_empty() { Case { tasks: vec![of.all.m], ..of } } else { of };
            if of.all.weights.subset.is_some() {
                return;
            }
            let found = of.largest(&mutant.subset);
            assert!(proved.distance.lower.is_none_or(|lower| lower <= found.upper.unwrap()), "seed {seed}: {what}");
            assert!(proved.distance.upper.is_none_or(|upper| upper >= found.lower.unwrap()), "seed {seed}: {what}");
            if let Some(best) = proved.best {
                let all = subsets(of.all.n, mutant.problem.budget);
                let uppers = all.iter().map(|rows| of.largest(rows).upper.unwrap());
                assert!(best <= uppers.fold(f64::INFINITY, f64::min), "seed {seed}: {what}");
            }
        };
        each_change(&bytes, |mutant, what| tally.attempt(&case.all, mutant, what, holds));
        assert!(tally.refused > tally.tried / 2 && tally.verified > 10, "{tally:?}");
        done += 1;
        if done == 3 {
            break;
        }
    }
}
