//! True certificates of every kind, on so few rows that all subsets can be looked at.

use std::path::{Path, PathBuf};

use kantor::certify::{self, Terms};
use kantor::prelude::*;
use kantor::source::OnBadRow;
use kantor::theory::certificate::BestClaim;
use kantor::theory::{Certificate, Geometry, Interval, SparsePlan, Weights, sequential};
use kantor::verify::{NamedColumn, verify};

use super::{quality, quotas, tokens};

use crate::support::{Kind, facts, npy, npz, numbers, safetensors, version_1};

const ROWS: usize = 10;
const QUERIES: usize = 3;
const DIM: usize = 4;
const BUDGET: usize = 3;

/// A true certificate with the files that it speaks of.
pub(super) struct Base {
    pub(super) name: &'static str,
    pub(super) spec: InputSpec,
    pub(super) certificate: Certificate,
    /// The columns of which its constraints speak, by name.
    pub(super) columns: Vec<NamedColumn>,
    /// Of other rows the same kind of certificate, if the input is one file of pool rows and one of queries.
    pub(super) remake: Option<Remake>,
    /// Whether the checker in Python must decide: those over `.npy` files.
    pub(super) in_python: bool,
}

/// Makes a certificate of the same kind.
pub(super) struct Remake {
    kind: Kind,
    pool: Vec<f64>,
    query: Vec<f64>,
    asked: (Goal, Request),
}

impl Remake {
    /// The certificate without these rows, whose files are written to `directory` and may be forgotten.
    pub(super) fn without(&self, directory: &Path, pool: &[usize], query: &[usize]) -> Certificate {
        let kept = |values: &[f64], dropped: &[usize]| -> Vec<f64> {
            let rows = values.chunks(DIM).enumerate().filter(|(row, _)| !dropped.contains(row));
            rows.flat_map(|(_, row)| row.to_vec()).collect()
        };
        let files = Files { directory: directory.to_owned() };
        let spec = InputSpec {
            pool: vec![files.npy("rest.pool.npy", self.kind, DIM, &kept(&self.pool, pool))],
            query: vec![files.npy("rest.query.npy", self.kind, DIM, &kept(&self.query, query))],
            ..InputSpec::default()
        };
        chosen(&spec, &self.asked)
    }
}

struct Files {
    directory: PathBuf,
}

impl Files {
    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.directory.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn npy(&self, name: &str, kind: Kind, dim: usize, values: &[f64]) -> PathBuf {
        self.put(name, &npy(kind, dim, values))
    }
}

/// The certificate of what the method of `request` chooses.
fn chosen(spec: &InputSpec, (goal, request): &(Goal, Request)) -> Certificate {
    let inputs = Inputs::open(spec, goal.cost, &Quiet).unwrap();
    let outcome = select(&inputs, goal, request, &Quiet).unwrap();
    let certified = outcome.chosen[0].selections[0].certified.as_ref().unwrap();
    certified.certificate(&facts(&inputs), Some(&request.methods[0])).unwrap()
}

/// The certificate of the same rows under these weights. Subset weights leave no claim about all subsets.
fn weighted(mut certificate: Certificate, spec: &InputSpec, weights: Weights) -> Certificate {
    let cost = certificate.problem.cost;
    let inputs = Inputs::open(spec, cost, &Quiet).unwrap();
    let terms = Terms { power: certificate.problem.p, weights: weights.clone(), ..Terms::default() };
    let problem = inputs.problem(Goal { cost, ..Goal::default() }).unwrap();
    let bound = certify::distance(problem.geometry(), &terms, &certificate.subset).unwrap();
    certificate.distance = bound.interval();
    certificate.evidence.distance_potentials = bound.evidence().potentials.clone();
    certificate.evidence.plan = bound.evidence().plan.clone();
    if weights.subset.is_some() {
        (certificate.best, certificate.evidence.best_potentials) = (None, None);
    }
    certificate.problem.weights = weights;
    claiming_all(certificate, spec)
}

/// The same, claiming all that its potentials prove: any prove something.
fn claiming_all(mut certificate: Certificate, spec: &InputSpec) -> Certificate {
    if certificate.best.is_some() {
        certificate.best = Some(BestClaim { lower: 0.0 });
        let proved = verify(&certificate, spec, &[], &sequential, &Quiet).unwrap().proved().unwrap();
        certificate.best = proved.best.map(|lower| BestClaim { lower });
    }
    certificate
}

/// The certificate of the same rows for the worst of these tasks, with these shares.
fn worst(mut certificate: Certificate, spec: &InputSpec, tasks: Vec<usize>, shares: Vec<f64>) -> Certificate {
    let cost = certificate.problem.cost;
    let inputs = Inputs::open(spec, cost, &Quiet).unwrap();
    let problem = inputs.problem(Goal { cost, ..Goal::default() }).unwrap();
    let (mut potentials, mut entries, mut largest) = (Vec::new(), Vec::new(), Interval::default());
    for &count in &tasks {
        let first = potentials.len();
        let list: Vec<usize> = (first..first + count).collect();
        let alone =
            |geometry: &Geometry<'_>| certify::distance(geometry, &Terms::default(), &certificate.subset).unwrap();
        let found = problem.geometry().with_queries(&list, alone).unwrap();
        potentials.extend(found.evidence().potentials.clone().unwrap());
        let plan = found.evidence().plan.clone().unwrap();
        entries.extend(plan.entries().map(|(i, j, mass)| (i, first + j, mass)));
        let Interval { lower, upper } = found.interval();
        let most = |a: Option<f64>, b: Option<f64>| a.into_iter().chain(b).reduce(f64::max);
        largest = Interval { lower: most(largest.lower, lower), upper: most(largest.upper, upper) };
    }
    certificate.problem = certificate.problem.in_tasks(tasks);
    certificate.distance = largest;
    certificate.evidence.distance_potentials = Some(potentials);
    certificate.evidence.plan = SparsePlan::new(entries);
    certificate.evidence.task_shares = shares;
    claiming_all(certificate, spec)
}

/// All of them, with their files in `directory`.
pub(super) fn bases(directory: &Path) -> Vec<Base> {
    let files = Files { directory: directory.to_owned() };
    let points = |name: &str, kind, pool: &[f64], query: &[f64]| InputSpec {
        pool: vec![files.npy(&format!("{name}.pool.npy"), kind, DIM, pool)],
        query: vec![files.npy(&format!("{name}.query.npy"), kind, DIM, query)],
        ..InputSpec::default()
    };
    let (pool, query) = (numbers(3, ROWS * DIM), numbers(4, QUERIES * DIM));
    let goal = |cost, power, objective| Goal { cost, power, objective, budgets: vec![BUDGET] };
    let by = |method: &str| Request { methods: vec![method.to_owned()], ..Request::default() };
    let transport = |method: &str, cost, power| (goal(cost, power, Target::W), by(method));
    let mut bases = Vec::new();
    let mut add = |name, spec: InputSpec, mut certificate: Certificate, remake, in_python| {
        // Lest the folder decide which bytes are changed.
        certificate.inputs.iter_mut().for_each(|input| input.name = Some("rows".to_owned()));
        bases.push(Base { name, spec, certificate, columns: Vec::new(), remake, in_python });
    };

    let diversity = ObjectiveSettings { diversity: Some(0.7), ..ObjectiveSettings::default() }.into();
    let kinds = [
        ("cosine", Kind::F32, transport("optimal", Cost::Cosine, Power::One)),
        ("euclidean-2", Kind::F64, transport("round-robin", Cost::Euclidean, Power::Two)),
        ("energy", Kind::F32, (goal(Cost::Cosine, Power::One, Target::Energy), by("energy"))),
        ("mmd", Kind::F64, (goal(Cost::Sqeuclidean, Power::One, Target::Mmd), by("mmd"))),
        (
            "tsds",
            Kind::F32,
            (goal(Cost::Cosine, Power::One, Target::W), Request { settings: diversity, ..by("knn-uniform") }),
        ),
    ];
    for (name, kind, asked) in kinds {
        let spec = points(name, kind, &pool, &query);
        let certificate = chosen(&spec, &asked);
        let remake = Remake { kind, pool: pool.clone(), query: query.clone(), asked };
        add(name, spec, certificate, Some(remake), true);
    }

    let (a, b) = (vec![1.0, 0.3, 1e-9], vec![0.25, 2.0, 1.0]);
    let spec = points("weighted", Kind::F16, &pool, &query);
    let certificate = chosen(&spec, &transport("round-robin", Cost::Sqeuclidean, Power::One));
    let weights = Weights { subset: Some(a), query: Some(b.clone()) };
    let certificate = weighted(certificate, &spec, weights);
    add("weighted", spec, certificate, None, true);

    let spec = points("query-weighted", Kind::Fortran, &pool, &query);
    let certificate = chosen(&spec, &transport("optimal", Cost::Angular, Power::One));
    let certificate = weighted(certificate, &spec, Weights { subset: None, query: Some(b) });
    add("query-weighted", spec, certificate, None, true);

    // Two queries in each task: one alone is served by any order of the rows.
    let spec = points("worst", Kind::F32, &pool, &numbers(6, 4 * DIM));
    let certificate = chosen(&spec, &transport("optimal", Cost::Euclidean, Power::One));
    let certificate = worst(certificate, &spec, vec![2, 2], vec![0.75, 1.5]);
    add("worst", spec, certificate, None, true);

    // Rows 2 and 7 of two shards and the last query have no direction.
    let (mut bad, mut bad_query) = (pool.clone(), query.clone());
    bad[2 * DIM..3 * DIM].fill(0.0);
    bad[7 * DIM + 1] = f64::NAN;
    bad_query.extend([1e-300; DIM]);
    let spec = InputSpec {
        pool: vec![
            files.npy("dropping.pool0.npy", Kind::F32, DIM, &bad[..4 * DIM]),
            files.npy("dropping.pool1.npy", Kind::F64, DIM, &bad[4 * DIM..]),
        ],
        query: vec![files.npy("dropping.query.npy", Kind::F64, DIM, &bad_query)],
        on_bad_row: OnBadRow::Drop,
        ..InputSpec::default()
    };
    let certificate = chosen(&spec, &transport("optimal", Cost::HalfCosine, Power::One));
    add("dropping", spec, certificate, None, true);

    // Costs may be negative if no square is taken of them.
    for (name, method, cost, power, more) in [
        ("similarities", "optimal", Cost::Cosine, Power::One, 0.0),
        ("costs", "random", Cost::Precomputed, Power::One, 0.5),
        ("costs-2", "optimal", Cost::Precomputed, Power::Two, 1.0),
    ] {
        let matrix: Vec<f64> = numbers(5, ROWS * QUERIES).iter().map(|x| x + more).collect();
        let file = files.npy(&format!("{name}.npy"), Kind::F64, ROWS, &matrix);
        let spec = InputSpec { similarity: Some(file), ..InputSpec::default() };
        let certificate = chosen(&spec, &transport(method, cost, power));
        add(name, spec, certificate, None, true);
    }

    let spec = InputSpec {
        pool: vec![files.put("named.npz", &npz(DIM, &[("rows", &pool), ("others", &query)]))],
        query: vec![files.put("named.safetensors", &safetensors(DIM, &[("others", &pool), ("rows", &query)]))],
        tensor: Some("rows".to_owned()),
        ..InputSpec::default()
    };
    let certificate = chosen(&spec, &transport("optimal", Cost::Cosine, Power::One));
    add("named", spec, certificate, None, false);

    // Version 1 differs in what says which rows the inputs are.
    let old = [("cosine", "cosine-1"), ("dropping", "dropping-1"), ("costs-2", "costs-2-1"), ("named", "named-1")];
    for (name, old) in old {
        let Some(Base { spec, certificate, in_python, .. }) = bases.iter().find(|base| base.name == name) else {
            continue;
        };
        let certificate = version_1(certificate, &Inputs::open(spec, certificate.problem.cost, &Quiet).unwrap());
        let columns = Vec::new();
        bases.push(Base { name: old, spec: spec.clone(), certificate, columns, remake: None, in_python: *in_python });
    }
    let of = ["cosine", "energy", "mmd", "tsds", "dropping", "similarities"];
    let free = bases.iter().filter(|base| of.contains(&base.name));
    let constrained: Vec<Base> = free.map(|base| quotas::constrained(base, directory)).collect();
    let of = ["cosine", "energy", "dropping", "costs-2", "cosine-quotas", "energy-quotas", "worst"];
    let free = bases.iter().chain(&constrained).filter(|base| of.contains(&base.name));
    let in_tokens: Vec<Base> = free.map(|base| tokens::in_tokens(base, directory)).collect();
    let bases: Vec<Base> = bases.into_iter().chain(constrained).collect();
    let of =
        ["cosine", "euclidean-2", "energy", "query-weighted", "dropping", "costs", "cosine-quotas", "mmd", "worst"];
    let of = [&of[..], &["cosine-tokens", "cosine-quotas-tokens", "energy-quotas-tokens", "worst-tokens"]].concat();
    let plain = bases.iter().chain(&in_tokens).filter(|base| of.contains(&base.name));
    let valued: Vec<Base> = plain.map(|base| quality::valued(base, directory)).collect();
    bases.into_iter().chain(in_tokens).chain(valued).collect()
}
