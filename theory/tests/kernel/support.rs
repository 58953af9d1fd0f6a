//! Small instances of every awkward kind, and a transport solver simple enough to be believed.

use kantor_theory::bounds::sequential;
use kantor_theory::certificate::{Content, Input, MadeBy, Role, SCHEMA_1};
use kantor_theory::{
    BestBound, Candidates, Certificate, Cost, DenseRows, DistanceBound, DistanceEvidence, Facts, Geometry, Power,
    Rejection, SparsePlan, Statement, Verdict, Weights, best_bound, distance_bound, verify,
};

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Uniform on 0..n.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    /// Uniform on [-1, 1).
    pub(crate) fn signed(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// Pool and queries, or a matrix if `dim` is 0.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    pub(crate) cost: Cost,
    pub(crate) p: Power,
    pub(crate) n: usize,
    pub(crate) m: usize,
    pub(crate) dim: usize,
    /// N×d, or the M×N matrix.
    pub(crate) pool: Vec<f64>,
    /// M×d, or empty.
    pub(crate) query: Vec<f64>,
    /// Distinct pool rows.
    pub(crate) subset: Vec<usize>,
    pub(crate) weights: Weights,
}

impl Instance {
    /// An instance with 1..=n pool rows and 1..=m queries; `kind` chooses what is awkward about it.
    pub(crate) fn random(random: &mut Random, cost: Cost, n: usize, m: usize, dim: usize) -> Self {
        let (n, m) = (1 + random.below(n), 1 + random.below(m));
        let p = if random.below(3) == 0 { Power::Two } else { Power::One };
        let matrix = cost == Cost::Precomputed
            || matches!(cost, Cost::Cosine | Cost::Angular | Cost::HalfCosine) && random.below(8) == 0;
        let (dim, pool, query) = if matrix {
            (0, matrix_values(random, cost, p, n * m), Vec::new())
        } else {
            let dim = 1 + random.below(dim);
            let (pool, query) = rows(random, cost, n, m, dim);
            (dim, pool, query)
        };
        let mut subset: Vec<usize> = (0..n).collect();
        random.shuffle(&mut subset);
        subset.truncate(1 + random.below(n));
        let side = |random: &mut Random, count: usize| (random.below(5) == 0).then(|| weights(random, count));
        let weights = Weights { subset: side(random, subset.len()), query: side(random, m) };
        Self { cost, p, n, m, dim, pool, query, subset, weights }
    }

    /// Calls `f` with the geometry.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&Geometry<'_>) -> T) -> T {
        if self.dim == 0 {
            let matrix = DenseRows::from_f64(self.n, self.pool.clone()).unwrap();
            return f(&Geometry::from_matrix(&matrix, self.cost).unwrap());
        }
        let rows = |values: &Vec<f64>| DenseRows::from_f64(self.dim, values.clone()).unwrap();
        let pool = rows(&self.pool);
        f(&Geometry::new(&pool, &rows(&self.query), self.cost).unwrap())
    }

    pub(crate) fn problem(&self, geometry: &Geometry<'_>) -> Statement {
        Statement::new(geometry, self.p, self.subset.len()).weighted(self.weights.clone())
    }

    /// c^p as plain arithmetic has it.
    pub(crate) fn cost_power(&self, geometry: &Geometry<'_>, i: usize, j: usize) -> f64 {
        let c = geometry.cost_of(i, j);
        if self.p == Power::Two { c * c } else { c }
    }

    /// Optimal evidence for the subset, by plain arithmetic.
    pub(crate) fn distance_evidence(&self, geometry: &Geometry<'_>) -> DistanceEvidence {
        let costs: Vec<Vec<f64>> =
            self.subset.iter().map(|&i| (0..self.m).map(|j| self.cost_power(geometry, i, j)).collect()).collect();
        let (k, m) = (self.subset.len(), self.m);
        let (supply, demand) = match (&self.weights.subset, &self.weights.query) {
            (None, None) => (vec![m as u64; k], vec![k as u64; m]),
            (a, b) => (shares(a.as_deref(), k, (k * m) as u64), shares(b.as_deref(), m, (k * m) as u64)),
        };
        let (flow, potentials) = transport(&costs, &supply, &demand);
        DistanceEvidence { potentials: Some(potentials), plan: SparsePlan::new(flow) }
    }

    /// Optimal potentials for the bound on all subsets of `budget` rows: a query that costs nothing takes what is left.
    pub(crate) fn best_potentials(&self, geometry: &Geometry<'_>, budget: usize) -> Vec<f64> {
        let (n, m) = (self.n, self.m);
        let costs: Vec<Vec<f64>> =
            (0..n).map(|i| (0..m).map(|j| self.cost_power(geometry, i, j)).chain([0.0]).collect()).collect();
        let mut demand = vec![budget as u64; m];
        demand.push(((n - budget) * m) as u64);
        let (_, mut g) = transport(&costs, &vec![m as u64; n], &demand);
        let rest = g.pop().unwrap();
        g.iter().map(|x| x - rest).collect()
    }

    /// What stands for a digest.
    fn digest(&self) -> String {
        let all = self.pool.iter().chain(&self.query);
        format!("{:064x}", all.fold(1u64, |hash, x| (hash ^ x.to_bits()).wrapping_mul(0x100_0000_01b3)))
    }

    /// One range for each role.
    pub(crate) fn facts(&self) -> Facts {
        let inputs = match self.dim {
            0 => vec![range(Role::Similarity, 0, self.m, self.n, &self.digest())],
            dim => vec![
                range(Role::Pool, 0, self.n, dim, &self.digest()),
                range(Role::Query, 0, self.m, dim, &self.digest()),
            ],
        };
        Facts { inputs, ..Facts::default() }
    }

    /// The same as files, as version 1 has them.
    pub(crate) fn facts_1(&self) -> Facts {
        let Facts { inputs, dropped, .. } = self.facts();
        let file = |input| Input { content: Content::File { sha256: self.digest() }, ..input };
        Facts { inputs: inputs.into_iter().map(file).collect(), dropped, ..Facts::default() }
    }

    /// The certificate as version 1 has it.
    pub(crate) fn certificate_1(&self) -> Certificate {
        let mut certificate = self.certificate();
        (certificate.schema, certificate.inputs) = (SCHEMA_1.to_owned(), self.facts_1().inputs);
        certificate
    }

    /// The bounds that this evidence proves.
    pub(crate) fn distance(
        &self,
        geometry: &Geometry<'_>,
        evidence: DistanceEvidence,
    ) -> Result<DistanceBound, Rejection> {
        distance_bound(geometry, &self.problem(geometry), &self.subset, evidence, &sequential)
    }

    /// What these potentials prove of all subsets of `budget` rows.
    pub(crate) fn best(&self, geometry: &Geometry<'_>, budget: usize, g: Vec<f64>) -> Result<BestBound, Rejection> {
        let weights = Weights { subset: None, query: self.weights.query.clone() };
        let problem = Statement::new(geometry, self.p, budget).weighted(weights);
        best_bound(geometry, &problem, g, Candidates::All, &sequential)
    }

    /// A certificate with optimal evidence; with a bound for all subsets unless the subset is weighted.
    pub(crate) fn certificate(&self) -> Certificate {
        self.with(|geometry| {
            let distance = self.distance(geometry, self.distance_evidence(geometry)).unwrap();
            let k = self.subset.len();
            let best = self.weights.subset.is_none().then(|| {
                let g = self.best_potentials(geometry, k);
                self.best(geometry, k, g).unwrap()
            });
            let made_by = MadeBy { tool: "test".into(), version: "1".into(), selector: None };
            let facts = self.facts();
            Certificate::new(facts.inputs, facts.dropped, &distance, best.as_ref(), made_by).unwrap()
        })
    }

    /// What the checker says of it.
    pub(crate) fn check(&self, certificate: &Certificate) -> Verdict {
        let facts = if certificate.schema == SCHEMA_1 { self.facts_1() } else { self.facts() };
        self.with(|geometry| verify(certificate, &facts, geometry, &sequential))
    }
}

/// A range of rows.
pub(crate) fn range(role: Role, start: usize, rows: usize, dim: usize, digest: &str) -> Input {
    let content = Content::Values { start, blake3: digest.to_owned() };
    Input { role, name: Some("rows.npy".into()), tensor: None, rows, dim, dtype: "f64".into(), content }
}

/// Costs, negative ones only where they are not squared; or cosines, some of them outside [−1, 1] by rounding.
fn matrix_values(random: &mut Random, cost: Cost, p: Power, count: usize) -> Vec<f64> {
    let scale = [1.0, 1e-20, 1e20][random.below(3)];
    (0..count)
        .map(|_| match (cost, random.below(6)) {
            (Cost::Precomputed, 0) => 0.0,
            (Cost::Precomputed, 1) => f64::from_bits(random.bits() % 1000),
            (Cost::Precomputed, 2) if p == Power::One => -scale * random.signed().abs(),
            (Cost::Precomputed, _) => scale * random.signed().abs(),
            (_, 0) => 1.0,
            (_, 1) => 1.0 - f64::EPSILON * random.below(4) as f64,
            (_, 2) => [1.0, -1.0][random.below(2)] * (1.0 + f64::EPSILON * random.below(4) as f64),
            _ => random.signed(),
        })
        .collect()
}

/// Rows of awkward scales, directions and coincidences.
fn rows(random: &mut Random, cost: Cost, n: usize, m: usize, dim: usize) -> (Vec<f64>, Vec<f64>) {
    let kind = random.below(8);
    let f32s = random.below(2) == 0;
    let distance = matches!(cost, Cost::Euclidean | Cost::Sqeuclidean);
    let value = |random: &mut Random, first: bool| -> f64 {
        let x = random.signed();
        match kind {
            0 => x,
            1 => x * 1e20,
            2 => x * 1e-20,
            3 => x * 10f64.powi(random.below(41) as i32 - 20),
            // Subnormal entries, beside one that gives the row a direction.
            4 if first && !distance => 1.0 + x.abs(),
            4 if f32s => f64::from(f32::from_bits(random.below(1 << 20) as u32)),
            4 => f64::from_bits(random.bits() % (1 << 40)),
            5 => (3.0 * x).round(),
            // Squares underflow.
            6 if distance => x * 1e-161,
            _ => x,
        }
    };
    let make = |random: &mut Random, count: usize| -> Vec<f64> {
        let mut values: Vec<f64> = (0..count * dim).map(|t| value(random, t % dim == 0)).collect();
        for row in values.chunks_exact_mut(dim) {
            for x in row.iter_mut().filter(|_| f32s) {
                *x = f64::from(*x as f32);
            }
            if row.iter().map(|x| x * x).sum::<f64>() < 1e-130 && !distance {
                row[0] = 1.0;
            }
        }
        values
    };
    let query = make(random, m);
    let mut pool = make(random, n);
    // Duplicates of queries, multiples of queries, and rows an ulp or a bit more away from them.
    for row in pool.chunks_exact_mut(dim) {
        let j = random.below(m);
        let original = &query[j * dim..(j + 1) * dim];
        let t = random.below(dim);
        match random.below(if kind == 7 { 4 } else { 12 }) {
            0 => row.copy_from_slice(original),
            1 => row.iter_mut().zip(original).for_each(|(x, q)| *x = 2.0 * q),
            2 => {
                row.copy_from_slice(original);
                row[t] = row[t].next_up();
            }
            3 => {
                row.copy_from_slice(original);
                row[t] *= 1.0 + 1e-9 * random.signed();
            }
            _ => {}
        }
    }
    (pool, query)
}

/// Weights over up to twelve orders of magnitude, some zero, not all.
fn weights(random: &mut Random, count: usize) -> Vec<f64> {
    let mut weights: Vec<f64> = (0..count)
        .map(|_| match random.below(5) {
            0 => 0.0,
            1 => random.signed().abs(),
            _ => random.signed().abs() * 10f64.powi(-(random.below(13) as i32)),
        })
        .collect();
    weights[random.below(count)] = 0.1 + random.signed().abs();
    weights
}

/// Integers close to the weights' shares of 2⁵⁵, rounded up to a multiple of `multiple`, with exactly that sum.
fn shares(weights: Option<&[f64]>, count: usize, multiple: u64) -> Vec<u64> {
    let total = (1u64 << 55).next_multiple_of(multiple);
    let Some(weights) = weights else { return vec![total / count as u64; count] };
    let sum: f64 = weights.iter().sum();
    let mut shares: Vec<u64> = weights.iter().map(|w| (w / sum * total as f64) as u64).collect();
    let largest = (0..count).max_by_key(|&i| shares[i]).unwrap();
    let others: u64 = shares.iter().sum::<u64>() - shares[largest];
    shares[largest] = total - others;
    shares
}

/// Minimum-cost transport by successive shortest paths: the plan's entries and optimal column potentials.
///
/// Exact for costs rounded to 2⁻⁵⁰ of the largest; supplies and demands must have the same sum.
pub(crate) fn transport(costs: &[Vec<f64>], supply: &[u64], demand: &[u64]) -> (Vec<(usize, usize, u64)>, Vec<f64>) {
    let (k, m) = (supply.len(), demand.len());
    let unit = costs.iter().flatten().fold(f64::MIN_POSITIVE, |a, c| a.max(c.abs())) / (1u64 << 50) as f64;
    let costs: Vec<Vec<i64>> =
        costs.iter().map(|row| row.iter().map(|c| (c / unit).round() as i64).collect()).collect();
    let mut flow = vec![vec![0u64; m]; k];
    let (mut supply, mut demand) = (supply.to_vec(), demand.to_vec());
    // Never reached: no path is that long.
    const FAR: i64 = 1 << 60;
    // Bellman–Ford over rows 0..k and columns k..k+m of the residual network, from the given start distances.
    let search = |flow: &[Vec<u64>], start: &dyn Fn(usize) -> i64| {
        let mut distance: Vec<i64> = (0..k + m).map(start).collect();
        let mut parent = vec![usize::MAX; k + m];
        for _ in 0..k + m {
            let mut changed = false;
            for i in 0..k {
                for j in 0..m {
                    let c = costs[i][j];
                    if distance[i] + c < distance[k + j] {
                        (distance[k + j], parent[k + j], changed) = (distance[i] + c, i, true);
                    }
                    if flow[i][j] > 0 && distance[k + j] - c < distance[i] {
                        (distance[i], parent[i], changed) = (distance[k + j] - c, k + j, true);
                    }
                }
            }
            if !changed {
                break;
            }
        }
        (distance, parent)
    };
    while supply.iter().any(|&s| s > 0) {
        let (distance, parent) = search(&flow, &|v| if v < k && supply[v] > 0 { 0 } else { FAR });
        let end = (0..m).filter(|&j| demand[j] > 0).min_by_key(|&j| distance[k + j]);
        let end = end.expect("supplies and demands have the same sum");
        let mut path = vec![k + end];
        while parent[path[path.len() - 1]] != usize::MAX {
            path.push(parent[path[path.len() - 1]]);
        }
        let source = path[path.len() - 1];
        let mut amount = supply[source].min(demand[end]);
        for step in path.windows(2) {
            if step[0] < k {
                amount = amount.min(flow[step[0]][step[1] - k]);
            }
        }
        for step in path.windows(2) {
            if step[0] < k {
                flow[step[0]][step[1] - k] -= amount;
            } else {
                flow[step[1]][step[0] - k] += amount;
            }
        }
        supply[source] -= amount;
        demand[end] -= amount;
    }
    let (distance, _) = search(&flow, &|_| 0);
    let entries = (0..k).flat_map(|i| (0..m).map(move |j| (i, j))).map(|(i, j)| (i, j, flow[i][j]));
    (entries.filter(|entry| entry.2 > 0).collect(), distance[k..].iter().map(|&x| x as f64 * unit).collect())
}
