//! A number with the kind of claim that it makes, and what the claim rests on.

use std::collections::BTreeSet;
use std::fmt;

use super::assumption::Assumption;
use super::theorem::Theorem;
use crate::rounding::{add_down, add_up, mul_down, mul_up};

/// How much a number claims. Later kinds claim less.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Holds whenever the assumptions do.
    Deterministic,
    /// Fails with at most this probability over the draw of the queries.
    HighProbability(f64),
    /// Converges to the truth in some sense, without a proved side or error.
    Estimate,
    /// A formula with unknown constants, or a rule of thumb.
    Heuristic,
}

impl Kind {
    /// The kind of a statement that needs both: the weaker one; probabilities of failure add up.
    pub fn and(self, other: Kind) -> Kind {
        match (self, other) {
            (Kind::Heuristic, _) | (_, Kind::Heuristic) => Kind::Heuristic,
            (Kind::Estimate, _) | (_, Kind::Estimate) => Kind::Estimate,
            (Kind::HighProbability(a), Kind::HighProbability(b)) => Kind::HighProbability(add_up(a, b).min(1.0)),
            (Kind::HighProbability(a), _) | (_, Kind::HighProbability(a)) => Kind::HighProbability(a),
            _ => Kind::Deterministic,
        }
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Deterministic => "deterministic",
            Kind::HighProbability(_) => "high-probability",
            Kind::Estimate => "estimate",
            Kind::Heuristic => "heuristic",
        }
    }

    /// Whether the number is proved, given the assumptions.
    pub fn is_proved(self) -> bool {
        matches!(self, Kind::Deterministic | Kind::HighProbability(_))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::HighProbability(delta) => write!(f, "with probability ≥ {}", 1.0 - delta),
            kind => f.write_str(kind.name()),
        }
    }
}

/// A value and what it says: if proved, an upper bound rounded up or a lower bound rounded down; a plain value if not.
///
/// It is an implication: it holds if its assumptions do and if the numbers that went in ([`Bound::inputs`]) are what their
/// names say, which the functions that make it take on trust. What is proved from the rows themselves are the bounds of
/// [`crate::bounds`].
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    value: f64,
    from_below: bool,
    kind: Kind,
    theorem: Theorem,
    assumptions: BTreeSet<Assumption>,
    inputs: Vec<(&'static str, f64)>,
}

impl Bound {
    pub(crate) fn new(
        theorem: Theorem,
        kind: Kind,
        value: f64,
        assumptions: impl IntoIterator<Item = Assumption>,
        inputs: &[(&'static str, f64)],
    ) -> Self {
        Self {
            value,
            from_below: false,
            kind,
            theorem,
            assumptions: assumptions.into_iter().collect(),
            inputs: inputs.to_vec(),
        }
    }

    /// The number.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// The same number as a bound from below.
    pub(crate) fn below(self) -> Self {
        Self { from_below: true, ..self }
    }

    /// Whether the quantity is at least, and not at most, this.
    pub fn is_lower(&self) -> bool {
        self.from_below
    }

    /// What kind of claim it makes.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where it is stated and proved.
    pub fn theorem(&self) -> Theorem {
        self.theorem
    }

    /// What it rests on.
    pub fn assumptions(&self) -> &BTreeSet<Assumption> {
        &self.assumptions
    }

    /// The numbers that went in, by name.
    pub fn inputs(&self) -> &[(&'static str, f64)] {
        &self.inputs
    }

    /// The sum of both: a bound of the sum of what they bound, with the weaker kind and all assumptions; nothing proved if
    /// one is from below and the other from above.
    pub fn plus(&self, theorem: Theorem, other: &Bound) -> Bound {
        let add = if self.from_below { add_down } else { add_up };
        self.merged(theorem, other, add(self.value, other.value))
    }

    /// The smaller of two bounds of one quantity. Both must hold for it, so probabilities of failure add up; nothing
    /// proved if one is from below and the other from above.
    pub fn min(&self, theorem: Theorem, other: &Bound) -> Bound {
        self.merged(theorem, other, self.value.min(other.value))
    }

    /// Times a factor ≥ 0 with a name; nothing proved for other factors.
    pub fn times(&self, theorem: Theorem, name: &'static str, factor: f64) -> Bound {
        let value = match (self.value < 0.0, self.from_below) {
            (true, true) => -mul_up(-self.value, factor),
            (true, false) => -mul_down(-self.value, factor),
            (false, true) => mul_down(self.value, factor),
            (false, false) => mul_up(self.value, factor),
        };
        let mut scaled = Bound { value, theorem, ..self.clone() };
        scaled.note(name, factor);
        if factor >= 0.0 { scaled } else { scaled.at_most(Kind::Heuristic) }
    }

    /// Also rests on these.
    pub fn assuming(mut self, more: impl IntoIterator<Item = Assumption>) -> Bound {
        self.assumptions.extend(more);
        self
    }

    /// Claims no more than this kind does.
    pub fn at_most(mut self, kind: Kind) -> Bound {
        self.kind = self.kind.and(kind);
        self
    }

    fn note(&mut self, name: &'static str, value: f64) {
        if !self.inputs.iter().any(|(n, v)| *n == name && v.to_bits() == value.to_bits()) {
            self.inputs.push((name, value));
        }
    }

    fn merged(&self, theorem: Theorem, other: &Bound, value: f64) -> Bound {
        let mut merged = Bound { value, theorem, kind: self.kind.and(other.kind), ..self.clone() };
        merged.assumptions.extend(&other.assumptions);
        other.inputs.iter().for_each(|&(name, value)| merged.note(name, value));
        if self.from_below == other.from_below { merged } else { merged.at_most(Kind::Heuristic) }
    }
}
