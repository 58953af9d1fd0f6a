//! Colours and marks: Okabe and Ito's palette, which survives colour-blindness, with a marker and a dash for each series.
//!
//! Every colour that is drawn is one of [`inks`]. In the finished SVG it also gets a class, by which a style sheet gives
//! it another value on dark ground.

use plotters::style::RGBColor;

/// A colour and the class by which a style sheet knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ink {
    /// Its class is `f-` or `s-` and this word, for what is filled and what is stroked.
    pub(super) class: &'static str,
    pub(super) color: RGBColor,
}

/// Text and axes.
pub(super) const TEXT: Ink = Ink { class: "ink", color: RGBColor(0x1b, 0x1f, 0x24) };
/// What must not catch the eye.
pub(super) const MUTED: Ink = Ink { class: "muted", color: RGBColor(0x57, 0x60, 0x6a) };
/// Lines of the grid.
pub(super) const GRID: Ink = Ink { class: "grid", color: RGBColor(0xd8, 0xde, 0xe4) };
/// Where no subset can be, and the range of random subsets.
pub(super) const SHADE: Ink = Ink { class: "shade", color: RGBColor(0x8c, 0x95, 0x9f) };
/// Heat maps of what is wanted, and positive correlations.
pub(super) const BLUE: Ink = Ink { class: "blue", color: RGBColor(0x00, 0x72, 0xb2) };
/// Heat maps of costs, and negative correlations.
pub(super) const VERMILLION: Ink = Ink { class: "vermillion", color: RGBColor(0xd5, 0x5e, 0x00) };

/// Colours of series, in the order of their use.
pub(super) const SERIES: [Ink; 7] = [
    BLUE,
    VERMILLION,
    Ink { class: "green", color: RGBColor(0x00, 0x9e, 0x73) },
    Ink { class: "purple", color: RGBColor(0xcc, 0x79, 0xa7) },
    Ink { class: "black", color: RGBColor(0x00, 0x00, 0x00) },
    Ink { class: "orange", color: RGBColor(0xe6, 0x9f, 0x00) },
    Ink { class: "sky", color: RGBColor(0x56, 0xb4, 0xe9) },
];

/// All colours.
pub(super) fn inks() -> impl Iterator<Item = Ink> {
    [TEXT, MUTED, GRID, SHADE].into_iter().chain(SERIES)
}

/// Shape of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    Disc,
    Square,
    Up,
    Diamond,
    Down,
    Ring,
    Cross,
    Plus,
    /// Small, for very many.
    Dot,
}

/// Length of dash and gap; none for an unbroken line.
pub(super) type Dash = Option<(u32, u32)>;

/// How one series looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) ink: Ink,
    pub(super) marker: Option<Marker>,
    pub(super) dash: Dash,
}

impl Look {
    /// That of the series at this place; colour and marker together repeat after 56.
    pub(super) fn of(place: usize) -> Self {
        use Marker::{Cross, Diamond, Disc, Down, Plus, Ring, Square, Up};
        const MARKERS: [Marker; 8] = [Disc, Square, Up, Diamond, Down, Ring, Cross, Plus];
        const DASHES: [Dash; 3] = [None, Some((18, 10)), Some((6, 8))];
        Self {
            ink: SERIES[place % SERIES.len()],
            marker: Some(MARKERS[place % MARKERS.len()]),
            dash: DASHES[place % DASHES.len()],
        }
    }

    /// That of the mean of random subsets.
    pub(super) const REFERENCE: Self = Self { ink: MUTED, marker: None, dash: Some((10, 10)) };
}
