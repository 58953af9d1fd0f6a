//! Other spellings of a certificate: what one reader of JSON refuses and another might take.

use serde_json::{Value, json};

use super::forge::Forge;

/// Objects by place, with their keys in the order in which an array of their values would have them.
const OBJECTS: [(&str, &[&str]); 18] = [
    ("", &["schema", "problem", "inputs", "dropped", "distance", "best", "subset", "evidence", "made_by"]),
    ("/problem", &["cost", "p", "budget", "pool", "queries", "weights", "objective", "convention"]),
    ("/problem/weights", &["subset", "query"]),
    ("/problem/objective/mmd", &["kernel", "bandwidth"]),
    ("/problem/objective/tsds", &["diversity"]),
    ("/inputs/0", &["role", "name", "sha256", "tensor", "start", "rows", "dim", "dtype", "blake3"]),
    ("/dropped", &["pool", "query"]),
    ("/distance", &["lower", "upper"]),
    ("/best", &["lower"]),
    ("/problem/constraints", &["columns", "limits", "include", "exclude"]),
    ("/problem/constraints/columns/0", &["name", "blake3", "origin"]),
    ("/problem/constraints/limits/0", &["column", "of", "min", "max"]),
    ("/problem/constraints/limits/0/of", &["label"]),
    ("/evidence", &["distance_potentials", "best_potentials", "plan", "witness", "prices"]),
    ("/evidence/prices/0", &["limit", "label", "price"]),
    ("/evidence/plan", &["position", "query", "mass"]),
    ("/evidence/witness", &["rows", "weights"]),
    ("/made_by", &["tool", "version", "selector"]),
];

/// Whole numbers by place.
const COUNTS: [&str; 16] = [
    "/problem/p",
    "/problem/budget",
    "/problem/pool",
    "/problem/queries",
    "/subset/0",
    "/inputs/0/start",
    "/inputs/0/rows",
    "/inputs/0/dim",
    "/evidence/plan/mass/0",
    "/evidence/plan/position/0",
    "/evidence/plan/query/0",
    "/evidence/witness/rows/0",
    "/problem/constraints/limits/0/column",
    "/problem/constraints/include/0",
    "/problem/constraints/exclude/0",
    "/evidence/prices/0/limit",
];

/// Real numbers by place.
const REALS: [&str; 8] = [
    "/distance/lower",
    "/distance/upper",
    "/best/lower",
    "/evidence/distance_potentials/0",
    "/evidence/best_potentials/0",
    "/evidence/witness/weights/0",
    "/problem/constraints/limits/0/max",
    "/evidence/prices/0/price",
];

/// All of them; `written` is the certificate as it is.
pub(super) fn all(forge: &mut Forge, written: &[u8]) {
    objects(forge);
    keys(forge);
    numbers(forge);
    documents(forge, written);
}

/// Arrays, strings and nothing in the place of objects, and objects in the place of others.
fn objects(forge: &mut Forge) {
    for (place, keys) in OBJECTS {
        let Some(Value::Object(object)) = forge.good.pointer(place).cloned() else { continue };
        let present: Vec<&Value> = keys.iter().filter_map(|key| object.get(*key)).collect();
        let all: Vec<Value> = keys.iter().map(|key| object.get(*key).cloned().unwrap_or_default()).collect();
        for array in [json!(present), json!(all), json!(all[..all.len() - 1]), json!([object]), json!([])] {
            forge.put(place, array);
        }
        forge.put(place, json!(serde_json::to_string(&object).unwrap()));
        forge.put(place, json!(true));
    }
    for place in ["/subset", "/inputs", "/dropped/pool", "/evidence/plan/mass", "/evidence/distance_potentials"] {
        let Some(Value::Array(items)) = forge.good.pointer(place).cloned() else { continue };
        let numbered = items.iter().enumerate().map(|(at, item)| (at.to_string(), item.clone()));
        forge.put(place, Value::Object(numbered.collect()));
        forge.put(place, json!([items]));
    }
    let cost = forge.good["problem"]["cost"].as_str().unwrap().to_owned();
    forge.raw("/problem/cost", &json!({cost: null}).to_string());
}

/// Keys that are unknown, repeated, or look like others.
fn keys(forge: &mut Forge) {
    for (place, known) in OBJECTS {
        let Some(Value::Object(object)) = forge.good.pointer(place).cloned() else { continue };
        let (key, value) = known.iter().find_map(|key| Some((*key, object.get(*key)?))).unwrap();
        let inner = serde_json::to_string(&object).unwrap();
        let inner = &inner[1..inner.len() - 1];
        let escaped = format!("\\u{:04x}{}", key.as_bytes()[0], &key[1..]);
        // Both values are the true one, the first is, the second is, and the same key in escapes.
        for (first, second) in [
            (format!("\"{key}\": {value}"), inner.to_owned()),
            (format!("\"{key}\": null"), inner.to_owned()),
            (inner.to_owned(), format!("\"{key}\": null")),
            (format!("\"{escaped}\": {value}"), inner.to_owned()),
        ] {
            forge.raw(place, &format!("{{{first}, {second}}}"));
        }
        let first = &key[..1];
        let alike = match first {
            "s" => "ѕ",
            "p" => "р",
            "c" => "с",
            "d" => "ԁ",
            "r" => "г",
            _ => "ｌ",
        };
        for other in [
            "remark".to_owned(),
            String::new(),
            key.to_uppercase(),
            format!("{key} "),
            format!("{key}\0"),
            format!("{key}\u{200b}"),
            format!("{alike}{}", &key[1..]),
            "__proto__".to_owned(),
        ] {
            forge.forge(&format!("{place}: key `{}` added", other.escape_default()), |tree| {
                tree.pointer_mut(place)?.as_object_mut()?.insert(other.clone(), value.clone());
                Some(())
            });
        }
        for (key, value) in &object {
            forge.forge(&format!("{place}: key `{key}` under another name"), |tree| {
                let object = tree.pointer_mut(place)?.as_object_mut()?;
                object.remove(key);
                object.insert(format!("{key}s"), value.clone());
                Some(())
            });
        }
    }
}

/// Numbers of another kind, or beyond what holds them.
fn numbers(forge: &mut Forge) {
    for place in COUNTS {
        let Some(n) = forge.good.pointer(place).and_then(Value::as_u64) else { continue };
        let wrapped = (1u128 << 64) + u128::from(n);
        for text in [
            format!("{n}.0"),
            format!("{n}e0"),
            format!("0{n}"),
            format!("+{n}"),
            format!("-{n}"),
            format!("-{}", n + 1),
            format!("\"{n}\""),
            format!("[{n}]"),
            format!("{wrapped}"),
            format!("{n}{}", "0".repeat(5000)),
        ] {
            forge.raw(place, &text);
        }
        for text in
            ["true", "false", "null", "{}", "-0", "0x1", "1_0", "1,0", "9007199254740993", "18446744073709551616"]
        {
            forge.raw(place, text);
        }
    }
    for place in REALS {
        if forge.good.pointer(place).is_none_or(|value| !value.is_number()) {
            continue;
        }
        for text in ["NaN", "Infinity", "-Infinity", "inf", "1e999", "-1e999", "1e", ".5", "5.", "0x1p3", "--1", "1 2"]
        {
            forge.raw(place, text);
        }
        for text in ["true", "\"0\"", "\"NaN\"", "[0]", "{}", &"9".repeat(400)] {
            forge.raw(place, text);
        }
    }
}

/// Bytes around and in the document.
fn documents(forge: &mut Forge, written: &[u8]) {
    let text = std::str::from_utf8(written).unwrap().trim_end();
    let mut whole = |name: &str, bytes: Vec<u8>| forge.add(name, bytes, false);
    whole("nothing", Vec::new());
    whole("null", b"null".to_vec());
    whole("an array", b"[]".to_vec());
    whole("not text", b"\xff\x00\x93NUMPY".to_vec());
    whole("cut", text.as_bytes()[..text.len() - 1].to_vec());
    whole("half", text.as_bytes()[..text.len() / 2].to_vec());
    for tail in ["{}", "\0", "x", ",", "]", "\u{feff}", "\u{a0}", "//"] {
        whole(&format!("followed by {}", tail.escape_default()), format!("{text}{tail}").into_bytes());
    }
    whole("twice", text.repeat(2).into_bytes());
    whole("in an array", format!("[{text}]").into_bytes());
    for mark in ["\u{feff}", "\0", "\u{c}", "\u{2028}", ")]}'\n"] {
        whole(&format!("after {}", mark.escape_default()), format!("{mark}{text}").into_bytes());
    }
    let wide = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    whole("UTF-16, low byte first", wide(u16::to_le_bytes));
    whole("UTF-16, high byte first", wide(u16::to_be_bytes));
    whole("UTF-16 with its mark", [&b"\xff\xfe"[..], &wide(u16::to_le_bytes)].concat());
    whole("another quote", text.replace('"', "'").into_bytes());
    whole("a comment", text.replacen('{', "{ /* true */ ", 1).into_bytes());
    whole("a comma too many", format!("{},}}", text.strip_suffix('}').unwrap()).into_bytes());
    whole("no-break spaces", text.replacen(": ", ":\u{a0}", 1).into_bytes());
    let named = |bytes: &[u8]| {
        let (before, after) = text.split_once("\"tool\": \"").unwrap();
        [before.as_bytes(), b"\"tool\": \"", bytes, after.as_bytes()].concat()
    };
    whole("half of a surrogate pair", named(br"\ud800"));
    whole("surrogates in the wrong order", named(br"\udc00\ud800"));
    whole("an unknown escape", named(br"\x"));
    whole("a short escape", named(br"\u12"));
    whole("a line break in a string", named(b"\n"));
    whole("a control character in a string", named(b"\x01"));
    whole("no UTF-8 in a string", named(b"\xff"));
    whole("an overlong encoding in a string", named(b"\xc0\xaf"));
    for (name, open, close) in [("arrays", "[", "]"), ("objects", "{\"a\":", "}")] {
        for depth in [200, 200_000] {
            let nested = format!("{}0{}", open.repeat(depth), close.repeat(depth));
            whole(&format!("{depth} nested {name}"), nested.clone().into_bytes());
            let of_tool = text.replacen("\"tool\": \"kantor\"", &format!("\"tool\": {nested}"), 1);
            whole(&format!("{depth} nested {name} for a string"), of_tool.into_bytes());
        }
        whole(&format!("{name} without end"), open.repeat(200_000).into_bytes());
    }
    forge.add("white space around it", format!(" \r\n\t{text} \n\n"), true);
    forge.add("without white space", forge.good.to_string(), true);
    forge.add("a name in escapes", text.replacen("\"kantor\"", r#""\u006bantor \ud83d\ude00""#, 1), true);
}
