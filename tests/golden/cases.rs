//! The cases: a name, how numbers are compared, and command lines.
//!
//! A line is run in a fresh folder where `rows/` is `tests/data/golden` (2000 pool rows, 20 queries, 64 numbers each),
//! `text/` is `examples/data`, `published/` is `tests/data/published`, and the files of `inputs/` lie. Lines that start
//! with `~` prepare others and write below `prepared/`: neither what they say nor what they write is recorded.

use super::difference::Numbers::{self, Exact, Near};

/// One recorded text.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) numbers: Numbers,
    pub(crate) lines: &'static [&'static str],
}

const fn case(name: &'static str, numbers: Numbers, lines: &'static [&'static str]) -> Case {
    Case { name, numbers, lines }
}

macro_rules! select {
    ($($more:literal)*) => { concat!("select --pool rows/pool.npy --query rows/query.npy", $(" ", $more)*) };
}
macro_rules! distance {
    ($($more:literal)*) => { concat!("distance --pool rows/pool.npy --query rows/query.npy --subset rows/subset_random_50.npy", $(" ", $more)*) };
}
macro_rules! few {
    ($($more:literal)*) => { concat!("distance --pool rows/pool.npy --query rows/query.npy --subset rows.txt", $(" ", $more)*) };
}
macro_rules! compare {
    ($($more:literal)*) => { concat!("compare --pool rows/pool.npy --query rows/query.npy", $(" ", $more)*) };
}
macro_rules! bound {
    ($($more:literal)*) => { concat!("bound --pool rows/pool.npy --query rows/query.npy --subset rows/subset_random_50.npy", $(" ", $more)*) };
}
macro_rules! quantiles {
    ($($more:literal)*) => { concat!("quantiles --pool rows/pool.npy --query rows/query.npy", $(" ", $more)*) };
}

#[rustfmt::skip]
pub(crate) const HELP: &[Case] = &[
    case("program", Exact, &["--help", "--version"]),
    case("inspect", Exact, &["inspect --help"]),
    case("prices", Exact, &["prices --help"]),
    case("embed", Exact, &["embed --help"]),
    case("warmup", Exact, &["warmup --help"]),
    case("select", Exact, &["select --help"]),
    case("distance", Exact, &["distance --help"]),
    case("verify", Exact, &["verify --help"]),
    case("compare", Exact, &["compare --help"]),
    case("bound", Exact, &["bound --help"]),
    case("quantiles", Exact, &["quantiles --help"]),
    case("batch", Exact, &["batch --help", "batch -h"]),
    case("study", Exact, &["study --help"]),
    case("registries", Exact, &["methods --help", "solvers --help", "costs --help"]),
    case("shells", Exact, &["config --help", "completions --help", "man --help", "select -h"]),
];

#[rustfmt::skip]
pub(crate) const REGISTRIES: &[Case] = &[
    case("text", Exact, &["methods", "methods --theory", "solvers", "costs"]),
    case("config", Exact, &["config --example", "config --example compare"]),
    case("man", Exact, &["man"]),
    case("json", Exact, &["methods --json", "methods --theory --json", "solvers --json", "costs --json"]),
];

#[rustfmt::skip]
pub(crate) const INSPECT: &[Case] = &[
    case("text", Exact, &["inspect rows/pool.npy rows/query.npy --near 0.95", "inspect bad_rows.npy", "inspect rows/round_robin_order.npy", "inspect text/query_gsm8k.embed.npy"]),
    case("json", Exact, &["inspect rows/query.npy bad_rows.npy --json"]),
];

#[rustfmt::skip]
pub(crate) const SELECT: &[Case] = &[
    case("by-sums", Exact, &[select!("--method optimal,random,mean-similarity,round-robin,doubly-greedy,knn-uniform,knn-tv --budget 5 -o out")]),
    case("by-exponentials", Near, &[select!("--method uot,kde-ratio,mmd --budget 10 -o out")]),
    case("by-kernels", Exact, &[select!("--method energy,knn-kde --budget 6 -o out")]),
    case("by-unseen-queries", Near, &[select!("--method auto,round-robin --auto-folds 3 --budget 10 -o out")]),
    case("by-swaps", Exact, &[select!("--method swap,round-robin --budget 10 -o out"), select!("--method swap --swap-start random --swap-limit 5 --budget 20 --diversity 0.5 -o out --force"), select!("--method swap --objective energy --budget 6 -o out --force")]),
    case("two-budgets-json", Exact, &[select!("--method round-robin,random --budget 4,8 --seed 3 --json -o out")]),
    case("objective-energy", Exact, &[select!("--method energy,round-robin --objective energy --budget 10 -o out"), "verify out/energy/k10/certificate.json --pool rows/pool.npy --query rows/query.npy"]),
    case("objective-mmd", Near, &["select --pool rows.npy --query few_queries.npy --method mmd,round-robin --objective mmd --bandwidth scott --budget 4 -o out", "verify out/mmd/k4/certificate.json --pool rows.npy --query few_queries.npy --json"]),
    case("objective-w-squared", Exact, &[select!("--method optimal --objective w --p 2 --cost euclidean --budget 10 -o out")]),
    case("diversity", Exact, &[select!("--method knn-uniform,optimal --diversity 0.5 --budget 10 -o out"), "verify out/optimal/k10/certificate.json --pool rows/pool.npy --query rows/query.npy"]),
    case("angular", Near, &[select!("--method optimal,round-robin --cost angular --budget 10 --json -o out")]),
    case("sampling", Exact, &[select!("--method knn-uniform --sampling multinomial --seed 1 --budget 10 --compat-reference -o out")]),
    case("cross-fit", Exact, &[select!("--method round-robin,optimal --cross-fit 4 --budget 10 --cost euclidean -o out")]),
    case("groups", Exact, &[select!("--method round-robin --query-groups groups.txt --balance-groups --budget 10 -o out"), select!("--method round-robin --query-groups groups.txt --budget 10 --json -o out --force")]),
    case("worst-of-tasks", Near, &["select --pool rows.npy --query a=few_queries.npy --query b=rows.npy --aggregate worst --method optimal,round-robin --budget 4 -o out", "verify out/optimal/k4/certificate.json --pool rows.npy --query few_queries.npy --query rows.npy", "select --pool rows.npy --query a=few_queries.npy --query b=rows.npy --aggregate worst --method swap --cost euclidean --budget 4 --json -o out --force"]),
    case("uncertified", Exact, &[select!("--method round-robin --no-certify --budget 10 -o out --quiet")]),
    case("config", Near, &[select!("--config config.toml -o out")]),
    case("text", Exact, &["select --pool text/pool.embed.npy --query text/query_gsm8k.embed.npy --pool-jsonl text/pool.jsonl.gz --budget 3 --method round-robin -o out"]),
    case("formats", Exact, &["select --pool text/pool.embed.npy --query text/query_gsm8k.embed.npy --pool-jsonl text/pool.jsonl.gz --budget 3 --method round-robin --format chat,alpaca --with-ranks -o out"]),
    case("shards", Exact, &["select --pool rows/pool.npy --pool rows/query.npy --query rows/query.npy --budget 10 -o out"]),
    case("bad-rows", Exact, &["select --pool bad_rows.npy --query few_queries.npy --on-bad-row drop --budget 4 --method optimal -o out"]),
    case("similarity", Exact, &["select --similarity similarities.npy --budget 4 --method optimal,round-robin -o out", "verify out/optimal/k4/certificate.json --similarity similarities.npy"]),
    case("tokens", Exact, &[
        "select --pool rows.npy --query few_queries.npy --column words=columns.jsonl:words --tokens words --token-budget 20,26 --method optimal,random -o out",
        "verify out/optimal/t20/certificate.json --pool rows.npy --query few_queries.npy",
    ]),
];

#[rustfmt::skip]
pub(crate) const PRICES: &[Case] = &[
    case("constraints", Exact, &[
        "select --pool rows.npy --query few_queries.npy --column source=columns.jsonl:source --column words=columns.jsonl:words --quota source:..2 --quota source=code:1.. --tokens words --max-tokens-total 26 --exclude rows.txt --method optimal,random --budget 4 -o out",
        "prices out", "prices out --method random --budget 4 --json", "prices out --method energy", "prices rows",
    ]),
    case("free", Exact, &[concat!("~ ", select!("--method optimal --p 2 --cost euclidean --budget 10 -o prepared/out")), "prices prepared/out"]),
];

#[rustfmt::skip]
pub(crate) const DISTANCE: &[Case] = &[
    case("subset", Exact, &[distance!(), distance!("--json"), distance!("--best never --p 2"), distance!("--best always --cost euclidean")]),
    case("whole-pool", Exact, &["distance --pool rows/pool.npy --query rows/query.npy --json"]),
    case("costs", Exact, &[distance!("--cost cosine"), distance!("--cost half-cosine"), distance!("--cost euclidean"), distance!("--cost sqeuclidean"), "distance --similarity costs.npy --cost precomputed --subset rows.txt --json"]),
    case("angular", Near, &[distance!("--cost angular --json")]),
    case("certificate", Exact, &[distance!("--certificate out.json"), "verify out.json --pool rows/pool.npy --query rows/query.npy --json"]),
    case("weights", Exact, &["distance --pool rows/pool.npy --query rows/query.npy --subset rows/subset_random_100.npy --subset-weights rows/weights_pool_100.npy --query-weights rows/weights_query.npy --certificate out.json"]),
    case("metrics", Exact, &[distance!("--metric transport"), distance!("--metric energy"), distance!("--metric energy --json"), distance!("--metric chamfer-to-subset"), distance!("--metric chamfer-to-query --json"), distance!("--metric hausdorff"), distance!("--metric mean-difference")]),
    case("metrics-by-exponentials", Near, &[distance!("--metric mmd"), distance!("--metric mmd --kernel laplace --json"), distance!("--metric mmd-unbiased --bandwidth 0.5 --json")]),
];

#[rustfmt::skip]
pub(crate) const SOLVERS: &[Case] = &[
    case("exact", Exact, &[distance!("--solver exact --plan plan.safetensors --trace trace.jsonl"), distance!("--solver exact --query-marginal capacity:2 --json")]),
    case("partial", Exact, &[distance!("--solver partial --pool-marginal tv:0.2 --query-marginal tv:0.3 --json"), distance!("--solver partial --pool-marginal tv:0.2 --plan plan.safetensors")]),
    case("sliced", Near, &[distance!("--solver sliced --directions 8 --cost euclidean --seed 1 --json")]),
    case("sinkhorn", Near, &[distance!("--solver sinkhorn --epsilon 0.1 --json"), distance!("--solver sinkhorn --epsilon 0.1 --pool-marginal kl:0.1 --reference counting")]),
    case("sinkhorn-newton", Near, &[few!("--solver sinkhorn-newton --epsilon 0.1 --plan plan.safetensors --threshold 0.1 --certificate out.json"), few!("--solver sinkhorn-newton --epsilon 0.1 --plan rounded.safetensors --rounded --quiet")]),
    case("low-rank", Near, &[distance!("--solver low-rank --epsilon 0.5 --rank 40 --json")]),
    case("divergence", Near, &[distance!("--solver sinkhorn --epsilon 0.2 --divergence"), distance!("--solver sinkhorn-newton --epsilon 0.2 --divergence --json")]),
    case("iteration-limit", Near, &[distance!("--solver sinkhorn --epsilon 0.05 --iterations 3"), distance!("--solver sinkhorn --epsilon 0.05 --iterations 3 --json")]),
];

#[rustfmt::skip]
pub(crate) const VERIFY: &[Case] = &[
    case("accepted", Exact, &[
        concat!("~ ", select!("--method round-robin --budget 10 -o prepared/out")),
        "verify prepared/out/round-robin/k10/certificate.json --pool rows/pool.npy --query rows/query.npy",
        "verify prepared/out/round-robin/k10/certificate.json --pool rows/pool.npy --query rows/query.npy --json --threads 2",
    ]),
    case("rejected", Exact, &[
        concat!("~ ", select!("--method round-robin --budget 10 -o prepared/out")),
        "verify prepared/out/round-robin/k10/certificate.json --pool rows/query.npy --query rows/query.npy",
        "verify prepared/out/round-robin/k10/certificate.json --pool rows/query.npy --query rows/query.npy --json",
        "verify jobs.toml --pool rows/pool.npy --query rows/query.npy",
    ]),
];

#[rustfmt::skip]
pub(crate) const COMPARE: &[Case] = &[
    case("methods", Exact, &[compare!("--method optimal,round-robin,random --budget 8,20 --random-seeds 3 --cost cosine,euclidean -o out")]),
    case("cross-fit-and-groups", Exact, &[compare!("--method round-robin,random --budget 10 --random-seeds 2 --cross-fit 2 --query-groups groups.txt -o out --json")]),
    case("solvers", Near, &[compare!("--method round-robin,random --budget 20 --random-seeds 0 --solver exact,sinkhorn,sinkhorn-newton --solver-epsilon 0.1,0.2 --no-energy -o out")]),
    case("selections", Exact, &["compare --pool text/pool.embed.npy --query text/query_gsm8k.embed.npy --pool-jsonl text/pool.jsonl.gz --query-jsonl text/query_gsm8k.jsonl --method round-robin,mean-similarity --budget 3 --random-seeds 1 --write-selections --quiet -o out"]),
    case("all-methods", Near, &["compare --pool bad_rows.npy --query few_queries.npy --on-bad-row drop --budget 4 --random-seeds 2 -o out"]),
];

#[rustfmt::skip]
pub(crate) const BOUND: &[Case] = &[
    case("distance", Near, &[bound!("--splits 3 --references 4"), bound!("--splits 3 --references 4 --all")]),
    case("json", Near, &[bound!("--splits 2 --references 2 --cost euclidean --diameter 2 --lipschitz 1 --range 3 --delta 0.1 --json")]),
    case("losses", Near, &[bound!("--splits 2 --references 2 --losses losses.txt --query-losses query_losses.txt --range 1 --alpha 0.5 --logit-lipschitz 2 --all")]),
    case("gradients", Near, &[bound!("--splits 2 --references 2 --cost euclidean --gradients --step 0.1 --smoothness 2 --all")]),
    case("heldout", Near, &[bound!("--splits 2 --references 2 --heldout-query rows/query.npy --heldout-losses query_losses.txt --range 1 --all")]),
];

#[rustfmt::skip]
pub(crate) const QUANTILES: &[Case] = &[
    case("bins", Exact, &[quantiles!("--bins 3 --take 8 -o out")]),
    case("focus", Exact, &[quantiles!("--method doubly-greedy --bins 4 --take 3 --focus-bin 0 --json -o out")]),
];

#[rustfmt::skip]
pub(crate) const BATCH: &[Case] = &[
    case("run", Exact, &[
        "batch jobs.toml --status",
        "batch jobs.toml --shard 1/2",
        "batch jobs.toml --status --json",
        "batch jobs.toml --json",
        "batch jobs.toml",
    ]),
];

#[rustfmt::skip]
pub(crate) const STUDY: &[Case] = &[
    case("learning-curve", Near, &[
        "study --learning-curve --pool rows/pool.npy --query rows/query.npy --budget 20 --method round-robin,random --folds 4 --seed 1",
        "study --learning-curve --pool rows/pool.npy --query rows/query.npy --budget 400 --method doubly-greedy --folds 2 --json",
    ]),
    case("published", Near, &["study --tables published -o page.html"]),
    case("published-json", Near, &["study --tables published --json"]),
    case("own", Near, &[
        concat!("~ ", select!("--method optimal,round-robin,random --budget 10,20 -o prepared/out")),
        "study --results results.csv --run t=prepared/out -o page.html",
        "study --results results.csv --run t=prepared/out --json",
    ]),
];

#[rustfmt::skip]
pub(crate) const ERRORS: &[Case] = &[
    case("embed", Exact, &["embed missing.jsonl --model text -o rows.safetensors", "embed rows/pool.npy --model text -o rows.safetensors"]),
    case("warmup", Exact, &["warmup missing.jsonl --model text -o out", "warmup text/query_gsm8k.jsonl --model text --share 5 -o out"]),
    case("usage", Exact, &[
        "", "selekt", "select", select!("--budget 10"), select!("--budget ten -o out"), select!("--budget 10 --method round-robbin -o out"),
        select!("--budget 10 --cost cosin -o out"), select!("--budget 10 --metod random -o out"), quantiles!("--method all --bins 4 -o out"), "completions nonsense",
        distance!("--metric energy --solver sinkhorn"), distance!("--solver exact --epsilon 0.1"), distance!("--pool-marginal soft"), "study", "verify",
    ]),
    case("input", Exact, &[
        "select --pool not_rows.npy --query rows/query.npy --budget 10 -o out", "select --pool bad_rows.npy --query few_queries.npy --budget 2 -o out",
        "select --pool rows/pool.npy --query few_queries.npy --budget 10 -o out", select!("--budget 2001 -o out"), "inspect config.toml",
        "select --pool nowhere.npy --query rows/query.npy --budget 10 -o out", "batch config.toml", "study --results jobs.toml --run t=nowhere",
        "distance --pool bad_rows.npy --query few_queries.npy --subset losses.txt", "select --pool rows/pool.npy --pool rows/query.npy --query rows/query.npy --forbid-overlap --budget 10 -o out",
    ]),
    case("output", Exact, &[select!("--budget 10 -o ."), select!("--budget 10 -o config.toml"), distance!("--certificate nowhere/out.json"), distance!("--certificate config.toml")]),
    case("limits", Exact, &[select!("--budget 10 --max-memory 1K --threads 1 -o out"), distance!("--max-memory 100 --threads 1")]),
];
