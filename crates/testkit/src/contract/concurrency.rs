//! Many calls at once, calls given up, and time that is up.

use std::collections::HashSet;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use trousseau_core::Call;

use super::Subject;
use super::bench::{Bench, probe, seed};

pub(super) async fn sixty_four_at_once(subject: Arc<dyn Subject>) {
    let bench = Arc::new(Bench::new(&subject).await);
    let mut calls = JoinSet::new();
    for _ in 0..64 {
        let bench = bench.clone();
        calls.spawn(async move { bench.opens(&bench.wrap().await).await });
    }
    calls.join_all().await;
}

pub(super) async fn wraps_stay_distinct_under_load(subject: Arc<dyn Subject>) {
    let bench = Arc::new(Bench::new(&subject).await);
    let mut calls = JoinSet::new();
    for _ in 0..64 {
        let bench = bench.clone();
        calls.spawn(async move { bench.wrap().await.bytes });
    }
    let wraps = calls.join_all().await;
    assert_eq!(wraps.into_iter().collect::<HashSet<_>>().len(), 64);
}

/// Given up before it was sent, while it is under way, and a little later.
pub(super) async fn dropped_calls_leave_nothing_behind(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let wrapped = bench.wrap().await;
    for round in 0..20_u64 {
        let call = Call::within(Duration::from_secs(20));
        let plaintext = seed();
        let (wrapping, opening) = (
            bench.key.wrap(&bench.version, &plaintext, bench.aad, &call),
            bench.key.unwrap(&wrapped.version, &wrapped.bytes, bench.aad, &call),
        );
        match round {
            0 => drop((wrapping, opening)),
            1 => {
                let mut context = Context::from_waker(Waker::noop());
                let (mut wrapping, mut opening) = (wrapping, opening);
                let _ = wrapping.as_mut().poll(&mut context);
                let _ = opening.as_mut().poll(&mut context);
            }
            _ => {
                let pause = Duration::from_micros(50 * round);
                let _ = timeout(pause, wrapping).await;
                let _ = timeout(pause, opening).await;
            }
        }
    }
    bench.opens(&wrapped).await;
    bench.opens(&bench.wrap().await).await;
}

/// How it ends is the provider's; that it ends soon is not.
pub(super) async fn a_deadline_that_is_past_ends_soon(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let wrapped = bench.wrap().await;
    let past = Call::within(Duration::ZERO);
    let patience = Duration::from_secs(10);
    let plaintext = seed();
    let wrapping = timeout(patience, bench.key.wrap(&bench.version, &plaintext, bench.aad, &past)).await;
    assert!(wrapping.is_ok(), "a wrap went on for {patience:?} after its deadline");
    let opening = timeout(patience, bench.key.unwrap(&wrapped.version, &wrapped.bytes, bench.aad, &past)).await;
    if let Ok(opened) = opening.expect("an unwrap went on long after its deadline") {
        assert!(opened.plaintext.same_as(&plaintext));
    }
    bench.opens(&wrapped).await;
}

pub(super) async fn readers_do_not_mind_a_rotation(subject: Arc<dyn Subject>) {
    let bench = Arc::new(Bench::new(&subject).await);
    let wrapped = bench.wrap().await;
    let mut readers = JoinSet::new();
    for _ in 0..8 {
        let (bench, wrapped) = (bench.clone(), wrapped.clone());
        readers.spawn(async move {
            for _ in 0..20 {
                bench.opens(&wrapped).await;
                bench.observe().await;
            }
        });
    }
    for _ in 0..3 {
        subject.rotate().await;
    }
    readers.join_all().await;
}

pub(super) async fn peers_open_each_others_at_once(subject: Arc<dyn Subject>) {
    let mut peers = Vec::new();
    for _ in 0..8 {
        peers.push(Arc::new(Bench::new(&subject).await));
    }
    let mut calls = JoinSet::new();
    for (position, one) in peers.iter().enumerate() {
        let (one, other) = (Arc::clone(one), Arc::clone(&peers[(position + 1) % peers.len()]));
        calls.spawn(async move { other.opens(&one.wrap().await).await });
    }
    calls.join_all().await;
}

/// A probe doesn't stop the calls, and the calls don't stop a probe.
pub(super) async fn probes_and_calls_at_once(subject: Arc<dyn Subject>) {
    let bench = Arc::new(Bench::new(&subject).await);
    let mut calls = JoinSet::new();
    for number in 0..32 {
        let bench = Arc::clone(&bench);
        calls.spawn(async move {
            if number % 4 == 0 {
                bench.observe().await;
            } else {
                bench.opens(&bench.wrap().await).await;
            }
        });
    }
    calls.join_all().await;
}

pub(super) async fn dropped_probes_leave_nothing_behind(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let before = bench.observe().await.versions;
    for round in 0..10_u64 {
        let call = probe();
        let pause = Duration::from_micros(100 * round);
        let _ = timeout(pause, bench.key.presence(&call)).await;
        let _ = timeout(pause, bench.key.observe(&call)).await;
    }
    assert_eq!(bench.observe().await.versions, before);
    bench.opens(&bench.wrap().await).await;
}

pub(super) async fn dropped_under_load_leaves_nothing_behind(subject: Arc<dyn Subject>) {
    let bench = Arc::new(Bench::new(&subject).await);
    let wrapped = bench.wrap().await;
    let mut calls = JoinSet::new();
    for _ in 0..64 {
        let bench = Arc::clone(&bench);
        calls.spawn(async move { bench.wrap().await });
    }
    tokio::task::yield_now().await;
    calls.shutdown().await;
    bench.opens(&wrapped).await;
    bench.opens(&bench.wrap().await).await;
}

pub(super) async fn a_probe_whose_time_is_up_ends_soon(subject: Arc<dyn Subject>) {
    let bench = Bench::new(&subject).await;
    let past = Call::probe(Duration::ZERO);
    let patience = Duration::from_secs(10);
    assert!(timeout(patience, bench.key.presence(&past)).await.is_ok(), "`presence` went on for {patience:?}");
    assert!(timeout(patience, bench.key.observe(&past)).await.is_ok(), "`observe` went on for {patience:?}");
    bench.opens(&bench.wrap().await).await;
}
