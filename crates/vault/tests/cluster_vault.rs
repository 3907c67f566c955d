//! The provider against a real Vault.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use trousseau_cluster::Vault;
use trousseau_core::{Call, ErrorKind, Provider, Secret, SecretText};
use trousseau_vault::{Auth, Config, Environment, IdentitySource, TokenAuth, VaultProvider};

fn config(vault: &Vault, key: &str, token: &str) -> Config {
    let yaml = serde_json::json!({"address": vault.address(), "transit": {"key": key}, "allowHttp": true});
    let mut config: Config = serde_json::from_value(yaml).unwrap();
    config.auth = Auth::Token(TokenAuth { inline: Some(SecretText::new(token.to_owned())), ..TokenAuth::default() });
    config
}

fn call() -> Call {
    Call::within(Duration::from_secs(20))
}

#[tokio::test]
async fn smoke() {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::start(dir.path()).unwrap();
    vault.enable_transit("transit").unwrap();
    vault.create_key("transit", "k", "aes256-gcm96").unwrap();
    let config = config(&vault, "k", vault.root_token());
    let provider: VaultProvider = config.build(&Environment::default()).unwrap();
    provider.presence(&call()).await.unwrap();
    println!("{:?}", provider.observe(&call()).await.unwrap());
    let seed = Secret::new(b"0123456789abcdef0123456789abcdef".to_vec());
    for aad in [None, Some(&b"aad"[..])] {
        let wrap = provider.wrap(&1.into(), &seed, aad, &call().on_active_node()).await.unwrap();
        let opened = provider.unwrap(&1.into(), &wrap.bytes, aad, &call()).await.unwrap();
        assert!(opened.plaintext.same_as(&seed));
        let error = provider.unwrap(&1.into(), &wrap.bytes, Some(b"other"), &call()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthentic);
        println!("{error}");
    }
    let _ = IdentitySource::Version;
}
