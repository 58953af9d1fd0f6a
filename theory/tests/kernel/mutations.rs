//! Certificates changed in every field, element and bit: each is refused, or what is still said of it is true.

use std::collections::HashMap;

use kantor_theory::certificate::Content;
use kantor_theory::{Certificate, Cost, Geometry, Power, Proved, Verdict};
use serde_json::{Value, json};

use crate::duality::subsets;
use crate::support::{Instance, Random};

/// Decides claims without the kernel: plain arithmetic and a look at every subset.
struct Truth<'a> {
    instance: &'a Instance,
    best: HashMap<String, f64>,
}

impl Truth<'_> {
    /// The cost of an optimal plan, for the terms that the certificate states.
    fn distance(&self, geometry: &Geometry<'_>, instance: &Instance) -> f64 {
        let plan = instance.distance_evidence(geometry).plan.unwrap();
        let total = plan.total() as f64;
        let cost = |(position, j, mass): (usize, usize, u64)| {
            instance.cost_power(geometry, instance.subset[position], j) * mass as f64 / total
        };
        let value: f64 = plan.entries().map(cost).sum();
        if instance.p == Power::Two { value.max(0.0).sqrt() } else { value }
    }

    fn assert_holds(&mut self, certificate: &Certificate, proved: &Proved, what: &str) {
        let problem = &certificate.problem;
        let instance = Instance {
            p: problem.p,
            subset: certificate.subset.clone(),
            weights: problem.weights.clone(),
            ..self.instance.clone()
        };
        assert_eq!((problem.pool, problem.queries, problem.cost), (instance.n, instance.m, instance.cost), "{what}");
        let mut distinct = instance.subset.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert!(distinct.len() == problem.budget && distinct.iter().all(|&i| i < instance.n), "{what}");
        instance.clone().with(|geometry| {
            let slack = 1e-7;
            let distance = self.distance(geometry, &instance);
            assert!(
                proved.distance.lower.is_none_or(|lower| lower <= distance + slack),
                "{what}: {proved:?} {distance}"
            );
            assert!(
                proved.distance.upper.is_none_or(|upper| upper >= distance - slack),
                "{what}: {proved:?} {distance}"
            );
            let Some(best) = proved.best else { return };
            assert!(problem.weights.subset.is_none(), "{what}");
            let key = format!("{:?} {} {:?}", problem.p, problem.budget, problem.weights);
            let smallest = self.best.get(&key).copied().unwrap_or_else(|| {
                let all = subsets(instance.n, problem.budget).into_iter();
                all.map(|subset| self.distance(geometry, &Instance { subset, ..instance.clone() }))
                    .fold(f64::INFINITY, f64::min)
            });
            self.best.insert(key, smallest);
            assert!(best <= smallest + slack, "{what}: {best} > {smallest}");
        });
    }
}

/// What became of the mutants.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) tried: u32,
    pub(crate) refused: u32,
    pub(crate) weaker: u32,
    pub(crate) verified: u32,
}

impl Tally {
    /// Reads and checks one mutant; `holds` looks whether what is verified or proved is true.
    pub(crate) fn attempt(
        &mut self,
        instance: &Instance,
        bytes: &[u8],
        what: &str,
        holds: &mut dyn FnMut(&Certificate, &Proved, &str),
    ) {
        self.tried += 1;
        let Ok(certificate) = Certificate::parse(bytes) else {
            self.refused += 1;
            return;
        };
        match instance.check(&certificate) {
            Verdict::Rejected(_) | Verdict::CannotCheck(_) => self.refused += 1,
            Verdict::Weaker(proved) => {
                self.weaker += 1;
                holds(&certificate, &proved, what);
            }
            Verdict::Verified(proved) => {
                self.verified += 1;
                holds(&certificate, &proved, what);
                let best = certificate.best.map(|best| best.lower);
                holds(&certificate, &Proved { distance: certificate.distance, best }, what);
            }
        }
    }
}

/// Hands over the certificate with every bit turned, and with every value in the place of every other.
pub(crate) fn each_change(bytes: &[u8], mut attempt: impl FnMut(&[u8], &str)) {
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut mutant = bytes.to_vec();
            mutant[at] ^= 1 << bit;
            attempt(&mutant, &format!("bit {bit} of byte {at}"));
        }
    }
    let value: Value = serde_json::from_slice(bytes).unwrap();
    for place in paths(&value) {
        for variant in variants(value.pointer(&place).unwrap()) {
            let what = format!("{place} = {variant}");
            let mut mutant = value.clone();
            *mutant.pointer_mut(&place).unwrap() = variant;
            attempt(&serde_json::to_vec(&mutant).unwrap(), &what);
        }
    }
}

/// Every value in a JSON tree, by path.
fn paths(value: &Value) -> Vec<String> {
    let below = |(key, value): (String, &Value)| paths(value).into_iter().map(move |path| format!("/{key}{path}"));
    let mut out = vec![String::new()];
    match value {
        Value::Object(map) => out.extend(map.iter().map(|(key, value)| (key.clone(), value)).flat_map(below)),
        Value::Array(items) => {
            out.extend(items.iter().enumerate().map(|(i, value)| (i.to_string(), value)).flat_map(below));
        }
        _ => {}
    }
    out
}

/// What may be put in the place of a value.
fn variants(value: &Value) -> Vec<Value> {
    let mut variants =
        vec![Value::Null, json!([]), json!({}), json!("x"), json!(true), json!(0), json!(-1), json!(1), json!(2)];
    match value {
        Value::Number(number) if number.is_u64() => {
            let n = number.as_u64().unwrap();
            variants.extend(
                [n.wrapping_add(1), n.wrapping_sub(1), n << 1, n << 32, u64::MAX, n | 1 << 62].map(Value::from),
            );
            variants.push(json!(n as f64 + 0.5));
        }
        Value::Number(number) => {
            let x = number.as_f64().unwrap();
            let near = [x.next_up(), x.next_down(), -x, x + 1.0, x - 1.0];
            let far = [2.0, 0.5, 1.0 + 1e-9, 1.0 - 1e-9, 1.001, 0.999, 1e10, 1e300, -1e300].map(|factor| x * factor);
            variants.extend(near.into_iter().chain(far).map(|x| json!(x)));
        }
        Value::String(text) => {
            variants.extend([
                json!(""),
                json!(text.to_uppercase()),
                json!(format!("{text} ")),
                json!(format!("0{text}")),
            ]);
            variants.extend(Cost::ALL.map(|cost| json!(cost.name())));
        }
        Value::Array(items) => {
            for i in 0..items.len() {
                let change = |f: &dyn Fn(&mut Vec<Value>)| {
                    let mut items = items.clone();
                    f(&mut items);
                    Value::Array(items)
                };
                variants.push(change(&|items| drop(items.remove(i))));
                variants.push(change(&|items| items.insert(i, items[i].clone())));
                variants.push(change(&|items| items.truncate(i)));
                variants.extend((0..i).map(|j| change(&|items| items.swap(i, j))));
            }
        }
        Value::Object(map) => {
            for key in map.keys() {
                let mut without = map.clone();
                let value = without.remove(key).unwrap();
                variants.push(Value::Object(without.clone()));
                without.insert(format!("{key}_"), value);
                variants.push(Value::Object(without));
            }
        }
        _ => {}
    }
    variants
}

fn mutate(instance: &Instance, certificate: &Certificate) -> Tally {
    let bytes = certificate.to_json();
    assert_eq!(instance.check(certificate).name(), "verified");
    let mut truth = Truth { instance, best: HashMap::new() };
    let mut holds =
        |certificate: &Certificate, proved: &Proved, what: &str| truth.assert_holds(certificate, proved, what);
    let mut tally = Tally::default();
    let mut attempt = |bytes: &[u8], what: &str| tally.attempt(instance, bytes, what, &mut holds);
    let random = &mut Random(7);

    each_change(&bytes, &mut attempt);
    for at in 0..bytes.len() {
        attempt(&bytes[..at], &format!("cut at {at}"));
        let mut mutant = bytes.clone();
        mutant.insert(at, b"0123456789-+.eE,[]{}\" \0"[random.below(23)]);
        attempt(&mutant, &format!("insertion at {at}"));
    }
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    let places = paths(&value);
    // Two fields at once, so that a mutant can be consistent.
    for _ in 0..2000 {
        let mut mutant = value.clone();
        let mut what = String::new();
        for _ in 0..2 {
            let place = &places[random.below(places.len())];
            if let Some(old) = mutant.pointer(place) {
                let mut options = variants(old);
                let variant = options.swap_remove(random.below(options.len()));
                what += &format!("{place} = {variant}; ");
                *mutant.pointer_mut(place).unwrap() = variant;
            }
        }
        attempt(&serde_json::to_vec(&mutant).unwrap(), &what);
    }
    tally
}

#[test]
fn no_mutation_is_believed_unless_it_is_true() {
    let mut tried = 0;
    for (cost, seed) in [(Cost::Cosine, 5), (Cost::Sqeuclidean, 12), (Cost::Precomputed, 3), (Cost::Angular, 40)] {
        let mut random = Random(seed);
        let mut instance = Instance::random(&mut random, cost, 5, 3, 3);
        while instance.n < 4
            || instance.subset.len() < 2
            || instance.m < 2
            || instance.certificate().distance.lower == Some(0.0)
        {
            instance = Instance::random(&mut random, cost, 5, 3, 3);
        }
        // Of a size at which an absolute slack makes sense.
        for x in instance.pool.iter_mut().chain(&mut instance.query) {
            if !(1e-6..1e6).contains(&x.abs()) {
                *x = random.signed();
            }
        }
        // Version 1 differs in what names the input only.
        let certificate = if cost == Cost::Angular { instance.certificate_1() } else { instance.certificate() };
        let tally = mutate(&instance, &certificate);
        println!("{cost}: {tally:?}");
        assert!(tally.refused > tally.tried / 2 && tally.weaker > 0 && tally.verified > 0, "{tally:?}");
        tried += tally.tried;
    }
    assert!(tried >= 20_000, "only {tried} mutations");
}

#[test]
fn other_input_is_noticed() {
    let instance = Instance::random(&mut Random(9), Cost::Euclidean, 6, 4, 5);
    let certificate = instance.certificate();
    let of = |certificate: &Certificate, facts: &kantor_theory::Facts| {
        instance.with(|geometry| kantor_theory::verify(certificate, facts, geometry, &kantor_theory::sequential))
    };
    type Change = fn(&mut kantor_theory::Facts);
    let changes: [Change; 6] = [
        |facts| match &mut facts.inputs[0].content {
            Content::File { sha256: digest } | Content::Values { blake3: digest, .. } => digest.replace_range(..1, "f"),
        },
        |facts| facts.inputs[0].rows += 1,
        |facts| facts.inputs[0].dim += 1,
        |facts| facts.inputs[0].dtype = "f32".into(),
        |facts| facts.inputs.truncate(1),
        |facts| facts.inputs.reverse(),
    ];
    for (certificate, mut facts) in
        [(certificate.clone(), instance.facts()), (instance.certificate_1(), instance.facts_1())]
    {
        assert_eq!(of(&certificate, &facts).name(), "verified");
        facts.inputs[0].name = Some("elsewhere.npy".into());
        assert_eq!(of(&certificate, &facts).name(), "verified");
        for change in changes {
            let mut changed = facts.clone();
            change(&mut changed);
            assert_eq!(of(&certificate, &changed).name(), "cannot-check");
        }
    }
    // The same file names over other rows: the digests say so.
    let mut other = instance.clone();
    other.pool[0] = 1.5 * other.pool[0] + 1.0;
    assert_eq!(other.check(&certificate).name(), "cannot-check");
    // Even if they did not, nothing false is believed.
    let verdict = other
        .with(|geometry| kantor_theory::verify(&certificate, &instance.facts(), geometry, &kantor_theory::sequential));
    let truth = &mut Truth { instance: &other, best: HashMap::new() };
    if let Some(proved) = verdict.proved() {
        truth.assert_holds(&certificate, &proved, "other rows");
    }
}
