//! The provider against LocalEmu, an emulator whose keys have states and materials and can be rotated and replicated.
//!
//! It needs Python 3.13; without it every test here fails and says so, and `cargo xtask test` leaves the target out by
//! name. LocalEmu's Decrypt does not name the material; the scripted double of the target `it` does.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod contract;
mod replicas;
mod rotation;
mod states;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use trousseau_aws::{AwsProvider, Config};
use trousseau_cluster::{AwsKms, Emulator};
use trousseau_core::section::Environment;
use trousseau_core::{Call, Secret};

const REGION: &str = "eu-west-1";

/// A running LocalEmu, and the folder that it lives in.
struct Fixture {
    kms: AwsKms,
    folder: TempDir,
}

/// It takes ten seconds to start and holds any number of keys, so that one is enough; it ends with this process.
static FIXTURE: LazyLock<Arc<Fixture>> = LazyLock::new(|| Arc::new(Fixture::start()));

impl Fixture {
    fn shared() -> Arc<Self> {
        Arc::clone(&FIXTURE)
    }

    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kms = AwsKms::start(Emulator::LocalEmu, folder.path().join("localemu")).unwrap();
        let text = "[default]\naws_access_key_id = AKIATEST\naws_secret_access_key = secret\n";
        std::fs::write(folder.path().join("credentials"), text).unwrap();
        Self { kms, folder }
    }

    fn create(&self) -> String {
        self.kms.create_key(REGION, false).unwrap()
    }

    fn section(&self, arn: &str) -> Value {
        json!({
            "key": arn,
            "endpoint": self.kms.url(),
            "allowHttp": true,
            "credentialsFile": self.folder.path().join("credentials"),
            "timeouts": {"connect": "20s", "firstByte": "20s"},
        })
    }

    fn provider(&self, arn: &str) -> AwsProvider {
        build(self.section(arn))
    }
}

fn build(section: Value) -> AwsProvider {
    let config: Config = serde_json::from_value(section).unwrap();
    config.provider(&Environment::default()).unwrap()
}

fn call() -> Call {
    Call::within(Duration::from_secs(20))
}

fn seed() -> Secret {
    Secret::new(b"0123456789abcdef0123456789abcdef".to_vec())
}
