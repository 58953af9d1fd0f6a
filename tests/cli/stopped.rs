//! Commands whose work looks at no flag end by the first signal, too.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use crate::run::{Run, program};
use crate::support::{example, select_example, write_npy};

/// A pipe that nobody reads and that has no room: who writes to it waits.
fn full() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let room = rustix::pipe::fcntl_getpipe_size(&writer).unwrap();
    writer.write_all(&vec![b'.'; room]).unwrap();
    (reader, writer)
}

/// Whether the process has a handler for SIGTERM.
fn hears(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).map(str::trim);
    caught.and_then(|mask| u64::from_str_radix(mask, 16).ok()).is_some_and(|mask| mask & 1 << (15 - 1) != 0)
}

/// It said `stopping` and went on to the end, or was killed by the signal.
#[test]
fn verify_and_prices_end_with_130_by_the_first_signal() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    select_example(&out, &["--budget", "20"]).assert().success();
    for (word, of) in [("verify", "round-robin/k20/certificate.json"), ("prices", "")] {
        let (reader, writer) = full();
        let mut command = program();
        command.arg(word).arg(out.join(of)).stdout(writer).stderr(Stdio::piped());
        if word == "verify" {
            command.arg("--pool").arg(example("pool.embed.npy"));
            command.arg("--query").arg(example("query_gsm8k.embed.npy"));
        }
        let child = command.spawn().unwrap();
        let (process, mut run) = (child.id(), Run::of(child));
        assert!(run.reaches(|| hears(process)), "{word}");
        run.signal("TERM");
        // Nobody reads what it would print at its end.
        assert!(!run.reaches(|| false));
        assert_eq!(run.end().0, Some(130), "{word}");
        drop(reader);
    }
}

/// It said `stopping` and went on to the end.
#[test]
fn an_exact_distance_ends_with_130_by_the_first_signal_and_leaves_no_file() {
    let work = tempfile::tempdir().unwrap();
    let numbers = |count: usize, factor: usize| -> Vec<f32> {
        (0..count * 16).map(|i| ((i * factor % 10_007) as f32 - 5003.0) / 5003.0).collect()
    };
    write_npy(&work.path().join("pool.npy"), 16, &numbers(5000, 7919));
    write_npy(&work.path().join("query.npy"), 16, &numbers(4999, 104_729));
    for more in [&["--certificate", "c.json"][..], &["--solver", "exact", "--plan", "p.safetensors"]] {
        let mut command = program();
        command.args(["distance", "--pool", "pool.npy", "--query", "query.npy", "--best", "never", "--verbose"]);
        let command = command.args(more).current_dir(work.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let run = Run::of(child);
        // The last stage before the transport has ended.
        assert!(said.any(|line| line.starts_with("overlap: ")), "{more:?}");
        run.signal("TERM");
        assert_eq!(run.end().0, Some(130), "{more:?}");
        assert_eq!(fs::read_dir(work.path()).unwrap().count(), 2, "{more:?}");
    }
}

/// It said `stopping`, and then the whole answer.
#[test]
fn a_study_ends_with_130_by_the_first_signal() {
    let work = tempfile::tempdir().unwrap();
    let tables = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/published");
    let (reader, writer) = full();
    let mut command = program();
    command.current_dir(work.path()).args(["study", "--tables", tables]).stdout(writer).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let (process, mut run) = (child.id(), Run::of(child));
    assert!(run.reaches(|| hears(process)));
    run.signal("TERM");
    // Nobody reads what it would print at its end.
    assert!(!run.reaches(|| false));
    assert_eq!(run.end().0, Some(130));
    drop(reader);
}
