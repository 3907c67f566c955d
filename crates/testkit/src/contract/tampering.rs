//! A wrap that was changed doesn't open, and says nothing of the KMS.

use std::sync::Arc;

use trousseau_core::Wrapped;

use super::Subject;
use super::bench::Bench;

/// Changes a wrap and shows that it is refused.
async fn refused(subject: &Arc<dyn Subject>, change: impl Fn(&mut Vec<u8>)) {
    let bench = Bench::new(subject).await;
    let mut wrapped = bench.wrap().await;
    change(&mut wrapped.bytes);
    bench.refuses(&wrapped, bench.aad).await;
}

pub(super) async fn first_byte(subject: Arc<dyn Subject>) {
    refused(&subject, |bytes| bytes[0] ^= 1).await;
}

pub(super) async fn last_byte(subject: Arc<dyn Subject>) {
    refused(&subject, |bytes| *bytes.last_mut().expect("a byte") ^= 0x80).await;
}

pub(super) async fn middle_byte(subject: Arc<dyn Subject>) {
    refused(&subject, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    })
    .await;
}

/// Sixteen places from end to end: every region of a wrap that has any.
pub(super) async fn all_over(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let wrapped = bench.wrap().await;
    for step in 0..16 {
        let mut bad = wrapped.clone();
        let at = step * (bad.bytes.len() - 1) / 15;
        bad.bytes[at] = !bad.bytes[at];
        bench.refuses(&bad, bench.aad).await;
    }
}

pub(super) async fn cut_by_one(subject: Arc<dyn Subject>) {
    refused(&subject, |bytes| bytes.truncate(bytes.len() - 1)).await;
}

pub(super) async fn cut_in_half(subject: Arc<dyn Subject>) {
    refused(&subject, |bytes| bytes.truncate(bytes.len() / 2)).await;
}

pub(super) async fn one_byte_left(subject: Arc<dyn Subject>) {
    refused(&subject, |bytes| bytes.truncate(1)).await;
}

pub(super) async fn nothing_left(subject: Arc<dyn Subject>) {
    refused(&subject, Vec::clear).await;
}

pub(super) async fn a_byte_more(subject: Arc<dyn Subject>) {
    refused(&subject, |bytes| bytes.push(0)).await;
}

pub(super) async fn random_bytes(subject: Arc<dyn Subject>) {
    refused(&subject, |bytes| {
        assert!(aws_lc_rs::rand::fill(bytes).is_ok(), "the operating system gave no random bytes");
    })
    .await;
}

pub(super) async fn two_wraps_spliced(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let (one, other) = (bench.wrap().await, bench.wrap().await);
    let middle = one.bytes.len() / 2;
    let bytes = [&one.bytes[..middle], &other.bytes[middle..]].concat();
    bench.refuses(&Wrapped { bytes, ..one }, bench.aad).await;
}

pub(super) async fn good_wraps_open_afterwards(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let good = bench.wrap().await;
    let mut bad = good.clone();
    bad.bytes[0] ^= 1;
    for _ in 0..10 {
        bench.refuses(&bad, bench.aad).await;
    }
    bench.opens(&good).await;
}

/// Whatever a byte is for: length, version, nonce, tag.
pub(super) async fn every_byte(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let wrapped = bench.wrap().await;
    for at in 0..wrapped.bytes.len() {
        let mut bad = wrapped.clone();
        bad.bytes[at] ^= 1;
        bench.refuses(&bad, bench.aad).await;
    }
}

pub(super) async fn a_byte_before(subject: Arc<dyn Subject>) {
    refused(&subject, |bytes| bytes.insert(0, 0)).await;
}

pub(super) async fn twice_in_a_row(subject: Arc<dyn Subject>) {
    refused(&subject, |bytes| *bytes = bytes.repeat(2)).await;
}
