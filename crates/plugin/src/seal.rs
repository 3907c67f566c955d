//! Seals under a key that is used once: AES-256-GCM under HKDF-SHA-256(key, `trousseau/plugin/1`), nonce zero.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::rand;
use trousseau_core::Secret;

/// Length of the key that the other plugin wraps: that of a seed, which every plugin takes.
pub(crate) const KEY: usize = 32;

/// How much longer a sealed plaintext is.
pub(crate) const TAG: usize = 16;

/// A fresh key.
pub(crate) fn key() -> Result<Secret, Unspecified> {
    let mut bytes = vec![0; KEY];
    rand::fill(&mut bytes)?;
    Ok(Secret::new(bytes))
}

/// `plaintext` and a tag. Never called twice with one key: the nonce is always the same.
pub(crate) fn seal(key: &Secret, plaintext: &Secret, bound: &[u8]) -> Result<Vec<u8>, Unspecified> {
    // Room for the tag, so that no copy of the plaintext stays where a buffer was before it grew.
    let mut sealed = Vec::with_capacity(plaintext.len() + TAG);
    sealed.extend_from_slice(plaintext.expose());
    match cipher(key)?.seal_in_place_append_tag(nonce(), Aad::from(bound), &mut sealed) {
        Ok(()) => Ok(sealed),
        Err(error) => {
            drop(Secret::new(sealed));
            Err(error)
        }
    }
}

/// The plaintext, if key, `bound` and every byte are those of [`seal`].
pub(crate) fn open(key: &Secret, sealed: &[u8], bound: &[u8]) -> Result<Secret, Unspecified> {
    let mut bytes = sealed.to_vec();
    let length = cipher(key)?.open_in_place(nonce(), Aad::from(bound), &mut bytes)?.len();
    bytes.truncate(length);
    Ok(Secret::new(bytes))
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

fn cipher(key: &Secret) -> Result<LessSafeKey, Unspecified> {
    let prk = Salt::new(HKDF_SHA256, &[]).extract(key.expose());
    let okm = prk.expand(&[b"trousseau/plugin/1"], &AES_256_GCM)?;
    Ok(LessSafeKey::new(UnboundKey::from(okm)))
}

#[cfg(test)]
mod tests {
    use super::{Secret, key, open, seal};

    #[test]
    fn what_was_sealed_opens_only_as_it_was() {
        let (first, second) = (key().unwrap(), key().unwrap());
        let plaintext = Secret::new(vec![7; 32]);
        let sealed = seal(&first, &plaintext, b"bound").unwrap();
        assert_eq!(sealed.len(), 48);
        assert!(open(&first, &sealed, b"bound").unwrap().same_as(&plaintext));
        assert!(open(&first, &sealed, b"Bound").is_err());
        assert!(open(&second, &sealed, b"bound").is_err());
        assert!(open(&first, &sealed[1..], b"bound").is_err());
    }

    #[test]
    fn golden_bytes_do_not_change() {
        let sealed = seal(&Secret::new((0..32).collect()), &Secret::new(vec![7; 4]), b"bound").unwrap();
        let hex: String = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "2b1e52654b3f7e086e2796c360bc45ada095eee5");
    }
}
