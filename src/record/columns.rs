//! The one list of columns: what tables of selections show, in the terminal, in `results.csv` and on the page.
//!
//! A [`Column`] says where it is shown, under which heading, and how its value is read from a selection. The value is a
//! [`Cell`] of some kind; each view in `src/view` decides how it writes that kind. New columns go before `status` and the times.

use kantor_theory::{Interval, Objective, Status};

use super::{Comparison, Examined, Manifest, Parameters, RandomReference, SelectionRecord};
use crate::cut::cut;
use crate::decimal::magnitude;
use crate::pipeline::{GroupCoverage, HeldOut};

/// The parts of a result, beside its selections, on which headings and values depend.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    parameters: &'a Parameters,
    groups: &'a [(String, usize)],
    references: &'a [RandomReference],
}

impl Manifest {
    pub(crate) fn context(&self) -> Context<'_> {
        Context { parameters: &self.parameters, groups: &self.groups, references: &[] }
    }
}

impl Comparison {
    pub(crate) fn context(&self) -> Context<'_> {
        Context { parameters: &self.parameters, groups: &self.groups, references: &self.references }
    }
}

impl<'a> Context<'a> {
    /// The tasks of which the worst counts, with their shares; none if there is one distance.
    pub(crate) fn worst_tasks(&self) -> &'a [(String, f64)] {
        if self.worst() { &self.parameters.tasks } else { &[] }
    }
}

impl Context<'_> {
    /// Whether selections were measured on held-out queries.
    fn folds(&self) -> bool {
        self.parameters.cross_fit.is_some()
    }

    /// Whether tokens are the budget.
    fn in_tokens(&self) -> bool {
        self.parameters.budgets_in_tokens
    }

    /// Whether the energy distance is shown beside the objective, because it is not the objective itself.
    fn energy_beside(&self) -> bool {
        self.parameters.objective != Objective::Energy
    }

    /// Whether a column says what rows are worth by themselves.
    fn valued(&self) -> bool {
        self.parameters.quality.is_some()
    }

    /// Whether that counts in what is minimised and proved.
    fn counts_quality(&self) -> bool {
        self.parameters.counts_quality()
    }

    /// Whether rows obey constraints.
    fn constrained(&self) -> bool {
        !self.parameters.constraints.is_empty()
    }

    /// Whether the distance is that to the worst of several tasks.
    fn worst(&self) -> bool {
        !self.parameters.aggregate.is_mixture()
    }

    fn distance(&self) -> &'static str {
        distance_name(self.parameters.objective)
    }
}

/// What people call the value of an objective.
pub(crate) fn distance_name(objective: Objective) -> &'static str {
    match objective {
        Objective::W => "distance",
        Objective::Energy => "energy distance",
        Objective::Mmd(_) => "discrepancy",
        Objective::Tsds { .. } => "regularised cost",
    }
}

/// A selection that a table shows: one line.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'a> {
    /// The result that it is of.
    pub(crate) of: Context<'a>,
    /// The selection.
    pub(crate) found: &'a SelectionRecord,
}

impl<'a> Shown<'a> {
    fn examined(&self) -> Option<&'a Examined> {
        self.found.examined.as_ref()
    }

    /// The random subsets of the same size under the same cost.
    fn drawn(&self) -> Option<&'a RandomReference> {
        let here = |drawn: &&RandomReference| (Some(drawn.cost), drawn.budget) == (self.found.cost, self.found.budget);
        self.of.references.iter().find(here)
    }
}

/// A value by its kind.
pub(crate) enum Cell<'a> {
    /// A word of the record, shown as it is.
    Word(&'a str),
    /// Text made for the table, shown as it is.
    Text(String),
    /// A number of things.
    Count(u64),
    /// The certified interval, shown with both ends.
    Interval(Interval),
    /// An interval that a view may show by its middle where it is narrow.
    Value(Interval),
    /// A plain number.
    Number(f64),
    /// At most this share above the best possible.
    Excess(f64),
    /// At most this much above the best possible.
    Gap(f64),
    /// A share of 1.
    Share(f64),
    /// A duration.
    Seconds(f64),
    /// A size.
    Bytes(u64),
    /// How it ended.
    Status(Status),
}

/// The heading of a column in a table of this result; `None` if the table does not have it.
pub(crate) type Heading = fn(&Context<'_>) -> Option<&'static str>;

/// A column.
pub(crate) struct Column {
    /// Names of its fields in `results.csv`: two for an interval, none if it is not there.
    pub(crate) csv: &'static [&'static str],
    /// Whether it has them there.
    pub(crate) in_csv: fn(&Context<'_>) -> bool,
    /// In the table of `select`.
    pub(crate) select: Heading,
    /// In the table of `compare`.
    pub(crate) compare: Heading,
    /// In the table of `quantiles`.
    pub(crate) quantiles: Heading,
    #[cfg_attr(not(feature = "pages"), expect(dead_code, reason = "only pages read it"))]
    /// Heading and meaning on the page of `compare`; a heading that ends in `|` is that of a column of words.
    pub(crate) page: Option<(&'static str, &'static str)>,
    /// The value; `None` if it is not known.
    pub(crate) cell: for<'a> fn(&Shown<'a>) -> Option<Cell<'a>>,
}

impl Column {
    /// A column that is shown nowhere yet.
    const fn of(cell: for<'a> fn(&Shown<'a>) -> Option<Cell<'a>>) -> Self {
        Self { csv: &[], in_csv: |_| true, select: |_| None, compare: |_| None, quantiles: |_| None, page: None, cell }
    }
}

/// What a method does under constraints.
pub(crate) const SOLVES: &str = "solved: the method works on what is certified, over the choices that obey the constraints; obeyed: it \
                                 works on something else, or takes rows by its own rule, within the constraints";

/// All columns, in the order of every table.
pub(crate) const COLUMNS: &[Column] = &[
    Column { csv: &["cost"], ..Column::of(|row| Some(Cell::Word(row.found.cost?.name()))) },
    Column { quantiles: |_| Some("bin"), ..Column::of(|row| Some(Cell::Word(row.found.dir.as_ref()?))) },
    Column {
        csv: &["method"],
        select: |_| Some("method"),
        compare: |_| Some("method"),
        page: Some(("method|", "how the rows were chosen")),
        ..Column::of(|row| Some(Cell::Word(&row.found.method)))
    },
    Column {
        csv: &["budget"],
        select: |_| Some("budget"),
        compare: |_| Some("budget"),
        ..Column::of(|row| Some(Cell::Count(row.found.budget as u64)))
    },
    Column {
        compare: |of| of.constrained().then_some("limits"),
        page: Some(("limits|", SOLVES)),
        ..Column::of(|row| {
            row.found.solves_constrained.map(|solves| Cell::Word(if solves { "solved" } else { "obeyed" }))
        })
    },
    Column {
        csv: &["rows"],
        in_csv: |of| of.in_tokens(),
        select: |of| of.in_tokens().then_some("rows"),
        compare: |of| of.in_tokens().then_some("rows"),
        page: Some(("rows", "rows chosen, where tokens are the budget")),
        ..Column::of(|row| row.found.in_tokens.map(|used| Cell::Count(used.rows as u64)))
    },
    Column {
        csv: &["tokens_used"],
        in_csv: |of| of.in_tokens(),
        select: |of| of.in_tokens().then_some("tokens used"),
        compare: |of| of.in_tokens().then_some("tokens used"),
        page: Some(("tokens used", "tokens of these rows by the lengths that the budget counts")),
        ..Column::of(|row| row.found.in_tokens.map(|used| Cell::Count(used.used)))
    },
    Column {
        quantiles: |_| Some("ranks"),
        ..Column::of(|row| row.found.ranks.map(|ranks| Cell::Text(format!("{}–{}", ranks.first_rank, ranks.last_rank))))
    },
    Column {
        quantiles: |_| Some("taken"),
        ..Column::of(|row| row.found.ranks.map(|ranks| Cell::Count(ranks.rows as u64)))
    },
    Column {
        csv: &["distance_lower", "distance_upper"],
        select: |of| Some(of.distance()),
        compare: |of| Some(of.distance()),
        quantiles: |of| Some(of.distance()),
        page: Some(("distance", "proved to hold the distance to the queries; bold: no other method is proved closer")),
        ..Column::of(|row| row.found.distance.map(Cell::Interval))
    },
    Column {
        select: |of| of.worst().then_some("worst task"),
        compare: |of| of.worst().then_some("worst task"),
        page: Some(("worst task|", "the task that is farthest, to which the distance is")),
        ..Column::of(|row| {
            let task = row.found.worst_task()?;
            Some(Cell::Word(&row.of.parameters.tasks.get(task)?.0))
        })
    },
    Column { csv: &["best_lower"], ..Column::of(|row| Some(Cell::Number(row.found.best?.lower()))) },
    Column {
        csv: &["excess"],
        select: |of| (!of.counts_quality()).then_some("above best possible"),
        compare: |of| (!of.counts_quality()).then_some("above best"),
        page: Some(("excess ≤\u{a0}%", "at most this much above the best subset of the size")),
        ..Column::of(|row| row.found.excess.map(Cell::Excess))
    },
    Column {
        select: |of| of.valued().then_some("mean quality"),
        compare: |of| of.valued().then_some("mean quality"),
        page: Some(("mean quality", "mean of what the chosen rows are worth by themselves")),
        ..Column::of(|row| {
            let mean = row.found.quality?.mean;
            Some(Cell::Value(Interval { lower: Some(mean), upper: Some(mean) }))
        })
    },
    Column {
        select: |of| of.counts_quality().then_some("less quality"),
        compare: |of| of.counts_quality().then_some("less quality"),
        page: Some((
            "less quality",
            "proved: the distance to its power, less weight times mean quality; what is minimised",
        )),
        ..Column::of(|row| row.found.quality?.less_quality.map(Cell::Value))
    },
    Column {
        select: |of| of.counts_quality().then_some("above best possible by"),
        compare: |of| of.counts_quality().then_some("above best by"),
        page: Some(("gap ≤", "at most this much is that above what any subset that may be chosen has")),
        ..Column::of(|row| row.found.quality?.gap.map(Cell::Gap))
    },
    Column {
        csv: &["energy_lower", "energy_upper"],
        // Where the energy distance is the objective, it stands there already.
        select: |of| of.energy_beside().then_some("energy"),
        compare: |_| Some("energy"),
        quantiles: |_| Some("energy"),
        page: Some(("energy", "energy distance to the queries")),
        ..Column::of(|row| row.found.energy.map(Cell::Value))
    },
    Column {
        csv: &["chamfer_lower", "chamfer_upper"],
        select: |_| Some("chamfer Q→S"),
        compare: |_| Some("chamfer"),
        quantiles: |_| Some("chamfer Q→S"),
        page: Some((
            "chamfer Q→S",
            "mean cost from a query to its closest chosen row (with --p 2 the root of the mean squared cost)",
        )),
        ..Column::of(|row| row.found.chamfer.map(Cell::Value))
    },
    Column {
        csv: &["held_out_lower", "held_out_upper"],
        select: |of| of.folds().then_some("held-out"),
        compare: |of| of.folds().then_some("held-out"),
        page: Some(("held-out", "mean distance to queries that took no part in the choice")),
        ..Column::of(|row| row.found.held_out.map(|HeldOut { held_out, .. }| Cell::Value(held_out.distance)))
    },
    Column {
        csv: &["held_out_energy_lower", "held_out_energy_upper"],
        select: |of| (of.folds() && of.energy_beside()).then_some("held-out energy"),
        compare: |of| of.folds().then_some("its energy"),
        page: Some(("held-out energy", "mean energy distance to queries that took no part in the choice")),
        ..Column::of(|row| row.found.held_out?.held_out.energy.map(Cell::Value))
    },
    Column { csv: &["random_mean"], ..Column::of(|row| Some(Cell::Number(row.drawn()?.mean))) },
    Column { csv: &["random_min"], ..Column::of(|row| Some(Cell::Number(row.drawn()?.range.0))) },
    Column { csv: &["random_max"], ..Column::of(|row| Some(Cell::Number(row.drawn()?.range.1))) },
    Column {
        csv: &["random_percentile"],
        compare: |of| (!of.references.is_empty()).then_some("closer random"),
        page: Some(("random closer\u{a0}%", "share of random subsets that are closer, in per cent")),
        ..Column::of(|row| Some(Cell::Share(row.examined()?.against_random?.percentile)))
    },
    Column {
        csv: &["random_p"],
        page: Some(("p", "permutation test against random subsets")),
        ..Column::of(|row| Some(Cell::Number(row.examined()?.against_random?.p_value)))
    },
    Column {
        csv: &["tokens"],
        page: Some(("words", "words (runs of letters and digits) and single marks of the chosen examples")),
        ..Column::of(|row| row.examined()?.tokens.map(Cell::Count))
    },
    Column {
        csv: &["near_duplicates"],
        page: Some(("near\u{2011}dup. %", "chosen rows that nearly repeat another chosen row, in per cent")),
        ..Column::of(|row| row.examined()?.near_duplicates.map(Cell::Share))
    },
    Column {
        select: |of| (!of.groups.is_empty() && !of.worst()).then_some("worst group"),
        compare: |of| (!of.groups.is_empty() && !of.worst()).then_some("worst group"),
        ..Column::of(|row| worst_group(row.of.groups, &row.found.groups).map(Cell::Text))
    },
    Column { csv: &["mean_quality"], ..Column::of(|row| row.found.quality.map(|quality| Cell::Number(quality.mean))) },
    Column {
        csv: &["less_quality_lower", "less_quality_upper"],
        ..Column::of(|row| row.found.quality?.less_quality.map(Cell::Interval))
    },
    Column { csv: &["less_quality_best"], ..Column::of(|row| row.found.quality?.best.map(Cell::Number)) },
    Column {
        csv: &["solves_constrained"],
        in_csv: |of| of.constrained(),
        ..Column::of(|row| row.found.solves_constrained.map(|solves| Cell::Word(if solves { "true" } else { "false" })))
    },
    Column { csv: &["less_quality_gap"], ..Column::of(|row| row.found.quality?.gap.map(Cell::Gap)) },
    // Last on the page and in the table of `compare`, before the times elsewhere.
    Column { csv: &["status"], select: |_| Some("status"), quantiles: |_| Some("status"), ..Column::of(status) },
    Column { select: |_| Some("time"), ..Column::of(|row| Some(Cell::Seconds(row.found.total_seconds()))) },
    Column {
        csv: &["seconds"],
        compare: |_| Some("time"),
        page: Some(("select\u{a0}s", "wall-clock seconds of the method's own work, all budgets together")),
        ..Column::of(|row| Some(Cell::Seconds(row.found.seconds)))
    },
    Column {
        csv: &["cpu_seconds"],
        page: Some(("CPU\u{a0}s", "processor seconds of the same")),
        ..Column::of(|row| Some(Cell::Seconds(row.found.cpu_seconds)))
    },
    Column {
        csv: &["certify_seconds"],
        page: Some(("certify\u{a0}s", "wall-clock seconds of the certificate")),
        ..Column::of(|row| Some(Cell::Seconds(row.found.certify_seconds)))
    },
    Column {
        csv: &["peak_memory_bytes"],
        page: Some(("peak MiB", "largest resident memory of the process by the end of this method")),
        ..Column::of(|row| row.found.peak_memory_bytes.map(Cell::Bytes))
    },
    Column {
        compare: |_| Some("status"),
        page: Some(("status|", "how the search ended, or what was proved")),
        ..Column::of(status)
    },
];

fn status<'a>(row: &Shown<'a>) -> Option<Cell<'a>> {
    Some(Cell::Status(row.found.status))
}

/// Letters of a group's name that a table has room for.
const GROUP_NAME: usize = 16;

/// The group whose queries are farthest from their closest chosen row, with its mean cost; nothing without groups. A long
/// name is cut.
fn worst_group(names: &[(String, usize)], coverage: &[GroupCoverage]) -> Option<String> {
    let costs = names.iter().zip(coverage).filter_map(|((name, _), group)| Some((name, group.cost?)));
    costs
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
        .map(|(name, cost)| format!("{} {}", magnitude(cost), cut(name, GROUP_NAME)))
}
