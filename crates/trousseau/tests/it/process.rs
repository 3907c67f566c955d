//! `trousseau` as a child process.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};
use trousseau_kms_api::v2::key_management_service_client::KeyManagementServiceClient;
use trousseau_kms_api::{v1beta1, v2};

/// Runs it to its end, which must come within 20 s.
pub(crate) fn run(args: &[&str]) -> Output {
    run_with(args, &[])
}

/// The same with variables in its environment.
pub(crate) fn run_with(args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = command(args);
    let mut child =
        command.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
            panic!("`trousseau {args:?}` did not end");
        }
        pause(10);
    }
    child.wait_with_output().unwrap()
}

pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trousseau"));
    command.args(args).stdin(Stdio::null());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("VAULT_")) {
        command.env_remove(name);
    }
    command
}

#[expect(clippy::disallowed_methods, reason = "a test without a runtime; every caller bounds its loop")]
pub(crate) fn pause(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

/// Waits for something to become true.
pub(crate) fn wait_for(what: &str, seconds: u64, mut attempt: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(seconds);
    while !attempt() {
        assert!(Instant::now() < end, "gave up after {seconds} s waiting for {what}");
        pause(20);
    }
}

/// A running `serve`; killed on drop.
pub(crate) struct Serve {
    pub(crate) child: Child,
    pub(crate) dir: PathBuf,
}

impl Serve {
    /// Starts `serve` in a folder; its log goes to `log` there.
    pub(crate) fn start(dir: &Path, args: &[&str]) -> Self {
        Self::start_in(dir, args, &[])
    }

    /// The same with variables in its environment.
    pub(crate) fn start_in(dir: &Path, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let open = |name: &str| File::options().create(true).append(true).open(dir.join(name)).unwrap();
        let (log, out) = (open("log"), open("stdout"));
        let args: Vec<&str> = ["serve"].into_iter().chain(args.iter().copied()).collect();
        let variables = variables.iter().copied();
        let child = command(&args).envs(variables).stdout(out).stderr(log).spawn().unwrap();
        Self { child, dir: dir.to_owned() }
    }

    /// Starts it with a configuration file.
    pub(crate) fn configured(dir: &Path, text: &str) -> Self {
        fs::write(dir.join("config.yaml"), text).unwrap();
        Self::start(dir, &["--config", dir.join("config.yaml").to_str().unwrap()])
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end; the exit code.
    pub(crate) fn wait(&mut self, seconds: u64) -> Option<i32> {
        let mut code = None;
        let child = &mut self.child;
        wait_for("the process's end", seconds, || {
            code = child.try_wait().unwrap();
            code.is_some()
        });
        code.and_then(|status| status.code())
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Written as kube-apiserver writes them.
pub(crate) const UID: &str = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";

/// kube-apiserver's side.
pub(crate) struct Client {
    runtime: Runtime,
    inner: KeyManagementServiceClient<Channel>,
    v1: v1beta1::key_management_service_client::KeyManagementServiceClient<Channel>,
}

impl Client {
    pub(crate) fn connect(socket: &Path) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display())).unwrap();
        let channel = runtime.block_on(async { endpoint.timeout(Duration::from_secs(3)).connect_lazy() });
        let v1 = v1beta1::key_management_service_client::KeyManagementServiceClient::new(channel.clone());
        Self { runtime, inner: KeyManagementServiceClient::new(channel), v1 }
    }

    pub(crate) fn status(&mut self) -> Result<v2::StatusResponse, Status> {
        self.runtime.block_on(self.inner.status(v2::StatusRequest {})).map(tonic::Response::into_inner)
    }

    pub(crate) fn encrypt(&mut self, plaintext: &[u8]) -> Result<v2::EncryptResponse, Status> {
        let request = v2::EncryptRequest { plaintext: plaintext.to_vec(), uid: UID.into() };
        self.runtime.block_on(self.inner.encrypt(request)).map(tonic::Response::into_inner)
    }

    pub(crate) fn encrypt_v1(&mut self, plain: &[u8]) -> Result<v1beta1::EncryptResponse, Status> {
        let request = v1beta1::EncryptRequest { version: "v1beta1".into(), plain: plain.to_vec() };
        self.runtime.block_on(self.v1.encrypt(request)).map(tonic::Response::into_inner)
    }

    pub(crate) fn decrypt(&mut self, made: &v2::EncryptResponse) -> Result<Vec<u8>, Status> {
        let request = v2::DecryptRequest {
            ciphertext: made.ciphertext.clone(),
            uid: UID.into(),
            key_id: made.key_id.clone(),
            annotations: made.annotations.clone(),
        };
        self.runtime.block_on(self.inner.decrypt(request)).map(|answer| answer.into_inner().plaintext)
    }

    pub(crate) fn wait_ok(&mut self, serve: &Serve) {
        let mut last = None;
        let end = Instant::now() + Duration::from_secs(10);
        while !matches!(&last, Some(Ok(v2::StatusResponse { healthz, .. })) if healthz == "ok") {
            assert!(Instant::now() < end, "Status is {last:?}; log:\n{}", serve.log());
            pause(20);
            last = Some(self.status());
        }
    }
}

/// A folder with a key file and a configuration of a local key; `extra` goes on top.
pub(crate) fn local(extra: &str) -> (TempDir, String) {
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    let key = dir.path().join("local.key");
    assert!(run(&["keygen", "--file", key.to_str().unwrap()]).status.success());
    let text = format!(
        "{extra}socket: {{path: {0}/kms.sock}}\nkeys:\n  - name: test\n    local: {{file: {0}/local.key}}\n",
        dir.path().display()
    );
    (dir, text)
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// One request to an admin page, as bytes.
pub(crate) fn http(port: u16, request: &str) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let _ = stream.read_to_string(&mut answer);
    }
    answer
}

/// One GET on loopback.
pub(crate) fn get(port: u16, path: &str) -> String {
    http(port, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
}
