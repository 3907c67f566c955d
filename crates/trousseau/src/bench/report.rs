//! What a run came to, as text for people and as JSON for programs.

use std::collections::BTreeMap;
use std::fmt;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::Plan;
use super::call::{Api, Operation};
use super::load::Done;
use super::server::Server;

/// The figures of one run. The field names in JSON are kept.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The API's version.
    pub api: Api,
    /// What was called.
    pub call: Operation,
    /// Calls in flight; with a rate, at most.
    pub concurrency: usize,
    /// Connections that they were spread over.
    pub connections: usize,
    /// Calls that were to begin each second; null in a closed loop.
    pub rate: Option<f64>,
    /// From the first call's start to the last one's end.
    pub seconds: f64,
    /// Calls that ended, good or not.
    pub calls: u64,
    /// Of those, the ones that failed or were answered wrongly.
    pub failed: u64,
    /// Calls that were due and never begun, because the server did not keep up with the rate.
    pub unsent: u64,
    /// Good calls each second.
    pub calls_per_second: f64,
    /// Of all calls that ended, failed ones too; with a rate, from when each was due, and of those never begun until the
    /// end.
    pub latency_micros: Latency,
    /// How many failed, by gRPC code or by what was wrong with the answer.
    pub errors: BTreeMap<&'static str, u64>,
    /// The first failure's text.
    pub first_error: Option<String>,
    /// Connections made anew during the run.
    pub reconnects: u64,
    /// Tries that the server did not touch, because it was ending, and that were made again within the same call.
    pub retried: u64,
    /// The server's cost; null where its process can't be seen.
    pub server: Option<Server>,
}

/// Microseconds, to three digits.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// The mean.
    pub mean: f64,
    /// Half of the calls took no longer.
    pub p50: f64,
    /// 99 in 100 took no longer.
    pub p99: f64,
    /// 999 in 1000 took no longer.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

impl Report {
    pub(super) fn new(plan: &Plan, done: Done, server: Option<Server>, [reconnects, retried]: [u64; 2]) -> Self {
        let (calls, failed) = (done.calls, done.errors.values().sum());
        Self {
            api: plan.api,
            call: plan.operation,
            concurrency: plan.concurrency,
            connections: plan.connections.clamp(1, plan.concurrency),
            rate: plan.rate,
            seconds: done.seconds,
            calls,
            failed,
            unsent: done.unsent,
            calls_per_second: (calls - failed) as f64 / done.seconds,
            latency_micros: Latency::of(&done.latency),
            errors: done.errors,
            first_error: done.first_error,
            reconnects,
            retried,
            server,
        }
    }
}

/// Of the calls that were due, how many may stay unsent at a run's end: one more, and the server did not keep up.
const UNSENT_SHARE: f64 = 0.01;

impl Report {
    /// What makes the run a failed one.
    pub fn failure(&self) -> Option<String> {
        let Self { calls, failed, unsent, .. } = *self;
        if let Some(first) = &self.first_error {
            return Some(format!("{failed} of {calls} calls failed; the first: {first}"));
        }
        let due = calls + unsent;
        (unsent as f64 > due as f64 * UNSENT_SHARE).then(|| {
            format!("{unsent} of {due} calls were due and never begun: the server did not keep up with the rate")
        })
    }
}

impl Latency {
    fn of(nanos: &Histogram<u64>) -> Self {
        let micros = |nanos: u64| nanos as f64 / 1e3;
        let at = |quantile| micros(nanos.value_at_quantile(quantile));
        Self { mean: nanos.mean() / 1e3, p50: at(0.5), p99: at(0.99), p999: at(0.999), max: micros(nanos.max()) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.connections == 1 { "" } else { "s" };
        write!(f, "{:?} {:?}, ", self.api, self.call)?;
        match self.rate {
            Some(rate) => write!(f, "open loop at {rate}/s, at most {} in flight", self.concurrency)?,
            None => write!(f, "closed loop, {} in flight", self.concurrency)?,
        }
        writeln!(f, " over {} connection{plural}, {:.2} s", self.connections, self.seconds)?;
        writeln!(f, "  calls    {}, {} failed, {:.0} good ones/s", self.calls, self.failed, self.calls_per_second)?;
        let Latency { mean, p50, p99, p999, max } = self.latency_micros;
        writeln!(
            f,
            "  latency  p50 {}   p99 {}   p99.9 {}   max {}   mean {}",
            Time(p50),
            Time(p99),
            Time(p999),
            Time(max),
            Time(mean)
        )?;
        if let Some(server) = &self.server {
            write!(f, "  server   pid {}", server.pid)?;
            if let Some(micros) = server.cpu_micros_per_call {
                write!(f, ", {} of CPU per call", Time(micros))?;
            }
            let megabytes = |bytes: u64| bytes as f64 / 1e6;
            let (resident, peak) = (megabytes(server.resident_bytes), megabytes(server.peak_bytes));
            writeln!(f, ", {resident:.1} MB resident, {peak:.1} MB at its peak")?;
        }
        if self.reconnects > 0 {
            writeln!(f, "  connection made anew {} times", self.reconnects)?;
        }
        if self.retried > 0 {
            writeln!(f, "  {} tries were not touched by the server and made again", self.retried)?;
        }
        if self.unsent > 0 {
            writeln!(f, "  {} calls were due and never begun: the server did not keep up with the rate", self.unsent)?;
        }
        for (name, count) in &self.errors {
            writeln!(f, "  {count} x {name}")?;
        }
        Ok(())
    }
}

/// Microseconds for people.
struct Time(f64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            micros if micros < 100.0 => write!(f, "{micros:.1} us"),
            micros if micros < 10_000.0 => write!(f, "{micros:.0} us"),
            micros if micros < 1e6 => write!(f, "{:.1} ms", micros / 1e3),
            micros => write!(f, "{:.2} s", micros / 1e6),
        }
    }
}
