//! The wall clock, injected so that tests can turn it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Wall-clock time in whole Unix seconds: what creation times of keys are compared with. Durations inside the
/// process are measured with `tokio::time::Instant` instead.
pub trait Clock: Send + Sync + 'static {
    /// Seconds since 1970-01-01 UTC.
    fn unix_seconds(&self) -> u64;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn unix_seconds(&self) -> u64 {
        // A clock before 1970 reads as 0: then no version is old enough to be promoted, which is the safe side.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}
