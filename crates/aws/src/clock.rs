//! AWS's clock against ours: a signature is good for five minutes, so a clock that runs wrong ends all calls.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_kms::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_kms::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_kms::error::BoxError;
use aws_sdk_kms::primitives::{DateTime, DateTimeFormat};

/// What the last answer's `Date` said: AWS's clock minus ours, in seconds.
#[derive(Debug)]
pub(crate) struct Skew(AtomicI64);

const UNKNOWN: i64 = i64::MIN;

impl Default for Skew {
    fn default() -> Self {
        Self(AtomicI64::new(UNKNOWN))
    }
}

impl Skew {
    pub(crate) fn seconds(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|skew| *skew != UNKNOWN)
    }

    fn note(&self, date: &str, now: SystemTime) {
        let theirs = DateTime::from_str(date, DateTimeFormat::HttpDate).ok().map(|date| date.secs());
        let ours = now.duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok());
        if let Some(skew) = theirs.zip(ours).and_then(|(theirs, ours)| theirs.checked_sub(ours)) {
            self.0.store(skew, Ordering::Relaxed);
        }
    }
}

/// Reads the `Date` of every answer.
#[derive(Debug)]
pub(crate) struct ReadsDate(pub(crate) std::sync::Arc<Skew>);

impl Intercept for ReadsDate {
    fn name(&self) -> &'static str {
        "ReadsDate"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(date) = context.response().headers().get("date") {
            self.0.note(date, SystemTime::now());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::Skew;

    #[test]
    fn the_date_of_an_answer_tells_the_skew_and_junk_tells_nothing() {
        let (skew, now) = (Skew::default(), UNIX_EPOCH + Duration::from_secs(1_795_435_067));
        skew.note("yesterday", now);
        assert_eq!(skew.seconds(), None);
        skew.note("Mon, 23 Nov 2026 11:58:47 GMT", now);
        assert_eq!(skew.seconds(), Some(60));
        skew.note("", now);
        assert_eq!(skew.seconds(), Some(60));
    }
}
