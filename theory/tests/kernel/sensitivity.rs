//! T16 (notes/T16.md): what limits and new rows are worth at most, against the best of the changed problem, by looking at every
//! subset.

use kantor_theory::constraints::{Counted, Limit};
use kantor_theory::{
    BestBound, Candidates, Column, Constraints, Cost, CostBounds, FeasibleSet, Geometry, LimitEnd, NewRow, Objective,
    Power, Price, PricedEnd, Sensitivity, Statement, Witness, best_bound, constrained_best_bound, sequential,
};
use proptest::prelude::*;

use crate::constrained;
use crate::constraints::{constraints, evidence, smallest, some_prices, with_labels_of};
use crate::duality::subsets;
use crate::support::{Instance, Random};
use crate::tsds::some_potentials;

/// The first `n` rows of the pool.
pub(crate) fn first_rows(instance: &Instance, n: usize) -> Instance {
    let per_row = instance.dim;
    let pool = match per_row {
        0 => instance.pool.chunks(instance.n).flat_map(|row| row[..n].to_vec()).collect(),
        dim => instance.pool[..n * dim].to_vec(),
    };
    Instance { n, pool, ..instance.clone() }
}

/// A problem of `n` rows and a subset that obeys its constraints, in a pool with more rows; queries are among those.
struct Case {
    all: Instance,
    n: usize,
    kept: Vec<usize>,
    constraints: Constraints,
    data: Vec<Column>,
    prices: Vec<Price>,
    potentials: Vec<f64>,
}

impl Case {
    fn new(random: &mut Random, cost: Cost, more: usize) -> Self {
        let mut all = Instance::random(random, cost, 7, 3, 3);
        all.weights.subset = None;
        let n = all.n.saturating_sub(more).max(1);
        let (dim, m) = (all.dim, all.m);
        for row in n..all.n {
            if dim > 0 && random.below(2) == 0 {
                let query = random.below(m);
                let copied = all.query[query * dim..(query + 1) * dim].to_vec();
                all.pool[row * dim..(row + 1) * dim].copy_from_slice(&copied);
            }
        }
        let k = 1 + random.below(n.min(4));
        let mut kept: Vec<usize> = (0..n).collect();
        random.shuffle(&mut kept);
        kept.truncate(k);
        let (constraints, data) = match random.below(4) {
            0 => (Constraints::default(), Vec::new()),
            _ => constraints(random, all.n, &kept, false),
        };
        let small = first_rows(&all, n);
        let potentials = match random.below(4) {
            0 => some_potentials(random, &small),
            _ => small.with(|geometry| small.best_potentials(geometry, k)),
        };
        let scale = potentials.iter().fold(1e-12, |a: f64, g| a.max(g.abs())) * [0.1, 1.0][random.below(2)];
        let mut case = Self { all, n, kept, constraints, data, prices: Vec::new(), potentials };
        // Of some prices the best: where the bound is far below, no claim is put to the test.
        let mut lower = case.best().lower();
        for _ in 0..if case.data.is_empty() { 0 } else { 1 + 20 * random.below(2) } {
            let prices = with_labels_of(&case.data, some_prices(random, &case.constraints, scale), case.all.n);
            let known = std::mem::replace(&mut case.prices, prices);
            match case.best().lower() {
                raised if raised >= lower => lower = raised,
                _ => case.prices = known,
            }
        }
        case
    }

    fn set(&self, constraints: &Constraints, rows: usize) -> FeasibleSet {
        let dropped: Vec<usize> = (rows..self.all.n).collect();
        FeasibleSet::new(constraints, &self.data, self.all.n, &dropped).unwrap()
    }

    /// The bound for the subsets of the problem.
    fn best(&self) -> BestBound {
        first_rows(&self.all, self.n).with(|geometry| {
            let statement = Statement::new(geometry, self.all.p, self.kept.len());
            let statement = statement.weighted(self.all.weights.clone()).constrained(self.constraints.clone());
            let g = self.potentials.clone();
            match self.data.is_empty() {
                true => best_bound(geometry, &statement, g, Candidates::All, &sequential),
                false => {
                    let set = self.set(&self.constraints, self.n);
                    constrained_best_bound(geometry, &statement, g, &set, &self.prices, &sequential)
                }
            }
            .unwrap()
        })
    }

    /// A number ≥ the least distance of the subsets of the first `rows` rows that obey.
    fn least(&self, constraints: &Constraints, rows: usize, distances: &[(Vec<usize>, f64)]) -> f64 {
        let set = self.set(constraints, rows);
        let obeys = |subset: &Vec<usize>| subset.iter().all(|&row| row < rows) && set.check(subset).is_ok();
        distances.iter().filter(|(subset, _)| obeys(subset)).fold(f64::INFINITY, |least, (_, x)| least.min(*x))
    }

    /// All subsets of the larger pool, each with a number ≥ its distance; and one ≥ that of the subset in hand.
    fn distances(&self) -> (Vec<(Vec<usize>, f64)>, f64) {
        let of = |subset: &Vec<usize>| smallest(&self.all, Objective::W, std::slice::from_ref(subset));
        let all = subsets(self.all.n, self.kept.len());
        (all.iter().map(|subset| (subset.clone(), of(subset))).collect(), of(&self.kept))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// T16 (a): a limit that is relaxed by 1, 2 or 3, at either end, makes no subset closer than claimed.
    #[test]
    fn no_relaxed_limit_gains_more_than_claimed(cost in prop::sample::select(Cost::ALL.to_vec()), seed: u64) {
        let case = Case::new(&mut Random(seed), cost, 0);
        let (best, (distances, upper)) = (case.best(), case.distances());
        let sensitivity = Sensitivity::new(&best, upper).unwrap();
        let least = case.least(&case.constraints, case.n, &distances);
        prop_assert!(upper - least <= sensitivity.unchanged().unwrap());
        for limit in 0..case.constraints.limits.len() {
            for (end, by) in [LimitEnd::Min, LimitEnd::Max].into_iter().flat_map(|end| [1.0, 2.0, 3.0].map(|by| (end, by))) {
                let mut relaxed = case.constraints.clone();
                relax(&mut relaxed.limits[limit], end, by);
                let gain = upper - case.least(&relaxed, case.n, &distances);
                let claimed = sensitivity.relaxed(limit, None, end, by).unwrap();
                prop_assert!(gain <= claimed, "{gain} {claimed} {:?} {:?}", case.constraints, case.prices);
            }
        }
    }

    /// T16 (b): rows that are added, copies of queries among them, make no subset closer than claimed.
    #[test]
    fn no_added_row_gains_more_than_claimed(cost in prop::sample::select(Cost::ALL.to_vec()), seed: u64, more in 1usize..4) {
        let case = Case::new(&mut Random(seed), cost, more);
        let (best, (distances, upper)) = (case.best(), case.distances());
        let sensitivity = Sensitivity::new(&best, upper).unwrap();
        for rows in case.n..=case.all.n {
            let gain = upper - case.least(&case.constraints, rows, &distances);
            if let Some(claimed) = sensitivity.new_rows(rows - case.n) {
                prop_assert!(gain <= claimed, "{rows} {gain} {claimed} {:?} {:?}", case.constraints, case.prices);
            }
            if rows == case.n + 1 {
                let costs = case.all.with(|geometry| costs_below(geometry, case.all.p, case.n));
                let labels: Vec<Option<&str>> = case.data.iter().map(|column| column.label(case.n)).collect();
                let numbers: Vec<f64> = case.data.iter().map(|column| column.number(case.n).unwrap_or(0.0)).collect();
                let row = NewRow { costs: &costs, labels: &labels, numbers: &numbers };
                let claimed = sensitivity.new_row(row).unwrap().unwrap();
                prop_assert!(gain <= claimed, "{gain} {claimed} {:?} {:?}", case.constraints, case.prices);
                // Both are rounded, in another order.
                let scale = case.potentials.iter().fold(upper, |a, g| a.max(g.abs()));
                let near = |wherever: f64| claimed <= wherever + 1e-12 * scale;
                prop_assert!(sensitivity.new_rows(1).is_none_or(near), "{claimed} {:?}", sensitivity.new_rows(1));
            }
        }
    }
}

pub(crate) fn relax(Limit { min, max, .. }: &mut Limit, end: LimitEnd, by: f64) {
    match end {
        LimitEnd::Min => *min = min.map(|min| (min - by).max(0.0)),
        LimitEnd::Max => *max = max.map(|max| max + by),
    }
}

/// T16 (a) and (d) under every distance: neither limits that are relaxed nor rows that may again but need not be chosen make a
/// subset closer than claimed.
#[test]
fn nothing_that_is_released_gains_more_than_claimed_under_any_distance() {
    let (mut kernels, mut gains) = (0, 0);
    for seed in 0..1000 {
        let random = &mut Random(seed);
        let case = constrained::Case::random(random, Cost::ALL[seed as usize % 6]);
        let constrained::Case { instance, objective, constraints, data } = &case;
        if constraints.are_none() || matches!(objective, Objective::Tsds { .. }) || instance.weights.subset.is_some() {
            continue;
        }
        let k = instance.subset.len();
        let all = subsets(instance.n, k);
        let distances: Vec<f64> =
            all.iter().map(|subset| smallest(instance, *objective, std::slice::from_ref(subset))).collect();
        let least = |constraints: &Constraints| {
            let set = FeasibleSet::new(constraints, data, instance.n, &[]).unwrap();
            let obeying = all.iter().zip(&distances).filter(|(subset, _)| set.check(subset).is_ok());
            obeying.fold(f64::INFINITY, |least, (_, distance)| least.min(*distance))
        };
        let upper = least(constraints);
        let prices = case.prices(random, upper.abs().max(1e-12));
        let best = case.best(evidence(random, instance, *objective, k), &prices).unwrap();
        let sensitivity = Sensitivity::new(&best, upper).unwrap();
        let mut check = |changed: Constraints, claimed: Option<f64>| {
            let gain = upper - least(&changed);
            gains += u32::from(gain > 1e-9);
            assert!(claimed.is_none_or(|claimed| gain <= claimed), "{gain} {claimed:?} {changed:?} {prices:?}");
        };
        for PricedEnd { limit, label, end, .. } in sensitivity.priced_ends() {
            let mut relaxed = constraints.clone();
            relax(&mut relaxed.limits[limit], end, 1.0);
            // Of a limit on every label only one is in question.
            if label.is_none() {
                check(relaxed, sensitivity.relaxed(limit, None, end, 1.0));
            }
        }
        let fixed: Vec<usize> = constraints.include.iter().chain(&constraints.exclude).copied().collect();
        let without = |rows: &[usize]| {
            let mut changed = constraints.clone();
            changed.include.retain(|row| !rows.contains(row));
            changed.exclude.retain(|row| !rows.contains(row));
            changed
        };
        fixed.iter().for_each(|&row| check(without(&[row]), sensitivity.released(&[row])));
        check(without(&fixed), sensitivity.released(&fixed));
        kernels += u32::from(*objective != Objective::W);
    }
    assert!(kernels > 50 && gains > 100, "{kernels} cases under kernels, {gains} gains");
}

/// Under the energy distance, with query 0 and rows at 0 and 5: what is claimed is attained, in the unit of the distance.
#[test]
fn claims_about_kernels_are_attained_on_a_line() {
    let (instance, _) = on_a_line(&[0.0, 5.0], 1, Power::One, 0.0);
    let column = Column::labels([Some("web"), None]);
    let far = (10.0f64).sqrt();
    let claims = |constraints: Constraints, prices: &[Price], claimed: &dyn Fn(Sensitivity<'_>) -> Option<f64>| {
        let columns = if constraints.columns.is_empty() { &[][..] } else { std::slice::from_ref(&column) };
        let set = FeasibleSet::new(&constraints, columns, 2, &[]).unwrap();
        let best = instance.with(|geometry| {
            let statement = Statement::new(geometry, Power::One, 1).under(Objective::Energy).constrained(constraints);
            let witness = Witness { rows: vec![1], weights: vec![1.0] };
            constrained_best_bound(geometry, &statement, witness, &set, prices, &sequential).unwrap()
        });
        let sensitivity = Sensitivity::new(&best, far).unwrap();
        // A copy of the query is as far from it as possible from the witness at 5: of value 5 − 0, and no row has more.
        let both = sensitivity.new_rows(1).zip(sensitivity.copy_of_query(0));
        assert!(sensitivity.above_mean()[0].abs() < 1e-9 && both.is_none_or(|(any, copy)| copy <= any + 1e-9));
        assert!(sensitivity.unchanged().unwrap() < 1e-9);
        claimed(sensitivity).unwrap()
    };
    let near = |claimed: f64, gain: f64| assert!(gain <= claimed && claimed <= gain + 1e-9, "{claimed} is not {gain}");
    let excluded = Constraints { exclude: vec![0], ..Constraints::default() };
    near(claims(excluded, &[], &|of| of.released(&[0])), far);
    let limits = vec![Limit { column: 0, of: Counted::Label("web".into()), min: None, max: Some(0.0) }];
    let limited = Constraints { columns: vec![Default::default()], limits, ..Constraints::default() };
    let prices = [Price { limit: 0, label: None, price: 10.0 }];
    near(claims(limited.clone(), &prices, &|of| of.relaxed(0, None, LimitEnd::Max, 1.0)), far);
    // The square is linear: a quarter of the way from 10 down by 20.
    near(claims(limited.clone(), &prices, &|of| of.relaxed(0, None, LimitEnd::Max, 0.25)), far - 5f64.sqrt());
    near(claims(limited, &prices, &|of| of.priced_ends().first().map(|end| of.slope(end.price))), 20.0);
}

/// Numbers ≤ the costs of a row.
pub(crate) fn costs_below(geometry: &Geometry<'_>, p: Power, row: usize) -> Vec<f64> {
    let (costs, mut closeness) = (CostBounds::new(geometry, p), vec![0.0; geometry.query_len()]);
    geometry.closeness_block(row..row + 1, &mut closeness);
    closeness.iter().map(|&closeness| costs.lower(closeness)).collect()
}

/// On a line, with query 0: what is claimed is attained.
fn on_a_line(pool: &[f64], k: usize, p: Power, g: f64) -> (Instance, BestBound) {
    let (n, subset) = (pool.len(), (0..k).collect());
    let (pool, query, weights) = (pool.to_vec(), vec![0.0], Default::default());
    let instance = Instance { cost: Cost::Euclidean, p, n, m: 1, dim: 1, pool, query, subset, weights };
    let best = instance.with(|geometry| instance.best(geometry, k, vec![g]).unwrap());
    (instance, best)
}

#[test]
fn claims_are_attained_on_a_line() {
    let near = |claimed: Option<f64>, gain: f64| {
        let claimed = claimed.unwrap();
        assert!(gain <= claimed && claimed <= gain + 1e-9, "{claimed} is not {gain}");
    };
    // The rows at 1 and 2 are best; copies of the query replace first the one at 2, then the one at 1 as well.
    let (_, best) = on_a_line(&[1.0, 2.0, 5.0], 2, Power::One, 2.0);
    let sensitivity = Sensitivity::new(&best, 1.5).unwrap();
    near(sensitivity.unchanged(), 0.0);
    near(sensitivity.new_rows(1), 1.0);
    let at = |x: f64| sensitivity.new_row(NewRow { costs: &[x], labels: &[], numbers: &[] }).unwrap();
    near(at(1.0), 0.5);
    near(at(3.0), 0.0);
    // Squares: from √2.5 to √0.5.
    let (_, best) = on_a_line(&[1.0, 2.0, 5.0], 2, Power::Two, 4.0);
    let sensitivity = Sensitivity::new(&best, 2.5f64.sqrt()).unwrap();
    near(sensitivity.new_rows(1), 2.5f64.sqrt() - 0.5f64.sqrt());
    // Never more than all of it.
    near(sensitivity.new_rows(1000), 2.5f64.sqrt());
    // Plain arithmetic: no bound.
    assert!(sensitivity.above_mean().iter().all(|above| above.abs() < 1e-9));
}

/// A row that must be chosen, or must not, keeps those away that would be closer.
#[test]
fn claims_about_rows_are_attained_on_a_line() {
    let (instance, _) = on_a_line(&[0.0, 1.0, 5.0], 1, Power::One, 0.0);
    for (include, exclude, g, upper, rows, fall) in [
        // The row at 5 instead of that at 0; only 1 may take the place of 5 if 0 stays excluded.
        (vec![2], vec![], 1.0, 5.0, vec![2], None),
        (vec![], vec![0], 1.0, 1.0, vec![0], Some(1.0)),
        (vec![], vec![0, 1], 5.0, 5.0, vec![1], Some(4.0)),
        (vec![], vec![0, 1], 5.0, 5.0, vec![2], Some(0.0)),
    ] {
        let constraints = Constraints { include, exclude, ..Constraints::default() };
        let set = FeasibleSet::new(&constraints, &[], 3, &[]).unwrap();
        let best = instance.with(|geometry| {
            let statement = Statement::new(geometry, Power::One, 1).constrained(constraints.clone());
            constrained_best_bound(geometry, &statement, vec![g], &set, &[], &sequential).unwrap()
        });
        let claimed = Sensitivity::new(&best, upper).unwrap().released(&rows);
        let near = |(claimed, fall): (f64, f64)| fall <= claimed && claimed <= fall + 1e-9;
        assert!(claimed.zip(fall).map_or(claimed == fall, near), "{constraints:?}: {claimed:?} is not {fall:?}");
    }
    // With room for others, what must be chosen can be compared with them: 1 instead of 5 beside 0.
    let (instance, _) = on_a_line(&[0.0, 1.0, 5.0], 2, Power::One, 0.0);
    let constraints = Constraints { include: vec![2], ..Constraints::default() };
    let set = FeasibleSet::new(&constraints, &[], 3, &[]).unwrap();
    let best = instance.with(|geometry| {
        let statement = Statement::new(geometry, Power::One, 2).constrained(constraints.clone());
        constrained_best_bound(geometry, &statement, vec![5.0], &set, &[], &sequential).unwrap()
    });
    // The price of a row is that of the row at 0, which is chosen in any case.
    let claimed = Sensitivity::new(&best, 2.5).unwrap().released(&[2]).unwrap();
    assert!((2.0..=2.5 + 1e-9).contains(&claimed), "{claimed}");
}

/// Rows on a line, some from the web, two to be chosen: one limit, at its best price.
#[test]
fn claims_about_limits_are_attained_on_a_line() {
    let (at_most_one, at_least_two) = ((None, Some(1.0)), (Some(2.0), None));
    for (places, web, of, (min, max), g, price, upper, fall) in [
        // The web's rows are close: 0 and 3 instead of 0 and 0.1.
        ([0.0, 0.1, 3.0], [true, true, false], Counted::Label("web".into()), at_most_one, 3.0, 2.9, 1.5, 1.45),
        ([0.0, 0.1, 3.0], [true, true, false], Counted::Each, at_most_one, 3.0, 2.9, 1.5, 1.45),
        // They are far: 2 and 3 instead of 0 and 2.
        ([2.0, 3.0, 0.0], [true, true, false], Counted::Label("web".into()), at_least_two, 0.0, -3.0, 2.5, 1.5),
    ] {
        let (instance, _) = on_a_line(&places, 2, Power::One, g);
        let column = Column::labels(web.map(|web| web.then_some("web")));
        let (limits, columns) = (vec![Limit { column: 0, of: of.clone(), min, max }], vec![Default::default()]);
        let constraints = Constraints { columns, limits, ..Constraints::default() };
        let set = FeasibleSet::new(&constraints, &[column], 3, &[]).unwrap();
        let label = (of == Counted::Each).then_some("web");
        let prices = [Price { limit: 0, label: label.map(str::to_owned), price }];
        let best = instance.with(|geometry| {
            let statement = Statement::new(geometry, Power::One, 2).constrained(constraints.clone());
            constrained_best_bound(geometry, &statement, vec![g], &set, &prices, &sequential).unwrap()
        });
        let sensitivity = Sensitivity::new(&best, upper).unwrap();
        let claimed = |label, end| sensitivity.relaxed(0, label, end, 1.0).unwrap();
        let (own, other) = match max {
            Some(_) => (LimitEnd::Max, LimitEnd::Min),
            None => (LimitEnd::Min, LimitEnd::Max),
        };
        for claimed in [claimed(label, own), claimed(None, own)] {
            assert!(fall <= claimed && claimed <= fall + 1e-9, "{of:?}: {claimed} is not {fall}");
        }
        for none in [claimed(label, other), claimed(Some("books"), own), sensitivity.unchanged().unwrap()] {
            assert!((0.0..1e-9).contains(&none), "{of:?}: {none}");
        }
    }
}

#[test]
fn what_is_not_proved_is_not_claimed() {
    let (instance, best) = on_a_line(&[1.0, 2.0, 5.0], 1, Power::One, 1.0);
    assert_eq!(Sensitivity::new(&best, 0.5).unwrap_err().rule, "upper");
    assert!(Sensitivity::new(&best, f64::NAN).is_err());
    let sensitivity = Sensitivity::new(&best, 1.0).unwrap();
    assert!(sensitivity.new_row(NewRow { costs: &[], labels: &[], numbers: &[] }).is_err());
    assert_eq!(sensitivity.relaxed(0, None, LimitEnd::Max, f64::NAN), None);
    // Rows of any length: as much as wanted of a sum that must not be small.
    let constraints = Constraints {
        columns: vec![Default::default()],
        limits: vec![Limit { column: 0, of: Counted::Sum, min: Some(3.0), max: None }],
        ..Constraints::default()
    };
    let set = FeasibleSet::new(&constraints, &[Column::numbers(vec![1.0, 3.0, 4.0]).unwrap()], 3, &[]).unwrap();
    let prices = [Price { limit: 0, label: None, price: -0.5 }];
    let best = instance.with(|geometry| {
        let statement = Statement::new(geometry, Power::One, 1).constrained(constraints.clone());
        constrained_best_bound(geometry, &statement, vec![2.0], &set, &prices, &sequential).unwrap()
    });
    let sensitivity = Sensitivity::new(&best, 2.0).unwrap();
    assert_eq!(sensitivity.new_rows(1), None);
    let long = sensitivity.new_row(NewRow { costs: &[0.0], labels: &[None], numbers: &[100.0] }).unwrap().unwrap();
    assert!(long >= 2.0 - 1e-9, "{long}");
}
