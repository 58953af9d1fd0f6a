"""Writes small Parquet and Arrow files by pyarrow, polars and HuggingFace datasets, and expected.json, which says what is in them.

    pip install pyarrow==26.0.1 polars==2.1.0 datasets==5.2.0 numpy==2.4.6
    python make.py
"""

import datetime
import decimal
import json
import pathlib
import shutil

import datasets
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent
SMALL = {"write_statistics": False}
datasets.disable_progress_bars()
records, vectors, bad = {}, {}, {}
lines = {}


def rows():
    """Seven examples, with nulls, a dictionary, nested messages and text beyond ASCII."""
    source = ["math", "code", None, "math", "chat", "code", "math"]
    return pa.table({
        "id": pa.array([f"r{i}" for i in range(7)]),
        "prompt": pa.array([f"ask {i} \"größe\"\n" if i != 3 else None for i in range(7)]),
        "response": pa.array(["one", "two", "", "four", "5", "\u2603 six", "seven"]),
        "source": pa.array(source).dictionary_encode(),
        "score": pa.array([0.5, -1.25, None, 3.0, 1e-3, 0.1, 2.0]),
        "tokens": pa.array([3, 1, 4, 1, 5, 9, 2], pa.int32()),
        "messages": pa.array(
            [[{"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": None}][: i % 3] for i in range(7)],
            pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])),
        ),
        "embedding": pa.array([[float(i), 0.5, -1.0 - i] for i in range(7)], pa.list_(pa.float32())),
    })


def said(table):
    return [{k: plain(v) for k, v in row.items()} for row in table.to_pylist()]


def plain(value):
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(v) for v in value]
    if isinstance(value, np.floating):
        return float(value)
    return value


def of(name, key):
    records[name] = key
    return HERE / name


table = rows()
lines["rows"] = said(table)
plain_table = table.set_column(3, "source", table["source"].cast(pa.string()))

# Parquet by pyarrow: compressions, row groups, pages, encodings, types of strings and lists.
for codec in ["none", "snappy", "gzip", "zstd", "lz4"]:
    pq.write_table(table, of(f"{codec}.parquet", "rows"), compression=codec, row_group_size=3, **SMALL)
pq.write_table(table, of("one-row-groups.parquet", "rows"), compression="zstd", row_group_size=1, **SMALL)
pq.write_table(table, of("pages.parquet", "rows"), compression="zstd", data_page_size=8, write_batch_size=2,
               data_page_version="2.0", use_dictionary=False, write_page_index=True)
pq.write_table(plain_table, of("delta.parquet", "rows"), compression="snappy", use_dictionary=False, version="2.6",
               column_encoding={"id": "DELTA_BYTE_ARRAY", "response": "DELTA_LENGTH_BYTE_ARRAY",
                                "tokens": "DELTA_BINARY_PACKED", "score": "BYTE_STREAM_SPLIT"})
with pq.ParquetWriter(of("empty-groups.parquet", "rows"), table.schema, compression="snappy") as writer:
    for part in [table.slice(0, 0), table.slice(0, 2), table.slice(2, 0), table.slice(2, 5), table.slice(7, 0)]:
        writer.write_table(part)
large = pa.schema([
    ("id", pa.large_string()), ("prompt", pa.large_string()), ("response", pa.large_string()),
    ("source", pa.string()), ("score", pa.float64()), ("tokens", pa.int32()),
    ("messages", pa.large_list(pa.struct([("role", pa.large_string()), ("content", pa.large_string())]))),
    ("embedding", pa.list_(pa.float32(), 3)),
])
large_table = pa.Table.from_pylist(plain_table.to_pylist(), schema=large)
pq.write_table(large_table, of("large.parquet", "rows"), compression="zstd")
pq.write_table(table, of("no-schema.parquet", "rows"), compression="zstd", store_schema=False)
keys = pa.array([0, 1, None, 0, 2, 1, 0], pa.int8())
dictionary = pa.DictionaryArray.from_arrays(keys, pa.array(["math", "code", "chat"], pa.large_string()))
small_keys = table.set_column(3, "source", dictionary)
pq.write_table(small_keys, of("dictionary.parquet", "rows"), compression="snappy", row_group_size=4)

# Arrow by pyarrow: files and streams, compressed or not, in several batches, with dictionaries that grow or are replaced.
for codec in [None, "lz4", "zstd"]:
    with pa.OSFile(str(of(f"file-{codec}.arrow", "rows")), "wb") as sink:
        with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
            writer.write_table(table, max_chunksize=3)
    with pa.OSFile(str(of(f"stream-{codec}.arrow", "rows")), "wb") as sink:
        with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
            writer.write_table(table.slice(0, 2))
            writer.write_table(table.slice(2, 0))
            writer.write_table(table.slice(2))
with pa.OSFile(str(of("large-stream.arrow", "rows")), "wb") as sink:
    with pa.ipc.new_stream(sink, large_table.schema) as writer:
        writer.write_table(large_table)
for name, deltas in [("deltas", True), ("replaced", False)]:
    options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=deltas)
    with pa.OSFile(str(of(f"{name}.arrow", "rows")), "wb") as sink:
        with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
            for start, words in [(0, ["math", "code"]), (3, ["math", "code", "chat"])]:
                part = table.slice(start, 3 if start == 0 else 4)
                at = [None if w is None else words.index(w) for w in part["source"].to_pylist()]
                column = pa.DictionaryArray.from_arrays(pa.array(at, pa.int32()), pa.array(words))
                writer.write_table(part.set_column(3, "source", column))
feather.write_feather(plain_table, of("feather.feather", "rows"), compression="lz4")

# The same by polars, which makes large strings and lists, and by datasets.
frame = pl.from_arrow(plain_table)
for codec in ["zstd", "snappy", "lz4", "uncompressed"]:
    frame.write_parquet(of(f"polars-{codec}.parquet", "rows"), compression=codec, row_group_size=4)
    if codec != "snappy":
        frame.write_ipc(of(f"polars-{codec}.arrow", "rows"), compression=codec)
frame.with_columns(pl.col("source").cast(pl.Categorical)).write_ipc(of("polars-categories.arrow", "rows"))
frame.write_ipc_stream(of("polars-stream.arrow", "rows"))
dataset = datasets.Dataset.from_list(plain_table.to_pylist())
for name in ["dataset", "splits"]:
    shutil.rmtree(HERE / name, ignore_errors=True)
dataset.save_to_disk(str(of("dataset", "rows")), num_shards=2)
datasets.DatasetDict({"train": dataset, "test": dataset.select([1])}).save_to_disk(str(HERE / "splits"))
records["splits/train"] = "rows"
dataset.to_parquet(str(of("datasets.parquet", "rows")))

# Types that text is made of in words, and none.
day = datetime.datetime(2024, 2, 29, 12, 30, 1, 250000)
typed = pa.table({
    "bool": pa.array([True, None]),
    "u64": pa.array([2**64 - 1, 0], pa.uint64()),
    "i8": pa.array([-128, None], pa.int8()),
    "f16": pa.array([np.float16(1.5), np.float16(-0.25)], pa.float16()),
    "f32": pa.array([0.1, 16777216.0], pa.float32()),
    "decimal": pa.array([decimal.Decimal("12.340"), decimal.Decimal("-0.001")], pa.decimal128(10, 3)),
    "date": pa.array([day.date(), None], pa.date32()),
    "when": pa.array([day, None], pa.timestamp("us")),
    "utc": pa.array([day, None], pa.timestamp("ms", tz="UTC")),
    "clock": pa.array([day.time(), None], pa.time64("us")),
    "took": pa.array([1500, None], pa.duration("ms")),
    "words": pa.array([b"text", b"\xff\x00"], pa.binary()),
    "fixed": pa.array([b"abc", b"xyz"], pa.binary(3)),
    "map": pa.array([[("a", 1), ("b", None)], []], pa.map_(pa.string(), pa.int32())),
    "pairs": pa.array([[(1, "x")], None], pa.map_(pa.int32(), pa.string())),
    "deep": pa.array([[[["a"], []], None], []], pa.list_(pa.list_(pa.list_(pa.string())))),
    "struct": pa.array([{"a": {"b": [1, 2]}, "c": None}, None],
                       pa.struct([("a", pa.struct([("b", pa.list_(pa.int64()))])), ("c", pa.string())])),
    "nothing": pa.nulls(2),
    "text": pa.array(["t0", "t1"]),
})
pairs = {"map": [{"a": 1, "b": None}, {}], "pairs": [[[1, "x"]], None]}
shown = {
    "decimal": [12.340, -0.001], "date": ["2024-02-29", None], "when": ["2024-02-29T12:30:01.250", None],
    "utc": ["2024-02-29T12:30:01.250Z", None], "clock": ["12:30:01.250", None], "took": [1500, None],
    "words": ["text", {"base64": "/wA="}], "fixed": ["abc", "xyz"], **pairs,
}
lines["typed"] = [
    {**{k: plain(v) for k, v in typed.select([c for c in typed.column_names if c not in shown]).to_pylist()[i].items()},
     **{k: v[i] for k, v in shown.items()}}
    for i in range(2)
]
pq.write_table(typed, of("typed.parquet", "typed"), compression="zstd")
feather.write_feather(typed, of("typed.arrow", "typed"), compression="uncompressed")
views = pa.table({
    "text": pa.array(["a", "b", "c"], pa.string_view()),
    "view": pa.array([["x", None], [], None], pa.list_view(pa.string())),
    "runs": pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["p", None])),
})
lines["views"] = said(views)
feather.write_feather(views, of("views.arrow", "views"), compression="zstd")

# Vectors: types of numbers and of lists.
numbers = np.random.default_rng(7).standard_normal((6, 4)).astype(np.float16)


def column(values, kind, **more):
    return pa.array([list(row) for row in values], kind(more["item"]))


def is_vectors(name, at, values, dtype):
    values = np.asarray(values)
    vectors[f"{name}:{at}"] = {"dtype": dtype, "rows": len(values), "dim": values.shape[1],
                               "f64": values.astype("<f8").tobytes().hex()}


kinds = {"list": pa.list_, "large": pa.large_list, "fixed": lambda item: pa.list_(item, 4), "view": pa.list_view}
types = {"f16": (pa.float16(), np.float16), "f32": (pa.float32(), np.float32), "f64": (pa.float64(), np.float64),
         "i8": (pa.int8(), np.int8)}
named = {}
for kind, make in kinds.items():
    for dtype, (item, numpy_type) in types.items():
        values = (numbers * (20 if dtype == "i8" else 1)).astype(numpy_type)
        named[f"{kind}_{dtype}"] = (pa.array([list(row) for row in values], make(item)), values, dtype)
brain = (numbers.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
brain_values = (brain.astype(np.uint32) << 16).view(np.float32)
brain_field = pa.field("brain", pa.list_(pa.uint16(), 4), metadata={"dtype": "bfloat16"})
for name, only in [("vectors.parquet", ["list", "large", "fixed"]), ("vectors.arrow", list(kinds))]:
    chosen = {k: v for k, v in named.items() if k.split("_")[0] in only}
    fields = [pa.field(k, v[0].type) for k, v in chosen.items()] + [brain_field]
    arrays = [v[0] for v in chosen.values()] + [pa.array([list(r) for r in brain], pa.list_(pa.uint16(), 4))]
    whole = pa.table(arrays, schema=pa.schema(fields))
    if name.endswith("parquet"):
        pq.write_table(whole, HERE / name, compression="zstd", row_group_size=4, **SMALL)
    else:
        with pa.OSFile(str(HERE / name), "wb") as sink, pa.ipc.new_stream(sink, whole.schema) as writer:
            writer.write_table(whole, max_chunksize=5)
    for k, (_, values, dtype) in chosen.items():
        is_vectors(name, k, values, dtype)
    is_vectors(name, "brain", brain_values, "bf16")
floats = numbers.astype(np.float32)
array = pl.DataFrame({"embedding": floats}, schema={"embedding": pl.Array(pl.Float32, 4)})
array.write_parquet(HERE / "polars-array.parquet")
array.write_ipc(HERE / "polars-array.arrow", compression="zstd")
for name in ["polars-array.parquet", "polars-array.arrow"]:
    is_vectors(name, "embedding", floats, "f32")
features = datasets.Features({"x": datasets.Sequence(datasets.Value("float32"), length=4),
                              "y": datasets.Sequence(datasets.Value("float64"))})
sequences = datasets.Dataset.from_dict({"x": floats.tolist(), "y": floats.tolist()}, features=features)
shutil.rmtree(HERE / "sequences", ignore_errors=True)
sequences.save_to_disk(str(HERE / "sequences"), num_shards=3)
is_vectors("sequences", "x", floats, "f32")
is_vectors("sequences", "y", floats, "f64")

# Vectors that are none, with what is said of them.
flawed = {
    "null-row": (pa.array([[1.0, 2.0], [3.0, 4.0], None], pa.list_(pa.float32())), ["row 2", "is null"]),
    "null-fixed": (pa.array([[1.0, 2.0], None, [3.0, 4.0]], pa.list_(pa.float32(), 2)), ["row 1", "is null"]),
    "null-number": (pa.array([[1.0, 2.0], [3.0, None]], pa.list_(pa.float32())), ["row 1", "null as number 1"]),
    "ragged": (pa.array([[1.0, 2.0], [3.0]], pa.large_list(pa.float32())), ["row 1", "1 numbers", "have 2"]),
    "nan": (pa.array([[1.0, 2.0], [0.5, float("nan")]], pa.list_(pa.float64())), ["row 1", "NaN in column 1"]),
    "text": (pa.array(["a", "b"]), ["no column of lists of numbers"]),
    "nested": (pa.array([[[1.0]], [[2.0]]], pa.list_(pa.list_(pa.float32()))), ["no column of lists of numbers"]),
    "integers": (pa.array([[1, 2], [3, 4]], pa.list_(pa.int32())), ["i32 (integer)", "--cast"]),
    "no-numbers": (pa.array([[], []], pa.list_(pa.float32())), ["no numbers"]),
    "no-rows": (pa.array([], pa.list_(pa.float32())), ["no rows"]),
}
for name, (values, words) in flawed.items():
    pq.write_table(pa.table({"embedding": values}), HERE / f"bad-{name}.parquet", compression="none", row_group_size=1)
    bad[f"bad-{name}.parquet:embedding"] = words
bad["vectors.parquet"] = ["several columns hold vectors", "list_f16"]
bad["vectors.parquet:nowhere"] = ["no column `nowhere`", "list_f16"]
bad["snappy.parquet:prompt"] = ["`prompt` is no column of lists of numbers"]

# A page that claims 2 GiB: its checksum makes room for the longer number in a header of the same length.
pq.write_table(pa.table({"text": ["abc"]}), HERE / "forged-page.parquet", compression="snappy", use_dictionary=False,
               write_page_checksum=True, **SMALL)
bytes_ = bytearray((HERE / "forged-page.parquet").read_bytes())


def after(at):
    while bytes_[at] & 128:
        at += 1
    return at + 1


at = [4]
for _ in range(4):
    assert bytes_[at[-1]] == 0x15
    at.append(after(at[-1] + 1))
assert bytes_[at[4]] == 0x1C
packed = bytes_[at[2] + 1 : at[3]]
packed[-1] |= 128
header = bytes_[at[0] : at[1]] + b"\x15\xfe\xff\xff\xff\x0f" + b"\x15" + packed
header += b"\x80" * (at[4] - at[0] - len(header) - 1) + b"\x00" + b"\x2c"
assert len(header) == at[4] + 1 - at[0]
bytes_[at[0] : at[4] + 1] = header
(HERE / "forged-page.parquet").write_bytes(bytes_)

with open(HERE / "expected.json", "w") as out:
    json.dump({"records": records, "lines": lines, "vectors": vectors, "bad": bad}, out, ensure_ascii=False, indent=1)

# A column whose name has a dot, which templates may take for a field of another one.
pq.write_table(pa.table({"prompt.text": ["ask größe", "five", "four ask"]}), HERE / "dots.parquet", **SMALL)
