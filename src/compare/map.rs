//! A map in the plane: the two principal components of rows drawn from pool and queries, and where chosen rows lie in it.
//!
//! Components are found by power iteration on the sample, deflated for the second; everything is drawn by the seed.

use kantor_solvers::Watch;
use kantor_solvers::draw::without_replacement;
use kantor_theory::cost::Family;
use kantor_theory::{Cost, Rows};

use crate::pipeline::{Error, Inputs};
use crate::record::{Map, MapChoice, SelectionRecord, closest};

/// Rows that are drawn of the pool, of the queries, and of each choice.
const POOL: usize = 600;
const QUERIES: usize = 200;
const CHOSEN: usize = 200;

/// Streams of the generator: others than those of methods and folds.
const STREAMS: [u64; 3] = [5 << 32, 6 << 32, 7 << 32];

/// Iterations of the power method; directions that are alike then are as good as one another.
const STEPS: usize = 60;

/// Rows as the cost sees them.
struct Reader<'a> {
    rows: &'a dyn Rows,
    directions: bool,
}

impl Reader<'_> {
    fn read(&self, row: usize) -> Vec<f64> {
        let mut line = vec![0.0; self.rows.dim()];
        self.rows.read_row(row, &mut line);
        let length = line.iter().map(|x| x * x).sum::<f64>().sqrt();
        if self.directions && length > 0.0 {
            line.iter_mut().for_each(|x| *x /= length);
        }
        line
    }

    /// So many rows or all of them, by the seed.
    fn sample(&self, seed: u64, stream: u64, most: usize) -> Vec<Vec<f64>> {
        let count = self.rows.len();
        let mut rows = without_replacement(seed, stream, count, most.min(count));
        rows.sort_unstable();
        rows.into_iter().map(|row| self.read(row)).collect()
    }
}

/// The plane of a sample.
struct Plane {
    mean: Vec<f64>,
    axes: [Vec<f64>; 2],
    explained: [f64; 2],
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Plane {
    /// `None` if the rows are all the same, or are not finite.
    fn of(rows: &[&Vec<f64>]) -> Option<Self> {
        let dim = rows.first()?.len();
        let mut mean = vec![0.0; dim];
        rows.iter().for_each(|row| mean.iter_mut().zip(*row).for_each(|(sum, x)| *sum += x / rows.len() as f64));
        let centred: Vec<Vec<f64>> =
            rows.iter().map(|row| row.iter().zip(&mean).map(|(x, mean)| x - mean).collect()).collect();
        let total: f64 = centred.iter().map(|row| dot(row, row)).sum();
        if !(total > 0.0 && total.is_finite()) {
            return None;
        }
        let (first, along) = direction(&centred, None)?;
        let (second, across) = direction(&centred, Some(&first)).unwrap_or_else(|| (vec![0.0; dim], 0.0));
        Some(Self { mean, axes: [first, second], explained: [along / total, across / total] })
    }

    fn place(&self, row: &[f64]) -> [f64; 2] {
        let centred: Vec<f64> = row.iter().zip(&self.mean).map(|(x, mean)| x - mean).collect();
        // Digits that nobody sees are left out.
        [0, 1].map(|axis| (dot(&centred, &self.axes[axis]) * 1e5).round() / 1e5)
    }
}

/// The direction in which the rows vary most, across `first`, and how much; the largest of its numbers is positive.
fn direction(rows: &[Vec<f64>], first: Option<&Vec<f64>>) -> Option<(Vec<f64>, f64)> {
    let across = |v: &mut Vec<f64>| {
        if let Some(first) = first {
            let along = dot(v, first);
            v.iter_mut().zip(first).for_each(|(x, f)| *x -= along * f);
        }
        let length = dot(v, v).sqrt();
        let some = length > 1e-12 && length.is_finite();
        if some {
            v.iter_mut().for_each(|x| *x /= length);
        }
        some
    };
    let starts = rows.iter().max_by(|a, b| dot(a, a).total_cmp(&dot(b, b)));
    let mut v = starts.cloned().filter(|_| first.is_none()).or_else(|| {
        let rest = |row: &Vec<f64>| first.map_or(0.0, |first| dot(row, row) - dot(row, first).powi(2));
        rows.iter().max_by(|a, b| rest(a).total_cmp(&rest(b))).cloned()
    })?;
    if !across(&mut v) {
        return None;
    }
    for _ in 0..STEPS {
        let mut next = vec![0.0; v.len()];
        for row in rows {
            let along = dot(row, &v);
            next.iter_mut().zip(row).for_each(|(sum, x)| *sum += along * x);
        }
        if !across(&mut next) {
            break;
        }
        v = next;
    }
    let largest = v.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(1.0);
    v.iter_mut().for_each(|x| *x *= largest.signum());
    let varies = rows.iter().map(|row| dot(row, &v).powi(2)).sum();
    Some((v, varies))
}

/// The map of these inputs with the closest choice of every cost and budget; `chosen` are the rows of `results`. Nothing for a
/// matrix.
pub(super) fn map(
    inputs: &Inputs,
    cost: Cost,
    seed: u64,
    results: &[SelectionRecord],
    chosen: &[Vec<usize>],
    watch: &dyn Watch,
) -> Result<Option<Map>, Error> {
    let Some((pool, queries)) = inputs.points() else { return Ok(None) };
    watch.advance(0)?;
    let directions = cost.family() == Family::Angle;
    let (pool, queries) = (Reader { rows: pool, directions }, Reader { rows: queries, directions });
    let (some, asked) = (pool.sample(seed, STREAMS[0], POOL), queries.sample(seed, STREAMS[1], QUERIES));
    let Some(plane) = Plane::of(&some.iter().chain(&asked).collect::<Vec<_>>()) else { return Ok(None) };
    let place = |rows: &[Vec<f64>]| rows.iter().map(|row| plane.place(row)).collect();
    let choice = |at: usize| {
        let rows = &chosen[at];
        let kept = without_replacement(seed, STREAMS[2], rows.len(), CHOSEN.min(rows.len()));
        let kept = kept.into_iter().map(|place| plane.place(&pool.read(rows[place]))).collect();
        let SelectionRecord { cost, budget, method, .. } = &results[at];
        MapChoice { cost: cost.unwrap_or_default(), budget: *budget, method: method.clone(), rows: kept }
    };
    let choices = closest(results).into_iter().map(choice).collect();
    Ok(Some(Map { seed, explained: plane.explained, pool: place(&some), queries: place(&asked), choices }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axes_are_the_directions_of_most_variance() {
        // An ellipse in the plane of the second and third of four numbers.
        let row = |at: usize| {
            let angle = at as f64;
            vec![1.0, 3.0 * angle.cos(), -2.0 + angle.sin(), 0.5]
        };
        let rows: Vec<Vec<f64>> = (0..200).map(row).collect();
        let plane = Plane::of(&rows.iter().collect::<Vec<_>>());
        let Some(Plane { axes, explained, .. }) = plane else { unreachable!("the rows differ") };
        assert!((axes[0][1] - 1.0).abs() < 1e-3 && (axes[1][2] - 1.0).abs() < 1e-3, "{axes:?}");
        assert!((explained[0] - 0.9).abs() < 0.01 && (explained[0] + explained[1] - 1.0).abs() < 1e-9);
        let same = vec![vec![1.0, 2.0]; 3];
        assert!(Plane::of(&same.iter().collect::<Vec<_>>()).is_none());
    }
}
