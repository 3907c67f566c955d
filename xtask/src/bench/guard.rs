//! What must hold, and whether it does. A guard reports; a busy machine must not fail anything.

use std::fmt;

use serde_json::{Value, json};

/// One bound and what was measured.
#[derive(Debug)]
pub(crate) struct Guard {
    /// What is bounded.
    pub(crate) what: String,
    /// What was measured.
    pub(crate) measured: f64,
    /// The bound.
    pub(crate) bound: Bound,
    /// Behind both figures; empty for a ratio.
    pub(crate) unit: &'static str,
    /// From the least to the most, where the figure is a median.
    pub(crate) range: Option<[f64; 2]>,
    /// How the figure came about, where it has no range.
    pub(crate) note: String,
}

/// On which side of it is good.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

impl Bound {
    fn holds(self, measured: f64) -> bool {
        match self {
            Self::AtMost(bound) => measured <= bound,
            Self::AtLeast(bound) => measured >= bound,
        }
    }
}

impl Guard {
    /// Whether it holds.
    pub(crate) fn is_met(&self) -> bool {
        self.bound.holds(self.measured)
    }

    /// Whether some runs fell on the other side: another measurement may, too.
    pub(crate) fn is_within_noise(&self) -> bool {
        self.range.is_some_and(|range| range.iter().any(|value| self.bound.holds(*value) != self.is_met()))
    }

    pub(crate) fn json(&self) -> Value {
        let (side, bound) = match self.bound {
            Bound::AtMost(bound) => ("atMost", bound),
            Bound::AtLeast(bound) => ("atLeast", bound),
        };
        let (met, noise) = (self.is_met(), self.is_within_noise());
        json!({"what": self.what, "measured": self.measured, side: bound, "unit": self.unit, "met": met,
            "withinNoise": noise})
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_met() { "met" } else { "MISSED" };
        let (side, bound) = match self.bound {
            Bound::AtMost(bound) => ("at most", bound),
            Bound::AtLeast(bound) => ("at least", bound),
        };
        let unit = if self.unit.is_empty() { String::new() } else { format!(" {}", self.unit) };
        let Self { what, measured, range, note, .. } = self;
        let noise = if self.is_within_noise() { ", within noise" } else { "" };
        write!(f, "guard {state}{noise}: {what}: {}{unit}, {side} {}{unit} wanted", figure(*measured), figure(bound))?;
        match range {
            Some([least, most]) => write!(f, " ({} - {})", figure(*least), figure(*most)),
            None if note.is_empty() => Ok(()),
            None => write!(f, " ({note})"),
        }
    }
}

/// Three digits or so.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Bound, Guard};

    #[test]
    fn a_guard_says_met_or_missed_with_figures() {
        let guard =
            |measured, bound| Guard { what: "x".into(), measured, bound, unit: "MB", range: None, note: String::new() };
        let text = |measured, bound| guard(measured, bound).to_string();
        assert_eq!(text(14.99, Bound::AtMost(15.0)), "guard met: x: 15.0 MB, at most 15.0 MB wanted");
        assert_eq!(text(15.2, Bound::AtMost(15.0)), "guard MISSED: x: 15.2 MB, at most 15.0 MB wanted");
        assert_eq!(text(0.89, Bound::AtLeast(0.9)), "guard MISSED: x: 0.89 MB, at least 0.90 MB wanted");
        let ranged = |measured, range| Guard { range: Some(range), ..guard(measured, Bound::AtMost(1.5)) }.to_string();
        assert_eq!(
            ranged(1.47, [1.2, 1.9]),
            "guard met, within noise: x: 1.47 MB, at most 1.50 MB wanted (1.20 - 1.90)"
        );
        assert_eq!(ranged(1.4, [1.2, 1.5]), "guard met: x: 1.40 MB, at most 1.50 MB wanted (1.20 - 1.50)");
        assert!(ranged(1.54, [1.1, 1.7]).starts_with("guard MISSED, within noise: x"));
        assert!(guard(0.9, Bound::AtLeast(0.9)).is_met());
        assert!(!guard(f64::NAN, Bound::AtMost(1.0)).is_met(), "what could not be measured is not met");
        assert_eq!(guard(2.0, Bound::AtLeast(1.0)).json()["met"], true);
    }
}
