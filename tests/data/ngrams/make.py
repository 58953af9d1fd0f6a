"""Rows of hashed words and pairs of words, by the formula in src/represent/ngrams.rs, and cosines of scikit-learn's rows of the same text.

pip install numpy==2.4.6 scikit-learn==1.9.1 xxhash==4.1.0; python make.py > rows.json
"""

import json
import math
import re
from collections import Counter

import numpy as np
import sklearn
import xxhash
from sklearn.feature_extraction.text import TfidfVectorizer

WORDS = r"[^\W_]+|[^\w\s]|_"
DIM = 48
TEXTS = [
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May.",
    "def truncate_number(number: float) -> float:\n    return number % 1.0",
    "How many clips did Natalia sell altogether in April and May?",
    "Größe zählt nicht: «naïve» façades & co_op 3.14!",
    "日本語 の テキスト。 ok",
    "return number; return number; return it",
]


def hashes(text):
    words = [xxhash.xxh3_64_intdigest(word.lower().encode()) for word in re.findall(WORDS, text)]
    pairs = (a.to_bytes(8, "little") + b.to_bytes(8, "little") for a, b in zip(words, words[1:]))
    return words + [xxhash.xxh3_64_intdigest(pair, seed=2) for pair in pairs]


lines = Counter()
for text in TEXTS:
    lines.update({h >> 42 for h in hashes(text)})
rows = []
for text in TEXTS:
    row = np.zeros(DIM)
    for h, count in sorted(Counter(hashes(text)).items()):
        weight = (1 + math.log(count)) * (1 + math.log((1 + len(TEXTS)) / (1 + lines[h >> 42])))
        row[((h & 0xFFFFFFFF) * DIM) >> 32] += -weight if h >> 40 & 1 else weight
    rows.append(row / np.linalg.norm(row))
bits = np.array(rows).astype(np.float16).view(np.uint16)

tfidf = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=WORDS).fit_transform(TEXTS)
cosines = (tfidf @ tfidf.T).toarray().round(9)

made_with = {"numpy": np.__version__, "scikit-learn": sklearn.__version__, "xxhash": xxhash.VERSION}
json.dump({"made_with": made_with, "texts": TEXTS, "bits": bits.tolist(), "cosines": cosines.tolist()}, fp=open(1, "w"), ensure_ascii=False)
