//! Changes made by hand: every field that a forger would touch, every spelling that one reader might take for another.
//!
//! All of them are tried on every certificate that has the place. A *forgery* must not be believed: it makes a claim
//! false, leaves one without proof, or is no certificate. A *remark* leaves all claims true, and must be believed.

use kantor::theory::certificate::{SCHEMA, SCHEMA_1};
use serde_json::{Value, json};

use super::bases::Base;
use super::forge::{Forge, Mutant, set, transport, version_1};
use super::{constraints, evidence, inputs, quality, spellings, tokens};

/// All that is tried on a certificate.
pub(super) fn forgeries(base: &Base) -> Vec<Mutant> {
    let mut forge = Forge::new(base);
    claims(&mut forge);
    statement(&mut forge);
    inputs::all(&mut forge, base);
    subset(&mut forge);
    evidence::plan(&mut forge);
    evidence::potentials(&mut forge);
    evidence::witness(&mut forge);
    evidence::shift(&mut forge);
    constraints::all(&mut forge);
    quality::all(&mut forge);
    tokens::all(&mut forge);
    remarks(&mut forge);
    spellings::all(&mut forge, &base.certificate.to_json());
    forge.mutants
}

fn claims(forge: &mut Forge) {
    let ends = [("/distance/lower", 1.0), ("/distance/upper", -1.0), ("/best/lower", 1.0)];
    for (place, inwards) in ends {
        let Some(x) = forge.number(place) else { continue };
        for share in [1e-6, 0.01, 1.0] {
            forge.put(place, json!(x + inwards * share * x.abs()));
            let farther = json!(x - inwards * share * x.abs());
            forge.remark(&format!("{place} given up by {share}"), |tree| set(tree, place, farther));
        }
        for far in [1e308, f64::MAX] {
            forge.put(place, json!(inwards * far));
        }
        // Of a kernel's distance the checker needs no evidence, so none is left over.
        let evaluated = !transport(&forge.good) && place != "/best/lower";
        forge.edit(&format!("{place} null"), evaluated, |tree| set(tree, place, Value::Null));
    }
    [0.0, -0.0, -1.0, f64::MIN_POSITIVE, 5e-324].into_iter().for_each(|x| forge.put("/distance/upper", json!(x)));
    let (lower, upper) = (forge.number("/distance/lower").unwrap(), forge.number("/distance/upper").unwrap());
    forge.put("/distance", json!({"lower": upper + 1e-6, "upper": lower - 1e-6}));
    forge.put("/distance", json!({"lower": 0.99 * lower, "upper": 0.99 * lower}));
    forge.put("/distance", json!({"lower": 1.01 * upper, "upper": 1.02 * upper}));
    forge.put("/best", json!({"lower": upper + 1e-6}));
    forge.put("/best", json!(lower));
    forge.forge("claims of all subsets without evidence", |tree| {
        tree["best"].as_object()?;
        tree["evidence"]["best_potentials"] = Value::Null;
        tree["evidence"].as_object_mut()?.remove("witness");
        tree["evidence"].as_object_mut()?.remove("shift");
        Some(())
    });
    forge.forge("a claim of the distance without evidence", |tree| {
        tree["evidence"].get("distance_potentials")?.as_array()?;
        set(tree, "/evidence/distance_potentials", Value::Null)
    });
    forge.forge("the distance of subsets of weighted rows for all subsets", |tree| {
        tree["problem"]["weights"]["subset"].as_array()?;
        tree["evidence"]["best_potentials"] = tree["evidence"]["distance_potentials"].clone();
        set(tree, "/best", json!({"lower": tree["distance"]["lower"]}))
    });
    forge.remark("nothing is claimed of all subsets", |tree| {
        tree["evidence"]["best_potentials"] = Value::Null;
        tree["evidence"].as_object_mut()?.remove("witness");
        tree["evidence"].as_object_mut()?.remove("shift");
        tree["evidence"].as_object_mut()?.remove("prices");
        tree["evidence"].as_object_mut()?.remove("task_shares");
        set(tree, "/best", Value::Null)
    });
    forge.forge("all subsets at the distance of one task alone", |tree| {
        tree["evidence"]["task_shares"].as_array()?;
        tree["problem"].as_object_mut()?.remove("tasks");
        Some(())
    });
    forge.forge("a task counts for less than nothing", |tree| {
        tree["evidence"]["task_shares"].as_array()?;
        set(tree, "/evidence/task_shares/0", json!(-0.5))
    });
    forge.forge("the worst task is left out of the plan", |tree| {
        tree["evidence"]["task_shares"].as_array()?;
        let queries = tree["evidence"]["plan"]["query"].as_array()?.clone();
        let kept: Vec<usize> = (0..queries.len()).filter(|&at| queries[at] != json!(0)).collect();
        for key in ["position", "query", "mass"] {
            let all = tree["evidence"]["plan"][key].as_array()?.clone();
            tree["evidence"]["plan"][key] = kept.iter().map(|&at| all[at].clone()).collect();
        }
        Some(())
    });
    forge.remark("nothing is claimed, and the keys are missing", |tree| {
        if !transport(tree) {
            return None;
        }
        tree["evidence"] = json!({});
        tree["distance"] = json!({});
        tree.as_object_mut()?.remove("best").map(|_| ())
    });
}

fn statement(forge: &mut Forge) {
    for cost in
        ["cosine", "half-cosine", "euclidean", "sqeuclidean", "angular", "precomputed", "nearness", "Cosine", ""]
    {
        // Kernels know directions and points, not costs: under another cost of the family they are the same.
        if transport(&forge.good) || forge.good["problem"]["objective"].get("tsds").is_some() {
            forge.put("/problem/cost", json!(cost));
        }
    }
    for p in [0, 1, 2, 3, 255, 257, 258] {
        forge.put("/problem/p", json!(p));
    }
    for place in ["/problem/budget", "/problem/pool", "/problem/queries"] {
        let n = forge.good.pointer(place).and_then(Value::as_u64).unwrap();
        [0, n - 1, n + 1, 2 * n, 1 << 32, u64::MAX].into_iter().for_each(|other| forge.put(place, json!(other)));
    }
    let convention = forge.good["problem"]["convention"].as_str().unwrap().to_owned();
    let shorter = &convention[..convention.len() - 1];
    for other in
        ["", shorter, &convention.replace("every", "this"), &format!("{convention} "), &convention.to_uppercase()]
    {
        forge.put("/problem/convention", json!(other));
    }
    for theory in [kantor::theory::statement::CONVENTION, kantor::theory::statement::KERNEL_CONVENTION] {
        forge.put("/problem/convention", json!(theory));
    }
    let gaussian = |sigma: f64| json!({"mmd": {"kernel": "gaussian", "bandwidth": sigma}});
    for constraints in
        [json!(null), json!([]), json!({"quota": 1}), json!({"": null}), json!("none"), json!(0), json!([{}])]
    {
        let name = format!("constraints {constraints}");
        forge.forge(&name, |tree| set(tree, "/problem/constraints", constraints));
    }
    let constrained = forge.good["problem"].get("constraints").is_some();
    forge.edit("no constraints, in words", !constrained, |tree| set(tree, "/problem/constraints", json!({})));
    let objectives = [
        json!(null),
        json!("W"),
        json!("energy"),
        json!("mmd"),
        json!("tsds"),
        json!({"w": null}),
        json!({"energy": null}),
        json!({"mmd": {"kernel": "energy"}}),
        json!({"mmd": {"kernel": "compact", "bandwidth": 1.0}}),
        json!({"mmd": {"kernel": {"gaussian": null}, "bandwidth": 1.0}}),
        gaussian(0.0),
        gaussian(1e-80),
        gaussian(1e300),
        gaussian(0.7),
        json!({"tsds": {}}),
        json!({"tsds": {"diversity": null}}),
        json!({"tsds": {"diversity": 0.0}}),
        json!({"tsds": {"diversity": -0.7}}),
        json!({"tsds": {"diversity": 0.6}}),
        json!({"tsds": {"diversity": 1e-300}}),
        json!({"tsds": {"diversity": 1e308}}),
    ];
    for objective in objectives {
        let name = format!("objective {objective}");
        let same = forge.good["problem"].get("objective") == Some(&objective);
        forge.forge(&name, |tree| (!same).then(|| tree["problem"]["objective"] = objective));
    }
    forge.remark("the objective w named", |tree| transport(tree).then(|| tree["problem"]["objective"] = json!("w")));
    forge.forge("the objective left out", |tree| tree["problem"].as_object_mut()?.remove("objective").map(|_| ()));
    for (side, count) in
        [("subset", forge.good["problem"]["budget"].as_u64()), ("query", forge.good["problem"]["queries"].as_u64())]
    {
        let (place, count) = (format!("/problem/weights/{side}"), count.unwrap() as usize);
        let all = |x: f64| vec![x; count];
        let mut first = all(0.0);
        first[0] = 1.0;
        let mut negative = all(1.0);
        negative[0] = -1.0;
        let mut minus_zero = all(1.0);
        minus_zero[0] = -0.0;
        for weights in [
            first,
            negative,
            minus_zero,
            all(0.0),
            all(-0.0),
            all(f64::MAX),
            all(5e-324),
            vec![1.0],
            vec![1.0; count + 1],
            vec![],
        ] {
            forge.put(&place, json!(weights));
        }
        forge.put(&place, json!({"0": 1.0}));
        forge.put(&place, json!("uniform"));
    }
}

fn subset(forge: &mut Forge) {
    let rows: Vec<u64> = forge.good["subset"].as_array().unwrap().iter().map(|row| row.as_u64().unwrap()).collect();
    let all = forge.good["problem"]["pool"].as_u64().unwrap();
    for at in 0..rows.len() {
        let place = format!("/subset/{at}");
        forge.put(&place, json!(rows[(at + 1) % rows.len()]));
        for row in [all + 3, 1 << 32 | rows[at], u64::MAX] {
            forge.put(&place, json!(row));
        }
        let other = (0..all).rev().find(|row| !rows.contains(row) && ![2, 7].contains(row)).unwrap();
        forge.put(&place, json!(other));
    }
    forge.put("/subset", json!([]));
    forge.put("/subset", json!(rows[1..]));
    forge.put("/subset", json!([&rows[..], &rows[..1]].concat()));
    // Plan and weights go with the order; a kernel has no plan, and weights only where tokens are the budget.
    let reversed: Vec<u64> = rows.iter().rev().copied().collect();
    let matters = transport(&forge.good) || forge.good["problem"]["weights"]["subset"].is_array();
    forge.edit("subset reversed", !matters, |tree| set(tree, "/subset", json!(reversed)));
}

fn remarks(forge: &mut Forge) {
    let other = if version_1(&forge.good) { SCHEMA } else { SCHEMA_1 };
    for schema in ["", "kantor/certificate/0", "kantor/certificate/3", other, "KANTOR/certificate/2"] {
        forge.put("/schema", json!(schema));
    }
    for end in [" ", "\u{0}", ".0"] {
        let schema = forge.good["schema"].as_str().unwrap().to_owned() + end;
        forge.put("/schema", json!(schema));
    }
    [json!(1), json!(null), json!([SCHEMA])].into_iter().for_each(|schema| forge.put("/schema", schema));
    for key in ["tool", "version", "selector"] {
        forge.remark(&format!("another {key}"), |tree| {
            set(tree, &format!("/made_by/{key}"), json!("\u{1b}[1Ksomebody\u{2066}"))
        });
        forge.put(&format!("/made_by/{key}"), json!(1));
    }
    forge.remark("no selector", |tree| tree["made_by"].as_object_mut()?.remove("selector").map(|_| ()));
    for key in ["schema", "problem", "inputs", "dropped", "distance", "subset", "evidence", "made_by"] {
        forge.forge(&format!("without {key}"), |tree| tree.as_object_mut()?.remove(key).map(|_| ()));
        forge.put(&format!("/{key}"), Value::Null);
    }
}
