//! `kantor study --learning-curve`.

use std::path::Path;

use clap::builder::Resettable;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};
use serde_json::{Value, json};

use super::args::{InputArguments, RunArguments, check_methods, name};
use super::caching::CacheArguments;
use super::choice::ChoiceArguments;
use super::count::count;
use super::failure::Failure;
use super::output::{say, warn_of_rows};
use super::progress::Progress;
use super::settings::tell_idle;
use super::signals;
use crate::output::{OutputFile, distinct};
use crate::pipeline::{InputSpec, Inputs, Request};
use crate::study::learning_curves_of;
use crate::view::{curve, page};

/// The flag that asks for it, as clap knows it.
pub(super) const FLAG: &str = "learning_curve";

/// The flags of the other studies.
const OTHERS: [&str; 2] = ["tables", "results"];

/// What learning curves are of.
#[derive(Debug, clap::Args)]
pub(super) struct CurveArguments {
    #[command(flatten)]
    input: InputArguments,
    /// Selection methods, or `all` of `kantor methods` that take these inputs
    #[arg(long, help_heading = "Selection", value_name = "NAME[,NAME…]", default_value = "optimal", value_delimiter = ',', value_parser = name)]
    method: Vec<String>,
    #[command(flatten)]
    choice: ChoiceArguments,
    /// Parts of the queries: each is kept out once, and what is chosen by parts of the others is measured on it
    #[arg(long, help_heading = "Selection", value_name = "F", default_value_t = 10, value_parser = count::<usize>)]
    folds: usize,
    /// Evaluate energy distances too whatever that takes; without this, where they take little
    #[arg(long, help_heading = "Selection")]
    energy: bool,
    #[command(flatten)]
    cache: CacheArguments,
}

/// The flag that asks for learning curves, and these flags for a command that has other uses: none of them goes with those of another study.
#[derive(Debug)]
pub(super) struct LearningCurve(pub(super) Option<Box<CurveArguments>>);

impl Args for LearningCurve {
    fn augment_args(command: Command) -> Command {
        let help = "Choose by halves, quarters and eighths of the queries and of the pool, and measure each choice on queries that were \
                    kept out";
        let own = CurveArguments::augment_args(Command::new("study"));
        let flags = own.get_arguments().map(|flag| {
            // What is missing of them is said where they are read.
            flag.clone().required_unless_present(Resettable::Reset).conflicts_with_all(OTHERS)
        });
        let asks = Arg::new(FLAG).long("learning-curve").action(ArgAction::SetTrue).help(help);
        command.arg(asks).args(flags.collect::<Vec<_>>())
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for LearningCurve {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let asked = matches.get_flag(FLAG);
        asked.then(|| CurveArguments::from_arg_matches(matches).map(Box::new)).transpose().map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl CurveArguments {
    /// Measures, prints, and writes the page if one is asked for.
    pub(super) fn run(&self, html: Option<&Path>, force: bool, run: &RunArguments) -> Result<(), Failure> {
        run.apply()?;
        check_methods(&self.method)?;
        let progress = Progress::new(run.detail(), signals::stop_flag());
        let spec = self.choice.spec(&self.input.files, &[], run)?;
        let spec = InputSpec { cache: self.cache.folder(), ..spec };
        let goal = self.choice.goal(self.input.cost);
        let inputs = Inputs::open(&spec, goal.cost, &progress)?;
        let request = Request {
            energy: self.energy,
            balance: self.choice.balance(&inputs)?,
            ..self.choice.request(self.method.clone(), run)
        };
        warn_of_rows(&inputs, "", run);
        tell_idle(&goal, &request, run);
        let file = html.map(|path| {
            distinct(&[("--html", path)], run.read_files(&spec, &inputs))?;
            OutputFile::create(path, force)
        });
        let file = file.transpose()?;
        let found = learning_curves_of(&inputs, &goal, &request, self.folds, &progress)?;
        drop(progress);
        if let Some(file) = file {
            file.finish(page::learning_curves(&found)?.html.as_bytes())?;
        }
        if !run.json {
            return say(curve::text(&found));
        }
        let mut object = json!({"schema": "kantor/study/1"});
        if let (Some(object), Value::Object(found)) = (object.as_object_mut(), json!(found)) {
            object.extend(found);
        }
        say(object)
    }
}
