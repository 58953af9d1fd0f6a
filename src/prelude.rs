//! What a program that chooses rows needs: `use kantor::prelude::*`.

pub use kantor_solvers::{KdeRatio, KnnKde, KnnTv, KnnUniform, Mmd, ObjectiveSettings, Tradeoff, Uot};
pub use kantor_solvers::{Quiet, SettingGroup, Settings, Watch};
pub use kantor_theory::{Cost, DenseRows, Power, Rows, Status};

pub use crate::ArrayRows;
pub use crate::pipeline::{InputSpec, Inputs, Outcome, Own, Request, choose, select};
pub use crate::problem::{Goal, Problem, Target};
pub use crate::record::Record;
