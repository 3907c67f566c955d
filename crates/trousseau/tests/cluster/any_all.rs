//! Two KMS that must both write, as a list does by default, on a real API server.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tempfile::TempDir;
use trousseau_cluster::{AwsKms, Vault, wait};
use trousseau_local::{KeygenOptions, keygen};
use trousseau_testkit::ca::TestCa;
use trousseau_testkit::https::{Front, Reply, ScriptedServer};

use crate::honest_vault::honest;
use crate::plane::Plane;
use crate::rig::KEY;
use crate::vault_and_aws::Both;

const MINUTE: Duration = Duration::from_secs(60);

/// More than Trousseau asks for: by `create`, an encrypt makes a missing key.
const MAY_CREATE: &str = r#"
path "transit/encrypt/kubernetes" { capabilities = ["create", "update"] }
path "transit/decrypt/kubernetes" { capabilities = ["update"] }
path "transit/keys/kubernetes" { capabilities = ["read"] }
"#;

struct List {
    plane: Plane,
    vault: Vault,
    aws: AwsKms,
}

impl List {
    fn start() -> Self {
        let Both { vault, in_vault, aws, in_aws, dir } = Both::start();
        vault.policy("trousseau", MAY_CREATE).unwrap();
        let plane = Plane::start(dir, &[&format!("{{name: both, any: {{of: [{in_vault}, {in_aws}]}}}}")]);
        assert!(plane.create("by-both"));
        Self { plane, vault, aws }
    }

    fn wait_healthz(&self, ok: bool) {
        let mut client = self.plane.plugin.client();
        let changed = || Ok((client.status().is_ok_and(|status| status.healthz == "ok") == ok).then_some(()));
        wait::until(MINUTE, "Status to change", changed)
            .unwrap_or_else(|error| panic!("{error}\n{}", self.plane.plugin.log()));
    }

    /// The key_id of an Encrypt, if it is answered.
    fn encrypt(&self) -> Result<String, tonic::Status> {
        self.plane.plugin.client().encrypt(&[7; 32]).map(|answer| answer.key_id)
    }
}

#[test]
fn by_default_nothing_is_wrapped_without_every_member_and_each_one_reads_alone() {
    let mut it = List::start();
    let by_both = it.plane.key_id();
    it.vault.stop().unwrap();
    it.wait_healthz(false);
    assert!(it.encrypt().is_err(), "AWS alone does not write");
    // The API server has a seed and goes on with it; what it stores is read by either one.
    assert!(it.plane.create("coasting"));
    assert_eq!(it.plane.record("coasting").key_id, by_both);
    assert_eq!((it.plane.opens("by-both"), it.plane.key_id()), (Ok(()), by_both.clone()));
    it.vault.restart().unwrap();
    it.vault.unseal().unwrap();
    it.wait_healthz(true);
    assert_eq!(it.encrypt().unwrap(), by_both);
    assert_eq!(it.plane.plugin.metric("trousseau_key_id_changes_total"), 0.0, "no other id came in between");
    it.aws.stop().unwrap();
    assert_eq!((it.plane.opens("by-both"), it.plane.opens("coasting")), (Ok(()), Ok(())), "the Vault reads alone");
}

/// What the new key wraps is not what key_id says, and nobody could tell which records lost a member.
#[test]
fn a_member_that_must_write_and_was_replaced_or_deleted_stops_writes_and_not_reads() {
    for replaced in [true, false] {
        let mut it = List::start();
        let by_both = it.encrypt().unwrap();
        it.vault.delete_key("transit", KEY).unwrap();
        if replaced {
            it.vault.create_key("transit", KEY, "aes256-gcm96").unwrap();
        }
        let mut client = it.plane.plugin.client();
        wait::until(MINUTE, "Status to be an error", || Ok(client.status().is_err().then_some(()))).unwrap();
        assert!(it.encrypt().is_err());
        assert_eq!(it.plane.opens("by-both"), Ok(()));
        // A change of the configuration is no word of an operator that the loss is accepted.
        let (file, new) = (it.plane.dir.path().join("config.yaml"), it.plane.dir.path().join("new"));
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&new, format!("log: {{level: debug}}\n{text}")).unwrap();
        fs::rename(&new, &file).unwrap();
        wait::until(MINUTE, "the new level", || Ok(it.plane.plugin.log().contains("asked the KMS").then_some(())))
            .unwrap();
        wait::pause(Duration::from_secs(10));
        assert!(client.status().is_err() && it.encrypt().is_err());
        let (_, page) = it.plane.plugin.page("/readyz?verbose");
        assert!(page.contains("`both/vault` can't write any more"), "{page}");
        if !replaced {
            let token = it.vault.root_token();
            let (code, _) = it.vault.api("GET", &format!("transit/keys/{KEY}"), &json!(null), token).unwrap();
            assert_eq!(code, 404, "the token may create, and nothing of ours made the key anew");
        }
        // The loss is accepted: another id, and every record is read by the member that is left.
        it.vault.create_key("transit", KEY, "aes256-gcm96").unwrap();
        it.plane.plugin.signal(rustix::process::Signal::HUP);
        it.wait_healthz(true);
        assert_ne!(it.encrypt().unwrap(), by_both);
        assert_eq!(it.plane.opens("by-both"), Ok(()));
    }
}

/// One member is a Vault that lies, scripted because no real one does: nothing bad gets into etcd, and what the other
/// one opens is read.
#[test]
fn a_member_that_lies_at_a_write_or_a_read_harms_no_record() {
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    let lies = Arc::new(AtomicBool::new(false));
    let (ca, lying) = (TestCa::new(), Arc::clone(&lies));
    let server = ScriptedServer::start(Front::tls(&ca.server(&["127.0.0.1"])), move |request| {
        let other = STANDARD.encode([9; 32]);
        match (lying.load(Ordering::SeqCst), request.path.contains("/decrypt/")) {
            (true, true) => Reply::json(200, &json!({"data": {"plaintext": other}})),
            (true, false) if request.path.contains("/encrypt/") => {
                Reply::json(200, &json!({"data": {"ciphertext": format!("vault:v1:{other}"), "key_version": 1}}))
            }
            _ => honest(request),
        }
    });
    fs::write(dir.path().join("token"), "s.token").unwrap();
    keygen(&dir.path().join("local.key"), &KeygenOptions::default()).unwrap();
    let authority = ca.file();
    let (path, url, authority) = (dir.path().display(), server.url(), authority.display());
    let lying = format!(
        "{{name: lying, vault: {{address: '{url}', tls: {{ca: {authority}}}, transit: {{key: k}}, auth: {{token: {{file: {path}/token}}}}}}}}"
    );
    let both = format!("{{name: both, any: {{of: [{lying}, {{name: local, local: {{file: {path}/local.key}}}}]}}}}");
    let plane = Plane::start(dir, &[&both]);
    assert!(plane.create("honest"));
    let by_both = plane.key_id();
    lies.store(true, Ordering::SeqCst);
    let mut client = plane.plugin.client();
    for _ in 0..10 {
        assert!(client.encrypt(&[7; 32]).is_err(), "a wrap that opens to something else");
        assert_eq!(plane.opens("honest"), Ok(()), "the local key says what it was");
    }
    assert!(plane.create("while-it-lies"), "under the seed that the API server has");
    lies.store(false, Ordering::SeqCst);
    let works = || Ok(client.encrypt(&[7; 32]).is_ok_and(|made| made.key_id == by_both).then_some(()));
    wait::until(MINUTE, "an honest answer", works).unwrap();
    for name in ["honest", "while-it-lies"] {
        assert_eq!((plane.opens(name), plane.record(name).key_id), (Ok(()), by_both.clone()));
        assert!(plane.is_readable(name));
    }
}
