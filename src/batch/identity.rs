//! What a result depends on, and the digest of it.

use kantor_solvers::Settings;
use kantor_theory::{Cost, Power};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::pipeline::{Aggregate, ForbidOverlap, InputSpec};
use crate::problem::Target;
use crate::represent::TextSpec;
use crate::source::{DataError, Digests, OnBadRow};

use super::{Job, JobPlan};

/// All that the rows, distances and certificates of a job depend on. Neither paths nor threads nor memory are among it.
#[derive(Debug, Serialize)]
pub(super) struct Identity<'a> {
    kantor: &'static str,
    /// Roles and digests of the input files, in order.
    inputs: Vec<(&'static str, &'a str)>,
    tensor: Option<&'a str>,
    /// Which table of a file is meant, by the file's place among tables of rows; absent where none is named so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tables: Vec<(usize, &'a str)>,
    cast: bool,
    on_bad_row: OnBadRow,
    forbid_overlap: ForbidOverlap,
    method: &'a str,
    budget: usize,
    seed: u64,
    cost: Cost,
    p: Power,
    objective: Target,
    certify: bool,
    energy: bool,
    cross_fit: Option<usize>,
    balance: Option<&'a [usize]>,
    settings: Settings,
    /// Names of the tasks that the queries are, and their shares; absent where there is one.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    query_tasks: &'a [String],
    #[serde(skip_serializing_if = "<[f64]>::is_empty")]
    query_shares: &'a [f64],
    #[serde(skip_serializing_if = "Aggregate::is_mixture")]
    aggregate: Aggregate,
    /// How rows are made of text, if another way than by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<(String, usize)>,
    /// How chosen records are written, if another way than by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    copies: Option<(Vec<&'static str>, bool)>,
    /// What chosen rows obey; absent where they need obey nothing, as before there were such rules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rules: Vec<String>,
}

impl<'a> Identity<'a> {
    /// Of a job on inputs whose digests are known.
    pub(super) fn new(job: &'a Job, plan: &'a JobPlan, digests: &'a Digests) -> Self {
        let JobPlan { goal, request, .. } = plan;
        let spec = &plan.tasks[&job.task];
        Self {
            kantor: env!("CARGO_PKG_VERSION"),
            inputs: spec.files().map(|(role, path)| (role, digests.get(path).unwrap_or_default())).collect(),
            tensor: spec.tensor.as_deref(),
            tables: spec.tables_named().collect(),
            cast: spec.cast,
            on_bad_row: spec.on_bad_row,
            forbid_overlap: spec.forbid_overlap,
            method: &job.method,
            budget: job.budget,
            seed: job.seed,
            cost: goal.cost,
            p: goal.power,
            objective: goal.objective,
            certify: request.certify,
            energy: request.energy,
            cross_fit: request.cross_fit,
            balance: request.balance.as_deref(),
            settings: request.settings_read_by(std::slice::from_ref(&job.method), goal).digested(),
            query_tasks: &spec.tasks,
            query_shares: spec.query_weights.shares(),
            aggregate: spec.aggregate,
            text: (spec.text != TextSpec::default()).then(|| spec.text.asked()),
            copies: (!plan.copies.are_default()).then(|| plan.copies.names()),
            rules: spec.rules.in_words(),
        }
    }

    /// SHA-256 of its JSON, in hexadecimal.
    ///
    /// # Errors
    /// Never for what kantor holds: all of it can be written as JSON.
    pub(super) fn digest(&self) -> Result<String, serde_json::Error> {
        let hash = Sha256::digest(serde_json::to_vec(self)?);
        Ok(hash.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// Fails if a file of these inputs cannot be digested.
pub(super) fn digest_all(
    spec: &InputSpec,
    digests: &mut Digests,
    watch: &dyn kantor_solvers::Watch,
) -> Result<(), DataError> {
    spec.files().try_for_each(|(_, path)| digests.add(path, watch))
}
