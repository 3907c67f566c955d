//! A `serve` that says all it can, a caller who asks for everything, and all that comes out of both.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use tokio::runtime::{Builder, Runtime};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};
use trousseau_kms_api::v1beta1::key_management_service_client::KeyManagementServiceClient as V1;
use trousseau_kms_api::v2::key_management_service_client::KeyManagementServiceClient as V2;
use trousseau_kms_api::{v1beta1, v2};

use super::search::{Canary, Outputs};
use crate::notify::Manager;
use crate::process::{Serve, UID, get, wait_for};

/// The two shapes of a log line.
pub(crate) const FORMATS: [&str; 2] = ["json", "text"];

const NOTIFY: &str = "notify";

/// What is told of each call to a KMS at debug and below. There are no lines at trace alone: nothing of ours writes any.
pub(crate) const ASKED: &str = "asked the KMS";

/// The material in `local.key`.
pub(crate) fn material(dir: &Path) -> Canary {
    let file = fs::read_to_string(dir.join("local.key")).unwrap();
    let base64 = file.lines().find_map(|line| line.trim().strip_prefix("key: \"")?.strip_suffix('"')).unwrap();
    Canary { name: "local key material", bytes: STANDARD.decode(base64).unwrap() }
}

/// A running process, its caller, and where its admin pages are.
pub(crate) struct Stage {
    pub(crate) serve: Serve,
    pub(crate) caller: Caller,
    pub(crate) admin: u16,
    /// What systemd is told; its STATUS is shown to everybody who asks for the service's.
    manager: Manager,
}

impl Stage {
    /// Starts `serve` with these arguments and variables; the socket is `kms.sock` in the folder.
    pub(crate) fn start(dir: &Path, admin: u16, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let notify = dir.join(NOTIFY);
        let manager = Manager::listen(&notify);
        let variables = [variables, &[("NOTIFY_SOCKET", notify.to_str().unwrap())]].concat();
        let serve = Serve::start_in(dir, args, &variables);
        Self { serve, caller: Caller::connect(&dir.join("kms.sock")), admin, manager }
    }

    pub(crate) fn wait_ready(&self) {
        let ready = || get(self.admin, "/readyz").starts_with("HTTP/1.1 200");
        wait_for("readyz", 30, || {
            assert!(self.serve.log().len() < 1_000_000, "{}", self.serve.log());
            ready()
        });
    }

    /// The pages as they are now.
    pub(crate) fn pages(&self, outputs: &mut Outputs, when: &str) {
        for page in ["/livez", "/readyz?verbose", "/healthz", "/metrics", "/nothing?verbose"] {
            outputs.add(format!("{page} {when}"), get(self.admin, page));
        }
    }

    /// Signals and reloads, then all that is left behind: logs, command line, files. `secret` names the files that
    /// hold secrets because they were put there.
    pub(crate) fn finish(self, outputs: &mut Outputs, secret: &[&str]) {
        // Before SIGUSR1, which would turn debug on by itself.
        assert!(self.serve.log().contains(ASKED), "it was not at its most verbose level:\n{}", self.serve.log());
        self.serve.signal(Signal::USR1);
        self.serve.signal(Signal::HUP);
        wait_for("both signals", 10, || self.serve.log().contains("SIGUSR1"));
        self.pages(outputs, "at the end");
        let process = PathBuf::from(format!("/proc/{}", self.serve.child.id()));
        // What else is in /proc is for root alone once the process is not dumpable; see `memory`.
        for file in ["cmdline", "comm", "status"] {
            outputs.add(format!("/proc/PID/{file}"), fs::read(process.join(file)).unwrap());
        }
        self.serve.signal(Signal::TERM);
        self.ended(outputs, secret);
    }

    /// The same of a process that has ended by itself.
    pub(crate) fn ended(mut self, outputs: &mut Outputs, secret: &[&str]) {
        assert_eq!(self.serve.wait(15), Some(0), "{}", self.serve.log());
        let told = self.manager.finish();
        assert!(told.contains("STATUS="), "systemd was told nothing");
        outputs.add("sd_notify", told);
        files(&self.serve.dir, outputs, secret);
    }
}

/// Everything in a folder but the files that hold secrets on purpose.
pub(crate) fn files(dir: &Path, outputs: &mut Outputs, secret: &[&str]) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let name = entry.file_name().to_string_lossy().into_owned();
        outputs.add("a file's name", name.clone());
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), outputs, secret);
        } else if entry.file_type().unwrap().is_file() && !secret.contains(&name.as_str()) {
            outputs.add(format!("the file {name}"), fs::read(entry.path()).unwrap());
        }
    }
}

/// kube-apiserver's side, with both APIs.
pub(crate) struct Caller {
    runtime: Runtime,
    channel: Channel,
}

/// Long enough for an answer that comes, short for one that never does.
const DEADLINE: Duration = Duration::from_millis(1500);

impl Caller {
    pub(crate) fn connect(socket: &Path) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display())).unwrap();
        let channel = runtime.block_on(async { endpoint.timeout(Duration::from_secs(5)).connect_lazy() });
        Self { runtime, channel }
    }

    /// One Encrypt by each API; what they made, if they did.
    pub(crate) fn encrypt(&self, seed: &[u8], outputs: &mut Outputs) -> Option<Wrapped> {
        let (mut v1, mut v2) = (V1::new(self.channel.clone()), V2::new(self.channel.clone()));
        let (first, second) = self.runtime.block_on(async {
            let request = v1beta1::EncryptRequest { version: "v1beta1".into(), plain: seed.to_vec() };
            let first = v1.encrypt(timed(request)).await;
            let request = v2::EncryptRequest { plaintext: seed.to_vec(), uid: UID.into() };
            (first, v2.encrypt(timed(request)).await)
        });
        note(outputs, "v1 Encrypt", &first, |answer| format!("{:?}", answer.cipher));
        note(outputs, "v2 Encrypt", &second, |answer| format!("{answer:?} {:?}", answer.ciphertext));
        Some(Wrapped { v1: first.ok()?.into_inner().cipher, v2: second.ok()?.into_inner() })
    }

    /// One Decrypt by each API.
    pub(crate) fn decrypt(&self, wrapped: &Wrapped, outputs: &mut Outputs) -> [Option<Vec<u8>>; 2] {
        let (mut v1, mut v2) = (V1::new(self.channel.clone()), V2::new(self.channel.clone()));
        let (first, second) = self.runtime.block_on(async {
            let request = v1beta1::DecryptRequest { version: "v1beta1".into(), cipher: wrapped.v1.clone() };
            let first = v1.decrypt(timed(request)).await;
            let v2::EncryptResponse { ciphertext, key_id, annotations } = wrapped.v2.clone();
            let request = v2::DecryptRequest { ciphertext, uid: UID.into(), key_id, annotations };
            (first, v2.decrypt(timed(request)).await)
        });
        // The plaintext itself is what was asked for.
        note(outputs, "v1 Decrypt", &first, |_| String::new());
        note(outputs, "v2 Decrypt", &second, |_| String::new());
        [first.ok().map(|answer| answer.into_inner().plain), second.ok().map(|answer| answer.into_inner().plaintext)]
    }

    /// Status and Version.
    pub(crate) fn status(&self, outputs: &mut Outputs) {
        let (mut v1, mut v2) = (V1::new(self.channel.clone()), V2::new(self.channel.clone()));
        let (first, second) = self.runtime.block_on(async {
            let first = v1.version(timed(v1beta1::VersionRequest { version: "v1beta1".into() })).await;
            (first, v2.status(timed(v2::StatusRequest {})).await)
        });
        note(outputs, "Version", &first, |answer| format!("{answer:?}"));
        note(outputs, "Status", &second, |answer| format!("{answer:?}"));
    }

    /// Any other call, by either API's client.
    pub(crate) fn call<T, F: Future<Output = Result<Response<T>, Status>>>(
        &self,
        what: &str,
        outputs: &mut Outputs,
        call: impl FnOnce(V1<Channel>, V2<Channel>) -> F,
    ) {
        let answer =
            self.runtime.block_on(async { call(V1::new(self.channel.clone()), V2::new(self.channel.clone())).await });
        note(outputs, what, &answer, |_| String::new());
    }
}

/// The same seed, wrapped by each API.
#[derive(Clone)]
pub(crate) struct Wrapped {
    pub(crate) v1: Vec<u8>,
    pub(crate) v2: v2::EncryptResponse,
}

pub(crate) fn timed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    request
}

/// All that an answer carries beside what was asked for: text, details, metadata.
fn note<T>(outputs: &mut Outputs, what: &str, answer: &Result<Response<T>, Status>, shown: impl FnOnce(&T) -> String) {
    match answer {
        Ok(answer) => {
            outputs.add(format!("{what}'s answer"), format!("{:?} {}", answer.metadata(), shown(answer.get_ref())))
        }
        Err(error) => {
            outputs.add(format!("{what}'s error"), format!("{error} {error:?}"));
            outputs.add(format!("{what}'s error details"), error.details());
        }
    }
}
