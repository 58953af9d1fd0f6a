//! Settings: what users may set of a selector, described once, at the field that holds it.
//!
//! The macro `settings!` makes a struct whose fields are settings. Flags, configuration files, job files,
//! `kantor methods` and manifests are made from a field's name, documentation, type, default and range. Two structs may
//! share settings: a field can take its description from another struct (`as`), and a struct can hold another one whole
//! (`..`). [`Settings`] carries values by name from the command line or a file to the structs.

use std::collections::BTreeMap;

use kantor_theory::KernelName;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::bandwidth::Bandwidth;
use crate::bandwidths::Bandwidths;
use crate::draw::Sampling;
use crate::registry;
use crate::task::SelectError;

/// What values a setting takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingKind {
    /// Numbers, perhaps infinite.
    Number,
    /// Numbers of rows.
    Count,
    /// On or off.
    Switch,
    /// One of these words.
    Word(Vec<&'static str>),
    /// Bandwidths: numbers, or rules that find one.
    Bandwidth,
    /// The same, or several with `+` between them.
    Bandwidths,
}

/// A type that settings have.
pub trait SettingValue: Serialize + for<'de> Deserialize<'de> {
    /// What users are told of its values.
    fn kind() -> SettingKind;

    /// The value as JSON.
    fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The value that this JSON says.
    fn from_json(value: &Value) -> Option<Self> {
        Self::deserialize(value).ok()
    }
}

/// A number; JSON has a word for those that are not finite.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

impl SettingValue for f64 {
    fn kind() -> SettingKind {
        SettingKind::Number
    }

    fn to_json(&self) -> Value {
        if self.is_finite() { Value::from(*self) } else { Value::from(self.to_string()) }
    }

    fn from_json(value: &Value) -> Option<Self> {
        number(value)
    }
}

impl SettingValue for Option<f64> {
    fn kind() -> SettingKind {
        SettingKind::Number
    }

    fn to_json(&self) -> Value {
        self.map_or(Value::Null, |number| number.to_json())
    }

    fn from_json(value: &Value) -> Option<Self> {
        Some(if value.is_null() { None } else { Some(number(value)?) })
    }
}

macro_rules! setting_values {
    ($($type:ty: $kind:expr),* $(,)?) => {
        $(impl SettingValue for $type {
            fn kind() -> SettingKind {
                $kind
            }
        })*
    };
}

setting_values! {
    usize: SettingKind::Count,
    bool: SettingKind::Switch,
    Bandwidth: SettingKind::Bandwidth,
    Bandwidths: SettingKind::Bandwidths,
    Sampling: SettingKind::Word(Sampling::ALL.map(Sampling::name).into()),
    KernelName: SettingKind::Word(KernelName::ALL.map(KernelName::name).into()),
}

/// A setting as users are told of it.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The name of the flag, and of the key in files.
    pub name: String,
    /// What it does, in one sentence.
    pub help: String,
    /// What values it takes.
    pub kind: SettingKind,
    /// The value where none is given; `null` is off.
    pub default: Value,
    /// What stands for the value in the help.
    pub value_name: String,
    /// Names of settings that may not be given beside it.
    pub excludes: &'static [&'static str],
    /// Reads a value as the setting's type and writes it back in that type's one form; `None` if it is of another kind.
    spell: fn(&Value) -> Option<Value>,
    /// Which numbers are allowed, and the rule in words, which refusals quote.
    range: (fn(f64) -> bool, &'static str),
}

impl Setting {
    /// Of a field and its documentation.
    pub(crate) fn new<T: SettingValue>(field: &str, help: &[&str], default: &T) -> Self {
        let value_name = match T::kind() {
            SettingKind::Count => "ROWS".to_owned(),
            SettingKind::Bandwidth | SettingKind::Bandwidths => "SIGMA|RULE".to_owned(),
            _ => field.to_uppercase(),
        };
        Self {
            name: field.replace('_', "-"),
            help: help.concat().trim().to_owned(),
            kind: T::kind(),
            default: default.to_json(),
            value_name,
            excludes: &[],
            spell: |value| T::from_json(value).map(|value| value.to_json()),
            range: (|_| true, ""),
        }
    }

    /// With a range of numbers.
    pub(crate) fn range(self, holds: fn(f64) -> bool, rule: &'static str) -> Self {
        Self { range: (holds, rule), ..self }
    }

    /// With the range of positive numbers.
    pub(crate) fn positive(self) -> Self {
        self.range(|x| x > 0.0 && x.is_finite(), "it must be positive and finite")
    }

    /// With the range of numbers of rows that are not 0.
    pub(crate) fn some_rows(self) -> Self {
        self.range(|x| x >= 1.0, "it must be at least 1")
    }

    /// With another word for the value.
    pub(crate) fn value_name(self, name: &str) -> Self {
        Self { value_name: name.to_owned(), ..self }
    }

    /// With the names of settings that may not be given beside it.
    pub(crate) fn excludes(self, excludes: &'static [&'static str]) -> Self {
        Self { excludes, ..self }
    }

    /// Checks a value. Returns it in the one form that its type writes, so that equal values are equal as JSON.
    ///
    /// # Errors
    /// If it is of another kind or out of range.
    pub fn check(&self, value: &Value) -> Result<Value, SelectError> {
        let refuse = |rule: String| {
            let value = number(value).map_or_else(|| value.to_string(), |number| number.to_string());
            SelectError::Setting { name: self.name.clone(), value, rule }
        };
        let spelt = (self.spell)(value).ok_or_else(|| refuse(self.remedy()))?;
        match number(&spelt) {
            Some(number) if !(self.range.0)(number) => Err(refuse(self.range.1.to_owned())),
            _ => Ok(spelt),
        }
    }

    /// What to give instead of a value of another kind.
    fn remedy(&self) -> String {
        match &self.kind {
            SettingKind::Number => "give a number".to_owned(),
            SettingKind::Count => "give a whole number".to_owned(),
            SettingKind::Switch => "give true or false".to_owned(),
            SettingKind::Word(words) => format!("give one of {}", words.join(", ")),
            SettingKind::Bandwidth => {
                format!("give a number or one of {}", Bandwidth::RULES.map(|rule| rule.0).join(", "))
            }
            SettingKind::Bandwidths => {
                let rules = Bandwidth::RULES.map(|rule| rule.0).join(", ");
                format!("give a number or one of {rules}, or several with + between them")
            }
        }
    }
}

/// Values of settings by name; what is not there has its default.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(try_from = "BTreeMap<String, Value>")]
pub struct Settings(BTreeMap<String, Value>);

impl Settings {
    /// Gives a setting a value.
    ///
    /// # Errors
    /// If there is no such setting, or the value is of another kind or out of range.
    pub fn set(&mut self, name: &str, value: &Value) -> Result<(), SelectError> {
        let Some(setting) = registry::settings().iter().find(|setting| setting.name == name) else {
            let known: Vec<&str> = registry::settings().iter().map(|setting| &setting.name[..]).collect();
            return Err(SelectError::UnknownSetting { name: name.to_owned(), known: known.join(", ") });
        };
        self.0.insert(name.to_owned(), setting.check(value)?);
        Ok(())
    }

    /// With all values of these settings.
    #[must_use]
    pub fn with(mut self, group: &impl SettingGroup) -> Self {
        group.write(&mut self);
        self
    }

    /// Without a value for the setting of this name: it has its default then.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    /// These, and the defaults of all others.
    #[must_use]
    pub fn resolved(&self) -> Self {
        let value = |setting: &Setting| self.0.get(&setting.name).unwrap_or(&setting.default).clone();
        Self(registry::settings().iter().map(|setting| (setting.name.clone(), value(setting))).collect())
    }

    /// As [`Settings::resolved`], without those that results had no part in when they were first digested and that have their
    /// defaults: a result stays the same when methods it does not know of get settings.
    #[must_use]
    pub fn digested(&self) -> Self {
        let changed: Vec<&str> = self.changed().map(|setting| setting.name.as_str()).collect();
        let mut all = self.resolved();
        all.0.retain(|name, _| registry::is_always_digested(name) || changed.contains(&name.as_str()));
        all
    }

    /// Those that differ from their defaults.
    pub fn changed(&self) -> impl Iterator<Item = &'static Setting> {
        let differs = |setting: &&Setting| self.0.get(&setting.name).is_some_and(|value| *value != setting.default);
        registry::settings().iter().filter(differs)
    }

    /// What a selector reads of them.
    pub fn read<T: SettingGroup>(&self) -> T {
        T::read(self)
    }

    /// The value of a field, if it is given.
    pub(crate) fn get<T: SettingValue>(&self, field: &str) -> Option<T> {
        self.0.get(&field.replace('_', "-")).and_then(T::from_json)
    }

    /// Gives a field's setting a value without a check: [`SettingGroup::check`] makes it before the value is used.
    pub(crate) fn put<T: SettingValue>(&mut self, field: &str, value: &T) {
        self.0.insert(field.replace('_', "-"), value.to_json());
    }
}

impl TryFrom<BTreeMap<String, Value>> for Settings {
    type Error = SelectError;

    fn try_from(values: BTreeMap<String, Value>) -> Result<Self, SelectError> {
        let mut settings = Settings::default();
        values.iter().try_for_each(|(name, value)| settings.set(name, value))?;
        Ok(settings)
    }
}

/// In the order in which users see them.
impl Serialize for Settings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names = registry::settings().iter().map(|setting| &setting.name);
        serializer.collect_map(names.filter_map(|name| Some((name, self.0.get(name)?))))
    }
}

/// A struct whose fields are settings, made by `settings!`.
pub trait SettingGroup: Clone + Default {
    /// Its settings.
    fn described() -> Vec<Setting>;

    /// With the values given, and the defaults of the others.
    fn read(settings: &Settings) -> Self;

    /// Gives all its values.
    fn write(&self, settings: &mut Settings);

    /// Checks all its values.
    ///
    /// # Errors
    /// If a value is out of range.
    fn check(&self) -> Result<(), SelectError> {
        let given = Settings::default().with(self);
        Self::described().iter().try_for_each(|setting| match given.0.get(&setting.name) {
            Some(value) => setting.check(value).map(drop),
            None => Ok(()),
        })
    }
}

/// Makes a struct of settings. Its body is
/// - first, if it holds all settings of another struct: `..part: Part;`
/// - for a setting of its own: `/// Help`, then `field: Type = default => positive(), value_name("WORD");` where `=>` lists
///   methods of [`Setting`] and may be left out
/// - for a setting that `Owner` describes: `field: Type as Owner;`
macro_rules! settings {
    (
        $(#[$about:meta])*
        pub struct $name:ident {
            $(..$part:ident: $of:ident;)?
            $(
                $(#[doc = $help:literal])*
                $field:ident: $type:ty $(as $owner:ident)? $(= $default:expr $(=> $($more:ident($($with:expr),*)),+)?)?;
            )*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(into = "crate::Settings", from = "crate::Settings")]
        pub struct $name {
            $(#[doc = concat!("All of [`", stringify!($of), "`].")] pub $part: $of,)?
            $($(#[doc = $help])* $(#[doc = concat!("As in [`", stringify!($owner), "`].")])? pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($part: $of::default(),)?
                    $($field: $($default)? $($owner::default().$field)?,)*
                }
            }
        }

        impl crate::settings::SettingGroup for $name {
            fn described() -> Vec<crate::settings::Setting> {
                let mut all = Vec::new();
                $(all.extend($of::described());)?
                $(all.extend(crate::settings::setting!(
                    $field: $type, [$($help)*] [$($default $(; $($more($($with),*))+)?)?] [$($owner)?]
                ));)*
                all
            }

            fn read(settings: &crate::Settings) -> Self {
                Self {
                    $($part: settings.read(),)?
                    $($field: settings.get(stringify!($field)).unwrap_or_else(|| Self::default().$field),)*
                }
            }

            fn write(&self, settings: &mut crate::Settings) {
                $(self.$part.write(settings);)?
                $(settings.put(stringify!($field), &self.$field);)*
            }
        }

        impl From<$name> for crate::Settings {
            fn from(group: $name) -> Self {
                Self::default().with(&group)
            }
        }

        impl From<crate::Settings> for $name {
            fn from(settings: crate::Settings) -> Self {
                settings.read()
            }
        }
    };
}

/// One field of `settings!`: its own description, or that of the struct which has it.
macro_rules! setting {
    ($field:ident: $type:ty, [$($help:literal)*] [$default:expr $(; $($more:ident($($with:expr),*))+)?] []) => {
        Some(crate::settings::Setting::new::<$type>(stringify!($field), &[$($help),*], &$default)$($(.$more($($with),*))+)?)
    };
    ($field:ident: $type:ty, [] [] [$owner:ident]) => {{
        let name = stringify!($field).replace('_', "-");
        $owner::described().into_iter().filter(move |setting| setting.name == name)
    }};
}

pub(crate) use {setting, settings};
