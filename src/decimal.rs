//! Numbers in sentences and tables that claim nothing to the last digit: four decimals, or four digits where these say nothing.

/// A magnitude, such as a distance.
pub(crate) fn magnitude(x: f64) -> String {
    if x == 0.0 || (1e-3..1e6).contains(&x.abs()) { format!("{x:.4}") } else { format!("{x:.3e}") }
}

/// A difference of magnitudes, of which what is near zero is rounding.
pub(crate) fn difference(x: f64) -> String {
    if x.abs() < 1e6 { format!("{x:.4}") } else { format!("{x:.3e}") }
}
