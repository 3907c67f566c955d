//! What wraps every provider once, from outside: deadline, bounded concurrency, retries, breaker, measurement.

mod backoff;
mod breaker;
mod budget;
mod places;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout_at};

pub use backoff::{jittered, pause};
use breaker::Breaker;
use budget::Budget;
use places::{NoPlace, Places};

use crate::error::{ErrorKind, ProviderError, Retry};
use crate::events::{Bound, Event, Events, Operation};
use crate::provider::{Call, Description, Observation, Provider, Unwrapped, Wrapped};
use crate::secret::Secret;
use crate::version::KeyVersion;

/// The bounds of one provider (I8). All have a name in the configuration, under `limits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls to the KMS at once. Wraps take at most three quarters of them.
    pub in_flight: usize,
    /// Calls that wait for a free place, wraps and others counted apart; the next one is refused.
    pub queue: usize,
    /// Tries of one call, the first included.
    pub attempts: u32,
    /// Failures in a row that open the breaker.
    pub breaker_failures: u32,
    /// The longest time that the breaker stays open before it lets one call through; the first time is a tenth of it.
    pub breaker_open: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { in_flight: 64, queue: 256, attempts: 3, breaker_failures: 5, breaker_open: Duration::from_secs(10) }
    }
}

/// A provider with a deadline on each call, a bound on calls in flight, retries inside the caller's deadline, and a
/// breaker. Probes go past queue and breaker and are never retried: they are what finds out.
///
/// It is a [`Provider`] itself, so whatever takes one takes a guarded one:
///
/// ```
/// # mod kms { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/in_memory/kms.rs")); }
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use trousseau_core::events::Silent;
/// use trousseau_core::guard::{Guard, Limits};
/// use trousseau_core::{Call, ErrorKind, Provider as _, Secret};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kms = kms::InMemory::new().map_err(|_| "no random bytes")?;
/// let limits = Limits { in_flight: 8, ..Limits::default() };
/// let guarded = Guard::new("primary", Arc::new(kms), limits, Arc::new(Silent));
/// let (seed, late) = (Secret::new(vec![7; 32]), Call::within(Duration::ZERO));
/// let refused = guarded.wrap(&1.into(), &seed, None, &late).await;
/// assert_eq!(refused.unwrap_err().kind(), ErrorKind::Deadline);
/// # Ok(())
/// # }
/// ```
pub struct Guard {
    key: String,
    inner: Arc<dyn Provider>,
    limits: Limits,
    places: Places,
    /// A wrap takes one of these first. There are fewer, and who waits here waits apart, so that no wraps, however many or
    /// slow, hold up what reads.
    wraps: Places,
    breaker: Breaker,
    budget: Budget,
    events: Arc<dyn Events>,
}

/// One place in so many is never taken by a wrap.
const FOR_READING: usize = 4;
/// The time that a KMS must have had before its silence counts against it.
const FAIR: Duration = Duration::from_secs(1);

type Attempt<'a, T> = Pin<Box<dyn Future<Output = Result<T, ProviderError>> + Send + 'a>>;

impl Guard {
    /// Wraps the provider of the key with this name.
    pub fn new(key: impl Into<String>, inner: Arc<dyn Provider>, limits: Limits, events: Arc<dyn Events>) -> Self {
        let in_flight = limits.in_flight.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            key: key.into(),
            inner,
            limits,
            places: Places::new(in_flight),
            wraps: Places::new(in_flight - in_flight / FOR_READING),
            breaker: Breaker::new(limits.breaker_failures, limits.breaker_open),
            budget: Budget::default(),
            events,
        }
    }

    async fn run<'a, T: Send>(
        &'a self,
        operation: Operation,
        call: &Call,
        attempt: impl Fn(Call) -> Attempt<'a, T> + Send + Sync,
    ) -> Result<T, ProviderError> {
        let _places = self.places(operation, call).await?;
        self.budget.earn();
        let mut framed = call.clone();
        let mut tries = 1;
        loop {
            let error = match self.once(operation, &framed, &attempt).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let wait = match error.kind().retry() {
                Retry::ActiveNode if !framed.active_node => {
                    framed = framed.on_active_node();
                    Duration::ZERO
                }
                Retry::Backoff if !call.probe => error.retry_after().unwrap_or_else(|| pause(tries)),
                Retry::ActiveNode | Retry::Backoff | Retry::No => return Err(error),
            };
            // What the KMS asks for may be longer than any clock.
            let again = Instant::now().checked_add(wait).filter(|again| *again < call.deadline);
            let Some(again) = again.filter(|_| tries < self.limits.attempts) else {
                return Err(error);
            };
            if !self.budget.spend() {
                self.events.on(&Event::BoundHit(Bound::RetryBudget));
                return Err(error);
            }
            tries += 1;
            sleep_until(again).await;
        }
    }

    /// One call to the KMS, inside the deadline, counted and measured.
    async fn once<'a, T: Send>(
        &'a self,
        operation: Operation,
        call: &Call,
        attempt: &(impl Fn(Call) -> Attempt<'a, T> + Send + Sync),
    ) -> Result<T, ProviderError> {
        let began = Instant::now();
        if began >= call.deadline {
            return Err(self.out_of_time());
        }
        if !call.probe
            && let Err(wait) = self.breaker.admit(began)
        {
            self.events.on(&Event::BoundHit(Bound::Breaker));
            let text = format!(
                "key `{}`: the KMS failed {} times in a row; it is asked again in {} ms",
                self.key,
                self.limits.breaker_failures,
                wait.as_millis()
            );
            return Err(ProviderError::new(ErrorKind::BreakerOpen, text));
        }
        let outcome =
            timeout_at(call.deadline, attempt(call.clone())).await.unwrap_or_else(|_| Err(self.out_of_time()));
        let ended = Instant::now();
        let took = ended - began;
        call.add_wait(took);
        let kind = outcome.as_ref().err().map(ProviderError::kind);
        // A caller in a hurry says nothing about the KMS, neither good nor bad.
        let hurried = kind == Some(ErrorKind::Deadline) && took < FAIR;
        if !hurried && let Some(open) = self.breaker.record(kind.is_some_and(ErrorKind::trips_breaker), ended) {
            self.events.on(&Event::Breaker { key: &self.key, open });
        }
        self.events.on(&Event::KmsCall {
            key: &self.key,
            provider: self.inner.describe().kind,
            operation,
            outcome: kind.map_or(Ok(()), Err),
            took,
        });
        outcome
    }

    fn out_of_time(&self) -> ProviderError {
        self.events.on(&Event::BoundHit(Bound::Deadline));
        let text = format!("key `{}`: no answer from the KMS within the caller's time", self.key);
        ProviderError::new(ErrorKind::Deadline, text)
    }

    /// The places that a call needs: none for a probe, two for a wrap.
    async fn places(
        &self,
        operation: Operation,
        call: &Call,
    ) -> Result<[Option<SemaphorePermit<'_>>; 2], ProviderError> {
        if call.probe {
            return Ok([None, None]);
        }
        let wrap = if operation == Operation::Wrap { Some(self.place(&self.wraps, call).await?) } else { None };
        Ok([wrap, Some(self.place(&self.places, call).await?)])
    }

    /// A place among the calls in flight, for which a bounded number may wait.
    async fn place<'a>(&self, places: &'a Places, call: &Call) -> Result<SemaphorePermit<'a>, ProviderError> {
        let refused = match places.take(self.limits.queue, call.deadline).await {
            Ok(place) => return Ok(place),
            Err(refused) => refused,
        };
        let (bound, kind, text) = match refused {
            NoPlace::QueueFull => {
                (Bound::Queue, ErrorKind::QueueFull, format!("{} calls wait for the KMS already", self.limits.queue))
            }
            NoPlace::Deadline => {
                let text = "no free place to the KMS within the caller's time".to_owned();
                (Bound::Deadline, ErrorKind::Deadline, text)
            }
        };
        self.events.on(&Event::BoundHit(bound));
        Err(ProviderError::new(kind, format!("key `{}`: {text}", self.key)))
    }
}

#[async_trait]
impl Provider for Guard {
    fn describe(&self) -> &Description {
        self.inner.describe()
    }

    async fn upkeep(&self, call: &Call) {
        // A folder that hangs must leave time for the KMS.
        if timeout_at(Instant::now() + call.remaining() / 2, self.inner.upkeep(call)).await.is_err() {
            self.events.on(&Event::BoundHit(Bound::Upkeep));
        }
    }

    async fn presence(&self, call: &Call) -> Result<(), ProviderError> {
        let attempt = |call: Call| -> Attempt<'_, ()> { Box::pin(async move { self.inner.presence(&call).await }) };
        self.run(Operation::Presence, call, attempt).await
    }

    async fn observe(&self, call: &Call) -> Result<Observation, ProviderError> {
        let attempt = |call: Call| -> Attempt<'_, _> { Box::pin(async move { self.inner.observe(&call).await }) };
        self.run(Operation::Observe, call, attempt).await
    }

    async fn wrap(
        &self,
        version: &KeyVersion,
        plaintext: &Secret,
        aad: Option<&[u8]>,
        call: &Call,
    ) -> Result<Wrapped, ProviderError> {
        let attempt = |call: Call| -> Attempt<'_, _> {
            Box::pin(async move { self.inner.wrap(version, plaintext, aad, &call).await })
        };
        self.run(Operation::Wrap, call, attempt).await
    }

    async fn unwrap(
        &self,
        version: &KeyVersion,
        wrap: &[u8],
        aad: Option<&[u8]>,
        call: &Call,
    ) -> Result<Unwrapped, ProviderError> {
        let attempt = |call: Call| -> Attempt<'_, _> {
            Box::pin(async move { self.inner.unwrap(version, wrap, aad, &call).await })
        };
        self.run(Operation::Unwrap, call, attempt).await
    }

    fn wrap_size(&self) -> usize {
        self.inner.wrap_size()
    }

    fn is_composed(&self) -> bool {
        self.inner.is_composed()
    }

    fn marks(&self) -> Vec<(KeyVersion, String)> {
        self.inner.marks()
    }

    fn report(&self) -> Vec<(bool, String)> {
        self.inner.report()
    }
}

#[cfg(test)]
mod tests;
