//! Compares a recorded text with a fresh one.

use std::fmt::Write;

/// How numbers with a fraction or an exponent are compared. Whole numbers, words and layout are always compared exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// Digit by digit: rows, orders and certificates are decided in `f64` by sums, products and roots in a fixed order,
    /// which are the same on every machine and for every number of threads.
    Exact,
    /// To 1e-9, relative above 1: exponentials and logarithms come from the system's mathematical library, whose last
    /// digit differs between machines.
    Near,
}

const NEAR: f64 = 1e-9;
/// Lines that are shown at most.
const SHOWN: usize = 8;
/// Characters of a line that are shown on each side of the first difference.
const AROUND: usize = 70;
/// Pairs of lines that are compared at most to find what two texts have in common.
const MOST: usize = 1_000_000;

/// The first lines that differ; nothing if none does.
pub(crate) fn between(old: &str, new: &str, numbers: Numbers) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same = |pair: (&&str, &&str)| equal(pair.0, pair.1, numbers);
    let head = old.iter().zip(&new).take_while(|&pair| same(pair)).count();
    let (left, right) = (&old[head..], &new[head..]);
    let tail = left.iter().rev().zip(right.iter().rev()).take_while(|&pair| same(pair)).count();
    let (left, right) = (&left[..left.len() - tail], &right[..right.len() - tail]);
    let kept = common(left, right, numbers);
    let ends = kept.iter().copied().chain([(left.len(), right.len())]);
    let (mut from, mut pairs) = ((0, 0), Vec::new());
    for (was, is) in ends {
        let gap = (was - from.0).max(is - from.1);
        let line = |lines: &[&'_ str], at: usize, end: usize| (at < end).then(|| lines[at].to_owned());
        pairs.extend((0..gap).map(|step| {
            let old = line(left, from.0 + step, was);
            (head + (from.0 + step).min(was), old, line(right, from.1 + step, is))
        }));
        from = (was + 1, is + 1);
    }
    let mut text = String::new();
    for (line, was, is) in pairs.iter().take(SHOWN) {
        let (was, is) = (was.as_deref(), is.as_deref());
        let both = was.unwrap_or_default().chars().zip(is.unwrap_or_default().chars());
        let place = both.take_while(|(a, b)| a == b).count();
        let about =
            old[..(line + 1).min(old.len())].iter().rev().find(|line| line.starts_with("===")).unwrap_or(&"start");
        writeln!(text, "  line {}, {}", line + 1, about.trim_start_matches("=== ")).unwrap();
        writeln!(text, "    old: {}", excerpt(was, place)).unwrap();
        writeln!(text, "    new: {}", excerpt(is, place)).unwrap();
    }
    if pairs.len() > SHOWN {
        writeln!(text, "  and {} more lines", pairs.len() - SHOWN).unwrap();
    }
    text
}

/// Places of lines of a longest common subsequence; none where that takes too long to find.
fn common(old: &[&str], new: &[&str], numbers: Numbers) -> Vec<(usize, usize)> {
    if old.len() * new.len() > MOST {
        return Vec::new();
    }
    let mut length = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            length[i][j] = match equal(old[i], new[j], numbers) {
                true => length[i + 1][j + 1] + 1,
                false => length[i + 1][j].max(length[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut kept) = (0, 0, Vec::new());
    while i < old.len() && j < new.len() {
        if equal(old[i], new[j], numbers) {
            kept.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if length[i + 1][j] >= length[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    kept
}

fn excerpt(line: Option<&str>, place: usize) -> String {
    let Some(line) = line else { return "(no line)".to_owned() };
    let start = place.saturating_sub(AROUND);
    let dots = if start > 0 { "…" } else { "" };
    format!("{dots}{}", line.chars().skip(start).take(2 * AROUND).collect::<String>())
}

/// Whether two lines say the same.
fn equal(old: &str, new: &str, numbers: Numbers) -> bool {
    if old == new || numbers == Numbers::Exact {
        return old == new;
    }
    let (old, new) = (words(old), words(new));
    old.len() == new.len() && old.iter().zip(&new).all(|(old, new)| old == new || close(old, new))
}

fn close(old: &str, new: &str) -> bool {
    let fraction = |word: &str| word.contains(['.', 'e']).then(|| word.parse::<f64>().ok()).flatten();
    match (fraction(old), fraction(new)) {
        (Some(old), Some(new)) => (old - new).abs() <= NEAR * old.abs().max(new.abs()).max(1.0),
        _ => false,
    }
}

/// The line cut into numbers and what stands between them.
fn words(line: &str) -> Vec<&str> {
    let numeric = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | '-' | '+');
    let mut words = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let kind = numeric(first);
        let end = rest.find(|c| numeric(c) != kind).unwrap_or(rest.len());
        words.push(&rest[..end]);
        rest = &rest[end..];
    }
    words
}

#[test]
fn a_digit_a_line_and_a_whole_number_are_differences() {
    let numbers = Numbers::Near;
    assert_eq!(between("a 0.5\n", "a 0.5000000001\n", numbers), "");
    assert_ne!(between("a 0.5\n", "a 0.5000000001\n", Numbers::Exact), "");
    assert_ne!(between("a 0.5\n", "a 0.50001\n", numbers), "");
    assert_ne!(between("row 3\n", "row 4\n", numbers), "");
    assert_ne!(between("a\nb\n", "a\n", numbers), "");
    assert!(between("=== file x\nrow 3\n", "=== file x\nrow 4\n", numbers).contains("line 2, file x"));
}
