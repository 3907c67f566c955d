//! Pauses between tries, and jitter, so that many nodes don't move in step.

use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

const FIRST: Duration = Duration::from_millis(40);
const LONGEST: Duration = Duration::from_secs(1);

/// The pause after the `tries`-th failed try: 40 ms doubled each time, at most 1 s, +-25 %.
pub fn pause(tries: u32) -> Duration {
    let doubled = FIRST.saturating_mul(1 << tries.saturating_sub(1).min(10));
    jittered(doubled.min(LONGEST), 0.25)
}

/// `time` changed by up to the given share of itself, either way.
pub fn jittered(time: Duration, share: f64) -> Duration {
    let mut bytes = [0; 4];
    // Without randomness there is no jitter, which only costs evenness.
    let random = match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    };
    time.mul_f64(1.0 + share * (2.0 * random - 1.0))
}

#[cfg(test)]
mod tests {
    use super::{Duration, jittered, pause};

    #[test]
    fn pauses_grow_and_stay_bounded() {
        assert!(pause(1) <= Duration::from_millis(50) && pause(1) >= Duration::from_millis(30));
        assert!(pause(30) <= Duration::from_millis(1250));
    }

    #[test]
    fn jitter_stays_in_its_share() {
        for _ in 0..1000 {
            let time = jittered(Duration::from_secs(10), 0.2);
            assert!(time >= Duration::from_secs(8) && time <= Duration::from_secs(12));
        }
    }
}
