//! The contract suite holds for the fake, and catches providers that don't keep to it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod flaw;
mod flawed;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use async_trait::async_trait;
use trousseau_core::Provider;
use trousseau_core::events::Operation;
use trousseau_testkit::contract::{Capability, Case, Subject, cases, check_all};
use trousseau_testkit::fake::{FakeProvider, Fault, Habits};

use flaw::{FLAWS, Flaw};
use flawed::{Flawed, Shared};

struct Fake {
    kms: Arc<FakeProvider>,
    now: AtomicU64,
    capabilities: Vec<Capability>,
}

const ALL: [Capability; 10] = [
    Capability::Aad,
    Capability::Lists,
    Capability::Another,
    Capability::Numbers,
    Capability::Rotate,
    Capability::Replace,
    Capability::Delete,
    Capability::MinEncryption,
    Capability::MinDecryption,
    Capability::Wipes,
];

impl Fake {
    fn new(habits: Habits) -> Self {
        let kms = Arc::new(FakeProvider::new(1_000));
        kms.set(habits);
        let capabilities = ALL.into_iter().filter(|able| habits.takes_aad || *able != Capability::Aad).collect();
        Self { kms, now: AtomicU64::new(1_000), capabilities }
    }

    fn later(&self) -> u64 {
        self.now.fetch_add(1, Ordering::SeqCst) + 1
    }
}

#[async_trait]
impl Subject for Fake {
    fn capabilities(&self) -> &[Capability] {
        &self.capabilities
    }

    async fn provider(&self) -> Arc<dyn Provider> {
        self.kms.clone()
    }

    async fn another(&self) -> Arc<dyn Provider> {
        Arc::new(FakeProvider::named("another", 1_000))
    }

    async fn rotate(&self) {
        self.kms.rotate(self.later());
    }

    async fn replace(&self) {
        self.kms.replace(self.later());
    }

    async fn delete(&self) {
        self.kms.delete();
    }

    async fn min_encryption(&self, version: u32) {
        self.kms.min_encryption(version);
    }

    async fn min_decryption(&self, version: u32) {
        self.kms.min_decryption(version);
    }
}

#[tokio::test]
async fn the_fake_keeps_to_the_contract() {
    assert!(cases().len() >= 90, "{} cases", cases().len());
    check_all(|| async { Arc::new(Fake::new(Habits::default())) as Arc<dyn Subject> }).await;
}

#[tokio::test]
async fn a_key_without_additional_data_keeps_to_what_is_left() {
    let habits = Habits { takes_aad: false, ..Habits::default() };
    check_all(|| async move { Arc::new(Fake::new(habits)) as Arc<dyn Subject> }).await;
}

/// Runs one case on a KMS that lies once; true if the case notices.
async fn notices(name: &str, operation: Operation, fault: Fault) -> bool {
    let Some(case) = cases().into_iter().find(|case| case.name == name) else {
        return false;
    };
    let fake = Fake::new(Habits::default());
    fake.kms.script(operation, [fault]);
    tokio::spawn(async move { case.run(Arc::new(fake)).await }).await.is_err()
}

#[tokio::test]
async fn lies_are_noticed() {
    for (name, operation, fault) in [
        ("round_trip::a_seed", Operation::Wrap, Fault::OtherPlaintext),
        ("round_trip::a_seed", Operation::Wrap, Fault::EmptyWrap),
        ("round_trip::a_seed", Operation::Unwrap, Fault::OtherPlaintext),
        ("round_trip::a_seed", Operation::Unwrap, Fault::OtherVersion),
        ("round_trip::a_wrap_fits_beside_its_header", Operation::Wrap, Fault::Oversize),
        ("round_trip::the_version_used_is_the_one_named", Operation::Wrap, Fault::OtherVersion),
        ("tampering::first_byte", Operation::Unwrap, Fault::fail(trousseau_core::ErrorKind::Server)),
        ("identity::presence_shows_the_key", Operation::Presence, Fault::fail(trousseau_core::ErrorKind::Gone)),
    ] {
        assert!(notices(name, operation, fault).await, "{name} did not notice {fault:?}");
    }
}

fn looks_through_memory(case: &Case) -> bool {
    case.needs.contains(&Capability::Wipes)
}

/// All but what looks through memory, which takes seconds and has a test of its own.
fn quick() -> impl Iterator<Item = Case> {
    cases().into_iter().filter(|case| !looks_through_memory(case))
}

/// The flawed key keeps what it wraps, so that it can lie about it.
#[tokio::test]
async fn a_copy_in_memory_is_noticed() {
    let case = cases().into_iter().find(looks_through_memory).unwrap();
    let ended = tokio::spawn(async move { case.run(Arc::new(Bad::new(Flaw::None))).await }).await;
    let text = ended.unwrap_err().into_panic().downcast::<String>().unwrap();
    assert!(text.contains("after it was dropped"), "{text}");
}

/// A key whose every provider has one flaw.
struct Bad {
    fake: Fake,
    shared: Arc<Shared>,
    nodes: AtomicU32,
}

impl Bad {
    fn new(flaw: Flaw) -> Self {
        let fake = Fake::new(Habits::default());
        let shared = Arc::new(Shared::new(fake.kms.clone(), flaw));
        Self { fake, shared, nodes: AtomicU32::new(0) }
    }

    fn node(&self) -> Arc<dyn Provider> {
        let number = self.nodes.fetch_add(1, Ordering::SeqCst);
        Arc::new(Flawed::new(self.shared.clone(), &self.fake.kms, number))
    }
}

#[async_trait]
impl Subject for Bad {
    fn capabilities(&self) -> &[Capability] {
        &ALL
    }

    async fn provider(&self) -> Arc<dyn Provider> {
        self.node()
    }

    /// The flaw of `another` is that it is the same key.
    async fn another(&self) -> Arc<dyn Provider> {
        self.node()
    }

    async fn rotate(&self) {
        self.fake.rotate().await;
    }

    async fn replace(&self) {
        self.shared.replaced.store(true, Ordering::SeqCst);
        self.fake.replace().await;
    }

    async fn delete(&self) {
        self.fake.delete().await;
    }

    async fn min_encryption(&self, version: u32) {
        self.fake.min_encryption(version).await;
    }

    async fn min_decryption(&self, version: u32) {
        self.fake.min_decryption(version).await;
    }
}

/// The names of the cases that a flaw fails.
async fn failing(flaw: Flaw) -> Vec<&'static str> {
    let mut failing = Vec::new();
    for case in quick() {
        let bad: Arc<dyn Subject> = Arc::new(Bad::new(flaw));
        if tokio::spawn(async move { case.run(bad).await }).await.is_err() {
            failing.push(case.name);
        }
    }
    failing
}

/// Every case fails on some flaw, and every flaw is found by some case. Time stands still, so a wait costs nothing.
#[tokio::test(start_paused = true)]
async fn every_case_can_fail() {
    let of_another =
        cases().iter().map(|case| case.name).filter(|name| name.starts_with("another::")).collect::<Vec<_>>();
    assert_eq!(failing(Flaw::None).await, of_another, "without a flaw");
    let mut blunt: Vec<_> = quick().map(|case| case.name).collect();
    for flaw in FLAWS {
        let found = failing(*flaw).await;
        assert!(found.len() > of_another.len(), "no case noticed {flaw:?}");
        blunt.retain(|name| !found.contains(name));
    }
    assert_eq!(blunt, [""; 0], "these cases notice nothing");
}
