//! What a file is, told by its first bytes, and what to do about a format that is not read where it was given.

use std::io::Read;
use std::path::Path;

use super::error::DataError;

/// What some programs write before the first letter of a text.
pub(super) const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The text without a byte-order mark before it.
pub(super) fn unmarked(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK.as_bytes()).unwrap_or(text)
}

/// First bytes of gzip data.
pub(crate) const GZIP: &[u8] = &[0x1f, 0x8b];

/// First bytes that are looked at.
pub(crate) const LOOKED_AT: usize = 512;

/// Logarithm of the largest window that is taken to look at the first bytes of zstd data: that of `zstd -19`.
pub(crate) const WINDOW_LOG: u32 = 23;

/// What a file is expected to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// A table of vectors.
    Rows,
    /// One JSON object a line.
    Lines,
    /// One label a line.
    Labels,
    /// One label or number a line, for every pool row.
    Column,
    /// Numbers, one per row.
    List,
    /// A certificate of kantor's.
    Certificate,
    /// A manifest or another record of kantor's.
    Record,
    /// Flags in TOML.
    Settings,
    /// Results in CSV.
    Results,
    /// A tokenizer.
    Tokenizer,
    /// What the folder of a model says.
    ModelSettings,
}

impl Expected {
    /// The word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Expected::Rows => "a table of vectors",
            Expected::Lines => "a file of JSON lines",
            Expected::Labels => "a file of labels",
            Expected::Column => "a column",
            Expected::List => "a list of numbers",
            Expected::Certificate => "a certificate",
            Expected::Record => "a record of kantor's",
            Expected::Settings => "a file of settings",
            Expected::Results => "a file of results",
            Expected::Tokenizer => "a tokenizer",
            Expected::ModelSettings => "a file of a model's settings",
        }
    }

    /// What to give where it does not matter what was given instead.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Expected::Rows => "convert it: np.save('x.npy', a)",
            Expected::Lines => "write one object {…} per line, as json.dumps does",
            Expected::Labels => "give text with one label a line, or JSON lines and the field as FILE:FIELD",
            Expected::Column => "give text with one value a line, or JSON lines and the field as FILE:FIELD",
            Expected::List => "give a 1-d .npy array or text with one number a line",
            Expected::Certificate => "give the certificate.json that kantor wrote",
            Expected::Record => "give a directory that kantor wrote, or its manifest.json",
            Expected::Settings => "write TOML: lines like cost = \"cosine\"",
            Expected::Results => "give CSV with the columns task, method, budget, seed, value",
            Expected::Tokenizer => "give the tokenizer.json of a model",
            Expected::ModelSettings => "give the folder of a model, as save_pretrained writes it",
        }
    }
}

/// A file of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Columnar {
    Parquet,
    /// Arrow's messages, as a stream or as a file.
    Arrow {
        stream: bool,
    },
}

impl Columnar {
    /// Of a file that begins so; `None` where files of columns are not read.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            _ if cfg!(not(feature = "parquet")) || is_text(bytes) => None,
            [b'P', b'A', b'R', b'1', ..] => Some(Columnar::Parquet),
            [b'A', b'R', b'R', b'O', b'W', b'1', ..] => Some(Columnar::Arrow { stream: false }),
            _ => is_arrow_stream(bytes).then_some(Columnar::Arrow { stream: true }),
        }
    }

    /// Its name in messages and manifests.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Columnar::Parquet => "parquet",
            Columnar::Arrow { .. } => "arrow",
        }
    }
}

/// A format that is not text.
struct Binary {
    /// What such a file is.
    name: &'static str,
    is: fn(&[u8]) -> bool,
    /// How to get vectors out of it.
    rows: &'static str,
    /// How to get JSON lines out of it.
    lines: &'static str,
}

const UNPACK: &str = "unpack it first; tables are read as .npy, .npz or .safetensors";
const UNPACK_LINES: &str = "unpack it, or pack it with gzip or zstd, which are read";
const NUMBERS: &str =
    "these are numbers: vectors go to --pool and --query, and here goes the text of their rows, one JSON object a line";
const NO_TEXT: &str = "write the text of the rows, one object {…} per line, as json.dumps does";

/// What to do with a table where vectors are meant.
const TABLE: &str = "of pool and queries that both are text, kantor makes rows by itself; columns of numbers become vectors by: \
     python -c \"import numpy as np, pandas as pd; np.save('x.npy', pd.read_csv('FILE')[['a', 'b']].to_numpy())\"";

/// How to turn a pickle into something safe.
pub(crate) const PICKLE: &str = "pickles can run code, and none is ever run; convert it where you trust it: python -c \
     \"import torch, safetensors.torch as s; x = torch.load('FILE', weights_only=True); \
     s.save_file({'x': x.contiguous()}, 'x.safetensors')\"";

/// What a file of columns is, which some programs are built without.
macro_rules! concat_unless_read {
    ($name:literal) => {
        if cfg!(feature = "parquet") { $name } else { concat!($name, ", which this program was built without") }
    };
}

/// The formats, the more special before the more general.
const BINARIES: &[Binary] = &[
    Binary { name: "a numpy array (.npy)", is: |b| b.starts_with(super::npy::MAGIC), rows: "", lines: NUMBERS },
    Binary { name: "a PyTorch file", is: is_torch, rows: "", lines: NUMBERS },
    Binary { name: "a numpy archive (.npz)", is: |b| first_member(b).ends_with(b".npy"), rows: "", lines: NUMBERS },
    Binary { name: "a zip archive", is: |b| b.starts_with(super::archive::MAGIC), rows: UNPACK, lines: UNPACK_LINES },
    Binary {
        name: "an empty or damaged zip archive",
        is: |b| b.starts_with(b"PK"),
        rows: "write it again with np.savez",
        lines: UNPACK_LINES,
    },
    Binary { name: "a safetensors file", is: super::safetensors::looks_like, rows: "", lines: NUMBERS },
    Binary {
        name: "a PyTorch file of the format before version 1.6, which is a pickle",
        is: |b| b.starts_with(b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"),
        rows: PICKLE,
        lines: NO_TEXT,
    },
    Binary { name: "a Python pickle", is: |b| matches!(b, [0x80, 2..=5, ..]), rows: PICKLE, lines: NO_TEXT },
    Binary {
        name: concat_unless_read!("a Parquet file"),
        is: |b| b.starts_with(b"PAR1"),
        rows: "build it with `--features parquet`, or write its rows as JSON lines: python -c \"import pandas as pd; \
               pd.read_parquet('FILE').to_json('rows.jsonl', orient='records', lines=True)\"; its column of vectors: \
               python -c \"import numpy as np, pandas as pd; \
               np.save('x.npy', np.stack(pd.read_parquet('FILE')['embedding']))\"",
        lines: "build it with `--features parquet`, or write its rows as JSON lines: python -c \"import pandas as pd; \
                pd.read_parquet('FILE').to_json('rows.jsonl', orient='records', lines=True)\"",
    },
    Binary {
        name: concat_unless_read!("an Arrow file"),
        is: |b| b.starts_with(b"ARROW1"),
        rows: "build it with `--features parquet`, or write its rows as JSON lines: python -c \"import pandas as pd; \
               pd.read_feather('FILE').to_json('rows.jsonl', orient='records', lines=True)\"; its column of vectors: \
               python -c \"import numpy as np, pandas as pd; \
               np.save('x.npy', np.stack(pd.read_feather('FILE')['embedding']))\"",
        lines: "build it with `--features parquet`, or write its rows as JSON lines: python -c \"import pandas as pd; \
                pd.read_feather('FILE').to_json('rows.jsonl', orient='records', lines=True)\"",
    },
    Binary {
        name: concat_unless_read!("an Arrow stream (as HuggingFace datasets keeps)"),
        is: is_arrow_stream,
        rows: "build it with `--features parquet`, or write its rows as JSON lines: python -c \"from datasets import Dataset; \
               Dataset.from_file('FILE').to_json('rows.jsonl')\"; its column of vectors: \
               python -c \"import numpy as np; from datasets import Dataset; \
               np.save('x.npy', np.stack(Dataset.from_file('FILE').with_format('numpy')['embedding']))\"",
        lines: "build it with `--features parquet`, or write its rows as JSON lines: python -c \"from datasets import Dataset; \
                Dataset.from_file('FILE').to_json('rows.jsonl')\"",
    },
    Binary {
        name: "a Feather file of version 1, which is not read",
        is: |b| b.starts_with(b"FEA1"),
        rows: "write it again: python -c \"import pandas as pd; pd.read_feather('FILE').to_parquet('rows.parquet')\"",
        lines: "write its rows as JSON lines: python -c \"import pandas as pd; \
                pd.read_feather('FILE').to_json('rows.jsonl', orient='records', lines=True)\"",
    },
    Binary {
        name: "an HDF5 file, which is not read",
        is: |b| b.starts_with(b"\x89HDF"),
        rows: "save the data set: python -c \"import h5py, numpy as np; \
               np.save('x.npy', h5py.File('FILE')['name'][:])\"",
        lines: NO_TEXT,
    },
    Binary { name: "gzip-compressed", is: |b| b.starts_with(GZIP), rows: UNPACK, lines: "" },
    Binary { name: "zstd-compressed", is: is_zstd, rows: UNPACK, lines: "" },
    Binary { name: "bzip2-compressed", is: |b| b.starts_with(b"BZh"), rows: UNPACK, lines: UNPACK_LINES },
    Binary { name: "xz-compressed", is: |b| b.starts_with(b"\xfd7zXZ"), rows: UNPACK, lines: UNPACK_LINES },
    Binary { name: "lz4-compressed", is: |b| b.starts_with(b"\x04\x22\x4d\x18"), rows: UNPACK, lines: UNPACK_LINES },
    Binary { name: "a 7z archive", is: |b| b.starts_with(b"7z\xbc\xaf"), rows: UNPACK, lines: UNPACK_LINES },
    Binary { name: "a tar archive", is: |b| b.get(257..262) == Some(b"ustar"), rows: UNPACK, lines: UNPACK_LINES },
    Binary {
        name: "an SQLite database, which is not read",
        is: |b| b.starts_with(b"SQLite format 3\0"),
        rows: "save its vectors: np.save('x.npy', a)",
        lines: NO_TEXT,
    },
    Binary {
        name: "an Avro file, which is not read",
        is: |b| b.starts_with(b"Obj\x01"),
        rows: "save its vectors: np.save('x.npy', a)",
        lines: NO_TEXT,
    },
    Binary {
        name: "text in UTF-16",
        is: |b| b.starts_with(b"\xff\xfe") || b.starts_with(b"\xfe\xff"),
        rows: "convert it with iconv -f utf-16 -t utf-8, and make vectors of it: np.save('x.npy', a)",
        lines: "convert it with iconv -f utf-16 -t utf-8",
    },
];

/// Whether zstd data begins here: a frame of data, or one to be skipped.
pub(crate) fn is_zstd(bytes: &[u8]) -> bool {
    matches!(bytes, [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// The name of the first member of a zip archive; nothing of another file.
fn first_member(bytes: &[u8]) -> &[u8] {
    match bytes {
        [b'P', b'K', 3, 4, ..] if bytes.len() > 30 => {
            let length = usize::from(u16::from_le_bytes([bytes[26], bytes[27]]));
            bytes.get(30..30 + length).unwrap_or_default()
        }
        _ => &[],
    }
}

fn is_torch(bytes: &[u8]) -> bool {
    let name = first_member(bytes);
    name == b"data.pkl" || name.ends_with(b"/data.pkl")
}

/// A message of an Arrow stream: a mark, then the length of its description, a multiple of 8.
fn is_arrow_stream(bytes: &[u8]) -> bool {
    match bytes {
        [0xff, 0xff, 0xff, 0xff, a, b, c, d, ..] => {
            let length = i32::from_le_bytes([*a, *b, *c, *d]);
            length > 0 && length % 8 == 0
        }
        _ => false,
    }
}

/// Whether a file that begins so is text in UTF-8: without control characters, except those of lines and columns.
fn is_text(bytes: &[u8]) -> bool {
    let begin = &bytes[..bytes.len().min(LOOKED_AT)];
    let plain = |text: &str| !text.contains(|c: char| c.is_ascii_control() && !"\t\r\n\u{c}".contains(c));
    match std::str::from_utf8(begin) {
        Ok(text) => plain(text),
        // A character that is cut off here.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&begin[..error.valid_up_to()]).is_ok_and(plain)
        }
        Err(_) => false,
    }
}

/// Whether a file that begins so is of a known format that is not text.
pub(crate) fn is_binary(bytes: &[u8]) -> bool {
    binary(bytes).is_some()
}

/// The format of a file that is not text, if it is known.
fn binary(bytes: &[u8]) -> Option<&'static Binary> {
    if is_text(bytes) { None } else { BINARIES.iter().find(|format| (format.is)(bytes)) }
}

/// Fails if a file that begins so is certainly of another kind than expected.
pub(crate) fn refuse_foreign(path: &Path, bytes: &[u8], expected: Expected) -> Result<(), DataError> {
    let refuse = |name: &str, remedy: &str| {
        Err(DataError::malformed(path, format!("is {name}, not {}", expected.name()), remedy))
    };
    let is_read = match expected {
        Expected::Lines | Expected::Labels | Expected::Column => {
            bytes.starts_with(GZIP) || is_zstd(bytes) || Columnar::of(bytes).is_some()
        }
        Expected::List => bytes.starts_with(super::npy::MAGIC),
        _ => false,
    };
    match binary(bytes) {
        Some(_) if is_read => Ok(()),
        Some(format) if expected == Expected::Lines => refuse(format.name, format.lines),
        Some(format) => refuse(format.name, expected.remedy()),
        None if expected == Expected::Settings && bytes.trim_ascii_start().starts_with(b"{") => {
            refuse("JSON", expected.remedy())
        }
        None => Ok(()),
    }
}

/// Names the format of a file that is no table of vectors.
pub(crate) fn no_rows(path: &Path, bytes: &[u8]) -> DataError {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let refuse = |fault: String, remedy: &str| DataError::malformed(path, fault, remedy);
    match binary(bytes) {
        Some(format) if is_zstd(bytes) || bytes.starts_with(GZIP) => {
            let inner = unpacked(bytes);
            match text_rows(&inner).or_else(|| binary(&inner).map(|inner| (inner.name, inner.rows))) {
                Some((name, remedy)) if !remedy.is_empty() => {
                    refuse(format!("is {}, and unpacked {name}", format.name), remedy)
                }
                _ => refuse(format!("is {}", format.name), format.rows),
            }
        }
        Some(format) => refuse(format!("is {}", format.name), format.rows),
        None if matches!(extension, "pt" | "pth" | "pkl" | "pickle" | "bin") => {
            refuse("is not a table kantor reads".to_owned(), PICKLE)
        }
        None => match text_rows(bytes) {
            Some(_) if matches!(extension, "csv" | "tsv") && Text::of(bytes) == Some(Text::Other) => {
                refuse("is a table of text, not vectors".to_owned(), TABLE)
            }
            Some((name, remedy)) => refuse(format!("is {name}, not vectors"), remedy),
            None => {
                let fault = "is none of .npy, .npz, .safetensors and .pt by its first bytes";
                refuse(fault.to_owned(), Expected::Rows.remedy())
            }
        },
    }
}

/// What a text looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    Json,
    Numbers,
    Other,
}

impl Text {
    /// Of a file that begins so; `None` if it is no text.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() || !is_text(bytes) {
            return None;
        }
        let begin = String::from_utf8_lossy(&bytes[..bytes.len().min(LOOKED_AT)]);
        let begin = begin.trim_start_matches('\u{feff}').trim_start();
        if begin.starts_with(['{', '[']) {
            return Some(Text::Json);
        }
        // The last line may be cut off, in a word at worst.
        let cut = if bytes.len() < LOOKED_AT { None } else { begin.rfind([',', ';', ' ', '\t', '\n']) };
        let mut lines = begin[..cut.unwrap_or(begin.len())].lines().filter(|line| !line.trim().is_empty()).peekable();
        let numbers = |line: &str| {
            let mut words = line.split([',', ';', ' ', '\t']).map(str::trim).filter(|word| !word.is_empty()).peekable();
            words.peek().is_some() && words.all(|word| word.parse::<f64>().is_ok())
        };
        // A header may stand above the numbers.
        if lines.peek().is_some_and(|line| !numbers(line)) {
            lines.next();
        }
        Some(if lines.peek().is_some() && lines.all(numbers) { Text::Numbers } else { Text::Other })
    }
}

/// What a text is and how to make vectors of it; `None` if it is no text.
fn text_rows(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    Some(match Text::of(bytes)? {
        Text::Json => (
            "text (JSON)",
            "of pool and queries that both are JSON lines, kantor makes rows by itself; rows of an embedding model come from: \
             python -c \"import json, numpy as np, sentence_transformers as s; t = [json.loads(l)['text'] for l in open('FILE')]; \
             np.save('x.npy', s.SentenceTransformer('all-MiniLM-L6-v2').encode(t))\"; \
             give x.npy here, and the text of the pool beside it as --pool-jsonl",
        ),
        Text::Numbers => (
            "text (numbers)",
            "save them as an array: np.save('x.npy', np.loadtxt('FILE', delimiter=',', ndmin=2)), with skiprows=1 if \
             there is a header",
        ),
        Text::Other => (
            "text",
            "write one JSON object a line ({\"text\": \"…\"}), or a table with a header as .csv or .tsv, of which kantor makes rows; \
             rows of an embedding model come from: python -c \"import numpy as np, sentence_transformers as s; \
             t = open('FILE').read().splitlines(); \
             np.save('x.npy', s.SentenceTransformer('all-MiniLM-L6-v2').encode(t))\"; \
             give x.npy here, and the text of the pool beside it as --pool-jsonl",
        ),
    })
}

/// The first bytes of compressed data, unpacked; nothing if it is damaged.
fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut begin = Vec::new();
    let most = LOOKED_AT as u64;
    let read = if is_zstd(bytes) {
        zstd::Decoder::new(bytes).and_then(|mut decoder| {
            decoder.window_log_max(WINDOW_LOG)?;
            decoder.take(most).read_to_end(&mut begin)
        })
    } else {
        flate2::read::MultiGzDecoder::new(bytes).take(most).read_to_end(&mut begin)
    };
    // What was unpacked before an error is as good.
    let _ = read;
    begin
}
