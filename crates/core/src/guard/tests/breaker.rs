use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{Guarded, millis};
use crate::error::ErrorKind;
use crate::events::Operation;
use crate::fake::Fault;
use crate::guard::Limits;
use crate::provider::{Call, Provider as _};

const ONE_TRY: Limits =
    Limits { attempts: 1, in_flight: 64, queue: 256, breaker_failures: 5, breaker_open: millis_const(10_000) };

const fn millis_const(millis: u64) -> std::time::Duration {
    std::time::Duration::from_millis(millis)
}

async fn open_the_breaker(node: &Guarded) {
    node.kms.outage(Some(ErrorKind::Unreachable));
    for _ in 0..5 {
        assert_eq!(node.kind().await, Some(ErrorKind::Unreachable));
    }
    node.kms.forget();
    assert_eq!(node.kind().await, Some(ErrorKind::BreakerOpen));
    assert_eq!(node.calls(), 0, "the KMS is left alone");
}

#[tokio::test(start_paused = true)]
async fn five_failures_in_a_row_open_it_and_one_success_closes_it() {
    let node = Guarded::new(ONE_TRY);
    open_the_breaker(&node).await;
    assert_eq!(node.events.count("Breaker { key: \"primary\", open: true }"), 1);
    node.kms.outage(None);
    sleep(millis(1_001)).await;
    assert_eq!(node.kind().await, None, "the trial");
    assert_eq!(node.kind().await, None);
    assert_eq!(node.events.count("Breaker { key: \"primary\", open: false }"), 1);
}

#[tokio::test(start_paused = true)]
async fn the_error_says_when_the_kms_is_asked_again() {
    let node = Guarded::new(ONE_TRY);
    open_the_breaker(&node).await;
    let error = node.wrap(&super::seconds(3)).await.unwrap_err();
    assert!(error.to_string().contains("asked again in 1000 ms"), "{error}");
    assert!(node.events.count("BoundHit(Breaker)") > 0);
}

#[tokio::test(start_paused = true)]
async fn probes_go_past_it_and_close_it() {
    let node = Guarded::new(ONE_TRY);
    open_the_breaker(&node).await;
    let probe = Call::probe(millis(3_000));
    assert_eq!(node.wrap(&probe).await.unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(node.calls(), 1);
    node.kms.outage(None);
    node.wrap(&probe).await.unwrap();
    assert_eq!(node.kind().await, None);
}

/// Probes fail every few seconds in an outage: that must not keep callers out for longer once it is over.
#[tokio::test(start_paused = true)]
async fn failing_probes_do_not_keep_it_open() {
    let node = Guarded::new(ONE_TRY);
    open_the_breaker(&node).await;
    for _ in 0..9 {
        sleep(millis(100)).await;
        assert!(node.wrap(&Call::probe(millis(3_000))).await.is_err());
    }
    node.kms.outage(None);
    sleep(millis(101)).await;
    assert_eq!(node.kind().await, None);
}

/// All the calls in flight fail at once when a KMS goes away: that is one opening, not sixty.
#[tokio::test(start_paused = true)]
async fn calls_that_fail_together_open_it_for_the_first_time_only() {
    let node = Guarded::new(ONE_TRY);
    node.kms.script(Operation::Wrap, vec![Fault::Hang; 40]);
    let mut calls = JoinSet::new();
    for _ in 0..40 {
        let guard = node.guard.clone();
        calls.spawn(async move {
            let call = Call::within(millis(1_500));
            guard.wrap(&1.into(), &vec![7; 32].into(), None, &call).await.map(|_| ()).map_err(|error| error.kind())
        });
    }
    assert!(calls.join_all().await.iter().all(|ended| *ended == Err(ErrorKind::Deadline)));
    assert_eq!(node.kind().await, Some(ErrorKind::BreakerOpen));
    sleep(millis(1_001)).await;
    assert_eq!(node.kind().await, None);
}

#[tokio::test(start_paused = true)]
async fn records_that_are_refused_do_not_open_it() {
    let node = Guarded::new(ONE_TRY);
    let wrapped = node.guard.wrap(&1.into(), &vec![7; 32].into(), None, &super::seconds(3)).await.unwrap();
    let mut tampered = wrapped.bytes.clone();
    tampered[0] ^= 1;
    for _ in 0..100 {
        for (version, bytes) in [(1, &tampered), (9, &wrapped.bytes), (1, &vec![])] {
            assert!(node.guard.unwrap(&version.into(), bytes, None, &super::seconds(3)).await.is_err());
        }
    }
    for kind in [ErrorKind::Denied, ErrorKind::Sealed, ErrorKind::VersionRefused, ErrorKind::Gone] {
        node.fails(10, kind);
        for _ in 0..10 {
            assert_eq!(node.kind().await, Some(kind));
        }
    }
    assert!(node.guard.unwrap(&1.into(), &wrapped.bytes, None, &super::seconds(3)).await.is_ok());
    assert_eq!(node.events.count("Breaker"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_is_given_up_does_not_shut_it_for_ever() {
    let node = Guarded::new(ONE_TRY);
    open_the_breaker(&node).await;
    node.kms.outage(None);
    node.kms.script(Operation::Wrap, [Fault::Hang]);
    sleep(millis(1_001)).await;
    let given_up = tokio::time::timeout(millis(100), node.wrap(&super::seconds(3))).await;
    assert!(given_up.is_err());
    sleep(millis(1_001)).await;
    assert_eq!(node.kind().await, None);
}
