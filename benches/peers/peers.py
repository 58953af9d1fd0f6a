"""One task by one other program, in a process of its own: `peers.py PROGRAM TASK JSON`; prints a JSON object.

Every task begins at the files, as kantor does: its CPU seconds count reading, normalising, costs and the work itself, but
not the import of packages, nor (OTT-JAX) compilation, for which the work is done twice. What is written here is what the
program's documentation or the method's paper asks for, with the parameters that kantor has as defaults.
"""

import json
import sys
import warnings

from common import cpu, peak

EPSILON, RHO = 0.01, 1e-4  # of `uot` and `balanced`: arXiv 2602.14696
ALPHA, SCALE, LIST, NEIGHBOURS, SIGMA = 0.01, 5.0, 5000, 1000, 0.75  # of KNN-KDE: arXiv 2410.11303, 2602.14696


def unit(path, dtype="float32", rows=None):
    import numpy as np

    x = np.load(path)
    x = (x if rows is None else x[rows]).astype(dtype)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def half_cosine(task):
    """(1 - cos)/2 in float64, rows by queries; POT and OTT-JAX take it as a matrix."""
    rows = None
    if task.get("subset"):
        import numpy as np

        rows = np.load(task["subset"])
    return (1.0 - unit(task["pool"], "float64", rows) @ unit(task["query"], "float64").T) / 2


# Round robin: queries take turns, each taking its most similar free row; ties to the lower row.


def turns(order_of, queries, rows, budget):
    """`order_of(j, at)` is the at-th row on query j's list."""
    import numpy as np

    taken, cursor, chosen = np.zeros(rows, bool), [0] * queries, []
    for turn in range(budget):
        j = turn % queries
        while taken[row := order_of(j, cursor[j])]:
            cursor[j] += 1
        taken[row] = True
        chosen.append(int(row))
    return chosen


def numpy_round_robin(task):
    import numpy as np

    similar = unit(task["pool"]) @ unit(task["query"]).T
    order = np.argsort(-similar.T, axis=1, kind="stable")
    return {"rows": turns(lambda j, at: order[j, at], order.shape[0], order.shape[1], task["budget"])}


def faiss_round_robin(task):
    import faiss

    pool, query = unit(task["pool"]), unit(task["query"])
    index = faiss.IndexFlatIP(pool.shape[1])
    index.add(pool)
    length = min(len(pool), 2 * -(-task["budget"] // len(query)) + 16)
    lists = index.search(query, length)[1]

    def order_of(j, at):
        nonlocal lists
        if at >= lists.shape[1]:
            lists = index.search(query, min(len(pool), 2 * lists.shape[1]))[1]
        return lists[j, at]

    return {"rows": turns(order_of, len(query), len(pool), task["budget"])}


# KNN-KDE: nearest rows, whose mass is divided by the density around them. Lists hold at most a tenth of the pool.


def faiss_knn_kde(task):
    import heapq

    import faiss
    import numpy as np

    pool, query = unit(task["pool"]), unit(task["query"])
    n, m = len(pool), len(query)
    index = faiss.IndexFlatIP(pool.shape[1])
    index.add(pool)
    similar, lists = index.search(query, min(LIST, n // 10))
    distance = 1.0 - similar.astype("float64")
    listed = np.unique(lists)
    among = faiss.IndexFlatIP(pool.shape[1])
    among.add(pool[listed])
    density = np.empty(len(listed))
    for first in range(0, len(listed), 1024):
        near = among.search(pool[listed[first : first + 1024]], min(NEIGHBOURS, n // 10, len(listed)))[0]
        density[first : first + 1024] = np.maximum(0.0, 1.0 - 2.0 * (1.0 - near.astype("float64")) / SIGMA**2).sum(1)
    weight = 1.0 / density[np.searchsorted(listed, lists)]
    filled = np.cumsum(weight, axis=1)
    # Entries in the order of what their lists hold so far, until evenness costs more than it gains or the lists end.
    heap, price, level = [(filled[j, 0], j, 0) for j in range(m)], 0.0, 0.0
    heapq.heapify(heap)
    while heap:
        level, j, at = heapq.heappop(heap)
        price += (distance[j, at + 1] - distance[j, at]) * level
        if ALPHA / SCALE * price >= (1.0 - ALPHA) * m:
            break
        if at + 2 < filled.shape[1]:
            heapq.heappush(heap, (filled[j, at + 1], j, at + 1))
    held = np.minimum(filled / level, 1.0)
    held[:, -1] = 1.0
    share = np.diff(held, axis=1, prepend=0.0)
    mass = np.zeros(n)
    np.add.at(mass, lists.ravel(), share.ravel() / m)
    closest = np.full(n, -np.inf)
    np.maximum.at(closest, lists.ravel(), similar.ravel())
    order = np.lexsort((np.arange(n), -closest, -mass))
    return {"rows": order[: task["budget"]].tolist(), "listed": len(listed)}


# Transport.


def pot_exact(task):
    import numpy as np
    import ot

    costs = 2.0 * half_cosine(task)
    k, m = costs.shape
    return {"value": float(ot.emd2(np.full(k, 1 / k), np.full(m, 1 / m), costs, numItermax=100_000_000, numThreads=1))}


def value(costs, plan, epsilon):
    """<C, T> + epsilon KL(T | a x b)."""
    import numpy as np

    product = 1.0 / costs.size
    with np.errstate(divide="ignore", invalid="ignore"):
        kl = np.where(plan > 0, plan * np.log(plan / product), 0.0).sum() - plan.sum() + 1.0
    return float((plan * costs).sum() + epsilon * kl)


def marginal_error(plan):
    import numpy as np

    n, m = plan.shape
    return float(max(np.abs(plan.sum(1) - 1 / n).sum(), np.abs(plan.sum(0) - 1 / m).sum()))


def pot_balanced(task):
    import numpy as np
    import ot

    costs = half_cosine(task)
    n, m = costs.shape
    a, b = np.full(n, 1 / n), np.full(m, 1 / m)
    # POT's error is the norm of the marginal's error: the same L1 error for all programs.
    plan = ot.sinkhorn(a, b, costs, EPSILON, stopThr=1e-9 / np.sqrt(m), numItermax=100_000, warn=False)
    return lambda: {"value": value(costs, plan, EPSILON), "error": marginal_error(plan)}


def pot_uot(task):
    import numpy as np
    import ot

    costs = half_cosine(task).T
    m, n = costs.shape
    plan = ot.unbalanced.sinkhorn_unbalanced(
        np.full(m, 1 / m), np.full(n, 1 / n), np.ascontiguousarray(costs), EPSILON, (float("inf"), RHO)
    )
    return {"rows": np.argsort(-plan.sum(0), kind="stable")[: task["budget"]].tolist()}


def ott(costs, tau):
    """Potentials of the 64-bit problem with hard marginals on the queries and tau on the rows."""
    import jax
    import jax.numpy as jnp
    from ott.geometry import geometry
    from ott.problems.linear import linear_problem
    from ott.solvers.linear import sinkhorn

    @jax.jit
    def run(costs):
        problem = linear_problem.LinearProblem(geometry.Geometry(cost_matrix=costs, epsilon=EPSILON), tau_a=tau)
        found = sinkhorn.Sinkhorn(threshold=1e-9, max_iterations=2000)(problem)
        return found.f, found.g

    import numpy as np

    f, g = (np.asarray(x) for x in run(jnp.asarray(costs)))
    return np.exp((f[:, None] + g[None] - costs) / EPSILON)


def jax_64():
    import jax

    jax.config.update("jax_enable_x64", True)


def ott_balanced(task):
    costs = half_cosine(task)
    plan = ott(costs, 1.0)
    return lambda: {"value": value(costs, plan, EPSILON), "error": marginal_error(plan)}


def ott_uot(task):
    import numpy as np

    plan = ott(half_cosine(task), RHO / (RHO + EPSILON))
    return {"rows": np.argsort(-plan.sum(1), kind="stable")[: task["budget"]].tolist()}


def main():
    program, name, task = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    work = globals()[f"{program}_{name}"]
    warnings.simplefilter("ignore")
    import numpy  # noqa: F401

    if program == "faiss":
        import faiss

        faiss.omp_set_num_threads(task["threads"])
    if program == "pot":
        import ot  # noqa: F401
    if program == "ott":
        jax_64()
        work(task)
    result, seconds = cpu(lambda: work(task))
    held = peak()
    # What is told about a result is not part of the work.
    result = result() if callable(result) else result
    print(json.dumps(result | {"cpu": seconds, "peak": held}))


if __name__ == "__main__":
    main()
