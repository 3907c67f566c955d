//! Two sides, run in turn: theirs, ours, theirs, ours.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Plan;
use super::guard::figure;

/// One comparison at one concurrency.
pub(crate) struct Row {
    pub(crate) call: &'static str,
    pub(crate) concurrency: u16,
    /// Theirs and ours, as `trousseau bench --output json` prints them.
    pub(crate) pairs: Vec<(Value, Value)>,
}

/// Runs both calls at each of these numbers of calls in flight. `theirs` and `ours` make one run and answer its figures.
pub(crate) fn run(
    plan: Plan,
    concurrencies: &[u16],
    mut theirs: impl FnMut(&str, u16) -> Result<Value>,
    mut ours: impl FnMut(&str, u16) -> Result<Value>,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for call in ["encrypt", "decrypt"] {
        for &concurrency in concurrencies {
            let mut pairs = Vec::new();
            for _ in 0..plan.pairs {
                pairs.push((theirs(call, concurrency)?, ours(call, concurrency)?));
            }
            let row = Row { call, concurrency, pairs };
            eprintln!("{call} c={concurrency}: {}", row.ratio(RATE)?);
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Where a run's figures have its calls each second.
pub(crate) const RATE: &str = "/callsPerSecond";
/// Where they have the server's processor time for each call, in microseconds.
pub(crate) const CPU: &str = "/server/cpuMicrosPerCall";

impl Row {
    /// Ours divided by theirs, over all pairs.
    pub(crate) fn ratio(&self, at: &str) -> Result<Spread> {
        let ratio = |(theirs, ours): &(Value, Value)| Ok(number(ours, at)? / number(theirs, at)?);
        Spread::of(self.pairs.iter().map(ratio).collect::<Result<_>>()?)
    }

    /// One figure of one side, over all pairs.
    pub(crate) fn theirs(&self, at: &str) -> Result<Spread> {
        Spread::of(self.pairs.iter().map(|(theirs, _)| number(theirs, at)).collect::<Result<_>>()?)
    }

    /// The same of ours.
    pub(crate) fn ours(&self, at: &str) -> Result<Spread> {
        Spread::of(self.pairs.iter().map(|(_, ours)| number(ours, at)).collect::<Result<_>>()?)
    }

    pub(crate) fn json(&self) -> Value {
        let pairs: Vec<_> = self.pairs.iter().map(|(theirs, ours)| json!({"theirs": theirs, "ours": ours})).collect();
        json!({"call": self.call, "concurrency": self.concurrency, "pairs": pairs})
    }
}

/// A number in a run's figures.
pub(crate) fn number(figures: &Value, at: &str) -> Result<f64> {
    figures.pointer(at).and_then(Value::as_f64).with_context(|| format!("a run's figures lack {at}: {figures}"))
}

/// The median and the range of some values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of one value or more.
    pub(crate) fn of(mut values: Vec<f64>) -> Result<Self> {
        values.sort_by(f64::total_cmp);
        let (least, most) = values.first().zip(values.last()).context("nothing was measured")?;
        let (lower, upper) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Ok(Self { median: f64::midpoint(lower, upper), least: *least, most: *most })
    }

    /// Of one divided by each.
    pub(crate) fn inverse(self) -> Self {
        Self { median: 1.0 / self.median, least: 1.0 / self.most, most: 1.0 / self.least }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} - {})", figure(self.median), figure(self.least), figure(self.most))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use serde_json::json;

    use super::{RATE, Row, Spread, run};
    use crate::bench::Plan;

    #[test]
    fn the_median_of_few_values_and_their_range() {
        let spread = Spread::of(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!(spread, Spread { median: 2.0, least: 1.0, most: 3.0 });
        assert_eq!(Spread::of(vec![4.0, 1.0]).unwrap().median, 2.5);
        assert_eq!(spread.inverse(), Spread { median: 0.5, least: 1.0 / 3.0, most: 1.0 });
        assert!(Spread::of(Vec::new()).is_err());
        assert_eq!(spread.to_string(), "2.00 (1.00 - 3.00)");
    }

    #[test]
    fn ratios_are_of_pairs_and_not_of_medians() {
        let run = |rate: f64| json!({"callsPerSecond": rate});
        let row = Row {
            call: "encrypt",
            concurrency: 1,
            pairs: vec![(run(100.0), run(50.0)), (run(10.0), run(9.0)), (run(1000.0), run(700.0))],
        };
        assert_eq!(row.ratio(RATE).unwrap(), Spread { median: 0.7, least: 0.5, most: 0.9 });
        assert_eq!(row.theirs(RATE).unwrap().median, 100.0);
        assert!(row.ours("/absent").unwrap_err().to_string().contains("/absent"));
    }

    #[test]
    fn the_two_sides_take_turns() {
        let order = RefCell::new(String::new());
        let side = |letter: char| {
            let order = &order;
            move |_: &str, _: u16| {
                order.borrow_mut().push(letter);
                Ok(json!({"callsPerSecond": 1.0}))
            }
        };
        let rows = run(Plan { pairs: 2, run: Duration::ZERO }, &[1, 16], side('A'), side('B')).unwrap();
        assert_eq!((rows.len(), order.into_inner()), (4, "AB".repeat(8)));
    }
}
