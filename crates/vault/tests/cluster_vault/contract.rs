//! What every provider has to keep to, with real keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::time::sleep;
use trousseau_core::Provider;
use trousseau_testkit::contract::{Capability, Subject, check_all};
use trousseau_vault::{Config, IdentitySource, Transit};

use super::{Fixture, built};

struct TransitKey {
    fixture: Arc<Fixture>,
    config: Config,
    kind: &'static str,
    capabilities: &'static [Capability],
}

#[async_trait]
impl Subject for TransitKey {
    fn capabilities(&self) -> &[Capability] {
        self.capabilities
    }

    async fn provider(&self) -> Arc<dyn Provider> {
        Arc::new(built(&self.config))
    }

    async fn another(&self) -> Arc<dyn Provider> {
        let key = format!("{}-another", self.config.transit.key);
        self.fixture.vault.create_key("transit", &key, self.kind).unwrap();
        let transit = Transit { key, ..self.config.transit.clone() };
        Arc::new(built(&Config { transit, ..self.config.clone() }))
    }

    async fn rotate(&self) {
        self.fixture.vault.rotate("transit", &self.config.transit.key).unwrap();
    }

    async fn replace(&self) {
        // Vault tells creation times in whole seconds.
        sleep(Duration::from_millis(1100)).await;
        self.delete().await;
        self.fixture.vault.create_key("transit", &self.config.transit.key, self.kind).unwrap();
    }

    async fn delete(&self) {
        self.fixture.vault.delete_key("transit", &self.config.transit.key).unwrap();
    }

    async fn min_encryption(&self, version: u32) {
        self.configure("min_encryption_version", version);
    }

    async fn min_decryption(&self, version: u32) {
        self.configure("min_decryption_version", version);
    }
}

impl TransitKey {
    fn configure(&self, setting: &str, version: u32) {
        self.fixture.vault.configure_key("transit", &self.config.transit.key, &json!({setting: version})).unwrap();
    }
}

async fn check(kind: &'static str, identity: IdentitySource, hcl: &str, capabilities: &'static [Capability]) {
    let fixture = Arc::new(Fixture::start());
    let token = fixture.token("contract", hcl);
    let number = AtomicUsize::new(0);
    check_all(|| async {
        let name = format!("k{}", number.fetch_add(1, Ordering::Relaxed));
        fixture.vault.create_key("transit", &name, kind).unwrap();
        let config = Config { identity, ..fixture.config(&name, &token) };
        Arc::new(TransitKey { fixture: fixture.clone(), config, kind, capabilities }) as Arc<dyn Subject>
    })
    .await;
}

const NARROW: &str = r#"
    path "transit/encrypt/+" { capabilities = ["update"] }
    path "transit/decrypt/+" { capabilities = ["update"] }"#;

const WITH_READ: &str = r#"
    path "transit/encrypt/+" { capabilities = ["update"] }
    path "transit/decrypt/+" { capabilities = ["update"] }
    path "transit/keys/+" { capabilities = ["read"] }"#;

use Capability::{Aad, Another, Delete, Lists, MinDecryption, MinEncryption, Numbers, Replace, Rotate, Wipes};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aes256_gcm96_keeps_to_the_contract() {
    let all = &[Aad, Another, Numbers, Rotate, Lists, Replace, Delete, MinEncryption, MinDecryption, Wipes];
    check("aes256-gcm96", IdentitySource::Metadata, WITH_READ, all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chacha20_poly1305_keeps_to_the_contract() {
    let all = &[Aad, Another, Numbers, Rotate, Lists, Replace, Delete, MinEncryption, MinDecryption, Wipes];
    check("chacha20-poly1305", IdentitySource::Metadata, WITH_READ, all).await;
}

/// Without the right to read the key nobody tells its minima; a replaced key has another id only once somebody raises
/// the epoch; and a deleted one can't be told from a missing right by encrypting: `presence` and the old wrap show both
/// before anything is observed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn version_identity_keeps_to_the_contract() {
    check("aes256-gcm96", IdentitySource::Version, NARROW, &[Aad, Another, Numbers, Rotate, Lists, Wipes]).await;
}
