//! Bounded waiting: the only place in this crate that sleeps.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Calls `attempt` until it answers `Some`, at growing distances (20 ms to 250 ms).
///
/// An error of `attempt` ends the wait at once; `Ok(None)` means "not yet". `what` completes the sentence
/// "gave up after 30 s waiting for ...". The last attempt is made at or after `timeout`.
pub fn until<T>(timeout: Duration, what: &str, mut attempt: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    let mut distance = Duration::from_millis(20);
    loop {
        let last = start.elapsed() >= timeout;
        if let Some(value) = attempt()? {
            return Ok(value);
        }
        if last {
            bail!("gave up after {:.0?} waiting for {what}", timeout);
        }
        pause(distance);
        distance = (distance * 3 / 2).min(Duration::from_millis(250));
    }
}

/// Waits that long.
#[expect(clippy::disallowed_methods, reason = "synchronous code without a runtime; every caller bounds its loop")]
pub fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_with_the_value_the_error_or_the_bound() {
        let mut calls = 0;
        let value = until(Duration::from_secs(5), "three", || {
            calls += 1;
            Ok((calls == 3).then_some(calls))
        });
        assert_eq!(value.unwrap(), 3);
        let error = until::<()>(Duration::from_secs(5), "x", || bail!("broken")).unwrap_err();
        assert_eq!(error.to_string(), "broken");
        let error = until::<()>(Duration::ZERO, "the moon", || Ok(None)).unwrap_err();
        assert_eq!(error.to_string(), "gave up after 0ns waiting for the moon");
    }
}
