//! What is unusual of inputs that can be used all the same, in words.

use super::{InputSpec, Inputs};
use crate::represent::ReadText;
use crate::source::name::readable;
use crate::source::npy::is_npy;
use crate::source::{JsonlRows, SourceFile, pairs};

/// What is said where a name of a tensor is not used.
pub(crate) const IDLE_TENSOR: &str =
    "--tensor changes nothing for pool and queries: a .npy file holds one table, which has no name";

/// What is said where there is one task, which is then the worst.
const IDLE_AGGREGATE: &str =
    "--aggregate worst changes nothing here, as there is one task: give several, each as --query NAME=FILE";

impl InputSpec {
    /// Whether a tensor is named though the files of pool and queries hold one table each.
    pub(crate) fn tensor_is_idle(&self) -> bool {
        let mut tables = self.pool.iter().chain(&self.query).chain(&self.similarity);
        self.tensor.is_some() && !self.tensor_is_hint && tables.all(|path| is_npy(path))
    }
}

/// What hides that rows go by their numbers though lines have the field `id`.
fn doubtful_ids(rows: &JsonlRows) -> Option<String> {
    let (count, named, others) = (rows.len(), rows.rows_with_id(), rows.rows_with_other_id());
    let by_number = "so rows are named by number";
    match (named, others) {
        (_, 1..) => Some(format!(
            "{others} of {count} lines of the pool's examples have an `id` that is neither text nor a whole number, {by_number}: \
             write ids as text, or as whole numbers without a point"
        )),
        (1.., 0) if named < count => Some(format!(
            "{named} of {count} lines of the pool's examples have an `id`, {by_number}: give all of them one"
        )),
        _ => None,
    }
}

impl Inputs {
    /// Doubts that the files are those that were meant: a pool is what is chosen from, so it is the larger, it is not the
    /// queries, and each of its files is given once.
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts = self.rules.doubts.clone();
        doubts.extend(self.read_text.as_ref().and_then(ReadText::doubt));
        doubts.extend(self.doubts_of_files());
        doubts
    }

    fn doubts_of_files(&self) -> Vec<String> {
        let (pool, queries) = (self.original_pool_len(), self.queries().len());
        let larger = queries > pool;
        let ids = self.examples().and_then(doubtful_ids);
        let tensor = self.idle_tensor.then(|| IDLE_TENSOR.to_owned());
        let one_task = (!self.aggregate.is_mixture() && self.tasks.len() < 2).then(|| IDLE_AGGREGATE.to_owned());
        let tensor = tensor.into_iter().chain(one_task);
        let Some((of_pool, of_queries)) = self.points() else {
            let transposed = format!(
                "the matrix has {queries} rows, one for each query, and {pool} columns, one for each row of the pool: is \
                 it transposed?"
            );
            return ids.into_iter().chain(tensor).chain(larger.then_some(transposed)).collect();
        };
        let mut doubts = Vec::from_iter(ids.into_iter().chain(tensor));
        if larger {
            doubts
                .push(format!("the query set has {queries} rows and the pool {pool}: are --pool and --query swapped?"));
        }
        let files = of_pool.files();
        let lines = self.examples().map_or(&[][..], JsonlRows::files);
        doubts.extend(pairs::doubt(files, lines).ok().flatten());
        if let Some(query) = of_queries.files().iter().find(|query| files.iter().any(|file| same(file, query))) {
            doubts.push(format!("pool and queries are the same file, {}", readable(&query.path)));
        }
        if let Some((_, twice)) = files.iter().enumerate().find(|(at, file)| files[..*at].iter().any(|f| same(f, file)))
        {
            let name = readable(&twice.path);
            doubts.push(format!("the pool holds the file {name} twice, so each of its rows may be chosen twice"));
        }
        doubts
    }

    /// How many query rows are also in the pool, if there are any.
    pub fn overlap_in_words(&self) -> Option<String> {
        let rows = match self.overlap() {
            0 => return None,
            1 => "1 query row is also in the pool".to_owned(),
            count => format!("{count} query rows are also in the pool"),
        };
        let all = if self.overlap() == self.queries().len() { ", every one of them" } else { "" };
        Some(format!("{rows}{all}"))
    }

    /// How many rows were left out on request, if there are any.
    pub fn dropped_in_words(&self) -> Option<String> {
        match self.dropped().len() {
            0 => None,
            1 => Some("1 row was dropped".to_owned()),
            count => Some(format!("{count} rows were dropped")),
        }
    }
}

/// Whether two tables are one, whatever the names of their file.
fn same(a: &SourceFile, b: &SourceFile) -> bool {
    let one_file = || matches!((a.path.canonicalize(), b.path.canonicalize()), (Ok(a), Ok(b)) if a == b);
    a.tensor == b.tensor && one_file()
}
