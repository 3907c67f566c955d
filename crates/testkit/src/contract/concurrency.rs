//! Many calls at once, calls given up, and time that is up.

use std::collections::HashSet;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use trousseau_core::Call;

use super::Subject;
use super::bench::{Bench, seed};

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
