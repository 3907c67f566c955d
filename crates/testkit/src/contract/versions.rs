//! Versions: named, listed in order, readable after their time.

use std::collections::HashSet;
use std::sync::Arc;

use trousseau_core::{ErrorKind, KeyVersion, Wrapped};

use super::Subject;
use super::bench::{Bench, call, seed};

pub(super) async fn one_to_begin_with(subject: Arc<dyn Subject>) {
    assert_eq!(Bench::new(&subject).await.observe().await.versions.len(), 1);
}

/// Clocks and credentials may move; what is listed may not.
pub(super) async fn the_list_is_stable(subject: Arc<dyn Subject>) {
    let (one, other) = (Bench::new(&subject).await, Bench::new(&subject).await);
    let first = one.observe().await;
    for again in [one.observe().await, other.observe().await] {
        assert_eq!(again.versions, first.versions);
        assert_eq!(again.min_encryption, first.min_encryption);
    }
}

pub(super) async fn the_newest_listed_encrypts(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    bench.opens(&bench.wrap().await).await;
}

async fn wrap_is_refused(bench: &Bench, version: &KeyVersion) -> ErrorKind {
    match bench.key.wrap(version, &seed(), bench.aad, &call()).await {
        Ok(wrapped) => panic!("version {version} was asked for, and {} was used", wrapped.version),
        Err(error) => error.kind(),
    }
}

pub(super) async fn wrap_under_an_unknown_one_is_refused(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    assert_eq!(wrap_is_refused(&bench, &KeyVersion::Number(1_000)).await, ErrorKind::VersionRefused);
    bench.opens(&bench.wrap().await).await;
}

async fn open_is_refused(bench: &Bench, version: KeyVersion) -> ErrorKind {
    let wrapped = Wrapped { version, ..bench.wrap().await };
    match bench.try_open(&wrapped, bench.aad).await {
        Ok(_) => panic!("version {} opened what it did not make", wrapped.version),
        Err(error) => error.kind(),
    }
}

pub(super) async fn unwrap_under_an_unknown_one_is_too_new(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    assert_eq!(open_is_refused(&bench, KeyVersion::Number(2)).await, ErrorKind::TooNew);
}

pub(super) async fn the_highest_number_is_too_new(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    assert_eq!(open_is_refused(&bench, KeyVersion::Number(u32::MAX)).await, ErrorKind::TooNew);
}

/// For some KMS, 0 means `the newest`.
pub(super) async fn zero_is_refused(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    assert_eq!(wrap_is_refused(&bench, &KeyVersion::Number(0)).await, ErrorKind::VersionRefused);
    assert_eq!(open_is_refused(&bench, KeyVersion::Number(0)).await, ErrorKind::Malformed);
}

pub(super) async fn a_name_for_a_number_is_refused(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    assert_eq!(wrap_is_refused(&bench, &KeyVersion::Name("1".into())).await, ErrorKind::VersionRefused);
    assert_eq!(open_is_refused(&bench, KeyVersion::Name("1".into())).await, ErrorKind::Malformed);
}

pub(super) async fn rotation_keeps_the_old_one_readable(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let wrapped = bench.wrap().await;
    subject.rotate().await;
    bench.opens(&wrapped).await;
    let after = Bench::new(&subject).await;
    after.opens(&wrapped).await;
    assert_ne!(after.version, bench.version);
    bench.opens(&after.wrap().await).await;
}

pub(super) async fn rotation_lists_in_order(subject: Arc<dyn Subject>) {
    let mut known = vec![Bench::new(&subject).await.version];
    for _ in 0..3 {
        subject.rotate().await;
        let listed: Vec<_> =
            Bench::new(&subject).await.observe().await.versions.into_iter().map(|info| info.version).collect();
        assert_eq!(listed[..known.len()], known, "the oldest stand first, and stay");
        assert_eq!(listed.len(), known.len() + 1);
        known = listed;
    }
    assert_eq!(known.iter().collect::<HashSet<_>>().len(), known.len());
}

pub(super) async fn rotation_is_seen_by_a_running_provider(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    subject.rotate().await;
    assert_eq!(bench.newest().await, Bench::new(&subject).await.version);
}

pub(super) async fn the_old_one_still_encrypts_when_named(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    subject.rotate().await;
    let wrapped = bench.wrap().await;
    assert_eq!(wrapped.version, bench.version);
    Bench::new(&subject).await.opens(&wrapped).await;
}

pub(super) async fn one_does_not_open_as_another(subject: Arc<dyn Subject>) {
    let old = Bench::new(&subject).await;
    subject.rotate().await;
    let new = Bench::new(&subject).await;
    let swapped = Wrapped { version: new.version.clone(), ..old.wrap().await };
    assert_eq!(new.refuses(&swapped, new.aad).await, ErrorKind::Unauthentic);
    let swapped = Wrapped { version: old.version.clone(), ..new.wrap().await };
    assert_eq!(new.refuses(&swapped, new.aad).await, ErrorKind::Unauthentic);
}

pub(super) async fn ten_rotations_are_no_obstacle_to_a_new_node(subject: Arc<dyn Subject>) {
    let wrapped = Bench::new(&subject).await.wrap().await;
    for _ in 0..10 {
        subject.rotate().await;
    }
    let bench = Bench::new(&subject).await;
    bench.opens(&wrapped).await;
    bench.opens(&bench.wrap().await).await;
}

pub(super) async fn below_min_encryption_nothing_is_wrapped(subject: Arc<dyn Subject>) {
    let old = Bench::new(&subject).await;
    subject.rotate().await;
    subject.min_encryption(2).await;
    assert_eq!(wrap_is_refused(&old, &old.version).await, ErrorKind::VersionRefused);
    assert_eq!(old.observe().await.min_encryption, Some(2));
}

pub(super) async fn below_min_encryption_everything_opens(subject: Arc<dyn Subject>) {
    let old = Bench::new(&subject).await;
    let wrapped = old.wrap().await;
    subject.rotate().await;
    subject.min_encryption(2).await;
    old.opens(&wrapped).await;
    Bench::new(&subject).await.opens(&wrapped).await;
}

pub(super) async fn below_min_decryption_is_too_old(subject: Arc<dyn Subject>) {
    let old = Bench::new(&subject).await;
    let wrapped = old.wrap().await;
    subject.rotate().await;
    subject.min_decryption(2).await;
    let new = Bench::new(&subject).await;
    assert_eq!(new.observe().await.versions.len(), 1);
    let refused = new.try_open(&wrapped, new.aad).await.expect_err("it is below what may be opened");
    assert_eq!(refused.kind(), ErrorKind::TooOld);
}

pub(super) async fn ten_rotations_are_listed(subject: Arc<dyn Subject>) {
    for _ in 0..10 {
        subject.rotate().await;
    }
    assert_eq!(Bench::new(&subject).await.observe().await.versions.len(), 11);
}

pub(super) async fn each_is_listed_once(subject: Arc<dyn Subject>) {
    let versions = Bench::new(&subject).await.observe().await.versions;
    let distinct: HashSet<_> = versions.iter().map(|info| info.version.clone()).collect();
    assert_eq!(distinct.len(), versions.len());
    let fits = |version: &KeyVersion| match version {
        KeyVersion::Number(number) => *number > 0,
        KeyVersion::Name(name) => (1..=255).contains(&name.len()),
    };
    assert!(distinct.iter().all(fits), "a version of {distinct:?} has no place in a header");
}
