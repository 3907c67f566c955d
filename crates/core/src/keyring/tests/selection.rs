use std::sync::Arc;
use std::time::Duration;

use crate::envelope::{Algorithm, Header, cluster_hash};
use crate::error::{Code, ErrorKind};
use crate::events::Operation;
use crate::fake::{FakeProvider, Fault, Recorder};
use crate::keyring::{DecryptRequest, Encrypted, Keyring};
use crate::provider::Call;
use crate::rig::{GRACE, Rig, START, call, key_on, seed};
use crate::writer::Writer;

async fn refusal(rig: &Rig, ciphertext: &[u8], key_id: Option<&str>) -> ErrorKind {
    rig.open(ciphertext, key_id).await.unwrap_err().kind()
}

#[tokio::test(start_paused = true)]
async fn i5_a_foreign_key_id_is_refused_before_any_call() {
    let rig = Rig::ready().await;
    let written = rig.encrypt().await.unwrap();
    rig.kms.forget();
    for id in ["", "t2.abc", "vault:v1", "arn:aws:kms:eu-west-1:1:key/a", "T1.x", "projects/p", &"x".repeat(5_000)] {
        let error = rig.open(&written.ciphertext, Some(id)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownKeyId, "{id}");
        assert_eq!(error.kind().code(), Code::InvalidArgument);
        assert!(error.to_string().len() < 300, "a long id is cut: {error}");
    }
    assert_eq!(rig.kms.seen().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn i5_what_is_not_ours_is_refused_before_any_call() {
    let rig = Rig::ready().await;
    let written = rig.encrypt().await.unwrap();
    let id = Some(written.key_id.as_str());
    rig.kms.forget();
    let good = &written.ciphertext;
    let changed = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    for (bytes, what) in [
        (b"vault:v1:AAAA".to_vec(), "another plugin's"),
        (good[..12].to_vec(), "cut inside the header"),
        (good[..13].to_vec(), "cut behind the header"),
        (changed(0, 0), "magic"),
        (changed(2, 9), "a later format"),
        (changed(3, 9), "an unknown algorithm"),
        (changed(4, 1), "a kind of KMS that no key has"),
        (changed(9, !good[9]), "another cluster"),
        (changed(3, 2), "a header that says it has no AAD"),
    ] {
        assert_eq!(refusal(&rig, &bytes, id).await.code(), Code::InvalidArgument, "{what}");
        assert_eq!(refusal(&rig, &bytes, None).await.code(), Code::InvalidArgument, "{what}, v1");
        assert_eq!(rig.kms.seen().len(), 0, "{what}");
    }
    assert_eq!(refusal(&rig, b"", id).await.code(), Code::DataLoss);
    assert_eq!(refusal(&rig, b"", None).await.code(), Code::DataLoss);
    assert_eq!(rig.kms.seen().len(), 0);
}

/// A version is never refused for being absent from a listing.
#[tokio::test(start_paused = true)]
async fn i5_an_id_of_ours_that_no_listed_version_has_is_treated_like_none() {
    let rig = Rig::ready().await;
    let written = rig.encrypt().await.unwrap();
    assert!(rig.open(&written.ciphertext, Some("t1.AAAAAAAAAAAAAAAAAAAAAA")).await.is_ok());
    assert_eq!(rig.events.count("KeyIdMismatch"), 0);
    // The list is from before the rotation.
    let mut ahead = Rig::on(rig.kms.clone());
    ahead.rotate_due();
    ahead.round().await.unwrap();
    let newer = ahead.encrypt().await.unwrap();
    assert_eq!(rig.reads(&newer).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn i5_an_id_that_disagrees_with_the_header_is_counted_and_answered() {
    let mut rig = Rig::promoted().await;
    let new = rig.encrypt().await.unwrap();
    let old = Rig::on(rig.kms.clone());
    rig.round().await.unwrap();
    let first = rig.key.observe(&call()).await.unwrap().versions[0].clone();
    let first = rig.key.key_id(&first);
    assert!(rig.open(&new.ciphertext, Some(first.as_str())).await.is_ok());
    assert_eq!(rig.events.count("KeyIdMismatch"), 1);
    drop(old);
}

#[tokio::test(start_paused = true)]
async fn i5_a_tampered_record_is_refused_and_raises_an_alarm_only_under_the_active_id() {
    let rig = Rig::ready().await;
    let written = rig.encrypt().await.unwrap();
    for at in 5..written.ciphertext.len() {
        let mut bad = written.ciphertext.clone();
        bad[at] ^= 1;
        let kind = refusal(&rig, &bad, Some("t1.AAAAAAAAAAAAAAAAAAAAAA")).await;
        assert_eq!(kind.code(), Code::InvalidArgument, "byte {at}");
    }
    assert_eq!(rig.events.count("KeyReplacedSuspected"), 0);
    let mut bad = written.ciphertext.clone();
    bad[40] ^= 1;
    assert_eq!(refusal(&rig, &bad, Some(written.key_id.as_str())).await, ErrorKind::Unauthentic);
    assert_eq!(rig.events.count("KeyReplacedSuspected"), 1);
    assert_eq!(rig.healthz(), "ok");
    rig.encrypt().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_record_that_opens_to_nothing_is_lost() {
    let rig = Rig::ready().await;
    let head = Header {
        algorithm: Algorithm::KmsWithAad,
        provider: 0xF0,
        version: 1.into(),
        cluster: cluster_hash("prod-eu-1"),
    };
    let head = head.encode();
    let bound = crate::envelope::aad(&head, "prod-eu-1");
    let provider: &dyn crate::Provider = &*rig.kms;
    let wrap = provider.wrap(&1.into(), &vec![].into(), Some(&bound), &call()).await.unwrap().bytes;
    assert_eq!(refusal(&rig, &[head, wrap].concat(), None).await.code(), Code::DataLoss);
}

struct Two {
    kms: [Arc<FakeProvider>; 2],
    ring: Keyring,
    written: [Encrypted; 2],
}

/// A ring of two keys, and a record of each.
async fn two() -> Two {
    let kms =
        [Arc::new(FakeProvider::named("new", START - 9_000)), Arc::new(FakeProvider::named("old", START - 9_000))];
    let events = Arc::new(Recorder::default());
    let mut written = Vec::new();
    for kms in &kms {
        let mut rig = Rig::on(kms.clone());
        rig.round().await.unwrap();
        written.push(rig.encrypt().await.unwrap());
        kms.forget();
    }
    let keys = vec![key_on(&kms[0], "new", &["prod-eu-1"], &events), key_on(&kms[1], "old", &["prod-eu-1"], &events)];
    let ring = Keyring::new(keys, Arc::new(Writer::new(GRACE)), events).unwrap();
    Two { kms, ring, written: written.try_into().unwrap() }
}

impl Two {
    async fn open(&self, which: usize, key_id: Option<&str>) -> Result<(), ErrorKind> {
        let ciphertext = &self.written[which].ciphertext;
        let done = self.ring.decrypt(DecryptRequest { ciphertext, key_id }, &call()).await;
        done.map(|plaintext| assert!(plaintext.same_as(&seed()))).map_err(|error| error.kind())
    }

    fn calls(&self) -> [usize; 2] {
        [0, 1].map(|at| self.kms[at].count(Operation::Unwrap))
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_refuses_is_followed_by_the_next() {
    let two = two().await;
    assert_eq!(two.open(1, None).await, Ok(()));
    assert_eq!(two.calls(), [1, 1]);
    assert_eq!(two.open(0, None).await, Ok(()));
    assert_eq!(two.calls(), [2, 1]);
    for kind in [ErrorKind::TooOld, ErrorKind::Gone, ErrorKind::Malformed, ErrorKind::Unauthentic] {
        two.kms[0].script(Operation::Unwrap, [Fault::fail(kind)]);
        assert_eq!(two.open(1, None).await, Ok(()), "{kind:?}");
    }
    two.kms[0].script(Operation::Unwrap, vec![Fault::fail(ErrorKind::TooNew); 2]);
    assert_eq!(two.open(1, None).await, Ok(()), "too new, on the active node too");
}

#[tokio::test(start_paused = true)]
async fn key_id_selects_the_key_that_is_asked_first() {
    let two = two().await;
    for key in two.ring.keys() {
        key.observe(&Call::probe(Duration::from_secs(1))).await.unwrap();
    }
    assert_eq!(two.open(1, Some(two.written[1].key_id.as_str())).await, Ok(()));
    assert_eq!(two.calls(), [0, 1], "no call is wasted on the other");
    assert_eq!(two.open(0, Some(two.written[0].key_id.as_str())).await, Ok(()));
    assert_eq!(two.calls(), [1, 1]);
    assert_eq!(two.open(0, Some(two.written[1].key_id.as_str())).await, Ok(()), "and the other after it");
}

#[tokio::test(start_paused = true)]
async fn refused_by_all_is_invalid_and_one_that_cannot_be_asked_makes_it_unavailable() {
    let two = two().await;
    let mut bad = two.written[0].ciphertext.clone();
    bad[30] ^= 1;
    let request = DecryptRequest { ciphertext: &bad, key_id: None };
    let error = two.ring.decrypt(request, &call()).await.unwrap_err();
    assert_eq!(error.kind().code(), Code::InvalidArgument);
    for (down, asked) in [(0, 1), (1, 0)] {
        two.kms[down].outage(Some(ErrorKind::Unreachable));
        let error = two.ring.decrypt(request, &call()).await.unwrap_err();
        assert_eq!(error.kind().code(), Code::Unavailable, "the key that is down may be the one");
        assert_eq!(two.open(asked, None).await, Ok(()), "what the other can open, it opens");
        two.kms[down].outage(None);
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
}
