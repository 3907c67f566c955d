//! Against a real plugin of another make: Go, on the modules that plugin authors use.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod contract;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use trousseau_cluster::{KmsApi, KmsPlugin};
use trousseau_core::section::{Host, Section as _};
use trousseau_core::{Call, KeyVersion, Provider, Secret};
use trousseau_plugin::Config;

fn built(plugin: &KmsPlugin, api: KmsApi, name: &str) -> Arc<dyn Provider> {
    let api = if api == KmsApi::V1 { "v1" } else { "v2" };
    let section = json!({ "socket": plugin.socket(), "api": api, "name": name });
    let config: Config = serde_json::from_value(section).unwrap();
    config.check().unwrap();
    config.build(&Host::default()).unwrap()
}

fn call() -> Call {
    Call::within(Duration::from_secs(20))
}

fn seed() -> Secret {
    Secret::new(b"0123456789abcdef0123456789abcdef".to_vec())
}

async fn newest(provider: &dyn Provider) -> KeyVersion {
    provider.observe(&call()).await.unwrap().versions[0].version.clone()
}
