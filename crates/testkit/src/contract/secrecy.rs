//! Nothing that is wrapped shows in a text, or stays in memory (I9).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use trousseau_core::{KeyVersion, ProviderError, Secret, Wrapped};

use super::Subject;
use super::bench::{Bench, SEED, call, seed};
use super::memory::Needle;

fn silent(text: &str) {
    let hex: String = SEED.iter().map(|byte| format!("{byte:02x}")).collect();
    let listed = format!("{SEED:?}");
    let listed = listed.trim_matches(['[', ']']);
    for form in ["CANARY", &STANDARD.encode(SEED)[..16], &hex[..16], &listed[..24]] {
        assert!(!text.contains(form), "what was wrapped stands in: {text}");
    }
}

fn silent_error(error: &ProviderError) {
    silent(&error.to_string());
    silent(&error.chain());
    silent(&format!("{error:?} {error:#?}"));
}

pub(super) async fn errors_do_not_show_what_is_wrapped(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let odd = [KeyVersion::Number(0), KeyVersion::Number(u32::MAX), KeyVersion::Name("no-such-version".into())];
    for version in &odd {
        if let Err(error) = bench.key.wrap(version, &seed(), bench.aad, &call()).await {
            silent_error(&error);
        }
        // The plaintext itself in the place of a wrap: what a provider quotes of its input shows here.
        let wrapped = Wrapped { version: version.clone(), bytes: SEED.to_vec() };
        if let Err(error) = bench.try_open(&wrapped, bench.aad).await {
            silent_error(&error);
        }
    }
    let quoted = Wrapped { version: bench.version.clone(), bytes: SEED.repeat(4) };
    silent_error(&bench.try_open(&quoted, bench.aad).await.expect_err("it is no wrap"));
    let mut changed = bench.wrap().await;
    changed.bytes[0] ^= 1;
    silent_error(&bench.try_open(&changed, bench.aad).await.expect_err("it was changed"));
    silent_error(&bench.try_open(&changed, Some(b"other")).await.expect_err("it was changed"));
}

pub(super) async fn answers_do_not_show_what_is_wrapped(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let wrapped = bench.wrap().await;
    silent(&format!("{wrapped:?} {:?} {:?}", bench.observe().await, bench.key.describe()));
    let opened = bench.key.unwrap(&wrapped.version, &wrapped.bytes, bench.aad, &call()).await.expect("it opens");
    silent(&format!("{opened:?}"));
}

/// Raw bytes alone are looked for: what encodes them is another form, and there are too many.
pub(super) async fn what_is_dropped_is_wiped(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let needle = {
        let mut bytes = vec![0; 32];
        assert!(aws_lc_rs::rand::fill(&mut bytes).is_ok(), "the operating system gave no random bytes");
        let plaintext = Secret::new(bytes);
        let needle = Needle::of(&plaintext);
        let wrapped = bench.key.wrap(&bench.version, &plaintext, bench.aad, &call()).await.expect("it wraps");
        let opened = bench.try_open(&wrapped, bench.aad).await.expect("it opens");
        assert!(opened.same_as(&plaintext), "it opened to something else");
        assert!(needle.count() > 1, "the search doesn't find what is there");
        needle
    };
    // A task that ends a moment later, as a connection's does, may hold it until then.
    for _ in 0..10 {
        if needle.count() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("a plaintext lies in memory {} times after it was dropped; hold every copy in `Secret`", needle.count());
}
