//! What a version's key does: wraps, opens, and has a fingerprint.
//!
//! PRK = HKDF-Extract (SHA-256, salt `trousseau/local/1`) of the 32-byte key, once at load. Each wrap has 32 random
//! bytes of salt and a key of its own, HKDF-Expand(PRK, `wrap` 0x00, salt, AAD; 32), so that random nonces never get
//! near their bound; then AES-256-GCM with the same AAD. wrap = salt (32), nonce (12), ciphertext, tag (16).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk};
use aws_lc_rs::{hmac, rand};
use trousseau_core::Secret;
use zeroize::Zeroizing;

use crate::error::LocalError;

pub(crate) const KEY_BYTES: usize = 32;
const SALT: usize = 32;
const HEAD: usize = SALT + 12;
const TAG: usize = 16;

/// One key, ready for use. The library wipes it on drop.
pub(crate) struct Material {
    prk: Prk,
    fingerprint: String,
}

/// Why a wrap doesn't open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenError {
    Short,
    Unauthentic,
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl Material {
    pub(crate) fn new(key: &[u8; KEY_BYTES]) -> Result<Self, LocalError> {
        // HKDF-Extract by hand: the library's own repeats it at each Expand.
        let prk = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"trousseau/local/1"), key);
        let prk = Prk::new_less_safe(HKDF_SHA256, prk.as_ref());
        let mut public = [0; 16];
        prk.expand(&[b"fingerprint\0"], Length(public.len()))
            .and_then(|out| out.fill(&mut public))
            .map_err(|_| LocalError::Crypto("derive a fingerprint"))?;
        let fingerprint = public.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { prk, fingerprint })
    }

    /// Public: 32 hex digits that say nothing of the key but which one it is.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(crate) fn wrap(&self, plaintext: &[u8], aad: &[u8]) -> Result<Vec<u8>, LocalError> {
        let mut out = Vec::with_capacity(HEAD + plaintext.len() + TAG);
        out.resize(HEAD, 0);
        // Salt and nonce at once: asking the generator costs more than what it gives.
        rand::fill(&mut out).map_err(|_| LocalError::Crypto("make a salt and a nonce"))?;
        let (salt, nonce) = out.split_at(SALT);
        let key = self.subkey(salt, aad).ok_or(LocalError::Crypto("derive a key"))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| LocalError::Crypto("make a nonce"))?;
        out.extend_from_slice(plaintext);
        match key.seal_in_place_separate_tag(nonce, Aad::from(aad), &mut out[HEAD..]) {
            Ok(tag) => {
                out.extend_from_slice(tag.as_ref());
                Ok(out)
            }
            Err(_) => {
                // It may still hold the plaintext.
                drop(Secret::new(out));
                Err(LocalError::Crypto("encrypt"))
            }
        }
    }

    pub(crate) fn open(&self, wrap: &[u8], aad: &[u8]) -> Result<Secret, OpenError> {
        let (head, sealed) = wrap.split_at_checked(HEAD).ok_or(OpenError::Short)?;
        if sealed.len() < TAG {
            return Err(OpenError::Short);
        }
        let (salt, nonce) = head.split_at(SALT);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| OpenError::Short)?;
        let key = self.subkey(salt, aad).ok_or(OpenError::Unauthentic)?;
        let mut body = Zeroizing::new(sealed.to_vec());
        let length = key.open_in_place(nonce, Aad::from(aad), &mut body).map_err(|_| OpenError::Unauthentic)?.len();
        body.truncate(length);
        Ok(Secret::new(std::mem::take(&mut *body)))
    }

    fn subkey(&self, salt: &[u8], aad: &[u8]) -> Option<LessSafeKey> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        self.prk.expand(&[b"wrap\0", salt, aad], Length(KEY_BYTES)).ok()?.fill(&mut *key).ok()?;
        UnboundKey::new(&AES_256_GCM, &*key).ok().map(LessSafeKey::new)
    }
}

#[cfg(test)]
mod tests;
