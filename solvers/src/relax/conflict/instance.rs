//! Limits and a budget as a linear program without costs: rows that are the same for all of them are one class, and every end of a
//! limit is one inequality Σ a·x ≤ b.

use kantor_theory::constraints::{ColumnRanges, LimitRange, Price};
use kantor_theory::{FeasibleSet, TokenBudget};

/// No end.
const NONE: u32 = u32::MAX;

/// One end of the limit on a group or a sum.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    column: usize,
    group: Option<usize>,
    range: LimitRange,
    upper: bool,
    /// What a row uses on average, so that all ends are comparable.
    scale: f64,
}

impl End {
    /// All ends of all limits.
    pub(super) fn all(set: &FeasibleSet) -> Vec<Self> {
        let mut ends = Vec::new();
        for (column, ranges) in set.ranges().into_iter().enumerate() {
            let mut add = |group: Option<usize>, range: LimitRange, scale: f64| {
                let end = |upper: bool| Self { column, group, range, upper, scale };
                ends.extend(range.min.filter(|(min, _)| *min > 0.0).map(|_| end(false)));
                ends.extend(range.max.map(|_| end(true)));
            };
            match ranges {
                ColumnRanges::Groups { ranges, .. } => {
                    ranges.into_iter().enumerate().for_each(|(group, range)| add(Some(group), range, 1.0));
                }
                ColumnRanges::Sum { numbers, range } => {
                    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
                    add(None, range, if mean > 0.0 && mean.is_finite() { mean } else { 1.0 });
                }
            }
        }
        ends
    }

    /// The price of the limit at this end, for a weight of its inequality.
    pub(super) fn price(&self, set: &FeasibleSet, weight: f64) -> Option<Price> {
        let price = weight / self.scale;
        set.price(&self.range, self.group, if self.upper { price } else { -price })
    }

    /// a for a row that counts as `amount`, and b.
    fn factor(&self) -> f64 {
        if self.upper { 1.0 / self.scale } else { -1.0 / self.scale }
    }

    fn bound(&self) -> f64 {
        let end = if self.upper { self.range.max } else { self.range.min };
        end.map_or(0.0, |(end, _)| end * self.factor())
    }
}

/// Rows that are the same.
#[derive(Debug, Clone)]
struct Class {
    rows: f64,
    length: f64,
    /// Where its uses begin.
    uses: usize,
}

/// How much of the rows is chosen, beside those that must be.
#[derive(Debug, Clone, Copy)]
enum Room {
    Rows(f64),
    /// The fewest and the most tokens.
    Tokens(f64, f64),
}

/// The program.
pub(super) struct Instance {
    classes: Vec<Class>,
    /// Of the classes in turn: which end, and a.
    uses: Vec<(u32, f64)>,
    /// b of every end, less what rows that must be chosen use.
    bounds: Vec<f64>,
    room: Room,
}

/// A choice of parts of rows.
#[derive(Debug, Clone)]
pub(super) struct Point {
    /// By how much it exceeds every end.
    pub(super) excess: Vec<f64>,
    /// The mean of that by the weights it was found at.
    pub(super) value: f64,
}

/// What a column says, as far as ends speak of it.
enum Uses<'a> {
    /// The lower and the upper end of every group.
    Groups {
        of_row: &'a [u32],
        ends: Vec<[u32; 2]>,
    },
    Sum {
        numbers: &'a [f64],
        ends: [u32; 2],
    },
}

impl Uses<'_> {
    /// What tells rows apart.
    fn key(&self, row: usize) -> u64 {
        match self {
            Uses::Groups { of_row, ends } => {
                let place = of_row[row];
                if ends.get(place as usize).is_some_and(|of| *of != [NONE; 2]) { u64::from(place) } else { u64::MAX }
            }
            Uses::Sum { numbers, .. } => numbers[row].to_bits(),
        }
    }

    fn ends(&self, row: usize) -> ([u32; 2], f64) {
        match self {
            Uses::Groups { of_row, ends } => (ends.get(of_row[row] as usize).copied().unwrap_or([NONE; 2]), 1.0),
            Uses::Sum { numbers, ends } => (*ends, numbers[row]),
        }
    }
}

impl Instance {
    /// Bytes that it takes, at most.
    pub(super) fn bytes(set: &FeasibleSet) -> u64 {
        let of_row =
            size_of::<u32>() + size_of::<Class>() + 2 * set.constraints().columns.len() * size_of::<(u32, f64)>();
        (set.pool() * of_row) as u64
    }

    /// That of these ends, for `budget` rows or the budget in tokens.
    pub(super) fn new(set: &FeasibleSet, budget: usize, ends: &[End]) -> Self {
        let mut columns: Vec<Uses<'_>> = Vec::new();
        for (column, ranges) in set.ranges().into_iter().enumerate() {
            let of = ends.iter().zip(0u32..).filter(|(end, _)| end.column == column);
            match ranges {
                ColumnRanges::Groups { of_row, names, .. } => {
                    let mut of_group = vec![[NONE; 2]; names.len()];
                    of.for_each(|(end, at)| of_group[end.group.unwrap_or(0)][usize::from(end.upper)] = at);
                    columns.push(Uses::Groups { of_row, ends: of_group });
                }
                ColumnRanges::Sum { numbers, .. } => {
                    let mut ends = [NONE; 2];
                    of.for_each(|(end, at)| ends[usize::from(end.upper)] = at);
                    columns.push(Uses::Sum { numbers, ends });
                }
            }
        }
        columns.retain(|column| match column {
            Uses::Groups { ends, .. } => ends.iter().any(|of| *of != [NONE; 2]),
            Uses::Sum { ends, .. } => *ends != [NONE; 2],
        });
        let lengths = set.tokens().map(|(_, lengths)| lengths);
        let used = |row: usize, uses: &mut Vec<(u32, f64)>| {
            for (of, amount) in columns.iter().map(|column| column.ends(row)) {
                let of = of.into_iter().filter(|at| *at != NONE);
                uses.extend(of.map(|at| (at, amount * ends[at as usize].factor())));
            }
        };
        let mut bounds: Vec<f64> = ends.iter().map(End::bound).collect();
        let mut fixed = Vec::new();
        (0..set.pool()).filter(|&row| set.is_included(row)).for_each(|row| used(row, &mut fixed));
        fixed.into_iter().for_each(|(at, a)| bounds[at as usize] -= a);
        let mut rows: Vec<u32> = (0..set.pool())
            .filter(|&row| !set.is_included(row) && !set.is_excluded(row))
            .map(|row| row as u32)
            .collect();
        let keys = |row: u32| {
            let length = lengths.map_or(0, |lengths| lengths[row as usize].to_bits());
            columns.iter().map(move |column| column.key(row as usize)).chain([length])
        };
        rows.sort_unstable_by(|&a, &b| keys(a).cmp(keys(b)));
        let (mut classes, mut uses): (Vec<Class>, Vec<(u32, f64)>) = (Vec::new(), Vec::new());
        let mut last = None;
        for &row in &rows {
            match classes.last_mut() {
                Some(class) if last.is_some_and(|last| keys(last).eq(keys(row))) => class.rows += 1.0,
                _ => {
                    let length = lengths.map_or(0.0, |lengths| lengths[row as usize]);
                    classes.push(Class { rows: 1.0, length, uses: uses.len() });
                    used(row as usize, &mut uses);
                    last = Some(row);
                }
            }
        }
        let room = match set.tokens() {
            None => Room::Rows(budget.saturating_sub(set.included()) as f64),
            Some((TokenBudget { min, max, .. }, _)) => {
                Room::Tokens(min - set.included_tokens(), max - set.included_tokens())
            }
        };
        Self { classes, uses, bounds, room }
    }

    /// Operations of a search for a point, roughly.
    pub(super) fn work(&self) -> u64 {
        (self.classes.len() * 16 + self.uses.len() * 2 + self.bounds.len()) as u64
    }

    /// The choice of least excess, at weights of the ends.
    pub(super) fn point(&self, weights: &[f64]) -> Point {
        let uses = |at: usize| {
            let end = self.classes.get(at + 1).map_or(self.uses.len(), |next| next.uses);
            &self.uses[self.classes[at].uses..end]
        };
        let mut order: Vec<(f64, usize)> = Vec::with_capacity(self.classes.len());
        for (at, class) in self.classes.iter().enumerate() {
            let cost: f64 = uses(at).iter().map(|&(end, a)| weights[end as usize] * a).sum();
            let size = if matches!(self.room, Room::Rows(_)) { 1.0 } else { class.length };
            // Rows without tokens come in if they lower the excess.
            order.push((if size > 0.0 { cost / size } else { cost.signum() * f64::INFINITY }, at));
        }
        order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut excess: Vec<f64> = self.bounds.iter().map(|bound| -bound).collect();
        let mut used = 0.0;
        for (ratio, at) in order {
            let class = &self.classes[at];
            let share = match self.room {
                Room::Rows(room) => (room - used).clamp(0.0, class.rows),
                Room::Tokens(..) if class.length == 0.0 => {
                    if ratio < 0.0 {
                        class.rows
                    } else {
                        0.0
                    }
                }
                Room::Tokens(min, max) => {
                    let room = if ratio < 0.0 { max } else { min };
                    ((room - used) / class.length).clamp(0.0, class.rows)
                }
            };
            if share > 0.0 {
                used += share * if matches!(self.room, Room::Rows(_)) { 1.0 } else { class.length };
                uses(at).iter().for_each(|&(end, a)| excess[end as usize] += share * a);
            }
        }
        let value = excess.iter().zip(weights).map(|(excess, weight)| excess * weight).sum();
        Point { excess, value }
    }

    /// b of every end.
    pub(super) fn bounds(&self) -> &[f64] {
        &self.bounds
    }
}
