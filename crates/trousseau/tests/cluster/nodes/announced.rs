//! Which key_id each node announces, which it must, and what the API servers make of it.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;
use trousseau_cluster::{ApiServer, Vault, wait};

use crate::client::Client;
use crate::rig::KEY;
use crate::soak::Run;

/// The ids that one node announced, in their order.
#[derive(Default)]
pub(crate) struct Announced {
    ids: Mutex<Vec<String>>,
    pub(crate) may_be_silent: AtomicBool,
}

impl Announced {
    /// Asks for Status until the run is over.
    pub(crate) fn watch(&self, mut client: Client, letter: &str, run: &Run) {
        while !run.is_over() {
            let may_be_silent = self.may_be_silent.load(Ordering::Relaxed);
            match client.status() {
                Ok(status) => self.note(status.key_id, letter, run),
                Err(_) if may_be_silent || self.may_be_silent.load(Ordering::Relaxed) => {}
                Err(error) => run.wrong(format!("node {letter}: Status: {error}")),
            }
            wait::pause(Duration::from_millis(50));
        }
    }

    fn note(&self, id: String, letter: &str, run: &Run) {
        let mut ids = self.ids.lock().unwrap();
        if ids.last() == Some(&id) {
            return;
        }
        if ids.contains(&id) {
            run.wrong(format!("i2: node {letter} announces {id} again, after {ids:?}"));
        }
        ids.push(id);
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.ids.lock().unwrap().clone()
    }
}

/// Whether what was announced are ids of the key, and go up.
pub(crate) fn in_order_of(ids: &[String], key_ids: &[String]) -> Result<(), String> {
    let versions: Option<Vec<_>> = ids.iter().map(|id| key_ids.iter().position(|known| known == id)).collect();
    match versions {
        None => Err(format!("i3: it announced {ids:?}, the key has {key_ids:?}")),
        Some(versions) if versions.is_sorted_by(|one, next| one < next) => Ok(()),
        Some(versions) => Err(format!("i2: it announced versions {versions:?}, counted from 0")),
    }
}

/// When Vault made each version, in Unix seconds, the oldest first.
pub(crate) fn created(vault: &Vault) -> Vec<u64> {
    let answer = vault.root("GET", &format!("transit/keys/{KEY}"), &Value::Null).unwrap();
    let keys = answer["data"]["keys"].as_object().expect("a key has versions");
    (1..=keys.len()).map(|version| keys[&version.to_string()].as_u64().expect("Unix seconds")).collect()
}

/// The key_id of a version of a transit key at `transit`, by the rule in the documentation and not by the plugin's code.
pub(crate) fn derived_key_id(cluster: &str, key: &str, version: u32, created: u64) -> String {
    let (version, created) = (version.to_string(), created.to_string());
    let mut input = Vec::new();
    for field in ["trousseau/key_id/t1", "native", cluster, "vault", "", "transit", key, &version, &created, ""] {
        input.extend((field.len() as u32).to_be_bytes());
        input.extend(field.as_bytes());
    }
    format!("t1.{}", BASE64_URL_SAFE_NO_PAD.encode(&digest(&SHA256, &input).as_ref()[..16]))
}

/// Which key_id an API server heard of last, and which it wrote under last, by its own metrics.
pub(crate) fn in_use(api: &ApiServer) -> [Option<String>; 2] {
    let metrics = api.metrics().unwrap();
    let newest = |metric: &str, also: &str| {
        let lines = metrics.lines().filter(|line| line.starts_with(metric) && line.contains(also));
        let timed = lines.filter_map(|line| {
            let hash = line.split("key_id_hash=\"").nth(1)?.split('"').next()?;
            let at: f64 = line.rsplit(' ').next()?.parse().ok()?;
            Some((at, hash.to_owned()))
        });
        timed.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, hash)| hash)
    };
    let name = "apiserver_envelope_encryption_key_id_hash";
    [
        newest(&format!("{name}_status_last_timestamp_seconds{{"), ""),
        newest(&format!("{name}_last_timestamp_seconds{{"), "transformation_type=\"to_storage\""),
    ]
}

/// As Kubernetes prints a key_id in its metrics.
pub(crate) fn hash(key_id: &str) -> String {
    digest(&SHA256, key_id.as_bytes()).as_ref().iter().fold(String::from("sha256:"), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[test]
fn i3_what_the_tests_of_several_nodes_derive_is_the_golden_key_id() {
    assert_eq!(derived_key_id("prod-eu-1", "kubernetes", 3, 1_795_421_867), "t1.ouPOUiGN6HwVgmELB8jP2Q");
}

#[test]
fn i2_the_tests_of_several_nodes_notice_a_flip_flop_and_an_id_of_no_version() {
    let (chain, run) = (["one", "two", "three"].map(String::from), Run::default());
    let announced = Announced::default();
    for id in ["one", "one", "three"] {
        announced.note(id.to_owned(), "a", &run);
    }
    assert_eq!(in_order_of(&announced.ids(), &chain), Ok(()));
    assert!(!run.is_over());
    announced.note("one".to_owned(), "a", &run);
    assert!(run.is_over(), "it came back");
    for (ids, tag) in [(["two", "one"], "i2:"), (["one", "other"], "i3:")] {
        assert!(in_order_of(&ids.map(String::from), &chain).unwrap_err().starts_with(tag), "{ids:?}");
    }
}
