//! Help in two lengths: `-h` shows what most calls need, `--help` everything, with examples.

use clap::{Arg, Command};

/// Commands of fewer flags show all of them in `-h` too.
const MANY: usize = 16;

/// Flags that `-h` shows of a command that has many.
const USUAL: [&str; 26] = [
    "pool",
    "query",
    "pool-jsonl",
    "text",
    "subset",
    "cost",
    "method",
    "budget",
    "token-budget",
    "tokens",
    "out",
    "force",
    "cross-fit",
    "quota",
    "dedup",
    "solver",
    "heldout-query",
    "losses",
    "model",
    "less",
    "role",
    "share",
    "all",
    "json",
    "quiet",
    "config",
];

/// Examples of a command, in lines of 80 letters: they work in a clone, but for results of one's own.
const EXAMPLES: [(&str, &str); 8] = [
    (
        "select",
        r"  kantor select --pool examples/data/pool.jsonl.gz \
      --query examples/data/query_gsm8k.jsonl -k 500 -o out
  kantor select --pool examples/data/pool.embed.npy \
      --query examples/data/query_gsm8k.embed.npy \
      --pool-jsonl examples/data/pool.jsonl.gz -k 500 \
      --method optimal,random --cross-fit 5 -o out-vectors
  kantor config --example > select.toml
  kantor select --config select.toml",
    ),
    (
        "compare",
        r"  kantor compare --pool examples/data/pool.embed.npy \
      --query examples/data/query_gsm8k.embed.npy -k 500,1k \
      --method optimal,knn-kde,uot -o out-compare",
    ),
    (
        "distance",
        r"  kantor distance --pool examples/data/pool.embed.npy \
      --query examples/data/query_gsm8k.embed.npy \
      --subset out/round-robin/k500/indices.npy",
    ),
    (
        "bound",
        r"  kantor bound --pool examples/data/pool.embed.npy \
      --query examples/data/query_gsm8k.embed.npy \
      --subset out/round-robin/k500/indices.npy --lipschitz 0.5 --range 1",
    ),
    (
        "quantiles",
        r"  kantor quantiles --pool examples/data/pool.embed.npy \
      --query examples/data/query_gsm8k.embed.npy --bins 10 --take 500 -o out-bins",
    ),
    ("verify", "  kantor verify out/optimal/k500/certificate.json"),
    ("inspect", "  kantor inspect examples/data/pool.embed.npy"),
    (
        "study",
        r"  kantor study --tables tests/data/published -o page.html
  kantor study --results results.csv --run out-jobs",
    ),
];

/// The program with both lengths.
pub(super) fn arranged(program: Command) -> Command {
    program.mut_subcommands(|command| {
        let name = command.get_name().to_owned();
        let command = match command.get_arguments().filter(|flag| !flag.is_hide_set()).count() {
            0..MANY => command,
            _ => command.mut_args(shortened).after_help(format!("All options, with examples: kantor {name} --help")),
        };
        match EXAMPLES.iter().find(|(of, _)| *of == name) {
            Some((_, lines)) => command.after_long_help(format!("Examples:\n\n{lines}")),
            None => command,
        }
    })
}

fn shortened(flag: Arg) -> Arg {
    let usual = flag.get_long().is_none_or(|name| USUAL.contains(&name));
    if usual { flag } else { flag.hide_short_help(true) }
}
