//! Flags that say what is chosen by, and where the choice goes.

use std::path::PathBuf;

use kantor_theory::Cost;

use crate::pipeline::{InputSpec, Inputs, Request, RuleSpec};
use crate::problem::Goal;

use super::args::{FileArguments, JudgeArguments, RunArguments, without_repeats};
use super::constraints::ConstraintArguments;
use super::count::count;
use super::failure::Failure;
use super::queries::WeightArguments;
use super::settings::SettingsArguments;

/// What is chosen by, beside the inputs: flags of `select`, `compare` and learning curves.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct ChoiceArguments {
    /// Rows to choose, such as 500 or 10k; several budgets share the work
    #[arg(short = 'k', long, value_name = "K[,K…]", required_unless_present = "token_budget", conflicts_with = "token_budget",
          value_delimiter = ',', value_parser = count::<usize>)]
    budget: Vec<usize>,
    /// Choose rows until they have so many tokens, such as 300k, whatever their number; each weighs its length by --tokens
    #[arg(long, value_name = "T[,T…]", requires = "tokens", value_delimiter = ',', value_parser = count::<usize>)]
    token_budget: Vec<usize>,
    /// Labels of the queries: results are also given by group, and folds keep groups together if every task has as many of them as there are folds. One label a line, or FILE:FIELD for a field of JSON
    /// lines (`task` if none is named). Several tasks are groups by themselves, and a label that several have is a group of each
    #[arg(long, value_name = "FILE[:FIELD]")]
    query_groups: Option<PathBuf>,
    /// Let every method choose for each group's queries alone, the groups taking turns, so that each gets as many rows
    /// (the first ones one more, where that does not come out even)
    #[arg(long)]
    balance_groups: bool,
    #[command(flatten)]
    weights: WeightArguments,
    #[command(flatten)]
    constraints: ConstraintArguments,
    #[command(flatten)]
    judge: JudgeArguments,
    /// Seed of every random choice
    #[arg(long, help_heading = "Selection", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    settings: SettingsArguments,
}

impl ChoiceArguments {
    /// The input files, labels and text of the queries included.
    pub(super) fn spec(
        &self,
        files: &FileArguments,
        query_jsonl: &[PathBuf],
        run: &RunArguments,
    ) -> Result<InputSpec, Failure> {
        let query_jsonl = query_jsonl.to_vec();
        let spec = InputSpec { query_jsonl, ..files.with_weights(&self.weights, run)? };
        let spec = spec.expanded()?.with_records();
        let rules = RuleSpec { in_tokens: !self.token_budget.is_empty(), ..self.constraints.rules() };
        Ok(InputSpec { query_groups: self.query_groups.clone(), rules, ..spec })
    }

    /// What is asked under a cost.
    pub(super) fn goal(&self, cost: Cost) -> Goal {
        let budgets = if self.token_budget.is_empty() { &self.budget } else { &self.token_budget };
        Goal { budgets: without_repeats(budgets.clone()), ..self.judge.goal(cost) }
    }

    /// How to choose by these methods, but for what depends on the inputs.
    pub(super) fn request(&self, methods: Vec<String>, run: &RunArguments) -> Request {
        let (methods, settings) = (without_repeats(methods), self.settings.settings());
        Request { methods, settings, seed: self.seed, ..run.request() }
    }

    /// The groups over which methods balance, if that is asked for.
    pub(super) fn balance(&self, inputs: &Inputs) -> Result<Option<Vec<usize>>, Failure> {
        match inputs.groups() {
            _ if !self.balance_groups => Ok(None),
            Some(groups) => Ok(Some(groups.of.clone())),
            None => {
                let fault = "--balance-groups needs groups of queries: give --query-groups, or several tasks as --query NAME=FILE";
                Err(Failure::Usage(fault.to_owned()))
            }
        }
    }
}

/// What a selection is of and where it goes: flags of `select` and `compare`.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct SelectionArguments {
    #[command(flatten)]
    pub(super) choice: ChoiceArguments,
    /// Directory of the results; must not exist yet, unless with --force
    #[arg(short, long, help_heading = "Selection", value_name = "DIR")]
    pub(super) out: PathBuf,
    /// Replace an older result of kantor
    #[arg(long, help_heading = "Selection")]
    pub(super) force: bool,
    /// Also split the queries into F folds, select by all folds but one, and measure on that one; every fold counts the same
    /// in the mean, whatever its queries weigh
    #[arg(long, help_heading = "Selection", value_name = "F", value_parser = count::<usize>)]
    cross_fit: Option<usize>,
    /// The queries as text, one JSON object a line: shown where results speak of single queries. For several tasks one file with
    /// the lines of all, or repeat it for each, in their order
    #[arg(long, help_heading = "Input", value_name = "FILE")]
    query_jsonl: Vec<PathBuf>,
}

impl SelectionArguments {
    /// As [`ChoiceArguments::spec`].
    pub(super) fn spec(&self, files: &FileArguments, run: &RunArguments) -> Result<InputSpec, Failure> {
        self.choice.spec(files, &self.query_jsonl, run)
    }

    /// As [`ChoiceArguments::request`], by folds too.
    pub(super) fn request(&self, methods: Vec<String>, run: &RunArguments) -> Request {
        Request { cross_fit: self.cross_fit, ..self.choice.request(methods, run) }
    }
}
