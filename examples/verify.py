#!/usr/bin/env python3
"""A second checker of kantor certificates: NumPy only, and no line shared with `kantor verify`.

    python verify.py certificate.json --pool pool.npy [--pool more.npy] --query query.npy   (or --similarity s.npy)

Slack: inner products of d terms may be off by (4d + 64) units of 2^-53, sums of n terms by (4n + 64). What is printed is
moved outwards by all of that; a claim passes if it lies within the doubt that remains (1e-12 for cosines of 512 terms).
Exit code: 0 verified, 1 weaker or rejected, 3 cannot check.
"""
import argparse
import hashlib
import json
import math

import numpy as np

KEYS = set("schema problem inputs dropped distance best subset evidence made_by".split())
U, BLOCK, DTYPES = 2.0**-53, 256, {"f2": "f16", "f4": "f32", "f8": "f64"}


def need(condition, reason, verdict="rejected"):
    if not condition:
        raise AssertionError(verdict, reason)


def unique(pairs):
    return need(len(dict(pairs)) == len(pairs), "json: duplicate key") or dict(pairs)


def load(role, paths, claims, dropped):
    claims, arrays = [claim for claim in claims if claim["role"] == role], []
    need(len(claims) == len(paths) > 0, f"{len(claims)} {role} files are named", "cannot-check")
    for path, claim in zip(paths, claims):
        arrays.append(np.load(path, mmap_mode="r", allow_pickle=False))
        digest = hashlib.file_digest(open(path, "rb"), "sha256").hexdigest()
        found = [digest, *arrays[-1].shape, DTYPES.get(arrays[-1].dtype.str[1:])]
        need(found == [claim[key] for key in ("sha256", "rows", "dim", "dtype")], f"{path} differs", "cannot-check")
    return np.delete(np.concatenate(arrays), dropped, axis=0)


def shares(weights, count):
    weights = np.array([1.0] * count if weights is None else weights, dtype=np.float64)
    need(weights.shape == (count,) and (weights >= 0).all() and 0 < weights.sum() < np.inf, "weights")
    return weights / math.fsum(weights)


# Lower and upper bounds of c^p, rows × M; without queries the pool is the matrix.
def cost_bounds(cost, p, pool, query, rows):
    if query is None:
        s, error, same = np.asarray(pool[:, rows], dtype=np.float64).T, 4 * U, False
        most = np.inf if cost == "precomputed" else 1 + 2 * float(np.finfo(pool.dtype).eps) + 2.0**-18
        measurable = (abs(s) <= most).all() and (p == 1 or most < 2 or (s >= 0).all())
        need(measurable, "entries: no cosines, or costs that cannot be squared", "cannot-check")
        s = np.clip(s, -1, 1) if most < 2 else s
    else:
        x, q = np.asarray(pool[rows], dtype=np.float64), query
        error, same = (4 * x.shape[1] + 64) * U, np.array([(q == row).all(axis=1) for row in x])
        if cost in ("euclidean", "sqeuclidean"):
            s = np.array([((q - row) ** 2).sum(axis=1) for row in x])
        else:
            s = (x @ q.T) / np.outer(np.sqrt((x * x).sum(axis=1)), np.sqrt((q * q).sum(axis=1)))
    need(np.isfinite(s).all(), "rows: a row cannot be measured")
    if cost == "precomputed":
        return (s, s) if p == 1 else (s * s * (1 - 4 * U), s * s * (1 + 4 * U))
    if cost in ("euclidean", "sqeuclidean"):
        p = p / 2 if cost == "euclidean" else p
        low, high = np.maximum(s - error * s - x.shape[1] * 5e-324, 0), s + error * s + x.shape[1] * 5e-324
    elif cost == "angular":
        low, high = (np.arccos(np.clip(s + e, -1, 1)) / np.pi for e in (error, -error))
    else:
        c = {"cosine": 1.0, "half-cosine": 0.5}[cost] * (1 - np.minimum(s, 1))
        low, high = np.maximum(c - error * (1 + c), 0), c + error * (1 + c)
    return low**p * (1 - 64 * U), np.where(same, 0, high**p * (1 + 64 * U))


# For each claim the ends (sure, possible) between which lies what its evidence proves.
def prove(args, cert):
    problem, evidence, dropped, inputs = cert["problem"], cert["evidence"], cert["dropped"], cert["inputs"]
    cost, p, k, n, m, weights = (problem[key] for key in ("cost", "p", "budget", "pool", "queries", "weights"))
    need(len(inputs) == len(args.pool + args.query + args.similarity), "inputs", "cannot-check")
    if args.similarity:
        query, pool = None, load("similarity", args.similarity, inputs, dropped["query"])
        pool = np.delete(pool, dropped["pool"], axis=1)
    else:
        pool = load("pool", args.pool, inputs, dropped["pool"])
        query = load("query", args.query, inputs, dropped["query"]).astype(np.float64)
    shape = pool.shape[::-1] if query is None else (len(pool), len(query))
    need(shape == (n, m) and p in (1, 2), "shape: problem and input differ")
    number = {int(row): i for i, row in enumerate(np.delete(np.arange(n + len(dropped["pool"])), dropped["pool"]))}
    subset = [number.get(row) for row in cert["subset"]]
    need(None not in subset and len(set(subset)) == len(subset) == k > 0, "subset: rows repeated, dropped or missing")
    a, b = shares(weights["subset"], k), shares(weights["query"], m)
    def ends(terms, more=0.0):
        slack = (4 * len(terms[0]) + 64) * U * math.fsum(map(abs, terms[0] + terms[1]))
        low, high = math.fsum(terms[0]) - slack, math.fsum(terms[1]) + slack + more
        if cost == "precomputed" and p == 1:
            return low, high
        return max(low, 0.0) ** (1 / p) * (1 - 4 * U), max(high, 0.0) ** (1 / p) * (1 + 4 * U)
    def dual(g, rows, share, clip):
        g = np.array(g, dtype=np.float64)
        need(g.shape == (m,) and np.isfinite(g).all(), "potentials: wrong number or not finite")
        terms = [list(b * g), list(b * g)]
        for at in range(0, len(rows), BLOCK):
            for end, c in zip(terms, cost_bounds(cost, p, pool, query, rows[at : at + BLOCK])):
                best = (g - c).max(axis=1)
                end += list(-share[at : at + BLOCK] * (np.maximum(best, 0) if clip else best))
        return ends(terms)
    def primal(plan):
        i, j, mass = (np.array(plan[key], dtype=object) for key in ("position", "query", "mass"))
        need(len(i) == len(j) == len(mass) > 0 and {type(x) for x in [*i, *j, *mass]} == {int}, "plan: types")
        need(i.min() >= 0 <= j.min() and i.max() < k and j.max() < m and mass.min() > 0, "plan: out of range")
        need((np.diff(i * m + j) > 0).all(), "plan: out of order")
        i, j, total, missing, largest, terms = i.astype(int), j.astype(int), sum(mass), 0.0, 0.0, [[], []]
        for side, at, share, sign in (("subset", i, a, 1), ("query", j, b, -1)):
            received = np.zeros(len(share), dtype=object)
            np.add.at(received, at, mass)
            need(weights[side] or (received * len(share) == total).all(), f"marginal: {side} side is not uniform")
            gap = np.maximum(sign * (share - (received / total).astype(float)), 0).sum() + (len(share) + 16) * U
            missing += gap if weights[side] else 0.0
        for at in range(0, k, BLOCK):
            bounds = cost_bounds(cost, p, pool, query, subset[at : at + BLOCK])
            part = slice(*np.searchsorted(i, [at, at + BLOCK]))
            largest = max(largest, bounds[1].max() - min(0.0, bounds[0].min()))
            for end, c in zip(terms, bounds):
                end += list(c[i[part] - at, j[part]] * (mass[part] / total).astype(float))
        return ends(terms, missing * 2 * largest)
    potentials, for_all, plan = (evidence[key] for key in ("distance_potentials", "best_potentials", "plan"))
    need(for_all is None or weights["subset"] is None, "best: subset weights")
    upper, best = plan and primal(plan)[::-1], for_all and dual(for_all, range(n), np.full(n, 1 / k), True)
    return {"lower": potentials and dual(potentials, subset, a, False), "upper": upper, "best": best}


parser = argparse.ArgumentParser()
parser.add_argument("certificate")
[parser.add_argument(flag, action="append", default=[]) for flag in ("--pool", "--query", "--similarity")]
args, sure = parser.parse_args(), dict.fromkeys(("lower", "upper", "best"))
try:
    cert = json.load(open(args.certificate, "rb"), object_pairs_hook=unique, parse_constant=lambda x: need(False, x))
    need(set(cert) == KEYS and cert["schema"] == "kantor/certificate/1", "schema: unknown version or key")
    need(cert["problem"].get("objective", "w") == "w", "objective: only w is checked here", "cannot-check")
    claims = {**cert["distance"], "best": cert["best"] and cert["best"]["lower"]}
    need({type(claim) for claim in claims.values()} <= {int, float, type(None)}, "json: a claim is no number")
    proved = prove(args, cert)
    need(all((claims[name] is None) == (proved[name] is None) for name in sure), "evidence: missing or unused")
    sure = {name: ends and ends[0] for name, ends in proved.items()}
    holds = all((claims[name] - ends[1]) * (-1) ** (name == "upper") <= 0 for name, ends in proved.items() if ends)
    verdict, reason = ("verified", None) if holds else ("weaker", "the evidence proves a wider interval than claimed")
except AssertionError as stop:
    verdict, reason = stop.args
except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as fault:
    verdict, reason = "rejected", f"malformed: {fault!r}"
print(json.dumps({"schema": "kantor/verify/1", "verdict": verdict, **sure, "reason": reason}, default=float))
raise SystemExit({"verified": 0, "cannot-check": 3}.get(verdict, 1))
