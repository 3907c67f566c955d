//! A KMS that is slow to encrypt must not hold up what reads: Secrets are decrypted far more often than written.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::runtime::Builder;
use tonic::Request;
use tonic::transport::Endpoint;
use trousseau_kms_api::v2::key_management_service_client::KeyManagementServiceClient;
use trousseau_kms_api::v2::{DecryptRequest, EncryptRequest, StatusRequest};
use trousseau_testkit::https::{Front, ScriptedServer};

use crate::honest_vault::honest;
use crate::process::{Client, Serve, UID, wait_for};

/// Longer than the test: an Encrypt never ends by itself.
const LONG: Duration = Duration::from_secs(600);
/// More than may be asked of the KMS at once, on the same connection as what reads.
const ENCRYPTS: usize = 100;
/// Of 64 calls to the KMS at once, those that Encrypts may take.
const HELD: usize = 48;

#[test]
fn no_decrypt_waits_for_a_slow_encrypt() {
    let slow = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&slow);
    let vault = ScriptedServer::start(Front::Plain, move |request| {
        let encrypts = request.path.ends_with("/encrypt/k");
        honest(request).after(if encrypts && switch.load(Ordering::SeqCst) { LONG } else { Duration::ZERO })
    });
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    fs::write(dir.path().join("token"), "s.token").unwrap();
    let text = format!(
        "admin: off\nsocket: {{path: {0}/kms.sock}}\nhealth: {{grace: 1h}}\nprobe: {{interval: 10m, promotionDelay: 20m}}\nkeys:\n  - name: primary\n    vault:\n      address: {1}\n      allowHttp: true\n      timeouts: {{firstByte: 10m, whole: 10m}}\n      transit: {{key: k}}\n      auth: {{token: {{file: {0}/token}}}}\n",
        dir.path().display(),
        vault.url(),
    );
    let serve = Serve::configured(dir.path(), &text);
    let mut client = Client::connect(&dir.path().join("kms.sock"));
    client.wait_ok(&serve);
    let made = client.encrypt(&[7; 32]).unwrap();
    let held = || vault.requests().iter().filter(|request| request.path.ends_with("/encrypt/k")).count();
    let before = held();
    slow.store(true, Ordering::SeqCst);

    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let channel = {
        let _inside = runtime.enter();
        Endpoint::from_shared(format!("unix://{}/kms.sock", dir.path().display())).unwrap().connect_lazy()
    };
    let api = KeyManagementServiceClient::new(channel);
    let encrypts: Vec<_> = (0..ENCRYPTS)
        .map(|_| {
            let mut api = api.clone();
            let mut request = Request::new(EncryptRequest { plaintext: vec![8; 32], uid: UID.into() });
            request.set_timeout(LONG);
            runtime.spawn(async move { api.encrypt(request).await })
        })
        .collect();
    wait_for("Vault to hold Encrypts", 60, || held() == before + HELD);

    let mut api = api;
    for _ in 0..20 {
        let request = DecryptRequest {
            ciphertext: made.ciphertext.clone(),
            uid: UID.into(),
            key_id: made.key_id.clone(),
            annotations: made.annotations.clone(),
        };
        assert_eq!(runtime.block_on(api.decrypt(request)).unwrap().into_inner().plaintext, [7; 32]);
        assert_eq!(runtime.block_on(api.status(StatusRequest {})).unwrap().into_inner().healthz, "ok");
    }
    assert!(encrypts.iter().all(|encrypt| !encrypt.is_finished()), "every Decrypt overtook every Encrypt");
    runtime.shutdown_background();
}
