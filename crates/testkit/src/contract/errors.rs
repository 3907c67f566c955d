//! An error tells what is wrong with the call from what is wrong with the KMS: only the latter is health.

use std::sync::Arc;

use trousseau_core::error::Retry;
use trousseau_core::{KeyVersion, ProviderError, Wrapped};

use super::Subject;
use super::bench::{Bench, call, seed};

/// An answer of a KMS that works: it neither opens the breaker nor is worth another try after a pause.
fn about_the_call(error: &ProviderError) {
    let kind = error.kind();
    assert!(!kind.trips_breaker(), "{kind:?} counts as an outage: {}", error.chain());
    assert_ne!(kind.retry(), Retry::Backoff, "{kind:?} would be tried again in vain: {}", error.chain());
}

pub(super) async fn a_bad_wrap_says_nothing_of_the_kms(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let good = bench.wrap().await;
    let mut changed = good.bytes.clone();
    changed[0] ^= 1;
    for bytes in [Vec::new(), vec![0], vec![0xFF; 4_096], changed, good.bytes.repeat(2)] {
        let bad = Wrapped { bytes, ..good.clone() };
        about_the_call(&bench.try_open(&bad, bench.aad).await.expect_err("it is no wrap of this key"));
    }
}

/// A header that somebody made up, with a good wrap behind it.
pub(super) async fn a_bad_version_says_nothing_of_the_kms(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let good = bench.wrap().await;
    let odd = ["", "no-such-version", "../../sys/seal", "a b\n", "\u{fffd}"].map(|name| KeyVersion::Name(name.into()));
    for version in odd.into_iter().chain([0, 1_000, u32::MAX].map(KeyVersion::Number)) {
        // A KMS whose wraps name their key themselves may open it all the same.
        match bench.key.unwrap(&version, &good.bytes, bench.aad, &call()).await {
            Ok(opened) => assert!(opened.plaintext.same_as(&seed()), "version {version} opened to something else"),
            Err(error) => about_the_call(&error),
        }
    }
    bench.opens(&good).await;
}

/// Log lines and gRPC messages are lines.
pub(super) async fn texts_are_one_line(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let bad = Wrapped { bytes: vec![7; 40], ..bench.wrap().await };
    let text = bench.try_open(&bad, bench.aad).await.expect_err("it is no wrap of this key").chain();
    assert!(!text.trim().is_empty() && !text.contains(char::is_control), "`{}`", text.escape_debug());
}
