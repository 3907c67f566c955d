use tokio::time::Instant;

use super::{Guarded, millis, seconds};
use crate::error::ErrorKind;
use crate::events::Operation;
use crate::fake::Fault;
use crate::guard::Limits;
use crate::provider::{Call, Provider as _};

#[tokio::test(start_paused = true)]
async fn what_passes_is_tried_again_with_growing_jittered_pauses() {
    let mut firsts = Vec::new();
    for _ in 0..20 {
        let node = Guarded::new(Limits::default());
        node.fails(2, ErrorKind::Unreachable);
        assert_eq!(node.kind().await, None);
        let pauses = node.pauses();
        assert_eq!(pauses.len(), 2);
        assert!((millis(30)..=millis(52)).contains(&pauses[0]), "{pauses:?}");
        assert!((millis(60)..=millis(102)).contains(&pauses[1]), "{pauses:?}");
        firsts.push(pauses[0]);
    }
    firsts.dedup();
    assert!(firsts.len() > 3, "many nodes don't move in step: {firsts:?}");
}

#[tokio::test(start_paused = true)]
async fn i8_tries_are_counted() {
    let node = Guarded::new(Limits { attempts: 3, ..Limits::default() });
    node.fails(9, ErrorKind::Server);
    assert_eq!(node.kind().await, Some(ErrorKind::Server));
    assert_eq!(node.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn i8_no_try_begins_behind_the_deadline() {
    let node = Guarded::new(Limits { attempts: 100, breaker_failures: 1000, ..Limits::default() });
    node.kms.outage(Some(ErrorKind::Unreachable));
    let (began, call) = (Instant::now(), Call::within(millis(500)));
    let error = node.wrap(&call).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "the cause, not the deadline");
    assert!(began.elapsed() < millis(500), "no use in waiting for what can't come: {:?}", began.elapsed());
    assert!(node.kms.seen().iter().all(|seen| seen.at < call.deadline) && node.calls() > 2);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honoured_within_the_deadline() {
    let node = Guarded::new(Limits::default());
    let wish = Fault::Fail { kind: ErrorKind::Throttled, retry_after: Some(millis(700)) };
    node.kms.script(Operation::Wrap, [wish]);
    assert_eq!(node.kind().await, None);
    assert!((millis(700)..millis(705)).contains(&node.pauses()[0]), "{:?}", node.pauses());
}

#[tokio::test(start_paused = true)]
async fn retry_after_beyond_the_deadline_is_given_back_at_once() {
    let node = Guarded::new(Limits::default());
    let wish = Fault::Fail { kind: ErrorKind::Throttled, retry_after: Some(millis(9_000)) };
    node.kms.script(Operation::Wrap, [wish]);
    let began = Instant::now();
    let error = node.wrap(&seconds(3)).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Throttled, Some(millis(9_000))));
    assert!(began.elapsed() < millis(5) && node.calls() == 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_not_asked_for_twice() {
    for kind in [
        ErrorKind::AadUnsupported,
        ErrorKind::BadAnswer,
        ErrorKind::Denied,
        ErrorKind::Disabled,
        ErrorKind::Gone,
        ErrorKind::Malformed,
        ErrorKind::TooOld,
        ErrorKind::Unauthentic,
        ErrorKind::Unusable,
        ErrorKind::VersionRefused,
    ] {
        let node = Guarded::new(Limits::default());
        node.fails(1, kind);
        assert_eq!(node.kind().await, Some(kind));
        assert_eq!(node.calls(), 1, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_lags_sends_us_to_the_active_one_once_and_at_once() {
    for kind in [ErrorKind::Lagging, ErrorKind::TooNew] {
        let node = Guarded::new(Limits::default());
        node.fails(1, kind);
        assert_eq!(node.kind().await, None);
        let asked: Vec<_> = node.kms.seen().iter().map(|seen| seen.active_node).collect();
        assert_eq!(asked, [false, true]);
        assert!(node.pauses()[0] < millis(5));
        let node = Guarded::new(Limits::default());
        node.fails(5, kind);
        assert_eq!(node.kind().await, Some(kind));
        assert_eq!(node.calls(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_is_not_repeated_but_goes_to_the_active_node() {
    let node = Guarded::new(Limits::default());
    let probe = Call::probe(millis(3_000));
    node.fails(1, ErrorKind::Unreachable);
    assert_eq!(node.wrap(&probe).await.unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(node.calls(), 1);
    node.fails(1, ErrorKind::TooNew);
    node.wrap(&probe).await.unwrap();
    assert_eq!(node.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn i8_retries_have_a_budget() {
    let node = Guarded::new(Limits { breaker_failures: 100_000, ..Limits::default() });
    node.kms.outage(Some(ErrorKind::Server));
    for _ in 0..200 {
        assert_eq!(node.kind().await, Some(ErrorKind::Server));
    }
    let retries = node.calls() - 200;
    assert!((40..=52).contains(&retries), "a fifth of 200 calls and ten saved ones: {retries}");
    assert!(node.events.count("BoundHit(RetryBudget)") > 100);
}

#[tokio::test(start_paused = true)]
async fn every_operation_is_tried_again() {
    let node = Guarded::new(Limits::default());
    for operation in [Operation::Presence, Operation::Observe, Operation::Unwrap] {
        node.kms.script(operation, [Fault::fail(ErrorKind::Sealed)]);
    }
    node.guard.presence(&seconds(3)).await.unwrap();
    node.guard.observe(&seconds(3)).await.unwrap();
    let wrapped = node.guard.wrap(&1.into(), &vec![7; 32].into(), None, &seconds(3)).await.unwrap();
    node.guard.unwrap(&1.into(), &wrapped.bytes, None, &seconds(3)).await.unwrap();
    assert_eq!(node.calls(), 7);
}
