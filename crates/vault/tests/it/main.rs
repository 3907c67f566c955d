//! The provider against a scripted server: a Vault that lies or is broken, and requests looked at from the other side.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod configuration;
mod faults;
mod observation;
mod requests;
mod secrecy;
mod tokens;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use trousseau_core::{Call, Provider, ProviderError, Secret, SecretText};
use trousseau_testkit::ca::TestCa;
use trousseau_testkit::https::{Front, Reply, Request, ScriptedServer};
use trousseau_vault::{Auth, Config, Environment, TokenAuth, VaultProvider};

const ENCRYPT: &str = "/v1/transit/encrypt/k";
const DECRYPT: &str = "/v1/transit/decrypt/k";
const KEY: &str = "/v1/transit/keys/k";
const HEALTH: &str = "/v1/sys/health";
const LOOKUP: &str = "/v1/auth/token/lookup-self";
const RENEW: &str = "/v1/auth/token/renew-self";

const TOKEN: &str = "hvs.canary-token-0123456789";
const SEED: &[u8; 32] = b"canary-seed-0123456789-abcdefghi";

/// A server with a good certificate, and what a client needs to trust it.
struct Fake {
    ca: TestCa,
    server: ScriptedServer,
}

impl Fake {
    fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let ca = TestCa::new();
        let server = ScriptedServer::start(Front::tls(&ca.server(&["127.0.0.1"])), script);
        Self { ca, server }
    }

    /// Answers `path` with `reply`, the rest as a good Vault.
    fn answering(path: &'static str, reply: Reply) -> Self {
        Self::start(move |request| if request.path == path { reply.clone() } else { good(request) })
    }

    /// Answers whatever the cell holds, to everything but a token's look-up.
    fn changing() -> (Self, Arc<Mutex<Reply>>) {
        let cell = Arc::new(Mutex::new(Reply::new(500)));
        let inside = Arc::clone(&cell);
        let script = move |request: &Request| match request.path.as_str() {
            LOOKUP => good(request),
            _ => inside.lock().unwrap().clone(),
        };
        (Self::start(script), cell)
    }

    fn config(&self) -> Config {
        let mut config = config(&self.server.url());
        config.tls.ca = Some(self.ca.file());
        config
    }

    fn provider(&self) -> VaultProvider {
        self.config().build(&Environment::default()).unwrap()
    }

    /// With its token from a file.
    fn provider_by_file(&self, file: &Path, renew: bool) -> VaultProvider {
        let mut config = self.config();
        config.auth = Auth::Token(TokenAuth { file: Some(file.to_owned()), renew, inline: None });
        config.build(&Environment::default()).unwrap()
    }

    fn paths(&self) -> Vec<String> {
        self.server.requests().into_iter().map(|request| request.path).collect()
    }

    fn count(&self, path: &str) -> usize {
        self.paths().iter().filter(|seen| *seen == path).count()
    }
}

/// A configuration with patience for a busy machine.
fn config(address: &str) -> Config {
    let mut config: Config = serde_json::from_value(json!({"address": address, "transit": {"key": "k"}})).unwrap();
    config.auth = Auth::Token(TokenAuth { inline: Some(SecretText::new(TOKEN.into())), ..TokenAuth::default() });
    let patient = Duration::from_secs(20);
    config.timeouts.connect = patient;
    config.timeouts.handshake = patient;
    config.timeouts.first_byte = patient;
    config.timeouts.whole = patient;
    config
}

/// What a Vault with version 1 of the key `k` answers; nothing is really encrypted.
fn good(request: &Request) -> Reply {
    match request.path.as_str() {
        ENCRYPT => {
            let version = request.json()["key_version"].as_u64().unwrap_or(1);
            data(&json!({"ciphertext": format!("vault:v{version}:d3JhcA=="), "key_version": version}))
        }
        DECRYPT if request.json()["ciphertext"].as_str().is_some_and(|text| text.starts_with("vault:v1:AAAAAAA")) => {
            refusal(400, "cipher: message authentication failed")
        }
        DECRYPT => data(&json!({"plaintext": "c2VlZA=="})),
        KEY => data(&json!({"type": "aes256-gcm96", "derived": false, "keys": {"1": 1_795_431_256}})),
        HEALTH => Reply::json(200, &json!({"sealed": false})),
        LOOKUP => data(&json!({"ttl": 0, "creation_ttl": 0, "expire_time": null, "renewable": false})),
        _ => Reply::json(404, &json!({"errors": []})),
    }
}

fn data(data: &Value) -> Reply {
    Reply::json(200, &json!({"data": data}))
}

fn refusal(status: u16, text: &str) -> Reply {
    Reply::json(status, &json!({"errors": [text]}))
}

fn call() -> Call {
    Call::within(Duration::from_secs(20))
}

fn seed() -> Secret {
    Secret::new(SEED.to_vec())
}

async fn wrap(provider: &VaultProvider) -> Result<Vec<u8>, ProviderError> {
    Ok(provider.wrap(&1.into(), &seed(), Some(b"aad"), &call()).await?.bytes)
}

async fn unwrap(provider: &VaultProvider) -> Result<Secret, ProviderError> {
    Ok(provider.unwrap(&1.into(), b"wrap", Some(b"aad"), &call()).await?.plaintext)
}
