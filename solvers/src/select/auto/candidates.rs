//! Who is compared, in order of preference: of those that cannot be told apart the first is taken.
//!
//! Local kernel matching comes first, as language models trained on its choices had the least losses on unseen queries; then
//! methods by how often theirs came next.

use std::collections::BTreeMap;

use kantor_theory::KernelName;

use crate::bandwidth::Bandwidth;
use crate::select::{Constrained, Energy, KnnKde, Mmd, Optimal, RoundRobin, Selector, Uot};
use crate::task::Task;

/// The kernel by which unseen queries score.
pub(super) const KERNEL: KernelName = KernelName::Gaussian;

/// Bandwidths of kernel matching, in units of the bandwidth by which unseen queries score.
const WIDTHS: [f64; 3] = [1.0, 1.4, 0.75];

/// Entropies of smoothed transport, published and smoother.
const EPSILONS: [f64; 2] = [0.01, 0.05];

/// One of those that are compared.
pub(super) struct Candidate {
    /// The settings in which it differs from the method as users get it.
    pub(super) settings: BTreeMap<&'static str, f64>,
    pub(super) selector: Box<dyn Selector>,
}

impl Candidate {
    /// Its name and settings.
    pub(super) fn label(&self) -> String {
        let setting = |(name, value): (&&str, &f64)| format!(", {name} {}", (1e4 * value).round() / 1e4);
        let settings: String = self.settings.iter().map(setting).collect();
        format!("{}{settings}", self.selector.name())
    }
}

/// Those that can choose for this task; unseen queries score by a kernel of bandwidth `sigma`.
pub(super) fn candidates(task: &Task<'_>, sigma: f64) -> Vec<Candidate> {
    let mut all: Vec<Candidate> = Vec::new();
    let mut add = |selector: Box<dyn Selector>, setting: Option<(&'static str, f64)>| {
        let selector = if task.constraints.is_some() { Box::new(Constrained::new(selector)) } else { selector };
        all.push(Candidate { settings: setting.into_iter().collect(), selector });
    };
    for sigma in WIDTHS.map(|width| width * sigma) {
        let mmd = Mmd { kernel: KERNEL, bandwidth: Bandwidth::Given(sigma).into() };
        add(Box::new(mmd), Some(("bandwidth", sigma)));
    }
    add(Box::new(Energy), None);
    add(Box::new(RoundRobin), None);
    add(Box::new(Optimal), None);
    for epsilon in EPSILONS {
        add(Box::new(Uot { epsilon, ..Uot::default() }), Some(("epsilon", epsilon)));
    }
    add(Box::<KnnKde>::default(), None);
    all.retain(|candidate| candidate.selector.supports(task).is_ok());
    all
}
