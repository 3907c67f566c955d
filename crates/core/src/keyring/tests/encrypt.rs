use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::envelope::FIXED;
use crate::error::{Code, ErrorKind};
use crate::events::Operation;
use crate::fake::{Fault, Habits};
use crate::keyring::{Api, DecryptRequest};
use crate::rig::{Rig, call, seed};
use crate::{MAX_STORED, Secret};

#[tokio::test(start_paused = true)]
async fn i1_a_lying_kms_is_never_passed_on() {
    for (operation, lie, kind) in [
        (Operation::Wrap, Fault::EmptyWrap, ErrorKind::BadAnswer),
        (Operation::Wrap, Fault::Oversize, ErrorKind::BadAnswer),
        (Operation::Wrap, Fault::OtherPlaintext, ErrorKind::BadAnswer),
        (Operation::Unwrap, Fault::OtherPlaintext, ErrorKind::BadAnswer),
        (Operation::Unwrap, Fault::fail(ErrorKind::Unauthentic), ErrorKind::BadAnswer),
        (Operation::Unwrap, Fault::fail(ErrorKind::Malformed), ErrorKind::BadAnswer),
        (Operation::Unwrap, Fault::fail(ErrorKind::TooOld), ErrorKind::BadAnswer),
        (Operation::Wrap, Fault::OtherVersion, ErrorKind::WrongVersion),
        (Operation::Unwrap, Fault::OtherVersion, ErrorKind::WrongVersion),
        (Operation::Unwrap, Fault::fail(ErrorKind::Denied), ErrorKind::Denied),
    ] {
        let rig = Rig::ready().await;
        rig.kms.script(operation, [lie]);
        let error = rig.ring.encrypt(Api::V2, &seed(), &call()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{operation:?} {lie:?}");
        let texts = format!("{error:?} {}", error.chain());
        assert!(!texts.contains("CANARY") && texts.contains("primary"), "{texts}");
        let written = rig.encrypt().await.unwrap();
        assert_eq!(rig.reads(&written).await, Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn who_calls_before_the_first_probe_has_ended_waits_for_it_within_the_calls_time() {
    let mut rig = Rig::new();
    let (ring, call) = (Arc::clone(&rig.ring), call());
    let began = Instant::now();
    ring.first_probe(call.deadline).await;
    assert_eq!((began.elapsed(), ring.status().is_err()), (Duration::from_secs(3), true), "no probe: until the end");
    let waiting = tokio::spawn({
        let ring = Arc::clone(&ring);
        async move { ring.first_probe(Instant::now() + Duration::from_secs(3)).await }
    });
    sleep(Duration::from_secs(1)).await;
    assert!(!waiting.is_finished());
    rig.round().await.unwrap();
    waiting.await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(4), "the probe has ended, so the wait has");
    ring.first_probe(Instant::now() + Duration::from_secs(3)).await;
    assert_eq!((began.elapsed(), ring.status().is_ok()), (Duration::from_secs(4), true), "later ones wait for nothing");
}

#[tokio::test(start_paused = true)]
async fn a_first_probe_that_fails_is_an_answer_too() {
    let mut rig = Rig::new();
    rig.kms.script(Operation::Presence, [Fault::fail(ErrorKind::Sealed)]);
    rig.round().await.unwrap_err();
    let began = Instant::now();
    rig.ring.first_probe(began + Duration::from_secs(3)).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(rig.ring.status().unwrap_err().kind(), ErrorKind::Sealed);
}

#[tokio::test(start_paused = true)]
async fn i1_each_encrypt_opens_its_own_wrap() {
    let rig = Rig::ready().await;
    rig.kms.forget();
    rig.encrypt().await.unwrap();
    assert_eq!((rig.kms.count(Operation::Wrap), rig.kms.count(Operation::Unwrap)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn i1_what_cannot_be_stored_is_not_tried() {
    let rig = Rig::ready().await;
    rig.kms.forget();
    for length in [0, MAX_STORED / 2 + 1, 60_000] {
        let error = rig.ring.encrypt(Api::V2, &Secret::new(vec![7; length]), &call()).await.unwrap_err();
        assert_eq!(error.kind().code(), Code::InvalidArgument, "{length} bytes");
    }
    assert_eq!(rig.kms.seen().len(), 0);
    for length in [1, 4, 32, MAX_STORED / 2] {
        let plaintext = Secret::new(vec![7; length]);
        let written = rig.ring.encrypt(Api::V1, &plaintext, &call()).await.unwrap();
        assert!(written.ciphertext.len() <= MAX_STORED);
        let request = DecryptRequest { ciphertext: &written.ciphertext, key_id: None };
        assert!(rig.ring.decrypt(request, &call()).await.unwrap().same_as(&plaintext));
    }
}

/// kube-apiserver takes 1024 bytes and not one more (staging/src/k8s.io/apiserver .../kmsv2/envelope.go).
#[tokio::test(start_paused = true)]
async fn i1_a_ciphertext_of_1024_bytes_is_handed_out_and_one_of_1025_is_not() {
    let rig = Rig::ready().await;
    rig.kms.set(Habits { wrap_size: 1024 - FIXED, ..Habits::default() });
    let written = rig.encrypt().await.unwrap();
    assert_eq!((written.ciphertext.len(), rig.reads(&written).await), (1024, Ok(())));
    rig.kms.set(Habits { wrap_size: 1025 - FIXED, ..Habits::default() });
    assert_eq!(rig.encrypt().await.unwrap_err(), ErrorKind::BadAnswer);
}

/// Rotations, outages and Encrypts at once: an Encrypt speaks for a snapshot that Status announces, was announced just
/// before, or will be; never for another version than its own header says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i2_encrypt_and_status_speak_from_one_snapshot_under_rotations() {
    let mut rig = Rig::ready().await;
    let over = Arc::new(AtomicBool::new(false));
    let encrypting: Vec<_> = (0..4)
        .map(|_| {
            let (ring, key, over) = (rig.ring.clone(), rig.key.clone(), over.clone());
            tokio::spawn(async move {
                let mut written = Vec::new();
                // Bounded, so that a failure below ends the test and not the machine's memory.
                for _ in 0..50_000 {
                    // The fake is never pending: without this the timer never gets a worker.
                    tokio::task::yield_now().await;
                    if over.load(Ordering::SeqCst) {
                        break;
                    }
                    let before = ring.status().unwrap().key_id;
                    let done = match ring.encrypt(Api::V2, &seed(), &call()).await {
                        // Its id was announced and taken back, unused, while it was under way.
                        Err(error) if error.kind() == ErrorKind::WrongVersion => continue,
                        done => done.unwrap(),
                    };
                    let after = ring.status().unwrap().key_id;
                    if before == after {
                        assert_eq!(done.key_id, before, "the API server would drop this answer");
                    }
                    let (header, _, _) = crate::envelope::Header::parse(&done.ciphertext).unwrap();
                    assert_eq!(key.version_of(done.key_id.as_str()), Some(header.version));
                    written.push(done);
                }
                written
            })
        })
        .collect();
    for _ in 0..30 {
        rig.rotate_due();
        rig.round().await.unwrap();
        // Real time: the tasks run on other threads.
        sleep(Duration::from_millis(3)).await;
    }
    over.store(true, Ordering::SeqCst);
    let mut ids = std::collections::HashSet::new();
    for task in encrypting {
        for written in task.await.unwrap() {
            assert_eq!(rig.reads(&written).await, Ok(()));
            ids.insert(written.key_id.to_string());
        }
    }
    assert!(ids.len() > 5, "it rotated under load: {} ids", ids.len());
    assert_eq!(rig.events.count("KeyIdMismatch"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_version_refused_by_name_goes_on_in_the_same_call_for_v1_and_wakes_the_probe_for_v2() {
    let mut rig = Rig::new();
    let probe = rig.run();
    sleep(Duration::from_secs(1)).await;
    for api in [Api::V1, Api::V2] {
        let version = rig.rotate_due();
        rig.kms.min_encryption(version);
        let ended = rig.ring.encrypt(api, &seed(), &call()).await;
        match api {
            Api::V1 => {
                let written = ended.unwrap();
                assert_eq!((rig.version(), rig.reads(&written).await), (Some(version), Ok(())));
            }
            Api::V2 => {
                assert_eq!(ended.unwrap_err().kind().code(), Code::Unavailable);
                sleep(Duration::from_millis(300)).await;
                assert_eq!(rig.version(), Some(version), "long before the next probe is due");
                rig.encrypt().await.unwrap();
            }
        }
    }
    probe.abort();
}

/// The round under way has asked the KMS already: only a later one can know better.
#[tokio::test(start_paused = true)]
async fn v1_does_not_take_a_round_that_began_before_for_the_answer() {
    let mut rig = Rig::ready().await;
    rig.kms.script(Operation::Wrap, [Fault::Delay(Duration::from_millis(500))]);
    let probe = rig.run();
    sleep(Duration::from_millis(100)).await;
    rig.rotate_due();
    rig.kms.min_encryption(2);
    let written = rig.ring.encrypt(Api::V1, &seed(), &call()).await.unwrap();
    assert_eq!(rig.reads(&written).await, Ok(()));
    probe.abort();
}

#[tokio::test(start_paused = true)]
async fn i8_v1_waits_for_a_probe_no_longer_than_its_caller() {
    let rig = Rig::ready().await;
    rig.rotate_due();
    rig.kms.min_encryption(2);
    let began = Instant::now();
    let error = rig.ring.encrypt(Api::V1, &seed(), &call()).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_millis(3_010), "nobody probes here");
    assert!(matches!(error.kind(), ErrorKind::VersionRefused | ErrorKind::Deadline), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_takes_no_aad_is_refused_unless_it_may_be_discovered() {
    let mut rig = Rig::new();
    rig.kms.set(Habits { takes_aad: false, ..Habits::default() });
    assert_eq!(rig.round().await, Err(ErrorKind::AadUnsupported));
    assert!(rig.ring.status().is_err());
}
