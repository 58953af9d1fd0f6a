"""What evidence proves of the distances of kernels, for the checker in verify.py; conventions as in verify_bounds.py."""

from fractions import Fraction

import numpy as np

from verify_bounds import ANGLES, BLOCK, TINY, U, Stop, costs, each, need, positive, shares, units

NEVER_NEGATIVE = ("gaussian", "laplace", "inverse-multiquadric")  # and 1 at distance zero
CANCELLED = 100  # sizes of a measure's weights, in units of its total


# Numbers below and above a kernel, from such of squared distances; all of them fall with the distance. Of several bandwidths
# the mean counts.
def kernel_ends(name, sigma, low, high):
    if type(sigma) is list:
        ends = [kernel_ends(name, one, low, high) for one in sigma]
        low, high = (sum(end) / len(sigma) for end in zip(*ends))
        doubt = 4 * len(sigma) * U
        return np.maximum(low * (1 - doubt) - TINY, 0), np.minimum(high * (1 + doubt) + TINY, 1)
    down, up = lambda x: np.maximum(x * (1 - 8 * U) - TINY, 0), lambda x: x * (1 + 8 * U) + TINY
    if name == "energy":
        return -up(np.sqrt(high)), -down(np.sqrt(low))
    if name == "cosine":
        return 1 - high / 2 - 4 * U * (1 + high), 1 - low / 2 + 4 * U * (1 + low)
    if name == "inverse-multiquadric":
        low, high = (1 / np.sqrt(1 + x / (sigma * sigma)) for x in (high, low))
    elif name == "gaussian":
        low, high = np.exp(-up(high / (2 * sigma * sigma))), np.exp(-down(low / (2 * sigma * sigma)))
    else:
        low, high = np.exp(-up(np.sqrt(high) / sigma)), np.exp(-down(np.sqrt(low) / sigma))
    return np.maximum(low * (1 - 64 * U) - 4 * TINY, 0), np.minimum(high * (1 + 64 * U) + 4 * TINY, 1)


class Kernel:
    """The distance that a kernel makes: the root of E k(x, x') - 2 E k(x, q) + E k(q, q')."""

    def __init__(self, problem, pool, query, subset, name, sigma):
        need(query is not None, "objective: a kernel needs points")
        self.name, self.sigma, self.power, self.signed = name, sigma, 2, False
        self.of, self.scale = ("cosine", 2) if problem["cost"] in ANGLES else ("sqeuclidean", 1)
        self.pool, self.query, self.k = pool, query, problem["budget"]
        self.chosen = np.asarray(pool[subset], dtype=np.float64)
        given, counts = problem["weights"], {"subset": self.k, "query": problem["queries"]}
        self.weights = {side: given[side] or [1.0] * counts[side] for side in counts}
        self.shares = {side: shares(given[side], counts[side]) for side in counts}

    # Numbers below and above the sum over columns of weight times kernel, for some rows.
    def sums(self, pool, rows, columns, weights):
        low, high = costs(self.of, 1, pool, columns, rows)
        low, high = kernel_ends(self.name, self.sigma, self.scale * low, self.scale * high)
        weights = np.array(weights, dtype=np.float64)
        plus, minus = np.maximum(weights, 0), np.maximum(-weights, 0)
        size = np.maximum(np.abs(low), np.abs(high)) @ np.abs(weights)
        slack = (2 * len(weights) + 32) * U * size + 4 * len(weights) * TINY
        return low @ plus - high @ minus - slack, high @ plus - low @ minus + slack

    # Numbers below and above the mean of the kernel over pairs of two sides.
    def mean(self, *sides):
        rows, columns = (self.chosen if side == "subset" else self.query for side in sides)
        a, b = (self.shares[side] for side in sides)
        ends = each(range(len(rows)), lambda block: self.sums(rows, block, columns, self.weights[sides[1]]))
        return [Fraction(sum(w * units(x) for w, x in zip(a, end)), sum(a) * sum(b)) for end in ends]

    def interval(self):
        own, cross, queries = (
            self.mean(*sides) for sides in (("subset", "subset"), ("subset", "query"), ("query", "query"))
        )
        return [own[end] - 2 * cross[1 - end] + queries[end] for end in (0, 1)]

    # Of any measure on pool rows; the least mean of h over subsets, less its square, and the queries'.
    def best(self, witness, feasible, n):
        rows, weights = witness["rows"], witness["weights"]
        need(0 < len(rows) == len(set(rows)) == len(weights), "witness: rows are repeated, or none, or without weights")
        need(max(rows) < n, "witness: there is no such row")
        if witness["shift"]:
            return self.local(rows, weights, witness["shift"], feasible, n)
        shares = positive(weights, "witness")
        total = sum(shares)
        cancelled = sum(map(abs, shares)) > CANCELLED * total
        need(not cancelled, "witness: the weights cancel, so that rounding hides the bound", "cannot-check")
        landmarks, mass = np.asarray(self.pool[rows], dtype=np.float64), float(Fraction(total, 2**1074))
        queried = float(Fraction(sum(self.shares["query"]), 2**1074))

        def values(block):
            pulls = self.sums(self.pool, block, landmarks, weights)
            queries = self.sums(self.pool, block, self.query, self.weights["query"])
            for pull, query, sign in ((pulls[0], queries[1], 1), (pulls[1], queries[0], -1)):
                pull, query = pull / mass, query / queried
                yield query - pull + sign * (8 * U * (np.abs(query) + np.abs(pull)) + TINY)

        heights = each(range(n), values)
        pulls = each(range(len(rows)), lambda block: self.sums(landmarks, block, landmarks, weights))
        queries, ends = self.mean("query", "query"), []
        for end in (0, 1):
            # For a bound below, each product is at its upper end.
            square = sum(w * units(pulls[(end == 0) == (w >= 0)][at]) for at, w in enumerate(shares))
            height = -feasible.mean(heights[end])
            ends.append(2 * height - Fraction(square, total * total) + queries[end])
        return ends


    # Active rows with masses in units of 1/k and what is taken from the diagonal of each; all others count for themselves alone.
    def local(self, rows, weights, shift, feasible, n):
        need(self.name in NEVER_NEGATIVE and feasible.tokens is None, "shift: not of this kernel or budget")
        need(len(shift) == len(rows) and max(shift) < 1, "shift: numbers are missing, or not below 1")
        self.semidefinite(rows, shift)
        active, exact, k = np.asarray(self.pool[rows], dtype=np.float64), [*map(units, weights)], self.k
        pulls = each(range(len(rows)), lambda block: self.sums(active, block, active, weights))
        queried = float(Fraction(sum(self.shares["query"]), 2**1074))
        # Numbers below and above k (h + mean of the kernel to the queries).
        own = [np.full(n, 0.5), np.full(n, 0.5)]
        d, w = np.array(shift), np.array(weights)
        for end, sign in ((0, -1), (1, 1)):
            pull, part = np.array(pulls[end]), d * (0.5 - w)
            own[end][rows] = pull + part + sign * (8 * U * (np.abs(pull) + np.abs(d) * (0.5 + np.abs(w))) + TINY)

        def values(block):
            queries = self.sums(self.pool, block, self.query, self.weights["query"])
            for pull, query, sign in ((own[0], queries[1], 1), (own[1], queries[0], -1)):
                pull, query = pull[np.asarray(block)] / k, query / queried
                yield query - pull + sign * (8 * U * (np.abs(query) + np.abs(pull)) + TINY)

        heights, queries, ends = each(range(n), values), self.mean("query", "query"), []
        for end in (0, 1):
            square = sum(w * units(pulls[(end == 0) == (w >= 0)][at]) * 2**1074 for at, w in enumerate(exact))
            square -= sum(units(d) * w * w for d, w in zip(shift, exact))
            ends.append(queries[end] - 2 * feasible.mean(heights[end]) - Fraction(square, 2**3222 * k * k))
        return ends

    # That the kernel of these rows less the shift is positive semidefinite: Cholesky's factorisation of what is less by all doubt.
    def semidefinite(self, rows, shift):
        if max(shift) <= 0:
            return
        n, active = len(rows), np.asarray(self.pool[rows], dtype=np.float64)
        low, high = np.empty((n, n)), np.empty((n, n))
        for at in range(0, n, BLOCK):
            c = costs(self.of, 1, active, active, range(at, min(at + BLOCK, n)))
            ends = kernel_ends(self.name, self.sigma, self.scale * c[0], self.scale * c[1])
            low[at : at + BLOCK], high[at : at + BLOCK] = ends
        # Both triangles, of which rounding may differ.
        low, high = np.minimum(low, low.T), np.maximum(high, high.T)
        # What the kernel is more than its lower ends, the diagonal aside, is no longer than its largest sum over a row.
        high -= low
        np.fill_diagonal(high, 0)
        doubt = float(high.sum(axis=1).max()) * (1 + 4 * (n + 2) * U)
        diagonal = 1 - np.array(shift)
        # Any order of sums; four times the bound of its errors.
        slack = 4 * (n + 2) * U * (1 + float(np.maximum(diagonal, 0).sum())) + doubt + 1e-290

        def runs(by):
            np.fill_diagonal(low, diagonal - by)
            try:
                return bool(np.isfinite(np.linalg.cholesky(low)).all())
            except np.linalg.LinAlgError:
                return False

        if not runs(slack):
            doubtful = runs(-slack)
            reason = "shift: it is not shown to leave the kernel positive semidefinite"
            raise Stop("cannot-check" if doubtful else "rejected", reason)
