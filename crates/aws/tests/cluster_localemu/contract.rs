//! What every provider has to keep to.

use std::sync::Arc;

use async_trait::async_trait;
use trousseau_core::Provider;
use trousseau_testkit::contract::{Capability, Subject, check_all};

use super::Fixture;

struct Key {
    fixture: Arc<Fixture>,
    arn: String,
}

#[async_trait]
impl Subject for Key {
    fn capabilities(&self) -> &[Capability] {
        &[Capability::Aad, Capability::Another, Capability::Rotate]
    }

    async fn provider(&self) -> Arc<dyn Provider> {
        Arc::new(self.fixture.provider(&self.arn))
    }

    async fn another(&self) -> Arc<dyn Provider> {
        Arc::new(self.fixture.provider(&self.fixture.create()))
    }

    async fn rotate(&self) {
        self.fixture.kms.with_key("RotateKeyOnDemand", &self.arn).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_localemu_keeps_to_the_contract() {
    let fixture = Fixture::shared();
    check_all(|| async { Arc::new(Key { arn: fixture.create(), fixture: fixture.clone() }) as Arc<dyn Subject> }).await;
}
