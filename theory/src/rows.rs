//! Rows of numbers as the rest of kantor sees them: n×d, widened exactly to `f64`, wherever they are stored.

use std::ops::Range;

/// The number type in which rows are stored.
///
/// Every one of them embeds exactly into `f64`, so "the input bits" always name one real number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    /// IEEE 754 binary16.
    F16,
    /// bfloat16.
    BF16,
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary64.
    F64,
}

impl Element {
    /// All of them.
    pub const ALL: [Element; 4] = [Element::F16, Element::BF16, Element::F32, Element::F64];

    /// The least positive number of [`Element::F16`] that has all its binary digits.
    pub const F16_NORMAL: f64 = 1.0 / 16384.0;

    /// Significant binary digits.
    pub fn digits(self) -> u32 {
        match self {
            Element::F16 => 11,
            Element::BF16 => 8,
            Element::F32 => f32::MANTISSA_DIGITS,
            Element::F64 => f64::MANTISSA_DIGITS,
        }
    }

    /// The distance of neighbouring numbers of this type at `x`, as if there were no largest one.
    pub fn spacing(self, x: f64) -> f64 {
        let exponent = exponent(x).max(self.least_exponent()) + 1 - self.digits() as i32;
        // Powers of two, the subnormal ones (of which f64 itself has the spacing) too.
        match u64::try_from(exponent + 1022) {
            Ok(biased) => f64::from_bits((biased + 1) << 52),
            Err(_) => f64::from_bits(1 << (exponent + 1074)),
        }
    }

    /// The nearest number of this type, ties to the even one, as if there were no largest one.
    pub fn round(self, x: f64) -> f64 {
        let drop = f64::MANTISSA_DIGITS - self.digits();
        if drop == 0 || !x.is_finite() {
            return x;
        }
        if exponent(x) < self.least_exponent() {
            let spacing = self.spacing(x);
            return (x / spacing).round_ties_even() * spacing;
        }
        // A carry out of the digits that stay goes into the exponent, as it should.
        let (bits, unit) = (x.to_bits(), 1u64 << drop);
        let raised = bits + unit / 2 - 1 + (bits >> drop & 1);
        f64::from_bits(raised & !(unit - 1))
    }

    /// Of the numbers that have all their digits.
    fn least_exponent(self) -> i32 {
        match self {
            Element::F16 => -14,
            Element::BF16 | Element::F32 => -126,
            Element::F64 => -1022,
        }
    }

    /// The narrowest type that holds the numbers of both exactly.
    pub fn widest(self, other: Element) -> Element {
        match (self, other) {
            _ if self == other => self,
            (Element::F64, _) | (_, Element::F64) => Element::F64,
            _ => Element::F32,
        }
    }

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Element::F16 | Element::BF16 => 2,
            Element::F32 => 4,
            Element::F64 => 8,
        }
    }

    /// The distance from 1 to the next larger number.
    pub fn epsilon(self) -> f64 {
        match self {
            Element::F16 => (-10f64).exp2(),
            Element::BF16 => (-7f64).exp2(),
            Element::F32 => f64::from(f32::EPSILON),
            Element::F64 => f64::EPSILON,
        }
    }

    /// The name used in manifests and messages.
    pub fn name(self) -> &'static str {
        match self {
            Element::F16 => "f16",
            Element::BF16 => "bf16",
            Element::F32 => "f32",
            Element::F64 => "f64",
        }
    }
}

/// The exponent of the leading binary digit; −1023 for zero and subnormal numbers.
fn exponent(x: f64) -> i32 {
    (x.to_bits() >> 52 & 0x7ff) as i32 - 1023
}

/// A read-only table of `len` rows with `dim` numbers each.
///
/// Implementations convert on the way out and by block; no caller holds a converted copy of a whole file.
///
/// Whoever implements it promises that the same question always has the same answer, whichever function is asked. What
/// is proved is proved of the numbers that were read; a table that changes meanwhile is beyond what this crate can see.
pub trait Rows: Send + Sync {
    /// Number of rows.
    fn len(&self) -> usize;

    /// Numbers per row.
    fn dim(&self) -> usize;

    /// How the numbers are stored.
    fn element(&self) -> Element;

    /// How the numbers of this row are stored; [`Rows::element`] holds those of every row exactly.
    fn element_of(&self, _row: usize) -> Element {
        self.element()
    }

    /// Writes columns `columns` of rows `first..` into `out`, row-major, widened exactly.
    ///
    /// The number of rows is `out.len() / columns.len()`; an empty `columns` writes nothing.
    ///
    /// # Panics
    /// If rows or columns lie outside the table.
    fn read(&self, first: usize, columns: Range<usize>, out: &mut [f64]);

    /// As [`Rows::read`] over all columns, rounded to the nearest `f32`: exact unless the element is `f64`.
    fn read_f32(&self, first: usize, out: &mut [f32]);

    /// Columns `columns` of a row as they lie in memory, if that is as `f64`.
    ///
    /// # Panics
    /// If row or columns lie outside the table.
    fn borrow(&self, _row: usize, _columns: Range<usize>) -> Option<&[f64]> {
        None
    }

    /// Whether there are no rows.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes one whole row.
    fn read_row(&self, row: usize, out: &mut [f64]) {
        self.read(row, 0..self.dim(), out);
    }
}

/// The rows of one table, then those of another.
pub struct JoinedRows<'a> {
    first: &'a dyn Rows,
    second: &'a dyn Rows,
}

impl<'a> JoinedRows<'a> {
    /// Both tables.
    ///
    /// # Panics
    /// If their rows are not of the same length.
    pub fn new(first: &'a dyn Rows, second: &'a dyn Rows) -> Self {
        assert_eq!(first.dim(), second.dim(), "tables of different dimension");
        Self { first, second }
    }

    /// Rows of the first table among `count` rows from `start` on.
    fn of_first(&self, start: usize, count: usize) -> usize {
        self.first.len().saturating_sub(start).min(count)
    }
}

impl Rows for JoinedRows<'_> {
    fn len(&self) -> usize {
        self.first.len() + self.second.len()
    }

    fn dim(&self) -> usize {
        self.first.dim()
    }

    fn element(&self) -> Element {
        self.first.element().widest(self.second.element())
    }

    fn element_of(&self, row: usize) -> Element {
        match row.checked_sub(self.first.len()) {
            Some(row) => self.second.element_of(row),
            None => self.first.element_of(row),
        }
    }

    fn read(&self, first: usize, columns: Range<usize>, out: &mut [f64]) {
        let width = columns.len().max(1);
        let count = self.of_first(first, out.len() / width);
        let (before, after) = out.split_at_mut(count * width);
        if !before.is_empty() {
            self.first.read(first, columns.clone(), before);
        }
        if !after.is_empty() {
            self.second.read(first + count - self.first.len(), columns, after);
        }
    }

    fn read_f32(&self, first: usize, out: &mut [f32]) {
        let width = self.dim();
        let count = self.of_first(first, out.len() / width);
        let (before, after) = out.split_at_mut(count * width);
        if !before.is_empty() {
            self.first.read_f32(first, before);
        }
        if !after.is_empty() {
            self.second.read_f32(first + count - self.first.len(), after);
        }
    }
}

/// Rows held in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct DenseRows {
    dim: usize,
    values: Values,
}

#[derive(Debug, Clone, PartialEq)]
enum Values {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl DenseRows {
    /// Row-major `values`, `dim` per row; `None` if `dim` is 0 or does not divide the number of values.
    pub fn from_f32(dim: usize, values: Vec<f32>) -> Option<Self> {
        (dim > 0 && values.len().is_multiple_of(dim)).then_some(Self { dim, values: Values::F32(values) })
    }

    /// Row-major `values`, `dim` per row; `None` if `dim` is 0 or does not divide the number of values.
    pub fn from_f64(dim: usize, values: Vec<f64>) -> Option<Self> {
        (dim > 0 && values.len().is_multiple_of(dim)).then_some(Self { dim, values: Values::F64(values) })
    }
}

impl Rows for DenseRows {
    fn len(&self) -> usize {
        match &self.values {
            Values::F32(v) => v.len() / self.dim,
            Values::F64(v) => v.len() / self.dim,
        }
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn element(&self) -> Element {
        match self.values {
            Values::F32(_) => Element::F32,
            Values::F64(_) => Element::F64,
        }
    }

    fn read(&self, first: usize, columns: Range<usize>, out: &mut [f64]) {
        if columns.is_empty() {
            return;
        }
        for (offset, target) in out.chunks_exact_mut(columns.len()).enumerate() {
            let start = (first + offset) * self.dim;
            let span = start + columns.start..start + columns.end;
            match &self.values {
                Values::F32(v) => {
                    for (t, &x) in target.iter_mut().zip(&v[span]) {
                        *t = f64::from(x);
                    }
                }
                Values::F64(v) => target.copy_from_slice(&v[span]),
            }
        }
    }

    fn borrow(&self, row: usize, columns: Range<usize>) -> Option<&[f64]> {
        match &self.values {
            Values::F32(_) => None,
            Values::F64(v) => Some(&v[row * self.dim..(row + 1) * self.dim][columns]),
        }
    }

    fn read_f32(&self, first: usize, out: &mut [f32]) {
        let span = first * self.dim..first * self.dim + out.len();
        match &self.values {
            Values::F32(v) => out.copy_from_slice(&v[span]),
            Values::F64(v) => {
                for (t, &x) in out.iter_mut().zip(&v[span]) {
                    *t = x as f32;
                }
            }
        }
    }
}
