//! Proof 6: a Vault that lies or breaks, scripted, because no real one does. Right code, right text, and nothing bad is
//! ever handed out.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tempfile::TempDir;
use tonic::Code;
use trousseau_testkit::ca::TestCa;
use trousseau_testkit::https::{Front, Reply, Request, ScriptedServer};

use crate::honest_vault::honest;
use crate::process::{Client, Serve};

/// A Vault with one key that works, until a fault is set for its encrypt answers.
struct Stage {
    serve: Serve,
    client: Client,
    lying: Arc<AtomicBool>,
    _server: ScriptedServer,
    _ca: TestCa,
    _dir: TempDir,
}

const TOKEN: &str = "s.canary-token";

fn configuration(dir: &Path, server: &ScriptedServer, ca: &TestCa) -> String {
    format!(
        "admin: off\nsocket: {{path: {0}/kms.sock}}\nlog: {{level: debug}}\nhealth: {{grace: 1h}}\nprobe: {{interval: 10m, promotionDelay: 20m}}\nkeys:\n  - name: primary\n    vault:\n      address: {1}\n      tls: {{ca: {2}}}\n      transit: {{key: k}}\n      auth: {{token: {{file: {0}/token}}}}\n",
        dir.display(),
        server.url(),
        ca.file().display(),
    )
}

impl Stage {
    fn set(fault: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let ca = TestCa::new();
        let lying = Arc::new(AtomicBool::new(false));
        let switch = Arc::clone(&lying);
        let server = ScriptedServer::start(Front::tls(&ca.server(&["127.0.0.1"])), move |request| {
            match switch.load(Ordering::SeqCst).then(|| fault(request)).flatten() {
                Some(reply) => reply,
                None => honest(request),
            }
        });
        let dir = TempDir::with_prefix("trousseau-").unwrap();
        fs::write(dir.path().join("token"), TOKEN).unwrap();
        let text = configuration(dir.path(), &server, &ca);
        let serve = Serve::configured(dir.path(), &text);
        let mut client = Client::connect(&dir.path().join("kms.sock"));
        client.wait_ok(&serve);
        Self { serve, client, lying, _server: server, _ca: ca, _dir: dir }
    }

    /// Encrypt while the fault is on: must fail with the code and one of the words.
    fn encrypt_fails(&mut self, code: Code, word: &str) {
        self.lying.store(true, Ordering::SeqCst);
        let error = self.client.encrypt(&[7; 32]).expect_err("nothing bad is handed out");
        self.lying.store(false, Ordering::SeqCst);
        assert_eq!(error.code(), code, "{error}");
        assert!(error.message().contains(word), "`{word}` is not in: {}", error.message());
        assert!(!self.serve.log().contains(TOKEN) && !error.message().contains(TOKEN), "i9: the token got out");
        self.works_again();
    }

    fn works_again(&mut self) {
        crate::process::wait_for("an Encrypt that works again", 15, || self.client.encrypt(&[8; 32]).is_ok());
        let made = self.client.encrypt(&[8; 32]).unwrap();
        assert_eq!(self.client.decrypt(&made).unwrap(), [8; 32]);
    }
}

/// As it is at a start whose KMS is far: the first probe takes its time, and the API server asks at once.
#[test]
fn calls_in_the_first_moments_of_a_process_wait_for_the_first_probe() {
    let ca = TestCa::new();
    let server = ScriptedServer::start(Front::tls(&ca.server(&["127.0.0.1"])), |request| {
        honest(request).after(Duration::from_millis(if request.path.ends_with("/keys/k") { 500 } else { 0 }))
    });
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    fs::write(dir.path().join("token"), TOKEN).unwrap();
    let _serve = Serve::configured(dir.path(), &configuration(dir.path(), &server, &ca));
    let socket = dir.path().join("kms.sock");
    crate::process::wait_for("the socket", 10, || socket.exists());
    let began = Instant::now();
    let calls: [fn(&mut Client) -> bool; 3] = [
        |client| client.status().is_ok_and(|status| status.healthz == "ok"),
        |client| client.encrypt(&[7; 32]).is_ok(),
        |client| client.encrypt_v1(&[7; 32]).is_ok(),
    ];
    let answered = thread::scope(|scope| {
        let socket = &socket;
        calls.map(|call| scope.spawn(move || call(&mut Client::connect(socket)))).map(|thread| thread.join().unwrap())
    });
    assert_eq!(answered, [true; 3], "after {:?}", began.elapsed());
}

fn encrypts(request: &Request) -> bool {
    request.path.ends_with("/encrypt/k")
}

fn errors(code: u16, text: &'static str) -> impl Fn(&Request) -> Option<Reply> {
    move |request| encrypts(request).then(|| Reply::json(code, &json!({"errors": [text]})))
}

fn answers(ciphertext: &'static str) -> impl Fn(&Request) -> Option<Reply> {
    move |request| {
        encrypts(request).then(|| Reply::json(200, &json!({"data": {"ciphertext": ciphertext, "key_version": 1}})))
    }
}

#[test]
fn sealed_and_other_503() {
    Stage::set(errors(503, "Vault is sealed")).encrypt_fails(Code::Unavailable, "sealed");
    Stage::set(errors(503, "something else")).encrypt_fails(Code::Unavailable, "503");
}

#[test]
fn throttled_with_retry_after_beyond_the_deadline() {
    let fault = |request: &Request| {
        encrypts(request).then(|| Reply::json(429, &json!({"errors": ["quota"]})).header("Retry-After", "30"))
    };
    Stage::set(fault).encrypt_fails(Code::ResourceExhausted, "quota");
}

#[test]
fn throttled_with_a_short_retry_after_succeeds_within_the_call() {
    let refused = Mutex::new(0);
    let mut stage = Stage::set(move |request| {
        let mut count = refused.lock().unwrap();
        *count += u32::from(encrypts(request));
        (encrypts(request) && *count == 1)
            .then(|| Reply::json(429, &json!({"errors": ["quota"]})).header("Retry-After", "1"))
    });
    stage.lying.store(true, Ordering::SeqCst);
    assert!(stage.client.encrypt(&[7; 32]).is_ok(), "the second try, after the second that Vault asked for");
}

#[test]
fn each_refusal_has_its_code() {
    let cases: [(u16, &'static str, Code); 9] = [
        (400, "requested version for encryption is higher than the latest key version", Code::Unavailable),
        (400, "requested version for encryption is less than the minimum encryption key version", Code::Unavailable),
        (400, "no such key version", Code::Unavailable),
        (400, "encryption key not found", Code::FailedPrecondition),
        (400, "message encryption not supported for key type ed25519", Code::FailedPrecondition),
        (403, "1 error occurred:\n\t* permission denied\n\n", Code::PermissionDenied),
        (403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n", Code::PermissionDenied),
        (404, "no handler for route \"transit/encrypt/k\". route entry not found.", Code::FailedPrecondition),
        (500, "internal error", Code::Unavailable),
    ];
    for (status, text, code) in cases {
        Stage::set(errors(status, text)).encrypt_fails(code, "");
    }
}

#[test]
fn i1_an_empty_ciphertext_is_never_handed_out() {
    Stage::set(answers("")).encrypt_fails(Code::Internal, "");
    Stage::set(answers("vault:v1:")).encrypt_fails(Code::Internal, "");
    Stage::set(answers("no prefix")).encrypt_fails(Code::Internal, "");
}

#[test]
fn i2_another_version_is_never_handed_out() {
    Stage::set(answers("vault:v2:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="))
        .encrypt_fails(Code::Unavailable, "version");
}

#[test]
fn i1_what_opens_to_something_else_is_never_handed_out() {
    let fault = |request: &Request| {
        request
            .path
            .ends_with("/decrypt/k")
            .then(|| Reply::json(200, &json!({"data": {"plaintext": STANDARD.encode([9; 32])}})))
    };
    Stage::set(fault).encrypt_fails(Code::Internal, "something else");
    let unopenable = "vault:v1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    Stage::set(answers(unopenable)).encrypt_fails(Code::Internal, "could not be opened again");
}

#[test]
fn broken_bodies_end_the_call_within_its_time() {
    type Fault = Box<dyn Fn(&Request) -> Option<Reply> + Send + Sync>;
    let whole = || Reply::json(200, &json!({"data": {"ciphertext": "vault:v1:AAAA", "key_version": 1}}));
    let cases: [(&str, Fault, &[Code]); 4] = [
        ("cut short", Box::new(move |r| encrypts(r).then(|| whole().cut_at(10))), &[Code::Unavailable]),
        ("100 MB", Box::new(|r| encrypts(r).then(|| Reply::enormous(100_000_000))), &[Code::Internal]),
        (
            "drips",
            Box::new(move |r| encrypts(r).then(|| whole().drip(1, Duration::from_secs(1)))),
            &[Code::DeadlineExceeded],
        ),
        ("no answer", Box::new(|r| encrypts(r).then(Reply::never)), &[Code::DeadlineExceeded]),
    ];
    for (name, fault, codes) in cases {
        let mut stage = Stage::set(fault);
        stage.lying.store(true, Ordering::SeqCst);
        let began = Instant::now();
        let error = stage.client.encrypt(&[7; 32]).expect_err(name);
        assert!(codes.contains(&error.code()), "{name}: {error}");
        assert!(began.elapsed() < Duration::from_secs(3), "{name} took {:?}", began.elapsed());
        stage.lying.store(false, Ordering::SeqCst);
        stage.works_again();
    }
}

#[test]
fn flags_and_the_standard_variables_are_enough() {
    let ca = TestCa::new();
    let server = ScriptedServer::start(Front::tls(&ca.server(&["127.0.0.1"])), honest);
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    let socket = dir.path().join("kms.sock");
    let args = ["--transit-key", "k", "--admin", "off", "--socket", socket.to_str().unwrap()];
    let (url, authority) = (server.url(), ca.file());
    let variables = [
        ("VAULT_ADDR", url.as_str()),
        ("VAULT_TOKEN", TOKEN),
        ("VAULT_CACERT", authority.to_str().unwrap()),
        ("VAULT_NAMESPACE", "team"),
    ];
    let serve = Serve::start_in(dir.path(), &args, &variables);
    let mut client = Client::connect(&socket);
    client.wait_ok(&serve);
    let made = client.encrypt(&[8; 32]).unwrap();
    assert_eq!(client.decrypt(&made).unwrap(), [8; 32]);
    for request in server.requests().iter().filter(|request| encrypts(request)) {
        assert_eq!(request.header("X-Vault-Token"), Some(TOKEN));
        assert_eq!(request.header("X-Vault-Namespace"), Some("team"));
    }
    assert!(!serve.log().contains(TOKEN));
}

#[test]
fn a_certificate_of_another_name_is_refused() {
    let ca = TestCa::new();
    let server = ScriptedServer::start(Front::tls(&ca.server(&["other.example"])), honest);
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    fs::write(dir.path().join("token"), TOKEN).unwrap();
    let text = format!(
        "admin: off\nsocket: {{path: {0}/kms.sock}}\nkeys:\n  - name: primary\n    vault:\n      address: {1}\n      tls: {{ca: {2}}}\n      transit: {{key: k}}\n      auth: {{token: {{file: {0}/token}}}}\n",
        dir.path().display(),
        server.url(),
        ca.file().display(),
    );
    let serve = Serve::configured(dir.path(), &text);
    let mut client = Client::connect(&dir.path().join("kms.sock"));
    crate::process::wait_for("the failed probe", 10, || serve.log().contains("probe failed"));
    let error = client.status().unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert!(error.message().contains("certificate"), "{}", error.message());
    assert!(server.requests().is_empty(), "no request, and no token, to a server that can't prove its name");
}
