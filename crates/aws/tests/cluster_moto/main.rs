//! The provider against moto, an emulator with real cryptography: what is sent is understood, what comes back is read.
//!
//! moto's mistakes prove nothing and are named where a test would rest on one: disabled keys go on working, rotation
//! changes nothing, no material has a name, and a wrap whose own key id was changed is refused as a missing right.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod contract;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use trousseau_aws::{AwsProvider, Config};
use trousseau_cluster::{AwsKms, Emulator};
use trousseau_core::section::Environment;
use trousseau_core::{Call, Secret};

const REGION: &str = "eu-west-1";

/// A running moto, and the folder that it lives in.
struct Fixture {
    kms: AwsKms,
    folder: TempDir,
}

impl Fixture {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kms = AwsKms::start(Emulator::Moto, folder.path().join("moto")).unwrap();
        let text = "[default]\naws_access_key_id = AKIATEST\naws_secret_access_key = secret\n";
        std::fs::write(folder.path().join("credentials"), text).unwrap();
        Self { kms, folder }
    }

    fn create(&self) -> String {
        self.kms.create_key(REGION, false).unwrap()
    }

    fn credentials_file(&self) -> PathBuf {
        self.folder.path().join("credentials")
    }

    fn section(&self, arn: &str) -> Value {
        json!({
            "key": arn,
            "endpoint": self.kms.url(),
            "allowHttp": true,
            "credentialsFile": self.credentials_file(),
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
