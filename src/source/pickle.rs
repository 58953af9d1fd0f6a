//! The pickles inside files of PyTorch, read as data.
//!
//! A pickle is a program for a stack machine. Of its instructions only those are carried out that build texts, numbers, tuples,
//! lists and dictionaries, and of the names in it only those are known that describe tensors: nothing is imported, called or run.
//! Whatever else is asked for is refused by its name.
//!
//! Values lie in one list and refer to each other by their place in it, so that what is shared stays shared, nothing recurses, and
//! memory is in proportion to the pickle's length; it is claimed before it is taken.

mod machine;

use std::ops::Range;

use super::error::DataError;
use super::memory::Claim;
use super::number::Number;

/// Where a value lies among all.
pub(super) type Place = u32;

/// A value.
#[derive(Debug)]
pub(super) enum Value {
    None,
    Bool,
    Int(i64),
    Float(f64),
    /// Where it stands in the pickle, in UTF-8.
    Text(Range<usize>),
    Tuple(Vec<Place>),
    List(Vec<Place>),
    Dict(Vec<(Place, Place)>),
    Known(Known),
    Storage(Box<Storage>),
    Tensor(Box<Tensor>),
}

/// A name that a pickle may use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Known {
    /// Makes a tensor of a storage, an offset, a shape and strides.
    RebuildTensor,
    /// Hands on a tensor.
    RebuildParameter,
    /// Hands on the lengths in it.
    Size,
    OrderedDict,
    /// Storages of this type, and its name.
    Storage(Option<Number>, &'static str),
}

/// The names, by module and name.
const KNOWN: [(&str, &str, Known); 18] = [
    ("torch._utils", "_rebuild_tensor_v2", Known::RebuildTensor),
    ("torch._utils", "_rebuild_parameter", Known::RebuildParameter),
    ("torch", "Size", Known::Size),
    ("collections", "OrderedDict", Known::OrderedDict),
    ("torch", "HalfStorage", Known::Storage(Some(Number::F16), "float16")),
    ("torch", "BFloat16Storage", Known::Storage(Some(Number::Bf16), "bfloat16")),
    ("torch", "FloatStorage", Known::Storage(Some(Number::F32), "float32")),
    ("torch", "DoubleStorage", Known::Storage(Some(Number::F64), "float64")),
    ("torch", "CharStorage", Known::Storage(Some(Number::I8), "int8")),
    ("torch", "ShortStorage", Known::Storage(Some(Number::I16), "int16")),
    ("torch", "IntStorage", Known::Storage(Some(Number::I32), "int32")),
    ("torch", "LongStorage", Known::Storage(Some(Number::I64), "int64")),
    ("torch", "ByteStorage", Known::Storage(Some(Number::U8), "uint8")),
    ("torch", "BoolStorage", Known::Storage(None, "bool")),
    ("torch", "ComplexFloatStorage", Known::Storage(None, "complex64")),
    ("torch", "ComplexDoubleStorage", Known::Storage(None, "complex128")),
    ("torch", "QInt8Storage", Known::Storage(None, "qint8")),
    ("torch", "QUInt8Storage", Known::Storage(None, "quint8")),
];

/// Numbers of a tensor, or of several.
#[derive(Debug, Clone)]
pub(super) struct Storage {
    pub(super) number: Option<Number>,
    /// The type's name.
    pub(super) dtype: &'static str,
    /// Where its name stands in the pickle.
    pub(super) key: Range<usize>,
    /// How many there are.
    pub(super) count: i64,
}

/// A tensor, as it is described.
#[derive(Debug)]
pub(super) struct Tensor {
    pub(super) storage: Storage,
    pub(super) offset: i64,
    pub(super) shape: Vec<i64>,
    pub(super) strides: Vec<i64>,
}

/// Most dimensions of a tensor.
const DIMENSIONS: usize = 64;

const WHAT: &str = "what its pickle says";
const REMEDY: &str = "allow more with --max-memory";

/// Why a pickle was not read.
pub(super) enum Refusal {
    /// It asks for something else than data, or is damaged: what it is.
    Foreign(String),
    Data(DataError),
}

impl From<String> for Refusal {
    fn from(fault: String) -> Self {
        Refusal::Foreign(fault)
    }
}

impl From<DataError> for Refusal {
    fn from(error: DataError) -> Self {
        Refusal::Data(error)
    }
}

type Read<T> = Result<T, Refusal>;

/// All values of a pickle.
pub(super) struct Values<'a> {
    bytes: &'a [u8],
    values: Vec<Value>,
}

impl<'a> Values<'a> {
    pub(super) fn get(&self, place: Place) -> &Value {
        &self.values[place as usize]
    }

    /// A text in the pickle.
    pub(super) fn text(&self, range: &Range<usize>) -> &'a str {
        // It was UTF-8 when it was found.
        std::str::from_utf8(&self.bytes[range.clone()]).unwrap_or_default()
    }
}

/// Reads a pickle: its values, and which of them it is of.
pub(super) fn read<'a>(bytes: &'a [u8], claim: &mut Claim<'_>) -> Read<(Values<'a>, Place)> {
    machine::run(Values { bytes, values: Vec::new() }, claim)
}

impl Values<'_> {
    /// The whole numbers in a tuple.
    fn lengths(&self, place: Place) -> Read<Vec<i64>> {
        let number = |&place: &Place| match self.get(place) {
            Value::Int(number) => Some(*number),
            _ => None,
        };
        let found = match self.get(place) {
            Value::Tuple(items) if items.len() <= DIMENSIONS => items.iter().map(number).collect(),
            _ => None,
        };
        found.ok_or_else(|| "has a tensor whose shape is no list of lengths".to_owned().into())
    }
}
