//! A key that is gone, or another one under its name: what a probe must be able to tell.
//!
//! A provider may go on opening what it can (a local key file keeps its keys in memory); a probe must be told.

use std::sync::Arc;

use trousseau_core::ErrorKind;

use super::Subject;
use super::bench::{Bench, call, probe};

pub(super) async fn a_deleted_key_is_gone(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    subject.delete().await;
    for _ in 0..2 {
        let presence = bench.key.presence(&probe()).await.expect_err("the key is deleted");
        assert_eq!(presence.kind(), ErrorKind::Gone, "{}", presence.chain());
    }
    let observed = bench.key.observe(&probe()).await.expect_err("the key is deleted");
    assert_eq!(observed.kind(), ErrorKind::Gone, "{}", observed.chain());
}

async fn old_wrap_is_refused(subject: &Arc<dyn Subject>, bench: &Bench) {
    let wrapped = bench.wrap().await;
    subject.replace().await;
    let answer = bench.key.unwrap(&wrapped.version, &wrapped.bytes, bench.aad, &probe()).await;
    let error = answer.expect_err("another key is there now, and a probe opened what the one before wrapped");
    assert!(matches!(error.kind(), ErrorKind::Unauthentic | ErrorKind::TooNew), "{}", error.chain());
}

pub(super) async fn a_probe_finds_a_replaced_key(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    old_wrap_is_refused(&subject, &bench).await;
}

pub(super) async fn a_new_node_refuses_what_the_key_before_wrapped(subject: Arc<dyn Subject>) {
    let wrapped = Bench::new(&subject).await.wrap().await;
    subject.replace().await;
    let bench = Bench::new(&subject).await;
    assert_ne!(bench.refuses_foreign(&wrapped).await, ErrorKind::Malformed);
    let fresh = bench.wrap().await;
    bench.key.unwrap(&fresh.version, &fresh.bytes, bench.aad, &call()).await.expect("the new key works");
}

pub(super) async fn a_replaced_key_has_another_key_id(subject: Arc<dyn Subject>) {
    let before = Bench::new(&subject).await.key_ids().await;
    subject.replace().await;
    let after = Bench::new(&subject).await.key_ids().await;
    assert_ne!(before, after);
}

pub(super) async fn after_rotations_a_replaced_key_refuses_too(subject: Arc<dyn Subject>) {
    subject.rotate().await;
    subject.rotate().await;
    let bench = Bench::new(&subject).await;
    old_wrap_is_refused(&subject, &bench).await;
}

pub(super) async fn a_deleted_key_is_gone_for_a_new_node(subject: Arc<dyn Subject>) {
    // Made while the key is there: some can't be made without it (a key file).
    let node = subject.provider().await;
    subject.delete().await;
    let presence = node.presence(&probe()).await.expect_err("the key is deleted");
    assert_eq!(presence.kind(), ErrorKind::Gone, "{}", presence.chain());
}

/// Not by asking for it, nor by opening what it wrapped: a probe does both before it wraps anything.
pub(super) async fn presence_never_makes_a_key(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let wrapped = bench.wrap().await;
    subject.delete().await;
    for _ in 0..3 {
        let opened = bench.key.unwrap(&wrapped.version, &wrapped.bytes, bench.aad, &probe()).await;
        if let Err(error) = opened {
            assert_ne!(error.kind(), ErrorKind::Unauthentic, "a key that is gone says nothing of a wrap");
        }
        let presence = bench.key.presence(&probe()).await.expect_err("the key is deleted, and nobody made it anew");
        assert_eq!(presence.kind(), ErrorKind::Gone, "{}", presence.chain());
        bench.key.observe(&probe()).await.expect_err("the key is deleted, and nobody made it anew");
    }
}
