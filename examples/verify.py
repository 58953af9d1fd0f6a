#!/usr/bin/env python3
"""A second checker of kantor certificates: NumPy only, and no line shared with `kantor verify`.

    python verify.py certificate.json --pool pool.npy [--pool more.npy] --query query.npy   (or --similarity s.npy)

It checks certificates of transport against .npy files of floats, and says `cannot-check` of all others. Nothing in one is
believed: it must have exactly the keys and types of CERTIFICATE below, speak of the rows that are given, leave out exactly
those that have no cost, and its claims must follow from its evidence. Rows are known by their values, whatever files they
lie in; in version 1 of the format, by the file.

Only costs are in doubt: inner products of d terms are off by less than (4d + 64) units of 2^-53. Sums are exact. What is
printed lies outside of that doubt, a claim passes if it lies within: its p-th power by 1e-12 for cosines of 512 terms.
Exit code: 0 verified, 1 weaker or rejected, 3 cannot check.
"""

import argparse
import hashlib
import json
import math
import os
from fractions import Fraction

import numpy as np

try:
    from blake3 import blake3
except ImportError:
    from blake3_numpy import blake3  # beside this file

U, TINY, LARGEST = 2.0**-53, 5e-324, float(np.finfo(np.float64).max)
BLOCK = 256  # rows whose costs are in memory at a time
NORMS = 1e-140, 1e140  # least and largest squared norm of a row that has a direction
LARGEST_COST = 1e280  # of given costs, to the power p
ANGLES, DISTANCES = ("cosine", "half-cosine", "angular"), ("euclidean", "sqeuclidean")
CONVENTION = (
    "distance = (min <c^p, x> over couplings x of subset and queries, both of total mass 1)^(1/p); "
    "best = lower bound of the distance of every subset of `budget` distinct pool rows with equal weights"
)

# The format: objects, arrays of one kind, leaves by test. What stands in parentheses may be null or missing; what has a
# default may be missing.
text = lambda x: type(x) is str and not any("\ud800" <= c <= "\udfff" for c in x)
whole = lambda x: type(x) is int and 0 <= x < 2**64
real = lambda x: type(x) in (int, float) and math.isfinite(x)
CERTIFICATE = {
    "schema": text,
    "problem": {
        **{"cost": text, "p": whole, "budget": whole, "pool": whole, "queries": whole, "convention": text},
        **{"weights": {"subset": ([real],), "query": ([real],)}, "objective": lambda x: True},
        "constraints": lambda x: type(x) is dict and not x,  # none is known
    },
    "inputs": [],
    "dropped": {"pool": [whole], "query": [whole]},
    "distance": {"lower": (real,), "upper": (real,)},
    "best": ({"lower": real},),
    "subset": [whole],
    "evidence": {
        **{"distance_potentials": ([real],), "best_potentials": ([real],)},
        "plan": ({"position": [whole], "query": [whole], "mass": [whole]},),
        "witness": ({"rows": [whole], "weights": [real]},),
    },
    "made_by": {"tool": text, "version": text, "selector": (text,)},
}
INPUT = {"role": text, "tensor": (text,), "rows": whole, "dim": whole, "dtype": text}
INPUTS = {
    "kantor/certificate/1": {**INPUT, "name": text, "sha256": text},
    "kantor/certificate/2": {**INPUT, "name": (text,), "start": whole, "blake3": text},
}
DEFAULTS = {"objective": "w", "constraints": {}}


class Stop(Exception):
    """Verdict and reason."""


def need(condition, reason, verdict="rejected"):
    if not condition:
        raise Stop(verdict, reason)


def fit(value, form, place):
    if isinstance(form, dict):
        need(type(value) is dict, f"json: {place} is no object")
        need(set(value) <= set(form), f"json: {place} has the unknown key {[*(set(value) - set(form))][:1]}")
        for key, of in form.items():
            fit(value.setdefault(key, DEFAULTS.get(key)), of, f"{place}.{key}")
    elif isinstance(form, list):
        need(type(value) is list, f"json: {place} is no array")
        for item in value:
            fit(item, form[0], place)
    elif isinstance(form, tuple):
        value is None or fit(value, form[0], place)
    else:
        need(form(value), f"json: {place} is missing or of another type")


def read(path):
    need(os.path.isfile(path), f"{path} is no file", "cannot-check")
    unique = lambda pairs: need(len(dict(pairs)) == len(pairs), "json: a key is repeated") or dict(pairs)
    # What 64 bits do not hold is no whole number, nor is -0.
    integer = lambda digits: float(digits) if len(digits) > 20 or digits == "-0" else int(digits)
    constant = lambda name: need(False, f"json: {name} is no number")
    try:
        content = open(path, "rb").read().decode("utf-8")
        cert = json.loads(content, object_pairs_hook=unique, parse_int=integer, parse_constant=constant)
    except (ValueError, RecursionError) as fault:
        raise Stop("rejected", f"json: {fault}")
    schema = cert.get("schema") if type(cert) is dict else None
    known = type(schema) is str and schema in INPUTS
    need(known or type(schema) is not str, "schema: another format")
    fit(cert, {**CERTIFICATE, "inputs": [INPUTS[schema]] if known else []}, "certificate")
    return cert


# The array in a file, its number type, and the digest of the file.
def table(path):
    need(os.path.isfile(path), f"{path} is no file", "cannot-check")
    try:
        with open(path, "rb") as file:
            digest = hashlib.sha256()
            while part := file.read(1 << 20):
                digest.update(part)
            file.seek(0)
            array, rest = np.lib.format.read_array(file, allow_pickle=False), file.read(1)
    except Exception as fault:  # whatever NumPy says of what is no .npy file
        raise Stop("cannot-check", f"{path} cannot be read here: {fault!r}")
    dtype = {"f2": "f16", "f4": "f32", "f8": "f64"}.get(array.dtype.str[1:])
    need(dtype and array.ndim == 2 and array.size > 0 and not rest, f"{path} is no table of floats", "cannot-check")
    return array, dtype, digest.hexdigest()


# Version 1: the inputs are these files.
def files_are(tables, roles, inputs):
    keys = ("role", "sha256", "rows", "dim", "dtype", "tensor")
    said = [tuple(claim[key] for key in keys) for claim in inputs]
    found = [(role, digest, *array.shape, dtype, None) for role, (array, dtype, digest) in zip(roles, tables)]
    need(said == found, "inputs: these are not the files that the certificate speaks of", "cannot-check")


# Version 2: the inputs are ranges that cover the rows of each role once and in order, and have these values.
def values_are(tables, roles, inputs):
    kinds = list(dict.fromkeys(roles))
    need(set(kinds) == {claim["role"] for claim in inputs}, "inputs: other files are given", "cannot-check")
    need(inputs == sorted(inputs, key=lambda claim: kinds.index(claim["role"])), "inputs: roles out of order")
    for kind in kinds:
        parts, at = [table for table, role in zip(tables, roles) if role == kind], 0
        for claim in (claim for claim in inputs if claim["role"] == kind):
            need(claim["start"] == at and claim["rows"] > 0, "inputs: ranges overlap, leave gaps or are out of order")
            at, begin, digest = at + claim["rows"], 0, blake3()
            for array, dtype, _ in parts:
                rows = array[max(claim["start"] - begin, 0) : max(at - begin, 0)]
                begin += len(array)
                same = len(rows) == 0 or (dtype, rows.shape[1]) == (claim["dtype"], claim["dim"])
                need(same, f"inputs: the {kind} rows are of another type or length", "cannot-check")
                if len(rows):
                    rows = np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("<"))
                    digest.update(memoryview(rows).cast("B"))
            need(at <= begin, f"inputs: there are fewer {kind} rows", "cannot-check")
            need(digest.hexdigest() == claim["blake3"], f"inputs: the {kind} rows have other values", "cannot-check")
        need(at == sum(len(array) for array, _, _ in parts), f"inputs: there are more {kind} rows", "cannot-check")


# The pool and query rows that have a cost, or a matrix alone; the certificate must leave out the others, and no more.
def rows_of(cert, args):
    cost, dropped = cert["problem"]["cost"], cert["dropped"]
    files = [(role, path) for role in ("pool", "query", "similarity") for path in getattr(args, role)]
    need(len(files) == 1 if args.similarity else args.pool and args.query, "inputs: files are missing", "cannot-check")
    tables, roles = [table(path) for _, path in files], [role for role, _ in files]
    (files_are if cert["schema"].endswith("1") else values_are)(tables, roles, cert["inputs"])
    arrays = [array for array, _, _ in tables]
    need(len({array.shape[1] for array in arrays}) == 1, "inputs: the files differ in columns", "cannot-check")
    allowed = (*ANGLES, "precomputed") if args.similarity else (*ANGLES, *DISTANCES)
    need(cost in allowed, "inputs: rows and matrices have costs of their own", "cannot-check")
    if args.similarity:
        # A cosine may exceed 1 by what rounding to its type does to it; a cost that is squared has a sign.
        largest = LARGEST_COST ** (1 / cert["problem"]["p"])
        most = largest if cost == "precomputed" else 1 + 2 * float(np.finfo(arrays[0].dtype).eps) + 2.0**-18
        signed = cost == "precomputed" and cert["problem"]["p"] == 1
        least = -most if cost != "precomputed" or signed else 0.0
        good = np.isfinite(arrays[0]).all() and (least <= arrays[0]).all() and (arrays[0] <= most).all()
        need(good and dropped == {"pool": [], "query": []}, "similarity: bad", "cannot-check")
        return arrays[0], None
    sides = []
    for role, parts in (("pool", arrays[: len(args.pool)]), ("query", arrays[len(args.pool) :])):
        rows = np.concatenate(parts)
        squared = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
        least, most = NORMS if cost in ANGLES else (0.0, NORMS[1])
        near = any((abs(squared - limit) < 1e-9 * limit).any() for limit in (least, most))
        need(not near, f"{role}: a norm is too close to the limit to tell", "cannot-check")
        good = (least <= squared) & (squared <= most)  # false for what is no number
        bad = np.flatnonzero(~good).tolist()
        need(bad == dropped[role], f"dropped: rows without a cost are {bad[:9]}", "cannot-check")
        sides.append(rows[good] if bad else rows)
    return sides[0], sides[1].astype(np.float64)


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


def mean(weights, values):
    return Fraction(sum(w * units(x) for w, x in zip(weights, values)), sum(weights) * 2**1074)


def shares(weights, count):
    weights = [1] * count if weights is None else weights
    need(len(weights) == count and all(math.copysign(1, w) > 0 for w in weights), "weights: one is missing or negative")
    shares = [units(w) for w in weights]
    need(2**52 <= sum(shares) < units(LARGEST), "weights: the sum is zero or overflows")
    return shares


# For each claim what its evidence proves of W^p: first what is sure, then what the doubt about costs allows.
def prove(cert, args):
    problem, evidence, dropped, (pool, query) = cert["problem"], cert["evidence"], cert["dropped"], rows_of(cert, args)
    cost, p, k, n, m, weights = (problem[key] for key in ("cost", "p", "budget", "pool", "queries", "weights"))
    need((n, m) == (pool.shape[::-1] if query is None else (len(pool), len(query))), "shape: not that of the input")
    kept = np.delete(np.arange(n + len(dropped["pool"])), dropped["pool"]).tolist()
    number = {row: i for i, row in enumerate(kept)}
    subset = [number.get(row) for row in cert["subset"]]
    need(None not in subset and len(set(subset)) == len(subset) == k, "subset: rows repeated, dropped or missing")
    a, b = shares(weights["subset"], k), shares(weights["query"], m)

    # Weak duality: the mean of g, less what the rows gain.
    def dual(g, rows, spent):
        need(len(g) == m, f"potentials: {len(g)} for {m} queries")
        gains = [], []
        for at in range(0, len(rows), BLOCK):
            for end, c in zip(gains, costs(cost, p, pool, query, rows[at : at + BLOCK])):
                gain = np.array(g, dtype=np.float64) - c
                gain = np.where(gain == 0, 0.0, np.nextafter(gain, np.inf))
                # A cost that is not negative takes from the potential, even from the largest number.
                end.extend(np.where(c < 0, gain, np.minimum(gain, g)).max(axis=1).tolist())
        need(max(map(max, gains)) < np.inf, "range: a cost or a potential is too large")
        return [mean(b, g) - spent(end) for end in gains]

    # What a plan costs; what it does not deliver, which weights allow, goes the longest way.
    def primal(plan):
        i, j, mass = plan["position"], plan["query"], plan["mass"]
        need(len(i) == len(j) == len(mass) > 0 < min(mass), "plan: lengths differ or an entry is zero")
        need(
            max(i) < k and max(j) < m and all(map(tuple.__lt__, zip(i, j), zip(i[1:], j[1:]))),
            "plan: out of range or order",
        )
        total, missing, paid, least, most = sum(mass), 0, ([], []), [0.0, 0.0], [0.0, 0.0]
        for side, at, share, sign in (("subset", i, a, 1), ("query", j, b, -1)):
            got, all_shares = [0] * len(share), sum(share)
            for place, x in zip(at, mass):
                got[place] += x
            gaps = [sign * (w * total - x * all_shares) for w, x in zip(share, got)]
            need(weights[side] is not None or not any(gaps), f"marginal: the {side} side is not uniform")
            missing += Fraction(sum(gap for gap in gaps if gap > 0), all_shares * total)
        for at in range(0, k, BLOCK):
            part = slice(*np.searchsorted(i, [at, at + BLOCK]))
            for end, c in enumerate(costs(cost, p, pool, query, subset[at : at + BLOCK])):
                least[end], most[end] = min(least[end], c.min()), max(most[end], c.max())
                paid[end].extend(c[np.array(i[part], dtype=int) - at, j[part]].tolist())
        need(most[1] < np.inf, "range: a cost is too large")
        spans = [Fraction(high) - Fraction(low) for low, high in zip(least, most)]
        return [mean(mass, paid[end]) + min(missing, 1) * spans[end] for end in (1, 0)]

    def largest(gains):  # what k rows of equal weight gain at most
        return Fraction(sum(units(gain) for gain in gains if gain > 0), k * 2**1074)

    proofs = {
        "lower": ("distance_potentials", lambda g: dual(g, subset, lambda gains: mean(a, gains))),
        "upper": ("plan", primal),
        "best": ("best_potentials", lambda g: dual(g, range(n), largest)),
    }
    need(evidence["best_potentials"] is None or weights["subset"] is None, "best: of equal weights only")
    return {name: of(evidence[key]) for name, (key, of) in proofs.items() if evidence[key] is not None}


# Verdict, reason and what is sure.
def check(args):
    cert = read(args.certificate)
    problem, (cost, p) = cert["problem"], (cert["problem"]["cost"], cert["problem"]["p"])
    need(problem["objective"] == "w", "objective: only transport is checked here", "cannot-check")
    need(problem["convention"] == CONVENTION, "convention: not the one of this format")
    need(cost in (*ANGLES, *DISTANCES, "precomputed") and p in (1, 2), "problem: unknown cost or power")
    need(0 < problem["budget"] <= problem["pool"] and problem["queries"] > 0, "budget: nothing to choose")
    need(cert["evidence"]["witness"] is None, "evidence: of another objective")
    claims = {**cert["distance"], "best": cert["best"] and cert["best"]["lower"]}
    claims = {name: claim for name, claim in claims.items() if claim is not None}
    need(all(claim <= claims.get("upper", claim) for claim in claims.values()), "contradiction: a claim is above upper")
    proved, holds, sure = prove(cert, args), True, {}
    need(set(proved) == set(claims), "evidence: missing, or of no claim")
    for name, ends in proved.items():
        signed, side, claim = cost == "precomputed" and p == 1, 1 if name == "upper" else -1, Fraction(claims[name])
        ends = [end if signed else max(end, 0) for end in ends]
        need(abs(ends[0]) <= LARGEST, "range: a bound is too large")
        holds = holds and side * claim * abs(claim) ** (p - 1) >= side * ends[1]
        out = lambda x: float(np.nextafter(x, side * np.inf))
        value = out(float(ends[0]))
        sure[name] = 0.0 if ends[0] == 0 else value if p == 1 else out(math.sqrt(max(value, 0.0)))
    return ("verified", None, sure) if holds else ("weaker", "the evidence proves a wider interval than claimed", sure)


np.seterr(all="ignore")  # what overflows is looked for
parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("certificate")
for flag in ("--pool", "--query", "--similarity"):
    parser.add_argument(flag, action="append", default=[])
try:
    verdict, reason, sure = check(parser.parse_args())
except Stop as stop:
    verdict, reason, sure = *stop.args, {}
except Exception as fault:  # not foreseen, so nothing is known
    verdict, reason, sure = "cannot-check", f"the check failed: {fault!r}", {}
sure = {name: sure.get(name) for name in ("lower", "upper", "best")}
print(json.dumps({"schema": "kantor/verify/1", "verdict": verdict, **sure, "reason": reason}))
raise SystemExit({"verified": 0, "cannot-check": 3}.get(verdict, 1))
