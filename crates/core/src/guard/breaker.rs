//! The circuit breaker: after some failures in a row the KMS is left alone for a while, then asked by one call.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub(super) struct Breaker {
    threshold: u32,
    longest: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failures: u32,
    /// Set while open; a trial call moves it on, so that only one goes at a time.
    closed_until: Option<Instant>,
    /// A trial call is under way.
    trial: bool,
    openings: u32,
}

impl Breaker {
    pub(super) fn new(threshold: u32, longest: Duration) -> Self {
        Self { threshold: threshold.max(1), longest, state: Mutex::default() }
    }

    /// Lets a call through, or says how long none goes.
    pub(super) fn admit(&self, now: Instant) -> Result<(), Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.closed_until {
            Some(until) if now < until => Err(until - now),
            Some(_) => {
                state.closed_until = Some(now + self.pause(state.openings));
                state.trial = true;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Takes the end of a call; answers with the new state if it changed (`true` = open).
    pub(super) fn record(&self, failed: bool, now: Instant) -> Option<bool> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !failed {
            let was_open = state.closed_until.is_some();
            *state = State::default();
            return was_open.then_some(false);
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures < self.threshold {
            return None;
        }
        let opened = state.closed_until.is_none();
        // Open, and this was not the trial: a probe, or a call that was under way when it opened. It says nothing new.
        if !opened && !std::mem::take(&mut state.trial) {
            return None;
        }
        state.openings = state.openings.saturating_add(1);
        state.closed_until = Some(now + self.pause(state.openings));
        opened.then_some(true)
    }

    /// A tenth of the longest time at first, doubled with each opening.
    fn pause(&self, openings: u32) -> Duration {
        (self.longest / 10).saturating_mul(1 << openings.saturating_sub(1).min(10)).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::{Breaker, Duration, Instant};

    #[test]
    fn opens_after_the_threshold_and_tries_one_call() {
        let breaker = Breaker::new(3, Duration::from_secs(10));
        let start = Instant::now();
        assert_eq!((0..3).map(|_| breaker.record(true, start)).collect::<Vec<_>>(), [None, None, Some(true)]);
        assert_eq!(breaker.admit(start), Err(Duration::from_secs(1)));
        let later = start + Duration::from_secs(1);
        assert_eq!(breaker.admit(later), Ok(()), "one trial");
        assert!(breaker.admit(later).is_err(), "and no second beside it");
        assert_eq!(breaker.record(true, later), None);
        assert_eq!(breaker.admit(later), Err(Duration::from_secs(2)), "then longer");
        let last = later + Duration::from_secs(2);
        assert_eq!(breaker.admit(last), Ok(()));
        assert_eq!(breaker.record(false, last), Some(false));
        assert_eq!(breaker.admit(last), Ok(()));
    }

    #[test]
    fn a_success_between_failures_starts_the_count_again() {
        let breaker = Breaker::new(2, Duration::from_secs(10));
        let now = Instant::now();
        for _ in 0..5 {
            assert_eq!(breaker.record(true, now), None);
            assert_eq!(breaker.record(false, now), None);
        }
        assert_eq!(breaker.admit(now), Ok(()));
    }
}
