//! The pages in Chromium: nothing is wider than the screen, and nothing goes wrong that only a browser notices.
//!
//! Without Chromium (`chromium` on the path, or what `CHROMIUM` names) the test is skipped, unless `KANTOR_BROWSER` is
//! `required`.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use kantor::view::page;
use kantor_theory::Cost;

use super::comparisons::comparison;
use super::pages::{joined, published};

/// Widths of a telephone and of a desk.
const WIDTHS: [u32; 2] = [400, 1400];

/// Opens what is folded and tells the page around it how wide everything is.
const MEASURE: &str = "<script>addEventListener('load', () => {
document.querySelectorAll('details').forEach(part => part.open = true);
const wide = document.documentElement;
const out = [...document.querySelectorAll('h1,h2,p,li,pre,dl,figure,.scroll')]
  .filter(part => part.getBoundingClientRect().right > innerWidth + 0.5).length;
const drawn = [...document.querySelectorAll('svg')]
  .filter(part => part.closest('[hidden]') || part.getBoundingClientRect().height > 20).length;
parent.postMessage([wide.scrollWidth, innerWidth, out, drawn, getComputedStyle(document.body).maxWidth].join(' '), '*');
});</script></body>";

/// Writes what the pages inside say into this page.
const LISTEN: &str = "<!DOCTYPE html><meta charset=\"utf-8\"><body><script>
addEventListener('message', event => {
  const line = document.createElement('p');
  const frames = [...document.querySelectorAll('iframe')];
  line.textContent = 'measured ' + frames.findIndex(frame => frame.contentWindow === event.source) + ' ' + event.data + ' end';
  document.body.append(line);
});</script>";

fn chromium() -> Option<PathBuf> {
    if let Some(named) = env::var_os("CHROMIUM") {
        return Some(named.into());
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join("chromium")).find(|program| program.is_file())
}

#[test]
fn pages_fit_a_telephone_and_a_desk_without_errors() {
    let Some(chromium) = chromium() else {
        assert_ne!(env::var("KANTOR_BROWSER").as_deref(), Ok("required"), "Chromium is required and not there");
        eprintln!("skipped: there is no chromium on the path, and CHROMIUM names none");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let budgets = [500, 1000, 2500, 5000];
    let large = page::comparison(&comparison(12, &budgets, &[Cost::Cosine], 27, true)).unwrap();
    let small = page::comparison(&comparison(1, &[500], &[Cost::Cosine], 0, false)).unwrap();
    let pages = [large, small, published(), joined()];
    let mut listen = LISTEN.to_owned();
    for (place, page) in pages.iter().enumerate() {
        // As it is, for the console; then with a script that its policy would not run.
        fs::write(directory.path().join(format!("{place}.html")), &page.html).unwrap();
        let policy = page.html.find("<meta http-equiv").unwrap();
        let end = policy + page.html[policy..].find('\n').unwrap();
        let open = [&page.html[..policy], &page.html[end..]].concat().replace("</body>", MEASURE);
        fs::write(directory.path().join(format!("{place}-open.html")), open).unwrap();
        for width in WIDTHS {
            listen.push_str(&format!(
                "<iframe src=\"{place}-open.html\" width=\"{width}\" height=\"900\" frameborder=\"0\"></iframe>"
            ));
        }
        listen.push_str(&format!("<iframe src=\"{place}.html\" width=\"800\" height=\"900\"></iframe>"));
    }
    let listener = directory.path().join("listen.html");
    fs::write(&listener, listen).unwrap();
    let output = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr"])
        .args(["--hide-scrollbars", "--virtual-time-budget=20000", "--window-size=1600,1200", "--dump-dom"])
        .arg(format!("--user-data-dir={}", directory.path().join("profile").display()))
        .arg(format!("file://{}", listener.display()))
        .output()
        .unwrap();
    let (dom, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{log}");
    let console: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(console.is_empty(), "{console:?}");
    let measured: Vec<&str> = dom.split("measured ").skip(1).filter_map(|rest| rest.split(" end").next()).collect();
    for (place, page) in pages.iter().enumerate() {
        for (at, width) in WIDTHS.into_iter().enumerate() {
            let frame = format!("{} ", 3 * place + at);
            let line =
                measured.iter().find_map(|line| line.strip_prefix(&frame)).unwrap_or_else(|| panic!("{dom}\n{log}"));
            let numbers: Vec<f64> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
            assert_eq!(numbers[1], f64::from(width));
            assert!(numbers[0] <= numbers[1], "page {place} is {} wide on {width}", numbers[0]);
            assert_eq!(numbers[2], 0.0, "page {place} has parts outside of {width}");
            assert_eq!(numbers[3], page.figures.len() as f64);
            // The style sheet was used.
            assert!(line.ends_with("1280px"), "{line}");
        }
    }
}
