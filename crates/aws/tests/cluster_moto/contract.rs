//! What every provider has to keep to.

use std::sync::Arc;

use async_trait::async_trait;
use trousseau_core::Provider;
use trousseau_testkit::contract::{Capability, Subject, cases};

use super::Fixture;

struct Key {
    fixture: Arc<Fixture>,
    arn: String,
}

#[async_trait]
impl Subject for Key {
    fn capabilities(&self) -> &[Capability] {
        &[Capability::Aad, Capability::Another]
    }

    async fn provider(&self) -> Arc<dyn Provider> {
        Arc::new(self.fixture.provider(&self.arn))
    }

    async fn another(&self) -> Arc<dyn Provider> {
        Arc::new(self.fixture.provider(&self.fixture.create()))
    }
}

/// They change the key's id inside a wrap, or open one under another key: moto says `AccessDenied`, AWS
/// `InvalidCiphertext` or `IncorrectKey`. They run on LocalEmu.
const OTHER_KEY: &[&str] = &[
    "tampering::first_byte",
    "tampering::every_byte",
    "tampering::a_byte_before",
    "tampering::good_wraps_open_afterwards",
    "another::it_opens_nothing_of_ours",
    "another::we_open_nothing_of_it",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_moto_keeps_to_the_contract() {
    let fixture = Arc::new(Fixture::start());
    let mut failed = Vec::new();
    let mut left_out = 0;
    for case in cases() {
        let subject = Arc::new(Key { arn: fixture.create(), fixture: fixture.clone() });
        let able = case.needs.iter().all(|need| subject.capabilities().contains(need));
        if OTHER_KEY.contains(&case.name) {
            left_out += 1;
        } else if able && tokio::spawn(async move { case.run(subject).await }).await.is_err() {
            failed.push(case.name);
        }
    }
    assert_eq!(left_out, OTHER_KEY.len(), "a case that is left out was renamed");
    assert!(failed.is_empty(), "the provider does not keep to: {}", failed.join(", "));
}
