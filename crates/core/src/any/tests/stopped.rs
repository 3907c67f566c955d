//! A member's key is gone or was replaced: what it would wrap now is not what key_id says.

use std::time::Duration;

use super::{Node, kms};
use crate::error::ErrorKind;
use crate::events::Operation;
use crate::fake::Habits;
use crate::rig::{DELAY, START};

#[tokio::test(start_paused = true)]
async fn a_replaced_member_that_must_write_stops_writes_and_not_reads() {
    let kms = kms(&["a", "b"]);
    let mut node = Node::ready(&kms, 2).await;
    let (before, written) = (node.key_id(), node.encrypt().await.unwrap());
    let backup = kms[0].backup();
    kms[0].replace(START);
    node.rounds(Duration::from_secs(90)).await;
    assert_eq!(node.ring.status().unwrap_err().kind(), ErrorKind::Stopped, "and not `ok` under the id of the lost key");
    assert_eq!(node.encrypt().await, Err(ErrorKind::Stopped));
    assert_eq!(node.reads(&written).await, Ok(()));
    kms[0].restore(&backup);
    node.rounds(Duration::from_secs(90)).await;
    assert_eq!((node.key_id(), node.ring.status().unwrap().healthz.as_str()), (before, "ok"));
    assert!(node.encrypt().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_member_whose_key_was_deleted_is_not_made_to_make_another() {
    for quorum in [1, 2] {
        let kms = kms(&["a", "b"]);
        kms[0].set(Habits { creates: true, ..Habits::default() });
        let mut node = Node::ready(&kms, quorum).await;
        let written = node.encrypt().await.unwrap();
        kms[0].delete();
        kms[0].forget();
        // The list's probe comes first, before the member's own.
        assert!(node.round().await.is_err());
        tokio::time::sleep(Duration::from_secs(5)).await;
        for _ in 0..20 {
            let _ = (node.encrypt().await, node.round().await);
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        assert_eq!(kms[0].count(Operation::Wrap), 0, "quorum {quorum}");
        assert_eq!(node.reads(&written).await, Ok(()));
        if quorum == 2 {
            assert_eq!(node.ring.status().unwrap_err().kind(), ErrorKind::Stopped);
        } else {
            assert_eq!(node.ring.status().unwrap().healthz, "ok", "it goes on without that member");
        }
    }
}

/// A list that is new, as after a reload amid an outage, has settled on nobody yet.
#[tokio::test(start_paused = true)]
async fn a_member_that_was_lost_before_the_list_was_settled_stops_it_too() {
    let kms = kms(&["a", "b"]);
    let running = Node::ready(&kms, 2).await;
    kms[0].delete();
    let mut node = Node::new(&kms, 2);
    node.ring.writer().carry_over(running.ring.writer());
    node.rounds(Duration::from_secs(90)).await;
    assert_eq!(node.ring.status().unwrap_err().kind(), ErrorKind::Stopped);
    assert_eq!(node.encrypt().await, Err(ErrorKind::Stopped));
}

/// A member's earlier version was announced again after each hiccup, long after the list's id was used.
#[tokio::test(start_paused = true)]
async fn a_hiccup_after_a_members_rotation_leads_back_to_no_earlier_key_id() {
    let kms = kms(&["a", "b"]);
    let mut node = Node::ready(&kms, 2).await;
    node.encrypt().await.unwrap();
    let before = node.key_id();
    kms[0].rotate(START);
    node.clock.advance(DELAY);
    node.rounds(Duration::from_secs(90)).await;
    let after = node.encrypt().await.unwrap().key_id.to_string();
    assert_ne!(after, before);
    for _ in 0..3 {
        kms[0].outage(Some(ErrorKind::Unreachable));
        tokio::time::sleep(Duration::from_secs(40)).await;
        kms[0].outage(None);
        let _ = node.round().await;
        assert_eq!(node.key_id(), after);
        node.rounds(Duration::from_secs(60)).await;
        assert_eq!(node.key_id(), after);
    }
}

/// Another one that only had a hiccup takes over with its next good probe.
#[tokio::test(start_paused = true)]
async fn a_replaced_member_and_a_hiccup_of_the_other_stop_nothing() {
    let kms = kms(&["a", "b"]);
    let mut node = Node::ready(&kms, 1).await;
    node.encrypt().await.unwrap();
    kms[0].replace(START);
    kms[1].outage(Some(ErrorKind::Unreachable));
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert!(node.round().await.is_err());
    assert!(node.ring.status().is_ok(), "the other one was well a moment ago");
    kms[1].outage(None);
    node.rounds(Duration::from_secs(60)).await;
    assert_eq!(node.ring.status().unwrap().healthz, "ok");
    assert!(node.encrypt().await.is_ok());
    assert_eq!(node.events.count("MemberStopped"), 1);
}
