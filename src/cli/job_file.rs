//! The file of `kantor batch`: inputs and settings by the names of the flags of `select`, the tasks, and the grid.
//!
//! Settings are read by the parser of the command line itself, so names, values, defaults and refusals are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser};
use kantor_solvers::registry::all_selectors;
use toml::{Table, Value};

use crate::batch::{Grid, JOB_BYTES, JobPlan, MOST_JOBS, job_count, jobs};
use crate::pipeline::{ALL, InputSpec, Request, method};
use crate::problem::Goal;
use crate::record::Copies;
use crate::source::name::readable;

use super::args::{InputArguments, ProofArguments, RunArguments};
use super::config;
use super::constraints::{self, ConstraintArguments};
use super::copies::CopyArguments;
use super::count::count;
use super::failure::Failure;
use super::parse_error;
use super::queries::WeightArguments;
use super::settings::SettingsArguments;
use crate::suggest::did_you_mean;

/// The part of the file that says what flags say.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, disable_help_flag = true, disable_version_flag = true, args_override_self = false)]
struct Shared {
    #[command(flatten)]
    input: InputArguments,
    #[command(flatten)]
    proof: ProofArguments,
    #[command(flatten)]
    weights: WeightArguments,
    #[command(flatten)]
    constraints: ConstraintArguments,
    #[command(flatten)]
    settings: SettingsArguments,
    #[command(flatten)]
    copies: CopyArguments,
}

/// What is said of the grid and not by a flag; the names of the flags are understood too.
const METHODS: [&str; 2] = ["methods", "method"];
const BUDGETS: [&str; 2] = ["budgets", "budget"];
const TOKEN_BUDGETS: [&str; 2] = ["token-budgets", "token-budget"];
const SEEDS: [&str; 2] = ["seeds", "seed"];

/// Inputs that belong to a task; a task may also have a pool of its own, weights of its queries, and rules.
const OF_TASK: [&str; 2] = ["query", "similarity"];
const OF_TASK_OR_ALL: [&str; 6] = ["pool", "pool-jsonl", "tensor", "query-weights", "query-shares", "aggregate"];

/// Names of the file's directory of results, tasks and further grids.
const OUT: &str = "out";
const TASKS: &str = "tasks";
const GRID: &str = "grid";

/// Settings and files of all tasks together, those that they share counted for each.
const MOST_SHARED: usize = 2_000_000;

/// Bytes of the name of a task, which file systems allow at least for that of a directory.
const LONGEST_NAME: usize = 140;

/// Reads a job file. `out` is the directory of results if the command line names one.
pub(super) fn read(path: &Path, out: Option<&Path>, run: &RunArguments) -> Result<JobPlan, Failure> {
    let file = JobFile { path, table: config::read(path)? };
    let command = Shared::command();
    let shared: Vec<&str> = command.get_arguments().filter_map(|argument| argument.get_long()).collect();
    let shared: Vec<&str> = shared.into_iter().filter(|flag| !OF_TASK.contains(flag)).collect();
    let mut known = vec![OUT, TASKS, GRID, METHODS[0], BUDGETS[0], TOKEN_BUDGETS[0], SEEDS[0]];
    known.extend(config::flags(&command).filter(|flag| !OF_TASK.contains(flag)));
    let also = |key: &str| [METHODS[1], BUDGETS[1], TOKEN_BUDGETS[1], SEEDS[1]].contains(&key) || shared.contains(&key);
    file.check_keys(&file.table, "", &known, also)?;

    let out = match (out, file.table.get(OUT)) {
        (Some(out), _) => out.to_owned(),
        (None, Some(Value::String(out))) => file.beside(out),
        (None, Some(_)) => return Err(file.refuse("`out` is not text: give a directory")),
        (None, None) => return Err(file.refuse("there is no directory for the results: give `out`, or -o DIR")),
    };
    let tasks = match file.table.get(TASKS) {
        Some(Value::Table(tasks)) if !tasks.is_empty() => tasks,
        _ => return Err(file.refuse("there are no tasks: give a table [tasks] with lines like gsm8k = \"query.npy\"")),
    };
    let settings: Vec<(&String, &Value)> =
        file.table.iter().filter(|(key, _)| shared.contains(&key.as_str())).collect();
    let shared_values: usize = settings.iter().map(|(_, value)| value.as_array().map_or(1, Vec::len)).sum();
    if shared_values.saturating_mul(tasks.len()) > MOST_SHARED {
        let fault = format!(
            "{} tasks that share {shared_values} settings and files are too many for one file: give fewer tasks, and share \
             `out`",
            tasks.len()
        );
        return Err(file.refuse(&fault));
    }
    let grids = file.grids()?;
    let in_tokens = grids.iter().any(|grid| grid.in_tokens);
    if !grids.iter().all(|grid| grid.in_tokens == in_tokens) {
        let fault =
            "`budgets` and `token-budgets` do not go together: give one of both, and another file for the other";
        return Err(file.refuse(fault));
    }
    let mut specs = BTreeMap::new();
    let (mut goal, mut request, mut copies) = (Goal::default(), Request::default(), Copies::default());
    for (name, task) in tasks {
        let mut spec;
        (spec, goal, request, copies) = file.task(name, task, &settings, run)?;
        spec.rules.in_tokens = in_tokens;
        specs.insert(name.clone(), spec);
    }
    leave_out_columns_of_others(&mut specs, tasks);
    for name in grids.iter().flat_map(|grid| &grid.methods) {
        method(name, &request.settings).map_err(|error| file.refuse(&error.to_string()))?;
    }
    let count = job_count(specs.len(), &grids);
    if count > MOST_JOBS {
        let fault = format!("its grids ask for {count} jobs: ask for at most {MOST_JOBS} in one file, and share `out`");
        return Err(file.refuse(&fault));
    }
    let needed = JOB_BYTES * count as u64;
    // A few megabytes are in every program.
    if let Some(allowed) = run.max_memory.filter(|&allowed| needed > allowed.max(16 << 20)) {
        let fault = format!("{count} jobs take about {needed} bytes but --max-memory allows {allowed}: ask for fewer");
        return Err(Failure::Resource(format!("{}: {fault}", readable(path))));
    }
    let jobs = jobs(specs.keys(), &grids);
    Ok(JobPlan { out, tasks: specs, jobs, goal, request, copies })
}

/// Columns that the file gives to all tasks are those of the tasks whose rules speak of them; one that is spoken of nowhere is left to
/// be refused.
fn leave_out_columns_of_others(specs: &mut BTreeMap<String, InputSpec>, tasks: &Table) {
    let all = specs.values().flat_map(|spec| spec.rules.columns.iter().filter(|(name, _)| spec.rules.speaks_of(name)));
    let spoken_of: BTreeSet<String> = all.map(|(name, _)| name.clone()).collect();
    for (task, spec) in specs {
        if tasks.get(task).and_then(Value::as_table).is_some_and(|own| own.contains_key("column")) {
            continue;
        }
        let mut columns = std::mem::take(&mut spec.rules.columns);
        columns.retain(|(name, _)| spec.rules.speaks_of(name) || !spoken_of.contains(name));
        spec.rules.columns = columns;
    }
}

struct JobFile<'a> {
    path: &'a Path,
    table: Table,
}

impl JobFile<'_> {
    fn refuse(&self, what: &str) -> Failure {
        Failure::Usage(format!("{}: {what}", readable(self.path)))
    }

    /// A path of the file: relative to its directory.
    fn beside(&self, path: impl AsRef<Path>) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }

    /// Refuses keys of a table that mean nothing there.
    fn check_keys(&self, table: &Table, of: &str, known: &[&str], also: impl Fn(&str) -> bool) -> Result<(), Failure> {
        match table.keys().find(|key| !known.contains(&key.as_str()) && !also(key)) {
            None => Ok(()),
            Some(key) if of.is_empty() && OF_TASK.contains(&key.as_str()) => {
                Err(self.refuse(&format!("`{key}` belongs to a task: write it under [tasks], as NAME = \"FILE\"")))
            }
            Some(key) => {
                let meant = did_you_mean(key, known.iter().copied());
                Err(self.refuse(&format!("unknown key `{key}`{of}{meant} (known: {})", known.join(", "))))
            }
        }
    }

    /// The inputs of a task, and goal, request and copies of all.
    fn task(
        &self,
        name: &str,
        task: &Value,
        shared: &[(&String, &Value)],
        run: &RunArguments,
    ) -> Result<(InputSpec, Goal, Request, Copies), Failure> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !name.chars().all(plain) || name.is_empty() || name.starts_with(['.', '-']) || name.len() > LONGEST_NAME {
            let rule = "of letters, digits, `-`, `_` and `.`, as it names a directory";
            let fault =
                format!("the task name `{name}` cannot be used: give one of at most {LONGEST_NAME} bytes, {rule}");
            return Err(self.refuse(&fault));
        }
        let own = match task {
            Value::String(query) => Table::from_iter([("query".to_owned(), Value::String(query.clone()))]),
            Value::Table(own) => own.clone(),
            _ => return Err(self.refuse(&format!("task `{name}` is neither a file nor a table with `query`"))),
        };
        let rules = constraints::flags();
        let known = OF_TASK.into_iter().chain(OF_TASK_OR_ALL).chain(rules.iter().map(String::as_str));
        let known: Vec<&str> = known.collect();
        self.check_keys(&own, &format!(" in task `{name}`"), &known, |_| false)?;
        if !own.keys().any(|key| OF_TASK.contains(&key.as_str())) {
            return Err(self.refuse(&format!("task `{name}` has no `query`: give its file")));
        }
        let (mut words, command) = (Vec::new(), Shared::command());
        let alone = own.contains_key("similarity");
        for &(key, value) in shared {
            // A matrix stands for the pool too.
            if !(own.contains_key(key) || alone && key == "pool") {
                config::push(&mut words, self.path, &command, key, value)?;
            }
        }
        for (key, value) in &own {
            config::push(&mut words, self.path, &command, key, value)?;
        }
        let Shared { input, proof, weights, constraints, settings, copies } =
            Shared::try_parse_from(words).map_err(|error| self.refuse(&parse_error::sentence(error)))?;
        let request = proof.request(settings.settings(), run);
        let spec = input.files.with_weights(&weights, run);
        let mut spec = spec.map_err(|failure| match failure {
            Failure::Usage(fault) => self.refuse(&format!("task `{name}`: {fault}")),
            other => other,
        })?;
        let files = spec.pool.iter_mut().chain(&mut spec.query).chain(&mut spec.similarity).chain(&mut spec.pool_jsonl);
        files.for_each(|file| *file = self.beside(&*file));
        if let Some(model) = spec.text.model_mut() {
            model.path = self.beside(&model.path);
        }
        spec = spec.expanded()?.with_records();
        spec.rules = constraints.rules().placed(|path| self.beside(path));
        spec.query_weights = spec.query_weights.placed(|path| self.beside(path));
        Ok((spec, proof.terms.judge.goal(input.cost), request, copies.copies()))
    }

    /// The grid of the file, or several, which may leave out what the file says for all of them.
    fn grids(&self) -> Result<Vec<Grid>, Failure> {
        let tables: Vec<&Table> = match self.table.get(GRID) {
            None => vec![&self.table],
            Some(Value::Table(one)) => vec![one],
            Some(Value::Array(several)) => {
                several.iter().map(Value::as_table).collect::<Option<_>>().unwrap_or_default()
            }
            Some(_) => Vec::new(),
        };
        if tables.is_empty() {
            return Err(self.refuse("`grid` is not a table: write [[grid]] above its methods, budgets and seeds"));
        }
        let known = [METHODS, BUDGETS, TOKEN_BUDGETS, SEEDS];
        tables.into_iter().map(|table| self.grid(table, &known)).collect()
    }

    fn grid(&self, table: &Table, known: &[[&str; 2]; 4]) -> Result<Grid, Failure> {
        if !std::ptr::eq(table, &self.table) {
            self.check_keys(table, " in a grid", &known.map(|[name, _]| name), |key| {
                known.iter().any(|[_, flag]| key == *flag)
            })?;
        }
        let whole = |key: &str, value: &Value, least: u64| {
            let number = match value {
                Value::String(text) => count(text).ok(),
                value => value.as_integer().and_then(|number| u64::try_from(number).ok()),
            };
            let rule = || format!("`{key}` has {value}, which is not a whole number of at least {least}");
            number.filter(|&number| number >= least).ok_or_else(|| self.refuse(&rule()))
        };
        let mut grid = Grid::default();
        for (key, value) in self.list(table, METHODS)? {
            let name =
                value.as_str().ok_or_else(|| self.refuse(&format!("`{key}` has {value}, which is not a name")))?;
            match name {
                ALL => grid.methods.extend(all_selectors().map(|entry| entry.name.to_owned())),
                name => grid.methods.push(name.to_owned()),
            }
        }
        for (key, value) in self.list(table, BUDGETS)? {
            grid.budgets.push(whole(key, value, 1)? as usize);
        }
        for (key, value) in self.list(table, TOKEN_BUDGETS)? {
            if !grid.in_tokens && !grid.budgets.is_empty() {
                return Err(self.refuse("`budgets` and `token-budgets` are given: give one of both"));
            }
            grid.in_tokens = true;
            grid.budgets.push(whole(key, value, 1)? as usize);
        }
        for (key, value) in self.list(table, SEEDS)? {
            grid.seeds.push(whole(key, value, 0)?);
        }
        // The defaults of `select`.
        if grid.methods.is_empty() {
            grid.methods = Request::default().methods;
        }
        if grid.seeds.is_empty() {
            grid.seeds = vec![Request::default().seed];
        }
        if grid.budgets.is_empty() {
            return Err(
                self.refuse("there are no `budgets`: give a list of how many rows to choose, or `token-budgets`")
            );
        }
        Ok(grid)
    }

    /// The values of a key of this table or else of the file; one value is a list of one.
    fn list<'t>(&'t self, table: &'t Table, names: [&'t str; 2]) -> Result<Vec<(&'t str, &'t Value)>, Failure> {
        for table in [table, &self.table] {
            let found: Vec<&str> = names.into_iter().filter(|name| table.contains_key(*name)).collect();
            match found[..] {
                [] => {}
                [key] => {
                    return Ok(match &table[key] {
                        Value::Array(values) if values.is_empty() => {
                            return Err(self.refuse(&format!("`{key}` is an empty list: leave it out, or name some")));
                        }
                        Value::Array(values) => values.iter().map(|value| (key, value)).collect(),
                        value => vec![(key, value)],
                    });
                }
                _ => return Err(self.refuse(&format!("`{}` and `{}` are the same: give one", names[0], names[1]))),
            }
        }
        Ok(Vec::new())
    }
}
