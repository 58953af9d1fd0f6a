//! Laws of the distances that need no plan, and theorem T6: what they prove of transport, against exact transport.

use std::sync::Mutex;

use kantor_solvers::transport::exact::masses;
use kantor_solvers::transport::exact::transport;
use kantor_theory::bounds::sequential;
use kantor_theory::cost::Family;
use kantor_theory::{
    Cost, DenseRows, Geometry, Interval, Kernel, KernelMeans, KernelName, NearestDistances, PickedRows, Power, Rows,
    Weights, kernel_means, mean_difference, nearest_distances, transport_at_least,
};
use proptest::prelude::*;

const COSTS: [Cost; 5] = [Cost::Cosine, Cost::HalfCosine, Cost::Angular, Cost::Euclidean, Cost::Sqeuclidean];

/// Kernels that make a distance.
fn kernels(sigma: f64) -> impl Iterator<Item = Kernel> {
    let distances = KernelName::ALL.into_iter().filter(|name| name.makes_a_distance());
    distances.map(move |name| Kernel::new(name, name.has_bandwidth().then_some(sigma)).unwrap())
}

/// Two weighted clouds and a cost.
#[derive(Debug, Clone)]
struct Clouds {
    dim: usize,
    pool: Vec<f64>,
    query: Vec<f64>,
    a: Option<Vec<f64>>,
    b: Option<Vec<f64>>,
    cost: Cost,
}

impl Clouds {
    fn weights(&self) -> Weights {
        Weights { subset: self.a.clone(), query: self.b.clone() }
    }

    fn n(&self) -> usize {
        self.pool.len() / self.dim
    }

    fn with<T>(&self, f: impl FnOnce(&Geometry<'_>) -> T) -> T {
        let rows = |values: &Vec<f64>| DenseRows::from_f64(self.dim, values.clone()).unwrap();
        let pool = rows(&self.pool);
        f(&Geometry::new(&pool, &rows(&self.query), self.cost).unwrap())
    }

    fn means(&self, kernel: Kernel) -> KernelMeans {
        let all: Vec<usize> = (0..self.n()).collect();
        self.with(|geometry| kernel_means(geometry, kernel, &all, &self.weights(), &sequential).unwrap())
    }

    fn nearest(&self, power: Power) -> NearestDistances {
        let all: Vec<usize> = (0..self.n()).collect();
        self.with(|geometry| nearest_distances(geometry, power, &all, &self.weights(), &sequential).unwrap())
    }

    fn mean_difference(&self) -> Interval {
        let all: Vec<usize> = (0..self.n()).collect();
        self.with(|geometry| mean_difference(geometry, &all, &self.weights(), &sequential).unwrap())
    }

    /// The same with pool and queries exchanged.
    fn swapped(&self) -> Self {
        let Self { dim, pool, query, a, b, cost } = self.clone();
        Self { dim, pool: query, query: pool, a: b, b: a, cost }
    }

    /// Points as the cost compares them, and weights of total 1.
    fn side(&self, query: bool) -> Vec<(f64, Vec<f64>)> {
        let (values, weights) = if query { (&self.query, &self.b) } else { (&self.pool, &self.a) };
        let count = values.len() / self.dim;
        let weights = weights.clone().unwrap_or_else(|| vec![1.0; count]);
        let total: f64 = weights.iter().sum();
        let unit = self.cost.family() == Family::Angle;
        let point = |x: &[f64]| {
            let norm = if unit { x.iter().map(|x| x * x).sum::<f64>().sqrt() } else { 1.0 };
            x.iter().map(|x| x / norm).collect()
        };
        values.chunks(self.dim).zip(weights).map(|(x, w)| (w / total, point(x))).collect()
    }

    /// c^p between all points.
    fn costs(&self, power: Power) -> Vec<f64> {
        self.with(|geometry| {
            let pairs = (0..self.n()).flat_map(|i| (0..geometry.query_len()).map(move |j| (i, j)));
            let cost = |(i, j)| geometry.cost_of(i, j);
            pairs.map(cost).map(|c| if power == Power::Two { c * c } else { c }).collect()
        })
    }
}

fn clouds(size: usize) -> impl Strategy<Value = Clouds> {
    let value = prop_oneof![6 => -1.0f64..1.0, 1 => Just(0.5), 1 => Just(-0.25)];
    let weight = || prop_oneof![5 => 0.01f64..1.0, 1 => Just(0.0), 1 => Just(1.0)];
    (1usize..5, 2..=size, 2..=size)
        .prop_flat_map(move |(dim, n, m)| {
            let side = move |count| prop::option::of(prop::collection::vec(weight(), count));
            let rows = |count: usize| prop::collection::vec(value.clone(), count * dim);
            (Just(dim), rows(n), rows(m), side(n), side(m), prop::sample::select(COSTS.to_vec()))
        })
        .prop_map(|(dim, mut pool, mut query, mut a, mut b, cost)| {
            // No row is zero, and no side without two points of weight.
            for x in pool.chunks_mut(dim).chain(query.chunks_mut(dim)) {
                if x.iter().map(|x| x * x).sum::<f64>() < 1e-4 {
                    x[0] = 1.0;
                }
            }
            for weights in [&mut a, &mut b].into_iter().flatten() {
                weights[..2].iter_mut().for_each(|w| *w = w.max(0.25));
            }
            Clouds { dim, pool, query, a, b, cost }
        })
}

fn squared(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum()
}

fn ends(interval: Interval) -> (f64, f64) {
    (interval.lower.unwrap(), interval.upper.unwrap())
}

/// The interval holds the value up to what plain arithmetic loses, and is as tight as promised.
fn holds(interval: Interval, value: f64, slack: f64) -> bool {
    let (low, high) = ends(interval);
    low <= high && low - slack <= value && value <= high + slack && high - low <= slack
}

/// Σ a_i b_j k over pairs, without those of a point with itself if `apart`, row by row so that little is lost.
fn plain_mean(k: Kernel, x: &[(f64, Vec<f64>)], y: &[(f64, Vec<f64>)], apart: bool) -> f64 {
    let over = |f: &dyn Fn(&[f64], &[f64]) -> f64| -> f64 {
        let columns = |i: usize| (0..y.len()).filter(move |&j| !apart || i != j);
        (0..x.len()).map(|i| columns(i).map(|j| x[i].0 * y[j].0 * f(&x[i].1, &y[j].1)).sum::<f64>()).sum()
    };
    over(&|x, y| k.value(squared(x, y))) / over(&|_, _| 1.0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// What is enclosed is what the definitions say, biased and unbiased, with weights.
    #[test]
    fn values_are_those_of_the_definitions(clouds in clouds(9), sigma in 0.2f64..3.0) {
        let (x, y) = (clouds.side(false), clouds.side(true));
        for kernel in kernels(sigma) {
            let means = clouds.means(kernel);
            let cross = 2.0 * plain_mean(kernel, &x, &y, false);
            // A root near zero is known to half the digits only, and the energy kernel is one.
            let slack = if kernel.name() == KernelName::Energy || kernel.name() == KernelName::Laplace { 1e-6 } else { 1e-11 };
            let biased = plain_mean(kernel, &x, &x, false) - cross + plain_mean(kernel, &y, &y, false);
            prop_assert!(holds(means.squared(), biased, slack), "{kernel}: {biased} {:?}", means.squared());
            let unbiased = plain_mean(kernel, &x, &x, true) - cross + plain_mean(kernel, &y, &y, true);
            prop_assert!(holds(means.unbiased().unwrap(), unbiased, 40.0 * slack), "{kernel}: {unbiased}");
        }
        let mean = |side: &[(f64, Vec<f64>)], t: usize| side.iter().map(|(w, x)| w * x[t]).sum::<f64>();
        let difference = (0..clouds.dim).map(|t| (mean(&x, t) - mean(&y, t)).powi(2)).sum::<f64>().sqrt();
        prop_assert!(holds(clouds.mean_difference(), difference, 1e-13));

        for power in [Power::One, Power::Two] {
            let (costs, m) = (clouds.costs(power), y.len());
            let cost = |i: usize, j: usize| costs[i * m + j];
            let (rows, columns): (Vec<usize>, Vec<usize>) =
                ((0..x.len()).filter(|&i| x[i].0 > 0.0).collect(), (0..m).filter(|&j| y[j].0 > 0.0).collect());
            let of_query = |j: usize| rows.iter().map(|&i| cost(i, j)).fold(f64::INFINITY, f64::min);
            let of_row = |i: usize| columns.iter().map(|&j| cost(i, j)).fold(f64::INFINITY, f64::min);
            let root = |x: f64| if power == Power::Two { x.sqrt() } else { x };
            let found = clouds.nearest(power);
            let to_subset = root(columns.iter().map(|&j| y[j].0 * of_query(j)).sum());
            let to_query = root(rows.iter().map(|&i| x[i].0 * of_row(i)).sum());
            let largest = columns.iter().map(|&j| of_query(j)).chain(rows.iter().map(|&i| of_row(i))).fold(0.0, f64::max);
            prop_assert!(holds(found.chamfer_to_subset, to_subset, 1e-6), "{to_subset} {found:?}");
            prop_assert!(holds(found.chamfer_to_query, to_query, 1e-6), "{to_query} {found:?}");
            prop_assert!(holds(found.hausdorff, root(largest), 1e-6), "{largest} {found:?}");
        }
    }

    /// Theorem T6: every claim about transport holds for the exact transport distance under the same cost, power and
    /// weights; the Hausdorff distance is at most the largest cost of any plan.
    #[test]
    fn cheap_bounds_are_below_transport(clouds in clouds(9), sigma in 0.1f64..3.0) {
        let m = clouds.query.len() / clouds.dim;
        for power in [Power::One, Power::Two] {
            let costs = clouds.costs(power);
            let masses = masses(clouds.n(), clouds.a.as_deref(), m, clouds.b.as_deref()).unwrap();
            let solved = transport(&costs, &masses).unwrap();
            let root = |x: f64| if power == Power::Two { x.max(0.0).sqrt() } else { x };
            let w = root(solved.value) + 1e-7;
            let nearest = clouds.nearest(power);
            prop_assert!(ends(nearest.chamfer_to_subset).0 <= w && ends(nearest.chamfer_to_query).0 <= w);
            let largest = solved.plan.iter().map(|s| costs[s.row * m + s.query]).fold(0.0, f64::max);
            prop_assert!(ends(nearest.hausdorff).0 <= root(largest) + 1e-7);
            let below = |w1: f64| transport_at_least(clouds.cost, w1).unwrap();
            prop_assert!(below(ends(clouds.mean_difference()).0) <= w);
            for kernel in kernels(sigma) {
                let least = below(clouds.means(kernel).transport_at_least());
                prop_assert!(least <= w, "{kernel} under {}: {least} > {w}", clouds.cost);
            }
        }
    }

    /// Symmetry, and the distance between a cloud and itself.
    #[test]
    fn they_are_symmetric_and_zero_between_equals(clouds in clouds(8), sigma in 0.2f64..3.0) {
        let (there, back) = (clouds.nearest(Power::One), clouds.swapped().nearest(Power::One));
        prop_assert_eq!(there.chamfer_to_query, back.chamfer_to_subset);
        prop_assert_eq!(there.hausdorff, back.hausdorff);
        let same = Clouds { query: clouds.pool.clone(), b: clouds.a.clone(), ..clouds.clone() };
        for kernel in kernels(sigma) {
            let ((a, b), (c, d)) = (ends(clouds.means(kernel).squared()), ends(clouds.swapped().means(kernel).squared()));
            prop_assert!(a <= d && c <= b, "{kernel} {a} {b} {c} {d}");
            let (low, high) = ends(same.means(kernel).distance().unwrap());
            prop_assert!(low == 0.0 && high < 1e-3, "{kernel} {low} {high}");
        }
        let (low, high) = ends(same.mean_difference());
        prop_assert!(low == 0.0 && high < 1e-13);
        let nearest = same.nearest(Power::One);
        for interval in [nearest.chamfer_to_query, nearest.chamfer_to_subset, nearest.hausdorff] {
            let (low, high) = ends(interval);
            prop_assert!(low == 0.0 && high < 1e-6, "{nearest:?}");
        }
    }

    /// A row of weight 3 is three copies of it; the order of rows does not matter; neither changes more than a rounding.
    #[test]
    fn copies_are_weights_and_order_is_nothing(clouds in clouds(6), counts in prop::collection::vec(1usize..4, 6)) {
        let copy = |x: &[f64], i: usize| x[i * clouds.dim..(i + 1) * clouds.dim].repeat(counts[i]);
        let copied: Vec<f64> = (0..clouds.n()).rev().flat_map(|i| copy(&clouds.pool, i)).collect();
        let counted = (0..clouds.n()).map(|i| counts[i] as f64).collect();
        let (weighted, copied) =
            (Clouds { a: Some(counted), ..clouds.clone() }, Clouds { a: None, pool: copied, ..clouds.clone() });
        let meet = |a: Interval, b: Interval| ends(a).0 <= ends(b).1 && ends(b).0 <= ends(a).1;
        for kernel in kernels(0.8) {
            prop_assert!(meet(weighted.means(kernel).squared(), copied.means(kernel).squared()), "{kernel}");
        }
        let (a, b) = (weighted.nearest(Power::Two), copied.nearest(Power::Two));
        prop_assert!(meet(a.chamfer_to_query, b.chamfer_to_query) && meet(a.chamfer_to_subset, b.chamfer_to_subset));
        prop_assert_eq!(a.hausdorff, b.hausdorff);
        prop_assert!(meet(weighted.mean_difference(), copied.mean_difference()));
    }

    /// The discrepancy under the cosine kernel is the distance of the means.
    #[test]
    fn cosine_discrepancy_is_the_mean_difference(clouds in clouds(9)) {
        let cosine = Kernel::new(KernelName::Cosine, None).unwrap();
        let ((a, b), (c, d)) = (ends(clouds.means(cosine).distance().unwrap()), ends(clouds.mean_difference()));
        prop_assert!(a <= d && c <= b);
    }
}

/// Many tiles, each met once, in any order of tasks: the bits are the same, and the value that of the definition.
#[test]
fn tiles_cover_every_pair_once() {
    let dim = 3;
    let value = |i: usize| ((i * 7919 + 13) % 1009) as f64 / 1009.0 - 0.45;
    let clouds = Clouds {
        dim,
        pool: (0..2500 * dim).map(value).collect(),
        query: (0..500 * dim).map(|i| value(i + 90_001)).collect(),
        a: None,
        b: None,
        cost: Cost::Euclidean,
    };
    let rows: Vec<usize> = (0..2500).rev().collect();
    clouds.with(|geometry| {
        let evaluate = |executor: kantor_theory::Executor<'_>| {
            let weights = Weights::default();
            let means = kernel_means(geometry, Kernel::ENERGY, &rows, &weights, executor).unwrap();
            let nearest = nearest_distances(geometry, Power::One, &rows, &weights, executor).unwrap();
            (means, nearest, mean_difference(geometry, &rows, &weights, executor).unwrap())
        };
        let found = evaluate(&sequential);
        let tasks = Mutex::new(0);
        let backwards = |count: usize, task: &(dyn Fn(usize) + Sync)| {
            *tasks.lock().unwrap() += count;
            (0..count).rev().for_each(task);
        };
        assert_eq!(evaluate(&backwards), found);
        assert!(tasks.into_inner().unwrap() > 20);
        let stopped = |count: usize, task: &(dyn Fn(usize) + Sync)| (1..count).for_each(task);
        let refused = kernel_means(geometry, Kernel::ENERGY, &rows, &Weights::default(), &stopped).unwrap_err();
        assert_eq!(refused.rule, "complete");
        let (x, y) = (clouds.side(false), clouds.side(true));
        let mean = |x, y| plain_mean(Kernel::ENERGY, x, y, false);
        let plain = mean(&x, &x) - 2.0 * mean(&x, &y) + mean(&y, &y);
        assert!(holds(found.0.squared(), plain, 1e-11), "{plain} {:?}", found.0.squared());
    });
}

#[test]
fn weights_far_apart_are_refused_and_small_ones_are_not() {
    let clouds = |a: Vec<f64>| Clouds {
        dim: 1,
        pool: vec![1.0, 2.0, 4.0],
        query: vec![1.0, 3.0],
        a: Some(a),
        b: None,
        cost: Cost::Euclidean,
    };
    let plain = clouds(vec![1.0, 2.0, 1.0]).means(Kernel::ENERGY);
    for scale in [1e-300, 1e300] {
        let scaled = clouds(vec![scale, 2.0 * scale, scale]).means(Kernel::ENERGY);
        assert!(holds(scaled.squared(), ends(plain.squared()).0, 1e-12));
    }
    let far = clouds(vec![1e-200, 1e200, 1.0]);
    let refused = far
        .with(|geometry| kernel_means(geometry, Kernel::ENERGY, &[0, 1, 2], &far.weights(), &sequential).unwrap_err());
    assert_eq!(refused.rule, "weights");
    // One point with weight has no pair of different points.
    assert_eq!(clouds(vec![0.0, 1.0, 0.0]).means(Kernel::ENERGY).unbiased(), None);
}

/// Squares of negative costs are not in the order of the costs.
#[test]
fn negative_costs_have_a_mean_and_no_mean_square() {
    let matrix = DenseRows::from_f64(2, vec![-3.0, 1.0]).unwrap();
    let geometry = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
    let of = |power| nearest_distances(&geometry, power, &[0, 1], &Weights::default(), &sequential);
    assert!(holds(of(Power::One).unwrap().chamfer_to_subset, -3.0, 1e-14));
    assert!(of(Power::Two).unwrap_err().to_string().contains("negative"));
    assert!(kernel_means(&geometry, Kernel::ENERGY, &[0], &Weights::default(), &sequential).is_err());
    assert!(mean_difference(&geometry, &[0], &Weights::default(), &sequential).is_err());
}

#[test]
fn picked_rows_are_the_rows() {
    let all = DenseRows::from_f32(2, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
    let picked = PickedRows::new(&all, vec![2, 0]);
    let (mut wide, mut narrow, mut column) = ([0.0; 4], [0.0f32; 4], [0.0; 1]);
    picked.read(0, 0..2, &mut wide);
    picked.read_f32(0, &mut narrow);
    picked.read(1, 1..2, &mut column);
    assert_eq!((wide, narrow, column), ([4.0, 5.0, 0.0, 1.0], [4.0, 5.0, 0.0, 1.0], [1.0]));
    assert_eq!((picked.len(), picked.dim()), (2, 2));
}
