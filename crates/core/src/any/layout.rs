//! The bytes of an `any` wrap: the members' ciphertexts, then the plaintext sealed under the key that they wrap.
//!
//! u8 number of members; for each one 4 bytes of tag, u16 big-endian length, its ciphertext (envelope included); then
//! nonce (12), ciphertext, tag (16) of AES-256-GCM. Its additional data are the caller's, behind their length as u32
//! big-endian, and everything before the nonce: nobody can take a member's wrap out or put another one in.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{ErrorKind, ProviderError};
use crate::secret::Secret;

use super::MEMBERS;

/// Length of the random key, in bytes.
pub(super) const KEY: usize = 32;
const NONCE: usize = 12;
const TAG: usize = 16;
/// In front of each member's ciphertext: its tag and its length.
const FRAME: usize = 4 + 2;
/// The envelope's header around all of it: 13 bytes, a length byte, and the version's name.
const HEADER: usize = 13 + 1 + 22;

/// Which member made a wrap: the first bytes of a hash over its identity.
pub(super) type MemberTag = [u8; 4];

/// One member's wrap of the key.
pub(super) struct Wrap {
    pub(super) tag: MemberTag,
    pub(super) bytes: Vec<u8>,
}

/// The tag of a member with this identity.
pub(super) fn member_tag(identity: &[String]) -> MemberTag {
    let mut tag = [0; 4];
    tag.copy_from_slice(&hash("trousseau/any/member/1", identity.iter().map(String::as_str)).as_ref()[..4]);
    tag
}

/// The name of the version that these key_ids of members make together, in whatever order: 22 characters.
pub(super) fn version_name(mut ids: Vec<&str>) -> String {
    ids.sort_unstable();
    URL_SAFE_NO_PAD.encode(&hash("trousseau/any/version/1", ids.into_iter()).as_ref()[..16])
}

fn hash<'a>(domain: &'a str, parts: impl Iterator<Item = &'a str>) -> aws_lc_rs::digest::Digest {
    let mut input = Vec::with_capacity(128);
    for part in std::iter::once(domain).chain(parts) {
        // A configured name longer than 4 GiB can't be had: the cast loses nothing.
        input.extend_from_slice(&(part.len() as u32).to_be_bytes());
        input.extend_from_slice(part.as_bytes());
    }
    digest(&SHA256, &input)
}

/// The fewest bytes that are stored for a seed, by the fewest that each member's ciphertext takes.
pub(super) fn least(members: impl Iterator<Item = usize>) -> usize {
    HEADER + 1 + members.map(|bytes| FRAME + bytes).sum::<usize>() + NONCE + KEY + TAG
}

/// Puts the members' wraps and the sealed plaintext together.
pub(super) fn seal(wraps: &[Wrap], key: &Secret, plaintext: &Secret, aad: &[u8]) -> Result<Vec<u8>, ProviderError> {
    let mut bytes = vec![u8::try_from(wraps.len()).map_err(|_| internal("more members than a byte counts"))?];
    for wrap in wraps {
        let length = u16::try_from(wrap.bytes.len()).map_err(|_| internal("a member's wrap is over 64 KiB long"))?;
        bytes.extend_from_slice(&wrap.tag);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&wrap.bytes);
    }
    let cipher = cipher(key)?;
    let mut sealed = plaintext.expose().to_vec();
    let nonce = cipher
        .seal_in_place_append_tag(Aad::from(bound(aad, &bytes)), &mut sealed)
        .map_err(|_| internal("AES-256-GCM refused to encrypt"))?;
    bytes.extend_from_slice(nonce.as_ref());
    bytes.extend_from_slice(&sealed);
    Ok(bytes)
}

/// A wrap taken apart.
pub(super) struct Parts<'a> {
    /// The members' wraps.
    pub(super) wraps: Vec<(MemberTag, &'a [u8])>,
    head: &'a [u8],
    nonce: &'a [u8],
    sealed: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Reads the frames; nothing is opened.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, ProviderError> {
        let short = || ProviderError::new(ErrorKind::Malformed, "the list of members' wraps is cut short");
        let (count, mut rest) = bytes.split_first().ok_or_else(short)?;
        // Each is a call to a KMS, and who made the record is not known yet.
        if usize::from(*count) > *MEMBERS.end() {
            return Err(ProviderError::new(ErrorKind::Malformed, "more wraps than a list has members"));
        }
        let mut wraps = Vec::with_capacity(usize::from(*count));
        for _ in 0..*count {
            let ([t0, t1, t2, t3, l0, l1], after) = rest.split_first_chunk::<FRAME>().ok_or_else(short)?;
            let (wrap, after) =
                after.split_at_checked(usize::from(u16::from_be_bytes([*l0, *l1]))).ok_or_else(short)?;
            wraps.push(([*t0, *t1, *t2, *t3], wrap));
            rest = after;
        }
        let head = &bytes[..bytes.len() - rest.len()];
        let (nonce, sealed) = rest.split_at_checked(NONCE).ok_or_else(short)?;
        if wraps.is_empty() || sealed.len() < TAG {
            return Err(short());
        }
        Ok(Self { wraps, head, nonce, sealed })
    }

    /// Opens the plaintext with the key that a member unwrapped. A member that lies about the key is found out here.
    pub(super) fn open(&self, key: &Secret, aad: &[u8]) -> Result<Secret, ProviderError> {
        let refused = || ProviderError::new(ErrorKind::Unauthentic, "the key that the member gave does not open it");
        let cipher = cipher(key).map_err(|_| refused())?;
        let nonce = Nonce::try_assume_unique_for_key(self.nonce).map_err(|_| refused())?;
        let mut body = zeroize::Zeroizing::new(self.sealed.to_vec());
        let opened = cipher.open_in_place(nonce, Aad::from(bound(aad, self.head)), &mut body).map_err(|_| refused())?;
        Ok(Secret::new(opened.to_vec()))
    }
}

fn cipher(key: &Secret) -> Result<RandomizedNonceKey, ProviderError> {
    RandomizedNonceKey::new(&AES_256_GCM, key.expose()).map_err(|_| internal("the key has not 32 bytes"))
}

fn bound(aad: &[u8], head: &[u8]) -> Vec<u8> {
    // The caller's data are a header and a configured name: the cast loses nothing.
    [&(aad.len() as u32).to_be_bytes(), aad, head].concat()
}

fn internal(text: &str) -> ProviderError {
    ProviderError::new(ErrorKind::BadAnswer, text)
}

#[cfg(test)]
mod tests {
    use super::{Parts, Wrap, least, seal, version_name};
    use crate::error::ErrorKind;
    use crate::secret::Secret;

    fn sealed() -> (Secret, Vec<u8>) {
        let key = Secret::new(vec![9; 32]);
        let wraps = [Wrap { tag: [1; 4], bytes: vec![5; 60] }, Wrap { tag: [2; 4], bytes: vec![6; 70] }];
        let bytes = seal(&wraps, &key, &Secret::new(vec![7; 32]), b"aad").unwrap();
        (key, bytes)
    }

    #[test]
    fn what_is_put_together_comes_apart_and_opens() {
        let (key, bytes) = sealed();
        let parts = Parts::parse(&bytes).unwrap();
        assert_eq!(parts.wraps, [([1; 4], [5; 60].as_slice()), ([2; 4], [6; 70].as_slice())]);
        assert!(parts.open(&key, b"aad").unwrap().same_as(&Secret::new(vec![7; 32])));
        assert_eq!(bytes.len() + super::HEADER, least([60, 70].into_iter()));
    }

    /// Each is a call to a KMS: who may write into etcd could have many made by one record.
    #[test]
    fn more_wraps_than_a_list_has_members_are_refused_before_any_is_opened() {
        for (count, taken) in [(8, true), (9, false), (255, false)] {
            let frames = [[1, 1, 1, 1, 0, 1, 9]; 255];
            let bytes = [&[count][..], &frames.as_flattened()[..7 * usize::from(count)], &[0; 28]].concat();
            assert_eq!(Parts::parse(&bytes).is_ok(), taken, "{count}");
        }
    }

    #[test]
    fn every_byte_is_authenticated() {
        let (key, bytes) = sealed();
        for at in 0..bytes.len() {
            let mut tampered = bytes.clone();
            tampered[at] ^= 1;
            let opened = Parts::parse(&tampered).and_then(|parts| parts.open(&key, b"aad"));
            let kind = opened.map(|_| ()).map_err(|error| error.kind());
            assert!(matches!(kind, Err(ErrorKind::Unauthentic | ErrorKind::Malformed)), "byte {at}: {kind:?}");
        }
        let parts = Parts::parse(&bytes).unwrap();
        assert!(parts.open(&key, b"other").is_err());
        assert!(parts.open(&Secret::new(vec![8; 32]), b"aad").is_err());
        assert!(parts.open(&Secret::new(vec![8; 5]), b"aad").is_err(), "a key of another length");
    }

    #[test]
    fn every_cut_is_told() {
        let (key, bytes) = sealed();
        for end in 0..bytes.len() {
            let opened = Parts::parse(&bytes[..end]).and_then(|parts| parts.open(&key, b"aad"));
            assert!(opened.is_err(), "{end} bytes");
        }
    }

    #[test]
    fn the_order_of_members_does_not_matter_for_the_name_and_their_ids_do() {
        assert_eq!(version_name(vec!["a", "b"]), version_name(vec!["b", "a"]));
        assert_ne!(version_name(vec!["a", "b"]), version_name(vec!["ab", ""]));
        assert_ne!(version_name(vec!["a"]), version_name(vec!["a", "b"]));
        assert_eq!(version_name(vec!["a"]).len(), 22);
    }
}
