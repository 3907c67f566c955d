//! What every provider has to keep to, with a real plugin in each version of the API.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tempfile::TempDir;
use trousseau_cluster::{KmsApi, KmsPlugin};
use trousseau_core::Provider;
use trousseau_testkit::contract::{Capability, Subject, check_all};

use super::built;

struct Behind {
    plugin: KmsPlugin,
    other: KmsPlugin,
    api: KmsApi,
    capabilities: &'static [Capability],
}

#[async_trait]
impl Subject for Behind {
    fn capabilities(&self) -> &[Capability] {
        self.capabilities
    }

    async fn provider(&self) -> Arc<dyn Provider> {
        built(&self.plugin, self.api, "")
    }

    async fn another(&self) -> Arc<dyn Provider> {
        built(&self.other, self.api, "other")
    }

    async fn rotate(&self) {
        self.plugin.rotate().unwrap();
    }

    async fn replace(&self) {
        self.plugin.replace().unwrap();
    }
}

async fn check(api: KmsApi, capabilities: &'static [Capability]) {
    let folder = TempDir::with_prefix("trousseau-").unwrap();
    let number = AtomicUsize::new(0);
    check_all(|| async {
        let folder = folder.path().join(number.fetch_add(1, Ordering::Relaxed).to_string());
        let plugin = KmsPlugin::start(folder.join("one"), api).unwrap();
        let other = KmsPlugin::start(folder.join("two"), api).unwrap();
        Arc::new(Behind { plugin, other, api, capabilities }) as Arc<dyn Subject>
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_of_kms_v2_keeps_to_the_contract() {
    use Capability::{Aad, Another, Replace, Rotate};
    check(KmsApi::V2, &[Aad, Another, Rotate, Replace]).await;
}

/// It names no key, so neither a rotation nor a replaced key shows in key_id: that is what `plugin-v1` warns about.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_of_kms_v1_keeps_to_the_contract() {
    use Capability::{Aad, Another};
    check(KmsApi::V1, &[Aad, Another]).await;
}
