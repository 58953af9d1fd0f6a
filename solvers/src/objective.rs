//! What the distances by which subsets are judged depend on, beside the geometry.

use kantor_theory::KernelName;

use crate::bandwidth;
use crate::bandwidths::Bandwidths;
use crate::settings::settings;

settings! {
    /// Settings of the objectives, which selectors that minimise one share.
    pub struct ObjectiveSettings {
        /// Weight λ of evenness: the objective becomes TSDS's problem, mean cost + λ·(largest share of a query's mass on one
        /// row − 1/N), certified for any method; the KNN methods take λ for their trade-off, instead of (1 − α)C/α
        diversity: Option<f64> = None => positive(), value_name("LAMBDA"), excludes(&["alpha", "tradeoff-c"]);
        /// Kernel of mmd (method and objective) and of the densities of kde-ratio
        kernel: KernelName = KernelName::Gaussian;
        /// Bandwidth of the kernel of mmd: a number, or a rule that finds it from the queries (median,
        /// local, scott, silverman), or several of these, as in local+median, for the mean of their kernels
        bandwidth: Bandwidths = Bandwidths::default() => range(bandwidth::in_range, bandwidth::RANGE);
    }
}
