//! What a bound takes for granted, in words, and what the inputs contradict.

use super::theorem::Theorem;

/// Something that a bound rests on and that data alone cannot prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "`words` says what each is")]
pub enum Assumption {
    Lipschitz,
    Bounded,
    NonNegative,
    OneModel,
    BestWeights,
    QueriesIid,
    HeldOut,
    ModelHeldOut,
    PriorDiameter,
    Smooth,
    StepSize,
    StronglyConvex,
    PoolRandom,
    InRkhs,
    LocallyUniform,
    Metric,
    RawGradients,
    FrozenMask,
    RandomProjection,
    ZeroOne,
}

impl Assumption {
    /// All of them.
    pub const ALL: [Assumption; 20] = [
        Assumption::Lipschitz,
        Assumption::Bounded,
        Assumption::NonNegative,
        Assumption::OneModel,
        Assumption::BestWeights,
        Assumption::QueriesIid,
        Assumption::HeldOut,
        Assumption::ModelHeldOut,
        Assumption::PriorDiameter,
        Assumption::Smooth,
        Assumption::StepSize,
        Assumption::StronglyConvex,
        Assumption::PoolRandom,
        Assumption::InRkhs,
        Assumption::LocallyUniform,
        Assumption::Metric,
        Assumption::RawGradients,
        Assumption::FrozenMask,
        Assumption::RandomProjection,
        Assumption::ZeroOne,
    ];

    /// The name for scripts.
    pub fn name(self) -> &'static str {
        self.entry().0
    }

    /// The sentence for people.
    pub fn words(self) -> &'static str {
        self.entry().1
    }

    fn entry(self) -> (&'static str, &'static str) {
        match self {
            Assumption::Lipschitz => (
                "lipschitz",
                "the loss of the trained model is L-Lipschitz in the metric, over example and answer jointly",
            ),
            Assumption::Bounded => ("bounded", "all losses lie in an interval of length B that was fixed in advance"),
            Assumption::NonNegative => ("non-negative", "the loss is never negative"),
            Assumption::OneModel => ("one-model", "all losses are those of one fixed trained model"),
            Assumption::BestWeights => {
                ("best-weights", "each chosen row is weighted by the share of queries that are nearest to it")
            }
            Assumption::QueriesIid => ("queries-iid", "the queries are independent draws from the target law"),
            Assumption::HeldOut => ("held-out", "these queries had no part in choosing the subset"),
            Assumption::ModelHeldOut => {
                ("model-held-out", "these queries had no part in choosing the subset or the model")
            }
            Assumption::PriorDiameter => {
                ("prior-diameter", "all points of the law lie in a set of diameter D that was fixed in advance")
            }
            Assumption::Smooth => {
                ("smooth", "the loss is β-smooth in the parameters between start and end of training")
            }
            Assumption::StepSize => ("step-size", "the step size is positive and at most 1/β"),
            Assumption::StronglyConvex => (
                "strongly-convex",
                "the risks are μ-strongly convex and fully minimised, the loss is K-Lipschitz in the parameters and its \
                 gradient G-Lipschitz in the data",
            ),
            Assumption::PoolRandom => ("pool-random", "the reference subsets are uniform draws from the pool"),
            Assumption::InRkhs => {
                ("in-rkhs", "the loss lies in the kernel's Hilbert space, with a norm that is not known")
            }
            Assumption::LocallyUniform => {
                ("locally-uniform", "points are spread evenly around each point at the scale looked at")
            }
            Assumption::Metric => ("metric", "the cost obeys the triangle inequality"),
            Assumption::RawGradients => ("raw-gradients", "the rows are gradients of the loss, not normalised"),
            Assumption::FrozenMask => ("frozen-mask", "which tokens count was fixed with the base model"),
            Assumption::ZeroOne => ("zero-one", "every loss is 0 or 1: an error or none"),
            Assumption::RandomProjection => (
                "random-projection",
                "the rows are Gaussian random projections, drawn without looking at the data, of the rows that are meant",
            ),
        }
    }
}

/// Why there is no bound: the assumption that the inputs contradict.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{theorem} does not apply: {why}")]
pub struct Refusal {
    /// The statement that was asked for.
    pub theorem: Theorem,
    /// The assumption that fails.
    pub assumption: Assumption,
    /// How it fails, and the remedy if there is one.
    pub why: String,
}

impl Refusal {
    /// A refusal of this statement because of that assumption.
    pub fn new(theorem: Theorem, assumption: Assumption, why: impl Into<String>) -> Self {
        Self { theorem, assumption, why: why.into() }
    }
}

/// T10, T12: queries that took part in the selection bound nothing about fresh ones.
///
/// # Errors
/// If `shared` of the `held_out` queries are also among those the subset was chosen for.
pub fn require_held_out(theorem: Theorem, shared: usize, held_out: usize) -> Result<(), Refusal> {
    if shared == 0 {
        return Ok(());
    }
    let why = format!(
        "{shared} of the {held_out} held-out queries are also among the queries of the selection; hold out others, or use \
         T11, which allows the same queries"
    );
    Err(Refusal::new(theorem, Assumption::HeldOut, why))
}
