//! Whether what files say of how their rows were made lets them be compared, and joined in this order.

use super::Inputs;
use crate::source::made::Made;
use crate::source::name::readable;
use crate::source::{DataError, Representation, SourceFile};

/// Fails if a file of pool or queries says that its rows were made for the other side, by another model than those of the first file
/// that says so, or otherwise; or that files stand in another order than that of the text.
pub(super) fn check_sides(pool: &Representation, query: &Representation) -> Result<(), DataError> {
    check_role(pool, POOL)?;
    check_role(query, QUERY)?;
    check_models(pool.made().chain(query.made()))?;
    check_order(pool)?;
    check_order(query)
}

impl Inputs {
    /// Fails if rows that stand on this side beside the pool's were made by another model, otherwise, or for the other side, unless that is
    /// allowed.
    pub(crate) fn check_alike(&self, other: &Representation, side: &'static str) -> Result<(), DataError> {
        match self.points() {
            Some((pool, _)) if !self.mixed_models => {
                check_role(other, side)?;
                check_models(pool.made().chain(other.made()))
            }
            _ => Ok(()),
        }
    }
}

/// What rows of gradients are made for.
pub(crate) const POOL: &str = "pool";
pub(crate) const QUERY: &str = "query";

fn check_role(rows: &Representation, side: &str) -> Result<(), DataError> {
    for (file, made) in rows.made() {
        if let Some(role) = made.role().filter(|role| *role != side) {
            let fault = format!("has rows that were made for the {role}, and is the {side}");
            let remedy = "make rows of this side with --role, or take them all the same with --mixed-models";
            return Err(DataError::malformed(&file.path, fault, remedy));
        }
    }
    Ok(())
}

fn check_models<'a>(mut files: impl Iterator<Item = (&'a SourceFile, Made)>) -> Result<(), DataError> {
    let Some((first, made)) = files.next() else { return Ok(()) };
    for (file, other) in files {
        if let Some((theirs, ours)) = made.differences(&other) {
            let fault = format!("has rows of {ours}, and {} of {theirs}", readable(&first.path));
            let remedy = "make both by one model and alike, or compare them all the same with --mixed-models";
            return Err(DataError::malformed(&file.path, fault, remedy));
        }
    }
    Ok(())
}

/// Fails if one of several files of one text has rows that stand before those of the file before it: joined like this, they would be
/// taken for other lines.
fn check_order(rows: &Representation) -> Result<(), DataError> {
    let mut before: Option<(&SourceFile, Made)> = None;
    for (file, made) in rows.made() {
        if let Some((last, other)) = &before
            && let (Some(start), Some(end)) = (made.first_of(other), other.first_of(&made))
            && start < end
        {
            let fault = format!(
                "has rows from {start} on of their text, and stands after {}, which has those from {end} on",
                readable(&last.path)
            );
            let remedy = "name the files one by one in the order of their rows, or so that their names sort like that (p00, p01, …)";
            return Err(DataError::malformed(&file.path, fault, remedy));
        }
        before = Some((file, made));
    }
    Ok(())
}
