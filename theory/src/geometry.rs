//! Pool, queries and a cost, evaluated by block in `f64`; an N×M matrix is made only on request.

use std::ops::Range;

use crate::cache::ClosenessCache;
use crate::cost::{Cost, Family};
use crate::dot;
use crate::identity::GeometryId;
use crate::matrix::Matrix;
use crate::picked::PickedRows;
use crate::rows::{Element, Rows};

pub use crate::fault::{
    GeometryError, LARGEST_COST, LARGEST_SQUARED_COST, SQUARED_NORM_RANGE, cosine_allowance, entry_fault,
    largest_entry, row_fault,
};
pub use crate::matrix::Entry;

/// Rows widened at a time when a block is evaluated: few enough to stay in cache, a multiple of every tile's rows, and
/// enough that packing the queries for them takes little beside their products.
const CHUNK: usize = 192;

/// Pool rows, query rows and the cost between them.
///
/// The pool stays where it is and is read by block; the M query rows are held in `f64`.
/// Pool rows are taken as valid ([`row_fault`]); a bad one yields NaN, which wins nothing and certifies nothing.
pub struct Geometry<'a> {
    id: GeometryId,
    pool: &'a dyn Rows,
    cost: Cost,
    side: Side<'a>,
    query_len: usize,
    /// Whether all values on both sides are short enough for [`dot::dots_of_short`].
    short: bool,
    cache: Option<ClosenessCache>,
}

enum Side<'a> {
    /// Query rows (M×d) and their norms.
    Points { query: Vec<f64>, norms: Vec<f64> },
    /// The M×N matrix itself, whose rows as stored stand in the place of the pool.
    Matrix(Matrix<'a>),
}

impl<'a> Geometry<'a> {
    /// The geometry of two sets of rows.
    ///
    /// # Errors
    /// If a side is empty, the dimensions differ, the cost is `precomputed`, or a query row is bad.
    pub fn new(pool: &'a dyn Rows, query: &dyn Rows, cost: Cost) -> Result<Self, GeometryError> {
        if pool.is_empty() {
            return Err(GeometryError::Empty("pool"));
        }
        if query.is_empty() {
            return Err(GeometryError::Empty("query set"));
        }
        if pool.dim() == 0 {
            return Err(GeometryError::Empty("list of columns"));
        }
        if pool.dim() != query.dim() {
            return Err(GeometryError::Dimensions { pool: pool.dim(), query: query.dim() });
        }
        if cost == Cost::Precomputed {
            return Err(GeometryError::WrongCost { cost, fault: "needs a cost matrix, not two sets of rows" });
        }
        let (query_len, dim) = (query.len(), query.dim());
        let mut rows = vec![0.0; query_len * dim];
        query.read(0, 0..dim, &mut rows);
        let mut norms = Vec::with_capacity(query_len);
        for (row, x) in rows.chunks_exact(dim).enumerate() {
            if let Some(fault) = row_fault(cost.family(), x) {
                return Err(GeometryError::BadRow { side: "query", row, fault });
            }
            norms.push(dot::dot(x, x).sqrt());
        }
        let short = pool.element() != Element::F64 && query.element() != Element::F64;
        Ok(Self::of(pool, cost, Side::Points { query: rows, norms }, query_len, short))
    }

    /// The geometry of a given M×N matrix (row j = query j, column i = pool row i).
    ///
    /// Its entries are similarities for a cost of the angle family and costs for `precomputed`. Every entry is looked at
    /// once; cosines outside [−1, 1] by no more than [`cosine_allowance`] are read as ±1 from then on.
    ///
    /// # Errors
    /// If the matrix is empty, an entry is none ([`entry_fault`]) or the cost needs the rows themselves.
    pub fn from_matrix(matrix: &'a dyn Rows, cost: Cost) -> Result<Self, GeometryError> {
        if matrix.is_empty() {
            return Err(GeometryError::Empty("query side of the matrix"));
        }
        if matrix.dim() == 0 {
            return Err(GeometryError::Empty("pool side of the matrix"));
        }
        if cost.family() == Family::Distance {
            return Err(GeometryError::WrongCost { cost, fault: "needs the rows, not a similarity matrix" });
        }
        Ok(Self::of(matrix, cost, Side::Matrix(Matrix::new(matrix, cost)?), matrix.len(), false))
    }

    fn of(pool: &'a dyn Rows, cost: Cost, side: Side<'a>, query_len: usize, short: bool) -> Self {
        Self { id: GeometryId::fresh(), pool, cost, side, query_len, short, cache: None }
    }

    /// Which geometry this is.
    pub fn id(&self) -> GeometryId {
        self.id
    }

    /// The same geometry, which from now on keeps the rows that [`Self::closeness_gather`] evaluates, 8·M bytes for
    /// each distinct row, and those that passed [`Self::check_rows`]: for callers who ask for the same rows again.
    #[must_use]
    pub fn with_cache(self) -> Self {
        Self { cache: Some(ClosenessCache::default()), ..self }
    }

    /// Empties the cache, if there is one.
    pub fn clear_cache(&self) {
        self.cache.iter().for_each(ClosenessCache::clear);
    }

    /// Number of pool rows, N.
    pub fn pool_len(&self) -> usize {
        match self.side {
            Side::Points { .. } => self.pool.len(),
            Side::Matrix(_) => self.pool.dim(),
        }
    }

    /// Number of queries, M.
    pub fn query_len(&self) -> usize {
        self.query_len
    }

    /// The cost.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// The same pool with some of its rows in the place of the queries: closeness between pool rows.
    ///
    /// # Errors
    /// If there are no such rows, one of them is bad, or the geometry is a matrix, which does not say how close pool
    /// rows are to each other.
    pub fn to_rows(&self, rows: &[usize]) -> Result<Geometry<'a>, GeometryError> {
        let fault = "as a matrix does not say how close pool rows are to each other: give `pool` and `query`";
        let pool = self.points().ok_or(GeometryError::WrongCost { cost: self.cost, fault })?;
        if rows.is_empty() {
            return Err(GeometryError::Empty("list of rows"));
        }
        self.check_rows(rows.iter().copied())?;
        let dim = pool.dim();
        let mut query = vec![0.0; rows.len() * dim];
        for (&row, x) in rows.iter().zip(query.chunks_exact_mut(dim)) {
            pool.read_row(row, x);
        }
        let norms = query.chunks_exact(dim).map(|x| dot::dot(x, x).sqrt()).collect();
        let (query_len, short) = (rows.len(), pool.element() != Element::F64);
        Ok(Self::of(pool, self.cost, Side::Points { query, norms }, query_len, short))
    }

    /// What `work` says of the same pool and the queries that `list` names, which must exist.
    ///
    /// # Errors
    /// If the list is empty.
    pub fn with_queries<T>(&self, list: &[usize], work: impl FnOnce(&Geometry<'_>) -> T) -> Result<T, GeometryError> {
        match &self.side {
            Side::Points { query, norms } => Ok(work(&self.picked(query, norms, list)?)),
            Side::Matrix(matrix) => {
                let lines = PickedRows::new(matrix, list.to_vec());
                Ok(work(&Geometry::from_matrix(&lines, self.cost)?))
            }
        }
    }

    fn picked(&self, query: &[f64], norms: &[f64], list: &[usize]) -> Result<Geometry<'a>, GeometryError> {
        if list.is_empty() {
            return Err(GeometryError::Empty("list of queries"));
        }
        let dim = self.pool.dim();
        let query = list.iter().flat_map(|&j| &query[j * dim..(j + 1) * dim]).copied().collect();
        let norms = list.iter().map(|&j| norms[j]).collect();
        Ok(Self::of(self.pool, self.cost, Side::Points { query, norms }, list.len(), self.short))
    }

    /// The pool rows, unless the geometry is a matrix.
    pub fn points(&self) -> Option<&'a dyn Rows> {
        match self.side {
            Side::Points { .. } => Some(self.pool),
            Side::Matrix(_) => None,
        }
    }

    /// The M×N matrix as it is read, if the geometry is one.
    pub fn matrix(&self) -> Option<&dyn Rows> {
        match &self.side {
            Side::Points { .. } => None,
            Side::Matrix(matrix) => Some(matrix),
        }
    }

    /// The first negative cost, if the geometry is a matrix that has one.
    pub fn negative_cost(&self) -> Option<Entry> {
        match &self.side {
            Side::Points { .. } => None,
            Side::Matrix(matrix) => matrix.negative(),
        }
    }

    /// The first cost beyond [`LARGEST_SQUARED_COST`], if the geometry is a matrix that has one.
    pub fn large_cost(&self) -> Option<Entry> {
        match &self.side {
            Side::Points { .. } => None,
            Side::Matrix(matrix) => matrix.large(),
        }
    }

    /// The query rows (M×d, row-major, widened) and their norms, unless the geometry is a matrix.
    pub fn queries(&self) -> Option<(&[f64], &[f64])> {
        match &self.side {
            Side::Points { query, norms } => Some((query, norms)),
            Side::Matrix(_) => None,
        }
    }

    /// Closeness of pool row `i` and query `j`: the number on which orders are decided. Larger is closer.
    ///
    /// Bit for bit the value that the block functions give.
    pub fn closeness(&self, i: usize, j: usize) -> f64 {
        let mut out = [0.0];
        match &self.side {
            Side::Points { .. } => {
                let mut row = vec![0.0; self.pool.dim()];
                self.pool.read_row(i, &mut row);
                self.points_block(&row, j..j + 1, &mut out);
            }
            Side::Matrix(matrix) => matrix.closeness_block(i..i + 1, j..j + 1, &mut out),
        }
        out[0]
    }

    /// Closeness of pool row `i` to every query, into `out` (M).
    pub fn closeness_row(&self, i: usize, out: &mut [f64]) {
        self.closeness_block(i..i + 1, out);
    }

    /// Closeness of pool rows `rows` to every query, into `out` (rows×M, row-major).
    ///
    /// # Panics
    /// If the rows lie outside the pool or `out` has another size.
    pub fn closeness_block(&self, rows: Range<usize>, out: &mut [f64]) {
        let m = self.query_len;
        assert_eq!(out.len(), rows.len() * m, "closeness block of the wrong size");
        match &self.side {
            Side::Points { .. } => {
                let dim = self.pool.dim();
                let mut buffer = vec![0.0; CHUNK.min(rows.len()) * dim];
                for (chunk, target) in out.chunks_mut(CHUNK * m).enumerate() {
                    let count = target.len() / m;
                    let x = &mut buffer[..count * dim];
                    self.pool.read(rows.start + chunk * CHUNK, 0..dim, x);
                    self.points_block(x, 0..m, target);
                }
            }
            Side::Matrix(matrix) => matrix.closeness_block(rows, 0..m, out),
        }
    }

    /// Closeness of the pool rows listed to every query, into `out` (rows×M, row-major): the same bits as by block.
    ///
    /// # Panics
    /// If a row lies outside the pool or `out` has another size.
    pub fn closeness_gather(&self, rows: &[usize], out: &mut [f64]) {
        let m = self.query_len;
        assert_eq!(out.len(), rows.len() * m, "closeness block of the wrong size");
        let Some(cache) = &self.cache else { return self.evaluate(rows, out) };
        let missing = cache.recall(rows, out);
        if missing.is_empty() {
            return;
        }
        let new: Vec<usize> = missing.iter().map(|&position| rows[position]).collect();
        let mut values = vec![0.0; new.len() * m];
        self.evaluate(&new, &mut values);
        for (&position, values) in missing.iter().zip(values.chunks_exact(m)) {
            out[position * m..][..m].copy_from_slice(values);
        }
        cache.keep(&new, values);
    }

    /// As [`Self::closeness_gather`], past the cache.
    fn evaluate(&self, rows: &[usize], out: &mut [f64]) {
        let m = self.query_len;
        match &self.side {
            Side::Points { .. } => {
                let dim = self.pool.dim();
                let mut buffer = vec![0.0; CHUNK.min(rows.len()) * dim];
                for (rows, target) in rows.chunks(CHUNK).zip(out.chunks_mut(CHUNK * m)) {
                    let x = &mut buffer[..rows.len() * dim];
                    for (&row, x) in rows.iter().zip(x.chunks_exact_mut(dim)) {
                        self.pool.read_row(row, x);
                    }
                    self.points_block(x, 0..m, target);
                }
            }
            Side::Matrix(matrix) => {
                for (&row, target) in rows.iter().zip(out.chunks_exact_mut(m)) {
                    matrix.closeness_block(row..row + 1, 0..m, target);
                }
            }
        }
    }

    /// Whether pool row `i` and query `j` are the same numbers; never for a matrix, which does not say.
    pub fn same_row(&self, i: usize, j: usize) -> bool {
        match &self.side {
            Side::Points { query, .. } => {
                let mut row = vec![0.0; self.pool.dim()];
                self.pool.read_row(i, &mut row);
                row == query[j * row.len()..(j + 1) * row.len()]
            }
            Side::Matrix(_) => false,
        }
    }

    /// Checks that the pool rows can be measured under this cost; a matrix was looked at when the geometry was made.
    ///
    /// # Errors
    /// Names the first bad row ([`row_fault`]).
    pub fn check_rows(&self, rows: impl IntoIterator<Item = usize>) -> Result<(), GeometryError> {
        let Some(pool) = self.points() else { return Ok(()) };
        let mut x = vec![0.0; pool.dim()];
        let mut check = |row| {
            pool.read_row(row, &mut x);
            let fault = row_fault(self.cost.family(), &x);
            fault.map_or(Ok(()), |fault| Err(GeometryError::BadRow { side: "pool", row, fault }))
        };
        let Some(cache) = &self.cache else { return rows.into_iter().try_for_each(check) };
        let new = cache.unchecked(rows.into_iter());
        new.iter().try_for_each(|&row| check(row))?;
        cache.keep_good(&new);
        Ok(())
    }

    /// Cost of pool row `i` and query `j`.
    pub fn cost_of(&self, i: usize, j: usize) -> f64 {
        self.cost.from_closeness(self.closeness(i, j))
    }

    /// What closeness needs of each of the given pool rows besides the row: its norm where directions are compared.
    ///
    /// # Panics
    /// If `out` has another length than `rows` has rows of the pool's dimension.
    pub fn row_norms(&self, rows: &[f64], out: &mut [f64]) {
        if self.cost.family() == Family::Angle {
            dot::squared_norms(self.pool.dim(), rows, out);
            out.iter_mut().for_each(|norm| *norm = norm.sqrt());
        }
    }

    /// Closeness of the given pool rows (r×d, row-major, as [`Rows::read`] widens them) with their
    /// [norms](Self::row_norms) to some queries, into `out` (r×queries, row-major): the same bits as by block. For
    /// callers who hold a row and look at it more than once.
    ///
    /// # Panics
    /// If the geometry is a matrix, a query does not exist or a length does not fit.
    pub fn closeness_of_rows(&self, rows: &[f64], row_norms: &[f64], queries: Range<usize>, out: &mut [f64]) {
        let Side::Points { query, norms } = &self.side else { panic!("a matrix has no rows of points") };
        let dim = self.pool.dim();
        let query = &query[queries.start * dim..queries.end * dim];
        self.closeness_between(rows, row_norms, query, &norms[queries], out);
    }

    /// Closeness between rows (r×d) and columns (c×d, row-major), each pool rows or queries as widened and with their
    /// norms as [`Geometry::row_norms`] has them, into `out` (r×c, row-major). The value of a pair does not depend on
    /// which of the two is the row.
    ///
    /// # Panics
    /// If the geometry is a matrix or a length does not fit.
    pub fn closeness_between(
        &self,
        rows: &[f64],
        row_norms: &[f64],
        columns: &[f64],
        column_norms: &[f64],
        out: &mut [f64],
    ) {
        let dim = self.pool.dim();
        match self.cost.family() {
            Family::Angle => {
                let dots = if self.short { dot::dots_of_short } else { dot::dots };
                dots(dim, rows, columns, out);
                for (values, row_norm) in out.chunks_exact_mut(column_norms.len()).zip(row_norms) {
                    for (value, norm) in values.iter_mut().zip(column_norms) {
                        *value /= row_norm * norm;
                    }
                }
            }
            Family::Distance => {
                dot::squared_distances(dim, rows, columns, out);
                for value in out {
                    *value = -*value;
                }
            }
            Family::Given => panic!("a matrix has no rows of points"),
        }
    }

    /// As [`Self::closeness_of_rows`], for at most [`CHUNK`] rows and without their norms.
    fn points_block(&self, rows: &[f64], queries: Range<usize>, out: &mut [f64]) {
        let mut norms = [0.0; CHUNK];
        let norms = &mut norms[..rows.len() / self.pool.dim()];
        self.row_norms(rows, norms);
        self.closeness_of_rows(rows, norms, queries, out);
    }
}
