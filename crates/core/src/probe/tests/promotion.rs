use std::time::Duration;

use tokio::time::advance;

use crate::error::ErrorKind;
use crate::events::Operation;
use crate::fake::{Fault, Habits};
use crate::rig::{DELAY, Rig, START};

#[tokio::test(start_paused = true)]
async fn a_new_version_is_announced_after_the_delay_and_the_old_one_stays_readable() {
    let mut rig = Rig::ready().await;
    let (before, written) = (rig.key_id(), rig.encrypt().await.unwrap());
    rig.kms.rotate(START);
    rig.clock.advance(DELAY - 1);
    rig.round().await.unwrap();
    assert_eq!(rig.key_id(), before);
    rig.clock.advance(1);
    rig.round().await.unwrap();
    assert_ne!(rig.key_id(), before);
    assert_eq!(rig.version(), Some(2));
    assert_eq!(rig.reads(&written).await, Ok(()));
    assert_eq!(rig.events.count("Promoted"), 2, "at the start and now");
}

#[tokio::test(start_paused = true)]
async fn a_version_is_announced_only_after_a_wrap_and_an_unwrap_with_it() {
    for (operation, faults) in [
        (Operation::Wrap, vec![Fault::fail(ErrorKind::VersionRefused)]),
        (Operation::Wrap, vec![Fault::OtherPlaintext]),
        // The first opens the witness, the second the fresh wrap.
        (Operation::Unwrap, vec![Fault::Nothing, Fault::fail(ErrorKind::Unauthentic)]),
        (Operation::Unwrap, vec![Fault::Nothing, Fault::OtherPlaintext]),
    ] {
        let mut rig = Rig::ready().await;
        let before = rig.key_id();
        rig.rotate_due();
        rig.kms.script(operation, faults.clone());
        assert!(rig.round().await.is_err());
        assert_eq!(rig.key_id(), before, "{faults:?}");
        rig.round().await.unwrap();
        assert_ne!(rig.key_id(), before, "{faults:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unused_promotion_is_withdrawn_in_an_outage_and_made_again_afterwards() {
    let mut rig = Rig::promoted().await;
    let new = rig.key_id();
    rig.kms.outage(Some(ErrorKind::Unreachable));
    let _ = rig.round().await;
    let old = rig.key_id();
    assert_eq!((rig.version(), rig.events.count("Withdrawn")), (Some(1), 1));
    assert_ne!(old, new);
    let _ = rig.round().await;
    assert_eq!(rig.key_id(), old);
    rig.kms.outage(None);
    rig.round().await.unwrap();
    assert_eq!((rig.version(), rig.key_id()), (Some(2), new.clone()));
    advance(Duration::from_secs(10)).await;
    assert_eq!(rig.encrypt().await.unwrap().key_id.as_str(), new);
}

#[tokio::test(start_paused = true)]
async fn a_used_promotion_is_never_withdrawn() {
    let mut rig = Rig::promoted().await;
    let new = rig.encrypt().await.unwrap().key_id;
    rig.kms.outage(Some(ErrorKind::Unreachable));
    for _ in 0..5 {
        let _ = rig.round().await;
        assert_eq!(rig.key_id(), new.as_str());
    }
}

/// A round after the promotion must not make it final: only an Encrypt does.
#[tokio::test(start_paused = true)]
async fn good_rounds_do_not_count_as_use() {
    let mut rig = Rig::promoted().await;
    for _ in 0..3 {
        rig.round().await.unwrap();
    }
    rig.kms.outage(Some(ErrorKind::Unreachable));
    let _ = rig.round().await;
    assert_eq!(rig.version(), Some(1));
}

/// The API server has a seed under version 1; versions 2 and 3 were announced too quickly for it to ask for one.
#[tokio::test(start_paused = true)]
async fn two_unused_promotions_are_withdrawn_together() {
    let mut rig = Rig::promoted().await;
    rig.rotate_due();
    rig.round().await.unwrap();
    assert_eq!(rig.version(), Some(3));
    rig.kms.outage(Some(ErrorKind::Unreachable));
    let _ = rig.round().await;
    assert_eq!(rig.version(), Some(1), "the last id that was used");
    rig.kms.outage(None);
    rig.round().await.unwrap();
    assert_eq!(rig.version(), Some(3));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_under_way_when_its_id_was_withdrawn_is_not_answered() {
    let mut rig = Rig::promoted().await;
    rig.kms.script(Operation::Wrap, [Fault::Delay(Duration::from_secs(1))]);
    let ring = rig.ring.clone();
    let under_way = tokio::spawn(async move {
        let (seed, call) = (crate::rig::seed(), crate::rig::call());
        ring.encrypt(crate::Api::V2, &seed, &call).await.map_err(|error| error.kind())
    });
    tokio::task::yield_now().await;
    rig.kms.script(Operation::Unwrap, [Fault::fail(ErrorKind::Unreachable)]);
    let _ = rig.round().await;
    assert_eq!(rig.version(), Some(1));
    assert_eq!(under_way.await.unwrap(), Err(ErrorKind::WrongVersion));
}

#[tokio::test(start_paused = true)]
async fn min_decryption_raised_above_the_active_version_moves_on_to_its_successor() {
    let mut rig = Rig::ready().await;
    rig.encrypt().await.unwrap();
    rig.kms.rotate(START);
    rig.kms.min_decryption(2);
    rig.round().await.unwrap();
    assert_eq!((rig.version(), rig.healthz()), (Some(2), "ok".into()), "there is nothing else to write under");
    assert_eq!(rig.events.count("Stopped"), 0);
}

/// min_encryption beats the delay: the KMS refuses the old version from now on.
#[tokio::test(start_paused = true)]
async fn min_encryption_raised_above_the_active_version_moves_on_at_once() {
    let mut rig = Rig::ready().await;
    rig.kms.rotate(START);
    rig.kms.min_encryption(2);
    rig.round().await.unwrap();
    assert_eq!(rig.version(), Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_back_does_not_demote() {
    let mut rig = Rig::promoted().await;
    rig.encrypt().await.unwrap();
    rig.clock.set(START - 9_000);
    rig.round().await.unwrap();
    assert_eq!(rig.version(), Some(2));
}

#[tokio::test(start_paused = true)]
async fn without_times_three_equal_observations_promote() {
    let mut rig = Rig::new();
    rig.kms.set(Habits { tells_times: false, ..Habits::default() });
    rig.round().await.unwrap();
    rig.kms.rotate(START);
    for expected in [1, 1, 2] {
        rig.round().await.unwrap();
        assert_eq!(rig.version(), Some(expected));
    }
}

/// A KMS that wraps under its newest version whatever is asked, and lists no other: AWS KMS.
#[tokio::test(start_paused = true)]
async fn where_no_version_can_be_named_a_rotation_fails_one_encrypt_and_the_next_round_tells() {
    let mut rig = Rig::new();
    rig.kms.set(Habits { newest_only: true, ..Habits::default() });
    rig.round().await.unwrap();
    let (before, written) = (rig.key_id(), rig.encrypt().await.unwrap());
    rig.kms.rotate(START);
    assert_eq!(rig.encrypt().await, Err(ErrorKind::WrongVersion), "nothing is answered under the old id");
    rig.round().await.unwrap();
    assert_eq!((rig.version(), rig.healthz()), (Some(2), "ok".into()));
    assert_ne!(rig.key_id(), before);
    assert_eq!(rig.reads(&written).await, Ok(()));
    assert_eq!(rig.encrypt().await.unwrap().key_id.as_str(), rig.key_id());
    assert_eq!(rig.events.count("Stopped"), 0);
}

/// The same where only the opened wrap tells which version it was.
const TOLD_ON_UNWRAP: Habits = Habits {
    tells_times: false,
    takes_aad: true,
    creates: false,
    active_node: true,
    newest_only: true,
    told_on_unwrap: true,
    observes_late: false,
    wraps_late: false,
    wrap_size: 60,
    upkeep_hangs: false,
};

#[tokio::test(start_paused = true)]
async fn i2_what_opened_the_fresh_wrap_tells_a_rotation_that_nobody_announced() {
    let mut rig = Rig::new();
    rig.kms.set(TOLD_ON_UNWRAP);
    rig.round().await.unwrap();
    let (before, written) = (rig.key_id(), rig.encrypt().await.unwrap());
    rig.kms.rotate(START);
    assert_eq!(rig.encrypt().await, Err(ErrorKind::WrongVersion), "nothing is answered under the old id");
    rig.round().await.unwrap();
    assert_ne!(rig.key_id(), before);
    assert_eq!((rig.reads(&written).await, rig.version()), (Ok(()), Some(2)));
    assert_eq!(rig.encrypt().await.unwrap().key_id.as_str(), rig.key_id());
    assert_eq!((rig.events.count("Stopped"), rig.events.count("Promoted")), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_rotation_goes_on_in_the_same_call_for_v1_and_wakes_the_probe_for_v2() {
    for api in [crate::Api::V1, crate::Api::V2] {
        let mut rig = Rig::new();
        rig.kms.set(TOLD_ON_UNWRAP);
        rig.round().await.unwrap();
        let before = rig.key_id();
        let probing = rig.run();
        tokio::task::yield_now().await;
        rig.kms.rotate(START);
        let done = rig.ring.encrypt(api, &crate::rig::seed(), &crate::rig::call()).await;
        match api {
            crate::Api::V1 => assert_eq!(done.unwrap().key_id.as_str(), rig.key_id()),
            crate::Api::V2 => assert_eq!(done.unwrap_err().kind(), ErrorKind::WrongVersion),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_ne!(rig.key_id(), before, "long before the next round is due");
        assert!(rig.encrypt().await.is_ok());
        probing.abort();
    }
}

/// Just after a rotation the description of a key may lag behind what wraps.
#[tokio::test(start_paused = true)]
async fn what_really_wraps_counts_where_the_description_lags() {
    let mut rig = Rig::new();
    rig.kms.set(TOLD_ON_UNWRAP);
    rig.round().await.unwrap();
    rig.kms.rotate(START);
    rig.kms.set(Habits { observes_late: true, ..TOLD_ON_UNWRAP });
    for _ in 0..3 {
        rig.round().await.unwrap();
        assert_eq!(rig.version(), Some(2));
        let written = rig.encrypt().await.unwrap();
        assert_eq!(rig.reads(&written).await, Ok(()));
    }
    assert_eq!(rig.events.count("Promoted"), 2, "the id did not flap");
}

/// The other way round: the new version is announced already, and a node still wraps under the old one.
#[tokio::test(start_paused = true)]
async fn a_version_that_was_left_is_not_returned_to() {
    let mut rig = Rig::new();
    rig.kms.set(TOLD_ON_UNWRAP);
    rig.round().await.unwrap();
    rig.kms.rotate(START);
    rig.round().await.unwrap();
    let id = rig.key_id();
    rig.encrypt().await.unwrap();
    rig.kms.set(Habits { wraps_late: true, ..TOLD_ON_UNWRAP });
    assert_eq!(rig.round().await, Err(ErrorKind::WrongVersion));
    assert_eq!((rig.key_id(), rig.encrypt().await), (id.clone(), Err(ErrorKind::WrongVersion)));
    rig.kms.set(TOLD_ON_UNWRAP);
    rig.round().await.unwrap();
    assert_eq!((rig.key_id(), rig.events.count("Promoted")), (id, 2));
}

/// Both its description and what wraps are of a node that lags.
#[tokio::test(start_paused = true)]
async fn a_kms_that_lags_altogether_is_believed_only_if_it_insists() {
    let mut rig = Rig::new();
    rig.kms.set(TOLD_ON_UNWRAP);
    rig.round().await.unwrap();
    let old = rig.key_id();
    rig.kms.rotate(START);
    rig.round().await.unwrap();
    let new = rig.key_id();
    rig.encrypt().await.unwrap();
    let late = Habits { wraps_late: true, observes_late: true, ..TOLD_ON_UNWRAP };
    for _ in 0..3 {
        rig.kms.set(late);
        for _ in 0..3 {
            assert_eq!(rig.round().await, Err(ErrorKind::WrongVersion));
            assert_eq!(rig.key_id(), new);
        }
        rig.kms.set(TOLD_ON_UNWRAP);
        rig.round().await.unwrap();
    }
    assert_eq!(rig.events.count("Restored"), 0);
    rig.kms.set(late);
    for _ in 0..3 {
        assert_eq!(rig.round().await, Err(ErrorKind::WrongVersion));
    }
    rig.round().await.unwrap();
    assert_eq!((rig.key_id(), rig.events.count("Restored")), (old, 1));
    assert!(rig.encrypt().await.is_ok());
}
