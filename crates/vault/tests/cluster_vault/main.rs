//! The provider against a real Vault.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod contract;
mod keys;
mod policies;
mod tokens;

use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use trousseau_cluster::Vault;
use trousseau_core::{Call, Provider, ProviderError, Secret, SecretText, Wrapped};
use trousseau_vault::{Auth, Config, Environment, TokenAuth, VaultProvider};

const AAD: Option<&[u8]> = Some(b"header and cluster");

/// A Vault with a transit engine, and the folder that it lives in.
struct Fixture {
    vault: Vault,
    folder: TempDir,
}

impl Fixture {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::start(folder.path().join("vault")).unwrap();
        vault.enable_transit("transit").unwrap();
        Self { vault, folder }
    }

    fn create(&self, key: &str) {
        self.vault.create_key("transit", key, "aes256-gcm96").unwrap();
    }

    fn config(&self, key: &str, token: &str) -> Config {
        let section = json!({"address": self.vault.address(), "transit": {"key": key}, "allowHttp": true});
        let mut config: Config = serde_json::from_value(section).unwrap();
        let inline = Some(SecretText::new(token.to_owned()));
        config.auth = Auth::Token(TokenAuth { inline, ..TokenAuth::default() });
        config
    }

    /// With the root token, which may everything.
    fn provider(&self, key: &str) -> VaultProvider {
        built(&self.config(key, self.vault.root_token()))
    }

    /// With a token that may only this, beside what the default policy allows.
    fn token(&self, name: &str, hcl: &str) -> String {
        self.vault.policy(name, hcl).unwrap();
        self.vault.token(&[name], "1h", true).unwrap()
    }
}

fn built(config: &Config) -> VaultProvider {
    config.build(&Environment::default()).unwrap()
}

fn call() -> Call {
    Call::within(Duration::from_secs(20))
}

fn seed() -> Secret {
    Secret::new(b"0123456789abcdef0123456789abcdef".to_vec())
}

async fn wrap(provider: &VaultProvider, version: u32) -> Result<Wrapped, ProviderError> {
    provider.wrap(&version.into(), &seed(), AAD, &call()).await
}

async fn unwrap(provider: &VaultProvider, version: u32, wrap: &[u8]) -> Result<Secret, ProviderError> {
    Ok(provider.unwrap(&version.into(), wrap, AAD, &call()).await?.plaintext)
}
