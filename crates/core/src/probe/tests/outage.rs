use std::time::Duration;

use tokio::time::advance;

use crate::error::{Code, ErrorKind};
use crate::rig::{GRACE, Rig};

/// Answers a and b of Status. That writes go on in b rests on kubernetes#138950: the API server keeps its seed while
/// the key_id stays, whatever healthz says.
#[tokio::test(start_paused = true)]
async fn an_outage_is_ok_within_the_grace_and_then_a_text_with_the_last_key_id() {
    let mut rig = Rig::ready().await;
    let key_id = rig.key_id();
    let written = rig.encrypt().await.unwrap();
    rig.kms.outage(Some(ErrorKind::Unreachable));
    for _ in 0..3 {
        advance(GRACE / 4).await;
        assert_eq!(rig.round().await, Err(ErrorKind::Unreachable));
        assert_eq!((rig.healthz(), rig.key_id(), rig.ring.health().ready), ("ok".into(), key_id.clone(), true));
    }
    advance(GRACE / 4 + Duration::from_secs(1)).await;
    let _ = rig.round().await;
    assert!(rig.healthz().contains("an outage"), "{}", rig.healthz());
    assert_eq!((rig.key_id(), rig.ring.health().ready), (key_id.clone(), false));
    assert_eq!(rig.encrypt().await.unwrap_err().code(), Code::Unavailable, "it is tried, and the KMS is down");
    rig.kms.outage(None);
    rig.round().await.unwrap();
    assert_eq!((rig.healthz(), rig.key_id()), ("ok".into(), key_id));
    advance(Duration::from_secs(10)).await;
    assert_eq!(rig.reads(&written).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_trouble_that_says_nothing_of_the_key_is_an_outage() {
    for kind in [
        ErrorKind::Deadline,
        ErrorKind::Denied,
        ErrorKind::Lagging,
        ErrorKind::Malformed,
        ErrorKind::Sealed,
        ErrorKind::Server,
        ErrorKind::Throttled,
        ErrorKind::Unreachable,
        ErrorKind::Unusable,
    ] {
        let mut rig = Rig::ready().await;
        let key_id = rig.key_id();
        rig.kms.outage(Some(kind));
        for _ in 0..10 {
            advance(GRACE / 5).await;
            assert_eq!(rig.round().await, Err(kind));
        }
        assert_eq!(rig.ring.status().unwrap().key_id.as_str(), key_id, "{kind:?}");
        assert!(rig.ring.health().stopped.is_none(), "{kind:?}");
        rig.kms.outage(None);
        rig.round().await.unwrap();
        assert_eq!(rig.healthz(), "ok");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_hangs_does_not_hold_status_up() {
    let mut rig = Rig::ready().await;
    advance(GRACE + Duration::from_secs(1)).await;
    assert_eq!(rig.healthz(), "the last good probe is too long ago");
    assert!(!rig.ring.health().ready);
    rig.round().await.unwrap();
    assert_eq!(rig.healthz(), "ok");
}

#[tokio::test(start_paused = true)]
async fn i7_status_and_health_ask_nothing_of_the_kms() {
    let rig = Rig::ready().await;
    rig.kms.forget();
    for _ in 0..100 {
        rig.ring.status().unwrap();
        rig.ring.health();
    }
    assert_eq!(rig.kms.seen().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_first_failure_is_told_apart_from_the_next() {
    let mut rig = Rig::ready().await;
    rig.kms.outage(Some(ErrorKind::Unreachable));
    for _ in 0..3 {
        let _ = rig.round().await;
    }
    let failures: Vec<_> = rig.events.events().into_iter().filter(|event| event.starts_with("ProbeFailed")).collect();
    let firsts: Vec<_> = failures.iter().map(|event| event.contains("first: true")).collect();
    assert_eq!(firsts, [true, false, false]);
}

#[tokio::test(start_paused = true)]
async fn health_says_since_when() {
    let mut rig = Rig::ready().await;
    rig.kms.outage(Some(ErrorKind::Sealed));
    advance(Duration::from_secs(40)).await;
    let _ = rig.round().await;
    let health = rig.ring.health();
    assert_eq!(health.failure.unwrap().0, ErrorKind::Sealed);
    assert!(health.proven.unwrap() >= Duration::from_secs(40));
}
