//! Exact transport on the line: for costs |x − y|^q, q ≥ 1, mass goes in sorted order (Villani 2003, §2.2).
//!
//! Rows and queries are walked through like the edge of a staircase, from pair (first, first) to (last, last), each
//! step to the next row or the next query. Costs of sorted points satisfy Monge's condition, so potentials that make
//! every pair of the staircase tight, f_i + g_j = c_ij, are feasible everywhere (Hoffman 1963): they prove the plan
//! optimal. Limit: sorting.

use crate::transport::exact::Masses;

/// Points of both sides on the line, and who comes after whom.
pub(super) struct Line<'a> {
    rows: &'a [f64],
    queries: &'a [f64],
    masses: &'a Masses,
    /// 1, 2 or 4.
    exponent: i32,
    row_order: Vec<u32>,
    query_order: Vec<u32>,
}

/// One pair of the staircase, and the mass that it carries.
struct Pair {
    row: usize,
    query: usize,
    mass: u64,
    /// Whether the step to this pair was one to the next row.
    next_row: bool,
}

impl<'a> Line<'a> {
    pub(super) fn new(rows: &'a [f64], queries: &'a [f64], masses: &'a Masses, exponent: i32) -> Self {
        Self { rows, queries, masses, exponent, row_order: sorted(rows), query_order: sorted(queries) }
    }

    /// Σ π_ij |x_i − y_j|^q of the optimal plan; masses are divided by their total.
    pub(super) fn value(&self) -> f64 {
        // Summed query by query, so that the error does not grow with the number of rows.
        let (mut total, mut part, mut query) = (0.0, 0.0, usize::MAX);
        self.walk(|pair| {
            if pair.query != query {
                total += part;
                (part, query) = (0.0, pair.query);
            }
            if pair.mass > 0 {
                part += pair.mass as f64 * self.cost(pair.row, pair.query);
            }
        });
        (total + part) / self.masses.total as f64
    }

    /// Potentials f of the rows and g of the queries, f_i + g_j ≤ |x_i − y_j|^q up to rounding, with that value.
    pub(super) fn potentials(&self) -> (Vec<f64>, Vec<f64>) {
        let (mut f, mut g) = (vec![0.0; self.rows.len()], vec![0.0; self.queries.len()]);
        let mut first = true;
        self.walk(|Pair { row, query, next_row, .. }| {
            let cost = self.cost(row, query);
            if next_row && !first {
                f[row] = cost - g[query];
            } else {
                g[query] = cost - f[row];
            }
            first = false;
        });
        (f, g)
    }

    fn cost(&self, row: usize, query: usize) -> f64 {
        (self.rows[row] - self.queries[query]).abs().powi(self.exponent)
    }

    fn walk(&self, mut visit: impl FnMut(Pair)) {
        let (mut i, mut j, mut next_row) = (0, 0, true);
        let at = |i: usize, j: usize| (self.row_order[i] as usize, self.query_order[j] as usize);
        let (row, query) = at(0, 0);
        let (mut supply, mut demand) = (self.masses.supply[row], self.masses.demand[query]);
        loop {
            let (row, query) = at(i, j);
            let mass = supply.min(demand);
            visit(Pair { row, query, mass, next_row });
            supply -= mass;
            demand -= mass;
            // Sums are equal: after the last row no query still lacks mass, and the other way round.
            next_row = j + 1 == self.query_order.len() || (supply == 0 && i + 1 < self.row_order.len());
            if next_row {
                i += 1;
                if i == self.row_order.len() {
                    return;
                }
                supply = self.masses.supply[at(i, j).0];
            } else {
                j += 1;
                demand = self.masses.demand[at(i, j).1];
            }
        }
    }
}

/// Positions in ascending order of their values, equal ones by position.
fn sorted(values: &[f64]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..values.len() as u32).collect();
    order.sort_unstable_by(|&a, &b| values[a as usize].total_cmp(&values[b as usize]).then(a.cmp(&b)));
    order
}
