//! Defects that were found by attacking the probe, each by the schedule that showed it.

use std::sync::Arc;
use std::time::Duration;

use crate::error::ErrorKind;
use crate::events::{Events, Operation};
use crate::fake::{FakeProvider, Fault, Habits};
use crate::probe::{ProbeTimes, Prober};
use crate::promotion::PromotionRule;
use crate::rig::{GRACE, Rig, START, call, key_on, seed};
use crate::{Api, Call, Keyring, Writer};

fn carried_over(running: &Writer) -> Writer {
    let next = Writer::new(GRACE);
    next.carry_over(running);
    next
}

/// A trial took the running writer's snapshot back, and every Encrypt failed for ever after.
#[tokio::test(start_paused = true)]
async fn i10_a_trial_that_fails_leaves_the_running_snapshot_alone() {
    let rig = Rig::promoted().await;
    let bad = Arc::new(FakeProvider::new(START));
    bad.outage(Some(ErrorKind::Unreachable));
    let events: Arc<dyn Events> = rig.events.clone();
    let key = key_on(&bad, "primary", &["prod-eu-1"], &rig.events);
    let copy = Arc::new(carried_over(&rig.writer));
    let (rule, times) = (PromotionRule::default(), ProbeTimes::default());
    let mut trial = Prober::new(key, copy, rule, times, rig.clock.clone(), events);
    assert!(trial.round().await.is_err());
    assert!(rig.encrypt().await.is_ok());
}

/// The configuration named another KMS with a key of that name: until its first probe, Encrypt wrapped there under the
/// id of the key before.
#[tokio::test(start_paused = true)]
async fn a_carried_id_is_not_encrypted_under_before_this_kms_proved_it() {
    let rig = Rig::promoted().await;
    let other = Arc::new(FakeProvider::new(START));
    let events: Arc<dyn Events> = rig.events.clone();
    let key = key_on(&other, "primary", &["prod-eu-1"], &rig.events);
    let writer = Arc::new(carried_over(&rig.writer));
    let ring = Keyring::new(vec![key.clone()], writer.clone(), events.clone()).unwrap();
    let (rule, times) = (PromotionRule::default(), ProbeTimes::default());
    let mut prober = Prober::new(key, writer, rule, times, rig.clock.clone(), events);
    assert_eq!(ring.encrypt(Api::V2, &seed(), &call()).await.unwrap_err().kind(), ErrorKind::Unreachable);
    assert!(ring.status().is_ok(), "Status goes on");
    // A probe that found out nothing of the key says nothing.
    other.outage(Some(ErrorKind::Sealed));
    assert!(prober.round().await.is_err());
    other.outage(None);
    assert_eq!(ring.encrypt(Api::V2, &seed(), &call()).await.unwrap_err().kind(), ErrorKind::Sealed);
    assert!(prober.round().await.is_err());
    assert_eq!(ring.encrypt(Api::V2, &seed(), &call()).await.unwrap_err().kind(), ErrorKind::Stopped);
    assert_eq!(other.count(Operation::Wrap), 0);
}

/// An abort that came late left a snapshot that was taken back, and every Encrypt failed for ever after.
#[tokio::test(start_paused = true)]
async fn a_snapshot_that_was_taken_back_is_made_anew() {
    let mut rig = Rig::promoted().await;
    assert!(rig.writer.load().snapshot.as_ref().unwrap().withdraw());
    assert!(rig.encrypt().await.is_err());
    rig.round().await.unwrap();
    assert!(rig.encrypt().await.is_ok());
}

/// Callers of v1 that were refused woke the probe before each observation of its own, and none was ever made.
#[tokio::test(start_paused = true)]
async fn who_wakes_the_probe_does_not_put_off_its_observations() {
    let mut rig = Rig::new();
    rig.kms.set(Habits { tells_times: false, ..Habits::default() });
    rig.round().await.unwrap();
    rig.kms.rotate(START);
    let probe = rig.run();
    for _ in 0..100 {
        rig.writer.wake();
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert_eq!(rig.version(), Some(2));
    probe.abort();
}

/// The evidence was forgotten before the lower version was proven; a hiccup then read as "replaced".
#[tokio::test(start_paused = true)]
async fn a_hiccup_after_a_restored_backup_is_not_a_replacement() {
    let mut rig = Rig::ready().await;
    let backup = rig.kms.backup();
    rig.rotate_due();
    rig.round().await.unwrap();
    rig.encrypt().await.unwrap();
    rig.kms.restore(&backup);
    rig.kms.script(Operation::Observe, [Fault::Nothing, Fault::fail(ErrorKind::Unreachable)]);
    assert!(rig.round().await.is_err());
    rig.round().await.unwrap();
    assert_eq!((rig.version(), rig.events.count("Restored"), rig.events.count("Stopped")), (Some(1), 1, 0));
}

/// A key that opened its witness in the same round was counted as gone, and over any number of rounds between.
#[tokio::test(start_paused = true)]
async fn gone_is_counted_in_a_row_and_not_against_the_evidence() {
    let mut rig = Rig::ready().await;
    let gone = || Fault::fail(ErrorKind::Gone);
    rig.kms.script(Operation::Observe, [gone(), gone(), gone(), gone(), gone()]);
    for _ in 0..5 {
        assert!(rig.round().await.is_err());
        assert_eq!(rig.ring.health().stopped, None);
    }
}

/// An Encrypt under way while the key was found replaced was answered with success.
#[tokio::test(start_paused = true)]
async fn an_encrypt_under_way_at_a_stop_fails() {
    let mut rig = Rig::ready().await;
    rig.encrypt().await.unwrap();
    rig.kms.script(Operation::Wrap, [Fault::Delay(Duration::from_secs(1))]);
    let ring = rig.ring.clone();
    let under_way = tokio::spawn(async move { ring.encrypt(Api::V2, &seed(), &call()).await });
    tokio::task::yield_now().await;
    rig.kms.replace(START);
    assert!(rig.round().await.is_err());
    assert!(rig.ring.health().stopped.is_some());
    assert_eq!(under_way.await.unwrap().unwrap_err().kind(), ErrorKind::Stopped);
}

/// `Retry-After` of centuries overflowed the clock and took the request down.
#[tokio::test]
async fn i8_a_retry_after_beyond_any_clock_is_an_error() {
    let rig = Rig::ready().await;
    let wait = Duration::from_secs(u64::MAX);
    rig.kms.script(Operation::Wrap, [Fault::Fail { kind: ErrorKind::Throttled, retry_after: Some(wait) }]);
    assert_eq!(rig.ring.encrypt(Api::V2, &seed(), &call()).await.unwrap_err().kind(), ErrorKind::Throttled);
}

/// Five callers with 20 ms each opened the breaker for everybody.
#[tokio::test(start_paused = true)]
async fn callers_in_a_hurry_do_not_open_the_breaker() {
    let rig = Rig::ready().await;
    let written = rig.encrypt().await.unwrap();
    rig.kms.script(Operation::Wrap, vec![Fault::Delay(Duration::from_millis(50)); 5]);
    for _ in 0..5 {
        let hurried = Call::within(Duration::from_millis(20));
        assert!(rig.ring.encrypt(Api::V2, &seed(), &hurried).await.is_err());
    }
    assert!(rig.reads(&written).await.is_ok());
}

/// Whoever could wake the probe could make three "equal observations" in half a second.
#[tokio::test(start_paused = true)]
async fn woken_rounds_are_no_observations() {
    let mut rig = Rig::new();
    rig.kms.set(Habits { tells_times: false, ..Habits::default() });
    rig.round().await.unwrap();
    let probe = rig.run();
    tokio::time::sleep(Duration::from_secs(1)).await;
    rig.kms.rotate(START);
    let began = tokio::time::Instant::now();
    while rig.version() != Some(2) && began.elapsed() < Duration::from_secs(20) {
        rig.writer.wake();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(rig.version(), Some(1), "after {:?}", began.elapsed());
    probe.abort();
}

/// A key that was replaced and turned until even its `min_decryption_version` lay above ours took over in silence.
#[tokio::test(start_paused = true)]
async fn a_key_replaced_and_shut_above_the_active_version_stops_where_the_marks_tell() {
    let mut rig = Rig::promoted().await;
    rig.kms.rotate(START);
    rig.round().await.unwrap();
    rig.kms.replace(START + 1);
    rig.kms.rotate(START + 2);
    rig.kms.rotate(START + 3);
    rig.kms.min_decryption(3);
    for _ in 0..3 {
        assert_eq!(rig.round().await, Err(ErrorKind::TooOld), "version 3 was made at another time before");
        assert_eq!(rig.ring.status().unwrap_err().kind(), ErrorKind::Stopped);
    }
    assert_eq!(rig.events.count("Stopped"), 1);
}

/// The same where no listed version was known: it writes under an id of its own, but somebody is told.
#[tokio::test(start_paused = true)]
async fn an_active_version_that_is_shut_under_unknown_ones_is_an_alarm() {
    let mut rig = Rig::ready().await;
    let before = rig.key_id();
    rig.kms.replace(START);
    rig.kms.rotate(START + 1);
    rig.kms.min_decryption(2);
    rig.round().await.unwrap();
    assert_ne!(rig.key_id(), before);
    assert_eq!(rig.events.count("ActiveShut { key: \"primary\", lost: Number(1) }"), 1);
    rig.round().await.unwrap();
    assert_eq!(rig.events.count("ActiveShut"), 1, "told once");
}

/// A stop ended when the other key's `min_decryption_version` was raised: nothing of ours had opened again.
#[tokio::test(start_paused = true)]
async fn raising_min_decryption_does_not_end_a_stop() {
    let mut rig = Rig::ready().await;
    rig.kms.replace(START);
    assert!(rig.round().await.is_err());
    rig.kms.rotate(START + 1);
    rig.kms.min_decryption(2);
    for _ in 0..3 {
        assert_eq!(rig.round().await, Err(ErrorKind::TooOld));
        assert_eq!(rig.ring.status().unwrap_err().kind(), ErrorKind::Stopped);
    }
    assert_eq!(rig.events.count("Resumed"), 0);
}

/// R3: a listing by a node that lags took the newest version off the list, and an id that was left came back.
#[tokio::test(start_paused = true)]
async fn i3_a_listing_that_lags_behind_the_active_version_changes_nothing() {
    let mut rig = Rig::promoted().await;
    let used = rig.encrypt().await.unwrap().key_id;
    let lagging = rig.kms.clone();
    lagging.hide_newest(1);
    for _ in 0..5 {
        assert_eq!(rig.round().await, Err(ErrorKind::Lagging));
        assert_eq!((rig.key_id(), rig.healthz()), (used.to_string(), "ok".into()));
        assert_eq!(rig.encrypt().await.unwrap().key_id, used);
    }
    lagging.hide_newest(0);
    rig.round().await.unwrap();
    assert_eq!((rig.key_id(), rig.events.count("Promoted")), (used.to_string(), 2));
}
