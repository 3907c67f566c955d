//! The provider against a double of Azure with real cryptography, against a server that lies, and, where one is named
//! by variables, against a live vault.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod answers;
mod authenticity;
mod challenges;
mod configuration;
mod contract;
mod faults;
mod live;
mod logins;
mod secrecy;
mod tokens;
mod versions;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use trousseau_azure::{AzureProvider, Config, Environment};
use trousseau_core::{Call, ErrorKind, KeyVersion, Provider, ProviderError, Secret, Unwrapped, Wrapped};
use trousseau_testkit::azure::{Azure, KeyKind, TENANT};
use trousseau_testkit::ca::TestCa;
use trousseau_testkit::https::{Front, Reply, Request, ScriptedServer};

const CLIENT: &str = "fad7d5b3-69d6-4b48-9259-8d12124e1cf1";
const CLIENT_SECRET: &str = "canary~client+secret/0123456789=";
const SEED: &[u8; 32] = b"canary-seed-0123456789-abcdefghi";
const AAD: Option<&[u8]> = Some(b"header and cluster");

/// A double of Azure behind TLS, with an RSA key `k` and an EC key `s` in a vault, or an AES key `k` in an HSM.
struct Fixture {
    azure: Azure,
    ca: TestCa,
    server: ScriptedServer,
    rsa: bool,
}

impl Fixture {
    fn vault() -> Self {
        let azure = Azure::vault();
        azure.create("k", KeyKind::Rsa);
        azure.create("s", KeyKind::P256);
        let answering = azure.clone();
        Self::of(azure, true, move |request| answering.answer(request))
    }

    fn hsm() -> Self {
        let azure = Azure::hsm();
        azure.create("k", KeyKind::Aes);
        let answering = azure.clone();
        Self::of(azure, false, move |request| answering.answer(request))
    }

    /// Answers what `lie` answers, and the rest as the double.
    fn lying(mut self, lie: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let azure = self.azure.clone();
        let script = move |request: &Request| lie(request).unwrap_or_else(|| azure.answer(request));
        self.server = ScriptedServer::start(Front::tls(&self.ca.server(&["127.0.0.1"])), script);
        self
    }

    fn of(azure: Azure, rsa: bool, script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        azure.application(CLIENT, CLIENT_SECRET);
        let ca = TestCa::new();
        let server = ScriptedServer::start(Front::tls(&ca.server(&["127.0.0.1"])), script);
        Self { azure, ca, server, rsa }
    }

    /// The section as it would stand in a file.
    fn section(&self) -> Value {
        let url = self.server.url();
        let mut section = json!({
            "vault": url,
            "authority": url,
            "key": "k",
            "resource": if self.rsa { "https://vault.azure.net" } else { "https://managedhsm.azure.net" },
            "algorithm": if self.rsa { "RSA-OAEP-256" } else { "A256GCM" },
            "auth": {"clientSecret": {"tenantId": TENANT, "clientId": CLIENT, "file": self.file("secret", CLIENT_SECRET)}},
            "tls": {"ca": self.ca.file()},
            "timeouts": {"connect": "20s", "handshake": "20s", "firstByte": "20s", "whole": "20s"},
        });
        if self.rsa {
            section["signingKey"] = json!({"name": "s"});
        }
        section
    }

    fn provider(&self) -> AzureProvider {
        built(self.section())
    }

    fn with(&self, change: impl FnOnce(&mut Value)) -> AzureProvider {
        let mut section = self.section();
        change(&mut section);
        built(section)
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.ca.folder().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Requests whose path holds this.
    fn count(&self, part: &str) -> usize {
        self.server.requests().iter().filter(|request| request.path.contains(part)).count()
    }
}

fn built(section: Value) -> AzureProvider {
    config(section).build(&Environment::default()).unwrap()
}

fn config(section: Value) -> Config {
    serde_json::from_value(section).unwrap()
}

fn call() -> Call {
    Call::within(Duration::from_secs(20))
}

fn seed() -> Secret {
    Secret::new(SEED.to_vec())
}

/// The newest version that may wrap.
async fn newest(provider: &AzureProvider) -> KeyVersion {
    let seen = provider.observe(&call()).await.unwrap();
    let never = Some(trousseau_core::VersionInfo::NEVER);
    seen.versions.iter().rfind(|info| info.active_from != never).unwrap().version.clone()
}

async fn wrap(provider: &AzureProvider) -> Result<Wrapped, ProviderError> {
    let version = newest(provider).await;
    provider.wrap(&version, &seed(), AAD, &call()).await
}

async fn unwrap(provider: &AzureProvider, wrapped: &Wrapped) -> Result<Unwrapped, ProviderError> {
    provider.unwrap(&wrapped.version, &wrapped.bytes, AAD, &call()).await
}

async fn opens(provider: &AzureProvider, wrapped: &Wrapped) {
    let opened = unwrap(provider, wrapped).await.unwrap_or_else(|error| panic!("{}", error.chain()));
    assert!(opened.plaintext.same_as(&seed()));
}

async fn refused(provider: &AzureProvider, wrapped: &Wrapped) -> ErrorKind {
    unwrap(provider, wrapped).await.unwrap_err().kind()
}

fn shared(provider: AzureProvider) -> Arc<dyn Provider> {
    Arc::new(provider)
}
