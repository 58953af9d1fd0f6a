"""Writes worst_optima.json: relaxed problems of the 30 instances of constrained_optima.json for the worst of several tasks,
solved by HiGHS.

    venv/bin/python worst_optima.py

The 12 queries are split into tasks, one after the other. Optima are of min w over z >= 0 and x with sum over the queries of every
task z = x for every row, columns summing to k/m, x and its limits as there, and for every task sum c z / k <= w.
"""

import json
import pathlib

import highspy
import numpy as np
from constrained_optima import M, N, instance

SPLITS = [[6, 6], [5, 4, 3], [1, 11], [3, 3, 3, 3]]


def solve(costs, values, k, limits, include, exclude, tasks):
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    for name in ("primal_feasibility_tolerance", "dual_feasibility_tolerance"):
        highs.setOptionValue(name, 1e-10)
    for _ in range(N * M):
        highs.addVar(0.0, highspy.kHighsInf)
    for i in range(N):
        highs.addVar(float(i in include), float(i not in exclude))
    largest = N * M + N
    highs.addVar(-highspy.kHighsInf, highspy.kHighsInf)
    highs.changeColCost(largest, 1.0)
    row = lambda low, high, at, of: highs.addRow(low, high, len(at), np.array(at, dtype=np.int32), np.array(of, dtype=float))
    first = 0
    for count in tasks:
        queries = range(first, first + count)
        first += count
        for j in queries:
            row(k / count, k / count, [i * M + j for i in range(N)], [1.0] * N)
        for i in range(N):
            row(0.0, 0.0, [i * M + j for j in queries] + [N * M + i], [1.0] * count + [-1.0])
        at = [i * M + j for i in range(N) for j in queries]
        row(-highspy.kHighsInf, 0.0, at + [largest], [costs[v // M][v % M] / k for v in at] + [-1.0])
    for limit in limits:
        of = values[limit["column"]]
        kinds = sorted(set(of)) if limit["of"] == "each" else [limit["of"]]
        for kind in kinds:
            weight = of if kind == "sum" else [float(value == kind) for value in of]
            at = [i for i in range(N) if weight[i]]
            if at:
                row(limit.get("min", 0.0), limit.get("max", highspy.kHighsInf), [N * M + i for i in at], [float(weight[i]) for i in at])
    highs.run()
    assert highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return highs.getInfo().objective_function_value


def main():
    here = pathlib.Path(__file__)
    lines = []
    for at, line in enumerate(json.loads(here.with_name("constrained_optima.json").read_text())):
        costs, values = instance(line["seed"], line["columns"])
        tasks = SPLITS[at % len(SPLITS)]
        optimum = solve(costs, values, line["k"], line["limits"], line["include"], line["exclude"], tasks)
        lines.append(json.dumps({"tasks": tasks, "optimum": optimum}))
    here.with_suffix(".json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
