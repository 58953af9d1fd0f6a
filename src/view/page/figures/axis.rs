//! Axes: which part of the numbers is shown, on which scale, and where the ticks are.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;

/// Numbers from here on are not shown: their sums and differences are not finite.
const LARGEST: f64 = 1e300;

/// Differences below this one are none.
const SMALLEST: f64 = 1e-250;

/// An axis, in coordinates of the scale.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    pub(super) label: String,
    pub(super) low: f64,
    pub(super) high: f64,
    /// Place and text.
    pub(super) ticks: Vec<(f64, String)>,
    logarithmic: bool,
    /// Every name, also those without a tick.
    names: Option<Vec<(f64, String)>>,
}

impl Axis {
    /// An even scale over these numbers, with some room.
    pub(super) fn linear(label: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = extent(values).unwrap_or((0.0, 1.0));
        let largest = f64::max(low.abs(), high.abs());
        // A range of a few units in the last place has no even ticks.
        let wide = high - low > f64::max(1e-9 * largest, SMALLEST);
        let room = if wide { 0.06 * (high - low) } else { f64::max(0.05 * largest, 1e-3) };
        Self::between(label, low - room, high + room)
    }

    /// An even scale from `low` to `high`.
    pub(super) fn between(label: impl Into<String>, low: f64, high: f64) -> Self {
        let places = RangedCoordf64::from(low..high).key_points(6);
        let step = places.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
        let decimals = if step.is_finite() { (-step.log10() - 1e-9).ceil().clamp(0.0, 9.0) as usize } else { 3 };
        let plain = (1e-8..1e8).contains(&f64::max(low.abs(), high.abs()));
        let text = |place: f64| if plain { format!("{place:.decimals$}") } else { format!("{place:.3e}") };
        let ticks = places.into_iter().map(|place| (place, tidy(text(place)))).collect();
        Self { label: label.into(), low, high, ticks, logarithmic: false, names: None }
    }

    /// A logarithmic scale over these numbers, of which those above 0 count.
    pub(super) fn logarithmic(label: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Self {
        let values = values.into_iter().filter(|value| *value > 0.0);
        let (low, high) = extent(values.map(f64::log10)).unwrap_or((-1.0, 0.0));
        let room = f64::max(0.05 * (high - low), 0.08);
        let (low, high) = (low - room, high + room);
        let every = ((high - low) / 6.0).ceil().max(1.0) as i32;
        let within: &[f64] = if high - low < 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let powers = (low.floor() as i32..=high.ceil() as i32).filter(|power| power.rem_euclid(every) == 0);
        let values = powers.flat_map(|power| within.iter().map(move |digit| digit * 10f64.powi(power)));
        let ticks = values.map(|value| (value.log10(), number(value)));
        let ticks = ticks.filter(|(place, _)| (low..=high).contains(place)).collect();
        Self { label: label.into(), low, high, ticks, logarithmic: true, names: None }
    }

    /// A logarithmic scale with a tick at each of these budgets, as far as there is room.
    pub(super) fn budgets(label: impl Into<String>, budgets: impl IntoIterator<Item = f64>) -> Self {
        let mut places: Vec<f64> = budgets.into_iter().map(f64::log10).collect();
        places.sort_by(f64::total_cmp);
        places.dedup();
        let (low, high) = extent(places.iter().copied()).unwrap_or((0.0, 1.0));
        let room = f64::max(0.06 * (high - low), 0.06);
        let apart = 0.1 * (high - low);
        let mut ticks: Vec<(f64, String)> = Vec::new();
        // From the largest, which is the one that must not go.
        for &place in places.iter().rev() {
            if ticks.last().is_none_or(|(last, _)| last - place >= apart) {
                ticks.push((place, number(10f64.powf(place).round())));
            }
        }
        ticks.reverse();
        Self { label: label.into(), low: low - room, high: high + room, ticks, logarithmic: true, names: None }
    }

    /// Names, evenly spaced.
    pub(super) fn names(label: impl Into<String>, names: &[String]) -> Self {
        let every = names.len().div_ceil(10).max(1);
        let ticks = names.iter().enumerate().filter(|(place, _)| place % every == 0);
        let ticks = ticks.map(|(place, name)| (place as f64, name.clone())).collect();
        let named = names.iter().enumerate().map(|(place, name)| (place as f64, name.clone())).collect();
        let high = names.len() as f64 - 0.6;
        Self { label: label.into(), low: -0.4, high, ticks, logarithmic: false, names: Some(named) }
    }

    /// Where a number is; none if it is not on this scale.
    pub(super) fn at(&self, value: f64) -> Option<f64> {
        let place = if self.logarithmic { value.log10() } else { value };
        (place.abs() < LARGEST).then_some(place)
    }

    /// The name at a place, if the axis has names and not numbers.
    pub(super) fn name(&self, value: f64) -> Option<String> {
        let (_, text) = self.names.as_ref()?.iter().find(|(place, _)| *place == value)?;
        Some(text.clone())
    }

    /// The number at the low end and at the high end.
    pub(super) fn ends(&self) -> (f64, f64) {
        let value = |place: f64| if self.logarithmic { 10f64.powf(place) } else { place };
        (value(self.low), value(self.high))
    }
}

/// As plotters sees it: an even scale with these ticks, the logarithm having been taken before.
impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, limit: (i32, i32)) -> i32 {
        RangedCoordf64::from(self.range()).map(place, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.iter().map(|tick| tick.0).collect() }
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

/// Least and largest of the numbers that can be shown.
fn extent(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = values.into_iter().filter(|value| value.abs() < LARGEST);
    finite.fold(None, |range, value| {
        let (low, high) = range.unwrap_or((value, value));
        Some((f64::min(low, value), f64::max(high, value)))
    })
}

/// A number as short as it goes, with thin spaces between thousands.
pub(super) fn number(value: f64) -> String {
    if !(1e-4..1e7).contains(&value.abs()) && value != 0.0 {
        return format!("{value:e}");
    }
    if value.abs() < 1e3 {
        return format!("{:.6}", value).trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    crate::view::page::numbers::count(value.round() as u64)
}

/// No minus before nothing.
fn tidy(text: String) -> String {
    if text.starts_with('-') && text.chars().all(|letter| matches!(letter, '-' | '0' | '.')) {
        return text[1..].to_owned();
    }
    text.replace('-', "−")
}
