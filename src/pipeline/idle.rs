//! Settings that change nothing, because neither a method nor the objective reads them.

use kantor_solvers::registry::selector;
use kantor_solvers::settings::Setting;
use kantor_solvers::{ObjectiveSettings, Selector, Settings};

use crate::problem::Goal;

use super::Request;

impl Request {
    /// The settings that differ from their defaults and change nothing for this goal, each with the reason.
    pub fn idle_settings(&self, goal: &Goal) -> Vec<(&'static Setting, String)> {
        self.idle(&self.methods, goal)
    }

    /// The settings with the defaults of those that change nothing for these methods.
    pub(crate) fn settings_read_by(&self, methods: &[String], goal: &Goal) -> Settings {
        let idle = self.idle(methods, goal);
        idle.into_iter()
            .fold(self.settings.clone(), |settings, (setting, _)| settings.without(&setting.name))
            .resolved()
    }

    fn idle(&self, methods: &[String], goal: &Goal) -> Vec<(&'static Setting, String)> {
        let known = |name: &String| selector(name).filter(|_| self.own.iter().all(|own| own.name() != name));
        let read = |name: &str| {
            // What other selectors read is not known.
            let by_method =
                |method| known(method).is_none_or(|entry| (entry.settings)().iter().any(|at| at.name == name));
            methods.iter().any(by_method) || goal.objective.settings().any(|setting| setting.name == name)
        };
        let kernel = self.settings.read::<ObjectiveSettings>().kernel;
        let why = |setting: &Setting| match &*setting.name {
            name if !read(name) => Some(format!("it is not for {}", methods.join(", "))),
            "bandwidth" if !kernel.has_bandwidth() => Some(format!("the kernel `{kernel}` has no width")),
            _ => None,
        };
        self.settings.changed().filter_map(|setting| Some((setting, why(setting)?))).collect()
    }
}
