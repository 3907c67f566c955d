//! What runs on a live vault or HSM, or an emulator of one, named by variables. Left out otherwise, which the output of
//! the tests says. Run with `live -- --ignored`:
//!
//! * `TROUSSEAU_TEST_AZURE`: the `azureKeyVault:` section as JSON, with a key of one version;
//! * what that section takes from the environment (`AZURE_CLIENT_SECRET` and the like).
//!
//! These two tests only: the contract's cases that need no more than additional data and a list of versions, and the
//! refusals of a damaged wrap, an unknown version and an unknown key. On the double only: all that rotates, disables,
//! replaces, deletes or throttles, a second key, other logins than the section's, challenges, and every other module.

use std::sync::Arc;

use async_trait::async_trait;
use trousseau_azure::{Algorithm, Environment};
use trousseau_core::Provider;
use trousseau_testkit::contract::{Capability, Subject, check_all};

use super::{config, opens, wrap};

struct Live(serde_json::Value);

#[async_trait]
impl Subject for Live {
    fn capabilities(&self) -> &[Capability] {
        &[Capability::Aad, Capability::Lists, Capability::Wipes]
    }

    fn largest(&self) -> usize {
        190
    }

    async fn provider(&self) -> Arc<dyn Provider> {
        let environment = Environment::from_variables(|name| std::env::var(name).ok());
        Arc::new(config(self.0.clone()).build(&environment).unwrap())
    }
}

fn section() -> serde_json::Value {
    let text = std::env::var("TROUSSEAU_TEST_AZURE");
    let text = text.unwrap_or_else(|_| panic!("set TROUSSEAU_TEST_AZURE to an `azureKeyVault:` section as JSON"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("TROUSSEAU_TEST_AZURE is no JSON: {error}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a live Key Vault or Managed HSM: set TROUSSEAU_TEST_AZURE and run with --ignored"]
async fn a_live_vault_keeps_to_the_contract() {
    let section = section();
    check_all(|| async { Arc::new(Live(section.clone())) as Arc<dyn Subject> }).await;
}

/// Whether the documented answers are the real ones: a damaged ciphertext, an unknown version, an unknown key.
#[tokio::test]
#[ignore = "needs a live Key Vault or Managed HSM: set TROUSSEAU_TEST_AZURE and run with --ignored"]
async fn a_live_vault_refuses_as_the_double_does() {
    use trousseau_core::{ErrorKind, Wrapped};

    let environment = Environment::from_variables(|name| std::env::var(name).ok());
    let section = section();
    let aes = config(section.clone()).algorithm == Algorithm::A256GCM;
    let provider = config(section.clone()).build(&environment).unwrap();
    let wrapped = wrap(&provider).await.unwrap();
    opens(&provider, &wrapped).await;
    let mut bad = wrapped.clone();
    *bad.bytes.last_mut().unwrap() ^= 1;
    assert_eq!(super::refused(&provider, &bad).await, ErrorKind::Unauthentic);
    let unknown = Wrapped { version: trousseau_core::KeyVersion::Name("0".repeat(32)), ..wrapped };
    let expected = if aes { ErrorKind::TooNew } else { ErrorKind::Unauthentic };
    assert_eq!(super::refused(&provider, &unknown).await, expected);
    let mut missing = section;
    missing["key"] = "trousseau-test-no-such-key".into();
    let provider = config(missing).build(&environment).unwrap();
    assert_eq!(provider.presence(&super::call()).await.unwrap_err().kind(), ErrorKind::Gone);
}
