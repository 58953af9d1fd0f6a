"""Files of vectors as PyTorch, SciPy and writers of gradient stores leave them, and what is in them.

pip install numpy==2.4.6 scipy==1.17.1 torch==2.15.0; python make.py, in this folder. What it says of each file is in expected.json: the table
(of `tensor`, if that is named; with integers as numbers, if `cast`), or a word of the reason why the file is refused.
"""

import collections
import json
import pathlib
import sys

import numpy as np
import scipy
import scipy.sparse as sparse
import torch

HERE = pathlib.Path(__file__).parent
torch.manual_seed(0)
expected = {}


def table(name, rows, tensor=None, cast=False):
    rows = np.asarray(rows, dtype=np.float64)
    found = {"tensor": tensor, "cast": cast, "shape": list(rows.shape), "values": rows.ravel().tolist()}
    expected.setdefault(name, []).append(found)


def refused(name, word, tensor=None, cast=False):
    expected.setdefault(name, []).append({"tensor": tensor, "cast": cast, "refused": word})


def pt(name, value, **options):
    torch.save(value, HERE / name, **options)
    return name


def values(*shape, dtype=torch.float32):
    count = int(np.prod(shape))
    # Numbers that every type here holds exactly.
    return ((torch.arange(count) * 7 % 31 - 11).to(torch.float64) / 4).reshape(shape).to(dtype)


def plain(tensor):
    return tensor.detach().to(torch.float64).numpy()


t = values(5, 3)
for kind in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
    x = values(5, 3, dtype=kind)
    table(pt(f"bare-{str(kind).split('.')[1]}.pt", x), plain(x))
wide = values(8, 6)
for name, x in {
    "transposed": wide.T,
    "columns": wide[:, 2:5],
    "rows": wide[3:6],
    "steps": wide[1::2, ::3],
    "steps-transposed": wide.T[::2, ::3],
    "one-column": wide[:, 4:5],
    "one-row": wide[2:3, 1:4],
    "of-three": values(2, 4, 3)[1],
    "across": values(2, 4, 3)[:, 1],
}.items():
    table(pt(f"view-{name}.pt", x), plain(x))
table(pt("parameter.pt", torch.nn.Parameter(t)), plain(t))
table(pt("protocol-4.pt", t, pickle_protocol=4), plain(t))
mixed = {"ids": torch.arange(5), "embedding": t, "model": "m", "epoch": 3, "loss": 0.5, "ok": True, "none": None, "size": t.shape}
table(pt("dict.pt", mixed), plain(t))
table("dict.pt", plain(t), tensor="embedding")
refused("dict.pt", "there is no tensor `x`", tensor="x")
refused("dict.pt", "did you mean `embedding`?", tensor="embeding")
refused("dict.pt", "shape (5,)", tensor="ids", cast=True)
two = collections.OrderedDict(a=t, b=values(4, 2, dtype=torch.float64), c=[values(2), values(2) + 1])
refused(pt("several.pt", two), "3 tensors are 2-d")
table("several.pt", plain(two["b"]), tensor="b")
table("several.pt", plain(torch.stack(two["c"])), tensor="c")
linear = torch.nn.Linear(3, 2, bias=True)
with torch.no_grad():
    linear.weight.copy_(values(2, 3))
table(pt("state-dict.pt", linear.state_dict()), plain(linear.weight))
table(pt("list-of-rows.pt", [row.clone() for row in t]), plain(t))
table(pt("unbound.pt", list(wide.T.unbind())), plain(wide.T))
table(pt("tuple-of-tables.pt", (t, t.T.contiguous().T[:2], t[1])), plain(torch.cat([t, t[:2], t[1:2]])))
table(pt("numbers.pt", [[0.5, -1, 3.25], [2, 0.125, 1e300]]), [[0.5, -1, 3.25], [2, 0.125, 1e300]])
table(pt("shared-row.pt", [t[0], t[0]]), plain(torch.stack([t[0], t[0]])))
for kind in (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8):
    x = torch.arange(6).reshape(2, 3).to(kind)
    name = pt(f"whole-{str(kind).split('.')[1]}.pt", x)
    table(name, plain(x), cast=True)
    refused(name, "--cast")
refused(pt("beyond-2-53.pt", torch.tensor([[0, 1], [2, 2**53 + 1]])), "row 1, column 1", cast=True)
refused(pt("bare-1d.pt", t[0]), "shape (3,)")
refused(pt("bare-3d.pt", values(2, 2, 2)), "shape (2, 2, 2)")
refused(pt("bare-0d.pt", torch.tensor(1.0)), "shape ()")
refused(pt("no-rows.pt", torch.zeros(0, 3)), "no rows")
refused(pt("expanded.pt", values(1, 3).expand(4, 3)), "expanded")
refused(pt("windows.pt", torch.arange(9.0).unfold(0, 4, 1)), "twice")
refused(pt("ragged.pt", [values(3), values(2)]), "item 1 has rows of 2 numbers")
refused(pt("two-types.pt", [values(3), values(3, dtype=torch.float64)]), "item 1 has numbers of type f64")
refused(pt("words.pt", ["a", "b"]), "neither a tensor nor a row")
refused(pt("nothing.pt", {"a": 1}), "no tensor")
refused(pt("bool.pt", t > 0), "bool")
refused(pt("complex.pt", torch.complex(t, t)), "complex64")
refused(pt("float8.pt", t.to(torch.float8_e4m3fn)), "_rebuild_tensor_v3")
refused(pt("sparse.pt", t.to_sparse()), "_rebuild_sparse_tensor")
refused(pt("numpy.pt", {"a": np.ones((2, 2))}), "numpy")
refused(pt("module.pt", linear), "torch.nn.modules.linear.Linear")
refused(pt("before-1.6.pt", t, _use_new_zipfile_serialization=False), "before version 1.6")


def npz(name, matrix, **options):
    sparse.save_npz(HERE / name, matrix, **options)
    return name


d = np.zeros((6, 9))
for at in range(20):
    d[at * 5 % 6, at * 7 % 9] = (at % 13 - 5) / 4
d[4] = 0
for kind in (np.float32, np.float64):
    for packed in (True, False):
        name = f"csr-{np.dtype(kind).name}-{'deflated' if packed else 'stored'}.npz"
        table(npz(name, sparse.csr_matrix(d.astype(kind)), compressed=packed), d)
table(npz("csr-array.npz", sparse.csr_array(d)), d)
whole = (d * 4).astype(np.int64)
table(npz("csr-int64.npz", sparse.csr_array(whole)), whole, cast=True)
refused("csr-int64.npz", "--cast")
far = sparse.csr_array(d)
far.indices, far.indptr = far.indices.astype(np.int64), far.indptr.astype(np.int64)
table(npz("csr-64-bit-places.npz", far), d)
backwards = sparse.csr_array(d.astype(np.float32))
for row in range(6):
    part = slice(backwards.indptr[row], backwards.indptr[row + 1])
    backwards.indices[part], backwards.data[part] = backwards.indices[part][::-1].copy(), backwards.data[part][::-1].copy()
backwards.has_sorted_indices = False
table(npz("csr-unsorted.npz", backwards), d)
zeros = sparse.csr_array(d)
zeros.data[::3] = 0
table(npz("csr-stored-zeros.npz", zeros), zeros.toarray())
twice = sparse.csr_array((np.array([1.0, 2.0, 3.0]), np.array([1, 1, 0]), np.array([0, 2, 3])), shape=(2, 3))
refused(npz("csr-twice.npz", twice), "names a column twice")
refused(npz("csr-no-numbers.npz", sparse.csr_array((3, 4))), "stores no numbers")
refused(npz("csr-too-wide.npz", sparse.csr_array((np.ones(1), ([0], [5])), shape=(1, 2**20 + 1))), "1048577 columns")
refused(npz("csr-bool.npz", sparse.csr_array(d != 0)), "boolean")
for kind in ("csc", "coo", "bsr", "dia"):
    refused(npz(f"{kind}.npz", sparse.csr_array(d).asformat(kind)), f'format "{kind}"')


def store(name, rows, sizes, info):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    rows.tofile(folder / "gradients.bin")
    info = {"num_grads": len(rows), "grad_sizes": sizes, **info}
    (folder / "info.json").write_text(json.dumps(info, indent=2))
    return f"{name}/gradients.bin"


sizes = {"layers.1.up": 4, "layers.0.down": 3, "head": 2}
for kind in (np.float16, np.float32):
    g = plain(values(5, 9)).astype(kind)
    name = store(f"store-{np.dtype(kind).name}", g, sizes, {"base_dtype": np.dtype(kind).name, "num_items": 5, "attribute_tokens": False})
    table(name, g)
    table(name, g[:, 4:7], tensor="layers.0.down")
    table(name, g[:, :4], tensor="layers.1.up")
    refused(name, "there is no module `x`", tensor="x")
b = values(5, 9, dtype=torch.bfloat16)
name = store("store-bfloat16", b.view(torch.uint16).numpy(), sizes, {"base_dtype": "bfloat16"})
table(name, plain(b))
older = {"dtype": {"names": list(sizes), "formats": [f"({n},)<f4" for n in sizes.values()], "itemsize": 36}}
table(store("store-older", plain(values(5, 9)).astype(np.float32), sizes, older), plain(values(5, 9)))
refused(store("store-of-tokens", plain(values(2, 9)), sizes, {"base_dtype": "float64", "attribute_tokens": True}), "tokens")
refused(store("store-cut", plain(values(2, 9))[:, :8], sizes, {"base_dtype": "float64"}), "truncated")
refused(store("store-of-words", plain(values(2, 9)), sizes, {"base_dtype": "object"}), "object")

made_with = {"numpy": np.__version__, "scipy": scipy.__version__, "torch": torch.__version__.split("+")[0], "python": sys.version.split()[0]}
lines = [f"{json.dumps(name)}: {json.dumps(cases)}" for name, cases in sorted(expected.items())]
text = "{" + f'"made_with": {json.dumps(made_with)},\n"files": {{\n' + ",\n".join(lines) + "\n}}\n"
(HERE / "expected.json").write_text(text)
