"""Texts whose rows by two models are known, and the comparison with them."""

import gzip
import json
import sys
from pathlib import Path

import numpy as np

WHAT, SCRATCH = sys.argv[1], Path(sys.argv[2])
COUNTS = {"first": 512, "short": 64}
# In the known rows of the language model, prompts are cut at 64 tokens: these have no more, as none is of less than a byte.
SHORT = 64


def known(name):
    if name == "first":
        return np.load("examples/data/pool.embed.npy")[: COUNTS[name]]
    return np.load("tests/data/models/rds.npy")


def rows(path):
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    return np.frombuffer(content[8 + length :], "<f4").reshape(header["rows"]["shape"])


if WHAT == "texts":
    with gzip.open("examples/data/pool.jsonl.gz", "rt") as file:
        lines = list(file)
    short = [line for line in lines if len(json.loads(line)["prompt"].encode()) <= SHORT]
    for name, those in (("first", lines), ("short", short)):
        (SCRATCH / f"{name}.jsonl").write_text("".join(those[: COUNTS[name]]))
else:
    for name, least in (("first", 0.99999), ("short", 0.9999)):
        made, stored = rows(SCRATCH / f"{name}.safetensors").astype(float), known(name).astype(float)
        assert made.shape == stored.shape == (COUNTS[name], made.shape[1])
        # Stored in f16, so no longer of unit length.
        cosines = (made * stored).sum(1) / np.linalg.norm(made, axis=1) / np.linalg.norm(stored, axis=1)
        print(f"{name}: {len(made)} rows, least cosine {cosines.min():.9f}")
        assert cosines.min() >= least, name
