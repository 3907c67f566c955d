//! Acme KMS itself: imaginary, with real cryptography (AES-256-GCM).

use std::sync::{Arc, Mutex};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use trousseau_core::Secret;
use trousseau_testkit::ca::TestCa;
use trousseau_testkit::https::{Front, Reply, Request, ScriptedServer};

pub(crate) const TOKEN: &str = "acme-canary-token";

/// Creation time and key of each version; empty = there is no such key.
type Versions = Vec<(u64, [u8; 32])>;

/// Its two keys: `ours` and `another`.
#[derive(Clone, Default)]
pub(crate) struct Keys(Arc<[Mutex<Versions>; 2]>);

impl Keys {
    pub(crate) fn rotate(&self, name: &str) {
        let mut key = [0; 32];
        rand::fill(&mut key).unwrap();
        let mut versions = self.of(name).lock().unwrap();
        let created = 1_000 + versions.len() as u64;
        versions.push((created, key));
    }

    pub(crate) fn replace(&self, name: &str) {
        self.of(name).lock().unwrap().clear();
        self.rotate(name);
        self.of(name).lock().unwrap()[0].0 = 2_000;
    }

    pub(crate) fn delete(&self, name: &str) {
        self.of(name).lock().unwrap().clear();
    }

    fn of(&self, name: &str) -> &Mutex<Versions> {
        &self.0[usize::from(name == "another")]
    }

    fn answer(&self, request: &Request) -> Reply {
        if request.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
            return Reply::bytes(401, "who are you?");
        }
        let parts: Vec<_> = request.path.split('/').skip(3).collect();
        let versions = self.of(parts[0]).lock().unwrap();
        if versions.is_empty() {
            return Reply::bytes(404, "no such key");
        }
        let [_, _, number, verb] = parts[..] else {
            let list = (1..).zip(versions.iter()).map(|(number, it)| json!([number, it.0]));
            return Reply::json(200, &list.collect());
        };
        let number: usize = number.parse().unwrap();
        let Some((_, key)) = versions.get(number - 1) else {
            return Reply::bytes(404, "no such version");
        };
        let body = request.json();
        let field = |name: &str| STANDARD.decode(body[name].as_str().unwrap()).unwrap();
        match work(key, verb, field("data"), &field("aad")) {
            Some(done) => Reply::json(200, &Value::from_iter([("data", STANDARD.encode(done.expose()))])),
            None => Reply::bytes(400, "bad ciphertext"),
        }
    }
}

fn work(key: &[u8; 32], verb: &str, mut data: Vec<u8>, aad: &[u8]) -> Option<Secret> {
    let key = RandomizedNonceKey::new(&AES_256_GCM, key).ok()?;
    if verb == "encrypt" {
        let nonce = key.seal_in_place_append_tag(Aad::from(aad), &mut data).ok()?;
        return Some([nonce.as_ref().as_slice(), &data].concat().into());
    }
    let (nonce, sealed) = data.split_at_checked(12)?;
    let mut sealed = sealed.to_vec();
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let length = key.open_in_place(nonce, Aad::from(aad), &mut sealed).ok()?.len();
    sealed.truncate(length);
    Some(sealed.into())
}

/// The server, and who signed its certificate.
pub(crate) fn start(keys: Keys) -> (ScriptedServer, TestCa) {
    let ca = TestCa::new();
    let server = ScriptedServer::start(Front::tls(&ca.server(&["127.0.0.1"])), move |request| keys.answer(request));
    (server, ca)
}
