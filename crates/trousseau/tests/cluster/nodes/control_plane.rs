//! The three nodes, and what they share.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;
use trousseau_cluster::{ApiServer, Etcd, Vault, free_port};
use trousseau_record::{EncryptedObject, Stored};

use super::announced;
use crate::plugin::Plugin;
use crate::rig::{KEY, PROVIDER, api_server, new_token, secret_path, vault};

pub(crate) const NODES: usize = 3;

const LETTERS: [&str; NODES] = ["a", "b", "c"];
/// Names of the key in the configuration.
const KEY_NAMES: [&str; NODES] = ["primary", "main", "the-first"];

/// In what a test's nodes differ from each other, beside what they always do.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) promotion_delay: &'static str,
    /// Further lines of the key, by node, in YAML.
    pub(crate) key: [&'static str; NODES],
    /// Seconds by which each node's clock is wrong. `None`: they have the machine's.
    pub(crate) clocks: Option<[i64; NODES]>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { promotion_delay: "6s", key: [""; NODES], clocks: None }
    }
}

/// An API server with its plugin.
pub(crate) struct Node {
    pub(crate) api: ApiServer,
    pub(crate) plugin: Plugin,
    pub(crate) letter: &'static str,
    key: &'static str,
}

/// One at a time: three API servers under load fill two cores, and the tests beside them still want an answer in time.
static TURN: Mutex<()> = Mutex::new(());

// Dropped in this order: whoever needs another goes first.
pub(crate) struct ControlPlane {
    pub(crate) nodes: Vec<Node>,
    pub(crate) vault: Vault,
    pub(crate) etcd: Etcd,
    settings: Settings,
    dir: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl ControlPlane {
    /// All of it, ready.
    pub(crate) fn start(settings: Settings) -> Self {
        // A test that failed leaves the next one its turn.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = TempDir::with_prefix("trousseau-").unwrap();
        let etcd = Etcd::start(dir.path().join("etcd")).unwrap();
        let vault = vault(dir.path());
        let mut plane = Self { nodes: Vec::new(), vault, etcd, settings, dir, _turn: turn };
        let created = plane.created(1);
        let plugins: Vec<Plugin> = (0..NODES).map(|node| plane.plugin(node, created)).collect();
        for (node, plugin) in plugins.into_iter().enumerate() {
            plugin.wait_ready();
            let mut config = api_server(&plugin.dir, &plane.etcd, &plugin.socket());
            // A busy machine is no failure of a KMS.
            config.encryption = config.encryption.map(|yaml| yaml.replace("timeout: 3s", "timeout: 20s"));
            let api = ApiServer::start(&config).unwrap();
            plane.nodes.push(Node { api, plugin, letter: LETTERS[node], key: KEY_NAMES[node] });
        }
        plane
    }

    fn plugin(&self, node: usize, now: u64) -> Plugin {
        let dir = self.dir.path().join(LETTERS[node]);
        fs::create_dir_all(&dir).unwrap();
        new_token(&self.vault, &dir);
        let admin = free_port().unwrap();
        let file = dir.join("config.yaml");
        fs::write(&file, self.configuration(node, &dir, admin)).unwrap();
        let mut args = vec!["--config", file.to_str().unwrap()];
        let clock = self.clock(node);
        if self.settings.clocks.is_some() {
            self.set_clock(node, now);
            args.extend(["--clock-file", clock.to_str().unwrap()]);
        }
        Plugin::start_with(&dir, admin, &args)
    }

    fn configuration(&self, node: usize, dir: &Path, admin: u16) -> String {
        let plain = self.vault.address();
        let address = if node == 0 { plain } else { plain.replace("127.0.0.1", "localhost") };
        let Settings { promotion_delay, key, .. } = self.settings;
        format!(
            "cluster: test
socket: {{path: {dir}/kms.sock}}
admin: 127.0.0.1:{admin}
health: {{grace: 30s}}
probe: {{interval: 1s, afterFailure: 1s, promotionDelay: {promotion_delay}}}
keys:
  - name: {name}
    vault:
      address: {address}
      allowHttp: true
      transit: {{key: {KEY}}}
      auth: {{token: {{file: {dir}/token}}}}
    {key}
",
            dir = dir.display(),
            name = KEY_NAMES[node],
            key = key[node],
        )
    }

    fn clock(&self, node: usize) -> std::path::PathBuf {
        self.dir.path().join(LETTERS[node]).join("clock")
    }

    fn set_clock(&self, node: usize, now: u64) {
        let wrong_by = self.settings.clocks.map_or(0, |clocks| clocks[node]);
        let new = self.clock(node).with_extension("new");
        fs::write(&new, now.saturating_add_signed(wrong_by).to_string()).unwrap();
        fs::rename(&new, self.clock(node)).unwrap();
    }

    /// It is `now`, in Unix seconds; each node's clock shows it as wrongly as it goes.
    pub(crate) fn set_time(&self, now: u64) {
        (0..NODES).for_each(|node| self.set_clock(node, now));
    }

    /// A new version of the key; its number.
    pub(crate) fn rotate(&self) -> u32 {
        self.vault.rotate("transit", KEY).unwrap();
        self.key_ids().len() as u32
    }

    /// When Vault made a version, in Unix seconds.
    pub(crate) fn created(&self, version: u32) -> u64 {
        announced::created(&self.vault)[version as usize - 1]
    }

    /// The key_ids that all versions must have, the oldest first.
    pub(crate) fn key_ids(&self) -> Vec<String> {
        announced::created(&self.vault)
            .into_iter()
            .zip(1..)
            .map(|(created, version)| announced::derived_key_id("test", KEY, version, created))
            .collect()
    }

    /// The newest version's.
    pub(crate) fn newest(&self) -> String {
        self.key_ids().pop().unwrap()
    }

    /// Every Secret's record in etcd; ours, whoever wrote it.
    pub(crate) fn records(&self) -> Vec<(String, EncryptedObject)> {
        let stored = self.etcd.range(&secret_path("")).unwrap();
        stored
            .into_iter()
            .map(|(path, value)| match Stored::parse(&value) {
                Stored::KmsV2 { provider, object } if provider == PROVIDER => (path, object),
                other => panic!("{path} lies in etcd as {other:?}"),
            })
            .collect()
    }

    /// Every seed that a record has opens at every node's plugin, as it would for an API server that has just started;
    /// how many there are.
    pub(crate) fn assert_every_seed_opens_everywhere(&self) -> usize {
        let mut seeds: Vec<EncryptedObject> = self.records().into_iter().map(|(_, record)| record).collect();
        seeds.sort_by(|one, other| one.encrypted_dek_source.cmp(&other.encrypted_dek_source));
        seeds.dedup_by(|one, other| one.encrypted_dek_source == other.encrypted_dek_source);
        for Node { plugin, letter, .. } in &self.nodes {
            let mut client = plugin.client();
            for record in &seeds {
                let opened = client.decrypt(record);
                let opened =
                    opened.unwrap_or_else(|status| panic!("node {letter}: {status}: {record:?}\n{}", plugin.log()));
                assert_eq!(opened.len(), 32, "a seed");
            }
        }
        seeds.len()
    }

    /// The ends of the plugins' logs.
    pub(crate) fn logs(&self) -> String {
        self.nodes.iter().map(|node| format!("== node {}\n{}", node.letter, node.plugin.log())).collect()
    }
}

impl Node {
    /// The key_id that Status announces, if it answers.
    pub(crate) fn key_id(&self) -> Option<String> {
        self.plugin.client().status().ok().map(|status| status.key_id)
    }

    /// How often its plugin found the key to be good.
    pub(crate) fn good_probes(&self) -> f64 {
        self.plugin.metric(&format!("trousseau_probes_total{{key=\"{}\",outcome=\"good\"}}", self.key))
    }
}
