//! A call that is under way when a process ends is answered by it: Encrypt through a KMS that takes seconds.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tonic::transport::Endpoint;
use tonic::{Request, Response, Status};
use trousseau_kms_api::v2::key_management_service_client::KeyManagementServiceClient;
use trousseau_kms_api::v2::{EncryptRequest, EncryptResponse};
use trousseau_testkit::https::{Front, ScriptedServer};

use crate::honest_vault::honest;
use crate::process::{Client, Serve, UID, wait_for};

/// Long enough for another process to start, prove its key and take the socket over, on a busy machine too.
const SLOW: Duration = Duration::from_secs(10);

/// A Vault that takes its time for one Encrypt when told to.
struct SlowVault {
    server: ScriptedServer,
    next_is_slow: Arc<AtomicBool>,
    held: Arc<AtomicUsize>,
}

impl SlowVault {
    fn start() -> Self {
        let (next_is_slow, held) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (switch, count) = (next_is_slow.clone(), held.clone());
        let server = ScriptedServer::start(Front::Plain, move |request| {
            let slow = request.path.ends_with("/encrypt/k") && switch.swap(false, Ordering::SeqCst);
            count.fetch_add(usize::from(slow), Ordering::SeqCst);
            honest(request).after(if slow { SLOW } else { Duration::ZERO })
        });
        Self { server, next_is_slow, held }
    }

    /// Begins an Encrypt on a connection of its own; returns once Vault has it.
    fn hold(&self, runtime: &Runtime, socket: &Path) -> JoinHandle<Result<Response<EncryptResponse>, Status>> {
        let channel = {
            let _inside = runtime.enter();
            Endpoint::from_shared(format!("unix://{}", socket.display())).unwrap().connect_lazy()
        };
        let before = self.held.load(Ordering::SeqCst);
        self.next_is_slow.store(true, Ordering::SeqCst);
        let mut request = Request::new(EncryptRequest { plaintext: vec![7; 32], uid: UID.into() });
        request.set_timeout(Duration::from_secs(30));
        let call = runtime.spawn(async move { KeyManagementServiceClient::new(channel).encrypt(request).await });
        wait_for("Vault to hold the Encrypt", 10, || self.held.load(Ordering::SeqCst) > before);
        call
    }
}

#[test]
fn a_slow_encrypt_under_way_is_answered_across_a_take_over_and_across_sigterm() {
    let vault = SlowVault::start();
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    fs::write(dir.path().join("token"), "s.token").unwrap();
    // No probe but the first of each process: the Encrypt that is held is the caller's.
    let text = format!(
        "admin: off\nsocket: {{path: {0}/kms.sock}}\nlimits: {{drain: 30s}}\nhealth: {{grace: 1h}}\nprobe: {{interval: 10m, promotionDelay: 20m}}\nkeys:\n  - name: primary\n    vault:\n      address: {1}\n      allowHttp: true\n      timeouts: {{firstByte: 30s, whole: 30s}}\n      transit: {{key: k}}\n      auth: {{token: {{file: {0}/token}}}}\n",
        dir.path().display(),
        vault.server.url(),
    );
    let socket = dir.path().join("kms.sock");
    let mut old = Serve::configured(dir.path(), &text);
    Client::connect(&socket).wait_ok(&old);
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();

    let call = vault.hold(&runtime, &socket);
    let config = dir.path().join("config.yaml");
    let mut new = Serve::start(dir.path(), &["--config", config.to_str().unwrap(), "--take-over"]);
    wait_for("the take-over", 20, || new.log().contains("another process took the socket over: draining"));
    assert!(!call.is_finished(), "the call was over before the take-over, so nothing is proved");
    let made = runtime.block_on(call).unwrap().expect("the old process answers what it began").into_inner();
    assert_eq!(old.wait(30), Some(0), "{}", old.log());
    assert_eq!(Client::connect(&socket).decrypt(&made).unwrap(), [7; 32], "the new process opens it");

    let call = vault.hold(&runtime, &socket);
    new.signal(Signal::TERM);
    wait_for("the signal's arrival", 10, || new.log().contains("SIGTERM: draining"));
    assert!(!call.is_finished(), "the call was over before the signal, so nothing is proved");
    let again = runtime.block_on(call).unwrap().expect("it answers what it began").into_inner();
    assert_eq!((again.key_id, again.ciphertext.is_empty()), (made.key_id, false));
    assert_eq!(new.wait(30), Some(0), "{}", new.log());
}
