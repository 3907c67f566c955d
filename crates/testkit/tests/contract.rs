//! The contract suite holds for the fake, and catches providers that don't keep to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use trousseau_core::Provider;
use trousseau_core::events::Operation;
use trousseau_testkit::contract::{Capability, Subject, cases, check_all};
use trousseau_testkit::fake::{FakeProvider, Fault, Habits};

struct Fake {
    kms: Arc<FakeProvider>,
    now: AtomicU64,
    capabilities: Vec<Capability>,
}

const ALL: [Capability; 7] = [
    Capability::Aad,
    Capability::Numbers,
    Capability::Rotate,
    Capability::Replace,
    Capability::Delete,
    Capability::MinEncryption,
    Capability::MinDecryption,
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
    assert!(cases().len() >= 40);
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
