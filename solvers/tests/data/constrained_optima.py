"""Writes constrained_optima.json: relaxed problems of 30 constrained selections, solved by HiGHS.

    python -m venv venv && venv/bin/pip install highspy==1.16.0 numpy
    venv/bin/python constrained_optima.py

Each instance is made from a seed by a linear congruential generator, in the order rows, queries, columns; the test makes it
again. Optima are of min sum c z / k over z >= 0, columns summing to k/M, rows to at most 1, and the limits.
"""

import json
import math
import pathlib

import highspy
import numpy as np

N, M = 300, 12


class Generator:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return self.state >> 33


def instance(seed, columns):
    generator = Generator(seed)
    point = lambda: (generator.next() / 2**31, generator.next() / 2**31)
    rows = [point() for _ in range(N)]
    queries = [tuple(x * x for x in point()) for _ in range(M)]
    costs = [[math.sqrt((x - u) ** 2 + (y - v) ** 2) for u, v in queries] for x, y in rows]
    values = []
    for column in columns:
        drawn = [generator.next() for _ in range(N)]
        if "refines" in column:
            coarse = values[column["refines"]]
            values.append([label * column["groups"] + r % column["groups"] for label, r in zip(coarse, drawn)])
        elif "groups" in column:
            # Labels depend on the place too, as those of real data do.
            values.append([(int(3 * x) + r) % column["groups"] if r % 3 else r % column["groups"] for (x, _), r in zip(rows, drawn)])
        else:
            values.append([20 + r % 400 for r in drawn])
    return costs, values


def solve(costs, values, k, limits, include, exclude):
    """The optimum, or None."""
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    for name in ("primal_feasibility_tolerance", "dual_feasibility_tolerance"):
        highs.setOptionValue(name, 1e-10)
    for line in costs:
        for cost in line:
            highs.addVar(0.0, highspy.kHighsInf)
            highs.changeColCost(highs.getNumCol() - 1, cost)
    row = lambda low, high, at, of: highs.addRow(low, high, len(at), np.array(at, dtype=np.int32), np.array(of, dtype=float))
    for j in range(M):
        row(k / M, k / M, [i * M + j for i in range(N)], [1.0] * N)
    for i in range(N):
        row(float(i in include), float(i not in exclude), [i * M + j for j in range(M)], [1.0] * M)
    for limit in limits:
        of = values[limit["column"]]
        kinds = sorted(set(of)) if limit["of"] == "each" else [limit["of"]]
        for kind in kinds:
            weight = of if kind == "sum" else [float(value == kind) for value in of]
            at = [i * M + j for i in range(N) for j in range(M) if weight[i]]
            if at:
                row(limit.get("min", 0.0), limit.get("max", highspy.kHighsInf), at, [float(weight[v // M]) for v in at])
    highs.run()
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    return highs.getInfo().objective_function_value / k


def limits_of(kind, generator, values, k):
    draw = lambda low, high: low + generator.next() % (high - low + 1)
    counts = lambda column: {label: values[column].count(label) for label in sorted(set(values[column]))}
    ranges = lambda column, share: [
        {"column": column, "of": label, "max": max(1, k * size * share // (100 * N))} if draw(0, 2) else
        {"column": column, "of": label, "min": min(size, k * size * draw(80, 160) // (100 * N))}
        for label, size in counts(column).items()
    ]
    if kind == "partition":
        return ranges(0, 125)
    if kind == "laminar":
        return ranges(0, 140) + ranges(1, 170)
    if kind == "crossing":
        return ranges(0, 140) + ranges(1, 140)
    if kind == "tokens":
        return [{"column": 0, "of": "sum", "max": k * draw(90, 190)}]
    if kind == "clusters":
        return [{"column": 0, "of": "each", "max": draw(1, 2)}, {"column": 1, "of": 0, "max": k // 4}]
    return ranges(0, 150) + ranges(1, 150) + [
        {"column": 2, "of": "each", "max": 1 if k < 60 else 2},
        {"column": 3, "of": "sum", "min": k * 100, "max": k * draw(150, 200)},
    ]


KINDS = {
    "partition": [{"groups": 5}],
    "laminar": [{"groups": 4}, {"refines": 0, "groups": 3}],
    "crossing": [{"groups": 5}, {"groups": 4}],
    "tokens": [{}],
    "clusters": [{"groups": 120}, {"groups": 3}],
    "everything": [{"groups": 5}, {"groups": 4}, {"groups": 150}, {}],
}


def main():
    lines = []
    for kind, columns in KINDS.items():
        found, seed = 0, 1
        while found < 5:
            seed += 1
            costs, values = instance(seed, columns)
            generator = Generator(seed + 1000)
            k = [24, 36, 60, 50, 29][found]
            limits = limits_of(kind, generator, values, k)
            include = sorted({generator.next() % N for _ in range(3)}) if found % 2 else []
            exclude = sorted({generator.next() % N for _ in range(30)} - set(include)) if found % 2 else []
            optimum = solve(costs, values, k, limits, include, exclude)
            if optimum is not None and optimum > solve(costs, values, k, [], include, exclude) + 1e-4:
                found += 1
                lines.append(json.dumps({"kind": kind, "seed": seed, "k": k, "columns": columns, "limits": limits,
                                         "include": include, "exclude": exclude, "optimum": optimum}))
    pathlib.Path(__file__).with_suffix(".json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
