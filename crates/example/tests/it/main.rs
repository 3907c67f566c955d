//! The provider of docs/providers.md against the contract suite, and the page against the provider.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod kms;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tempfile::TempDir;
use trousseau_core::section::{Host, Section as _};
use trousseau_core::{Call, ErrorKind, Provider};
use trousseau_example::Config;
use trousseau_testkit::ca::TestCa;
use trousseau_testkit::contract::{Capability, Subject, check_all};
use trousseau_testkit::https::ScriptedServer;

use kms::{Keys, TOKEN};

struct Acme {
    keys: Keys,
    server: ScriptedServer,
    ca: TestCa,
    folder: TempDir,
}

impl Acme {
    fn start() -> Self {
        let keys = Keys::default();
        keys.rotate("ours");
        keys.rotate("another");
        let (server, ca) = kms::start(keys.clone());
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("token"), TOKEN).unwrap();
        Self { keys, server, ca, folder }
    }

    fn config(&self, key: &str) -> Config {
        let token_file = self.folder.path().join("token");
        Config { address: self.server.url(), key: key.into(), token_file, ca: Some(self.ca.file()) }
    }

    fn node(&self, key: &str) -> Arc<dyn Provider> {
        let config = self.config(key);
        config.check().unwrap();
        config.build(&Host::default()).unwrap()
    }
}

#[async_trait]
impl Subject for Acme {
    fn capabilities(&self) -> &[Capability] {
        use Capability::{Aad, Another, Delete, Lists, Numbers, Replace, Rotate, Wipes};
        &[Aad, Another, Numbers, Rotate, Lists, Replace, Delete, Wipes]
    }

    async fn provider(&self) -> Arc<dyn Provider> {
        self.node("ours")
    }

    async fn another(&self) -> Arc<dyn Provider> {
        self.node("another")
    }

    async fn rotate(&self) {
        self.keys.rotate("ours");
    }

    async fn replace(&self) {
        self.keys.replace("ours");
    }

    async fn delete(&self) {
        self.keys.delete("ours");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_provider_of_the_documentation_keeps_to_the_contract() {
    check_all(|| async { Arc::new(Acme::start()) as Arc<dyn Subject> }).await;
}

#[tokio::test]
async fn i9_a_wrong_token_is_denied_and_shows_nowhere() {
    let acme = Acme::start();
    fs::write(acme.folder.path().join("token"), "acme-other-token").unwrap();
    let error = acme.node("ours").presence(&Call::within(Duration::from_secs(9))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(!format!("{error:?} {}", error.chain()).contains("acme-other"), "{}", error.chain());
    assert!(acme.config("a/b").check().unwrap_err().what.contains("no key's name"));
}

#[test]
fn the_documentation_shows_this_provider_and_this_test() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("../../docs/providers.md")).unwrap();
    let provider = fs::read_to_string(root.join("src/lib.rs")).unwrap();
    assert!(page.contains(&format!("```rust\n{provider}```\n")), "docs/providers.md does not show src/lib.rs as it is");
    assert!(provider.lines().count() < 150, "it grew to {} lines", provider.lines().count());
    let this = fs::read_to_string(root.join("tests/it/main.rs")).unwrap();
    let (begin, end) = (this.find("#[async_trait]\nimpl Subject").unwrap(), this.find("#[tokio::test]\n").unwrap());
    assert!(page.contains(&this[begin..end]), "docs/providers.md does not show the contract's fixture as it is");
}
