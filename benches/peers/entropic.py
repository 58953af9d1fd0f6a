"""Entropic transport: kantor against POT and OTT-JAX on the same float64 matrix of cosines, in CPU seconds, in one run.

    python3 benches/peers/entropic.py [ROWS [QUERIES]] [PROBLEM ...]        default 197000 100, all

Every program gets the cosines, turns them into costs (1 - cos)/2 and solves; that is what is timed.

Makes a virtual environment with the pinned peers under target/peers. A ratio above 1 means that kantor takes less. Every
program runs with one thread and its CPU seconds are counted, which other work on the machine disturbs little. Problems:

- uot      epsilon .01, KL penalty 1e-4 on the pool: to the accuracy at which POT stops by itself;
- kl       epsilon .01, penalty 1e-2, and
- balanced epsilon .01, hard marginals: both to an L1 error of 1e-10 in the marginals. POT is given the number of
           iterations that it needs for that, found beforehand, so that it pays for no test of convergence;
- sharp    epsilon 1e-4, penalty 1e-2 and hard: what each program returns.

OTT-JAX runs twice in 64 bits and the second run counts (no compilation); it is stopped after 100 iterations. Its
reference is the counting measure, which here gives the same plan: the queries' marginal is hard and weights are uniform.
"""

import json
import os
import subprocess
import sys
import warnings

from common import HOME, ROOT, cpu, enter_environment, load

INF = float("inf")
SOLVERS = ["sinkhorn", "sinkhorn-newton"]


def cosines(rows, queries, seed=0):
    """Cosines, M x N: 200 clusters of Zipf size around a common mean, queries from 10 of them."""
    import numpy as np

    rng = np.random.default_rng(seed)
    centres, mean = rng.standard_normal((200, 64)), rng.standard_normal(64)

    def sample(count, clusters):
        label = np.minimum(rng.zipf(1.3, count) - 1, clusters - 1)
        x = mean + centres[label] + 0.7 * rng.standard_normal((count, 64))
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    pool, query = sample(rows, 200), sample(queries, 10)
    return np.ascontiguousarray(query @ pool.T)


def half_cosine(cosines):
    """Costs (1 - cos)/2, in one new array."""
    costs = 1.0 - cosines
    costs /= 2
    return costs


def judge(costs, plan, epsilon, rho):
    """L1 error of the marginals that are hard, value and <C, T>. A penalised pool shows its error in the value alone."""
    import numpy as np

    m, n = costs.shape
    query, pool = plan.sum(1), plan.sum(0)
    error = np.abs(query - 1 / m).sum()
    if rho == INF:
        error = max(error, np.abs(pool - 1 / n).sum())
    transport = float((plan * costs).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        kl = lambda x, y: float(np.where(x > 0, x * np.log(np.where(x > 0, x, 1) / y), 0).sum() - x.sum() + 1)
        value = transport + epsilon * kl(plan, 1 / (m * n)) + (rho * kl(pool, 1 / n) if rho < INF else 0.0)
    return float(error), value, transport


class Pot:
    name = "POT"

    def __init__(self, cosines):
        import numpy as np

        self.cosines, (m, n) = cosines, cosines.shape
        self.b, self.a = np.full(m, 1 / m), np.full(n, 1 / n)

    def solve(self, epsilon, rho, **words):
        import ot

        costs = half_cosine(self.cosines)
        if rho == INF:
            return ot.sinkhorn(self.b, self.a, costs, epsilon, warn=False, **words)
        return ot.unbalanced.sinkhorn_unbalanced(self.b, self.a, costs, epsilon, (INF, rho), **words)

    def enough(self, epsilon, rho, tolerance, limit=2000):
        """Iterations after which the marginals are right to `tolerance`: POT's own updates, watched after each."""
        import numpy as np

        kernel, power = np.exp(-half_cosine(self.cosines) / epsilon), 1.0 if rho == INF else rho / (rho + epsilon)
        a, b = self.a, self.b
        if rho < INF:
            kernel *= b[0] * a[0]
        u, v = np.ones_like(b), np.ones_like(a)
        with np.errstate(all="ignore"):
            for count in range(1, limit + 1):
                if rho == INF:
                    received = kernel.T @ u
                    if count > 1 and np.abs(v * received - a).sum() <= tolerance:
                        return count - 1
                    v = a / received
                    u = b / (kernel @ v)
                else:
                    received = kernel @ v
                    if count > 1 and np.abs(u * received - b).sum() <= tolerance:
                        return count - 1
                    u = b / received
                    v = (a / (kernel.T @ u)) ** power
        return limit


class Ott:
    name = "OTT-JAX"

    def __init__(self, cosines):
        import jax

        jax.config.update("jax_enable_x64", True)
        import jax.numpy as jnp

        self.cosines = jnp.asarray(cosines)

    def solve(self, epsilon, rho, tolerance, limit=100):
        import jax
        from ott.geometry import geometry
        from ott.problems.linear import linear_problem
        from ott.solvers.linear import sinkhorn

        tau = 1.0 if rho == INF else rho / (rho + epsilon)

        @jax.jit
        def run(cosines):
            costs = geometry.Geometry(cost_matrix=(1 - cosines) / 2, epsilon=epsilon)
            problem = linear_problem.LinearProblem(costs, tau_b=tau)
            found = sinkhorn.Sinkhorn(threshold=tolerance, max_iterations=limit, inner_iterations=1)(problem)
            return found.f, found.g, found.n_iters, found.converged

        run(self.cosines)[0].block_until_ready()
        (f, g, count, converged), seconds = cpu(lambda: [x.block_until_ready() for x in run(self.cosines)])
        import numpy as np

        with np.errstate(over="ignore"):
            plan = np.exp((np.asarray(f)[:, None] + np.asarray(g)[None] - half_cosine(np.asarray(self.cosines))) / epsilon)
        return plan, int(count), bool(converged), seconds


def ours(solver, rows, epsilon, rho, tolerance):
    command = [str(ROOT / "target/release/examples/entropic"), str(HOME / "entropic.f64"), str(rows), solver]
    command += [str(x) for x in (epsilon, rho, "inf", tolerance)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def line(problem, program, seconds, ratio, iterations, error, value, note=""):
    ratio = f"{ratio:7.1f}" if ratio else "       "
    print(f"{problem:24} {program:16} {seconds:8.2f} {ratio} {iterations:6} {error:9.1e}  {value:.12f}  {note}", flush=True)


def spent(result):
    return result["cpu_seconds"]


def own_line(label, solver, result):
    note = f"gap {result['primal'] - result['dual']:.0e} {result['status']}"
    line(label, solver, spent(result), None, result["iterations"], result["residual"], result["primal"], note)


def main():
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    rows, queries = (numbers + [197_000, 100][len(numbers) :])[:2]
    wanted = [word for word in sys.argv[1:] if not word.isdigit()] or ["uot", "kl", "balanced", "sharp"]
    subprocess.run(["cargo", "build", "--release", "-p", "kantor-solvers", "--example", "entropic"], check=True, cwd=ROOT)
    matrix = cosines(rows, queries)
    matrix.astype("<f8").tofile(HOME / "entropic.f64")
    costs, pot, ott = half_cosine(matrix), Pot(matrix), Ott(matrix)
    warnings.simplefilter("ignore")
    print(f"N = {rows}, M = {queries}, {load()}; CPU seconds, one thread each; × = peer / kantor")
    print(f"{'problem':24} {'program':16} {'CPU s':>8} {'×':>7} {'iter.':>6} {'L1 error':>9}  value")
    for name, epsilon, rho in [("uot", 0.01, 1e-4), ("kl", 0.01, 1e-2), ("balanced", 0.01, INF)]:
        if name not in wanted:
            continue
        label = f"{name} eps={epsilon:g} rho={rho:g}"
        if name == "uot":
            words, (_, log) = {}, pot.solve(epsilon, rho, log=True)
            count = len(log["err"])
        else:
            count = pot.enough(epsilon, rho, 1e-10)
            words = {"numItermax": count, "stopThr": 0}
        plan, seconds = min((cpu(lambda: pot.solve(epsilon, rho, **words)) for _ in range(2)), key=lambda run: run[1])
        error, value, _ = judge(costs, plan, epsilon, rho)
        del plan
        tolerance = max(error, 1e-10) if name == "uot" else 1e-10
        best = lambda solver: min((ours(solver, rows, epsilon, rho, tolerance) for _ in range(3)), key=spent)
        found = {solver: best(solver) for solver in SOLVERS}
        least = min(map(spent, found.values()))
        for solver, result in found.items():
            own_line(label, solver, result)
        line(label, "POT", seconds, seconds / least, count, error, value)
        plan, count, converged, seconds = ott.solve(epsilon, rho, tolerance)
        error, value, _ = judge(costs, plan, epsilon, rho)
        line(label, "OTT-JAX", seconds, seconds / least, count, error, value, "" if converged else "not converged")
    for epsilon, rho in [(1e-4, 1e-2), (1e-4, INF)] if "sharp" in wanted else []:
        label = f"sharp eps={epsilon:g} rho={rho:g}"
        for solver in SOLVERS:
            own_line(label, solver, ours(solver, rows, epsilon, rho, 1e-9))
        plan, seconds = cpu(lambda: pot.solve(epsilon, rho))
        error, value, _ = judge(costs, plan, epsilon, rho)
        line(label, "POT", seconds, None, 0, error, value, f"mass {plan.sum():.3g}")
        plan, count, converged, seconds = ott.solve(epsilon, rho, 1e-9)
        error, value, _ = judge(costs, plan, epsilon, rho)
        note = f"mass {plan.sum():.3g}" + ("" if converged else ", not converged")
        line(label, "OTT-JAX", seconds, None, count, error, value, note)
    print(load())


if __name__ == "__main__":
    main() if os.environ.get("KANTOR_PEERS") else enter_environment()
