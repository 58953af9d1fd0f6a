#!/usr/bin/env python3
"""A second checker of kantor certificates: NumPy only, and no line shared with `kantor verify`.

    python verify.py certificate.json --pool pool.npy [--pool more.npy] --query query.npy   (or --similarity s.npy)
        [--column NAME=FILE[:FIELD]]

It checks certificates of every objective against .npy files of floats. Nothing in one is believed: it must have exactly the
keys and types of CERTIFICATE below, speak of the rows that are given, leave out exactly those that have no cost, and its
claims must follow from its evidence. Rows are known by their values, whatever files they lie in; in version 1 of the format,
by the file. Columns, of which constraints and quality speak, are fields of JSON lines or text with one value a line, packed
by gzip or not.

Costs and kernels are in doubt: inner products of d terms are off by less than (4d + 64) units of 2^-53. Sums are exact, but
for those of kernels over k, M or a measure's rows. What is printed lies outside of that doubt, a claim passes if it lies
within: its p-th power by 1e-12 for cosines of 512 terms, the square of a kernel's distance by 1e-11.
Exit code: 0 verified, 1 weaker or rejected, 3 cannot check.
"""

import argparse
import hashlib
import json
import math
import os
from fractions import Fraction

import numpy as np

from verify_bounds import ANGLES, DISTANCES, LARGEST, Stop, Transport, Tsds, Worst, need
from verify_constraints import feasible
from verify_kernels import Kernel

try:
    from blake3 import blake3
except ImportError:
    from blake3_numpy import blake3  # beside this file

NORMS = 1e-140, 1e140  # least and largest squared norm of a row that has a direction
LARGEST_COST = 1e280  # of given costs, to the power p
MOST_BANDWIDTHS = 8
KERNELS = ("gaussian", "laplace", "inverse-multiquadric", "cosine")  # that are positive definite
BANDWIDTHS = 1e-70, 1e70
TRANSPORT = (
    "distance = (min <c^p, x> over couplings x of subset and queries, both of total mass 1)^(1/p); "
    "best = lower bound of the distance of every subset of `budget` distinct pool rows with equal weights"
)
DISCREPANCY = (
    "distance = sqrt(E k(x,x') - 2 E k(x,q) + E k(q,q')), x, x' from the subset and q, q' from the queries, all uniform and "
    "independent; k = -|x-q| for energy; points are rows, divided by their norms for costs of directions; best = lower bound "
    "of the distance of every subset of `budget` distinct pool rows with equal weights"
)
WEIGHTED = "; instead of uniform, the side whose `weights` are given has these as probabilities, divided by their sum"
TOKENS = (
    "every subset row weighs its number in the column of `tokens`, divided by the sum of these; best = lower bound of the "
    "distance of every subset of distinct pool rows, however many, so weighted, whose numbers add up to min <= x <= max"
)
WORST = (
    "; the queries are those of several tasks, so many of each as `tasks` says, one after the other: distance is the largest of "
    "those to each task alone, whose weights are divided by their own sum, and `plan` has a coupling for each task"
)
REGULARISED = (
    "distance = min <c, x> + diversity*(M*max_ij x_ij - 1/N) over x >= 0 on subset rows and queries that give every query mass "
    "1/M, the rows any mass; best = lower bound of it for every subset of `budget` distinct pool rows"
)
CONSTRAINED = (
    " that obeys `constraints`, as `subset` does: it has all rows of `include`, none of `exclude`, and for every limit min <= x "
    "<= max, x the number of its rows with the label (`each`: with any one label) or the sum of its numbers (`sum`) in the "
    "column; rows are numbered as in `subset`"
)
VALUED = (
    "; where there is a `quality`, distance and best are instead of that distance to the power p, the power 2 under energy and "
    "mmd, less weight times the mean of the numbers in the column of `quality` over the subset, and may be negative"
)

VALUED_IN_TOKENS = (
    "; where there is a `quality`, distance and best are instead of that distance to the power p, the power 2 under energy and "
    "mmd, less weight times the mean of the numbers in the column of `quality` over the subset, whose rows weigh what they weigh "
    "in the distance, and may be negative"
)

# The format: objects, arrays of one kind, leaves by test. What stands in parentheses may be null or missing; what has a
# default may be missing.
text = lambda x: type(x) is str and not any("\ud800" <= c <= "\udfff" for c in x)
whole = lambda x: type(x) is int and 0 <= x < 2**64
real = lambda x: type(x) in (int, float) and math.isfinite(x)
COLUMN = {"name": text, "blake3": text, "origin": (text,)}
counted = lambda x: x in ("each", "sum") or type(x) is dict and [*x] == ["label"] and text(x["label"])
CERTIFICATE = {
    "schema": text,
    "problem": {
        **{"cost": text, "p": whole, "budget": whole, "pool": whole, "queries": whole, "convention": text},
        **{"weights": {"subset": ([real],), "query": ([real],)}, "objective": lambda x: True},
        "tasks": [whole],
        "constraints": {
            "columns": [COLUMN],
            "limits": [{"column": whole, "of": counted, "min": (real,), "max": (real,)}],
            **{"include": [whole], "exclude": [whole]},
        },
        "quality": ({"weight": real, "column": COLUMN},),
        "tokens": ({"column": {"name": text, "blake3": text, "origin": (text,)}, "min": real, "max": real},),
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
        "shift": [real],
        "task_shares": [real],
        "prices": [{"limit": whole, "label": (text,), "price": real}],
    },
    "made_by": {"tool": text, "version": text, "selector": (text,)},
}
INPUT = {"role": text, "tensor": (text,), "rows": whole, "dim": whole, "dtype": text}
INPUTS = {
    "kantor/certificate/1": {**INPUT, "name": text, "sha256": text},
    "kantor/certificate/2": {**INPUT, "name": (text,), "start": whole, "blake3": text},
}
DEFAULTS = {"objective": lambda: "w", "constraints": dict}
DEFAULTS.update((key, list) for key in ("columns", "limits", "include", "exclude", "prices", "tasks", "task_shares", "shift"))


def fit(value, form, place):
    if isinstance(form, dict):
        need(type(value) is dict, f"json: {place} is no object")
        need(set(value) <= set(form), f"json: {place} has the unknown key {[*(set(value) - set(form))][:1]}")
        for key, of in form.items():
            fit(value.setdefault(key, DEFAULTS.get(key, lambda: None)()), of, f"{place}.{key}")
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
    plain = path.lower().removesuffix(".gz").removesuffix(".zst")
    why = f"{path} is text, of whose words `kantor verify` makes rows, which is not done here"
    need(not plain.endswith((".jsonl", ".csv", ".tsv")), why, "cannot-check")
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


def weighted(problem):
    return any(side is not None for side in problem["weights"].values())


# The objective, as a kernel's name and bandwidth or TSDS's diversity, and the convention that goes with it.
def objective_of(problem):
    objective, angles = problem["objective"], problem["cost"] in ANGLES
    if objective == "w":
        return None, TRANSPORT
    need(problem["p"] == 1, "objective: it has no power")
    if objective == "energy":
        need(problem["cost"] != "precomputed", "objective: a kernel needs points")
        return ("energy", None), DISCREPANCY
    one = type(objective) is dict and len(objective) == 1 and [*objective][0]
    terms = objective[one] if one in ("mmd", "tsds") else None
    need(type(terms) is dict, "json: an unknown objective")
    if one == "tsds":
        need(not weighted(problem), "objective: it has no weights")
        need([*terms] == ["diversity"] and real(terms["diversity"]) and terms["diversity"] > 0, "objective: no diversity")
        return float(terms["diversity"]), REGULARISED
    name, sigma = terms.get("kernel"), terms.get("bandwidth")
    need(set(terms) <= {"kernel", "bandwidth"} and type(name) is str and name in KERNELS, "objective: another kernel")
    if name == "cosine":
        need(sigma is None and angles, "objective: this kernel needs unit rows")
    else:
        several = type(sigma) is list
        need(not several or 2 <= len(sigma) <= MOST_BANDWIDTHS, "objective: not so many bandwidths")
        fits = lambda one: real(one) and BANDWIDTHS[0] <= one <= BANDWIDTHS[1]
        need(all(map(fits, sigma if several else [sigma])), "objective: no bandwidth")
    need(problem["cost"] != "precomputed", "objective: a kernel needs points")
    return (name, sigma), DISCREPANCY


# For each claim what its evidence proves: first what is sure, then what the doubt about costs and kernels allows.
def prove(cert, args, kind):
    problem, evidence, dropped, (pool, query) = cert["problem"], cert["evidence"], cert["dropped"], rows_of(cert, args)
    n, m, k = (problem[key] for key in ("pool", "queries", "budget"))
    need((n, m) == (pool.shape[::-1] if query is None else (len(pool), len(query))), "shape: not that of the input")
    kept = np.delete(np.arange(n + len(dropped["pool"])), dropped["pool"]).tolist()
    number = {row: i for i, row in enumerate(kept)}
    subset = [number.get(row) for row in cert["subset"]]
    need(None not in subset and len(set(subset)) == len(subset) == k, "subset: rows repeated, dropped or missing")
    among, for_all = feasible(cert, args.certificate, args.column, kept), evidence["best_potentials"]
    need(not evidence["prices"] or cert["best"], "evidence: prices of no claim")
    need(not cert["best"] or problem["tokens"] or problem["weights"]["subset"] is None, "best: of equal weights only")
    need(not evidence["shift"] or evidence["witness"], "evidence: a shift of no witness")
    proofs, quality = {}, problem["quality"]
    if kind is None:
        of = (Worst if problem["tasks"] else Transport)(problem, pool, query, subset)
        if problem["tasks"] and for_all is not None:
            for_all = evidence["task_shares"], for_all
        need(evidence["witness"] is None, "evidence: of another objective")
        for name, bound, key in (("lower", of.lower, "distance_potentials"), ("upper", of.upper, "plan")):
            if evidence[key] is not None:
                proofs[name] = bound(evidence[key])
    else:
        need(evidence["distance_potentials"] is None and evidence["plan"] is None, "evidence: of another objective")
        if type(kind) is tuple:
            of, for_all = Kernel(problem, pool, query, subset, *kind), evidence["witness"]
            need(evidence["best_potentials"] is None, "evidence: of another objective")
            if for_all is not None:
                rows = [number.get(row) for row in for_all["rows"]]
                need(None not in rows, "witness: a row is dropped or missing")
                for_all = {**for_all, "rows": rows, "shift": evidence["shift"]}
        else:
            of = Tsds(problem, pool, query, subset, kind)
            need(evidence["witness"] is None, "evidence: of another objective")
        low, high = of.interval()
        ends = {"lower": [low, high], "upper": [high, low]}
        proofs = {name: ends[name] for name in ends if cert["distance"][name] is not None}
    if for_all is not None:
        proofs["best"] = of.best(for_all, among, n)
    if quality is None:
        return proofs, of.power, of.signed
    for name in {"lower", "upper"} & set(proofs):
        proofs[name] = [(end if of.signed else max(end, 0)) - among.worth for end in proofs[name]]
    return proofs, 1, True


# Verdict, reason and what is sure.
def check(args):
    cert = read(args.certificate)
    problem, (cost, p) = cert["problem"], (cert["problem"]["cost"], cert["problem"]["p"])
    kind, convention = objective_of(problem)
    if problem["tokens"]:
        need(problem["objective"] == "w" or type(kind) is tuple, "tokens: not the budget of this objective")
        convention = convention.partition("best = ")[0] + TOKENS
    convention += CONSTRAINED if any(problem["constraints"].values()) else ""
    if problem["tasks"]:
        several = len(problem["tasks"]) > 1 and 0 not in problem["tasks"] and sum(problem["tasks"]) == problem["queries"]
        need(several and problem["objective"] == "w", "tasks: they are not those of the queries, or of this objective")
    need(not cert["evidence"]["task_shares"] or problem["tasks"] and cert["best"], "evidence: shares of no claim")
    convention += WEIGHTED if type(kind) is tuple and weighted(problem) else ""
    convention += WORST if problem["tasks"] else ""
    if quality := problem["quality"]:
        plain = problem["tokens"] or problem["weights"]["subset"] is None
        known = plain and type(kind) is not float and quality["weight"] > 0
        need(known, "quality: no weight, or not known of this statement")
        convention += VALUED_IN_TOKENS if problem["tokens"] else VALUED
    need(problem["convention"] == convention, "convention: not the one of this format")
    need(cost in (*ANGLES, *DISTANCES, "precomputed") and p in (1, 2), "problem: unknown cost or power")
    need(0 < problem["budget"] <= problem["pool"] and problem["queries"] > 0, "budget: nothing to choose")
    claims = {**cert["distance"], "best": cert["best"] and cert["best"]["lower"]}
    claims = {name: claim for name, claim in claims.items() if claim is not None}
    need(all(claim <= claims.get("upper", claim) for claim in claims.values()), "contradiction: a claim is above upper")
    (proved, power, signed), holds, sure = prove(cert, args, kind), True, {}
    need(set(proved) == set(claims), "evidence: missing, or of no claim")
    for name, ends in proved.items():
        side, claim = 1 if name == "upper" else -1, Fraction(claims[name])
        ends = [end if signed else max(end, 0) for end in ends]
        need(abs(ends[0]) <= LARGEST, "range: a bound is too large")
        holds = holds and side * claim * abs(claim) ** (power - 1) >= side * ends[1]
        out = lambda x: float(np.nextafter(x, side * np.inf))
        value = out(float(ends[0]))
        sure[name] = 0.0 if ends[0] == 0 else value if power == 1 else out(math.sqrt(max(value, 0.0)))
    return ("verified", None, sure) if holds else ("weaker", "the evidence proves a wider interval than claimed", sure)


np.seterr(all="ignore")  # what overflows is looked for
parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("certificate")
for flag in ("--pool", "--query", "--similarity", "--column"):
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
