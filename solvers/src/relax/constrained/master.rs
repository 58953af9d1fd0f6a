//! The master problem of the prices: the largest θ with θ ≤ cost_s + Σ_e w_e·excess_se for all points s found so far, and every
//! price w_e in a box.
//!
//! Its dual has few rows, d + 1 for d prices: Σ_s λ_s = 1 and, for every price, Σ_s λ_s·excess_se + ν_e = μ_e, where μ and ν belong
//! to the upper and lower end of the box. The primal simplex solves it. Another point is another column, and another box has other
//! costs: so the basis that was the best before is where it starts, or that of one point and the ends of the box. λ mixes the points; where no end of the box has a share, the mixture obeys all limits and the prices are the best.
//!
//! Limit: O(d² + d·s) per pivot for s points.

use crate::watch::{Stopped, Watch};

/// A share of the range of numbers below which a reduced cost is zero.
const TINY: f64 = 1e-13;

/// A point: its cost, and by how much it exceeds each end of a limit that has a price.
#[derive(Debug, Clone)]
pub(in crate::relax) struct Cut {
    pub(in crate::relax) cost: f64,
    pub(in crate::relax) excess: Vec<f64>,
}

/// A column of the dual.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::relax) enum Column {
    Cut(usize),
    High(usize),
    Low(usize),
}

/// The best prices in the box.
#[derive(Debug, Clone)]
pub(in crate::relax) struct Best {
    pub(in crate::relax) prices: Vec<f64>,
    pub(in crate::relax) value: f64,
    /// The share of every point.
    pub(in crate::relax) shares: Vec<f64>,
    /// By how much the mixture of points exceeds ends whose price is at the upper end of the box.
    pub(in crate::relax) held: f64,
    /// Where the next search may start.
    pub(in crate::relax) basis: Vec<Column>,
    /// Operations that it took, roughly.
    pub(in crate::relax) work: u64,
}

struct Simplex<'a> {
    cuts: &'a [Cut],
    low: &'a [f64],
    high: &'a [f64],
    basis: Vec<Column>,
    /// The inverse of the basis, (d + 1)², row-major.
    inverse: Vec<f64>,
    size: usize,
}

/// Solves for prices in `low`..`high`, starting from the `basis` that was the best for these prices and some of the points, or
/// from the point `first`.
///
/// # Errors
/// If the observer asks to stop.
pub(in crate::relax) fn solve(
    cuts: &[Cut],
    first: usize,
    (low, high): (&[f64], &[f64]),
    basis: Vec<Column>,
    watch: &dyn Watch,
) -> Result<Best, Stopped> {
    let size = low.len() + 1;
    let over = |e: usize| cuts[first].excess[e] > 0.0;
    let ends = (0..size - 1).map(|e| if over(e) { Column::High(e) } else { Column::Low(e) });
    let basis = if basis.len() == size { basis } else { ends.chain([Column::Cut(first)]).collect() };
    let mut simplex = Simplex { cuts, low, high, basis, inverse: Vec::new(), size };
    simplex.invert();
    // Dantzig's rule is fast, Bland's cannot cycle.
    // Two inversions: this one and the last.
    let inversion = 2 * (size * size * size) as u64;
    let mut work = 2 * inversion;
    for pivot in 0..200 * size {
        if !simplex.pivot(pivot > 50 * size) {
            break;
        }
        work += (size * (3 * size + cuts.len())) as u64;
        if pivot % 32 == 31 {
            watch.advance(0)?;
            simplex.invert();
            work += inversion;
        }
    }
    Ok(Best { work, ..simplex.best() })
}

impl Simplex<'_> {
    fn cost(&self, column: Column) -> f64 {
        match column {
            Column::Cut(s) => self.cuts[s].cost,
            Column::High(e) => self.high[e],
            Column::Low(e) => -self.low[e],
        }
    }

    fn entry(&self, column: Column, row: usize) -> f64 {
        match column {
            Column::Cut(s) => {
                if row + 1 == self.size {
                    1.0
                } else {
                    -self.cuts[s].excess[row]
                }
            }
            Column::High(e) => f64::from(u8::from(e == row)),
            Column::Low(e) => -f64::from(u8::from(e == row)),
        }
    }

    /// Inverts the basis by elimination with pivots chosen by rows.
    fn invert(&mut self) {
        let n = self.size;
        let mut left: Vec<f64> = (0..n * n).map(|at| self.entry(self.basis[at % n], at / n)).collect();
        let mut right: Vec<f64> = (0..n * n).map(|at| f64::from(u8::from(at / n == at % n))).collect();
        for column in 0..n {
            let largest =
                (column..n).max_by(|&a, &b| left[a * n + column].abs().total_cmp(&left[b * n + column].abs()));
            let Some(from) = largest.filter(|&row| left[row * n + column] != 0.0) else { continue };
            for at in 0..n {
                left.swap(from * n + at, column * n + at);
                right.swap(from * n + at, column * n + at);
            }
            let scale = 1.0 / left[column * n + column];
            for at in 0..n {
                left[column * n + at] *= scale;
                right[column * n + at] *= scale;
            }
            for row in (0..n).filter(|&row| row != column) {
                let factor = left[row * n + column];
                if factor != 0.0 {
                    for at in 0..n {
                        left[row * n + at] -= factor * left[column * n + at];
                        right[row * n + at] -= factor * right[column * n + at];
                    }
                }
            }
        }
        self.inverse = right;
    }

    /// Prices, and the value last.
    fn duals(&self) -> Vec<f64> {
        let n = self.size;
        let costs: Vec<f64> = self.basis.iter().map(|&column| self.cost(column)).collect();
        (0..n).map(|at| (0..n).map(|row| costs[row] * self.inverse[row * n + at]).sum()).collect()
    }

    /// Brings a column of negative reduced cost into the basis; `false` if there is none.
    fn pivot(&mut self, first: bool) -> bool {
        let n = self.size;
        let duals = self.duals();
        let ends = (0..n - 1).flat_map(|e| [Column::High(e), Column::Low(e)]);
        let reduced = |column: Column| {
            let product: f64 = match column {
                Column::Cut(s) => {
                    duals[n - 1] - self.cuts[s].excess.iter().zip(&duals).map(|(x, w)| x * w).sum::<f64>()
                }
                Column::High(e) => duals[e],
                Column::Low(e) => -duals[e],
            };
            (self.cost(column) - product, self.cost(column).abs() + product.abs())
        };
        let mut entering = None;
        let mut most = 0.0;
        for column in (0..self.cuts.len()).map(Column::Cut).chain(ends) {
            let (reduced, size) = reduced(column);
            if reduced < -TINY * size && reduced < most && !self.basis.contains(&column) {
                (entering, most) = (Some(column), reduced);
                if first {
                    break;
                }
            }
        }
        let Some(entering) = entering else { return false };
        let column: Vec<f64> =
            (0..n).map(|row| (0..n).map(|at| self.inverse[row * n + at] * self.entry(entering, at)).sum()).collect();
        let largest = column.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        // The masses of the basis are the last column of the inverse.
        let mut leaving: Option<(usize, f64)> = None;
        for (row, &x) in column.iter().enumerate().filter(|(_, x)| **x > 1e-11 * largest) {
            let ratio = self.inverse[row * n + n - 1].max(0.0) / x;
            if leaving.is_none_or(|(at, least)| ratio < least || ratio == least && x > column[at] && !first) {
                leaving = Some((row, ratio));
            }
        }
        let Some((leaving, _)) = leaving else { return false };
        let scale = 1.0 / column[leaving];
        for at in 0..n {
            self.inverse[leaving * n + at] *= scale;
        }
        for row in (0..n).filter(|&row| row != leaving && column[row] != 0.0) {
            for at in 0..n {
                self.inverse[row * n + at] -= column[row] * self.inverse[leaving * n + at];
            }
        }
        self.basis[leaving] = entering;
        true
    }

    fn best(mut self) -> Best {
        self.invert();
        let n = self.size;
        let mut prices = self.duals();
        let value = prices.pop().unwrap_or(0.0);
        for (price, (low, high)) in prices.iter_mut().zip(self.low.iter().zip(self.high)) {
            *price = price.clamp(*low, *high);
        }
        let (mut shares, mut held) = (vec![0.0; self.cuts.len()], 0.0);
        for (row, column) in self.basis.iter().enumerate() {
            let mass = self.inverse[row * n + n - 1].max(0.0);
            match *column {
                Column::Cut(s) => shares[s] = mass,
                Column::High(_) => held += mass,
                // Below a price of zero there is nothing.
                Column::Low(e) if self.low[e] > 0.0 => held += mass,
                Column::Low(_) => {}
            }
        }
        Best { prices, value, shares, held, basis: self.basis, work: 0 }
    }
}
