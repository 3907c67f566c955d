use crate::error::ErrorKind;
use crate::events::Operation;
use crate::fake::Habits;
use crate::rig::{Rig, START};

async fn stays_stopped(rig: &mut Rig) {
    let wraps = rig.kms.count(Operation::Wrap);
    for _ in 0..6 {
        assert!(rig.round().await.is_err());
        let error = rig.ring.status().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stopped);
        assert!(error.to_string().contains("was replaced under its name"), "{error}");
        assert_eq!(rig.encrypt().await.unwrap_err(), ErrorKind::Stopped);
    }
    assert_eq!(rig.kms.count(Operation::Wrap), wraps, "nothing is wrapped under the new key");
    assert_eq!(rig.events.count("Stopped"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_replaced_at_version_1_stops_until_the_old_one_is_back() {
    let mut rig = Rig::ready().await;
    let (written, key_id) = (rig.encrypt().await.unwrap(), rig.key_id());
    let backup = rig.kms.backup();
    rig.kms.replace(START);
    stays_stopped(&mut rig).await;
    rig.kms.restore(&backup);
    rig.round().await.unwrap();
    assert_eq!(rig.key_id(), key_id);
    assert_eq!(rig.reads(&written).await, Ok(()));
}

/// The new key has fewer versions than the active one's number: the KMS says too new, not unauthentic.
#[tokio::test(start_paused = true)]
async fn a_key_replaced_after_rotations_stops() {
    let mut rig = Rig::promoted().await;
    rig.encrypt().await.unwrap();
    rig.kms.replace(START);
    stays_stopped(&mut rig).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_replaced_and_rotated_as_often_stops() {
    let mut rig = Rig::promoted().await;
    rig.kms.replace(START);
    rig.kms.rotate(START);
    rig.kms.rotate(START);
    stays_stopped(&mut rig).await;
}

/// Without creation times, an older backup can't be told from another key: the safe side is to stop.
#[tokio::test(start_paused = true)]
async fn where_the_kms_tells_no_times_too_new_means_replaced() {
    let mut rig = Rig::new();
    rig.kms.set(Habits { tells_times: false, ..Habits::default() });
    rig.round().await.unwrap();
    let backup = rig.kms.backup();
    rig.rotate_due();
    for _ in 0..3 {
        rig.round().await.unwrap();
    }
    assert_eq!(rig.version(), Some(2));
    rig.kms.restore(&backup);
    stays_stopped(&mut rig).await;
}

#[tokio::test(start_paused = true)]
async fn an_older_backup_goes_down_with_an_alarm() {
    let mut rig = Rig::ready().await;
    let (first, backup) = (rig.key_id(), rig.kms.backup());
    let written = rig.encrypt().await.unwrap();
    rig.rotate_due();
    rig.round().await.unwrap();
    let lost = rig.encrypt().await.unwrap();
    rig.kms.restore(&backup);
    rig.round().await.unwrap();
    assert_eq!((rig.version(), rig.key_id(), rig.healthz()), (Some(1), first, "ok".into()));
    assert_eq!(rig.events.count("Restored { key: \"primary\", lost: Number(2) }"), 1);
    assert_eq!(rig.reads(&written).await, Ok(()));
    assert_eq!(rig.reads(&lost).await, Err(ErrorKind::TooNew));
    rig.encrypt().await.unwrap();
}

/// An id that the KMS refuses by name must not be announced again in an outage.
#[tokio::test(start_paused = true)]
async fn an_outage_after_a_restored_backup_does_not_bring_the_lost_id_back() {
    let mut rig = Rig::ready().await;
    let (first, backup) = (rig.key_id(), rig.kms.backup());
    rig.rotate_due();
    rig.round().await.unwrap();
    rig.encrypt().await.unwrap();
    rig.kms.restore(&backup);
    rig.round().await.unwrap();
    rig.kms.outage(Some(ErrorKind::Unreachable));
    let _ = rig.round().await;
    assert_eq!((rig.version(), rig.key_id()), (Some(1), first));
}

/// A standby that has not heard of the newest version yet is no restored backup.
#[tokio::test(start_paused = true)]
async fn a_version_that_is_listed_but_refused_is_an_outage() {
    let mut rig = Rig::promoted().await;
    let key_id = rig.key_id();
    rig.encrypt().await.unwrap();
    for _ in 0..5 {
        // Refused on both nodes.
        let refusal = crate::fake::Fault::fail(ErrorKind::TooNew);
        rig.kms.script(Operation::Unwrap, [refusal, refusal]);
        assert_eq!(rig.round().await, Err(ErrorKind::TooNew));
    }
    assert_eq!((rig.key_id(), rig.events.count("Restored")), (key_id, 0));
    rig.round().await.unwrap();
}

/// A restart accepts the key as it is: its Secrets are lost anyway, and there is no state file that knows better.
#[tokio::test(start_paused = true)]
async fn i3_a_node_that_starts_after_a_replacement_writes_under_another_id() {
    let rig = Rig::ready().await;
    let written = rig.encrypt().await.unwrap();
    rig.kms.replace(START);
    let mut late = Rig::on(rig.kms.clone());
    late.round().await.unwrap();
    assert_ne!(late.key_id(), rig.key_id());
    assert_eq!(late.reads(&written).await, Err(ErrorKind::Unauthentic));
    late.encrypt().await.unwrap();
}
