//! One member after the other is away, lost or set back: where the quorum allows it, those that are well write.

use std::time::Duration;

use super::{Node, kms};
use crate::error::ErrorKind;
use crate::events::Operation;
use crate::fake::{FakeProvider, Fault};
use crate::rig::START;

/// `b` was away and waits for its return, so what was proven last opens by `a` alone.
async fn written_by_a_alone(kms: &[std::sync::Arc<FakeProvider>]) -> Node {
    let mut node = Node::ready(kms, 1).await;
    kms[1].outage(Some(ErrorKind::Unreachable));
    node.rounds(Duration::from_secs(120)).await;
    node.encrypt().await.unwrap();
    kms[1].outage(None);
    node.rounds(Duration::from_secs(60)).await;
    node
}

/// As in the maintenance of two KMS, one after the other.
#[tokio::test(start_paused = true)]
async fn i6_the_second_member_writes_when_the_first_is_away_before_it_has_returned() {
    let kms = kms(&["a", "b"]);
    let mut node = written_by_a_alone(&kms).await;
    let alone = node.key_id();
    kms[0].outage(Some(ErrorKind::Unreachable));
    let _ = node.encrypt().await;
    node.rounds(Duration::from_secs(60)).await;
    assert_ne!(node.key_id(), alone);
    assert_eq!(node.ring.status().unwrap().healthz, "ok");
    let written = node.encrypt().await.unwrap();
    assert_eq!((written.key_id.to_string(), node.reads(&written).await), (node.key_id(), Ok(())));
    kms[0].outage(None);
    node.rounds(Duration::from_secs(900)).await;
    assert_eq!(node.reads(&written).await, Ok(()));
    assert!(node.encrypt().await.is_ok(), "both write again");
}

#[tokio::test(start_paused = true)]
async fn i6_nobody_needs_to_write_for_the_second_member_to_take_over() {
    let kms = kms(&["a", "b"]);
    let mut node = written_by_a_alone(&kms).await;
    kms[0].outage(Some(ErrorKind::Unreachable));
    node.rounds(Duration::from_secs(120)).await;
    assert_eq!(node.ring.status().unwrap().healthz, "ok");
    assert!(node.encrypt().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn i6_a_lost_member_that_wrote_alone_is_left_out_like_one_that_is_down() {
    let harms: [fn(&FakeProvider); 3] = [|kms| kms.replace(START), |kms| kms.delete(), |kms| kms.disable(true)];
    for (number, harm) in harms.into_iter().enumerate() {
        let kms = kms(&["a", "b"]);
        let mut node = written_by_a_alone(&kms).await;
        harm(&kms[0]);
        node.rounds(Duration::from_secs(90)).await;
        assert_eq!(node.ring.status().unwrap().healthz, "ok", "harm {number}");
        let written = node.encrypt().await.unwrap();
        assert_eq!(node.reads(&written).await, Ok(()), "harm {number}");
    }
}

/// Silence takes the time that the rest of the round needs.
#[tokio::test(start_paused = true)]
async fn i6_a_member_that_wrote_alone_and_hangs_is_left_out_too() {
    let kms = kms(&["a", "b"]);
    let mut node = written_by_a_alone(&kms).await;
    for operation in [Operation::Wrap, Operation::Unwrap, Operation::Presence, Operation::Observe] {
        kms[0].script(operation, vec![Fault::Hang; 1_000]);
    }
    let _ = node.encrypt().await;
    node.rounds(Duration::from_secs(120)).await;
    assert_eq!(node.ring.status().unwrap().healthz, "ok");
    assert!(node.encrypt().await.is_ok());
}

/// What an outage goes back to must be able to write, or API servers write on under a key that nobody has.
#[tokio::test(start_paused = true)]
async fn i7_an_outage_never_leads_back_to_a_set_whose_key_is_lost() {
    let kms = kms(&["a", "b"]);
    let mut node = written_by_a_alone(&kms).await;
    let alone = node.key_id();
    kms[0].replace(START);
    node.rounds(Duration::from_secs(90)).await;
    assert_ne!(node.key_id(), alone);
    kms[1].outage(Some(ErrorKind::Unreachable));
    node.rounds(Duration::from_secs(300)).await;
    let told = node.ring.status().map(|status| status.key_id.to_string());
    assert_ne!(told.ok(), Some(alone));
}

/// A single key handles it by itself, and so does a member.
#[tokio::test(start_paused = true)]
async fn i6_a_member_that_wrote_alone_and_is_restored_from_an_older_backup_writes_on() {
    let kms = kms(&["a", "b"]);
    let backup = kms[0].backup();
    kms[0].rotate(START - crate::rig::DELAY);
    let mut node = written_by_a_alone(&kms).await;
    let before = node.key_id();
    kms[0].restore(&backup);
    node.rounds(Duration::from_secs(90)).await;
    assert_ne!(node.key_id(), before);
    assert_eq!(node.ring.status().unwrap().healthz, "ok");
    assert!(node.encrypt().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn where_both_must_write_a_lost_member_still_stops() {
    let kms = kms(&["a", "b"]);
    let mut node = Node::ready(&kms, 2).await;
    node.encrypt().await.unwrap();
    kms.iter().for_each(|kms| kms.replace(START));
    node.rounds(Duration::from_secs(90)).await;
    assert_eq!(node.ring.status().unwrap_err().kind(), ErrorKind::Stopped);
    assert_eq!(node.encrypt().await, Err(ErrorKind::Stopped));
}
