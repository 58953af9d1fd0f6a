//! A column of lists of numbers as a table of vectors.
//!
//! Lists of any kind, of numbers of one type: halves, floats, doubles, and integers where they may be cast. bfloat16, of which Arrow
//! has no type, is unsigned integers of 16 bits whose field, or that of the lists, says `bfloat16` or `bf16` in its metadata.
//! Every row is a list of the same length, without nulls.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType};
use arrow_schema::{DataType, Field, SchemaRef};
use half::f16;

use super::{Batches, UNPACKED_REMEDY, Wanted, guarded};
use crate::source::error::DataError;
use crate::source::format::Columnar;
use crate::source::memory::{Allowance, Claim};
use crate::source::number::Number;
use crate::source::open::{Format, Found};
use crate::source::shard::{Bytes, Layout, Order};

const WHAT: &str = "its column of vectors";
const NO_LISTS: &str = "is no column of lists of numbers";

/// Whether a file of this kind is meant as vectors: `name` is a column of it (or is not `a_hint`), or without a name it
/// has a column of vectors and none of text. False of a file that cannot be read.
pub(crate) fn names_vectors(path: &Path, kind: Columnar, name: Option<&str>, a_hint: bool) -> bool {
    let allowance = Allowance::unlimited();
    let Ok(batches) = Batches::open(path, kind, &Wanted::Named(&[]), &allowance) else { return false };
    let schema = batches.schema();
    match name {
        Some(name) if schema.index_of(name).is_ok() => true,
        Some(_) if !a_hint => true,
        _ => candidates(schema).next().is_some() && !schema.fields().iter().any(|field| has_text(field.data_type())),
    }
}

/// Columns of vectors, by their types.
fn candidates(schema: &SchemaRef) -> impl Iterator<Item = &Field> {
    let is_float = |field: &Field| number_of(field).is_some_and(|number| !number.is_integer());
    schema.fields().iter().map(|field| &**field).filter(move |field| is_float(field))
}

/// Whether there is text in values of this type.
fn has_text(of: &DataType) -> bool {
    match of {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => has_text(values),
        DataType::Struct(fields) => fields.iter().any(|field| has_text(field.data_type())),
        other => item(other).is_some_and(|item| has_text(item.data_type())),
    }
}

/// What lists of this type are lists of.
fn item(of: &DataType) -> Option<&Field> {
    match of {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => Some(item),
        _ => None,
    }
}

/// The number type of a column of vectors.
fn number_of(field: &Field) -> Option<Number> {
    let item = item(field.data_type())?;
    let brain = |field: &Field| {
        field.metadata().values().any(|said| ["bfloat16", "bf16"].iter().any(|name| said.eq_ignore_ascii_case(name)))
    };
    Some(match item.data_type() {
        DataType::Float16 => Number::F16,
        DataType::Float32 => Number::F32,
        DataType::Float64 => Number::F64,
        DataType::UInt16 if brain(field) || brain(item) => Number::Bf16,
        DataType::Int8 => Number::I8,
        DataType::Int16 => Number::I16,
        DataType::Int32 => Number::I32,
        DataType::Int64 => Number::I64,
        DataType::UInt8 => Number::U8,
        DataType::UInt16 => Number::U16,
        DataType::UInt32 => Number::U32,
        DataType::UInt64 => Number::U64,
        _ => return None,
    })
}

/// The column called `name`, or the only one of vectors, with its name: a table of a file whose first row is row `first` of all.
pub(crate) fn table(
    path: &Path,
    kind: Columnar,
    name: Option<&str>,
    cast: bool,
    first: usize,
    allowance: &Allowance,
) -> Result<Found, DataError> {
    let (name, number) = column(path, kind, name, cast, allowance)?;
    let mut batches = Batches::open(path, kind, &Wanted::Named(&[&name]), allowance)?;
    let mut vectors = Vectors { path, name: &name, number, first, rows: 0, dim: None, numbers: Vec::new() };
    let (expected, mut claim) = (batches.rows(), Claim::new(allowance, path));
    while let Some(batch) = batches.next()? {
        let lists = batch.column(0);
        guarded(path, || vectors.add(lists, expected, &mut claim))?;
    }
    let Vectors { rows, dim, numbers, .. } = vectors;
    let empty = |fault| Err(DataError::Empty { file: path.to_owned(), fault });
    let dim = match dim {
        None => return empty("the column of vectors has no rows"),
        Some(0) => return empty("the lists of the column of vectors have no numbers"),
        Some(dim) => dim,
    };
    claim.keep();
    let layout = Layout { rows, dim, number, big_endian: cfg!(target_endian = "big"), order: Order::RowMajor };
    let format = if kind == Columnar::Parquet { Format::Parquet } else { Format::Arrow };
    Ok(Found { format, tensor: Some(name), bytes: Bytes::Memory(numbers.into()), start: 0, layout })
}

/// The name and number type of the column that is meant.
fn column(
    path: &Path,
    kind: Columnar,
    name: Option<&str>,
    cast: bool,
    allowance: &Allowance,
) -> Result<(String, Number), DataError> {
    let batches = Batches::open(path, kind, &Wanted::Named(&[]), allowance)?;
    let schema = batches.schema();
    let listed = |fault: String| {
        let columns: Vec<_> =
            schema.fields().iter().map(|field| (field.name().clone(), field.data_type().to_string())).collect();
        DataError::column(path, fault, columns.into_iter())
    };
    let field = match name {
        Some(name) => {
            let mut named = schema.fields().iter().filter(|field| field.name() == name);
            match (named.next(), named.next()) {
                (Some(field), None) => field,
                (Some(_), Some(_)) => return Err(listed(format!("two columns are called `{name}`"))),
                (None, _) => return Err(listed(format!("there is no column `{name}`"))),
            }
        }
        None => {
            let mut candidates = candidates(schema);
            match (candidates.next(), candidates.next()) {
                (Some(field), None) => field,
                (None, _) => return Err(listed("no column holds vectors".to_owned())),
                (Some(_), Some(_)) => return Err(listed("several columns hold vectors".to_owned())),
            }
        }
    };
    let name = field.name().clone();
    let Some(number) = number_of(field) else { return Err(listed(format!("the column `{name}` {NO_LISTS}"))) };
    if number.is_integer() && !cast {
        let (dtype, remedy) = (format!("{} (integer)", number.name()), "pass --cast to use integers as f64".into());
        return Err(DataError::Dtype { file: path.to_owned(), dtype, remedy });
    }
    Ok((name, number))
}

/// Vectors while they are read.
struct Vectors<'a> {
    path: &'a Path,
    name: &'a str,
    number: Number,
    first: usize,
    rows: usize,
    dim: Option<usize>,
    numbers: Vec<u8>,
}

impl Vectors<'_> {
    /// Adds the lists of a batch of a file that has `expected` rows, if that is known.
    fn add(&mut self, lists: &ArrayRef, expected: Option<usize>, claim: &mut Claim<'_>) -> Result<(), DataError> {
        if let Some(row) = (lists.null_count() > 0).then(|| (0..lists.len()).find(|&row| lists.is_null(row))).flatten()
        {
            return Err(self.refuse(row, "is null", "leave such rows out, or fill them"));
        }
        for row in 0..lists.len() {
            let list = list(&**lists, row);
            let dim = *self.dim.get_or_insert(list.len());
            if list.len() != dim {
                let fault = format!("has {} numbers, but rows before it have {dim}", list.len());
                return Err(self.refuse(row, &fault, "give every row as many numbers"));
            }
            if list.null_count() > 0 {
                let at = (0..list.len()).find(|&at| list.is_null(at)).unwrap_or_default();
                return Err(self.refuse(
                    row,
                    &format!("has a null as number {at}"),
                    "leave such rows out, or fill them",
                ));
            }
            if self.numbers.capacity() == 0 {
                let all = expected.unwrap_or(0).max(lists.len()).saturating_mul(dim).saturating_mul(self.number.size());
                claim.room(&mut self.numbers, all, WHAT, UNPACKED_REMEDY)?;
            }
            let bytes = bytes(&*list, self.number);
            claim.room(&mut self.numbers, bytes.len(), WHAT, UNPACKED_REMEDY)?;
            self.numbers.extend_from_slice(bytes);
        }
        self.rows += lists.len();
        Ok(())
    }

    /// What is wrong with a row of the batch.
    fn refuse(&self, row: usize, fault: &str, remedy: &str) -> DataError {
        let row = self.rows + row;
        let all = if self.first > 0 { format!(" (row {} of all files)", self.first + row) } else { String::new() };
        DataError::malformed(self.path, format!("row {row}{all} of the column `{}` {fault}", self.name), remedy)
    }
}

fn list(lists: &dyn Array, row: usize) -> ArrayRef {
    match lists.data_type() {
        DataType::List(_) => lists.as_list::<i32>().value(row),
        DataType::LargeList(_) => lists.as_list::<i64>().value(row),
        DataType::ListView(_) => lists.as_list_view::<i32>().value(row),
        DataType::LargeListView(_) => lists.as_list_view::<i64>().value(row),
        _ => lists.as_fixed_size_list().value(row),
    }
}

/// The bytes of numbers without nulls.
fn bytes(list: &dyn Array, number: Number) -> &[u8] {
    fn of<T: ArrowPrimitiveType<Native: bytemuck::Pod>>(list: &dyn Array) -> &[u8] {
        bytemuck::cast_slice(list.as_primitive::<T>().values())
    }
    match number {
        Number::F16 => bytemuck::cast_slice::<f16, u8>(list.as_primitive::<Float16Type>().values()),
        Number::F32 => of::<Float32Type>(list),
        Number::F64 => of::<Float64Type>(list),
        Number::I8 => of::<Int8Type>(list),
        Number::I16 => of::<Int16Type>(list),
        Number::I32 => of::<Int32Type>(list),
        Number::I64 => of::<Int64Type>(list),
        Number::U8 => of::<UInt8Type>(list),
        Number::Bf16 | Number::U16 => of::<UInt16Type>(list),
        Number::U32 => of::<UInt32Type>(list),
        Number::U64 => of::<UInt64Type>(list),
    }
}
