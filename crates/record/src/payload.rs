//! The inner layer: the object under the seed, bound to its place in etcd.
//!
//! HKDF-Expand only (SHA-256, the seed as pseudo-random key, 32 random bytes of info), AES-256-GCM with a random
//! 12-byte nonce, and the full etcd key as additional data; stored as info, nonce, ciphertext, tag.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::stored::SourceType;

const INFO: usize = 32;

/// Why a payload can't be opened or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PayloadError {
    /// The seed or key has a length that Kubernetes never uses.
    #[error("the seed or key has {0} bytes; Kubernetes uses 32")]
    SeedLength(usize),
    /// The payload ends too early.
    #[error("the payload is cut short")]
    Short,
    /// Another seed, another etcd key, or changed bytes.
    #[error("the payload does not belong to this seed and this etcd key, or it was changed")]
    Unauthentic,
    /// No random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
}

/// Opens a payload with the seed (or key) that the plugin unwrapped. `etcd_key` is the full key, `/registry/...`.
///
/// # Errors
/// See [`PayloadError`].
pub fn open(
    source: SourceType,
    seed: &[u8],
    etcd_key: &str,
    payload: &[u8],
) -> Result<Zeroizing<Vec<u8>>, PayloadError> {
    let (key, rest) = match source {
        SourceType::AesGcmKey => (direct(seed)?, payload),
        SourceType::HkdfSha256XnonceAesGcmSeed => {
            let (info, rest) = payload.split_at_checked(INFO).ok_or(PayloadError::Short)?;
            (derive(seed, info)?, rest)
        }
    };
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or(PayloadError::Short)?;
    let mut text = Zeroizing::new(sealed.to_vec());
    let length = key
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(etcd_key.as_bytes()), &mut text)
        .map_err(|_| PayloadError::Unauthentic)?
        .len();
    text.truncate(length);
    Ok(text)
}

/// Encrypts an object as an API server with a seed does.
///
/// # Errors
/// See [`PayloadError`].
pub fn seal(seed: &[u8], etcd_key: &str, object: &[u8]) -> Result<Vec<u8>, PayloadError> {
    let mut info_and_nonce = [0; INFO + NONCE_LEN];
    SystemRandom::new().fill(&mut info_and_nonce).map_err(|_| PayloadError::Random)?;
    let (info, nonce) = info_and_nonce.split_at(INFO);
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| PayloadError::Short)?;
    let mut text = object.to_vec();
    derive(seed, info)?
        .seal_in_place_append_tag(nonce, Aad::from(etcd_key.as_bytes()), &mut text)
        .map_err(|_| PayloadError::Short)?;
    Ok([&info_and_nonce[..], &text].concat())
}

fn derive(seed: &[u8], info: &[u8]) -> Result<LessSafeKey, PayloadError> {
    struct Bytes32;
    impl KeyType for Bytes32 {
        fn len(&self) -> usize {
            32
        }
    }
    let wrong = |_| PayloadError::SeedLength(seed.len());
    let mut key = Zeroizing::new([0; 32]);
    if seed.len() < 32 {
        return Err(PayloadError::SeedLength(seed.len()));
    }
    let info = [info];
    Prk::new_less_safe(HKDF_SHA256, seed).expand(&info, Bytes32).and_then(|okm| okm.fill(&mut *key)).map_err(wrong)?;
    UnboundKey::new(&AES_256_GCM, &*key).map(LessSafeKey::new).map_err(wrong)
}

fn direct(key: &[u8]) -> Result<LessSafeKey, PayloadError> {
    let algorithm = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
    UnboundKey::new(algorithm, key).map(LessSafeKey::new).map_err(|_| PayloadError::SeedLength(key.len()))
}

#[cfg(test)]
mod tests {
    use super::{PayloadError, SourceType::HkdfSha256XnonceAesGcmSeed as Seed, open, seal};

    #[test]
    fn an_object_is_bound_to_its_seed_and_its_place() {
        let seed = [7; 32];
        let payload = seal(&seed, "/registry/secrets/default/a", b"object").unwrap();
        assert_eq!(open(Seed, &seed, "/registry/secrets/default/a", &payload).unwrap().as_slice(), b"object");
        for (seed, place) in [([7; 32], "/registry/secrets/default/b"), ([8; 32], "/registry/secrets/default/a")] {
            assert_eq!(open(Seed, &seed, place, &payload).unwrap_err(), PayloadError::Unauthentic);
        }
        assert_eq!(open(Seed, &seed, "x", &payload[..40]).unwrap_err(), PayloadError::Short);
        assert_eq!(open(Seed, &seed[..16], "x", &payload).unwrap_err(), PayloadError::SeedLength(16));
    }
}
