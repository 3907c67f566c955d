//! The provider against a scripted server: an AWS KMS that throttles, rotates, lies or is broken, and requests looked
//! at from the other side. It proves nothing about AWS; the error codes are those of its API reference.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod answers;
mod chain;
mod configuration;
mod credentials;
mod double;
mod faults;
mod regions;
mod requests;
mod rotation;
mod secrecy;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use trousseau_aws::{AwsProvider, Config};
use trousseau_core::section::Environment;
use trousseau_core::{Call, Provider, ProviderError, Secret, Unwrapped, Wrapped};
use trousseau_testkit::ca::TestCa;
use trousseau_testkit::https::{Front, Reply, Request, ScriptedServer};

use double::Double;

const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const MATERIAL: &str = "0b7fd7ddbac6eef27907413567cad8c810e2883dc8a7534067a82ee1142fc1e6";
const SEED: &[u8; 32] = b"canary-seed-0123456789-abcdefghi";
const ACCESS_KEY: &str = "AKIACANARYCANARY";
const SECRET_KEY: &str = "canary+secret/key0123456789abcdefghijkl";

/// A server with a good certificate, what a client needs to trust it, and a file of credentials.
struct Fake {
    ca: TestCa,
    server: ScriptedServer,
}

impl Fake {
    fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let ca = TestCa::new();
        let server = ScriptedServer::start(Front::tls(&ca.server(&["127.0.0.1"])), script);
        let fake = Self { ca, server };
        fake.write_credentials(ACCESS_KEY, SECRET_KEY);
        fake
    }

    /// A key that behaves.
    fn good() -> (Self, Arc<Double>) {
        let double = Arc::new(Double::new(ARN, MATERIAL));
        let inside = Arc::clone(&double);
        (Self::start(move |request| inside.answer(request)), double)
    }

    /// Answers whatever the cell holds.
    fn changing() -> (Self, Arc<Mutex<Reply>>) {
        let cell = Arc::new(Mutex::new(Reply::new(500)));
        let inside = Arc::clone(&cell);
        (Self::start(move |_| inside.lock().unwrap().clone()), cell)
    }

    fn credentials_file(&self) -> PathBuf {
        self.ca.folder().join("credentials")
    }

    fn write_credentials(&self, access_key: &str, secret_key: &str) {
        let text = format!("[default]\naws_access_key_id = {access_key}\naws_secret_access_key = {secret_key}\n");
        std::fs::write(self.credentials_file(), text).unwrap();
    }

    /// A section with patience for a busy machine.
    fn section(&self) -> Value {
        json!({
            "key": ARN,
            "endpoint": self.server.url(),
            "credentialsFile": self.credentials_file(),
            "tls": {"ca": self.ca.file()},
            "timeouts": {"connect": "20s", "firstByte": "20s"},
        })
    }

    fn provider(&self) -> AwsProvider {
        build(self.section())
    }

    fn count(&self, action: &str) -> usize {
        self.server.requests().iter().filter(|request| self::action(request) == action).count()
    }
}

fn build(section: Value) -> AwsProvider {
    let config: Config = serde_json::from_value(section).unwrap();
    config.provider(&Environment::default()).unwrap()
}

/// `Encrypt`, `Decrypt`, ...; empty for a request that is none of KMS's.
fn action(request: &Request) -> String {
    let target = request.header("x-amz-target").unwrap_or_default();
    target.strip_prefix("TrentService.").unwrap_or_default().to_owned()
}

fn refusal(status: u16, code: &str, text: &str) -> Reply {
    Reply::json(status, &json!({"__type": code, "message": text}))
}

fn call() -> Call {
    Call::within(Duration::from_secs(20))
}

fn seed() -> Secret {
    Secret::new(SEED.to_vec())
}

async fn wrap(provider: &AwsProvider) -> Result<Wrapped, ProviderError> {
    provider.wrap(&1.into(), &seed(), Some(b"aad"), &call()).await
}

async fn unwrap(provider: &AwsProvider, wrap: &[u8]) -> Result<Unwrapped, ProviderError> {
    provider.unwrap(&1.into(), wrap, Some(b"aad"), &call()).await
}
