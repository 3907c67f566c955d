//! What a key is, and what its versions are called for ever.

use std::collections::HashSet;
use std::sync::Arc;

use super::Subject;
use super::bench::{Bench, call, probe};

pub(super) async fn describe_is_stable(subject: Arc<dyn Subject>) {
    let (one, other) = (Bench::new(&subject).await, Bench::new(&subject).await);
    let before = one.key.describe().clone();
    one.opens(&other.wrap().await).await;
    assert_eq!(*one.key.describe(), before);
    assert_eq!(*other.key.describe(), before);
}

pub(super) async fn the_kind_is_well_formed(subject: Arc<dyn Subject>) {
    let kind = subject.provider().await.describe().kind;
    assert_ne!(kind.code, 0, "0 is never a provider's code");
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    assert!(!kind.name.is_empty() && kind.name.bytes().all(lower), "`{}` is no lower-case word", kind.name);
}

pub(super) async fn presence_shows_the_key(subject: Arc<dyn Subject>) {
    let key = subject.provider().await;
    key.presence(&probe()).await.expect("the key is there, says a probe");
    key.presence(&call().on_active_node()).await.expect("the key is there, says the active node");
}

pub(super) async fn key_id_is_equal_on_peers(subject: Arc<dyn Subject>) {
    let (one, other) = (Bench::new(&subject).await, Bench::new(&subject).await);
    assert_eq!(one.key_ids().await, other.key_ids().await);
}

pub(super) async fn key_id_outlives_rotation(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let before = bench.key_ids().await;
    subject.rotate().await;
    for after in [bench.key_ids().await, Bench::new(&subject).await.key_ids().await] {
        assert_eq!(after[..1], before);
    }
}

pub(super) async fn every_version_has_its_own_key_id(subject: Arc<dyn Subject>) {
    for _ in 0..3 {
        subject.rotate().await;
    }
    let ids = Bench::new(&subject).await.key_ids().await;
    assert_eq!(ids.iter().map(|id| id.as_str()).collect::<HashSet<_>>().len(), 4);
}

pub(super) async fn describe_outlives_rotation(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let before = bench.key.describe().clone();
    subject.rotate().await;
    assert_eq!(*Bench::new(&subject).await.key.describe(), before);
    assert_eq!(*bench.key.describe(), before);
}

pub(super) async fn rotation_changes_the_key_id(subject: Arc<dyn Subject>) {
    let before = Bench::new(&subject).await.key_ids().await;
    subject.rotate().await;
    let after = Bench::new(&subject).await.key_ids().await;
    assert!(after.last().is_some_and(|id| !before.contains(id)), "the new version has an id that was there before");
}
