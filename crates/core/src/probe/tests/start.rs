use std::sync::Arc;

use crate::error::{Code, ErrorKind};
use crate::events::Operation;
use crate::fake::{FakeProvider, Fault, Habits};
use crate::rig::{DELAY, Rig, START};

#[tokio::test(start_paused = true)]
async fn i6_before_the_first_good_probe_status_is_an_error_and_nothing_is_encrypted() {
    let mut rig = Rig::new();
    assert_eq!(rig.ring.status().unwrap_err().kind().code(), Code::Unavailable);
    assert_eq!(rig.encrypt().await.unwrap_err().code(), Code::FailedPrecondition);
    rig.kms.outage(Some(ErrorKind::Sealed));
    for _ in 0..5 {
        assert_eq!(rig.round().await, Err(ErrorKind::Sealed));
        assert_eq!(rig.ring.status().unwrap_err().kind(), ErrorKind::Sealed);
        assert!(!rig.ring.health().ready);
    }
    rig.kms.outage(None);
    rig.round().await.unwrap();
    assert_eq!(rig.healthz(), "ok");
    rig.encrypt().await.unwrap();
}

/// I4: Decrypt needs no metadata, so a node that has probed nothing yet reads.
#[tokio::test(start_paused = true)]
async fn i4_a_node_reads_before_its_first_probe() {
    let one = Rig::ready().await;
    let written = one.encrypt().await.unwrap();
    let other = Rig::on(one.kms.clone());
    assert_eq!(other.reads(&written).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn i3_a_node_that_joins_after_ten_rotations_is_equal_to_the_others() {
    let mut one = Rig::ready().await;
    let written = one.encrypt().await.unwrap();
    for _ in 0..10 {
        one.rotate_due();
        one.round().await.unwrap();
    }
    let mut other = Rig::on(one.kms.clone());
    other.round().await.unwrap();
    assert_eq!((other.version(), other.key_id()), (Some(11), one.key_id()));
    assert_eq!(other.reads(&written).await, Ok(()));
    assert_eq!(one.reads(&other.encrypt().await.unwrap()).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn i3_key_id_is_the_same_after_a_restart() {
    let one = Rig::ready().await;
    let mut again = Rig::on(one.kms.clone());
    again.round().await.unwrap();
    assert_eq!(again.key_id(), one.key_id());
}

#[tokio::test(start_paused = true)]
async fn a_key_too_young_to_promote_writes_under_its_oldest_version() {
    let kms = Arc::new(FakeProvider::new(START - 10));
    kms.rotate(START - 5);
    let mut rig = Rig::on(kms);
    rig.round().await.unwrap();
    assert_eq!(rig.version(), Some(1));
    rig.clock.advance(DELAY);
    rig.round().await.unwrap();
    assert_eq!(rig.version(), Some(2));
}

/// An Encrypt by a token that may create makes a missing key anew: nothing is wrapped before the key was seen.
#[tokio::test(start_paused = true)]
async fn no_probe_encrypts_before_the_key_was_shown_to_exist() {
    let mut rig = Rig::new();
    rig.kms.set(Habits { creates: true, ..Habits::default() });
    rig.kms.delete();
    for _ in 0..6 {
        assert_eq!(rig.round().await, Err(ErrorKind::Gone));
    }
    assert_eq!(rig.kms.count(Operation::Wrap), 0);
    let mut rig = Rig::new();
    rig.round().await.unwrap();
    let order: Vec<_> = rig.kms.seen().iter().map(|seen| seen.operation).collect();
    assert_eq!(order, [Operation::Presence, Operation::Observe, Operation::Wrap, Operation::Unwrap]);
    rig.kms.forget();
    rig.round().await.unwrap();
    let order: Vec<_> = rig.kms.seen().iter().map(|seen| seen.operation).collect();
    assert_eq!(order, [Operation::Unwrap, Operation::Observe, Operation::Wrap, Operation::Unwrap]);
    assert!(rig.kms.seen().iter().all(|seen| seen.probe));
}

#[tokio::test(start_paused = true)]
async fn i1_a_kms_that_lies_to_the_probe_is_not_announced() {
    for (operation, lie) in [
        (Operation::Wrap, Fault::EmptyWrap),
        (Operation::Wrap, Fault::Oversize),
        (Operation::Wrap, Fault::OtherVersion),
        (Operation::Wrap, Fault::OtherPlaintext),
        (Operation::Unwrap, Fault::OtherPlaintext),
        (Operation::Unwrap, Fault::OtherVersion),
    ] {
        let mut rig = Rig::new();
        rig.kms.script(operation, [lie]);
        assert!(rig.round().await.is_err(), "{lie:?}");
        assert!(rig.ring.status().is_err(), "{lie:?}");
        rig.round().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_may_not_encrypt_says_so() {
    let mut rig = Rig::new();
    rig.kms.min_encryption(5);
    assert_eq!(rig.round().await, Err(ErrorKind::Unusable));
    let error = rig.ring.status().unwrap_err();
    assert!(error.to_string().contains("min_encryption_version"), "{error}");
}
