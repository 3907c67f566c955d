//! The regions that have the key: asked in their order, those last that failed or refused what another one granted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::timeout;
use trousseau_core::{Call, ErrorKind, ProviderError};

use crate::answers::{Blames, Failure};
use crate::arn::KeyArn;

/// The key in all of its regions, its own first.
pub(crate) struct Places(Vec<Place>);

/// The key in one region.
pub(crate) struct Place {
    region: String,
    arn: Arc<str>,
    down: AtomicBool,
    /// What the last probe found there, if it was not good.
    trouble: Mutex<Option<String>>,
}

impl Places {
    pub(crate) fn new<'a>(arn: &KeyArn, regions: impl Iterator<Item = &'a str>) -> Self {
        let place = |region: &str| Place {
            region: region.to_owned(),
            arn: arn.in_region(region).into(),
            down: AtomicBool::new(false),
            trouble: Mutex::default(),
        };
        Self(regions.map(place).collect())
    }

    /// The key's ARN in each region.
    pub(crate) fn arns(&self) -> impl ExactSizeIterator<Item = Arc<str>> {
        self.0.iter().map(|place| Arc::clone(&place.arn))
    }

    /// Asks one region after the other until one gives a good answer; each gets its share of the time that is left.
    /// What all of them refuse is refused; while one can't be asked, a refusal of the others decides nothing. What one
    /// of them says of the wrap itself, all would say: they share the key's material.
    pub(crate) async fn ask<T, F>(&self, call: &Call, asked: impl Fn(usize, Arc<str>) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let order = self.order();
        let mut verdict = Verdict::default();
        for (already, at) in order.iter().copied().enumerate() {
            let Some(place) = self.0.get(at) else { continue };
            let left = u32::try_from(order.len() - already).unwrap_or(1);
            let outcome = timeout(call.remaining() / left.max(1), asked(at, Arc::clone(&place.arn))).await;
            let outcome = outcome.unwrap_or_else(|_| Err(place.silent(self.0.len() > 1)));
            self.note(at, outcome.as_ref().err());
            match outcome {
                Ok(answer) => {
                    self.put_last(verdict.refused());
                    return Ok(answer);
                }
                Err(failure) if is_of_the_wrap(failure.error.kind()) => return Err(failure),
                Err(failure) => verdict.add(at, failure),
            }
        }
        Err(verdict.reached())
    }

    /// Notes how a call to a region ended.
    fn note(&self, at: usize, failure: Option<&Failure>) {
        match failure {
            Some(failure) if is_outage(failure.error.kind()) => self.turn(at, Some(failure)),
            // Who may not do this may be allowed something else.
            None | Some(Failure { blames: Blames::Permission, .. }) => self.turn(at, None),
            Some(_) => {}
        }
    }

    /// Regions that refused what another one granted: else each call would begin with a refusal.
    pub(crate) fn put_last<'a>(&self, refused: impl Iterator<Item = (usize, &'a Failure)>) {
        refused.for_each(|(at, failure)| self.turn(at, Some(failure)));
    }

    fn turn(&self, at: usize, trouble: Option<&Failure>) {
        let Some(place) = self.0.get(at) else { return };
        let was = place.down.swap(trouble.is_some(), Ordering::Relaxed);
        match trouble {
            _ if was == trouble.is_some() || self.0.len() == 1 => {}
            Some(failure) => {
                let why = failure.error.chain();
                tracing::warn!(region = %place.region, why, "AWS KMS in this region is asked last from now on");
            }
            None => tracing::warn!(region = %place.region, "AWS KMS in this region is asked in its turn again"),
        }
    }

    /// Notes what a probe found in a region.
    pub(crate) fn found(&self, at: usize, failure: Option<&Failure>) {
        self.note(at, failure);
        if let Some(place) = self.0.get(at) {
            let text = failure.map(|failure| failure.error.chain());
            *place.trouble.lock().unwrap_or_else(PoisonError::into_inner) = text;
        }
    }

    /// A line for each region, if there are several.
    pub(crate) fn report(&self) -> Vec<(bool, String)> {
        let line = |place: &Place| match &*place.trouble.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(trouble) => (false, format!("{}: {trouble}", place.region)),
            None => (true, place.region.clone()),
        };
        if self.0.len() > 1 { self.0.iter().map(line).collect() } else { Vec::new() }
    }

    fn order(&self) -> Vec<usize> {
        let mut order: Vec<_> = (0..self.0.len()).collect();
        // Stable: among equals the configured order stays.
        order.sort_by_key(|at| self.0.get(*at).is_some_and(|place| place.down.load(Ordering::Relaxed)));
        order
    }
}

impl Place {
    fn silent(&self, several: bool) -> Failure {
        // The only one had all the time that the caller gave.
        let kind = if several { ErrorKind::Unreachable } else { ErrorKind::Deadline };
        let text = format!("AWS KMS in {}: no answer within its share of the call's time", self.region);
        Failure { error: ProviderError::new(kind, text), blames: Blames::Nothing }
    }
}

/// What several failures come to.
#[derive(Default)]
pub(crate) struct Verdict {
    outage: Option<Failure>,
    refusals: Vec<(usize, Failure)>,
}

impl Verdict {
    pub(crate) fn add(&mut self, at: usize, failure: Failure) {
        if is_outage(failure.error.kind()) {
            self.outage.get_or_insert(failure);
        } else {
            self.refusals.push((at, failure));
        }
    }

    pub(crate) fn refused(&self) -> impl Iterator<Item = (usize, &Failure)> {
        self.refusals.iter().map(|(at, failure)| (*at, failure))
    }

    pub(crate) fn reached(self) -> Failure {
        let refusal = self.refusals.into_iter().min_by_key(|(at, _)| *at).map(|(_, failure)| failure);
        self.outage.or(refusal).unwrap_or_else(|| Failure {
            error: ProviderError::new(ErrorKind::Unusable, "AWS KMS: no region is configured"),
            blames: Blames::Nothing,
        })
    }
}

/// Whether a failure is the wrap's, not the region's.
fn is_of_the_wrap(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Malformed | ErrorKind::Unauthentic)
}

/// Whether a region can't be asked right now, so that it says nothing about the key.
fn is_outage(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Deadline | ErrorKind::Server | ErrorKind::Throttled | ErrorKind::Unreachable)
}
