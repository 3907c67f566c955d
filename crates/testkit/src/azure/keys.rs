//! Keys and their versions.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
};
use trousseau_core::Secret;

use super::rsa::{self, RsaKey};

/// What a key is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// RSA, 2048 bits.
    Rsa,
    /// EC on P-256.
    P256,
    /// EC on P-384.
    P384,
    /// AES, 256 bits; in an HSM only.
    Aes,
}

/// The state of one version.
#[derive(Clone, Debug)]
pub struct State {
    /// Whether it does anything.
    pub enabled: bool,
    /// Not valid before, Unix seconds.
    pub nbf: Option<u64>,
    /// Expired from then on, Unix seconds.
    pub exp: Option<u64>,
    /// When it was made, Unix seconds.
    pub created: u64,
    /// The permitted operations.
    pub operations: Vec<&'static str>,
}

/// The secret half.
pub(crate) enum Material {
    Rsa(Arc<RsaKey>),
    Ec(EcdsaKeyPair),
    Aes([u8; 32]),
}

pub(crate) struct Version {
    pub(crate) name: String,
    pub(crate) state: State,
    pub(crate) material: Material,
}

pub(crate) struct Key {
    pub(crate) kind: Kind,
    pub(crate) versions: Vec<Version>,
}

#[derive(Default)]
pub(crate) struct Keys {
    live: BTreeMap<String, Key>,
    deleted: BTreeMap<String, Key>,
}

impl Keys {
    pub(crate) fn create(&mut self, name: &str, kind: Kind, now: u64) -> String {
        let version = Version::new(kind, now);
        let made = version.name.clone();
        self.live.insert(name.to_ascii_lowercase(), Key { kind, versions: vec![version] });
        made
    }

    /// No two versions of a key are of one second: their order would be their names'.
    pub(crate) fn rotate(&mut self, name: &str, now: u64) -> String {
        let key = self.live.get_mut(&name.to_ascii_lowercase()).expect("a key to rotate");
        let last = key.versions.last().map_or(0, |version| version.state.created);
        let version = Version::new(key.kind, now.max(last + 1));
        let made = version.name.clone();
        key.versions.push(version);
        made
    }

    pub(crate) fn set(&mut self, name: &str, version: Option<&str>, change: impl FnOnce(&mut State)) {
        let key = self.live.get_mut(&name.to_ascii_lowercase()).expect("a key to change");
        let found = match version {
            Some(version) => key.versions.iter_mut().find(|known| known.name == version),
            None => key.versions.last_mut(),
        };
        change(&mut found.expect("a version to change").state);
    }

    pub(crate) fn delete(&mut self, name: &str) {
        let (name, key) = self.live.remove_entry(&name.to_ascii_lowercase()).expect("a key to delete");
        self.deleted.insert(name, key);
    }

    pub(crate) fn recover(&mut self, name: &str) {
        let (name, key) = self.deleted.remove_entry(&name.to_ascii_lowercase()).expect("a key to recover");
        self.live.insert(name, key);
    }

    pub(crate) fn replace(&mut self, name: &str, now: u64) {
        let key = self.live.remove(&name.to_ascii_lowercase()).expect("a key to replace");
        let last = key.versions.last().map_or(0, |version| version.state.created);
        self.create(name, key.kind, now.max(last + 1));
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Key> {
        self.live.get(&name.to_ascii_lowercase())
    }
}

impl Version {
    fn new(kind: Kind, created: u64) -> Self {
        let id: [u8; 16] = random();
        let name = format!("{:032x}", u128::from_be_bytes(id));
        let (material, operations) = match kind {
            Kind::Rsa => {
                let all = ["encrypt", "decrypt", "wrapKey", "unwrapKey", "sign", "verify"].as_slice();
                (Material::Rsa(rsa::draw()), all)
            }
            Kind::P256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("an EC key");
                (Material::Ec(pair), ["sign", "verify"].as_slice())
            }
            Kind::P384 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("an EC key");
                (Material::Ec(pair), ["sign", "verify"].as_slice())
            }
            Kind::Aes => (Material::Aes(random()), ["encrypt", "decrypt", "wrapKey", "unwrapKey"].as_slice()),
        };
        let state = State { enabled: true, nbf: None, exp: None, created, operations: operations.to_vec() };
        Self { name, state, material }
    }

    /// The two coordinates of an EC key's public half.
    pub(crate) fn coordinates(pair: &EcdsaKeyPair) -> (&[u8], &[u8]) {
        let point = &pair.public_key().as_ref()[1..];
        point.split_at(point.len() / 2)
    }

    /// A GCM key, its nonce to be given with each call.
    pub(crate) fn gcm(key: &[u8; 32]) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("32 bytes"))
    }

    pub(crate) fn seal(key: &[u8; 32], plaintext: &[u8], aad: &[u8]) -> ([u8; 12], Vec<u8>, Vec<u8>) {
        let nonce: [u8; 12] = random();
        let mut ciphertext = plaintext.to_vec();
        let sealed = Self::gcm(key).seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(aad),
            &mut ciphertext,
        );
        let tag = sealed.expect("a few bytes").as_ref().to_vec();
        (nonce, tag, ciphertext)
    }

    pub(crate) fn open(key: &[u8; 32], nonce: &[u8], tag: &[u8], ciphertext: &[u8], aad: &[u8]) -> Option<Secret> {
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = [ciphertext, tag].concat();
        let length = Self::gcm(key).open_in_place(nonce, Aad::from(aad), &mut text).ok()?.len();
        text.truncate(length);
        Some(text.into())
    }
}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::SecureRandom::fill(&SystemRandom::new(), &mut bytes).expect("random bytes");
    bytes
}
