//! `bench`: its figures' shape on our own plugin; what it counts on a server that lies, stalls or is replaced.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::runtime::{Builder, Runtime};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status, async_trait};
use trousseau_kms_api::v2::key_management_service_server::{KeyManagementService, KeyManagementServiceServer};
use trousseau_kms_api::v2::{
    DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, StatusRequest, StatusResponse,
};

use crate::process::{Client, Serve, command, local, run, wait_for};

/// Runs `bench` on a socket; its output, and its figures if it printed any.
fn bench(socket: &Path, args: &[&str]) -> (Output, Value) {
    let socket = format!("unix://{}", socket.display());
    let fixed = ["bench", "--socket", &socket, "--output", "json", "--warmup", "0s"];
    let output = run(&[&fixed, args].concat());
    let figures = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output, figures)
}

#[test]
fn every_call_of_both_apis_is_measured_on_our_own_plugin() {
    let (dir, text) = local("admin: off\n");
    let serve = Serve::configured(dir.path(), &text);
    let socket = dir.path().join("kms.sock");
    Client::connect(&socket).wait_ok(&serve);
    for api in ["v1", "v2"] {
        for call in ["encrypt", "decrypt", "status"] {
            let args = ["--api", api, "--call", call, "--calls", "300", "-c", "7", "--connections", "3"];
            let (output, figures) = bench(&socket, &args);
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            assert_eq!((&figures["api"], &figures["call"]), (&api.into(), &call.into()));
            assert_eq!(
                (&figures["calls"], &figures["failed"], &figures["unsent"]),
                (&300.into(), &0.into(), &0.into())
            );
            assert_eq!((&figures["concurrency"], &figures["connections"]), (&7.into(), &3.into()));
            assert_eq!((&figures["rate"], &figures["firstError"]), (&Value::Null, &Value::Null));
            assert_eq!((&figures["errors"], &figures["reconnects"]), (&serde_json::json!({}), &0.into()));
            assert_eq!(figures["retried"], 0, "{figures}");
            assert_eq!(figures["server"]["pid"], serve.child.id());
            assert!(figures["server"]["cpuMicrosPerCall"].is_f64(), "{figures}");
            assert!(figures["server"]["residentBytes"].as_u64() > Some(1_000_000), "{figures}");
            assert!(figures["server"]["peakBytes"].as_u64() >= figures["server"]["residentBytes"].as_u64());
            let latency = |name: &str| figures["latencyMicros"][name].as_f64().unwrap();
            let rising = ["p50", "p99", "p999", "max"].map(latency);
            assert!(rising[0] > 1.0 && rising.is_sorted() && latency("mean") > 1.0, "{figures}");
            let (rate, seconds) = (figures["callsPerSecond"].as_f64().unwrap(), figures["seconds"].as_f64().unwrap());
            assert!((rate * seconds - 300.0).abs() < 1.0, "{figures}");
        }
    }
    let socket = socket.to_str().unwrap();
    let output = run(&["bench", "--socket", socket, "--duration", "200ms"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("p99.9") && text.contains("CPU per call"), "{output:?}");
    assert!(output.stderr.is_empty(), "no progress bar where nobody looks: {output:?}");
}

#[test]
fn what_is_no_plugin_or_no_command_is_said() {
    let dir = TempDir::new().unwrap();
    let missing = dir.path().join("absent.sock");
    let (output, _) = bench(&missing, &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("can't connect to") && said.contains("absent.sock"), "{said}");
    for args in [["--rate", "0"], ["--rate", "many"], ["-c", "0"], ["--duration", "10"], ["--call", "sing"]] {
        let (output, _) = bench(&missing, &args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
    }
}

/// A plugin whose answers are wrong in one way; named a liar because no real one does that on request.
#[derive(Clone, Copy, Default)]
struct Liar {
    refuse_every_third: bool,
    swap_plaintext: bool,
    empty_ciphertext: bool,
    sick: bool,
    stall_first: Duration,
}

struct Stage {
    dir: TempDir,
    calls: Arc<AtomicU64>,
    runtime: Option<Runtime>,
}

struct Service(Liar, Arc<AtomicU64>);

#[async_trait]
impl KeyManagementService for Service {
    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        if self.1.fetch_add(1, Ordering::SeqCst) == 0 {
            tokio::time::sleep(self.0.stall_first).await;
        }
        let healthz = if self.0.sick { "the KMS is sealed" } else { "ok" };
        Ok(Response::new(StatusResponse { version: "v2".into(), healthz: healthz.into(), key_id: "1".into() }))
    }

    async fn encrypt(&self, request: Request<EncryptRequest>) -> Result<Response<EncryptResponse>, Status> {
        if self.0.refuse_every_third && self.1.fetch_add(1, Ordering::SeqCst) % 3 == 2 {
            return Err(Status::resource_exhausted("too much at once"));
        }
        let ciphertext = if self.0.empty_ciphertext { Vec::new() } else { request.into_inner().plaintext };
        Ok(Response::new(EncryptResponse { ciphertext, key_id: "1".into(), annotations: Default::default() }))
    }

    async fn decrypt(&self, request: Request<DecryptRequest>) -> Result<Response<DecryptResponse>, Status> {
        let mut plaintext = request.into_inner().ciphertext;
        if self.0.swap_plaintext {
            plaintext.reverse();
        }
        Ok(Response::new(DecryptResponse { plaintext }))
    }
}

impl Stage {
    fn set(liar: Liar) -> Self {
        let mut stage = Self { dir: TempDir::new().unwrap(), calls: Arc::default(), runtime: None };
        stage.start(liar);
        stage
    }

    /// Serves at the same path; a server that ran before is cut off.
    fn start(&mut self, liar: Liar) {
        self.stop();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let _ = fs::remove_file(self.socket());
        let listener = {
            let _inside = runtime.enter();
            UnixListener::bind(self.socket()).unwrap()
        };
        self.calls = Arc::default();
        let service = KeyManagementServiceServer::new(Service(liar, Arc::clone(&self.calls)));
        let server = tonic::transport::Server::builder().add_service(service);
        runtime.spawn(server.serve_with_incoming(UnixListenerStream::new(listener)));
        self.runtime = Some(runtime);
    }

    fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }

    fn socket(&self) -> std::path::PathBuf {
        self.dir.path().join("kms.sock")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop();
    }
}

#[test]
fn errors_and_wrong_answers_are_counted_by_name() {
    let cases = [
        ("encrypt", Liar { refuse_every_third: true, ..Liar::default() }, "ResourceExhausted", 20, "too much at once"),
        ("encrypt", Liar { empty_ciphertext: true, ..Liar::default() }, "EmptyCiphertext", 60, "empty"),
        ("decrypt", Liar { swap_plaintext: true, ..Liar::default() }, "WrongPlaintext", 60, "something else"),
        ("status", Liar { sick: true, ..Liar::default() }, "NotHealthy", 60, "the KMS is sealed"),
    ];
    for (call, liar, name, count, text) in cases {
        let stage = Stage::set(liar);
        let (output, figures) = bench(&stage.socket(), &["--call", call, "--calls", "60", "-c", "4"]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!((&figures["calls"], &figures["failed"]), (&60.into(), &count.into()), "{figures}");
        assert_eq!(figures["errors"], serde_json::json!({ name: count }));
        assert!(figures["firstError"].as_str().unwrap().contains(text), "{figures}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(&format!("{count} of 60 calls failed")) && said.contains(text), "{said}");
    }
    // Decrypt can't be measured without ciphertexts.
    let stage = Stage::set(Liar { empty_ciphertext: true, ..Liar::default() });
    let (output, _) = bench(&stage.socket(), &["--call", "decrypt", "--calls", "1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("ciphertexts first"), "{output:?}");
}

#[test]
fn a_deadline_is_counted_as_one() {
    let stage = Stage::set(Liar { stall_first: Duration::from_secs(5), ..Liar::default() });
    let (output, figures) = bench(&stage.socket(), &["--call", "status", "--calls", "3", "--timeout", "300ms"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(figures["calls"], 3, "{figures}");
    assert!(figures["errors"]["DeadlineExceeded"].as_u64() >= Some(1), "{figures}");
}

#[test]
fn an_open_loop_shows_the_calls_that_a_stall_kept_waiting() {
    let stage = Stage::set(Liar { stall_first: Duration::from_millis(500), ..Liar::default() });
    let args = ["--call", "status", "--rate", "100", "--calls", "50", "-c", "1"];
    let (output, figures) = bench(&stage.socket(), &args);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!((&figures["calls"], &figures["unsent"], &figures["rate"]), (&50.into(), &0.into(), &100.0.into()));
    assert!(figures["seconds"].as_f64() >= Some(0.49), "50 calls at 100/s: {figures}");
    // One call of 50 stalled; counted from when they were due, half of them waited 250 ms and more for it.
    assert!(figures["latencyMicros"]["p50"].as_f64() >= Some(200_000.0), "{figures}");

    let stage = Stage::set(Liar { stall_first: Duration::from_millis(500), ..Liar::default() });
    let args = ["--call", "status", "--rate", "100", "--duration", "300ms", "-c", "1"];
    let (output, figures) = bench(&stage.socket(), &args);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let (calls, unsent) = (figures["calls"].as_u64().unwrap(), figures["unsent"].as_u64().unwrap());
    assert!(calls <= 1 && calls + unsent == 30, "what was due and never begun is said: {figures}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("29 of 30 calls were due and never begun"), "{said}");
    // The 29 had waited for 290, 280 ... 10 ms at the end: half of all for 150 ms and more.
    assert!(figures["latencyMicros"]["p50"].as_f64() >= Some(130_000.0), "{figures}");
    assert_eq!((&figures["failed"], &figures["errors"]), (&0.into(), &serde_json::json!({})));
}

#[test]
fn a_socket_that_is_replaced_is_connected_to_again() {
    let mut stage = Stage::set(Liar::default());
    let socket = stage.socket();
    let args = ["bench", "--socket", socket.to_str().unwrap(), "--call", "status", "--duration", "60s"];
    let mut command = command(&args);
    let child = command
        .args(["--output", "json", "-c", "2", "--warmup", "0s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.unwrap();
    wait_for("calls", 20, || stage.calls.load(Ordering::SeqCst) > 1000);
    stage.start(Liar::default());
    let calls = Arc::clone(&stage.calls);
    wait_for("calls to the new server", 20, || calls.load(Ordering::SeqCst) > 100);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    wait_for("the end after Ctrl-C", 20, || child.try_wait().unwrap().is_some());
    let output = child.wait_with_output().unwrap();
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(figures["reconnects"].as_u64() >= Some(1), "{figures}");
    assert_eq!(output.status.code(), Some(i32::from(figures["failed"] != 0)), "{output:?}");
}
