//! Additional data binds a wrap to its header and its cluster.

use std::sync::Arc;

use trousseau_core::ErrorKind;

use super::Subject;
use super::bench::{Bench, SEED};

/// Wraps with one, opens with the other.
async fn refused(subject: &Arc<dyn Subject>, made: Option<&[u8]>, opened: Option<&[u8]>) {
    let bench = Bench::new(subject).await;
    let wrapped = bench.wrap_bytes(SEED, made).await;
    assert_eq!(bench.refuses(&wrapped, opened).await, ErrorKind::Unauthentic);
    assert!(bench.try_open(&wrapped, made).await.is_ok(), "and with its own data it opens");
}

pub(super) async fn other_aad_is_refused(subject: Arc<dyn Subject>) {
    refused(&subject, Some(b"prod-eu-1"), Some(b"prod-eu-2")).await;
}

pub(super) async fn missing_aad_is_refused(subject: Arc<dyn Subject>) {
    refused(&subject, Some(b"prod-eu-1"), None).await;
}

pub(super) async fn aad_out_of_nowhere_is_refused(subject: Arc<dyn Subject>) {
    refused(&subject, None, Some(b"prod-eu-1")).await;
}

pub(super) async fn shorter_aad_is_refused(subject: Arc<dyn Subject>) {
    refused(&subject, Some(b"prod-eu-1"), Some(b"prod-eu-")).await;
}

pub(super) async fn longer_aad_is_refused(subject: Arc<dyn Subject>) {
    refused(&subject, Some(b"prod-eu-1"), Some(b"prod-eu-1\0")).await;
}

/// A KMS that cuts long data off would bind only its beginning.
pub(super) async fn the_last_byte_of_aad_counts(subject: Arc<dyn Subject>) {
    let made = [1; 300];
    let mut opened = made;
    opened[299] = 2;
    refused(&subject, Some(&made), Some(&opened)).await;
}

pub(super) async fn the_first_byte_of_aad_counts(subject: Arc<dyn Subject>) {
    refused(&subject, Some(b"\xFETrousseau"), Some(b"\xFFTrousseau")).await;
}

pub(super) async fn empty_aad_for_some_is_refused(subject: Arc<dyn Subject>) {
    refused(&subject, Some(b"prod-eu-1"), Some(b"")).await;
}

/// A KMS that adds its bytes up would not tell these two apart.
pub(super) async fn the_order_of_aad_counts(subject: Arc<dyn Subject>) {
    refused(&subject, Some(b"ab"), Some(b"ba")).await;
}
