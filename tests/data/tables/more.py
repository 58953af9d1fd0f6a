"""Writes more small Parquet and Arrow files into `more/`: every kind of column by every writer, and more.json, which says what is in them.

    pip install pyarrow==26.0.1 polars==2.1.0 datasets==5.2.0 numpy==2.4.6
    python more.py
"""

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
MORE = HERE / "more"
datasets.disable_progress_bars()
shutil.rmtree(MORE, ignore_errors=True)
MORE.mkdir()
TEXT = {"text": pa.array(["größe", "", "\u2603 three", "four\n", "5"])}

# Each with nulls first, last, everywhere or nowhere, and what Python makes of it.
KINDS = {
    "nulls": {
        "first": pa.array([None, 1, 2, 3, 2**53], pa.int64()),
        "last": pa.array([0.5, -0.0, 1e-300, 3.0, None]),
        "all": pa.array([None] * 5, pa.string()),
        "flags": pa.array([True, None, False, None, True]),
        "words": pa.array(["a", None, "", None, "e"]),
        "small": pa.array([-(2**15), None, 2**15 - 1, 0, 7], pa.int16()),
    },
    "nested": {
        "lists": pa.array([[1, None], [], None, [2], [3, 4, 5]], pa.list_(pa.int32())),
        "deep": pa.array([[["x"], None], None, [], [[]], [["y", None], ["z"]]], pa.list_(pa.list_(pa.string()))),
        "struct": pa.array([{"a": 1, "b": ["p"]}, {"a": None, "b": None}, {"a": 2, "b": []}, {"a": 3, "b": [None]},
                            {"a": 4, "b": ["q", "r"]}], pa.struct([("a", pa.int64()), ("b", pa.list_(pa.string()))])),
        "said": pa.array([[{"role": "user", "content": "q"}], [], [{"role": None, "content": "a"}], None, []],
                         pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
    },
    "large": {
        "words": pa.array(["a", None, "c" * 70, "", "e"], pa.large_string()),
        "lists": pa.array([[1.5], [], None, [2.0, None], [3.0]], pa.large_list(pa.float64())),
        "both": pa.array([["x"], None, ["y", "z"], [], [None]], pa.large_list(pa.large_string())),
    },
    "dictionary": {
        "plain": pa.array(["m", "c", "m", "m", "c"]).dictionary_encode(),
        "nulls": pa.array(["m", None, "c", None, "m"]).dictionary_encode(),
        "bytes": pa.DictionaryArray.from_arrays(pa.array([1, 0, None, 1, 2], pa.uint8()), pa.array(["u", "v", "w"])),
        "wide": pa.DictionaryArray.from_arrays(pa.array([2, 2, 0, 1, None], pa.int64()),
                                               pa.array(["u", "v", "w"], pa.large_string())),
        "never": pa.DictionaryArray.from_arrays(pa.array([None] * 5, pa.int32()), pa.array(["u"])),
    },
}
expected = {"lines": {}, "records": {}, "vectors": {}}


def of(name, kind):
    expected["records"][name] = kind
    return MORE / name


for kind, columns in KINDS.items():
    table = pa.table({**TEXT, **columns})
    expected["lines"][kind] = table.to_pylist()
    # Without the types of Arrow in Parquet: as other writers leave it.
    for codec in ["none", "snappy", "zstd", "lz4"]:
        pq.write_table(table, of(f"{kind}-{codec}.parquet", kind), compression=codec, write_statistics=False,
                       store_schema=codec != "none", use_dictionary=codec != "lz4",
                       data_page_version="2.0" if codec in ["zstd", "lz4"] else "1.0")
    with pq.ParquetWriter(of(f"{kind}-groups.parquet", kind), table.schema, compression="gzip",
                          write_statistics=False) as writer:
        writer.write_table(table.slice(0, 0))
        for row in range(5):
            writer.write_table(table.slice(row, 1))
            writer.write_table(table.slice(0, 0))
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.OSFile(str(of(f"{kind}-batches.arrow", kind)), "wb") as sink:
        # Slices have offsets that do not begin at 0, and bits of nulls that do not begin at a byte.
        with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
            for part in [table.slice(0, 1), table.slice(1, 3), table.slice(4, 0), table.slice(4, 1)]:
                writer.write_table(part)
    feather.write_feather(table, of(f"{kind}-lz4.feather", kind), compression="lz4", chunksize=2)
    # A dictionary without numbers becomes categories.
    frame = pl.from_arrow(table)
    for codec in ["zstd", "snappy", "lz4", "gzip"]:
        frame.write_parquet(of(f"{kind}-polars-{codec}.parquet", kind), compression=codec, row_group_size=2,
                            statistics=False)
    for codec in ["zstd", "lz4", "uncompressed"]:
        frame.write_ipc(of(f"{kind}-polars-{codec}.arrow", kind), compression=codec)
    frame.write_ipc_stream(of(f"{kind}-polars-stream.arrow", kind), compression="zstd")
    # The package has no type for some of these dictionaries.
    plain = table if kind != "dictionary" else pa.table({name: table[name].cast(pa.string()) for name in table.column_names})
    dataset = datasets.Dataset(plain)
    dataset.save_to_disk(str(of(f"{kind}-dataset", kind)), num_shards=2)
    dataset.to_parquet(str(of(f"{kind}-datasets.parquet", kind)))

# Vectors whose lists lie in slices of longer arrays, in chunks, in groups of one row, and in every type.
numbers = (np.arange(20).reshape(5, 4) * 0.375 - 2).astype(np.float16)
for name, kind in [("list", pa.list_(pa.float32())), ("large", pa.large_list(pa.float64())), ("fixed", pa.list_(pa.float16(), 4))]:
    values = numbers.astype(kind.value_type.to_pandas_dtype())
    rows = [list(row) for row in values]
    padded = pa.array([rows[0], *rows, rows[1]], kind).slice(1, 5)
    table = pa.table({"embedding": pa.chunked_array([padded.slice(0, 2), padded.slice(2, 0), padded.slice(2)])})
    pq.write_table(table, MORE / f"vectors-{name}.parquet", compression="snappy", row_group_size=1, write_statistics=False)
    feather.write_feather(table, MORE / f"vectors-{name}.arrow", compression="zstd")
    frame = pl.DataFrame({"embedding": pl.Series([list(map(float, row)) for row in values],
                                                 dtype=pl.List(pl.Float64 if name == "large" else pl.Float32))})
    frame.write_parquet(MORE / f"vectors-{name}-polars.parquet", compression="zstd", row_group_size=2, statistics=False)
    for suffix, dtype in [(".parquet", values.dtype), (".arrow", values.dtype),
                          ("-polars.parquet", np.float64 if name == "large" else np.float32)]:
        wide = values.astype("<f8")
        expected["vectors"][f"vectors-{name}{suffix}:embedding"] = {
            "dtype": f"f{8 * np.dtype(dtype).itemsize}", "rows": 5, "dim": 4, "f64": wide.tobytes().hex()}

with open(HERE / "more.json", "w") as out:
    json.dump(expected, out, ensure_ascii=False, indent=1)
