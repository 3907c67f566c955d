use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::ErrorKind;
use crate::events::Operation;
use crate::fake::Fault;
use crate::probe::{ProbeTimes, run_reading};
use crate::rig::Rig;

/// When each round began, after `time` of running.
async fn rounds(rig: &Rig, time: u64) -> Vec<Instant> {
    rig.kms.forget();
    sleep(Duration::from_secs(time)).await;
    rig.kms.seen().iter().filter(|seen| seen.operation == Operation::Observe).map(|seen| seen.at).collect()
}

fn between(rounds: &[Instant], low: u64, high: u64) -> bool {
    let fits = |gap: Duration| gap >= Duration::from_millis(low) && gap <= Duration::from_millis(high);
    rounds.windows(2).all(|pair| fits(pair[1] - pair[0]))
}

#[tokio::test(start_paused = true)]
async fn good_probes_come_every_30_seconds_and_a_fifth() {
    let mut rig = Rig::new();
    let probe = rig.run();
    let began = rounds(&rig, 3_600).await;
    assert!((98..=152).contains(&began.len()) && between(&began, 24_000, 36_260), "{} rounds", began.len());
    let mut gaps: Vec<_> = began.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    gaps.dedup();
    assert!(gaps.len() > 50, "with jitter");
    probe.abort();
}

/// A process whose probe died would look alive, and never see a rotation again.
#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failed_round_and_the_probe_goes_on() {
    let mut rig = Rig::new();
    rig.kms.script(Operation::Observe, [Fault::Panic]);
    rig.kms.script(Operation::Wrap, [Fault::Panic]);
    let probe = rig.run();
    sleep(Duration::from_millis(1)).await;
    assert!(rig.ring.status().unwrap_err().chain().contains("the probe panicked"), "{:?}", rig.ring.status());
    sleep(Duration::from_secs(20)).await;
    assert_eq!(rig.healthz(), "ok");
    rig.encrypt().await.unwrap();
    probe.abort();
    let reading = tokio::spawn(run_reading(rig.key.clone(), ProbeTimes::default(), rig.events.clone()));
    rig.kms.script(Operation::Presence, [Fault::Panic]);
    sleep(Duration::from_millis(1)).await;
    assert!(rig.key.reading_failure().unwrap().contains("the probe panicked"));
    sleep(Duration::from_secs(10)).await;
    assert_eq!(rig.key.reading_failure(), None);
    reading.abort();
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_they_come_sooner_and_healing_is_quick() {
    let mut rig = Rig::new();
    rig.kms.outage(Some(ErrorKind::Unreachable));
    let probe = rig.run();
    sleep(Duration::from_secs(600)).await;
    let tries = rig.kms.count(Operation::Presence);
    assert!((90..=150).contains(&tries), "{tries}");
    rig.kms.outage(None);
    sleep(Duration::from_secs(7)).await;
    assert_eq!(rig.healthz(), "ok");
    probe.abort();
}

#[tokio::test(start_paused = true)]
async fn a_wake_up_probes_at_once_but_cannot_drive_the_probe() {
    let mut rig = Rig::new();
    let probe = rig.run();
    sleep(Duration::from_secs(1)).await;
    rig.kms.forget();
    rig.writer.wake();
    sleep(Duration::from_millis(10)).await;
    assert_eq!(rig.kms.count(Operation::Observe), 1);
    rig.kms.forget();
    for _ in 0..1_000 {
        rig.writer.wake();
        sleep(Duration::from_millis(10)).await;
    }
    let driven = rig.kms.count(Operation::Observe);
    assert!(driven <= 41, "{driven} rounds in ten seconds");
    probe.abort();
}

#[tokio::test(start_paused = true)]
async fn i6_a_kms_that_never_answers_does_not_end_the_probe() {
    let mut rig = Rig::new();
    rig.kms.script(Operation::Presence, vec![Fault::Hang; 3]);
    let probe = rig.run();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(rig.healthz(), "ok", "three times ten seconds, and the pauses between");
    probe.abort();
}

#[tokio::test(start_paused = true)]
async fn a_reading_key_is_probed_without_a_wrap_and_reported() {
    let rig = Rig::new();
    let probe = tokio::spawn(run_reading(rig.key.clone(), ProbeTimes::default(), rig.events.clone()));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(rig.key.reading_failure(), None);
    rig.kms.delete();
    sleep(Duration::from_secs(40)).await;
    probe.abort();
    let failure = rig.key.reading_failure();
    assert!(failure.as_ref().is_some_and(|text| text.contains("no such key")), "{failure:?}");
    assert_eq!(rig.kms.count(Operation::Wrap), 0);
    assert!(rig.events.count("ProbeFailed { key: \"primary\", writing: false") > 0);
    assert!(rig.ring.status().is_err(), "a reading key never speaks in Status");
}
