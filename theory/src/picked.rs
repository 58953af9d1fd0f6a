//! Parts of a table: some of its rows, or some of its columns.

use std::ops::Range;

use crate::rows::{Element, Rows};

/// Some rows of a table, in the order of a list.
pub struct PickedRows<'a> {
    rows: &'a dyn Rows,
    list: Vec<usize>,
}

impl<'a> PickedRows<'a> {
    /// The rows of `rows` that `list` names.
    ///
    /// # Panics
    /// If one does not exist.
    pub fn new(rows: &'a dyn Rows, list: Vec<usize>) -> Self {
        assert!(list.iter().all(|&row| row < rows.len()), "a row outside the table");
        Self { rows, list }
    }
}

impl Rows for PickedRows<'_> {
    fn len(&self) -> usize {
        self.list.len()
    }

    fn dim(&self) -> usize {
        self.rows.dim()
    }

    fn element(&self) -> Element {
        self.rows.element()
    }

    fn element_of(&self, row: usize) -> Element {
        self.rows.element_of(self.list[row])
    }

    fn read(&self, first: usize, columns: Range<usize>, out: &mut [f64]) {
        let width = columns.len().max(1);
        for (&row, out) in self.list[first..].iter().zip(out.chunks_exact_mut(width)) {
            self.rows.read(row, columns.clone(), out);
        }
    }

    fn read_f32(&self, first: usize, out: &mut [f32]) {
        for (&row, out) in self.list[first..].iter().zip(out.chunks_exact_mut(self.dim())) {
            self.rows.read_f32(row, out);
        }
    }
}

/// Some columns of a table, in the order of a list.
pub struct PickedColumns<'a> {
    rows: &'a dyn Rows,
    list: Vec<usize>,
}

impl<'a> PickedColumns<'a> {
    /// The columns of `rows` that `list` names.
    ///
    /// # Panics
    /// If one does not exist.
    pub fn new(rows: &'a dyn Rows, list: Vec<usize>) -> Self {
        assert!(list.iter().all(|&column| column < rows.dim()), "a column outside the table");
        Self { rows, list }
    }
}

impl Rows for PickedColumns<'_> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn dim(&self) -> usize {
        self.list.len()
    }

    fn element(&self) -> Element {
        self.rows.element()
    }

    fn element_of(&self, row: usize) -> Element {
        self.rows.element_of(row)
    }

    fn read(&self, first: usize, columns: Range<usize>, out: &mut [f64]) {
        let list = &self.list[columns];
        let (Some(&least), Some(&most)) = (list.iter().min(), list.iter().max()) else { return };
        let mut whole = vec![0.0; most + 1 - least];
        for (row, out) in (first..).zip(out.chunks_exact_mut(list.len())) {
            self.rows.read(row, least..most + 1, &mut whole);
            out.iter_mut().zip(list).for_each(|(out, &column)| *out = whole[column - least]);
        }
    }

    fn read_f32(&self, first: usize, out: &mut [f32]) {
        let mut whole = vec![0.0; self.rows.dim()];
        for (row, out) in (first..).zip(out.chunks_exact_mut(self.list.len().max(1))) {
            self.rows.read_f32(row, &mut whole);
            out.iter_mut().zip(&self.list).for_each(|(out, &column)| *out = whole[column]);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::rows::DenseRows;

    #[test]
    fn picked_columns_are_those_of_the_list_in_its_order() {
        let rows = DenseRows::from_f64(4, (0..12).map(f64::from).collect()).unwrap();
        let picked = PickedColumns::new(&rows, vec![3, 0, 2]);
        let mut all = [0.0; 6];
        picked.read(1, 0..3, &mut all);
        assert_eq!((picked.len(), picked.dim(), all), (3, 3, [7.0, 4.0, 6.0, 11.0, 8.0, 10.0]));
        let (mut last, mut single) = ([0.0; 2], [0.0; 3]);
        picked.read(0, 1..3, &mut last);
        picked.read_f32(2, &mut single);
        assert_eq!((last, single), ([0.0, 2.0], [11.0, 8.0, 10.0]));
    }
}
