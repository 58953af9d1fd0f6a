"""Compares the chosen rows that kantor wrote, by --format parquet,hf, with what pyarrow and HuggingFace datasets make of the source.

    python check.py SOURCE DIRECTORY      (DIRECTORY holds indices.npy, selected.parquet and selected.hf)
"""

import pathlib
import sys

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

source, directory = map(pathlib.Path, sys.argv[1:])
if source.is_dir():
    table = datasets.load_from_disk(str(source)).data.table
elif source.suffix == ".parquet":
    table = pq.read_table(source)
else:
    table = pa.ipc.open_stream(source).read_all()
rows = np.load(directory / "indices.npy")
wanted = table.take(pa.array(rows)).combine_chunks()

written = pq.read_table(directory / "selected.parquet").combine_chunks()
assert written.column_names == wanted.column_names + ["kantor_rank", "kantor_weight"], written.column_names
kept = written.select(wanted.column_names)
assert kept.schema.equals(wanted.schema), f"{kept.schema}\n{wanted.schema}"
assert kept.unify_dictionaries().to_pylist() == wanted.to_pylist()
assert written["kantor_rank"].to_pylist() == list(range(len(rows)))
assert abs(sum(written["kantor_weight"].to_pylist()) - 1) < 1e-12
assert all(pq.ParquetFile(directory / "selected.parquet").metadata.row_group(0).column(at).compression == "ZSTD"
           for at in range(2))

dataset = datasets.load_from_disk(str(directory / "selected.hf"))
assert dataset.column_names == written.column_names
assert dataset.to_list() == written.to_pylist()
print(f"{source.name}: {len(rows)} rows of {len(written.column_names)} columns are those of the source")
