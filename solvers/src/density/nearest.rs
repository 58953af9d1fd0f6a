//! Densities that count only the `cap` nearest rows, as KNN-KDE has them.
//!
//! Every row keeps a list of candidates: pairs come from the pruned search ([`search`](super::search)) with bounds of
//! their distance, and once a list is full, its `cap`-th upper bound is a bar beyond which the search skips pairs for
//! that row. What stays is evaluated in `f64`, so neither the bounds nor the order of pairs changes a density. Lists stay within a stated number of bytes: if those of all rows would not, rows are taken in groups, and
//! pairs between groups are looked at twice.
//!
//! Limit: the search's; and for each of the `cap` rows that are left to a row 2·d operations in `f64` and the 4·d bytes of
//! that row, block by block, so that most come from the second-level cache.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use kantor_theory::Rows;
use kantor_theory::cost::Family;
use kantor_theory::kernel::Kernel;
use rayon::prelude::*;

use super::cloud::{BLOCK, PairWorkspace, SortedPoints};
use super::density::{Densities, ONE, densities, fixed, lock, number, reach};
use super::search::{Halt, Pair, Search, Taker, Work};
use crate::watch::{Stopped, Watch};

/// As [`densities`] with the compact kernel, counting only the `cap` nearest rows, itself among them.
///
/// Lists take up to about `memory` bytes, at least those of one block of rows.
///
/// # Errors
/// If the observer asks to stop.
pub fn nearest(
    points: &dyn Rows,
    rows: &[usize],
    family: Family,
    kernel: Kernel,
    cap: usize,
    memory: u64,
    watch: &dyn Watch,
) -> Result<Densities, Stopped> {
    if cap >= rows.len() {
        return densities(points, rows, family, kernel, 0.0, watch);
    }
    let cloud = SortedPoints::new(points, rows, family);
    let search = Search::new(&cloud, reach(&kernel, 0.0));
    // Itself is always among the nearest.
    let others = cap - 1;
    let mut values = vec![1.0; rows.len()];
    let mut work = Work::default();
    // Full lists of this many blocks take no more than `memory`.
    let block_bytes = (BLOCK * full(others) * size_of::<Near>()) as u64;
    let certain = (memory / block_bytes).clamp(1, cloud.blocks() as u64) as usize * BLOCK;
    let mut scope = 0..cloud.len();
    while others > 0 && !scope.is_empty() {
        let limit = if scope.len() <= certain { u64::MAX } else { memory };
        let lists = Lists::new(&search, &cloud, others, scope.clone(), limit);
        match search.sweep(scope.clone(), watch, &lists) {
            Ok(done) => {
                work = done;
                let found = lists.finish(&kernel);
                for (position, value) in scope.clone().zip(found) {
                    values[cloud.given[position]] = value;
                }
                scope = scope.end..cloud.len().min(scope.end + certain);
            }
            Err(Halt::Full) => scope.end = scope.start + certain,
            Err(Halt::Stopped) => return Err(Stopped),
        }
    }
    Ok(Densities { values, omitted: 0.0, work })
}

/// Most candidates on a list for the `cap` nearest: some more than that, so that lists are cut seldom.
fn full(cap: usize) -> usize {
    cap + cap / 8 + 32
}

/// A row that may be among the nearest.
#[derive(Debug, Clone, Copy)]
struct Near {
    position: u32,
    /// An upper bound of its squared distance as it would be evaluated.
    upper: f32,
}

/// Lists of the nearest rows of a range of positions.
struct Lists<'a, 'b> {
    search: &'b Search<'a, 'b>,
    cloud: &'b SortedPoints<'a>,
    cap: usize,
    scope: Range<usize>,
    blocks: Vec<Mutex<Vec<Vec<Near>>>>,
    /// By position in the scope: bits of a screened cosine below which no row is among the nearest. It only rises.
    bars: Vec<AtomicU32>,
    /// Bytes reserved for lists.
    held: AtomicU64,
    limit: u64,
}

impl Taker for Lists<'_, '_> {
    fn take(&self, pairs: &[Pair]) -> Result<(), Halt> {
        let Some(first) = pairs.first() else { return Ok(()) };
        let (a, b) = (first.a as usize / BLOCK, first.b as usize / BLOCK);
        self.offer(a, pairs.iter().map(|pair| (pair.a, pair.b, pair.cosine)));
        if self.scope.contains(&(b * BLOCK)) {
            self.offer(b, pairs.iter().map(|pair| (pair.b, pair.a, pair.cosine)));
        }
        if self.held.load(Ordering::Relaxed) > self.limit { Err(Halt::Full) } else { Ok(()) }
    }

    fn least(&self, position: usize) -> f32 {
        if self.scope.contains(&position) { self.bar(position) } else { f32::INFINITY }
    }
}

impl<'a, 'b> Lists<'a, 'b> {
    fn new(
        search: &'b Search<'a, 'b>,
        cloud: &'b SortedPoints<'a>,
        cap: usize,
        scope: Range<usize>,
        limit: u64,
    ) -> Self {
        let blocks = (scope.start / BLOCK..scope.end.div_ceil(BLOCK))
            .map(|number| Mutex::new(vec![Vec::new(); cloud.block(number).len()]))
            .collect();
        let bars = scope.clone().map(|_| AtomicU32::new(f32::NEG_INFINITY.to_bits())).collect();
        Self { search, cloud, cap, scope, blocks, bars, held: AtomicU64::new(0), limit }
    }

    fn bar(&self, position: usize) -> f32 {
        f32::from_bits(self.bars[position - self.scope.start].load(Ordering::Relaxed))
    }

    fn offer(&self, block: usize, pairs: impl Iterator<Item = (u32, u32, f32)>) {
        let mut lists = lock(&self.blocks[block - self.scope.start / BLOCK]);
        let (room, mut reserved) = (full(self.cap), 0);
        for (u, position, cosine) in pairs {
            let u = u as usize;
            if cosine >= self.bar(u) {
                let (_, upper) = self.search.squared(u, position as usize, cosine);
                let list = &mut lists[u - block * BLOCK];
                let before = list.capacity();
                if list.len() == before && before >= room / 4 {
                    list.reserve_exact(room - before);
                }
                list.push(Near { position, upper: (upper as f32).next_up() });
                reserved += list.capacity() - before;
                if list.len() >= room {
                    self.cut(u, list);
                }
            }
        }
        self.held.fetch_add((reserved * size_of::<Near>()) as u64, Ordering::Relaxed);
    }

    /// Drops candidates that cannot be among the nearest, or all but the nearest if that leaves too many.
    fn cut(&self, u: usize, list: &mut Vec<Near>) {
        if list.len() <= self.cap {
            return;
        }
        list.select_nth_unstable_by(self.cap - 1, |x, y| x.upper.total_cmp(&y.upper));
        let bar = f64::from(list[self.cap - 1].upper);
        let least = self.search.least(u, bar);
        self.bars[u - self.scope.start].store(least.to_bits(), Ordering::Relaxed);
        let mut at = 0;
        list.retain(|near| {
            at += 1;
            at <= self.cap || self.lower(u, near) <= bar
        });
        if list.len() > full(self.cap) - self.cap / 16 - 16 {
            let mut exact = Vec::new();
            let positions: Vec<u32> = list.iter().map(|near| near.position).collect();
            self.cloud.squared(&mut PairWorkspace::default(), u, &positions, &mut exact);
            let mut order: Vec<usize> = (0..exact.len()).collect();
            // Which of equally near rows stay changes no sum.
            order.select_nth_unstable_by(self.cap - 1, |&x, &y| exact[x].total_cmp(&exact[y]));
            let nearest: Vec<Near> = order[..self.cap].iter().map(|&at| list[at]).collect();
            list.clear();
            list.extend(nearest);
        }
    }

    /// A lower bound of a candidate's squared distance.
    fn lower(&self, u: usize, near: &Near) -> f64 {
        // The upper bound was rounded to single precision and then up.
        let upper = f64::from(near.upper) - 2.0 * f64::from(f32::EPSILON) * f64::from(near.upper.abs());
        upper - 2.0 * self.search.half_width(u, near.position as usize) - f64::from(f32::MIN_POSITIVE)
    }

    /// The densities.
    fn finish(self, kernel: &Kernel) -> Vec<f64> {
        let first = self.scope.start / BLOCK;
        let of_block = |block: usize| {
            let mut lists = std::mem::take(&mut *lock(&self.blocks[block]));
            let start = (first + block) * BLOCK;
            for (offset, list) in lists.iter_mut().enumerate() {
                self.cut(start + offset, list);
                list.sort_unstable_by_key(|near| near.position);
            }
            let value = |squared: &mut Vec<f64>| {
                if squared.len() > self.cap {
                    squared.select_nth_unstable_by(self.cap - 1, f64::total_cmp);
                    squared.truncate(self.cap);
                }
                let value = |&squared: &f64| u128::from(fixed(kernel.value(squared.max(0.0))));
                number(ONE + squared.iter().map(value).sum::<u128>())
            };
            self.exact(start, &lists).iter_mut().map(value).collect::<Vec<f64>>()
        };
        (0..self.blocks.len()).into_par_iter().with_max_len(1).flat_map_iter(of_block).collect()
    }

    /// The squared distances of all candidates of the rows from `start` on, whose lists are ascending: those in one
    /// block of positions after the other.
    fn exact(&self, start: usize, lists: &[Vec<Near>]) -> Vec<Vec<f64>> {
        let mut scratch = PairWorkspace::default();
        let (mut positions, mut values) = (Vec::new(), Vec::new());
        let mut squared: Vec<Vec<f64>> = lists.iter().map(|list| Vec::with_capacity(list.len())).collect();
        for number in 0..self.cloud.blocks() {
            let end = self.cloud.block(number).end;
            for (offset, (list, squared)) in lists.iter().zip(&mut squared).enumerate() {
                let rest = &list[squared.len()..];
                let here = rest.partition_point(|near| (near.position as usize) < end);
                if here > 0 {
                    positions.clear();
                    positions.extend(rest[..here].iter().map(|near| near.position));
                    self.cloud.squared(&mut scratch, start + offset, &positions, &mut values);
                    squared.extend_from_slice(&values);
                }
            }
        }
        squared
    }
}
