//! Which distance a selection is judged by: whose value, bound for all subsets and certificate are written.

use std::fmt;
use std::str::FromStr;

use kantor_solvers::settings::Setting;
use kantor_solvers::{ObjectiveSettings, SelectError, SettingGroup};
use kantor_theory::{Geometry, Objective};
use serde::Serialize;

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

    /// The settings that it reads.
    pub fn settings(self) -> impl Iterator<Item = Setting> {
        ObjectiveSettings::described()
            .into_iter()
            .filter(move |setting| self == Target::Mmd || setting.name == "diversity")
    }

    /// The distance on this geometry, the bandwidth of its kernel found; transport becomes TSDS's problem if a weight of
    /// diversity is set.
    ///
    /// # Errors
    /// If the kernel or its bandwidth make no distance here, or diversity is asked of the distance of a kernel.
    pub fn objective(self, geometry: &Geometry<'_>, settings: &ObjectiveSettings) -> Result<Objective, SelectError> {
        settings.check()?;
        let refuse = |fault| Err(SelectError::Distance { distance: self.name(), fault });
        match (self, settings.diversity) {
            (Target::W, None) => Ok(Objective::W),
            (Target::W, Some(diversity)) => Ok(Objective::Tsds { diversity }),
            (_, Some(value)) => Err(SelectError::Setting {
                name: "diversity".to_owned(),
                value: value.to_string(),
                rule: "it goes with --objective w only".to_owned(),
            }),
            (_, None) if geometry.points().is_none() => {
                refuse("needs the rows of pool and queries, not only similarities: give --pool and --query")
            }
            (Target::Energy, None) => Ok(Objective::Energy),
            (Target::Mmd, None) if !settings.kernel.is_positive_definite() => {
                refuse("needs a positive definite kernel: gaussian, laplace, inverse-multiquadric or cosine")
            }
            (Target::Mmd, None) => Ok(Objective::Mmd(settings.bandwidth.for_queries(settings.kernel, geometry)?)),
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
