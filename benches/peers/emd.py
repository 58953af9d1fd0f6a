"""Exact transport: kantor against POT's emd2 on the same float64 costs, one thread each, in one run.

    python3 benches/peers/emd.py [QUERIES:ROWS ...]        default 100:1000 100:10000 1000:1000 1000:10000

Makes a virtual environment with the pinned peers under target/peers. A ratio above 1 means that kantor is faster. Per
size: round robin, a random subset, and weights on both sides (log-normal, sigma 1). Times are the least of several runs.
"""

import os
import subprocess
import sys
import time

from common import HOME, ROOT, enter_environment, load


def unit(rows):
    import numpy as np

    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def subsets(queries, rows, seed=0):
    """Costs 1 - cos of clustered unit vectors: a round-robin subset and a random one of a pool of 8 times the size."""
    import numpy as np

    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((200, 64))
    mean = rng.standard_normal(64)

    def sample(count, clusters):
        label = np.minimum(rng.zipf(1.3, count) - 1, clusters - 1)
        return unit(mean + centres[label] + 0.7 * rng.standard_normal((count, 64)))

    pool, query = sample(8 * rows, 200), sample(queries, 10)
    costs = 1.0 - pool @ query.T
    order, cursor, free = np.argsort(costs, axis=0, kind="stable"), [0] * queries, np.ones(len(pool), bool)
    turns = []
    for turn in range(rows):
        j = turn % queries
        while not free[order[cursor[j], j]]:
            cursor[j] += 1
        turns.append(order[cursor[j], j])
        free[turns[-1]] = False
    yield "round robin", costs[turns], None, None
    chosen = rng.choice(len(pool), rows, replace=False)
    yield "random", costs[chosen], None, None
    weights = rng.lognormal(0, 1, rows), rng.lognormal(0, 1, queries)
    yield "round robin, weighted", costs[turns], *weights
    yield "random, weighted", costs[chosen], *weights


def ours(costs, w, v):
    import numpy as np

    files = [HOME / "costs.f64", HOME / "rows.f64", HOME / "queries.f64"]
    for path, values in zip(files, (costs, w, v)):
        if values is not None:
            np.ascontiguousarray(values, dtype="<f8").tofile(path)
    command = [str(ROOT / "target/release/examples/transport"), str(files[0]), str(costs.shape[1])]
    command += [str(path) for path in files[1:]] if w is not None else []
    value, dual, seconds, pivots = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(value), float(dual), float(seconds), int(pivots)


def theirs(costs, w, v):
    import numpy as np
    import ot

    n, m = costs.shape
    a = np.full(n, 1 / n) if w is None else w / w.sum()
    b = np.full(m, 1 / m) if v is None else v / v.sum()
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        value = ot.emd2(a, b, costs, numItermax=100_000_000, numThreads=1)
        best = min(best, time.perf_counter() - start)
        if best > 5:
            break
    return float(value), best


def main():
    build = ["cargo", "build", "--release", "-p", "kantor-solvers", "--example", "transport"]
    subprocess.run(build, check=True, cwd=ROOT)
    sizes = [tuple(map(int, size.split(":"))) for size in sys.argv[1:] or ["100:1000", "100:10000", "1000:1000", "1000:10000"]]
    print(load())
    print("queries  rows    subset                 POT s    kantor s  ratio    pivots  relative difference")
    for queries, rows in sizes:
        for name, costs, w, v in subsets(queries, rows):
            value, _, seconds, pivots = ours(costs, w, v)
            peer_value, peer_seconds = theirs(costs, w, v)
            difference = abs(value - peer_value) / peer_value
            line = f"{queries:7}  {rows:6}  {name:21}  {peer_seconds:7.4f}  {seconds:8.4f}  {peer_seconds / seconds:5.1f}"
            print(f"{line}  {pivots:8}  {difference:.1e}", flush=True)


if __name__ == "__main__":
    main() if os.environ.get("KANTOR_PEERS") else enter_environment()
