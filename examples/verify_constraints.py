"""Constraints and quality, for the checker in verify.py: whether the subset obeys, and what prices and quality do to a bound."""

import gzip
import json
import math
import os
import struct
import zlib
from fractions import Fraction

from verify_bounds import LARGEST, Feasible, Stop, need, positive, units

try:
    from blake3 import blake3
except ImportError:
    from blake3_numpy import blake3  # beside this file

NO_LABEL = 2**32 - 1
BLANK = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))  # white space


# The values of a column, a label or a number for each of `count` pool rows as stored; `scores` may be negative.
def column(path, field, kind, count):
    need(os.path.isfile(path), f"{path} is no file", "cannot-check")
    try:
        content = open(path, "rb").read()
        content = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
        lines = content.decode("utf-8").split("\n")
    except (ValueError, EOFError, OSError, zlib.error) as fault:
        raise Stop("cannot-check", f"{path}: {fault}")
    lines = [line.strip(BLANK) for line in (lines[:-1] if lines[-1] == "" else lines)]
    need(len(lines) == count, f"{path} has {len(lines)} values for {count} pool rows", "cannot-check")
    spelled, cells = type("Spelled", (str,), {}), lines
    if lines and lines[0].startswith("{"):
        read = lambda line: json.loads(line, parse_int=spelled, parse_float=spelled, parse_constant=spelled).get(field)
        try:
            cells = [read(line) for line in lines]
        except (ValueError, AttributeError, RecursionError) as fault:
            raise Stop("cannot-check", f"{path}: {fault!r}")
        cells = ["true" if cell is True else "false" if cell is False else cell for cell in cells]
        cells = [cell.strip(BLANK) if type(cell) is str else cell for cell in cells]
    if kind == "labels":
        need(all(cell is None or isinstance(cell, str) for cell in cells), f"{path}: no label", "cannot-check")
        half = any(cell and any("\ud800" <= c <= "\udfff" for c in cell) for cell in cells)
        need(not half, f"{path}: half of a surrogate pair in a label", "cannot-check")
        return [str(cell) if cell else None for cell in cells]
    try:
        numbers = [float(cell) for cell in cells]
    except (ValueError, TypeError) as fault:
        raise Stop("cannot-check", f"{path}: {fault}")
    good = all(math.isfinite(x) and (kind == "scores" or math.copysign(1, x) > 0) for x in numbers)
    need(good, f"{path}: a number is negative or not finite", "cannot-check")
    return numbers


# The file of `FILE` or `FILE:FIELD`.
def file_of(place):
    return place if os.path.exists(place) else place.rpartition(":")[0] or place


# The columns in the result that a certificate is a part of: it may lie in folders of a size, a method and a cost there.
def beside(certificate):
    above, found = os.path.abspath(certificate), []
    for _ in range(4):
        above = os.path.dirname(above)
        found.append(os.path.join(above, "columns.jsonl"))
    return [path for path in found if os.path.isfile(path)]


# The values of a column in a place, if they are those that its record means.
def meant(record, kind, place, count):
    path = file_of(place)
    values = column(path, record["name"] if path == place else place[len(path) + 1 :], kind, count)
    digest = blake3(b"L" if kind == "labels" else b"N")
    if kind != "labels":
        digest.update(struct.pack(f"<{count}d", *values))
    else:
        encoded = [None if label is None else label.encode() for label in values]
        prefix = lambda label: struct.pack("<I", NO_LABEL if label is None else len(label)) + (label or b"")
        digest.update(b"".join(map(prefix, encoded)))
    same = digest.hexdigest() == record["blake3"]
    need(same, f"columns: {record['name']!r} has other values", "cannot-check")
    return values


# What limits, the budget in tokens and quality speak of, in this order, if it has the values that the certificate means.
def columns_of(cert, certificate, words, count):
    constraints, quality, given, found = cert["problem"]["constraints"], cert["problem"]["quality"], {}, []
    tokens = cert["problem"]["tokens"]
    records = [(record, "labels") for record in constraints["columns"]]
    for limit in constraints["limits"]:
        if limit["of"] == "sum":
            records[limit["column"]] = records[limit["column"]][0], "numbers"
    records += [(tokens["column"], "numbers")] if tokens else []
    records += [(quality["column"], "scores")] if quality else []
    names = {record["name"] for record, _ in records}
    for word in words:
        # The name of a column may have the mark in it.
        name = max((name for name in names if word.startswith(name + "=")), key=len, default=word.partition("=")[0])
        file = word[len(name) + 1 :]
        need(name and file and name not in given, f"--column {word} is not understood", "cannot-check")
        given[name] = file
    need(set(given) <= names, "columns: the certificate speaks of no such column", "cannot-check")
    for record, kind in records:
        named, faults = given.get(record["name"]), []
        # Whichever of these has the values that are meant.
        for place in [named] if named else [*beside(certificate), *[record["origin"]] * bool(record["origin"])]:
            try:
                found.append(meant(record, kind, place, count))
                break
            except Stop as stop:
                faults.append(stop)
        else:
            raise faults[0] if faults else Stop("cannot-check", f"columns: no file of {record['name']!r} is given")
    return found


# The rows that limits bind, and what they count of a row.
def terms(limit, values):
    need(limit["of"] == "sum" or not (values and type(values[0]) is float), "constraints: a limit is not about its column")
    if limit["of"] == "sum":
        need(all(type(x) is float for x in values), "constraints: a limit is not about its column")
        return {None: {row: units(x) for row, x in enumerate(values)}}
    labels = {} if limit["of"] == "each" else {limit["of"]["label"]: {}}
    for row, label in enumerate(values):
        if label is not None and (limit["of"] == "each" or label in labels):
            labels.setdefault(label, {})[row] = units(1.0)
    return labels


# The budget in tokens: lengths of the rows of the problem, the fewest tokens and the most.
def budget_of(cert, lengths, kept):
    tokens, weights = cert["problem"]["tokens"], cert["problem"]["weights"]["subset"]
    need(2.0**-1022 <= tokens["min"] <= tokens["max"], "tokens: a budget that makes no sense")
    chosen = [lengths[row] for row in cert["subset"]]
    need(weights is not None and list(map(float, weights)) == chosen, "tokens: the weights are not the lengths of the rows")
    used = sum(map(units, chosen))
    need(units(tokens["min"]) <= used <= units(tokens["max"]), "tokens: the subset has too few or too many")
    return [lengths[row] for row in kept], float(tokens["min"]), float(tokens["max"])


# The subsets that the claims are about; `kept` are the rows of the problem, as stored.
def feasible(cert, certificate, words, kept):
    problem, constraints, quality = cert["problem"], cert["problem"]["constraints"], cert["problem"]["quality"]
    prices, k, n, stored = cert["evidence"]["prices"], problem["budget"], problem["pool"], len(cert["dropped"]["pool"])
    stored += n
    if not any(constraints.values()):
        need(not prices, "prices: of no constraints")
        if not quality:
            columns = columns_of(cert, certificate, words, stored)
            return Feasible(k, n, tokens=budget_of(cert, columns[0], kept) if problem["tokens"] else None)
    include, exclude, limits = (constraints[key] for key in ("include", "exclude", "limits"))
    for rows in (include, exclude):
        ascending = all(map(int.__lt__, rows, rows[1:])) and (not rows or rows[-1] < stored)
        need(ascending, "constraints: rows out of order or range")
    need(not set(include) & set(exclude), "constraints: a row is to be chosen and not")
    for limit in limits:
        low, high = limit["min"] or 0.0, LARGEST if limit["max"] is None else limit["max"]
        need(limit["column"] < len(constraints["columns"]) and 0 <= low <= high, "constraints: a limit makes no sense")
    columns, chosen, number = columns_of(cert, certificate, words, stored), set(cert["subset"]), {row: i for i, row in enumerate(kept)}
    tokens = budget_of(cert, columns[len(constraints["columns"])], kept) if problem["tokens"] else None
    need(set(include) <= chosen and not set(exclude) & chosen, "constraints: the subset has other rows than it must")
    counts = [terms(limit, columns[limit["column"]]) for limit in limits]
    for limit, labels in zip(limits, counts):
        for rows in labels.values():
            count, (low, high) = sum(rows.get(row, 0) for row in chosen), (limit["min"], limit["max"])
            obeys = (low is None or units(low) <= count) and (high is None or count <= units(high))
            need(obeys, "constraints: the subset breaks a limit")
    discounts, constant = [0] * n, 0
    for price in prices:
        need(price["limit"] < len(limits), "prices: of no limit")
        limit, labels = limits[price["limit"]], counts[price["limit"]]
        need((price["label"] is not None) == (limit["of"] == "each"), "prices: a label, or none, where its limit has it not")
        end = limit["max"] if price["price"] > 0 else limit["min"] or 0.0
        need(end is not None, "prices: of an upper end that the limit does not have")
        need(limit["of"] != "each" or price["label"] in labels, "prices: of a label that no row has")
        constant += units(price["price"]) * units(end)
        rows = labels[price["label"]] if limit["of"] == "each" else next(iter(labels.values()))
        for row, count in rows.items():
            if row in number:
                discounts[number[row]] += units(price["price"]) * count
    worth, gains = 0, None
    if quality:
        worths = [units(quality["weight"]) * units(score) for score in columns[-1]]
        # A kernel's squared distance is bounded by twice the mean of the values, that to several tasks by it over their shares.
        unit = Fraction(1 if problem["objective"] == "w" else 0.5)
        if problem["tasks"] and cert["best"]:
            unit = Fraction(sum(positive(cert["evidence"]["task_shares"], "shares")), 2**1074)
        for row in kept:
            need(abs(worths[row]) <= units(LARGEST) << 1074, "quality: too large")
        if tokens:
            # Rounded up to units.
            gains = [-(-worths[row] * unit.numerator // (unit.denominator << 1074)) for row in kept]
            length = {row: units(tokens[0][number[row]]) for row in chosen}
            worth = Fraction(sum(worths[row] * t for row, t in length.items()), sum(length.values()) << 2148)
        else:
            for row in kept:
                discounts[number[row]] += -worths[row] * unit.numerator // unit.denominator
            worth = Fraction(sum(worths[row] for row in chosen), k << 2148)
    numbered = lambda rows: {number[row] for row in rows if row in number}
    return Feasible(k, n, (numbered(include), numbered(exclude), discounts, constant), worth, tokens, gains)
