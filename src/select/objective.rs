//! Which distance a selection is judged by: whose value, bound for all subsets and certificate are written.

use std::fmt;
use std::str::FromStr;

use kantor_solvers::{SelectError, Settings, Task, herding};
use kantor_theory::{BestBound, Geometry, Objective};
use serde::Serialize;

use crate::certify;

use super::Error;

/// A distance as users name it; the kernel of `mmd` is among the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// The transport distance.
    #[default]
    W,
    /// The energy distance.
    Energy,
    /// The maximum mean discrepancy.
    Mmd,
}

impl Target {
    /// All of them, in the order in which users see them.
    pub const ALL: [Target; 3] = [Target::W, Target::Energy, Target::Mmd];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Target::W => "w",
            Target::Energy => "energy",
            Target::Mmd => "mmd",
        }
    }

    /// The distance on this geometry, the bandwidth of its kernel found.
    ///
    /// # Errors
    /// If the kernel or its bandwidth make no distance here.
    pub fn objective(self, geometry: &Geometry<'_>, settings: &Settings) -> Result<Objective, SelectError> {
        let needs_rows = "needs the rows of pool and queries, not only similarities: give --pool and --query";
        match self {
            Target::W => Ok(Objective::W),
            _ if geometry.points().is_none() => {
                Err(SelectError::Unsupported { method: self.name(), fault: needs_rows })
            }
            Target::Energy => Ok(Objective::Energy),
            Target::Mmd if !settings.kernel.is_positive_definite() => Err(SelectError::Unsupported {
                method: "mmd",
                fault: "needs a positive definite kernel: gaussian, laplace, inverse-multiquadric or cosine",
            }),
            Target::Mmd => Ok(Objective::Mmd(herding::kernel(geometry, settings.kernel, settings.bandwidth)?)),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Target::ALL
            .into_iter()
            .find(|target| target.name() == text)
            .ok_or_else(|| format!("unknown objective `{text}`; known: w, energy, mmd"))
    }
}

/// Proves for every budget how close any subset of that size can be under the distance of a kernel; the subsets that
/// were found on the way are returned too.
///
/// # Errors
/// If nothing can be chosen, or the evidence is refused.
pub(super) fn bests(
    task: &Task<'_>,
    objective: Objective,
    budgets: &[usize],
) -> Result<(Vec<BestBound>, Option<herding::Solved>), Error> {
    let Some(kernel) = objective.kernel() else { return Ok((Vec::new(), None)) };
    let solved = herding::choose(task, kernel, budgets)?;
    let mut bounds = Vec::with_capacity(budgets.len());
    for chosen in &solved.budgets {
        let witness = herding::witness(task, kernel, chosen)?;
        bounds.push(certify::best_under(task.geometry, objective, chosen.budget(), witness)?);
    }
    Ok((bounds, Some(solved)))
}
