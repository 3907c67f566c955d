//! A Vault, or something in front of it, that repeats what it was sent and what it should have kept to itself, in every
//! place of an answer and in every encoding. Scripted, because no real one does.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use tempfile::TempDir;
use trousseau_testkit::ca::TestCa;
use trousseau_testkit::https::{Front, Reply, Request, ScriptedServer};

use super::search::{Canary, Outputs, Search};
use super::stage::{ASKED, FORMATS, Stage, Wrapped};
use crate::honest_vault::honest;
use crate::process::{free_port, wait_for};

/// How a secret is written down.
pub(super) const WRITTEN: [fn(&[u8]) -> String; 12] = [
    |secret| String::from_utf8_lossy(secret).into_owned(),
    |secret| String::from_utf8_lossy(&secret[..secret.len() / 2]).into_owned(),
    |secret| secret.iter().map(|byte| char::from(*byte)).collect(),
    |secret| STANDARD.encode(secret),
    |secret| STANDARD.encode([b"x", secret].concat()),
    |secret| URL_SAFE_NO_PAD.encode([b"xy", secret].concat()),
    |secret| secret.iter().map(|byte| format!("{byte:02x}")).collect(),
    |secret| secret.iter().map(|byte| format!("{byte:02X}:")).collect(),
    |secret| secret.iter().map(|byte| format!("%{byte:02X}")).collect(),
    |secret| format!("{:?}", String::from_utf8_lossy(secret)),
    |secret| format!("{secret:?}"),
    |secret| format!("{secret:?}").replace(',', ""),
];

/// Where in an answer a text stands.
pub(super) const PLACES: [fn(&str) -> Reply; 22] = [
    |text| Reply::json(400, &json!({"errors": [text]})),
    |text| Reply::json(400, &json!({"errors": [format!("can't decode `{text}` as base64"), text]})),
    |text| Reply::json(400, &json!({"errors": [format!("cipher: message authentication failed: {text}")]})),
    |text| Reply::json(400, &json!({"errors": [format!("requested version for encryption {text}")]})),
    |text| Reply::json(403, &json!({"errors": [format!("1 error occurred:\n\t* permission denied {text}\n\n")]})),
    |text| Reply::json(403, &json!({"errors": [format!("invalid token {text}")]})),
    |text| Reply::json(404, &json!({"errors": [text]})),
    |text| Reply::json(429, &json!({"errors": [text]})).header("Retry-After", text.get(..1).unwrap_or("1")),
    |text| Reply::json(500, &json!({"errors": [format!("internal error: key={text}, plaintext={text}")]})),
    |text| Reply::json(503, &json!({"errors": [text], "warnings": [text], "request_id": text})),
    |text| Reply::json(500, &json!({"error": text})),
    |text| Reply::bytes(502, format!("<html><title>{text}</title>{text}</html>")).header("Content-Type", "text/html"),
    |text| Reply::bytes(200, text),
    |text| Reply::new(307).header("Location", &format!("https://elsewhere.example/v1/{}", one_line(text))),
    |text| Reply::new(301).header("Location", &one_line(text)),
    |text| Reply::raw(format!("HTTP/1.1 500 {}\r\nX-Echo: {0}\r\nContent-Length: 0\r\n\r\n", one_line(text))),
    |text| Reply::raw(format!("HTTP/1.1 {} OK\r\n\r\n", one_line(text))),
    |text| Reply::raw(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", one_line(text))),
    |text| Reply::raw(text),
    |text| Reply::json(200, &json!({"data": {"ciphertext": text, "key_version": 1, "plaintext": [text]}})),
    |text| Reply::json(200, &json!({"data": {"ciphertext": 1, "plaintext": text, "type": text, "keys": {"1": text}}})),
    |text| {
        let data = json!({"type": text, "keys": {"1": 1}, "supports_encryption": false, "ttl": text});
        Reply::json(200, &json!({"data": data}))
            .header("X-Vault-Index", &one_line(text))
            .header("Date", &one_line(text))
    },
];

fn one_line(text: &str) -> String {
    text.chars().filter(|letter| letter.is_ascii_graphic() || *letter == ' ').collect()
}

/// What a request and its honest answer hold of secrets.
fn secrets(request: &Request, wrapped_seed: &[u8]) -> [Vec<u8>; 3] {
    let token = request.header("x-vault-token").unwrap_or_default().as_bytes().to_vec();
    let seed = STANDARD.decode(request.json()["plaintext"].as_str().unwrap_or_default()).unwrap_or_default();
    // The answer to Decrypt, which the client can't know before.
    let seed = if request.path.contains("/decrypt/") { wrapped_seed.to_vec() } else { seed };
    [token, request.body.clone(), seed]
}

fn echo(request: &Request, seed: &[u8], round: usize) -> Option<Reply> {
    let (place, written) = (round % PLACES.len(), round / PLACES.len() % WRITTEN.len());
    let secrets = secrets(request, seed);
    let texts: Vec<_> = secrets.iter().filter(|secret| !secret.is_empty()).map(|it| WRITTEN[written](it)).collect();
    // One at a time: a text that is left out because of one secret would hide what becomes of another.
    let turn = (round / PLACES.len() / WRITTEN.len()).min(texts.len().checked_sub(1)?);
    Some(PLACES[place](&texts[turn]))
}

/// Answers honestly in round 0, echoes in all others.
pub(super) struct EchoingVault {
    pub(super) server: ScriptedServer,
    round: Arc<AtomicUsize>,
    pub(super) ca: TestCa,
}

impl EchoingVault {
    const ROUNDS: usize = PLACES.len() * WRITTEN.len() * 3;

    pub(super) fn start(seed: &Canary) -> Self {
        let (ca, round, seed) = (TestCa::new(), Arc::new(AtomicUsize::new(0)), seed.bytes.clone());
        let current = Arc::clone(&round);
        let asked = Mutex::new(0_usize);
        let server = ScriptedServer::start(Front::tls(&ca.server(&["127.0.0.1"])), move |request| {
            *asked.lock().unwrap() += 1;
            let round = current.load(Ordering::SeqCst).checked_sub(1);
            round.and_then(|round| echo(request, &seed, round)).unwrap_or_else(|| honest(request))
        });
        Self { server, round, ca }
    }

    /// A key in it, with the token in the folder's file.
    pub(super) fn configuration(&self, format: &str, admin: u16, dir: &Path) -> String {
        format!(
            "{}keys:\n  - name: primary\n    vault:\n      address: {}\n      tls: {{ca: {}}}\n      transit: {{key: k}}\n      auth: {{token: {{file: {}/token, renew: true}}}}\n",
            settings(format, admin, dir),
            self.server.url(),
            self.ca.file().display(),
            dir.display(),
        )
    }

    pub(super) fn set(&self, round: usize) {
        self.round.store(round, Ordering::SeqCst);
    }

    /// All answers, a call of each kind for each of them.
    fn drive(&self, stage: &Stage, seed: &Canary, outputs: &mut Outputs) {
        stage.wait_ready();
        let wrapped = stage.caller.encrypt(&seed.bytes, outputs).unwrap();
        let opened = stage.caller.decrypt(&wrapped, outputs);
        assert!(opened.into_iter().all(|opened| opened.as_ref() == Some(&seed.bytes)), "both APIs work");
        for round in 1..=Self::ROUNDS {
            self.set(round);
            stage.caller.encrypt(&seed.bytes, outputs);
            stage.caller.decrypt(&wrapped, outputs);
            if round % PLACES.len() == 0 {
                stage.caller.status(outputs);
                stage.pages(outputs, "while Vault echoes");
            }
        }
        // Probes too: by now they failed in several ways, and recover.
        self.set(0);
        wait_for("an honest answer", 30, || works(stage, &wrapped, seed));
    }
}

pub(super) fn works(stage: &Stage, wrapped: &Wrapped, seed: &Canary) -> bool {
    let opened = stage.caller.decrypt(wrapped, &mut Outputs::default());
    opened.into_iter().all(|opened| opened.as_ref() == Some(&seed.bytes))
}

/// Many failures, each told: no retries, no breaker.
pub(super) fn settings(format: &str, admin: u16, dir: &Path) -> String {
    format!(
        "admin: 127.0.0.1:{admin}\nsocket: {{path: {}/kms.sock}}\nlog: {{level: trace, format: {format}}}\n\
         health: {{grace: 1s}}\nprobe: {{interval: 150ms, afterFailure: 100ms, promotionDelay: 300ms}}\n\
         limits: {{attempts: 1, breakerFailures: 1000000}}\n",
        dir.display()
    )
}

fn finish(stage: Stage, mut outputs: Outputs, seed: Canary, token: Canary, secret: &[&str]) {
    let asked = stage.serve.log().matches(ASKED).count();
    assert!(asked > EchoingVault::ROUNDS, "only {asked} lines below info");
    stage.finish(&mut outputs, secret);
    assert!(outputs.contain("probe failed") && outputs.contain("a call failed"), "the log was read");
    let told = outputs.count("answered 4") + outputs.count("answered 5");
    assert!(told > EchoingVault::ROUNDS, "only {told} of Vault's answers were told");
    outputs.assert_clean(&Search::new(&[seed, token]));
}

#[test]
fn i9_an_echoing_vault_gets_nothing_out_token_by_file() {
    let (token, seed) = (Canary::text("a token in a file", "hvs."), Canary::bytes("a seed by file"));
    let (vault, dir, admin) = (EchoingVault::start(&seed), TempDir::with_prefix("trousseau-").unwrap(), free_port());
    fs::write(dir.path().join("token"), token.as_str()).unwrap();
    let text = vault.configuration(FORMATS[0], admin, dir.path());
    let file = dir.path().join("config.yaml");
    fs::write(&file, text).unwrap();
    let stage = Stage::start(dir.path(), admin, &["--config", file.to_str().unwrap()], &[]);
    let mut outputs = Outputs::default();
    vault.drive(&stage, &seed, &mut outputs);
    finish(stage, outputs, seed, token, &["token"]);
}

#[test]
fn i9_an_echoing_vault_gets_nothing_out_token_by_environment() {
    let (token, seed) = (Canary::text("VAULT_TOKEN", "hvs."), Canary::bytes("a seed by environment"));
    let (vault, dir, admin) = (EchoingVault::start(&seed), TempDir::with_prefix("trousseau-").unwrap(), free_port());
    let text = format!(
        "{}keys:\n  - name: primary\n    vault: {{transit: {{key: k}}}}\n",
        settings(FORMATS[1], admin, dir.path())
    );
    let file = dir.path().join("config.yaml");
    fs::write(&file, text).unwrap();
    let (url, authority) = (vault.server.url(), vault.ca.file());
    let variables =
        [("VAULT_ADDR", url.as_str()), ("VAULT_TOKEN", token.as_str()), ("VAULT_CACERT", authority.to_str().unwrap())];
    let stage = Stage::start(dir.path(), admin, &["--config", file.to_str().unwrap()], &variables);
    let mut outputs = Outputs::default();
    vault.drive(&stage, &seed, &mut outputs);
    finish(stage, outputs, seed, token, &[]);
}

#[test]
fn i9_an_echoing_vault_gets_nothing_out_token_in_the_legacy_file() {
    let (token, seed) = (Canary::text("a token in the legacy file", "s."), Canary::bytes("a seed by legacy"));
    let (vault, dir, admin) = (EchoingVault::start(&seed), TempDir::with_prefix("trousseau-").unwrap(), free_port());
    let text = format!(
        "provider: vault\nvault:\n  keyNames: [k]\n  address: {}\n  token: {}\n  vaultCACert: {}\n",
        vault.server.url(),
        token.as_str(),
        vault.ca.file().display(),
    );
    let file = dir.path().join("config.yaml");
    fs::write(&file, text).unwrap();
    let listen = format!("unix://{}/kms.sock", dir.path().display());
    let port = admin.to_string();
    let args = ["--config-file-path", file.to_str().unwrap(), "--listen-addr", &listen, "--healthz-port", &port];
    let args = [&args[..], &["--log-level", "trace", "--log-format", "text"]].concat();
    let stage = Stage::start(dir.path(), admin, &args, &[]);
    let mut outputs = Outputs::default();
    stage.wait_ready();
    let wrapped = stage.caller.encrypt(&seed.bytes, &mut outputs).unwrap();
    // Retries and the breaker are at work here, so only one place of each kind.
    for round in (0..PLACES.len()).map(|place| 1 + place + PLACES.len() * (place % WRITTEN.len())) {
        vault.set(round);
        stage.caller.encrypt(&seed.bytes, &mut outputs);
        stage.caller.decrypt(&wrapped, &mut outputs);
        stage.pages(&mut outputs, "while Vault echoes");
    }
    vault.set(0);
    wait_for("an honest answer", 60, || works(&stage, &wrapped, &seed));
    stage.finish(&mut outputs, &["config.yaml"]);
    assert!(outputs.contain("inline-token") && outputs.contain("a call failed"), "the log was read");
    outputs.assert_clean(&Search::new(&[seed, token]));
}
