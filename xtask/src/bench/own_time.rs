//! Own time: a call's time without the wait for the KMS, from the plugin's own histogram.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::guard::{Bound, Guard};
use super::program::Plugin;

/// Buckets of `trousseau_rpc_own_seconds`: upper bound in seconds, and how many calls were at or below it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct OwnTime(Vec<(f64, u64)>);

impl OwnTime {
    /// Reads one operation's buckets from a metrics page; empty if it was never called.
    pub(crate) fn read(page: &str, operation: &str) -> Result<Self> {
        let mut buckets = Vec::new();
        let wanted = [r#"api="v2""#.to_owned(), format!("operation=\"{operation}\"")];
        for line in page.lines() {
            let Some(rest) = line.strip_prefix("trousseau_rpc_own_seconds_bucket{") else { continue };
            let (labels, count) = rest.split_once("} ").with_context(|| line.to_owned())?;
            if !wanted.iter().all(|label| labels.split(',').any(|other| other == label)) {
                continue;
            }
            let bound = labels.split(',').find_map(|label| label.strip_prefix("le=\"")?.strip_suffix('"'));
            let bound = bound.with_context(|| line.to_owned())?;
            let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().with_context(|| line.to_owned())? };
            buckets.push((bound, count.parse().with_context(|| line.to_owned())?));
        }
        Ok(Self(buckets))
    }

    /// The calls since an earlier reading.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let before = |bound: f64| earlier.0.iter().find(|(other, _)| *other == bound).map_or(0, |(_, count)| *count);
        Self(self.0.iter().map(|(bound, count)| (*bound, count - before(*bound))).collect())
    }

    /// Two readings as one.
    pub(crate) fn plus(&self, other: &Self) -> Self {
        if self.0.is_empty() {
            return other.clone();
        }
        Self(self.0.iter().zip(&other.0).map(|((bound, one), (_, two))| (*bound, one + two)).collect())
    }

    pub(crate) fn calls(&self) -> u64 {
        self.0.last().map_or(0, |(_, count)| *count)
    }

    /// The bucket that this share of calls lies at or below, as its upper bound in microseconds; NaN without calls.
    pub(crate) fn bound_of(&self, share: f64) -> f64 {
        let wanted = share * self.calls() as f64;
        let found = self.0.iter().find(|(_, count)| self.calls() > 0 && *count as f64 >= wanted);
        found.map_or(f64::NAN, |(bound, _)| bound * 1e6)
    }

    /// The share of calls at or below each bound, up to the first that has all of them.
    pub(crate) fn line(&self) -> String {
        let calls = self.calls();
        let mut parts = Vec::new();
        for (bound, count) in &self.0 {
            if *count > 0 {
                parts.push(format!("{} us {:.2} %", (bound * 1e6).round(), 100.0 * *count as f64 / calls as f64));
            }
            if *count == calls {
                break;
            }
        }
        parts.join(", ")
    }

    pub(crate) fn json(&self) -> Value {
        let buckets: Vec<_> = self.0.iter().map(|(bound, count)| json!([bound.to_string(), count])).collect();
        json!({"cumulativeBySeconds": buckets})
    }
}

/// Own time at c = 1, of each operation.
pub(crate) struct Own([(&'static str, OwnTime); 2]);

/// What the service itself may take, in microseconds, of 99 in 100 calls.
const OWN: f64 = 100.0;

impl Default for Own {
    fn default() -> Self {
        Self(["Encrypt", "Decrypt"].map(|operation| (operation, OwnTime::default())))
    }
}

impl Own {
    /// Makes one run, and takes its own time if it is one at c = 1.
    pub(crate) fn around(
        &mut self,
        plugin: &Plugin,
        call: &str,
        concurrency: u16,
        run: impl FnOnce() -> Result<Value>,
    ) -> Result<Value> {
        let slot = self.0.iter_mut().find(|(operation, _)| operation.eq_ignore_ascii_case(call));
        let Some((operation, total)) = slot.filter(|_| concurrency == 1) else {
            return run();
        };
        let before = OwnTime::read(&plugin.metrics()?, operation)?;
        let figures = run()?;
        *total = total.plus(&OwnTime::read(&plugin.metrics()?, operation)?.since(&before));
        Ok(figures)
    }

    pub(crate) fn guards(&self, of: &str) -> Vec<Guard> {
        let guard = |(operation, own): &(&str, OwnTime)| Guard {
            what: format!("own time of {operation} with {of}, c=1, p99 at or below"),
            measured: own.bound_of(0.99),
            bound: Bound::AtMost(OWN),
            unit: "us",
            range: None,
            note: format!("{} calls", own.calls()),
        };
        self.0.iter().map(guard).collect()
    }

    pub(crate) fn lines(&self) -> String {
        let line = |(operation, own): &(&str, OwnTime)| format!("Own time of {operation}, c=1: {}.\n", own.line());
        self.0.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn json(&self) -> Value {
        self.0
            .iter()
            .map(|(operation, own)| (operation.to_string(), own.json()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::OwnTime;

    const PAGE: &str = r#"# TYPE trousseau_rpc_own_seconds histogram
trousseau_rpc_own_seconds_sum{api="v2",operation="Encrypt"} 0.1
trousseau_rpc_own_seconds_bucket{le="0.00001",api="v2",operation="Encrypt"} 90
trousseau_rpc_own_seconds_bucket{le="0.0001",api="v2",operation="Encrypt"} 98
trousseau_rpc_own_seconds_bucket{le="+Inf",api="v2",operation="Encrypt"} 100
trousseau_rpc_own_seconds_bucket{le="0.00001",api="v1",operation="Encrypt"} 7
trousseau_rpc_seconds_bucket{le="0.00001",api="v2",operation="Encrypt"} 7
"#;

    #[test]
    fn a_quantile_is_the_upper_bound_of_its_bucket() {
        let own = OwnTime::read(PAGE, "Encrypt").unwrap();
        assert_eq!((own.calls(), own.bound_of(0.5).round(), own.bound_of(0.98).round()), (100, 10.0, 100.0));
        assert_eq!(own.bound_of(0.99), f64::INFINITY);
        assert_eq!(own.line(), "10 us 90.00 %, 100 us 98.00 %, inf us 100.00 %");
        let none = OwnTime::read(PAGE, "Decrypt").unwrap();
        assert!(none.calls() == 0 && none.bound_of(0.99).is_nan());
    }

    #[test]
    fn two_readings_differ_by_what_was_called_between() {
        let earlier = OwnTime::read(PAGE, "Encrypt").unwrap();
        let now = OwnTime::read(&PAGE.replace("} 9", "} 19").replace("} 100", "} 200"), "Encrypt").unwrap();
        let between = now.since(&earlier);
        assert_eq!(between.calls(), 100);
        assert_eq!(between.plus(&earlier), now);
        assert_eq!(now.since(&OwnTime::read("", "Encrypt").unwrap()), now);
    }
}
