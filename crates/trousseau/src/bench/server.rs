//! What the server's process uses, read from /proc.

use std::fs;
use std::time::Duration;

use serde::Serialize;

/// CPU time and memory of a process at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    cpu: Duration,
    resident: u64,
    peak: u64,
}

/// The server's cost.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Server {
    /// The process that listens on the socket.
    pub pid: i32,
    /// User and system time for each call, in microseconds; absent where another process took the socket over meanwhile.
    pub cpu_micros_per_call: Option<f64>,
    /// Resident memory after the run, in bytes.
    pub resident_bytes: u64,
    /// The most that it ever had, in bytes.
    pub peak_bytes: u64,
}

impl Server {
    /// What `calls` cost between two readings; nothing where the process can't be seen (another container's).
    pub(super) fn between(
        then: Option<i32>,
        now: Option<i32>,
        before: Option<Usage>,
        after: Option<Usage>,
        calls: u64,
    ) -> Option<Self> {
        let (pid, after) = (now?, after?);
        let spent = before.filter(|_| then == now && calls > 0).map(|before| after.cpu.saturating_sub(before.cpu));
        Some(Self {
            pid,
            cpu_micros_per_call: spent.map(|spent| spent.as_secs_f64() * 1e6 / calls as f64),
            resident_bytes: after.resident,
            peak_bytes: after.peak,
        })
    }
}

/// Reads it; `None` if the process is gone or hidden.
pub(super) fn usage(pid: i32) -> Option<Usage> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kilobytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(Usage {
        cpu: Duration::from_millis(10 * ticks(&stat)?),
        resident: kilobytes("VmRSS:")? * 1024,
        peak: kilobytes("VmHWM:")? * 1024,
    })
}

/// Fields 14 and 15 of proc_pid_stat(5), in ticks of 10 ms (USER_HZ is 100 on every Linux architecture we build for).
/// The name in field 2 may hold anything, so what counts is after its last parenthesis.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::{ticks, usage};

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) 9 (b) S 1 7 7 0 -1 4194304 100 0 0 0 31 11 0 0 20 0 4 0 9 1 1";
        assert_eq!(ticks(stat), Some(42));
    }

    #[test]
    fn this_process_can_be_seen_and_an_absent_one_not() {
        let here = usage(std::process::id().cast_signed()).unwrap();
        assert!(here.resident > 100_000 && here.peak >= here.resident, "{here:?}");
        assert!(usage(i32::MAX).is_none());
    }
}
