//! The header of `.npy` files, versions 1 to 3 (numpy's `numpy.lib.format`).
//!
//! The header is a Python dictionary with three keys, of which only this much is parsed: strings, booleans and one
//! tuple of integers. Lengths are capped and compared with the file before anything is allocated; nothing nests, so
//! nothing recurses. (General parsers of Python literals backtrack exponentially on nested brackets.)

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use super::error::DataError;
use super::number::Number;
use super::shard::{Layout, Order};

/// First bytes of every file.
pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";

/// Whether a file is a `.npy` array by its first bytes.
pub(crate) fn is_npy(path: &Path) -> bool {
    let mut first = [0; MAGIC.len()];
    File::open(path).and_then(|mut file| file.read_exact(&mut first)).is_ok() && first == *MAGIC
}

/// Longest header text accepted; numpy writes 118 bytes for a matrix.
const MAX_HEADER: usize = 64 << 10;

/// Bytes that certainly hold the whole header.
pub(crate) const MAX_PREFIX: usize = 12 + MAX_HEADER;

const REWRITE: &str = "write it again with numpy: np.save('fixed.npy', np.ascontiguousarray(a))";

/// A parsed header, not yet judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    descr: String,
    fortran: bool,
    shape: Vec<i128>,
    /// Bytes before the array.
    pub(crate) length: usize,
}

/// Parses the header of a file of `total` bytes that begins with `prefix`.
pub(crate) fn parse(file: &Path, prefix: &[u8], total: u64) -> Result<Header, DataError> {
    let bad = |fault: String| DataError::malformed(file, fault, REWRITE);
    let short = || bad("the .npy header is cut off".into());
    let (major, minor) = match prefix.strip_prefix(MAGIC) {
        Some([major, minor, ..]) => (*major, *minor),
        Some(_) => return Err(short()),
        None => return Err(bad("is not a .npy file: its first bytes are not \\x93NUMPY".into())),
    };
    let (start, claimed) = match (major, minor, prefix.get(8..)) {
        (1, 0, Some([a, b, ..])) => (10, usize::from(u16::from_le_bytes([*a, *b]))),
        (2 | 3, 0, Some([a, b, c, d, ..])) => (12, u32::from_le_bytes([*a, *b, *c, *d]) as usize),
        (1..=3, 0, _) => return Err(short()),
        _ => return Err(bad(format!(".npy version {major}.{minor} is unknown (1.0, 2.0 and 3.0 are read)"))),
    };
    if claimed > MAX_HEADER {
        return Err(bad(format!("the .npy header claims {claimed} bytes of text; at most {MAX_HEADER} are accepted")));
    }
    if (start + claimed) as u64 > total {
        return Err(bad(format!("the .npy header claims {claimed} bytes of text, but the file has {total} bytes")));
    }
    let text = prefix.get(start..start + claimed).ok_or_else(short)?;
    let text = std::str::from_utf8(text).map_err(|_| bad("the .npy header is not text".into()))?;
    let mut header = Dictionary { rest: text }.parse().map_err(|fault| bad(format!("in the .npy header, {fault}")))?;
    header.length = start + claimed;
    Ok(header)
}

/// Writes the header of a list of `length` little-endian int64. The numbers follow it at byte 128.
pub(crate) fn write_header(length: usize, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(MAGIC)?;
    // Version 1.0 and the length of the text, which ends with a newline.
    out.write_all(&[1, 0, 118, 0])?;
    let text = format!("{{'descr': '<i8', 'fortran_order': False, 'shape': ({length}, ), }}");
    writeln!(out, "{text:<117}")
}

impl Header {
    /// Whether the array is a table.
    pub(crate) fn shape(&self) -> &[i128] {
        &self.shape
    }

    /// Judges type and shape of a table, and compares them with `total`, the size of the whole file.
    pub(crate) fn layout(&self, file: &Path, total: u64, cast: bool) -> Result<Layout, DataError> {
        let number = number(file, &self.descr, cast)?;
        self.sized(file, total, number, table_shape(file, &self.shape)?)
    }

    /// The same for a list, which becomes a table of one column.
    pub(crate) fn list_layout(&self, file: &Path, total: u64, cast: bool) -> Result<Layout, DataError> {
        match *self.shape {
            [rows] => {
                let number = number(file, &self.descr, cast)?;
                self.sized(file, total, number, table_shape(file, &[rows, 1])?)
            }
            _ => Err(DataError::malformed(
                file,
                format!("has shape {}, not (rows,)", shape_text(&self.shape)),
                "save a list of numbers: np.save('x.npy', a.ravel()) if it has one column",
            )),
        }
    }

    fn sized(
        &self,
        file: &Path,
        total: u64,
        (number, big_endian): (Number, bool),
        (rows, dim): (usize, usize),
    ) -> Result<Layout, DataError> {
        let fault = || DataError::Shape {
            file: file.to_owned(),
            shape: shape_text(&self.shape),
            remedy: "its size in bytes overflows: the header is damaged, write the file again".into(),
        };
        let bytes = rows.checked_mul(dim).and_then(|n| n.checked_mul(number.size())).ok_or_else(fault)? as u64;
        let actual = total - self.length as u64;
        if actual != bytes {
            let what = format!("the array of shape {} and type {}", shape_text(&self.shape), number.name());
            return Err(DataError::Size { file: file.to_owned(), what, expected: bytes, actual });
        }
        let order = if self.fortran { Order::ColumnMajor } else { Order::RowMajor };
        Ok(Layout { rows, dim, number, big_endian, order })
    }
}

/// Number of rows and columns, or why the shape has none.
pub(crate) fn table_shape(file: &Path, shape: &[i128]) -> Result<(usize, usize), DataError> {
    let fault = |remedy: &str| {
        Err(DataError::Shape { file: file.to_owned(), shape: shape_text(shape), remedy: remedy.to_owned() })
    };
    if shape.iter().any(|&n| n < 0) {
        return fault("a negative length is never written by numpy: the header is damaged, write the file again");
    }
    match *shape {
        [rows, dim] => match (usize::try_from(rows), usize::try_from(dim)) {
            (Ok(0), Ok(_)) => Err(DataError::Empty { file: file.to_owned(), fault: "the array has no rows" }),
            (Ok(_), Ok(0)) => Err(DataError::Empty { file: file.to_owned(), fault: "the array has no columns" }),
            (Ok(rows), Ok(dim)) => Ok((rows, dim)),
            _ => fault("its size overflows: the header is damaged, write the file again"),
        },
        [_] => fault("for one row save a.reshape(1, -1), for one column a.reshape(-1, 1)"),
        [] => fault("save an array of rows: np.save('x.npy', np.stack(rows))"),
        _ => fault("give each row all its numbers: np.save('x.npy', a.reshape(len(a), -1))"),
    }
}

/// A shape as numpy prints it.
pub(crate) fn shape_text(shape: &[i128]) -> String {
    let lengths: Vec<String> = shape.iter().map(i128::to_string).collect();
    match lengths.as_slice() {
        [one] => format!("({one},)"),
        many => format!("({})", many.join(", ")),
    }
}

/// The number type of a numpy type string and whether it is big-endian.
fn number(file: &Path, descr: &str, cast: bool) -> Result<(Number, bool), DataError> {
    let refuse = |name: &str, remedy: &str| {
        let dtype = format!("{descr}{name}");
        Err(DataError::Dtype { file: file.to_owned(), dtype, remedy: remedy.to_owned() })
    };
    let convert = "save floats: np.save('x.npy', a.astype('float32'))";
    let (order, kind) = match descr.chars().next() {
        Some(order @ ('<' | '>' | '|' | '=')) => (order, &descr[1..]),
        _ => ('|', descr),
    };
    let number = match kind {
        "f2" => Number::F16,
        "f4" => Number::F32,
        "f8" => Number::F64,
        "i1" => Number::I8,
        "i2" => Number::I16,
        "i4" => Number::I32,
        "i8" => Number::I64,
        "u1" => Number::U8,
        "u2" => Number::U16,
        "u4" => Number::U32,
        "u8" => Number::U64,
        _ => {
            return match kind.chars().next() {
                Some('O') => refuse(
                    " (object: pickled Python values)",
                    "pickles are never run; save numbers: np.save('x.npy', np.stack(a).astype('float32'))",
                ),
                Some('c') => refuse(" (complex)", "save real numbers, for example a.real or abs(a)"),
                Some('b') => refuse(
                    " (boolean)",
                    "save numbers: np.save('x.npy', a.astype('float32')), or np.flatnonzero(a) if it marks rows",
                ),
                Some('f') => refuse(" (extended precision)", "save a.astype('float64')"),
                Some('V') => refuse(
                    " (raw bytes)",
                    "numpy has no bfloat16; save bfloat16 as safetensors, anything else as float32",
                ),
                Some('[') => refuse(" (structured)", "save one field: np.save('x.npy', a['name'])"),
                _ => refuse("", convert),
            };
        }
    };
    if number.is_integer() && !cast {
        return refuse(" (integer)", "pass --cast to use integers as f64");
    }
    let big_endian = match order {
        '>' => true,
        '=' => cfg!(target_endian = "big"),
        _ => false,
    };
    Ok((number, big_endian))
}

/// The text of a header not yet read.
struct Dictionary<'a> {
    rest: &'a str,
}

impl<'a> Dictionary<'a> {
    fn parse(mut self) -> Result<Header, String> {
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        self.expect('{')?;
        while !self.take('}') {
            let key = self.string()?;
            self.expect(':')?;
            match key {
                "descr" if descr.is_none() => descr = Some(self.descr()?),
                "fortran_order" if fortran.is_none() => fortran = Some(self.boolean()?),
                "shape" if shape.is_none() => shape = Some(self.shape()?),
                "descr" | "fortran_order" | "shape" => return Err(format!("the key '{key}' occurs twice")),
                _ => return Err(format!("the key '{key}' is unknown")),
            }
            if !self.take(',') {
                self.expect('}')?;
                break;
            }
        }
        if !self.rest.trim_matches([' ', '\n', '\t', '\r', '\0']).is_empty() {
            return Err("text follows the dictionary".into());
        }
        let missing = |key: &str| format!("the key '{key}' is missing");
        Ok(Header {
            descr: descr.ok_or_else(|| missing("descr"))?,
            fortran: fortran.ok_or_else(|| missing("fortran_order"))?,
            shape: shape.ok_or_else(|| missing("shape"))?,
            length: 0,
        })
    }

    fn take(&mut self, c: char) -> bool {
        let rest = self.rest.trim_start();
        let found = rest.strip_prefix(c);
        self.rest = found.unwrap_or(rest);
        found.is_some()
    }

    fn expect(&mut self, c: char) -> Result<(), String> {
        if self.take(c) { Ok(()) } else { Err(format!("`{c}` is expected before `{}`", self.excerpt())) }
    }

    fn excerpt(&self) -> String {
        self.rest.trim_end().chars().take(20).collect()
    }

    fn string(&mut self) -> Result<&'a str, String> {
        let quote = if self.take('\'') { '\'' } else { '"' };
        if quote == '"' {
            self.expect('"')?;
        }
        let (text, rest) = self.rest.split_once(quote).ok_or("a string does not end")?;
        self.rest = rest;
        Ok(text)
    }

    /// A type string; a structured type (a list) is refused by name, so only its beginning is kept.
    fn descr(&mut self) -> Result<String, String> {
        if !self.rest.trim_start().starts_with('[') {
            return self.string().map(str::to_owned);
        }
        let end = ["'fortran_order'", "'shape'"].iter().filter_map(|key| self.rest.find(key)).min();
        let (list, _) = self.rest.split_at(end.ok_or("the type does not end")?);
        let list = list.trim_end().trim_end_matches(',');
        self.rest = &self.rest[list.len()..];
        Ok(list.trim_start().chars().take(60).collect())
    }

    fn boolean(&mut self) -> Result<bool, String> {
        let rest = self.rest.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(format!("'fortran_order' is neither True nor False but `{}`", self.excerpt()))
    }

    fn shape(&mut self) -> Result<Vec<i128>, String> {
        self.expect('(')?;
        let mut shape = Vec::new();
        while !self.take(')') {
            shape.push(self.integer()?);
            if shape.len() > 32 {
                return Err("the shape has more than 32 dimensions".into());
            }
            if !self.take(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(shape)
    }

    fn integer(&mut self) -> Result<i128, String> {
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(rest.len());
        let (digits, rest) = rest.split_at(end);
        let value = digits.parse().map_err(|_| format!("`{}` is not a length", self.excerpt()))?;
        self.rest = rest.strip_prefix('L').unwrap_or(rest);
        Ok(value)
    }
}
