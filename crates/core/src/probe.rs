//! The background probe: finds out whether the keys work, which version writes, and whether the writing key is still
//! the one that it was. Requests wait for its first round alone; Status speaks from what it last found (I7).

mod lineage;
mod prove;
mod round;
mod survive;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::clock::Clock;
use crate::error::ProviderError;
use crate::events::{Event, Events};
use crate::guard::jittered;
use crate::key::Key;
use crate::promotion::{Promotion, PromotionRule};
use crate::provider::{Call, Observation};
use crate::version::KeyVersion;
use crate::writer::Writer;

pub(crate) use lineage::Lineage;
use survive::survive;

/// The shortest time between two rounds.
const GAP: Duration = Duration::from_millis(250);

/// When the keys are probed, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeTimes {
    /// Between good probes, +-20 %.
    pub interval: Duration,
    /// After a failed one, +-20 %.
    pub after_failure: Duration,
    /// How long one round may take in all.
    pub timeout: Duration,
    /// The share of jitter, in percent.
    pub jitter_percent: u8,
}

impl Default for ProbeTimes {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { interval: seconds(30), after_failure: seconds(5), timeout: seconds(10), jitter_percent: 20 }
    }
}

impl ProbeTimes {
    fn pause(&self, good: bool) -> Duration {
        let time = if good { self.interval } else { self.after_failure.min(self.interval) };
        jittered(time, f64::from(self.jitter_percent) / 100.0)
    }
}

/// Probes the writing key, round by round.
pub struct Prober {
    key: Arc<Key>,
    writer: Arc<Writer>,
    times: ProbeTimes,
    promotion: Promotion,
    /// Whether this round is an observation of its own: one that somebody woke is not.
    counts: bool,
    /// This round opened what was wrapped before, so the key exists.
    found: bool,
    /// A list's members refuse what they wrapped before, so it must not be gone back to.
    lost: bool,
    /// The version that this round found lost by a restored backup.
    restored: Option<KeyVersion>,
    /// This round's list shares no version with what was proven, and the proven one is no more to be opened.
    suspected: bool,
    clock: Arc<dyn Clock>,
    events: Arc<dyn Events>,
}

impl Prober {
    /// A prober that knows only what `writer` announces already.
    pub fn new(
        key: Arc<Key>,
        writer: Arc<Writer>,
        rule: PromotionRule,
        times: ProbeTimes,
        clock: Arc<dyn Clock>,
        events: Arc<dyn Events>,
    ) -> Self {
        let promotion = Promotion::new(rule);
        Self {
            key,
            writer,
            times,
            promotion,
            counts: true,
            found: false,
            lost: false,
            restored: None,
            suspected: false,
            clock,
            events,
        }
    }

    /// Probes for ever: at the interval after a good round, sooner after a bad one, at once when woken. Drop the
    /// future to end it.
    pub async fn run(mut self) {
        let mut due: Option<Instant> = None;
        loop {
            let good = self.round().await.is_ok();
            let next = Instant::now() + self.times.pause(good);
            // Who wakes the probe does not put off its next observation: it might be woken for ever.
            let at = due.map_or(next, |due| due.min(next));
            // Tampered records wake the probe too; the gap keeps them from driving it.
            sleep(GAP.min(self.times.interval)).await;
            tokio::select! {
                biased;
                () = sleep_until(at) => (self.counts, due) = (true, None),
                () = self.writer.woken() => (self.counts, due) = (false, Some(at)),
            }
        }
    }

    /// One round. What it finds is announced before this returns.
    ///
    /// # Errors
    /// Why the key can't be trusted to encrypt right now.
    pub async fn round(&mut self) -> Result<(), ProviderError> {
        let call = Call::probe(self.times.timeout);
        self.writer.round_begins();
        let before = self.writer.load();
        let key = Arc::clone(&self.key);
        let found = match survive(key.name(), self.examine(&call)).await {
            Ok((seen, next)) => {
                self.announce_good(&before, next, &seen);
                Ok(())
            }
            Err(failure) => {
                self.announce_failure(&before, &failure);
                Err(failure.error)
            }
        };
        self.writer.round_ends();
        found
    }

    fn tell_good(&self, seen: &Observation, recovered: bool) {
        self.events.on(&Event::ProbeGood {
            key: self.key.name(),
            writing: true,
            credential_ttl: seen.credential_ttl,
            clock_skew: seen.clock_skew,
            recovered,
        });
    }
}

/// Probes a key that only reads: whether it exists and which versions it has. Its trouble never shows in Status.
pub async fn run_reading(key: Arc<Key>, times: ProbeTimes, events: Arc<dyn Events>) {
    let mut first = true;
    loop {
        let call = Call::probe(times.timeout);
        let round = async {
            key.upkeep(&call).await;
            key.presence(&call).await?;
            key.observe(&call).await
        };
        let outcome: Result<_, ProviderError> = survive(key.name(), round).await;
        match &outcome {
            Ok(seen) => events.on(&Event::ProbeGood {
                key: key.name(),
                writing: false,
                credential_ttl: seen.credential_ttl,
                clock_skew: seen.clock_skew,
                recovered: !first,
            }),
            Err(error) => events.on(&Event::ProbeFailed { key: key.name(), writing: false, error, first }),
        }
        first = outcome.is_ok();
        let good = outcome.is_ok();
        key.set_reading_failure(outcome.err().map(|error| error.chain()));
        sleep(times.pause(good)).await;
    }
}

#[cfg(test)]
mod tests;
