//! Limits in conflict: what is named cannot be met, and all of it but one limit can; against enumeration and linear programs.

use kantor_solvers::relax::conflict::check;
use kantor_solvers::{Quiet, SelectError};
use kantor_theory::constraints::{ColumnRecord, Counted, Limit};
use kantor_theory::{Column, Constraints, FeasibleSet, TokenBudget};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Constraints of which some may be taken away.
#[derive(Clone)]
struct Case {
    n: usize,
    k: usize,
    tokens: Option<(f64, f64)>,
    /// Two columns of labels.
    labels: [Vec<usize>; 2],
    lengths: Vec<f64>,
    constraints: Constraints,
}

const NAMES: [&str; 3] = ["a", "b", "t"];

impl Case {
    fn random(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let n = rng.random_range(4..10);
        let k = rng.random_range(2..n);
        let refines = rng.random_range(0..3) == 0;
        let first: Vec<usize> = (0..n).map(|_| rng.random_range(0..3)).collect();
        let second = (first.iter())
            .map(|of| if refines { 2 * of + rng.random_range(0..2) } else { rng.random_range(0..3) })
            .collect();
        let lengths: Vec<f64> = (0..n).map(|_| f64::from(rng.random_range(1..9u32))).collect();
        let total: f64 = lengths.iter().sum();
        let tokens = (rng.random_range(0..2) == 0).then(|| {
            let most = (total * rng.random_range(0.2..0.8)).floor().max(1.0);
            ((most * 0.9).ceil(), most)
        });
        let mut limits = Vec::new();
        for (column, groups) in [(0, 3), (1, if refines { 6 } else { 3 })] {
            for label in 0..groups {
                let end = |rng: &mut ChaCha8Rng| f64::from(rng.random_range(0..3u32));
                let (min, max) = match rng.random_range(0..4) {
                    0 => (Some(end(&mut rng)), None),
                    1 => (None, Some(end(&mut rng))),
                    _ => continue,
                };
                limits.push(Limit { column, of: Counted::Label(label.to_string()), min, max });
            }
        }
        if rng.random_range(0..2) == 0 {
            let max = Some((total * rng.random_range(0.1..0.7)).floor());
            limits.push(Limit { column: 2, of: Counted::Sum, min: None, max });
        }
        let (mut include, mut exclude) = (Vec::new(), Vec::new());
        for row in 0..n {
            match rng.random_range(0..12) {
                0 => include.push(row),
                1 => exclude.push(row),
                _ => {}
            }
        }
        let columns = NAMES.map(record).to_vec();
        let constraints = Constraints { columns, limits, include, exclude };
        Self { n, k, tokens, labels: [first, second], lengths, constraints }
    }

    fn set(&self) -> FeasibleSet {
        let labels = |of: &[usize]| {
            let names: Vec<String> = of.iter().map(usize::to_string).collect();
            Column::labels(names.iter().map(|name| Some(name.as_str())))
        };
        let lengths = Column::numbers(self.lengths.clone()).unwrap();
        let data = [labels(&self.labels[0]), labels(&self.labels[1]), lengths.clone()];
        let set = FeasibleSet::new(&self.constraints, &data, self.n, &[]).unwrap();
        let Some((min, max)) = self.tokens else { return set };
        set.in_tokens(&TokenBudget { column: record("t"), min, max }, &lengths, self.n, &[]).unwrap()
    }

    /// Whether some subset obeys.
    fn is_met(&self) -> bool {
        let set = self.set();
        (1u32..1 << self.n).any(|bits| {
            let rows: Vec<usize> = (0..self.n).filter(|row| bits >> row & 1 == 1).collect();
            (self.tokens.is_some() || rows.len() == self.k) && set.check(&rows).is_ok()
        })
    }

    /// Whether parts of rows obey.
    fn is_met_in_parts(&self) -> bool {
        let mut below: Vec<(Vec<f64>, f64)> = Vec::new();
        let mut between = |a: Vec<f64>, min: Option<f64>, max: Option<f64>| {
            below.extend(min.map(|min| (a.iter().map(|x| -x).collect(), -min)));
            below.extend(max.map(|max| (a, max)));
        };
        for row in 0..self.n {
            let unit = (0..self.n).map(|at| f64::from(u8::from(at == row))).collect();
            let is_in = |rows: &[usize]| rows.contains(&row);
            let min = is_in(&self.constraints.include).then_some(1.0);
            between(unit, min, Some(if is_in(&self.constraints.exclude) { 0.0 } else { 1.0 }));
        }
        match self.tokens {
            None => between(vec![1.0; self.n], Some(self.k as f64), Some(self.k as f64)),
            Some((min, max)) => between(self.lengths.clone(), Some(min), Some(max)),
        }
        for Limit { column, of, min, max } in &self.constraints.limits {
            let counts = match of {
                Counted::Label(label) => {
                    let label: usize = label.parse().unwrap();
                    self.labels[*column].iter().map(|of| f64::from(u8::from(*of == label))).collect()
                }
                _ => self.lengths.clone(),
            };
            between(counts, *min, *max);
        }
        has_solution(below, self.n)
    }

    /// The same with these limits alone.
    fn with(&self, limits: Vec<Limit>) -> Self {
        Self { constraints: Constraints { limits, ..self.constraints.clone() }, ..self.clone() }
    }

    /// The limits that a message blames.
    fn blamed(&self, message: &str) -> Vec<Limit> {
        let name = |limit: &Limit| match &limit.of {
            Counted::Label(label) => format!("`{}={label}`", NAMES[limit.column]),
            _ => format!("`{}`", NAMES[limit.column]),
        };
        self.constraints.limits.iter().filter(|limit| message.contains(&name(limit))).cloned().collect()
    }
}

fn record(name: &str) -> ColumnRecord {
    ColumnRecord { name: name.into(), blake3: String::new(), origin: None }
}

/// Whether some x ≥ 0 has a·x ≤ b for all of these: the largest −z with a·x − z ≤ b, by the simplex method with Bland's rule.
fn has_solution(below: Vec<(Vec<f64>, f64)>, n: usize) -> bool {
    // Dictionary: basic = b − Σ a·nonbasic; the last nonbasic variable is z.
    let m = below.len();
    let mut table: Vec<Vec<f64>> =
        below.into_iter().map(|(a, b)| a.into_iter().chain([-1.0, b]).collect::<Vec<f64>>()).collect();
    let mut cost: Vec<f64> = vec![0.0; n + 2];
    cost[n] = -1.0;
    let (mut nonbasic, mut basic): (Vec<usize>, Vec<usize>) = ((0..=n).collect(), (n + 1..=n + m).collect());
    let mut pivot = |table: &mut Vec<Vec<f64>>, cost: &mut Vec<f64>, row: usize, column: usize| {
        let scale = table[row][column];
        table[row][column] = 1.0;
        table[row].iter_mut().for_each(|x| *x /= scale);
        let with = table[row].clone();
        let reduce = |of: &mut Vec<f64>| {
            let factor = std::mem::replace(&mut of[column], 0.0);
            of.iter_mut().zip(&with).for_each(|(x, y)| *x -= factor * y);
        };
        table.iter_mut().enumerate().filter(|(at, _)| *at != row).for_each(|(_, of)| reduce(of));
        reduce(cost);
        std::mem::swap(&mut basic[row], &mut nonbasic[column]);
        (nonbasic.clone(), basic.clone())
    };
    let lowest = (0..m).min_by(|&a, &b| table[a][n + 1].total_cmp(&table[b][n + 1])).unwrap();
    if table[lowest][n + 1] >= 0.0 {
        return true;
    }
    let (mut nonbasic_now, mut basic_now) = pivot(&mut table, &mut cost, lowest, n);
    loop {
        let entering = (0..=n).filter(|&at| cost[at] > 1e-9).min_by_key(|&at| nonbasic_now[at]);
        let Some(entering) = entering else { break };
        let ratio = |row: &usize| table[*row][n + 1] / table[*row][entering];
        let open: Vec<usize> = (0..m).filter(|&row| table[row][entering] > 1e-9).collect();
        let least = open.iter().map(ratio).fold(f64::INFINITY, f64::min);
        let leaving = open.iter().filter(|row| ratio(row) <= least + 1e-12).min_by_key(|row| basic_now[**row]);
        (nonbasic_now, basic_now) = pivot(&mut table, &mut cost, *leaving.unwrap(), entering);
    }
    // The value of −z is what the cost row lacks.
    cost[n + 1] <= 1e-7
}

#[test]
fn the_simplex_of_these_tests_tells_what_has_a_solution() {
    let below = |most: f64| vec![(vec![-1.0, -1.0], -1.5), (vec![1.0, 0.0], 1.0), (vec![0.0, 1.0], most)];
    assert!(has_solution(below(0.5), 2) && !has_solution(below(0.4), 2));
}

/// Eleven of thirteen conflicts that the search named held limits that could be left out, and what counting named always did.
#[test]
fn a_conflict_names_limits_none_of_which_can_be_left_out() {
    let (mut counted, mut proved, mut met) = (0, 0, 0);
    for seed in 0..6000 {
        let case = Case::random(seed);
        let message = match check(&case.set(), case.k, 1 << 30, &Quiet) {
            Ok(()) => {
                met += 1;
                assert!(case.is_met_in_parts(), "seed {seed}: a conflict was not found");
                continue;
            }
            Err(SelectError::Infeasible { conflict, .. } | SelectError::InfeasibleTokens { conflict, .. }) => conflict,
            Err(other) => panic!("seed {seed}: {other}"),
        };
        *(if message.contains("parts of rows") { &mut proved } else { &mut counted }) += 1;
        let blamed = case.blamed(&message);
        assert!(!case.with(blamed.clone()).is_met(), "seed {seed}: what is named can be met: {message}");
        for at in 0..blamed.len() {
            let mut rest = blamed.clone();
            rest.remove(at);
            let rest = case.with(rest);
            assert!(rest.is_met() || rest.is_met_in_parts(), "seed {seed}: {at} is not needed: {message}");
        }
    }
    assert!(counted > 300 && proved > 300 && met > 300, "{counted} counted, {proved} proved, {met} met");
}

/// A part of a conflict of several columns, or of a limit and the budget in tokens, was named with others, or not at all.
#[test]
fn conflicts_of_columns_and_of_tokens_are_told_by_their_limits_alone() {
    let rows = 60;
    let case = |limits: &[(usize, usize, Option<f64>, Option<f64>)], tokens: Option<(f64, f64)>| {
        let of =
            |column: usize, label: usize| if column == 2 { Counted::Sum } else { Counted::Label(label.to_string()) };
        let limits = limits.iter().map(|&(column, label, min, max)| Limit { column, of: of(column, label), min, max });
        let constraints =
            Constraints { columns: NAMES.map(record).to_vec(), limits: limits.collect(), ..Constraints::default() };
        let labels = [(0..rows).map(|row| row % 3).collect(), (0..rows).map(|row| row % 5 / 2).collect()];
        Case { n: rows, k: 50, tokens, labels, lengths: vec![10.0; rows], constraints }
    };
    let said = |case: Case| check(&case.set(), case.k, 1 << 30, &Quiet).unwrap_err().to_string();
    let maximum = said(case(&[(0, 0, None, Some(1.0)), (0, 1, None, Some(15.0)), (1, 2, None, Some(11.0))], None));
    assert!(maximum.contains("the largest number of rows of `a=0` leaves room for 41 of 50 rows"), "{maximum}");
    let minima = said(case(&[(0, 0, Some(20.0), None), (0, 1, Some(20.0), None), (0, 2, Some(20.0), None)], None));
    assert!(minima.contains("the least numbers of rows of `a=0`, `a=1`, `a=2` come to 60 of 50 rows"), "{minima}");
    let tokens = said(case(&[(2, 0, None, Some(490.0))], Some((495.0, 500.0))));
    assert!(tokens.contains("the limit on `t` (at most 490) cannot be met by 495 to 500 tokens"), "{tokens}");
}
