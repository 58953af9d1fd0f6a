//! The capacity path (T3): the least transport cost if every row may send λ times its share 1/n, as a function of λ.
//!
//! One query more, which costs nothing and takes the mass λ − 1 that rows may but need not send, makes it a balanced
//! problem; with λ a ratio of whole numbers its masses are whole, so each value is exact for the rounded costs. The path is
//! convex and piecewise linear, and the duals of a point give a tangent there. Two tangents cross at the only place where
//! the path can be below the line through their points by most; solving there either finds a new piece or closes the gap.

use kantor_theory::generalization::cloud::Capacity;

use super::masses::{Masses, gcd};
use super::transport::{Shipment, TransportError, transport};
use crate::watch::{Stopped, Watch};

/// Denominator of the λ at which the path is solved: crossings are rounded to it.
const GRID: u64 = 1 << 14;

/// A gap between chord and tangents below this share of the first value is closed.
const CLOSED: f64 = 1e-9;

/// The optimum at one λ.
#[derive(Debug, Clone, PartialEq)]
pub struct Capped {
    /// λ.
    pub capacity: Capacity,
    /// OT_λ of the given costs, evaluated in `f64`.
    pub value: f64,
    /// A subgradient of the path at λ: not positive.
    pub slope: f64,
    /// Who sends how much where, in units of the plan's own total.
    pub plan: Vec<Shipment>,
}

/// Solves for one λ = num/den ≥ 1; `costs` is n×m, row-major.
///
/// # Errors
/// As [`transport`]; unbalanced also if λ < 1 or the whole masses overflow.
pub fn capped(costs: &[f64], n: usize, m: usize, capacity: Capacity) -> Result<Capped, TransportError> {
    let common = gcd(capacity.num, capacity.den).max(1);
    let (num, den) = (capacity.num / common, capacity.den / common);
    if den == 0 || num < den {
        return Err(TransportError::Unbalanced);
    }
    if costs.len() != n * m {
        return Err(TransportError::Shape { costs: costs.len(), rows: n, queries: m });
    }
    // In units of 1/(n·m·den).
    let total = (n as u64).checked_mul(m as u64).and_then(|nm| nm.checked_mul(num)).filter(|&t| t < 1 << 62);
    let total = total.ok_or(TransportError::Unbalanced)?;
    let mut demand = vec![den * n as u64; m];
    demand.push(total - den * n as u64 * m as u64);
    let supply = vec![num * m as u64; n];
    let mut wide = Vec::with_capacity(n * (m + 1));
    for line in costs.chunks_exact(m) {
        wide.extend_from_slice(line);
        wide.push(0.0);
    }
    let solved = transport(&wide, &Masses { supply, demand, total })?;
    let free = solved.potentials[m];
    let best = |line: &[f64]| {
        let replies = line.iter().zip(&solved.potentials).map(|(cost, g)| g - free - cost);
        replies.fold(0.0, f64::max)
    };
    let slope = -costs.chunks_exact(m).map(best).sum::<f64>() / n as f64;
    let unit = 1.0 / (den as f64 * n as f64 * m as f64);
    let plan: Vec<Shipment> = solved.plan.into_iter().filter(|s| s.query < m).collect();
    let value = plan.iter().map(|s| s.mass as f64 * unit * costs[s.row * m + s.query]).sum();
    Ok(Capped { capacity: Capacity { num, den }, value, slope, plan })
}

/// Points of the path from λ = 1 to the first λ at which it is flat, ascending; at most `limit` ≥ 2 of them, chosen where
/// the path is known least. With enough points they hold every breakpoint, up to the grid of λ.
///
/// # Errors
/// As [`capped`], or if `watch` asks to stop.
pub fn capacity_path(
    costs: &[f64],
    n: usize,
    m: usize,
    limit: usize,
    watch: &dyn Watch,
) -> Result<Result<Vec<Capped>, TransportError>, Stopped> {
    watch.begin("capacity path", limit as u64);
    let last = Capacity { num: (n as u64 * most_wanted(costs, n, m)).max(m as u64), den: m as u64 };
    let mut path = Vec::new();
    for capacity in [Capacity { num: 1, den: 1 }, last] {
        watch.advance(1)?;
        match capped(costs, n, m, capacity) {
            Ok(point) => path.push(point),
            Err(error) => return Ok(Err(error)),
        }
    }
    if last.num == last.den {
        path.truncate(1);
    }
    // Behind the last point the path is flat, whatever subgradient was found at it.
    if let Some(end) = path.last_mut() {
        end.slope = 0.0;
    }
    while path.len() < limit {
        let widest = (1..path.len())
            .filter_map(|i| crossing(&path[i - 1], &path[i]).map(|(capacity, gap)| (i, capacity, gap)))
            .max_by(|a, b| a.2.total_cmp(&b.2));
        let Some((at, capacity, _)) = widest.filter(|(_, _, gap)| *gap > CLOSED * path[0].value.abs()) else { break };
        watch.advance(1)?;
        match capped(costs, n, m, capacity) {
            Ok(point) => path.insert(at, point),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(path))
}

/// Of how many queries one row is the nearest, at most: the λ from which on capacity does not bind, times m/n.
fn most_wanted(costs: &[f64], n: usize, m: usize) -> u64 {
    let mut nearest = vec![(f64::INFINITY, 0); m];
    for (row, line) in costs.chunks_exact(m).enumerate() {
        for (best, &cost) in nearest.iter_mut().zip(line) {
            if cost < best.0 {
                *best = (cost, row);
            }
        }
    }
    let mut wanted = vec![0u64; n];
    nearest.iter().for_each(|&(_, row)| wanted[row] += 1);
    wanted.into_iter().max().unwrap_or(1)
}

/// Where the tangents of two neighbours cross, on the grid and strictly between them, and how far below their chord.
fn crossing(a: &Capped, b: &Capped) -> Option<(Capacity, f64)> {
    let (x, y) = (a.capacity.value(), b.capacity.value());
    let bend = b.slope - a.slope;
    if bend <= 0.0 {
        return None;
    }
    let at = (a.value - b.value + b.slope * y - a.slope * x) / bend;
    let tangent = a.value + a.slope * (at - x);
    let chord = a.value + (b.value - a.value) * (at - x) / (y - x);
    let num = (at * GRID as f64).round() as u64;
    let capacity = Capacity { num, den: GRID };
    (capacity.value() > x && capacity.value() < y).then_some((capacity, chord - tangent))
}
