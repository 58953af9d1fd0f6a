//! Values of columns as JSON, so that all that reads lines reads them: as `json.dumps(table.to_pylist()[row])` writes them.
//!
//! What JSON has no word for: bytes are text if they are UTF-8, else `{"base64": "…"}`; times are text in ISO 8601, durations their
//! number of units, decimals numbers with all their digits; a map is an object if its keys are text, else a list of pairs.

use std::io::Write;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_buffer::ArrowNativeType;
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::source::lines::MAX_LINE;

/// Values that may lie in each other.
const DEPTH: usize = 64;

/// Adds a value of a column to `out`; or says what it is that cannot be written.
pub(super) fn write(array: &dyn Array, row: usize, out: &mut Vec<u8>) -> Result<(), String> {
    value(array, row, out, DEPTH)
}

fn value(array: &dyn Array, row: usize, out: &mut Vec<u8>, depth: usize) -> Result<(), String> {
    let deeper = depth.checked_sub(1).ok_or("has too many values in each other")?;
    // A list may name one long value any number of times.
    if out.len() > MAX_LINE {
        return Err(format!("makes a line of more than {MAX_LINE} bytes, the most that one may have"));
    }
    if array.is_null(row) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    match array.data_type() {
        DataType::Null => out.extend_from_slice(b"null"),
        DataType::Boolean => {
            out.extend_from_slice(if array.as_boolean().value(row) { b"true" } else { b"false" });
        }
        DataType::Int8 => shown(array.as_primitive::<Int8Type>().value(row), out),
        DataType::Int16 => shown(array.as_primitive::<Int16Type>().value(row), out),
        DataType::Int32 => shown(array.as_primitive::<Int32Type>().value(row), out),
        DataType::Int64 => shown(array.as_primitive::<Int64Type>().value(row), out),
        DataType::UInt8 => shown(array.as_primitive::<UInt8Type>().value(row), out),
        DataType::UInt16 => shown(array.as_primitive::<UInt16Type>().value(row), out),
        DataType::UInt32 => shown(array.as_primitive::<UInt32Type>().value(row), out),
        DataType::UInt64 => shown(array.as_primitive::<UInt64Type>().value(row), out),
        DataType::Float16 => number(array.as_primitive::<Float16Type>().value(row).to_f64(), out),
        DataType::Float32 => number(array.as_primitive::<Float32Type>().value(row).into(), out),
        DataType::Float64 => number(array.as_primitive::<Float64Type>().value(row), out),
        DataType::Utf8 => text(array.as_string::<i32>().value(row), out),
        DataType::LargeUtf8 => text(array.as_string::<i64>().value(row), out),
        DataType::Utf8View => text(array.as_string_view().value(row), out),
        DataType::Binary => bytes(array.as_binary::<i32>().value(row), out),
        DataType::LargeBinary => bytes(array.as_binary::<i64>().value(row), out),
        DataType::BinaryView => bytes(array.as_binary_view().value(row), out),
        DataType::FixedSizeBinary(_) => bytes(array.as_fixed_size_binary().value(row), out),
        DataType::Decimal32(..) => shown(array.as_primitive::<Decimal32Type>().value_as_string(row), out),
        DataType::Decimal64(..) => shown(array.as_primitive::<Decimal64Type>().value_as_string(row), out),
        DataType::Decimal128(..) => shown(array.as_primitive::<Decimal128Type>().value_as_string(row), out),
        DataType::Decimal256(..) => shown(array.as_primitive::<Decimal256Type>().value_as_string(row), out),
        DataType::Date32 => date::<Date32Type>(array, row, out)?,
        DataType::Date64 => date::<Date64Type>(array, row, out)?,
        DataType::Time32(TimeUnit::Second) => time::<Time32SecondType>(array, row, out)?,
        DataType::Time32(_) => time::<Time32MillisecondType>(array, row, out)?,
        DataType::Time64(TimeUnit::Microsecond) => time::<Time64MicrosecondType>(array, row, out)?,
        DataType::Time64(_) => time::<Time64NanosecondType>(array, row, out)?,
        DataType::Timestamp(unit, zone) => {
            let utc = zone.is_some();
            match unit {
                TimeUnit::Second => moment::<TimestampSecondType>(array, row, utc, out)?,
                TimeUnit::Millisecond => moment::<TimestampMillisecondType>(array, row, utc, out)?,
                TimeUnit::Microsecond => moment::<TimestampMicrosecondType>(array, row, utc, out)?,
                TimeUnit::Nanosecond => moment::<TimestampNanosecondType>(array, row, utc, out)?,
            }
        }
        DataType::Duration(unit) => match unit {
            TimeUnit::Second => shown(array.as_primitive::<DurationSecondType>().value(row), out),
            TimeUnit::Millisecond => shown(array.as_primitive::<DurationMillisecondType>().value(row), out),
            TimeUnit::Microsecond => shown(array.as_primitive::<DurationMicrosecondType>().value(row), out),
            TimeUnit::Nanosecond => shown(array.as_primitive::<DurationNanosecondType>().value(row), out),
        },
        DataType::Interval(IntervalUnit::YearMonth) => {
            shown(array.as_primitive::<IntervalYearMonthType>().value(row), out);
        }
        DataType::List(_) => items(&*array.as_list::<i32>().value(row), out, deeper)?,
        DataType::LargeList(_) => items(&*array.as_list::<i64>().value(row), out, deeper)?,
        DataType::ListView(_) => items(&*array.as_list_view::<i32>().value(row), out, deeper)?,
        DataType::LargeListView(_) => items(&*array.as_list_view::<i64>().value(row), out, deeper)?,
        DataType::FixedSizeList(..) => items(&*array.as_fixed_size_list().value(row), out, deeper)?,
        DataType::Struct(fields) => {
            out.push(b'{');
            for (at, (field, column)) in fields.iter().zip(array.as_struct().columns()).enumerate() {
                entry(at, |out| text(field.name(), out), out);
                value(column, row, out, deeper)?;
            }
            out.push(b'}');
        }
        DataType::Map(..) => map(&array.as_map().value(row), out, deeper)?,
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let key = key(dictionary.keys(), row);
            value(&**dictionary.values(), key, out, deeper)?;
        }
        DataType::RunEndEncoded(ends, _) => {
            let (values, at) = match ends.data_type() {
                DataType::Int16 => run::<Int16Type>(array, row),
                DataType::Int32 => run::<Int32Type>(array, row),
                _ => run::<Int64Type>(array, row),
            };
            value(values, at, out, deeper)?;
        }
        other => return Err(format!("is of the type {other}, which has no text")),
    }
    Ok(())
}

/// A key of a dictionary.
fn key(keys: &dyn Array, row: usize) -> usize {
    match keys.data_type() {
        DataType::Int8 => keys.as_primitive::<Int8Type>().value(row).as_usize(),
        DataType::Int16 => keys.as_primitive::<Int16Type>().value(row).as_usize(),
        DataType::Int32 => keys.as_primitive::<Int32Type>().value(row).as_usize(),
        DataType::Int64 => keys.as_primitive::<Int64Type>().value(row).as_usize(),
        DataType::UInt8 => keys.as_primitive::<UInt8Type>().value(row).as_usize(),
        DataType::UInt16 => keys.as_primitive::<UInt16Type>().value(row).as_usize(),
        DataType::UInt32 => keys.as_primitive::<UInt32Type>().value(row).as_usize(),
        _ => keys.as_primitive::<UInt64Type>().value(row).as_usize(),
    }
}

fn run<T: RunEndIndexType>(array: &dyn Array, row: usize) -> (&dyn Array, usize) {
    let runs = array.as_run::<T>();
    (runs.values(), runs.get_physical_index(row))
}

fn shown(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = write!(out, "{value}");
}

fn number(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        let _ = serde_json::to_writer(&mut *out, &value);
    } else if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else {
        out.extend_from_slice(if value > 0.0 { b"Infinity" } else { b"-Infinity" });
    }
}

pub(super) fn text(value: &str, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(&mut *out, value);
}

fn bytes(value: &[u8], out: &mut Vec<u8>) {
    match std::str::from_utf8(value) {
        Ok(value) => text(value, out),
        Err(_) => shown(format_args!("{{\"base64\": \"{}\"}}", BASE64_STANDARD.encode(value)), out),
    }
}

/// Text; or that no calendar has this time.
fn said(value: Option<impl std::fmt::Debug>, after: &str, out: &mut Vec<u8>) -> Result<(), String> {
    let value = value.ok_or("has a time that no calendar has")?;
    shown(format_args!("\"{value:?}{after}\""), out);
    Ok(())
}

fn date<T: ArrowTemporalType>(array: &dyn Array, row: usize, out: &mut Vec<u8>) -> Result<(), String>
where
    i64: From<T::Native>,
{
    said(array.as_primitive::<T>().value_as_date(row), "", out)
}

fn time<T: ArrowTemporalType>(array: &dyn Array, row: usize, out: &mut Vec<u8>) -> Result<(), String>
where
    i64: From<T::Native>,
{
    said(array.as_primitive::<T>().value_as_time(row), "", out)
}

fn moment<T: ArrowTemporalType>(array: &dyn Array, row: usize, utc: bool, out: &mut Vec<u8>) -> Result<(), String>
where
    i64: From<T::Native>,
{
    said(array.as_primitive::<T>().value_as_datetime(row), if utc { "Z" } else { "" }, out)
}

fn items(array: &dyn Array, out: &mut Vec<u8>, depth: usize) -> Result<(), String> {
    out.push(b'[');
    for row in 0..array.len() {
        if row > 0 {
            out.extend_from_slice(b", ");
        }
        value(array, row, out, depth)?;
    }
    out.push(b']');
    Ok(())
}

fn map(entries: &arrow_array::StructArray, out: &mut Vec<u8>, depth: usize) -> Result<(), String> {
    let [keys, values] = entries.columns() else { return Err("is a map without keys and values".to_owned()) };
    let named = matches!(keys.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    out.push(if named { b'{' } else { b'[' });
    for row in 0..entries.len() {
        if named {
            let mut key = Vec::new();
            value(keys, row, &mut key, depth)?;
            entry(row, |out| out.extend_from_slice(&key), out);
            value(values, row, out, depth)?;
        } else {
            out.extend_from_slice(if row > 0 { b", [" } else { b"[" });
            value(keys, row, out, depth)?;
            out.extend_from_slice(b", ");
            value(values, row, out, depth)?;
            out.push(b']');
        }
    }
    out.push(if named { b'}' } else { b']' });
    Ok(())
}

/// What stands before the value number `at` of an object.
pub(super) fn entry(at: usize, key: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    if at > 0 {
        out.extend_from_slice(b", ");
    }
    key(out);
    out.extend_from_slice(b": ");
}
