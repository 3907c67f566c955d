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
    /// How the figure came about, such as its range.
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

impl Guard {
    /// Whether it holds.
    pub(crate) fn is_met(&self) -> bool {
        match self.bound {
            Bound::AtMost(bound) => self.measured <= bound,
            Bound::AtLeast(bound) => self.measured >= bound,
        }
    }

    pub(crate) fn json(&self) -> Value {
        let (side, bound) = match self.bound {
            Bound::AtMost(bound) => ("atMost", bound),
            Bound::AtLeast(bound) => ("atLeast", bound),
        };
        json!({"what": self.what, "measured": self.measured, side: bound, "unit": self.unit, "met": self.is_met()})
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
        let Self { what, measured, note, .. } = self;
        write!(f, "guard {state}: {what}: {}{unit}, {side} {}{unit} wanted", figure(*measured), figure(bound))?;
        if note.is_empty() { Ok(()) } else { write!(f, " ({note})") }
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
        let guard = |measured, bound| Guard { what: "x".into(), measured, bound, unit: "MB", note: String::new() };
        let text = |measured, bound| guard(measured, bound).to_string();
        assert_eq!(text(14.99, Bound::AtMost(15.0)), "guard met: x: 15.0 MB, at most 15.0 MB wanted");
        assert_eq!(text(15.2, Bound::AtMost(15.0)), "guard MISSED: x: 15.2 MB, at most 15.0 MB wanted");
        assert_eq!(text(0.89, Bound::AtLeast(0.9)), "guard MISSED: x: 0.89 MB, at least 0.90 MB wanted");
        assert!(guard(0.9, Bound::AtLeast(0.9)).is_met());
        assert!(!guard(f64::NAN, Bound::AtMost(1.0)).is_met(), "what could not be measured is not met");
        assert_eq!(guard(2.0, Bound::AtLeast(1.0)).json()["met"], true);
    }
}
