//! Flags for the parameters of the methods.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use kantor_solvers::Settings;
use kantor_solvers::bandwidth::Bandwidth;
use kantor_solvers::draw::Sampling;
use kantor_solvers::registry::selector;
use kantor_theory::KernelName;
use serde_json::Value;

use super::args::RunArguments;
use super::count::count;
use crate::select::{Request, Target};
use crate::suggest::closest;
use crate::view::terminal::tell;

/// Parameters of the methods; each method lists in `kantor methods` which it reads.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Method settings")]
pub(super) struct SettingsArguments {
    /// Entropic regularisation of uot
    #[arg(long, default_value_t = Settings::default().epsilon)]
    epsilon: f64,
    /// Penalty on the pool marginal of uot; `inf` makes it hard
    #[arg(long, default_value_t = Settings::default().rho)]
    rho: f64,
    /// Trade-off of the KNN methods: near 0 spreads out, 1 takes the nearest only
    #[arg(long, default_value_t = Settings::default().alpha)]
    alpha: f64,
    /// Scale of the KNN methods' trade-off
    #[arg(long, default_value_t = Settings::default().tradeoff_c)]
    tradeoff_c: f64,
    /// Weight λ of evenness: the objective becomes TSDS's problem, mean cost + λ·(largest share of a query's mass on one
    /// row), certified for any method; the KNN methods take λ for their trade-off, instead of (1 − α)C/α
    #[arg(long, value_name = "LAMBDA", conflicts_with_all = ["alpha", "tradeoff_c"])]
    diversity: Option<f64>,
    /// Longest neighbour list of the KNN methods
    #[arg(long, value_name = "ROWS", default_value_t = Settings::default().list_cap, value_parser = count::<usize>)]
    list_cap: usize,
    /// Support radius of the density kernel of knn-kde
    #[arg(long, default_value_t = Settings::default().sigma)]
    sigma: f64,
    /// Most neighbours that count towards a density in knn-kde
    #[arg(long, value_name = "ROWS", default_value_t = Settings::default().kde_cap, value_parser = count::<usize>)]
    kde_cap: usize,
    /// How the KNN methods take rows: `top-k` by mass, or drawn by mass without replacement (`multinomial`, by --seed)
    #[arg(long, value_name = "WAY", default_value_t = Settings::default().sampling, value_parser = sampling_parser())]
    sampling: Sampling,
    /// Kernel of mmd (method and objective) and of the densities of kde-ratio
    #[arg(long, default_value_t = Settings::default().kernel, value_parser = kernel_parser())]
    kernel: KernelName,
    /// Bandwidth of the kernel of mmd: a number, or a rule that finds it from the queries (median,
    /// scott, silverman)
    #[arg(long, value_name = "SIGMA|RULE", default_value_t = Settings::default().bandwidth, value_parser = bandwidth)]
    bandwidth: Bandwidth,
    /// Bandwidth of the kernel of kde-ratio: a number, or a rule that finds it from the pool
    /// (median, scott, silverman)
    #[arg(long, value_name = "SIGMA|RULE", default_value_t = Settings::default().density_bandwidth, value_parser = bandwidth)]
    density_bandwidth: Bandwidth,
    /// Rows drawn by --seed that stand for the pool in the pool density of kde-ratio; 0 for all of them
    #[arg(long, value_name = "ROWS", default_value_t = Settings::default().density_sample, value_parser = count::<usize>)]
    density_sample: usize,
    /// Break ties of the KNN methods by row number alone, as the published code does
    #[arg(long)]
    compat_reference: bool,
    /// The same in other words
    #[arg(long, hide = true, value_name = "reference", value_parser = PossibleValuesParser::new(["reference"]))]
    compat: Option<String>,
}

impl SettingsArguments {
    pub(super) fn settings(&self) -> Settings {
        Settings {
            epsilon: self.epsilon,
            rho: self.rho,
            alpha: self.alpha,
            tradeoff_c: self.tradeoff_c,
            diversity: self.diversity,
            list_cap: self.list_cap,
            sigma: self.sigma,
            kde_cap: self.kde_cap,
            sampling: self.sampling,
            kernel: self.kernel,
            bandwidth: self.bandwidth,
            density_bandwidth: self.density_bandwidth,
            density_sample: self.density_sample,
            compat_reference: self.compat_reference || self.compat.is_some(),
        }
    }
}

/// Says which settings were changed though none of these methods reads them.
pub(super) fn tell_idle(request: &Request, run: &RunArguments) {
    let changed = |settings: &Settings| serde_json::to_value(settings).ok();
    let (Some(Value::Object(given)), Some(usual)) = (changed(&request.settings), changed(&Settings::default())) else {
        return;
    };
    let read: Vec<&str> =
        request.methods.iter().filter_map(|name| selector(name)).flat_map(|entry| entry.settings).copied().collect();
    let judged: &[&str] =
        if request.objective == Target::Mmd { &["diversity", "kernel", "bandwidth"] } else { &["diversity"] };
    for (name, value) in given {
        let known = |names: &[&str]| names.contains(&&name[..]);
        if usual[&name] != value && !run.quiet && !known(&read) && !known(judged) {
            let methods = request.methods.join(", ");
            tell(format_args!("kantor: warning: --{name} changes nothing here, as it is not for {methods}"));
        }
    }
}

fn kernel_parser() -> impl TypedValueParser<Value = KernelName> {
    let known = KernelName::ALL.map(KernelName::name);
    PossibleValuesParser::new(known).try_map(|name| name.parse::<KernelName>())
}

fn sampling_parser() -> impl TypedValueParser<Value = Sampling> {
    PossibleValuesParser::new(Sampling::ALL.map(Sampling::name)).try_map(|name| name.parse::<Sampling>())
}

/// Reads a number or the name of a rule.
pub(super) fn bandwidth(text: &str) -> Result<Bandwidth, String> {
    text.parse().map_err(|_| match closest(text, Bandwidth::RULES.map(|rule| rule.0)) {
        Some(rule) => format!("did you mean `{rule}`?"),
        None => format!("give a number or one of {}", Bandwidth::RULES.map(|rule| rule.0).join(", ")),
    })
}
