//! What goes in comes out.

use std::sync::Arc;

use trousseau_core::{MAX_STORED, Secret};

use super::Subject;
use super::bench::{Bench, SEED, call, probe, seed};

/// What the envelope puts before a wrap, at least.
const HEADER: usize = 13;

async fn round_trip(subject: Arc<dyn Subject>, plaintext: &[u8]) {
    let bench = Bench::new(&subject).await;
    let wrapped = bench.wrap_bytes(plaintext, bench.aad).await;
    let opened = bench.try_open(&wrapped, bench.aad).await.expect("a fresh wrap opens");
    assert_eq!(opened.expose(), plaintext);
}

pub(super) async fn a_seed(subject: Arc<dyn Subject>) {
    round_trip(subject, SEED).await;
}

pub(super) async fn one_byte(subject: Arc<dyn Subject>) {
    round_trip(subject, &[0]).await;
}

/// What kube-apiserver's health check of KMS v1 sends.
pub(super) async fn ping(subject: Arc<dyn Subject>) {
    round_trip(subject, b"ping").await;
}

pub(super) async fn sixteen_bytes(subject: Arc<dyn Subject>) {
    round_trip(subject, &[7; 16]).await;
}

pub(super) async fn sixty_four_bytes(subject: Arc<dyn Subject>) {
    round_trip(subject, &[8; 64]).await;
}

pub(super) async fn two_hundred_and_fifty_six_bytes(subject: Arc<dyn Subject>) {
    let every: Vec<u8> = (0..=255).collect();
    let length = subject.largest().min(every.len());
    round_trip(subject, &every[..length]).await;
}

pub(super) async fn bytes_that_are_no_text(subject: Arc<dyn Subject>) {
    for plaintext in [[0; 32], [0xFF; 32]] {
        round_trip(subject.clone(), &plaintext).await;
    }
}

pub(super) async fn twice_from_one_wrap(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let wrapped = bench.wrap().await;
    bench.opens(&wrapped).await;
    bench.opens(&wrapped).await;
}

pub(super) async fn by_a_peer(subject: Arc<dyn Subject>) {
    let (one, other) = (Bench::new(&subject).await, Bench::new(&subject).await);
    other.opens(&one.wrap().await).await;
    one.opens(&other.wrap().await).await;
}

pub(super) async fn without_aad(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let wrapped = bench.wrap_bytes(SEED, None).await;
    let opened = bench.try_open(&wrapped, None).await.expect("a fresh wrap opens");
    assert_eq!(opened.expose(), SEED);
}

/// A named version and a long cluster name.
pub(super) async fn with_long_aad(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let aad = [0xA5; 13 + 256 + 253];
    let wrapped = bench.wrap_bytes(SEED, Some(&aad)).await;
    let opened = bench.try_open(&wrapped, Some(&aad)).await.expect("a fresh wrap opens");
    assert_eq!(opened.expose(), SEED);
}

pub(super) async fn equal_plaintexts_have_distinct_wraps(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    assert_ne!(bench.wrap().await.bytes, bench.wrap().await.bytes);
}

pub(super) async fn a_wrap_fits_beside_its_header(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let length = bench.wrap().await.bytes.len();
    assert!((1..=MAX_STORED - HEADER).contains(&length), "a wrap of a seed has {length} bytes");
}

pub(super) async fn a_wrap_hides_its_plaintext(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let bytes = bench.wrap().await.bytes;
    assert!(!bytes.windows(8).any(|window| SEED.windows(8).any(|part| part == window)), "a wrap shows its plaintext");
}

pub(super) async fn the_version_used_is_the_one_named(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    assert_eq!(bench.wrap().await.version, bench.version);
}

pub(super) async fn nobody_is_named_who_did_not_open(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let wrapped = bench.wrap().await;
    let opened = bench.key.unwrap(&wrapped.version, &wrapped.bytes, bench.aad, &call()).await.expect("it opens");
    assert!(opened.version.is_none_or(|version| version == wrapped.version));
}

/// No length between those that somebody thought of is odd.
pub(super) async fn every_length_to_48(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    for length in 1..=48 {
        let plaintext = &SEED.repeat(2)[..length];
        let wrapped = bench.wrap_bytes(plaintext, bench.aad).await;
        let opened = bench.try_open(&wrapped, bench.aad).await.expect("a fresh wrap opens");
        assert_eq!(opened.expose(), plaintext);
    }
}

/// What a KMS doesn't take it refuses; it never makes something else of it.
async fn kept_or_refused(subject: &Arc<dyn Subject>, plaintext: &[u8]) {
    let bench = Bench::new(subject).await;
    let secret = Secret::new(plaintext.to_vec());
    if let Ok(wrapped) = bench.key.wrap(&bench.version, &secret, bench.aad, &call()).await {
        let opened = bench.try_open(&wrapped, bench.aad).await.expect("what was taken opens");
        assert_eq!(opened.expose(), plaintext);
    }
    bench.opens(&bench.wrap().await).await;
}

pub(super) async fn nothing_is_kept_or_refused(subject: Arc<dyn Subject>) {
    kept_or_refused(&subject, &[]).await;
}

pub(super) async fn four_kilobytes_are_kept_or_refused(subject: Arc<dyn Subject>) {
    for length in [1_024, 4_096, 4_097] {
        kept_or_refused(&subject, &vec![0x5A; length]).await;
    }
}

pub(super) async fn by_a_probe(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let wrapped = bench.key.wrap(&bench.version, &seed(), bench.aad, &probe()).await.expect("a probe wraps");
    bench.opens(&wrapped).await;
    let opened = bench.key.unwrap(&wrapped.version, &wrapped.bytes, bench.aad, &probe()).await;
    assert!(opened.expect("a probe opens").plaintext.same_as(&seed()));
}

pub(super) async fn on_the_active_node(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let call = call().on_active_node();
    let wrapped = bench.key.wrap(&bench.version, &seed(), bench.aad, &call).await.expect("the active node wraps");
    let opened = bench.key.unwrap(&wrapped.version, &wrapped.bytes, bench.aad, &call).await;
    assert!(opened.expect("the active node opens").plaintext.same_as(&seed()));
}

async fn round_trip_with(subject: &Arc<dyn Subject>, aad: &[u8]) {
    let bench = Bench::new(subject).await;
    let wrapped = bench.wrap_bytes(SEED, Some(aad)).await;
    let opened = bench.try_open(&wrapped, Some(aad)).await.expect("a fresh wrap opens");
    assert_eq!(opened.expose(), SEED);
}

pub(super) async fn with_empty_aad(subject: Arc<dyn Subject>) {
    round_trip_with(&subject, &[]).await;
}

/// Ours begins with a header that is no text.
pub(super) async fn with_aad_of_every_byte(subject: Arc<dyn Subject>) {
    let every: Vec<u8> = (0..=255).collect();
    round_trip_with(&subject, &every).await;
}
