//! `kantor distance --metric`: distances other than transport.

use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use kantor_solvers::bandwidth::Bandwidth;
use kantor_solvers::bandwidths::Bandwidths;
use kantor_solvers::{SelectError, Stopped};
use kantor_theory::cost::Family;
use kantor_theory::{Geometry, Kernel, KernelName, Power, Rejection, Status};
use serde_json::{Value, json};

use super::progress::Progress;
use crate::certify::{CertifyError, Measured, SubsetMetric, Terms, measure, watched};
use crate::pipeline::{Error, Inputs};
use crate::view::escape::Text;
use crate::view::table;

use super::failure::Failure;
use super::output::say;
use super::settings::bandwidths;

/// The metrics in the order in which users see them, with what is printed of each.
const METRICS: [(&str, &str); 8] = [
    ("transport", "transport distance"),
    ("energy", "energy distance"),
    ("mmd", "maximum mean discrepancy"),
    ("mmd-unbiased", "unbiased estimate of the squared maximum mean discrepancy"),
    ("chamfer-to-subset", "chamfer distance from the queries"),
    ("chamfer-to-query", "chamfer distance to the queries"),
    ("hausdorff", "Hausdorff distance"),
    ("mean-difference", "distance of the means"),
];

/// Which distance, and the kernel of those that have one.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Metric")]
pub(super) struct MetricArguments {
    /// Which distance
    #[arg(long, value_name = "NAME", default_value = "transport",
          value_parser = PossibleValuesParser::new(METRICS.map(|(name, _)| name)))]
    metric: String,
    /// Kernel of the mmd metrics [default: gaussian]
    #[arg(long, value_name = "NAME", value_parser = kernel_parser())]
    kernel: Option<KernelName>,
    /// Bandwidth of the kernel: a number, a rule that looks at the queries (median, local, scott, silverman), or several of
    /// these, as in local+median, for the mean of their kernels [default: median]
    #[arg(long, value_name = "SIGMA|RULE", allow_negative_numbers = true, value_parser = bandwidths)]
    bandwidth: Option<Bandwidths>,
}

/// Kernels of positive type; `energy` is a metric of its own, and `compact` is for densities.
fn kernel_parser() -> impl TypedValueParser<Value = KernelName> {
    let names = KernelName::ALL.into_iter().filter(|kernel| kernel.is_positive_definite()).map(KernelName::name);
    PossibleValuesParser::new(names).try_map(|name| name.parse::<KernelName>())
}

impl MetricArguments {
    /// Whether it is the transport distance.
    pub(super) fn is_transport(&self) -> Result<bool, Failure> {
        if !self.metric.starts_with("mmd") && (self.kernel.is_some() || self.bandwidth.is_some()) {
            let fault =
                format!("--kernel and --bandwidth go with --metric mmd or mmd-unbiased, not with {}", self.metric);
            return Err(Failure::Usage(fault));
        }
        Ok(self.metric == "transport")
    }

    /// Its flag, as it was given.
    pub(super) fn flag(&self) -> String {
        format!("--metric {}", self.metric)
    }

    /// Whether costs enter to a power.
    pub(super) fn has_power(&self) -> bool {
        self.metric == "transport" || self.metric.starts_with("chamfer")
    }

    fn metric(&self, geometry: &Geometry<'_>) -> Result<SubsetMetric, Failure> {
        let name = self.kernel.unwrap_or(KernelName::Gaussian);
        let given = self.bandwidth.and_then(|bandwidth| bandwidth.of().first().copied());
        if let Some(Bandwidth::Given(sigma)) = given.filter(|_| !name.has_bandwidth()) {
            return Err(Failure::Usage(format!("--bandwidth is {sigma}, but kernel `{name}` has none")));
        }
        if self.kernel == Some(KernelName::Cosine) && geometry.cost().family() != Family::Angle {
            let fault = "--kernel cosine is for rows of length one: give a cost of directions, such as --cost cosine";
            return Err(Failure::Usage(fault.to_owned()));
        }
        let kernel = || {
            (self.bandwidth.unwrap_or_default().for_queries(name, geometry))
                .map_err(|error| Failure::Select(Error::Selector(error)))
        };
        let near = !matches!(self.metric.as_str(), "chamfer-to-subset" | "chamfer-to-query" | "hausdorff");
        if near && geometry.points().is_none() {
            let fault = "needs the rows: a similarity matrix does not say how close pool rows are to each other; give --pool and --query";
            return Err(Failure::Usage(format!("--metric {} {fault}", self.metric)));
        }
        Ok(match self.metric.as_str() {
            "energy" => SubsetMetric::Energy,
            "mmd" => SubsetMetric::Mmd(kernel()?),
            "mmd-unbiased" => SubsetMetric::MmdUnbiased(kernel()?),
            "chamfer-to-subset" => SubsetMetric::ChamferToSubset,
            "chamfer-to-query" => SubsetMetric::ChamferToQuery,
            "hausdorff" => SubsetMetric::Hausdorff,
            "mean-difference" => SubsetMetric::MeanDifference,
            other => unreachable!("`{other}` is no metric of the list, or is transport, which is dealt with before"),
        })
    }

    /// Evaluates and prints it.
    pub(super) fn run(
        &self,
        inputs: &Inputs,
        geometry: &Geometry<'_>,
        terms: &Terms,
        rows: &[usize],
        progress: &Progress,
        as_json: bool,
    ) -> Result<ExitCode, Failure> {
        let (metric, measured) = inputs.guarded(progress, |watch| {
            let metric = self.metric(geometry)?;
            let measured = measure(geometry, metric, terms, rows, &watched(&self.metric, watch)).map_err(failure)?;
            Ok::<_, Failure>((metric, measured))
        })?;
        inputs.check_unchanged()?;
        if as_json {
            say(self.json(geometry, metric, terms.power, measured))?;
        } else {
            say(self.text(geometry, metric, terms.power, measured, rows.len()))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn json(&self, geometry: &Geometry<'_>, metric: SubsetMetric, power: Power, measured: Measured) -> Value {
        let mut object = json!({"schema": "kantor/distance/1", "metric": self.metric, "status": Status::Certified});
        let points = match geometry.cost().family() {
            Family::Angle => Some("unit rows"),
            Family::Distance => Some("rows"),
            Family::Given => None,
        };
        let by_cost =
            matches!(metric, SubsetMetric::ChamferToSubset | SubsetMetric::ChamferToQuery | SubsetMetric::Hausdorff);
        if let (Some(object), Ok(Value::Object(values))) = (object.as_object_mut(), serde_json::to_value(measured)) {
            object.extend(values);
            object.insert("points".to_owned(), json!(points.filter(|_| !by_cost)));
            if self.has_power() {
                object.insert("p".to_owned(), json!(power));
            }
            if let Some(kernel) = kernel_of(metric) {
                object.insert("kernel".to_owned(), json!(kernel.name()));
                object.insert("bandwidth".to_owned(), json!(kernel)["bandwidth"].clone());
            }
        }
        object
    }

    fn text(
        &self,
        geometry: &Geometry<'_>,
        metric: SubsetMetric,
        power: Power,
        measured: Measured,
        rows: usize,
    ) -> Text {
        let title = METRICS.iter().find(|(name, _)| *name == self.metric).map_or("distance", |(_, title)| title);
        let kernel = kernel_of(metric).map_or_else(String::new, |kernel| format!(" ({kernel})"));
        let (of_power, transport) = match power {
            Power::One => ("", "transport distance"),
            Power::Two => (" (p = 2: the root of the mean squared cost)", "W_2"),
        };
        let ends = table::interval(measured.interval);
        let queries = geometry.query_len();
        let mut text = Text::default();
        text.push(format_args!(
            "{title}{kernel}{of_power} of {rows} rows and {queries} queries: {ends}  ({})",
            Status::Certified
        ));
        if let Some(least) = measured.transport_at_least.filter(|&least| least > 0.0) {
            let least = table::bound(least, true);
            text.push(format_args!("so their {transport} under {} is at least {least}", geometry.cost()));
        }
        text
    }
}

fn kernel_of(metric: SubsetMetric) -> Option<Kernel> {
    match metric {
        SubsetMetric::Mmd(kernel) | SubsetMetric::MmdUnbiased(kernel) => Some(kernel),
        _ => None,
    }
}

fn failure(rejection: Rejection) -> Failure {
    if rejection.rule == "complete" {
        return Failure::Select(Error::Selector(SelectError::Stopped(Stopped)));
    }
    Failure::Certify(CertifyError::Rejected(rejection))
}
