mod failover;
mod stopped;

use std::sync::Arc;
use std::time::Duration;

use super::{AnyProvider, AnyRule, BadMembers, Member, MemberEvents};
use crate::envelope::Clusters;
use crate::error::ErrorKind;
use crate::events::{Events, Operation};
use crate::fake::{FakeClock, FakeProvider, Fault, Habits, Recorder};
use crate::probe::{ProbeTimes, Prober};
use crate::promotion::PromotionRule;
use crate::rig::{DELAY, START, call, key_on, seed};
use crate::{AadPolicy, Api, DecryptRequest, Encrypted, Key, KeyConfig, Keyring, Writer};

const RETURN: Duration = Duration::from_secs(600);

/// One node whose only key is `any` over these KMS.
struct Node {
    kms: Vec<Arc<FakeProvider>>,
    clock: Arc<FakeClock>,
    events: Arc<Recorder>,
    ring: Arc<Keyring>,
    prober: Prober,
}

fn kms(names: &[&str]) -> Vec<Arc<FakeProvider>> {
    names.iter().map(|name| Arc::new(FakeProvider::named(name, START - 10_000))).collect()
}

fn list(
    kms: &[Arc<FakeProvider>],
    write_quorum: usize,
    clock: &Arc<FakeClock>,
    events: &Arc<Recorder>,
) -> Result<AnyProvider, BadMembers> {
    let member = |(at, kms): (usize, &Arc<FakeProvider>)| {
        let heard: Arc<dyn Events> = Arc::new(MemberEvents { list: "both".to_owned(), events: events.clone() });
        let key = key_on(kms, &format!("member-{at}"), &["prod-eu-1"], events);
        let writer = Arc::new(Writer::of_member(Duration::from_secs(60)));
        let (rule, times) = (PromotionRule::default(), ProbeTimes::default());
        let prober = Prober::new(key.clone(), writer.clone(), rule, times, clock.clone(), heard);
        Member { key, writer, prober }
    };
    let members = kms.iter().enumerate().map(member).collect();
    AnyProvider::new("both", members, AnyRule { write_quorum, return_after: RETURN }, events.clone())
}

impl Node {
    fn new(kms: &[Arc<FakeProvider>], write_quorum: usize) -> Self {
        let (clock, events) = (Arc::new(FakeClock::new(START)), Arc::new(Recorder::default()));
        let any = list(kms, write_quorum, &clock, &events).unwrap();
        let aad = AadPolicy::Required { accept_without: false };
        let clusters = Arc::new(Clusters::new(vec!["prod-eu-1".to_owned()]).unwrap());
        let key = Arc::new(Key::new(KeyConfig { name: "both".to_owned(), clusters, aad }, Arc::new(any)));
        let writer = Arc::new(Writer::new(Duration::from_secs(120)));
        let heard: Arc<dyn Events> = events.clone();
        let ring = Keyring::new(vec![key.clone()], writer.clone(), heard.clone()).unwrap();
        let (rule, times) = (PromotionRule::default(), ProbeTimes::default());
        let prober = Prober::new(key, writer, rule, times, clock.clone(), heard);
        Self { kms: kms.to_vec(), clock, events, ring: Arc::new(ring), prober }
    }

    async fn ready(kms: &[Arc<FakeProvider>], write_quorum: usize) -> Self {
        let mut node = Self::new(kms, write_quorum);
        node.prober.round().await.unwrap();
        node
    }

    async fn round(&mut self) -> Result<(), ErrorKind> {
        self.prober.round().await.map_err(|error| error.kind())
    }

    /// Lets time pass, round by round.
    async fn rounds(&mut self, time: Duration) {
        for _ in 0..time.as_secs().div_ceil(30) {
            tokio::time::sleep(Duration::from_secs(30)).await;
            let _ = self.round().await;
        }
    }

    fn key_id(&self) -> String {
        self.ring.status().unwrap().key_id.to_string()
    }

    async fn encrypt(&self) -> Result<Encrypted, ErrorKind> {
        self.ring.encrypt(Api::V2, &seed(), &call()).await.map_err(|error| error.kind())
    }

    async fn reads(&self, written: &Encrypted) -> Result<(), ErrorKind> {
        let request = DecryptRequest { ciphertext: &written.ciphertext, key_id: Some(written.key_id.as_str()) };
        let opened = self.ring.decrypt(request, &call()).await.map_err(|error| error.kind())?;
        assert!(opened.same_as(&seed()), "it opened to something else");
        Ok(())
    }

    fn asked(&self, member: usize) -> usize {
        self.kms[member].count(Operation::Unwrap)
    }
}

#[tokio::test(start_paused = true)]
async fn what_both_wrapped_either_one_opens() {
    let kms = kms(&["a", "b"]);
    let node = Node::ready(&kms, 2).await;
    let written = node.encrypt().await.unwrap();
    assert_eq!(written.key_id.as_str(), node.key_id());
    for (at, dead) in kms.iter().enumerate() {
        dead.outage(Some(ErrorKind::Unreachable));
        assert_eq!(node.reads(&written).await, Ok(()), "member {at} is dead");
        dead.outage(None);
    }
    kms[0].delete();
    assert_eq!(node.reads(&written).await, Ok(()), "one key was deleted");
}

#[tokio::test(start_paused = true)]
async fn i3_all_nodes_have_one_key_id_in_whatever_order_the_members_stand() {
    let kms = kms(&["a", "b"]);
    let one = Node::ready(&kms, 2).await;
    let other = Node::ready(&[kms[1].clone(), kms[0].clone()], 1).await;
    assert_eq!(one.key_id(), other.key_id());
    assert_eq!(other.reads(&one.encrypt().await.unwrap()).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn with_all_as_the_quorum_nothing_is_written_without_one_of_them_and_key_id_stays() {
    let kms = kms(&["a", "b"]);
    let mut node = Node::ready(&kms, 2).await;
    let (before, written) = (node.key_id(), node.encrypt().await.unwrap());
    kms[1].outage(Some(ErrorKind::Unreachable));
    assert_eq!(node.encrypt().await, Err(ErrorKind::Unreachable));
    assert!(node.round().await.is_err());
    assert_eq!((node.key_id(), node.reads(&written).await), (before.clone(), Ok(())));
    node.rounds(Duration::from_secs(300)).await;
    assert_eq!(node.key_id(), before);
    assert_ne!(node.ring.status().unwrap().healthz, "ok");
    kms[1].outage(None);
    node.rounds(Duration::from_secs(60)).await;
    assert_eq!(node.ring.status().unwrap().healthz, "ok");
    assert_eq!(node.encrypt().await.unwrap().key_id.as_str(), before);
}

/// One failed Encrypt, then the next Status tells a key_id that covers only who wrapped; the one that is back is
/// taken in again once, after ten good minutes.
#[tokio::test(start_paused = true)]
async fn a_dead_member_is_left_out_and_comes_back_once() {
    let kms = kms(&["a", "b"]);
    let mut node = Node::ready(&kms, 1).await;
    let both = node.key_id();
    kms[1].outage(Some(ErrorKind::Unreachable));
    assert_eq!(node.encrypt().await, Err(ErrorKind::WrongVersion), "nothing is answered under the id of both");
    node.round().await.unwrap();
    let alone = node.key_id();
    assert_ne!(alone, both);
    let written = node.encrypt().await.unwrap();
    assert_eq!(written.key_id.as_str(), alone);
    kms[1].outage(None);
    node.rounds(Duration::from_secs(300)).await;
    assert_eq!(node.key_id(), alone, "not yet");
    node.rounds(Duration::from_secs(400)).await;
    assert_eq!(node.key_id(), both);
    node.rounds(Duration::from_secs(3_600)).await;
    assert_eq!(node.key_id(), both);
    let said = node.events.count("Member");
    assert_eq!(said, 4, "each at the start, then one left and came back, once each");
    assert_eq!(node.reads(&written).await, Ok(()));
    // What was written without it can't be read by it, and says so.
    kms[0].outage(Some(ErrorKind::Unreachable));
    assert_eq!(node.reads(&written).await, Err(ErrorKind::Unreachable));
}

#[tokio::test(start_paused = true)]
async fn a_probe_alone_leaves_nobody_out_before_the_grace_is_over() {
    let kms = kms(&["a", "b"]);
    let mut node = Node::ready(&kms, 1).await;
    let both = node.key_id();
    kms[1].outage(Some(ErrorKind::Unreachable));
    assert!(node.round().await.is_err());
    assert_eq!(node.key_id(), both, "a hiccup");
    node.rounds(Duration::from_secs(120)).await;
    assert_ne!(node.key_id(), both, "an outage");
    assert_eq!(node.ring.status().unwrap().healthz, "ok");
}

#[tokio::test(start_paused = true)]
async fn v1_goes_on_in_the_same_call() {
    let kms = kms(&["a", "b"]);
    let node = Node::ready(&kms, 1).await;
    kms[1].outage(Some(ErrorKind::Unreachable));
    let ring = node.ring.clone();
    tokio::spawn(node.prober.run());
    let answer = ring.encrypt(Api::V1, &seed(), &call()).await;
    assert!(answer.is_ok(), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dead_member_is_not_asked_on_the_way_of_a_read() {
    let kms = kms(&["a", "b"]);
    let mut node = Node::ready(&kms, 1).await;
    let written = node.encrypt().await.unwrap();
    kms[0].outage(Some(ErrorKind::Unreachable));
    assert_eq!(node.reads(&written).await, Ok(()), "the first read finds it dead");
    tokio::time::sleep(Duration::from_millis(20)).await;
    let asked = node.asked(0);
    for _ in 0..10 {
        assert_eq!(node.reads(&written).await, Ok(()));
    }
    assert_eq!(node.asked(0), asked);
    kms[0].outage(None);
    node.rounds(Duration::from_secs(60)).await;
    let asked = node.asked(0);
    assert_eq!(node.reads(&written).await, Ok(()));
    assert_eq!(node.asked(0), asked + 1, "alive again, it is the first one asked");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_hangs_leaves_time_for_the_next_one() {
    let kms = kms(&["a", "b"]);
    let node = Node::ready(&kms, 1).await;
    let written = node.encrypt().await.unwrap();
    kms[0].script(Operation::Unwrap, vec![Fault::Hang; 20]);
    assert_eq!(node.reads(&written).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_hangs_at_a_write_is_left_out() {
    let kms = kms(&["a", "b"]);
    let mut node = Node::ready(&kms, 1).await;
    kms[1].script(Operation::Wrap, vec![Fault::Hang; 20]);
    assert_eq!(node.encrypt().await, Err(ErrorKind::WrongVersion));
    node.round().await.unwrap();
    assert!(node.encrypt().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn both_dead_says_unreachable_and_loses_nothing() {
    let kms = kms(&["a", "b"]);
    let mut node = Node::ready(&kms, 1).await;
    let written = node.encrypt().await.unwrap();
    for kms in &kms {
        kms.outage(Some(ErrorKind::Unreachable));
    }
    assert_eq!(node.reads(&written).await, Err(ErrorKind::Unreachable));
    assert!(node.encrypt().await.is_err());
    node.rounds(Duration::from_secs(300)).await;
    assert_ne!(node.ring.status().unwrap().healthz, "ok");
    for kms in &kms {
        kms.outage(None);
    }
    node.rounds(Duration::from_secs(60)).await;
    assert_eq!(node.reads(&written).await, Ok(()));
    assert!(node.encrypt().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_member_that_lies_at_a_write_is_found_out() {
    let kms = kms(&["a", "b"]);
    for fault in [Fault::OtherPlaintext, Fault::EmptyWrap, Fault::OtherVersion, Fault::Oversize] {
        let node = Node::ready(&kms, 2).await;
        kms[1].script(Operation::Wrap, [fault]);
        assert!(node.encrypt().await.is_err(), "{fault:?}");
        let written = node.encrypt().await.unwrap();
        assert_eq!(node.reads(&written).await, Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_lies_at_a_read_is_passed_over() {
    let kms = kms(&["a", "b"]);
    let node = Node::ready(&kms, 2).await;
    let written = node.encrypt().await.unwrap();
    kms[0].script(Operation::Unwrap, [Fault::OtherPlaintext]);
    assert_eq!(node.reads(&written).await, Ok(()), "the other one tells the truth");
}

#[tokio::test(start_paused = true)]
async fn a_replaced_member_does_not_stop_reads_nor_writes_above_the_quorum() {
    let kms = kms(&["a", "b"]);
    let mut node = Node::ready(&kms, 1).await;
    let written = node.encrypt().await.unwrap();
    let before = node.key_id();
    kms[0].replace(START);
    node.rounds(Duration::from_secs(90)).await;
    assert_ne!(node.key_id(), before);
    assert_eq!(node.reads(&written).await, Ok(()));
    assert!(node.encrypt().await.is_ok());
    assert_eq!(node.events.count("MemberStopped"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_of_one_member_is_a_new_key_id_and_old_records_open() {
    let kms = kms(&["a", "b"]);
    let mut node = Node::ready(&kms, 2).await;
    let (before, written) = (node.key_id(), node.encrypt().await.unwrap());
    kms[0].rotate(START);
    node.clock.advance(DELAY);
    node.rounds(Duration::from_secs(90)).await;
    assert_ne!(node.key_id(), before);
    let after = node.encrypt().await.unwrap();
    assert_eq!((node.reads(&written).await, node.reads(&after).await), (Ok(()), Ok(())));
    let fresh = Node::ready(&kms, 2).await;
    fresh.clock.advance(DELAY);
    assert_eq!((fresh.reads(&written).await, fresh.reads(&after).await), (Ok(()), Ok(())));
}

#[tokio::test(start_paused = true)]
async fn a_version_refused_by_a_member_is_found_in_the_next_round() {
    let kms = kms(&["a", "b"]);
    let mut node = Node::ready(&kms, 2).await;
    kms[0].rotate(START - DELAY);
    kms[0].min_encryption(2);
    assert_eq!(node.encrypt().await, Err(ErrorKind::WrongVersion));
    tokio::time::sleep(Duration::from_secs(1)).await;
    node.round().await.unwrap();
    assert!(node.encrypt().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn it_starts_with_a_dead_member_if_the_quorum_allows() {
    let kms = kms(&["a", "b"]);
    kms[0].outage(Some(ErrorKind::Unreachable));
    let node = Node::ready(&kms, 1).await;
    let written = node.encrypt().await.unwrap();
    assert_eq!(node.reads(&written).await, Ok(()));
    let mut strict = Node::new(&kms, 2);
    assert_eq!(strict.round().await, Err(ErrorKind::Unreachable));
    assert!(strict.encrypt().await.is_err());
    kms[0].outage(None);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(strict.round().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn tampering_with_any_byte_is_refused() {
    let kms = kms(&["a", "b"]);
    let node = Node::ready(&kms, 2).await;
    let written = node.encrypt().await.unwrap();
    for at in 0..written.ciphertext.len() {
        let mut tampered = written.clone();
        tampered.ciphertext[at] ^= 1;
        assert!(node.reads(&tampered).await.is_err(), "byte {at}");
    }
    assert_eq!(node.ring.status().unwrap().healthz, "ok");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_cannot_work_is_refused() {
    let (clock, events) = (Arc::new(FakeClock::new(START)), Arc::new(Recorder::default()));
    let refused = |names: &[&str], quorum| list(&kms(names), quorum, &clock, &events).err();
    assert_eq!(refused(&["a"], 1), Some(BadMembers::Count(1)));
    assert_eq!(refused(&["a", "b"], 0), Some(BadMembers::Quorum(0, 2)));
    assert_eq!(refused(&["a", "b"], 3), Some(BadMembers::Quorum(3, 2)));
    assert_eq!(refused(&["a", "b"], 1), None);
    // As three RSA keys would: told before anything is asked.
    let large = kms(&["a", "b", "c"]);
    large.iter().for_each(|kms| kms.set(Habits { wrap_size: 337, ..Habits::default() }));
    assert_eq!(list(&large[..2], 1, &clock, &events).err(), None);
    assert!(matches!(list(&large, 1, &clock, &events), Err(BadMembers::TooLong(1025..))));
}

/// Two Vaults whose keys have one name: what is stored can't tell them apart, and need not.
#[tokio::test(start_paused = true)]
async fn two_keys_of_one_name_in_two_kms_are_two_members() {
    let kms = [START - 10_000, START - 9_000].map(|created| Arc::new(FakeProvider::named("same", created)));
    let mut node = Node::ready(&kms, 2).await;
    let written = node.encrypt().await.unwrap();
    for dead in &kms {
        dead.outage(Some(ErrorKind::Unreachable));
        assert_eq!(node.reads(&written).await, Ok(()));
        dead.outage(None);
    }
    node.rounds(Duration::from_secs(60)).await;
    let turned = Node::ready(&[kms[1].clone(), kms[0].clone()], 2).await;
    assert_eq!((turned.key_id(), turned.reads(&written).await), (node.key_id(), Ok(())));
}

#[tokio::test(start_paused = true)]
async fn one_key_twice_is_refused_as_soon_as_it_shows() {
    let kms = kms(&["same"]);
    let mut node = Node::new(&[kms[0].clone(), kms[0].clone()], 2);
    assert_eq!(node.round().await, Err(ErrorKind::Unusable));
    assert!(node.encrypt().await.is_err());
}
