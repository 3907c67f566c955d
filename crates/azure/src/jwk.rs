//! Public keys as Key Vault tells them, ready for use. The material of a version never changes, so each is read once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey, PublicKeyComponents};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ParsedPublicKey};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::identifier::Version;
use crate::wire::Jwk;
use crate::wrap::Curve;

/// The public half of an RSA key.
pub(crate) struct Encrypting(OaepPublicEncryptingKey);

/// The public half of an EC key.
pub(crate) struct Verifying {
    pub(crate) curve: Curve,
    key: ParsedPublicKey,
}

impl Encrypting {
    /// Reads it; else what is wrong, as a predicate.
    pub(crate) fn read(jwk: &Jwk<'_>) -> Result<Self, String> {
        if !matches!(jwk.kty, Some("RSA" | "RSA-HSM")) {
            return Err("is no RSA key; set `algorithm: A256GCM` for an AES key of a Managed HSM".to_owned());
        }
        let number = |text: Option<&str>| BASE64_URL_SAFE_NO_PAD.decode(text?).ok();
        let broken = || "has a public half that can't be read".to_owned();
        let (n, e) = (number(jwk.n).ok_or_else(broken)?, number(jwk.e).ok_or_else(broken)?);
        let bits = n.len() * 8;
        if !(2048..=4096).contains(&bits) {
            return Err(format!("has {bits} bits; use an RSA key of 2048, 3072 or 4096"));
        }
        let key: PublicEncryptingKey = PublicKeyComponents { n, e }.try_into().map_err(|_| broken())?;
        Ok(Self(OaepPublicEncryptingKey::new(key).map_err(|_| broken())?))
    }

    /// The most that it wraps, in bytes.
    pub(crate) fn capacity(&self) -> usize {
        self.0.max_plaintext_size(&OAEP_SHA256_MGF1SHA256)
    }

    /// RSA-OAEP-256; `None` for more than [`capacity`](Self::capacity), or without random bytes.
    pub(crate) fn encrypt(&self, plaintext: &[u8]) -> Option<Vec<u8>> {
        let mut ciphertext = vec![0; self.0.ciphertext_size()];
        let length = self.0.encrypt(&OAEP_SHA256_MGF1SHA256, plaintext, &mut ciphertext, None).ok()?.len();
        (length == ciphertext.len()).then_some(ciphertext)
    }
}

impl Verifying {
    /// Reads it; else what is wrong, as a predicate.
    pub(crate) fn read(jwk: &Jwk<'_>) -> Result<Self, String> {
        let curve = match (jwk.kty, jwk.crv) {
            (Some("EC" | "EC-HSM"), Some("P-256")) => Curve::P256,
            (Some("EC" | "EC-HSM"), Some("P-384")) => Curve::P384,
            _ => return Err("is no EC key on P-256 or P-384; make one with `--kty EC --curve P-256`".to_owned()),
        };
        let coordinate = |text: Option<&str>| {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(text.unwrap_or_default()).ok()?;
            (bytes.len() == curve.coordinate()).then_some(bytes)
        };
        let point = coordinate(jwk.x).zip(coordinate(jwk.y)).map(|(x, y)| [&[4], &*x, &*y].concat());
        let point = point.ok_or("has a public half that can't be read")?;
        let algorithm = match curve {
            Curve::P256 => &ECDSA_P256_SHA256_FIXED,
            Curve::P384 => &ECDSA_P384_SHA384_FIXED,
        };
        let key = ParsedPublicKey::new(algorithm, point).map_err(|_| "has a public half that is on no curve")?;
        Ok(Self { curve, key })
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }
}

/// What was read, by version. A key has few versions; past the bound all are read anew.
pub(crate) struct Known<T>(Mutex<HashMap<Version, Arc<T>>>);

/// How many versions are kept.
const MOST: usize = 256;

impl<T> Known<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::default())
    }

    pub(crate) fn get(&self, version: Version) -> Option<Arc<T>> {
        self.lock().get(&version).cloned()
    }

    pub(crate) fn put(&self, version: Version, key: T) -> Arc<T> {
        let key = Arc::new(key);
        let mut known = self.lock();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(version, Arc::clone(&key));
        key
    }

    /// Forgets the versions that may not be used any more.
    pub(crate) fn forget(&self, gone: &[Version]) {
        self.lock().retain(|version, _| !gone.contains(version));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Version, Arc<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
