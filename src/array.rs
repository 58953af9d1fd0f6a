//! Rows in memory: views of `ndarray` as pool and queries.

use std::fmt;
use std::ops::Range;

use half::{bf16, f16};
use kantor_theory::{Element, Rows};
use ndarray::{ArrayView1, ArrayView2, s};

use crate::source::number::Stored;

mod sealed {
    pub trait Sealed {}
}

/// A number type of rows in memory: `f16`, `bf16`, `f32` or `f64`.
pub trait Scalar: sealed::Sealed + Copy + Send + Sync + fmt::Debug + 'static {
    /// How it is stored.
    const ELEMENT: Element;

    /// Widens exactly.
    #[doc(hidden)]
    fn widen(from: &[Self], to: &mut [f64]);

    /// Rounds to the nearest `f32`.
    #[doc(hidden)]
    fn narrow(from: &[Self], to: &mut [f32]);

    /// The numbers as they are, if that is as `f64`.
    #[doc(hidden)]
    fn as_f64(_numbers: &[Self]) -> Option<&[f64]> {
        None
    }
}

macro_rules! scalar {
    ($type:ty, $element:expr $(, $as_f64:expr)?) => {
        impl sealed::Sealed for $type {}

        impl Scalar for $type {
            const ELEMENT: Element = $element;

            fn widen(from: &[Self], to: &mut [f64]) {
                <$type as Stored>::to_f64(from, to);
            }

            fn narrow(from: &[Self], to: &mut [f32]) {
                <$type as Stored>::to_f32(from, to);
            }

            $(fn as_f64(numbers: &[Self]) -> Option<&[f64]> {
                $as_f64(numbers)
            })?
        }
    };
}

scalar!(f16, Element::F16);
scalar!(bf16, Element::BF16);
scalar!(f32, Element::F32);
scalar!(f64, Element::F64, Some);

/// A view of an n×d array as rows; whatever its memory order and strides, it is not copied.
///
/// Rows that are contiguous in memory are read as slices, others number by number: a C-ordered array is read at the speed
/// of memory, a Fortran-ordered one several times slower.
///
/// ```
/// use kantor::ArrayRows;
/// use kantor::theory::Rows;
/// let array = ndarray::array![[1.0_f32, 2.0], [3.0, 4.0]];
/// let rows = ArrayRows::new(array.view());
/// assert_eq!((rows.len(), rows.dim()), (2, 2));
/// ```
#[derive(Debug, Clone)]
pub struct ArrayRows<'a, T>(ArrayView2<'a, T>);

impl<'a, T: Scalar> ArrayRows<'a, T> {
    /// One row for each row of the view.
    pub fn new(view: ArrayView2<'a, T>) -> Self {
        Self(view)
    }

    /// Calls `convert` with the numbers of each row from `first` on, as many as there are lines of `width` in `out`.
    fn read_with<O>(&self, first: usize, columns: Range<usize>, out: &mut [O], convert: impl Fn(&[T], &mut [O])) {
        let mut copy = Vec::new();
        let lines = out.chunks_exact_mut(columns.len().max(1)).enumerate();
        for (offset, out) in lines {
            let row: ArrayView1<'_, T> = self.0.slice(s![first + offset, columns.clone()]);
            match row.as_slice() {
                Some(numbers) => convert(numbers, out),
                None => {
                    copy.clear();
                    copy.extend(row.iter().copied());
                    convert(&copy, out);
                }
            }
        }
    }
}

impl<T: Scalar> Rows for ArrayRows<'_, T> {
    fn len(&self) -> usize {
        self.0.nrows()
    }

    fn dim(&self) -> usize {
        self.0.ncols()
    }

    fn element(&self) -> Element {
        T::ELEMENT
    }

    fn read(&self, first: usize, columns: Range<usize>, out: &mut [f64]) {
        self.read_with(first, columns, out, T::widen);
    }

    fn read_f32(&self, first: usize, out: &mut [f32]) {
        self.read_with(first, 0..self.dim(), out, T::narrow);
    }

    fn borrow(&self, row: usize, columns: Range<usize>) -> Option<&[f64]> {
        let row = self.0.row(row).to_slice()?;
        T::as_f64(&row[columns])
    }
}
