//! The best prices of the sides: the maximum of a concave, piecewise linear function, by cutting planes in a box around the
//! best prices so far (Marsten, Hogan and Blankenship 1975).
//!
//! Every solution of the relaxed problem, at whatever prices, is a plane above that function. The master problem finds the best
//! prices in the box under all planes (module `master`); solving there finds a new plane, or proves that these are the best. There
//! are finitely many planes. With one price that is the method of the secant.

use kantor_theory::constraints::listed;

use super::master::{self, Best, Cut};
use super::search::{Point, Search, Start};
use crate::task::SelectError;

/// A gap that counts as none, as a share of the value.
const CLOSED: f64 = 1e-8;

/// Evaluations after which the search ends with what it has.
const LIMIT: usize = 1000;

/// Operations of the master problem after which the search ends with what it has: some seconds. Hundreds of prices at once may
/// not be found to the last digit; the bound holds at any.
const WORK: u64 = 10_000_000_000;

/// Ends that have prices. Without a price a limit makes no bound larger, and the master problem holds the square of their number.
const MOST: usize = 1024;

/// Points that keep their plans though the best mixture does without them.
const KEPT: usize = 64;

/// By how much prices of a sample may be wrong, as a share of what rows are worth.
const NEAR: f64 = 0.05;

/// The share of the largest price from which a limit counts as one in conflict.
const BLAME: f64 = 0.01;

/// Mean number of a column from which on prices of its sum are exact to a unit in the last place, with room for their products.
const LEAST: f64 = 1e-290;

/// How much of a limit an excess of nothing may amount to by rounding.
const ROUNDING: f64 = 1e-12;

/// One end of the limit of a side, with its price.
#[derive(Debug, Clone, Copy)]
struct End {
    side: usize,
    upper: bool,
}

/// The points found, and how the best mixture of them is made.
pub(super) struct Ascent {
    pub(super) points: Vec<Point>,
    /// The point of the best prices.
    pub(super) best: usize,
    /// The share of every point in the mixture that solves the relaxed problem.
    pub(super) shares: Vec<f64>,
}

/// Finds the best prices.
///
/// # Errors
/// If limits are in conflict, memory does not suffice, or the observer asks to stop.
pub(super) fn ascend(search: &mut Search<'_>, start: Option<&Start>) -> Result<Ascent, SelectError> {
    let first = search.open(start)?;
    let mut points = vec![search.evaluate(&first.prices, f64::NEG_INFINITY)?];
    let mut ends = Vec::new();
    let mut best = 0;
    let mut shares = vec![1.0];
    let mut basis = Vec::new();
    let mut width = search.surplus(&points[0]) * if start.is_some() { NEAR } else { 1.0 };
    let mut work = 0;
    while points.len() < LIMIT && work < WORK {
        admit(search, &points, &mut ends);
        if ends.is_empty() {
            break;
        }
        let cuts: Vec<Cut> = points.iter().map(|point| cut(search, point, &ends)).collect();
        let centre: Vec<f64> = ends.iter().map(|&end| price(search, &points[best], end)).collect();
        let low: Vec<f64> = centre.iter().map(|w| (w - width).max(0.0)).collect();
        let high: Vec<f64> = centre.iter().map(|w| w + width).collect();
        let solved = master::solve(&cuts, best, (&low, &high), basis, search.task.watch)?;
        let Best { prices, value, held, .. } = solved;
        (shares, basis) = (solved.shares, solved.basis);
        work += solved.work;
        let gap = value - points[best].value;
        let closed = CLOSED * points[best].value.abs().max(points[best].cost.abs());
        if gap <= closed {
            if held <= ROUNDING.sqrt() {
                break;
            }
            width *= 16.0;
            if !width.is_finite() {
                return Err(conflict(search, &points[best]));
            }
            continue;
        }
        let point = search.evaluate(&of_sides(search, &prices, &ends), points[best].value)?;
        let is_better = point.value > points[best].value;
        let at_end = prices.iter().zip(&high).any(|(w, high)| w == high);
        points.push(point);
        shares.push(0.0);
        if points.len() > KEPT {
            let old = points.len() - KEPT;
            let unused = points[..old]
                .iter_mut()
                .zip(&shares)
                .enumerate()
                .filter(|(at, (_, share))| *at != best && **share == 0.0);
            unused.for_each(|(_, (point, _))| point.plan = Vec::new());
        }
        if is_better {
            best = points.len() - 1;
            if at_end {
                width *= 4.0;
            }
        }
        if search.is_above_all(points[best].value)? {
            return Err(conflict(search, &points[best]));
        }
    }
    Ok(Ascent { points, best, shares })
}

/// What to say if the Lagrangian is unbounded: the limits whose prices make it so.
fn conflict(search: &Search<'_>, point: &Point) -> SelectError {
    // Per row of average use.
    let sides = search.sides.sides.iter().zip(&point.prices);
    let sides = sides.map(|(side, price)| (search.sides.name(side.column, side.group), (price * side.scale).abs()));
    let groups = search.family.groups.iter().enumerate().filter_map(|(at, group)| {
        let price = point.thresholds[at] - point.thresholds[group.parent];
        let (column, of) = group.place?;
        Some((search.sides.name(column, Some(of)), price.abs()))
    });
    let priced: Vec<(String, f64)> = sides.chain(groups).filter(|(_, price)| *price > 0.0).collect();
    let largest = priced.iter().fold(0.0f64, |most, (_, price)| most.max(*price));
    let blamed = priced.into_iter().filter(|(_, price)| *price >= BLAME * largest);
    let (budget, names) = (search.budget, listed(blamed.map(|(name, _)| format!("`{name}`")).collect()));
    // Another number of tokens may do.
    if let Some((tokens, _)) = search.set.tokens() {
        let broken = format!("the limits on {names} cannot all be met by {budget} tokens, not even by parts of rows");
        return SelectError::NoTokensFound { budget: tokens.max as usize, broken };
    }
    // Prices per unit of so little are beyond all numbers, and prove nothing.
    if search.sides.sides.iter().zip(&point.prices).any(|(side, price)| *price != 0.0 && side.scale < LEAST) {
        let broken = format!(
            "the limits on {names} are not met, whose numbers are too small to reckon with: multiply all of them by one"
        );
        return SelectError::NoneFound { budget, broken };
    }
    let conflict = format!("the limits on {names} cannot all be met, not even by parts of rows");
    SelectError::Infeasible { budget, conflict }
}

/// Adds the ends that the last point exceeds, up to [`MOST`], those that it exceeds most first where there are more.
fn admit(search: &Search<'_>, points: &[Point], ends: &mut Vec<End>) {
    let Some(point) = points.last() else { return };
    let mut known = vec![[false; 2]; search.sides.sides.len()];
    ends.iter().for_each(|end| known[end.side][usize::from(end.upper)] = true);
    let mut new = Vec::new();
    for (side, limit) in search.sides.sides.iter().enumerate() {
        for (upper, excess, size) in
            [(true, point.used[side] - limit.most, limit.most), (false, limit.least - point.used[side], limit.least)]
        {
            let priced = if upper { point.prices[side] > 0.0 } else { point.prices[side] < 0.0 };
            if (priced || excess > ROUNDING * size.abs()) && !known[side][usize::from(upper)] {
                new.push((excess / limit.scale, End { side, upper }));
            }
        }
    }
    let room = MOST.saturating_sub(ends.len());
    if new.len() > room {
        new.sort_by(|a, b| b.0.total_cmp(&a.0));
        new.truncate(room);
    }
    ends.extend(new.into_iter().map(|(_, end)| end));
}

fn cut(search: &Search<'_>, point: &Point, ends: &[End]) -> Cut {
    let excess = |end: &End| {
        let side = &search.sides.sides[end.side];
        let used = point.used[end.side];
        (if end.upper { used - side.most } else { side.least - used }) / side.scale
    };
    Cut { cost: point.cost, excess: ends.iter().map(excess).collect() }
}

/// The price of an end at a point, per row of average use.
fn price(search: &Search<'_>, point: &Point, end: End) -> f64 {
    let price = point.prices[end.side] * search.sides.sides[end.side].scale;
    if end.upper { price.max(0.0) } else { (-price).max(0.0) }
}

/// Prices of sides from those of ends.
fn of_sides(search: &Search<'_>, prices: &[f64], ends: &[End]) -> Vec<f64> {
    let mut of_sides = vec![0.0; search.sides.sides.len()];
    for (price, end) in prices.iter().zip(ends) {
        let price = price / search.sides.sides[end.side].scale;
        of_sides[end.side] += if end.upper { price } else { -price };
    }
    of_sides
}
