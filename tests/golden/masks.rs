//! What differs between two runs of the same command, and is masked before texts are compared. Nothing else is.

/// Values of JSON keys, in files and on standard output.
const KEYS: [(&str, &str); 14] = [
    ("seconds", "wall-clock time"),
    ("cpu_seconds", "processor time"),
    ("certify_seconds", "wall-clock time"),
    ("scan_seconds", "wall-clock time"),
    ("best_seconds", "wall-clock time"),
    ("order_seconds", "wall-clock time"),
    ("cross_fit_seconds", "wall-clock time"),
    ("peak_memory_bytes", "memory of the process"),
    ("failed_at", "time of day"),
    ("memory", "estimated need, which grows with the threads"),
    ("flops_per_second", "speed of this machine"),
    ("threads", "one per processor, or RAYON_NUM_THREADS"),
    ("kantor", "version of the program"),
    ("version", "version of the program"),
];

/// Values of JSON keys in files whose name ends so.
const KEYS_OF_FILES: [(&str, &str, &str); 2] =
    [("job.json", "digest", "covers the version of the program"), (".failed.json", "at", "time of day")];

/// Values of JSON keys in a manifest's list of outputs: they change with what is masked in these files, and are compared
/// with the files themselves instead (`files.rs`).
const KEYS_OF_OUTPUTS: [&str; 2] = ["bytes", "sha256"];

/// Columns of CSV files and of tables in pages, by their heading.
const COLUMNS: [(&str, &str); 9] = [
    ("seconds", "wall-clock time"),
    ("cpu_seconds", "processor time"),
    ("certify_seconds", "wall-clock time"),
    ("peak_memory_bytes", "memory of the process"),
    ("select s", "wall-clock time"),
    ("certify s", "wall-clock time"),
    ("CPU s", "processor time"),
    ("peak MiB", "memory of the process"),
    ("time", "wall-clock time"),
];

/// Numbers in printed text and in pages, by the word that follows them.
const UNITS: [(&str, &str); 2] = [(" s", "measured seconds"), (" MiB<", "memory of the process")];

/// Lines of printed text that say nothing but what differs, by their start and end: the estimate of `inspect`, which
/// speaks of the threads and of the memory that they need.
const LINES: [(&str, &str); 1] = [("  select ", " (rough)")];

/// Whether a line of printed text tells how far the work is, which it does where that takes long.
fn is_progress(line: &str) -> bool {
    let percent = line.strip_suffix(" %").and_then(|line| line.rsplit_once(": "));
    percent.is_some_and(|(_, percent)| !percent.is_empty() && percent.bytes().all(|digit| digit.is_ascii_digit()))
}

/// What stands for a masked value.
const MASK: &str = "#";

/// Lines of one JSON object that are longer are broken after commas, so that differences are short.
const LONG: usize = 160;

/// What was printed: JSON or text.
pub(crate) fn printed(text: &str) -> String {
    if text.starts_with('{') {
        return json("", text);
    }
    let masked = units(text);
    // Columns are as wide as the longest time in them.
    let times = text.lines().any(|line| line.split_whitespace().any(is_masked));
    let line = |line: &str| match LINES.iter().find(|(start, end)| line.starts_with(start) && line.ends_with(end)) {
        Some((start, end)) => format!("{start}{MASK}{end}"),
        None if times => narrow(line),
        None => line.to_owned(),
    };
    masked.lines().filter(|text| !is_progress(text)).map(|text| line(text) + "\n").collect()
}

/// A JSON file, JSON lines or other text.
pub(crate) fn json(name: &str, text: &str) -> String {
    let mut masked = KEYS.iter().fold(text.to_owned(), |text, (key, _)| values_of(&text, key));
    for (_, key, _) in KEYS_OF_FILES.iter().filter(|(file, ..)| name.ends_with(file)) {
        masked = values_of(&masked, key);
    }
    if let (true, Some((before, outputs))) = (name == "manifest.json", masked.split_once("\"outputs\": [")) {
        let (list, after) = outputs.split_once(']').unwrap();
        let list = KEYS_OF_OUTPUTS.iter().fold(list.to_owned(), |text, key| values_of(&text, key));
        masked = format!("{before}\"outputs\": [{list}]{after}");
    }
    masked
        .lines()
        .map(|line| if line.len() > LONG && line.starts_with('{') { broken(line) } else { line.to_owned() + "\n" })
        .collect()
}

/// A CSV file.
pub(crate) fn table(text: &str) -> String {
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default();
    let masked: Vec<bool> = head.split(',').map(is_masked).collect();
    let mask = |line: &str| {
        let cells = line.split(',').zip(&masked).map(|(cell, &hide)| if hide { MASK } else { cell });
        cells.collect::<Vec<_>>().join(",")
    };
    std::iter::once(head.to_owned()).chain(lines.map(mask)).map(|line| line + "\n").collect()
}

/// Whether a column of this heading is masked; pages put a space that does not break before units.
pub(crate) fn is_masked(heading: &str) -> bool {
    let heading = heading.replace('\u{a0}', " ");
    COLUMNS.iter().any(|(column, _)| *column == heading)
}

/// Masks numbers before one of [`UNITS`], and the version after the program's name.
pub(crate) fn units(text: &str) -> String {
    let text = text.replace(concat!("kantor ", env!("CARGO_PKG_VERSION")), "kantor #");
    UNITS.iter().fold(text, |text, (unit, _)| {
        let mut masked = String::new();
        let mut rest = &text[..];
        while let Some(at) = rest.find(unit) {
            let (before, after) = (&rest[..at], &rest[at + unit.len()..]);
            let kept = before.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
            let whole_word = !after.starts_with(|c: char| c.is_alphanumeric());
            masked += if whole_word && kept.len() < before.len() { kept } else { before };
            masked += if whole_word && kept.len() < before.len() { MASK } else { "" };
            masked += unit;
            rest = after;
        }
        masked + rest
    })
}

/// Replaces the value of every `"key":`, a number or a string.
fn values_of(text: &str, key: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    let key = format!("\"{key}\":");
    while let Some(at) = rest.find(&key) {
        let (before, after) = rest.split_at(at + key.len());
        masked += before;
        let value = after.trim_start_matches(' ');
        masked += &after[..after.len() - value.len()];
        rest = value;
        if value.starts_with(['{', '[']) {
            continue;
        }
        masked += MASK;
        rest = &value[value.find([',', '}', ']', '\n']).unwrap_or(value.len())..];
    }
    masked + rest
}

/// The line with no more than two spaces in a row.
fn narrow(line: &str) -> String {
    let mut narrow = line.to_owned();
    while narrow.contains("   ") {
        narrow = narrow.replace("   ", "  ");
    }
    narrow.trim_end().to_owned()
}

/// One JSON object with a line for every key and item.
fn broken(line: &str) -> String {
    let mut lines = String::new();
    let (mut quoted, mut escaped) = (false, false);
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        lines.push(c);
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        if !quoted && c == ',' && characters.peek().is_some_and(|next| matches!(next, '"' | '{' | '[')) {
            lines += "\n ";
        }
    }
    lines + "\n"
}
