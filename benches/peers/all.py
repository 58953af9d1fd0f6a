"""kantor beside other programs, from the same files to the same results, in one table.

    python3 benches/peers/all.py [--quick] [--only select,exact,...] [--pool P --query Q] [--rows 197000]

Makes a virtual environment with pinned POT, NumPy, SciPy, FAISS and OTT-JAX under target/peers (needs PyPI once), builds
kantor, and solves every problem with it and with each peer, every run in a process of its own and with one thread:

- round-robin   against NumPy (one stable argsort per query) and FAISS (exact search, lists made longer when used up);
- knn-kde       against FAISS (lists of 5,000, densities over 1,000 neighbours) and the rule of arXiv 2410.11303;
- uot           against POT and OTT-JAX: cost (1 - cos)/2, epsilon .01, KL penalty 1e-4 on the pool, top k;
- exact         the distance of the rows that round robin chose, and of random ones, against POT's emd2;
- balanced      entropic transport of the same rows, epsilon .01, hard marginals to an L1 error of 1e-9, against POT and OTT-JAX.

Pools: real rows (--pool, --query; the bundled ones by default) and made ones: --rows unit vectors in 512 dimensions, 200
clusters of Zipf size around a common mean, with 100 queries from ten of them. CPU seconds are medians over --repeat runs
(one run where that takes above ten seconds). kantor's are those of the whole command, with digests of the inputs and
written results, and for `exact` and `balanced` a plan with exact marginals and the proof of an interval, which no peer
gives; a peer's begin after its imports and, for OTT-JAX, compilation. x = peer / kantor.
Memory is the largest resident size, mapped files and imported packages included. Agreement is the share of common rows
(Jaccard) or the relative difference of values. A bench tells; it asserts nothing.
"""

import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys

from common import HOME, ROOT, enter_environment, load, python, run

PEERS = {
    "round-robin": ["numpy", "faiss"],
    "knn-kde": ["faiss"],
    "uot": ["pot", "ott"],
    "exact": ["pot"],
    "balanced": ["pot", "ott"],
}
NAMES = {"numpy": "NumPy", "faiss": "FAISS", "pot": "POT", "ott": "OTT-JAX"}
# Seconds above which one run is enough.
LONG = 10.0


def words():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes: whether it all works, in a minute")
    parser.add_argument("--only", help="comma-separated problems: " + ", ".join(PEERS))
    parser.add_argument("--pool", type=pathlib.Path, default=ROOT / "examples/data/pool.embed.npy")
    parser.add_argument("--query", type=pathlib.Path, default=ROOT / "examples/data/query_gsm8k.embed.npy")
    parser.add_argument("--rows", type=int, default=197_000, help="rows of the made pool; 0 leaves it out")
    parser.add_argument("--budgets", default="500,10000")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--kantor", type=pathlib.Path, help="this binary instead of one that is built first")
    asked = parser.parse_args()
    if asked.quick:
        asked.rows, asked.budgets, asked.repeat = min(asked.rows, 3000), "500", 1
    asked.only = asked.only.split(",") if asked.only else list(PEERS)
    for name in set(asked.only) - set(PEERS):
        parser.error(f"there is no problem {name}; say {', '.join(PEERS)}")
    return asked


def made(rows, dim=512, queries=100, seed=0):
    """Writes a made pool and its queries once; returns their files."""
    import numpy as np

    pool, query = HOME / f"pool-{rows}.npy", HOME / f"query-{rows}.npy"
    if not (pool.exists() and query.exists()):
        rng = np.random.default_rng(seed)
        centres, mean = rng.standard_normal((200, dim)), rng.standard_normal(dim)

        def sample(count, clusters):
            label = np.minimum(rng.zipf(1.3, count) - 1, clusters - 1)
            x = mean + centres[label] + 0.7 * rng.standard_normal((count, dim))
            return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)

        np.save(query, sample(queries, 10))
        np.save(pool, np.concatenate([sample(min(8192, rows - at), 200) for at in range(0, rows, 8192)]))
    return pool, query


def median(once, repeat):
    """Results of the runs are the same; their seconds and bytes are not: (result, seconds, bytes)."""
    runs = [once()]
    while len(runs) < repeat and runs[0][1] < LONG:
        runs.append(once())
    return runs[0][0], statistics.median(r[1] for r in runs), max(r[2] for r in runs)


def kantor(binary, problem, task):
    """Runs the command for a problem: (what to compare, CPU seconds, peak bytes)."""
    import numpy as np

    files = ["--pool", task["pool"], "--query", task["query"], "--threads", 1, "--json", "--quiet"]
    if problem in ("exact", "balanced"):
        more = ["--subset", task["subset"], "--best", "never"]
        if problem == "balanced":
            more += ["--cost", "half-cosine", "--solver", "sinkhorn-newton", "--epsilon", 0.01]
        found, seconds, held = run([binary, "distance", *files, *more])
        lower, upper = (found["lower"], found["upper"]) if problem == "exact" else (found["value"], found["value"])
        return {"value": (lower + upper) / 2}, seconds, held
    out = HOME / "out"
    more = ["--method", problem, "--budget", task["budget"], "--no-certify", "--force", "-o", out]
    found, seconds, held = run([binary, "select", *files, *more])
    rows = np.load(pathlib.Path(found["results"][0]["dir"]) / "indices.npy")
    return {"rows": rows.tolist()}, seconds, held


def peer(program, problem, task):
    here = pathlib.Path(__file__).with_name("peers.py")
    words = json.dumps({key: str(value) if isinstance(value, pathlib.Path) else value for key, value in task.items()})
    found, _, _ = run([python(), here, program, problem.replace("-", "_"), words])
    return found, found["cpu"], found["peak"]


def agreement(ours, theirs):
    if "rows" in ours:
        a, b = set(ours["rows"]), set(theirs["rows"])
        return f"{len(a & b) / len(a | b):.4f}" + ("" if ours["rows"] != theirs["rows"] else " same order")
    return f"{abs(ours['value'] - theirs['value']) / theirs['value']:.0e}"


def line(*cells):
    print("{:12} {:11} {:>6}  {:8} {:>8} {:>7} {:>7}  {}".format(*cells), flush=True)


def compare(asked, label, problem, name, task):
    ours, seconds, held = median(lambda: kantor(asked.kantor, problem, task), asked.repeat)
    size = task["budget"]
    line(label, name, size, "kantor", f"{seconds:.2f}", "", f"{held / 1e6:.0f}", "")
    for program in PEERS[problem]:
        theirs, spent, theirs_held = median(lambda: peer(program, problem, task), asked.repeat)
        cells = (f"{spent:.2f}", f"{spent / seconds:.1f}", f"{theirs_held / 1e6:.0f}", agreement(ours, theirs))
        line("", "", "", NAMES[program], *cells)


def subsets(asked, pool, query, budget):
    """Files of the rows that round robin chooses, and of random ones."""
    import numpy as np

    chosen, _, _ = kantor(asked.kantor, "round-robin", {"pool": pool, "query": query, "budget": budget})
    rows = len(np.load(pool, mmap_mode="r"))
    drawn = np.sort(np.random.default_rng(0).choice(rows, budget, replace=False))
    for name, rows in [("", chosen["rows"]), (" random", drawn)][: 1 if asked.quick else 2]:
        path = HOME / f"subset{name.strip()}.npy"
        np.save(path, np.asarray(rows, dtype=np.int64))
        yield name, path


def main():
    asked = words()
    import numpy as np

    if not asked.kantor:
        subprocess.run(["cargo", "build", "--release", "--bin", "kantor"], check=True, cwd=ROOT)
        asked.kantor = ROOT / "target/release/kantor"
    pools = [("real", asked.pool.resolve(), asked.query.resolve())]
    pools += [("made", *made(asked.rows))] if asked.rows else []
    print(f"{datetime.date.today()}, {load()}, one thread each")
    for label, pool, query in pools:
        shape, queries = np.load(pool, mmap_mode="r").shape, len(np.load(query, mmap_mode="r"))
        print(f"{label}: {shape[0]} rows, {queries} queries, {shape[1]} dimensions")
    line("pool", "problem", "k", "program", "CPU s", "x", "MB", "agreement")
    for label, pool, query in pools:
        rows = len(np.load(pool, mmap_mode="r"))
        for budget in (int(b) for b in asked.budgets.split(",")):
            if budget > rows:
                continue
            task = {"pool": pool, "query": query, "budget": budget, "threads": 1}
            for problem in asked.only:
                if problem not in ("exact", "balanced"):
                    compare(asked, label, problem, problem, task)
            for name, path in subsets(asked, pool, query, budget) if {"exact", "balanced"} & set(asked.only) else []:
                for problem in [p for p in asked.only if p in ("exact", "balanced")]:
                    compare(asked, label, problem, problem + name, task | {"subset": path})
    print(load())


if __name__ == "__main__":
    main() if os.environ.get("KANTOR_PEERS") else enter_environment()
