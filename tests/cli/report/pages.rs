//! What the pages hold, read as XML: all of them are well-formed.

use std::collections::BTreeSet;
use std::path::Path;

use kantor::record::{Best, Comparison};
use kantor::study::{self, Cell, Joined, Pair};
use kantor::view::{Page, page};
use kantor_theory::{Cost, Interval, Objective};
use roxmltree::{Document, Node, ParsingOptions};
use sha2::{Digest, Sha256};

use super::super::support::{kantor, select_example};
use super::comparisons::{NASTY, comparison};

const BUDGETS: [usize; 4] = [500, 1000, 2500, 5000];

fn largest() -> Comparison {
    comparison(12, &BUDGETS, &[Cost::Cosine, Cost::Euclidean], 27, true)
}

fn parse(text: &str) -> Document<'_> {
    Document::parse_with_options(text, ParsingOptions { allow_dtd: true, ..ParsingOptions::default() }).unwrap()
}

fn named<'a>(document: &'a Document<'a>, name: &'a str) -> impl Iterator<Item = Node<'a, 'a>> {
    document.descendants().filter(move |node| node.has_tag_name(name) || node.tag_name().name() == name)
}

fn text(node: Node<'_, '_>) -> String {
    node.descendants().filter(Node::is_text).filter_map(|node| node.text()).collect()
}

/// The bytes that letters of RFC 4648 stand for.
fn decoded(letters: &str) -> Vec<u8> {
    let places = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect::<String>();
    let bits: String =
        letters.trim_end_matches('=').chars().map(|l| format!("{:06b}", places.find(l).unwrap())).collect();
    (0..bits.len() / 8).map(|at| u8::from_str_radix(&bits[8 * at..8 * at + 8], 2).unwrap()).collect()
}

/// What holds for every page and every figure.
fn check(page: &Page) {
    assert!(page.html.len() < 3_000_000, "{} bytes", page.html.len());
    let document = parse(&page.html);
    let mut ids = BTreeSet::new();
    for node in document.descendants().filter(Node::is_element) {
        if let Some(id) = node.attribute("id") {
            assert!(ids.insert(id), "two elements have the id {id}");
        }
        assert!(!["link", "img", "iframe", "object"].contains(&node.tag_name().name()));
        for attribute in node.attributes() {
            assert!(!["src", "href", "style"].contains(&attribute.name()), "{}", attribute.name());
            assert!(!attribute.name().starts_with("on"));
        }
    }
    // One script, which the policy knows by its digest, and its data, in which nothing is markup.
    let is_data = |script: &Node<'_, '_>| script.attribute("type") == Some("application/json");
    let (data, own): (Vec<Node<'_, '_>>, Vec<Node<'_, '_>>) = named(&document, "script").partition(is_data);
    assert_eq!((own.len(), page.html.matches("<script").count()), (1, 1 + data.len()));
    let (_, policy) = page.html.split_once("script-src 'sha256-").unwrap();
    let allowed = decoded(policy.split_once('\'').unwrap().0);
    assert_eq!(allowed, Sha256::digest(text(own[0]).as_bytes()).to_vec());
    for data in data {
        let text = text(data);
        assert!(!text.contains(['<', '>', '&']) && serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }
    for loads in ["@import", "url("] {
        assert!(!page.html.contains(loads));
    }
    let addresses = page.html.matches("http").count() - page.html.matches("http-equiv").count();
    assert_eq!(addresses, page.html.matches("xmlns=\"http://www.w3.org/2000/svg\"").count());
    for node in document.descendants().filter(|node| node.attribute("aria-labelledby").is_some()) {
        let labels = node.attribute("aria-labelledby").unwrap();
        assert!(labels.split(' ').all(|label| ids.contains(label)), "{labels}");
    }
    assert_eq!(named(&document, "h1").count(), 1);
    assert!(named(&document, "meta").any(|node| node.attribute("name") == Some("viewport")));
    assert!(named(&document, "th").all(|node| node.attribute("scope").is_some()));
    for table in named(&document, "table") {
        let columns = table.descendants().find(|node| node.has_tag_name("thead")).unwrap();
        let columns = columns.descendants().filter(|node| node.has_tag_name("th")).count();
        let body = table.descendants().filter(|node| node.has_tag_name("tbody"));
        for row in body.flat_map(|body| body.children()).filter(|node| node.has_tag_name("tr")) {
            let cells: Vec<_> = row.children().filter(Node::is_element).collect();
            assert!(cells.len() == columns || cells[0].attribute("scope") == Some("rowgroup"));
        }
    }
    let shown = named(&document, "svg").count();
    assert_eq!(shown, page.figures.len());
    let mut names = BTreeSet::new();
    for (name, svg) in &page.figures {
        assert!(name.ends_with(".svg") && names.insert(name) && !name.contains(['/', '<']), "{name}");
        let figure = parse(svg);
        let root = figure.root_element();
        assert_eq!((root.tag_name().name(), root.attribute("role")), ("svg", Some("img")));
        assert!(root.attribute("viewBox").is_some() && root.attribute("width").is_some());
        for part in ["title", "desc"] {
            let node = root.children().find(|node| node.tag_name().name() == part).unwrap();
            assert!(text(node).trim().len() > 10, "{name} has an empty {part}");
            assert!(root.attribute("aria-labelledby").unwrap().contains(node.attribute("id").unwrap()));
        }
        assert_eq!(figure.descendants().filter(|node| node.tag_name().name() == "script").count(), 0);
        // Every colour but none is known to the style sheet by its class.
        for node in figure.descendants().filter(Node::is_element) {
            for kind in ["fill", "stroke"] {
                if node.attribute(kind).is_some_and(|color| color.starts_with('#')) {
                    assert!(node.attribute("class").unwrap().starts_with(&kind[..1]), "{:?}", node);
                }
            }
        }
    }
}

#[test]
fn a_page_and_its_figures_are_well_formed_whatever_the_size() {
    check(&page::comparison(&largest()).unwrap());
    check(&page::comparison(&comparison(12, &BUDGETS, &[Cost::Cosine], 0, false)).unwrap());
    check(&page::comparison(&comparison(1, &[500], &[Cost::Cosine], 1, false)).unwrap());
}

#[test]
fn what_is_not_known_is_left_out() {
    let mut found = comparison(2, &[500], &[Cost::Precomputed], 0, false);
    found.parameters.objective = Objective::Energy;
    found.dimension = None;
    (found.warnings, found.references, found.overlaps) = (Vec::new(), Vec::new(), Vec::new());
    (found.solvers, found.sources, found.nearest) = (Vec::new(), Vec::new(), Vec::new());
    (found.unseen, found.queries, found.map) = (Vec::new(), Vec::new(), None);
    for row in &mut found.results {
        row.distance = Some(Interval { lower: None, upper: None });
        (row.excess, row.energy, row.peak_memory_bytes) = (None, None, None);
        (row.examined, row.sources) = (None, Some(Vec::new()));
    }
    let page = page::comparison(&found).unwrap();
    check(&page);
    let document = parse(&page.html);
    let headings: Vec<String> = named(&document, "th").map(text).collect();
    assert!(headings.contains(&"chamfer Q→S".to_owned()));
    for absent in ["energy", "tokens", "distance", "p"] {
        assert!(!headings.contains(&absent.to_owned()), "{absent}");
    }
    assert_eq!(page.figures.iter().map(|figure| figure.0.as_str()).collect::<Vec<_>>(), ["time.svg"]);
}

#[test]
fn text_from_inputs_is_escaped_in_page_and_figures() {
    let found = largest();
    let page = page::comparison(&found).unwrap();
    assert!(!page.html.contains("<script>x"));
    let document = parse(&page.html);
    let all = text(document.root_element());
    let example = &found.nearest[0].examples[0];
    let quoted = found.command[3].replace('\'', r"'\''");
    for words in
        [&found.warnings[0].text, &example.id, &example.text, &found.groups[26].0, &found.sources[11].0, &quoted]
    {
        assert!(all.contains(words.as_str()), "{words}");
    }
    let rows = named(&document, "th").filter(|node| text(*node) == found.methods()[11]).count();
    assert!(rows >= 2 * BUDGETS.len());
    let distance = &page.figures.iter().find(|figure| figure.0.starts_with("distance")).unwrap().1;
    assert!(!distance.contains("<script"));
    let labels: Vec<String> =
        parse(distance).descendants().filter(|node| node.tag_name().name() == "text").map(text).collect();
    assert!(labels.iter().any(|label| label.trim() == format!("{NASTY}m11")), "{labels:?}");
}

#[test]
fn the_report_says_warnings_then_numbers_then_figures() {
    let found = comparison(3, &BUDGETS, &[Cost::Cosine], 4, false);
    let page = page::comparison(&found).unwrap();
    let place = |words: &str| page.html.find(words).unwrap_or_else(|| panic!("no {words}"));
    let order = [
        "W and energy disagree",
        "What was asked",
        "Methods at each budget",
        "distance-title",
        "excess-title",
        "What limits, queries and new rows are worth",
        "Groups of queries",
        "Nearest examples",
        "What is proved",
    ]
    .map(place);
    assert!(order.is_sorted(), "{order:?}");
    for row in &found.results {
        let distance = row.distance.unwrap();
        let (lower, upper) = (distance.lower.unwrap(), distance.upper.unwrap());
        let shown = kantor::view::table::interval(distance);
        let ends: Vec<f64> = shown.trim_matches(['[', ']']).split(", ").map(|end| end.parse().unwrap()).collect();
        assert!(page.html.contains(&shown) && ends[0] <= lower && upper <= ends[1]);
    }
    // One line per selection, and the digest is short.
    let document = parse(&page.html);
    let results = named(&document, "table").find(|table| text(*table).starts_with("\nMethods at")).unwrap();
    let lines = results.descendants().filter(|node| node.attribute("scope") == Some("row")).count();
    assert_eq!(lines, found.results.len());
    assert!(page.html.contains("0123456789ab<") && !page.html.contains("0123456789abc"));
    assert!(page.html.contains("never one method across budgets"));
}

/// For every budget, of the closest selection: what limits are used for, and what they, rows and queries are worth.
#[test]
fn prices_are_shown_for_every_budget() {
    let page = page::comparison(&comparison(3, &BUDGETS, &[Cost::Cosine], 4, false)).unwrap();
    let document = parse(&page.html);
    let words = |of: Node<'_, '_>| text(of).split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
    let parts: Vec<String> =
        named(&document, "details").map(words).filter(|all| all.contains("for every choice")).collect();
    assert_eq!(parts.len(), BUDGETS.len());
    for (part, budget) in parts.iter().zip(BUDGETS) {
        for shown in [
            &format!("m0, {budget} rows: distance at most 0.400000, and at least 0.375000 for every choice")[..],
            "at most 3 rows of each `source` web 3, books 1; 1 at an end yes",
            "at most 3 rows of `source=web` 0.012300 0.032100",
            "at most 3 rows of `source=web`, 12 others",
            "4711 c4711 must not be chosen 0.250000 all 2 – must not be chosen –",
            "7 0.0625 c4712 0.1250 What is asked?",
            "1 0.037500",
        ] {
            assert!(part.contains(shown), "{shown}: {part}");
        }
    }
    let mut without = comparison(2, &[500], &[Cost::Cosine], 0, false);
    without.prices.clear();
    assert!(!page::comparison(&without).unwrap().html.contains("are worth"));
}

#[test]
fn several_costs_have_a_section_each() {
    let page = page::comparison(&largest()).unwrap();
    let document = parse(&page.html);
    let headings: Vec<String> = named(&document, "h2").map(text).collect();
    for cost in ["cosine", "euclidean"] {
        assert!(headings.contains(&format!("Results under the cost {cost}")));
        assert!(page.figures.iter().any(|figure| figure.0 == format!("distance-{cost}.svg")));
    }
}

pub(super) fn published() -> Page {
    let tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/published");
    page::published(&study::published(&tables).unwrap()).unwrap()
}

pub(super) fn joined() -> Page {
    let cell = |task: usize, budget: u64| Cell {
        task: format!("{NASTY}{task}"),
        budget,
        pairs: (0..12)
            .map(|method| Pair {
                method: format!("{NASTY}m{method}"),
                distance: 0.4 + 0.01 * method as f64,
                value: -1.5 + (method * task) as f64,
                n: 1 + task,
                value_interval: (task > 0).then_some([-1.6, 1e3]),
            })
            .collect(),
        spearman: (task > 0).then_some(1.0),
    };
    let cells = (0..3).flat_map(|task| [500, 1000, 2500].map(|budget| cell(task, budget)));
    let without_distance = vec![(NASTY.to_owned(), NASTY.to_owned(), 500)];
    page::joined(&Joined {
        cells: cells.collect(),
        mean_spearman: Some(1.0),
        correlations: 6,
        mean_spearman_interval: Some([0.9, 1.1]),
        without_distance,
        of_other_seeds: Vec::new(),
    })
    .unwrap()
}

#[test]
fn pages_of_studies_are_well_formed() {
    let page = published();
    check(&page);
    // Two heat maps, and for the one model quantiles and ranks by both outcomes.
    assert_eq!(page.figures.len(), 2 + 4);
    let document = parse(&page.html);
    assert!(named(&document, "td").any(|cell| text(cell) == "0.99"));
    let page = joined();
    check(&page);
    assert_eq!(page.figures.len(), 3);
    assert!(!page.html.contains("<script>x"));
}

#[test]
fn a_study_writes_its_page_but_not_over_the_results() {
    let directory = tempfile::tempdir().unwrap();
    let tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/published");
    let path = directory.path().join("study.html");
    kantor().arg("study").arg("--tables").arg(tables).arg("-o").arg(&path).assert().success();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), published().html);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    let results = directory.path().join("results.csv");
    let text = "task,method,budget,seed,value\ngsm8k,random,5,0,1.0\n";
    std::fs::write(&results, text).unwrap();
    let out = directory.path().join("out");
    select_example(&out, &["--method=random", "--budget=5"]).assert().success();
    let manifest = out.join("manifest.json");
    let study = |html: &Path| {
        let run = format!("gsm8k={}", manifest.display());
        kantor()
            .arg("study")
            .arg("--results")
            .arg(&results)
            .args(["--force", "--run", &run])
            .arg("--html")
            .arg(html)
            .assert()
    };
    study(&results).code(2);
    assert_eq!(std::fs::read_to_string(&results).unwrap(), text);
    study(&path).success();
    assert!(std::fs::read_to_string(&path).unwrap().contains("gsm8k"));
}

#[test]
fn numbers_without_measure_are_left_out_of_figures() {
    let extremes = [f64::NAN, f64::INFINITY, -f64::MAX, f64::MAX, 5e-324, 0.0, -1.0, 1e9, 1e9 + 1e-7];
    for pair in extremes.iter().flat_map(|a| extremes.map(|b| [*a, b])) {
        let pairs = pair.iter().zip(extremes).map(|(value, distance)| Pair {
            method: "m".to_owned(),
            distance,
            value: *value,
            n: 2,
            value_interval: Some([*value, distance]),
        });
        let cell = Cell { task: "t".to_owned(), budget: 500, pairs: pairs.collect(), spearman: None };
        check(
            &page::joined(&Joined {
                cells: vec![cell],
                mean_spearman: None,
                correlations: 0,
                mean_spearman_interval: None,
                without_distance: Vec::new(),
                of_other_seeds: Vec::new(),
            })
            .unwrap(),
        );
        let mut found = comparison(2, &[1, 100_000_000], &[Cost::Cosine], 2, false);
        for (row, value) in found.results.iter_mut().zip(pair.iter().cycle()) {
            row.distance = Some(Interval { lower: Some(*value), upper: Some(*value) });
            (row.best, row.excess) = (Some(Best::Number(*value)), Some(*value));
            (row.seconds, row.groups[0].cost) = (*value, Some(*value));
            row.examined.as_mut().unwrap().query_costs[0] = *value;
        }
        (found.references[0].mean, found.references[0].range) = (pair[0], (pair[0], pair[1]));
        check(&page::comparison(&found).unwrap());
    }
}
