"""What evidence proves, for the checker in verify.py: bounds of a distance, and below that of all subsets.

Each bound comes twice: what is sure, and what the doubt about costs and kernels allows; one is a claim's in the other. They
are fractions, without the root. What rounding leaves open is bounded here and never helps a claim, but for sums over a
measure on pool rows, whose weights may then not cancel.
"""

import bisect
import heapq
import math
from fractions import Fraction

import numpy as np

U, TINY, LARGEST = 2.0**-53, 5e-324, float(np.finfo(np.float64).max)
BLOCK = 256  # rows whose costs are in memory at a time
ANGLES, DISTANCES = ("cosine", "half-cosine", "angular"), ("euclidean", "sqeuclidean")


class Stop(Exception):
    """Verdict and reason."""


def need(condition, reason, verdict="rejected"):
    if not condition:
        raise Stop(verdict, reason)


# Numbers below and above c^p of some pool rows and all queries; without queries the pool is the M×N matrix.
def costs(cost, p, pool, query, rows):
    if query is None:
        s, error, floor = np.asarray(pool[:, rows], dtype=np.float64).T, 4 * U, 0.0
        s = s if cost == "precomputed" else np.clip(s, -1, 1)
    else:
        x = np.asarray(pool[rows], dtype=np.float64)
        error, floor = (4 * x.shape[1] + 64) * U, (x.shape[1] + 4) * TINY
        if cost in DISTANCES:
            s = np.array([((query - row) ** 2).sum(axis=1) for row in x])
        elif cost == "angular":  # Kahan's formula, which is sharp at every angle
            u, v = (y / np.sqrt((y * y).sum(axis=1, keepdims=True)) for y in (x, query))
            length = lambda y: np.sqrt((y * y).sum(axis=1))
            s = np.array([2 * np.arctan2(length(v - row), length(v + row)) / np.pi for row in u])
        else:
            s = x @ query.T / np.outer(np.sqrt((x * x).sum(axis=1)), np.sqrt((query * query).sum(axis=1)))
    if cost == "precomputed":
        return (s, s) if p == 1 else (np.minimum(s * s * (1 - 4 * U) - TINY, LARGEST), s * s * (1 + 4 * U) + TINY)
    if cost in DISTANCES:
        p = p / 2 if cost == "euclidean" else p
        low, high = s - error * s - floor, s + error * s + floor
    elif cost == "angular":
        low, high = (s - error, s + error) if query is not None else (np.arccos(s) / np.pi,) * 2
    else:
        c = (0.5 if cost == "half-cosine" else 1.0) * (1 - np.minimum(s, 1))
        low, high = c - error * (1 + c), c + error * (1 + c)
    low = np.maximum(np.maximum(low, 0) ** p * (1 - 64 * U) - TINY, 0)
    high = high**p * (1 + 64 * U) + TINY
    for i, j in np.argwhere(low == 0) if query is not None else ():
        high[i, j] = 0.0 if (x[i] == query[j]).all() else high[i, j]  # equal rows have cost zero
    return low, high


# A double as a whole number of 2^-1074.
def units(x):
    numerator, denominator = float(x).as_integer_ratio()
    return numerator * (2**1074 // denominator)


# The least double that is no smaller.
def above(x):
    need(abs(x) < LARGEST, "range: a cost, a potential or a share is too large")
    near = float(x)
    return near if near >= x else float(np.nextafter(near, np.inf))


# The double nearest to it.
def nearest(x):
    return float(x) if abs(x) <= LARGEST else math.inf if x > 0 else -math.inf


def mean(weights, values):
    return Fraction(sum(w * units(x) for w, x in zip(weights, values)), sum(weights) * 2**1074)


def shares(weights, count):
    weights = [1] * count if weights is None else weights
    need(len(weights) == count and all(math.copysign(1, w) > 0 for w in weights), "weights: one is missing or negative")
    return positive(weights, "weights")


def positive(weights, name):
    shares = [units(w) for w in weights]
    need(2**52 <= sum(shares) < units(LARGEST), f"{name}: the sum of the weights is zero or overflows")
    return shares


# Values of some rows, block by block: first those that prove something, then those that the doubt allows.
def each(rows, values):
    ends = [], []
    for at in range(0, len(rows), BLOCK):
        for end, found in zip(ends, values(rows[at : at + BLOCK])):
            end.extend(found.ravel().tolist())
    need(all(map(math.isfinite, ends[0] + ends[1])), "range: a cost, a potential or a weight is too large")
    return ends


class Transport:
    """W_p: potentials bound it from below, a plan from above."""

    def __init__(self, problem, pool, query, subset):
        self.cost, self.p, self.k, self.m = (problem[key] for key in ("cost", "p", "budget", "queries"))
        self.pool, self.query, self.subset, self.weights = pool, query, subset, problem["weights"]
        self.a, self.b = shares(self.weights["subset"], self.k), shares(self.weights["query"], self.m)
        self.power, self.signed = self.p, self.cost == "precomputed" and self.p == 1

    def costs(self, rows):
        return costs(self.cost, self.p, self.pool, self.query, rows)

    # What each row gains from the potentials at most; of several tasks, whose first queries are `firsts`, from those of each.
    def gains(self, g, rows, firsts=(0,)):
        need(len(g) == self.m, f"potentials: {len(g)} for {self.m} queries")

        def gain(c):
            gain = np.array(g, dtype=np.float64) - c
            gain = np.where(gain == 0, 0.0, np.nextafter(gain, np.inf))
            # A cost that is not negative takes from the potential, even from the largest number.
            return np.maximum.reduceat(np.where(c < 0, gain, np.minimum(gain, g)), firsts, axis=1)

        return each(rows, lambda block: map(gain, self.costs(block)))

    def lower(self, g):
        return [mean(self.b, g) - mean(self.a, gains) for gains in self.gains(g, self.subset)]

    # What a plan costs; what it does not deliver, which weights allow, goes the longest way.
    def upper(self, plan):
        i, j, mass = plan["position"], plan["query"], plan["mass"]
        need(len(i) == len(j) == len(mass) > 0 < min(mass), "plan: lengths differ or an entry is zero")
        need(
            max(i) < self.k and max(j) < self.m and all(map(tuple.__lt__, zip(i, j), zip(i[1:], j[1:]))),
            "plan: out of range or order",
        )
        total, missing, paid, least, most = sum(mass), 0, ([], []), [0.0, 0.0], [0.0, 0.0]
        for side, at, share, sign in (("subset", i, self.a, 1), ("query", j, self.b, -1)):
            got, all_shares = [0] * len(share), sum(share)
            for place, x in zip(at, mass):
                got[place] += x
            gaps = [sign * (w * total - x * all_shares) for w, x in zip(share, got)]
            need(self.weights[side] is not None or not any(gaps), f"marginal: the {side} side is not uniform")
            missing += Fraction(sum(gap for gap in gaps if gap > 0), all_shares * total)
        for at in range(0, self.k, BLOCK):
            part = slice(*np.searchsorted(i, [at, at + BLOCK]))
            for end, c in enumerate(self.costs(self.subset[at : at + BLOCK])):
                least[end], most[end] = min(least[end], c.min()), max(most[end], c.max())
                paid[end].extend(c[np.array(i[part], dtype=int) - at, j[part]].tolist())
        need(most[1] < np.inf, "range: a cost is too large")
        spans = [Fraction(high) - Fraction(low) for low, high in zip(least, most)]
        return [mean(mass, paid[end]) + min(missing, 1) * spans[end] for end in (1, 0)]

    def best(self, g, feasible, n):
        gains = self.gains(g, range(n))
        return [mean(self.b, g) - feasible.mean(end, holds_price=True) for end in gains]


class Worst:
    """The largest of the distances to several tasks, each of which has some consecutive queries."""

    def __init__(self, problem, pool, query, subset):
        ends = np.cumsum(problem["tasks"]).tolist()
        self.spans, self.k, self.m, self.tasks = list(zip([0, *ends], ends)), problem["budget"], problem["queries"], []
        self.ends, self.whole, self.subset = ends, Transport(problem, pool, query, subset), subset
        given = problem["weights"]["query"]
        for span in (slice(*span) for span in self.spans):
            weights = {"subset": problem["weights"]["subset"], "query": problem["weights"]["query"]}
            weights["query"] = weights["query"] and weights["query"][span]
            alone = {**problem, "queries": span.stop - span.start, "weights": weights}
            rows = (pool[span], None) if query is None else (pool, query[span])
            self.tasks.append(Transport(alone, *rows, subset))
        self.power, self.signed = self.tasks[0].power, self.tasks[0].signed

    def split(self, g):
        need(len(g) == self.m, f"potentials: {len(g)} for {self.m} queries")
        return [g[slice(*span)] for span in self.spans]

    # What each row gains from the potentials of each task at most.
    def gains(self, g, rows):
        for end in self.whole.gains(g, rows, [start for start, _ in self.spans]):
            yield [end[at : at + len(self.spans)] for at in range(0, len(end), len(self.spans))]

    def lower(self, g):
        parts, bounds = self.split(g), []
        for gains in self.gains(g, self.subset):
            of_tasks = zip(self.tasks, parts, zip(*gains))
            bounds.append(max(mean(task.b, part) - mean(task.a, gained) for task, part, gained in of_tasks))
        return bounds

    def upper(self, plan):
        entries = list(zip(plan["position"], plan["query"], plan["mass"]))
        need(len(entries) == len(plan["position"]) == len(plan["query"]) == len(plan["mass"]), "plan: lengths differ")
        order = all(map(tuple.__lt__, (e[:2] for e in entries), (e[:2] for e in entries[1:])))
        need(order and all(e[1] < self.m for e in entries), "plan: out of range or order")
        found, parts = [], [[] for _ in self.tasks]
        for entry in entries:
            parts[bisect.bisect_right(self.ends, entry[1])].append(entry)
        need(all(parts), "plan: a task is left out")
        for task, (start, _), part in zip(self.tasks, self.spans, parts):
            i, j, mass = map(list, zip(*part))
            found.append(task.upper({"position": i, "query": [x - start for x in j], "mass": mass}))
        return list(map(max, zip(*found)))

    # Any shares of the tasks: the largest distance is at least the mean. Both ends count what rows gain in full, as potentials
    # of several tasks may cancel, beside whose sizes no rounding is small.
    def best(self, evidence, feasible, n):
        shared, g = evidence
        need(len(shared) == len(self.tasks) and all(x >= 0 for x in shared), "shares: one is missing or negative")
        exact, parts, ends = positive(shared, "shares"), self.split(g), []
        earned = sum(share * mean(task.b, part) for task, share, part in zip(self.tasks, exact, parts))
        for gains in self.gains(g, range(n)):
            sums = [sum(share * units(x) for share, x in zip(exact, row)) for row in gains]
            # As doubles that are no smaller.
            ends.append([above(Fraction(x, 2**2148)) for x in sums])
        heights = [feasible.mean(end, holds_price=True) for end in ends]
        return [(earned - height * 2**1074) / sum(exact) for height in heights]


class Tsds:
    """Transport with a price on concentration: the best plan spreads every query evenly over its K nearest rows."""

    def __init__(self, problem, pool, query, subset, diversity):
        self.plain, self.k, self.n = Transport(problem, pool, query, subset), problem["budget"], problem["pool"]
        self.diversity, self.power, self.signed = Fraction(diversity), 1, self.plain.signed

    # The value for every K, the least of which it is, from below and above.
    def interval(self):
        parts = [self.plain.costs(self.plain.subset[at : at + BLOCK]) for at in range(0, self.k, BLOCK)]
        ends = []
        for side in (0, 1):
            ranked = np.sort(np.concatenate([part[side] for part in parts]), axis=0)
            need(np.isfinite(ranked).all(), "range: a cost is too large")
            spent, least = 0, None
            for count, layer in enumerate(ranked.tolist(), 1):
                spent += sum(map(units, layer))
                value = Fraction(spent, count * len(layer) * 2**1074) + self.diversity / count
                least = value if least is None else min(least, value)
            ends.append(least - self.diversity / self.n)
        return ends

    def best(self, g, feasible, n):
        need(len(g) == self.plain.m, f"potentials: {len(g)} for {self.plain.m} queries")

        def height(c):
            over, sums = np.array(g, dtype=np.float64) > c, np.zeros(len(c))
            for row in np.flatnonzero(over.any(axis=1)):
                near = np.flatnonzero(over[row])
                total = Fraction(sum(units(g[j]) - units(c[row, j]) for j in near), 2**1074)
                need(total < LARGEST, "range: a potential is too large")
                sums[row] = np.nextafter(float(total), np.inf)
            return sums

        ends = []
        for heights in each(range(n), lambda block: map(height, self.plain.costs(block))):
            slope = self.diversity - feasible.support(heights) / self.plain.m
            least = slope / self.k if slope >= 0 else slope
            ends.append(mean(self.plain.b, g) + least - self.diversity / self.n)
        return ends


class Feasible:
    """The subsets that may be chosen: k rows or so many tokens, those of `include` and none of `exclude`, at prices of limits.

    What rows are worth by themselves is a negative discount, where tokens are the budget instead `gains` in the value of each, in
    units; `worth` is the mean of it over the subset in hand.
    """

    def __init__(self, k, n, constraints=None, worth=0, tokens=None, gains=None):
        self.k, self.constraints, self.worth, self.tokens = k, constraints, worth, tokens
        self.gains = gains or [0] * n
        self.include, self.exclude, self.discounts, self.constant = constraints or (set(), set(), [0] * n, 0)

    # At most this is the sum of a value over any such subset: those that must be chosen, and the largest others.
    def support(self, values, holds_price=False):
        if self.constraints is None:
            some = (x for x in values if x > 0) if holds_price else heapq.nlargest(self.k, values)
            return Fraction(sum(map(units, some)), 2**1074)
        paid = [units(value) * 2**1074 - discount for value, discount in zip(values, self.discounts)]
        free = (x for row, x in enumerate(paid) if row not in self.include and row not in self.exclude)
        chosen = sum(paid[row] for row in self.include) + sum(heapq.nlargest(self.k - len(self.include), free))
        return Fraction(chosen + self.constant, 2**2148)

    # At most this is the mean of a value over any such subset, each row weighing its length where tokens are the budget.
    def mean(self, values, holds_price=False):
        if self.tokens is None:
            return self.support(values, holds_price) / self.k
        lengths, least, most = self.tokens
        rows, exact = [row for row in range(len(values)) if row not in self.exclude], [*map(units, values)]
        if any(self.gains):
            exact = [value + gain for value, gain in zip(exact, self.gains)]
            values = [nearest(Fraction(value, 2**1074)) for value in exact]
        if holds_price and self.constraints is None:
            rows = [row for row in rows if values[row] > 0]  # the others gain nothing at a price that is not negative
        paid = lambda row: nearest(Fraction(self.discounts[row], 2**2148))
        rough = [(values[row], lengths[row], paid(row), row in self.include) for row in rows]
        # Where a row gains nothing more, how long it is, and what that may err by.
        ratios = [(v - d / t, t, (abs(v) + abs(d / t)) * 2.0**-51) for v, t, d, kept in rough if t > 0 and not kept]
        ratios.sort(reverse=True)
        kept = sum(t for _, t, _, kept in rough if kept)

        def filled(tokens):
            at = int(np.searchsorted(np.cumsum([t for _, t, _ in ratios]), tokens - kept)) if ratios else 0
            price, _, error = ratios[min(at, len(ratios) - 1)] if ratios else (0.0, 0.0, 0.0)
            return price, price + error

        # The price of a token less what rows gain above it: at any price a bound, at the best of these near the least.
        def bound(price):
            spent = self.constant
            for row in rows:
                gain = units(lengths[row]) * (exact[row] - units(price)) - self.discounts[row]
                spent += gain if row in self.include else max(gain, 0)
            share = Fraction(spent, 2**1074 * units(least if spent >= 0 else most))
            return Fraction(price) + share, spent

        prices = [*filled(least), *filled(most)]
        if kept > 0:
            worth = sum(v * t - d for v, t, d, here in rough if here) + nearest(Fraction(self.constant, 2**2148))
            prices.append(worth / kept)
        high, low = prices[0], prices[2]
        if math.isfinite(high) and math.isfinite(low) and bound(high)[1] < 0 < bound(low)[1]:
            for _ in range(60):
                middle = (low + high) / 2
                low, high = (middle, high) if bound(middle)[1] > 0 else (low, middle)
            prices.append(high)
        at_least = 0.0 if holds_price and self.constraints is None else -LARGEST
        prices = [max(price, at_least) for price in [0.0, *prices] if math.isfinite(price)]
        return min(bound(price)[0] for price in prices)
