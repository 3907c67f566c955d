//! The `health:`, `probe:` and `limits:` sections: every time and every bound.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use trousseau_core::{guard, probe, promotion};

/// When trouble of the KMS becomes trouble of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Health {
    /// How long Status stays `ok` after the last good probe. At least twice the probe's interval. Default 2 min.
    #[serde(with = "super::yaml::duration")]
    #[schemars(with = "String")]
    pub grace: Duration,
}

/// The background probe and the promotion rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Probe {
    /// Between good probes, +-20 %. Default 30 s.
    #[serde(with = "super::yaml::duration")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// After a failed one, +-20 %. Default 5 s.
    #[serde(with = "super::yaml::duration")]
    #[schemars(with = "String")]
    pub after_failure: Duration,
    /// How long one probe may take. Default 10 s.
    #[serde(with = "super::yaml::duration")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// Age at which a new key version begins to write; at least twice the interval. Default 3 min.
    #[serde(with = "super::yaml::duration")]
    #[schemars(with = "String")]
    pub promotion_delay: Duration,
    /// Equal observations that do the same where the KMS tells no times. Default 3.
    pub observations: u32,
}

/// Bounds. What is refused because of one is counted under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Limits {
    /// Calls to the KMS at once, per key. Default 64, of which Encrypts take 48 at most (three quarters of any).
    pub in_flight: usize,
    /// Calls that wait for a free place, per key; Encrypts and others counted apart. Default 256.
    pub queue: usize,
    /// Connections to the socket. Default 64.
    pub connections: usize,
    /// The largest gRPC request. Default 64 kB.
    pub request: Size,
    /// What is left of a caller's time for the way back. Default 200 ms.
    #[serde(with = "super::yaml::duration")]
    #[schemars(with = "String")]
    pub margin: Duration,
    /// How long calls in flight may go on when the process ends. Default 10 s.
    #[serde(with = "super::yaml::duration")]
    #[schemars(with = "String")]
    pub drain: Duration,
    /// Tries of one call to the KMS, the first included. Default 3.
    pub attempts: u32,
    /// Failures in a row that open the breaker. Default 5.
    pub breaker_failures: u32,
    /// The longest time that the breaker stays open. Default 10 s.
    #[serde(with = "super::yaml::duration")]
    #[schemars(with = "String")]
    pub breaker_open: Duration,
}

/// A number of bytes: `65536`, or with `kB` (1000), `KiB` (1024), `MB`, `MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub usize);

impl Default for Health {
    fn default() -> Self {
        Self { grace: Duration::from_secs(120) }
    }
}

impl Default for Probe {
    fn default() -> Self {
        let times = probe::ProbeTimes::default();
        let rule = promotion::PromotionRule::default();
        Self {
            interval: times.interval,
            after_failure: times.after_failure,
            timeout: times.timeout,
            promotion_delay: rule.delay,
            observations: rule.observations,
        }
    }
}

impl Probe {
    /// As core's probe takes them.
    pub fn times(&self) -> probe::ProbeTimes {
        let Self { interval, after_failure, timeout, .. } = *self;
        probe::ProbeTimes { interval, after_failure, timeout, ..probe::ProbeTimes::default() }
    }

    /// As core's promotion takes it.
    pub const fn rule(&self) -> promotion::PromotionRule {
        promotion::PromotionRule { delay: self.promotion_delay, observations: self.observations }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let guard::Limits { in_flight, queue, attempts, breaker_failures, breaker_open } = guard::Limits::default();
        Self {
            in_flight,
            queue,
            connections: 64,
            request: Size(64_000),
            margin: Duration::from_millis(200),
            drain: Duration::from_secs(10),
            attempts,
            breaker_failures,
            breaker_open,
        }
    }
}

impl Limits {
    /// As core's guard takes them.
    pub const fn guard(&self) -> guard::Limits {
        let Self { in_flight, queue, attempts, breaker_failures, breaker_open, .. } = *self;
        guard::Limits { in_flight, queue, attempts, breaker_failures, breaker_open }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
        let unit = match text[digits.len()..].trim() {
            "" | "B" => Some(1),
            "kB" => Some(1000),
            "KiB" => Some(1024),
            "MB" => Some(1_000_000),
            "MiB" => Some(1024 * 1024),
            _ => None,
        };
        let bytes = digits.parse().ok().zip(unit).and_then(|(number, unit): (usize, usize)| number.checked_mul(unit));
        bytes.map(Self).ok_or_else(|| D::Error::custom("is no size; write bytes, such as 65536, 64kB or 64KiB"))
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["integer", "string"], "pattern": "^[0-9]+ *(B|kB|KiB|MB|MiB)?$"})
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
