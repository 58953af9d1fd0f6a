//! How much a mean of values can be that is weighted by lengths, over the subsets of a budget in tokens (`notes/T17.md`).
//!
//! Rows have lengths t_i, values v_i and discounts d_i, prices the constant C. For any σ let w_i = t_i (v_i − σ) − d_i, and
//! B = Σ w_i over the rows that must be chosen + Σ max(0, w_i) over those that may be + C. Every feasible S of T_S tokens,
//! min ≤ T_S ≤ max, has Σ_{i∈S} t_i v_i / T_S ≤ σ + B/T_S ≤ σ + max(B/min, B/max). The least such number is taken over a few σ,
//! among them the best: without constraints the value at which the `min` dearest tokens end. What the rows are worth by themselves is
//! in their values.

use crate::rounding::{ExactSum, add_up, div_down, mul_down, mul_up};

/// Halvings of the interval in which B vanishes.
const HALVINGS: usize = 60;

/// A row that may be chosen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub(super) length: f64,
    /// A number ≥ v_i.
    pub(super) value: f64,
    /// A number ≤ d_i.
    pub(super) discount: f64,
    /// Whether it must be chosen.
    pub(super) included: bool,
}

impl Item {
    /// The σ at which w_i vanishes.
    fn ratio(&self) -> f64 {
        self.value - if self.discount == 0.0 { 0.0 } else { self.discount / self.length }
    }

    /// A number ≥ w_i.
    pub(super) fn gained(&self, sigma: f64) -> f64 {
        let gain = add_up(self.value, -sigma);
        let gained = if gain < 0.0 { -mul_down(self.length, -gain) } else { mul_up(self.length, gain) };
        add_up(gained, -self.discount)
    }
}

/// What bounds the mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spent {
    /// A number ≥ `min` times the mean of any feasible subset.
    pub(super) sum: f64,
    /// The σ that it is proved at; −∞ if none proves anything.
    pub(super) sigma: f64,
    /// A number ≥ B there, of which it is made.
    pub(super) spent: f64,
}

/// The least bound. All σ are at least `least`; where that is −∞, rows that are not
/// among the items must not be chosen, else their w_i is at most zero at it.
pub(super) fn support(mut items: Vec<Item>, constant: &ExactSum, (min, max): (f64, f64), least: f64) -> Spent {
    items.sort_unstable_by(|a, b| b.ratio().total_cmp(&a.ratio()));
    let included = || items.iter().filter(|item| item.included);
    let kept: f64 = included().map(|item| item.length).sum();
    // The ratio at which rows of so many tokens end, those of the best ratios.
    let filled = |tokens: f64| {
        let free = items.iter().filter(|item| !item.included && item.length > 0.0);
        let mut room = tokens - kept;
        let last = free.take_while(|item| {
            let begins = room > 0.0;
            room -= item.length;
            begins
        });
        last.last().map(Item::ratio)
    };
    let rough = |sigma: f64| {
        let gains = items.iter().map(|item| (item.included, item.length * (item.value - sigma) - item.discount));
        gains.map(|(included, gain)| if included { gain } else { gain.max(0.0) }).sum::<f64>() + constant.up()
    };
    let mut tried = vec![least.max(f64::MIN)];
    tried.extend(filled(min));
    tried.extend(filled(max));
    if kept > 0.0 {
        let worth: f64 = included().map(|item| item.length * item.value - item.discount).sum();
        tried.push((worth + constant.up()) / kept);
    }
    if let (Some(mut high), Some(mut low)) = (filled(min), filled(max))
        && rough(high) < 0.0
        && rough(low) > 0.0
    {
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            if rough(middle) > 0.0 { low = middle } else { high = middle }
        }
        tried.push(high);
    }
    let tried = tried.into_iter().filter(|sigma| sigma.is_finite()).map(|sigma| sigma.max(least));
    let none = Spent { sum: f64::INFINITY, sigma: f64::NEG_INFINITY, spent: f64::INFINITY };
    let lesser = |a: Spent, b: Spent| if b.sum < a.sum { b } else { a };
    tried.map(|sigma| at(&items, constant, (min, max), sigma)).fold(none, lesser)
}

/// `min`·(σ + max(B/min, B/max)), rounded up.
fn at(items: &[Item], constant: &ExactSum, (min, max): (f64, f64), sigma: f64) -> Spent {
    let mut sum = constant.clone();
    for item in items {
        let gained = item.gained(sigma);
        if item.included || gained > 0.0 {
            sum.add(gained);
        }
    }
    let spent = sum.up();
    if spent < 0.0 {
        sum = ExactSum::default();
        sum.add(-mul_down(-spent, div_down(min, max)));
    }
    sum.add_product(min, sigma);
    Spent { sum: sum.up(), sigma, spent }
}
