//! The wrap, as it lies behind the envelope's header.
//!
//! A scheme byte, then:
//! * 1, 2: version of the signing key (16), signature (64 by ES256; 96 by ES384), RSA-OAEP-256 ciphertext (256 to 512);
//! * 3: nonce (12), tag (16), AES-256-GCM ciphertext (as long as the plaintext).

use crate::identifier::Version;

/// What begins everything that is signed: a signature made for something else is none of a wrap.
const LABEL: &[u8] = b"trousseau/azure-keyvault/wrap/1\0";

const A256GCM: u8 = 3;
const NONCE: usize = 12;
const TAG: usize = 16;

/// The bytes of a signed wrap by the smallest keys that are taken: RSA of 2048 bits, and P-256.
pub(crate) const LEAST_SIGNED: usize = 1 + 16 + 2 * Curve::P256.coordinate() + 2048 / 8;

/// The bytes of a sealed wrap beside its plaintext.
pub(crate) const AROUND_SEALED: usize = 1 + NONCE + TAG;

/// The curve of a signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
}

impl Curve {
    /// The bytes of one coordinate, and of half a signature.
    pub(crate) const fn coordinate(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }

    /// The algorithm's name for Key Vault.
    pub(crate) const fn algorithm(self) -> &'static str {
        match self {
            Self::P256 => "ES256",
            Self::P384 => "ES384",
        }
    }

    const fn scheme(self) -> u8 {
        match self {
            Self::P256 => 1,
            Self::P384 => 2,
        }
    }
}

/// A wrap, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wrap<'a> {
    /// By RSA, and signed.
    Signed(Signed<'a>),
    /// By AES-GCM.
    Sealed { nonce: &'a [u8], tag: &'a [u8], ciphertext: &'a [u8] },
}

/// An RSA ciphertext and what shows who made it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Signed<'a> {
    pub(crate) curve: Curve,
    pub(crate) signer: Version,
    pub(crate) signature: &'a [u8],
    pub(crate) ciphertext: &'a [u8],
}

impl<'a> Wrap<'a> {
    /// Takes it apart; `None` for what can't be one.
    pub(crate) fn parse(wrap: &'a [u8]) -> Option<Self> {
        let (scheme, rest) = wrap.split_first()?;
        let curve = match *scheme {
            1 => Curve::P256,
            2 => Curve::P384,
            A256GCM => {
                let (nonce, rest) = rest.split_at_checked(NONCE)?;
                let (tag, ciphertext) = rest.split_at_checked(TAG)?;
                return (!ciphertext.is_empty()).then_some(Self::Sealed { nonce, tag, ciphertext });
            }
            _ => return None,
        };
        let (signer, rest) = rest.split_first_chunk::<16>()?;
        let (signature, ciphertext) = rest.split_at_checked(2 * curve.coordinate())?;
        let signer = Version::from_bytes(*signer);
        (!ciphertext.is_empty()).then_some(Self::Signed(Signed { curve, signer, signature, ciphertext }))
    }
}

impl Signed<'_> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        [&[self.curve.scheme()], self.signer.bytes().as_slice(), self.signature, self.ciphertext].concat()
    }

    /// What is signed: all of the wrap but the signature, the key and the version that encrypted, and the additional
    /// data. Each part has a fixed length or its length before it, so two contents never give one message. Key Vault
    /// knows no other case of a name, and a name is for ever; the vault's address is not in it, as a backup may be
    /// restored elsewhere.
    pub(crate) fn message(&self, key: &str, version: Version, aad: Option<&[u8]>) -> Vec<u8> {
        let name = key.to_ascii_lowercase();
        let name = name.as_bytes();
        let data = aad.unwrap_or_default();
        // A header and a cluster's name: far below 4 GiB, so the cast loses nothing.
        let length = (data.len() as u32).to_be_bytes();
        let head = [self.curve.scheme(), u8::from(aad.is_some())];
        let named = (name.len() as u32).to_be_bytes();
        let (signer, version) = (self.signer.bytes(), version.bytes());
        [LABEL, &head, signer, version, &named, name, &length, data, self.ciphertext].concat()
    }
}

/// Puts together what an HSM answered; `None` where a part has another length than it must have.
pub(crate) fn sealed(nonce: &[u8], tag: &[u8], ciphertext: &[u8]) -> Option<Vec<u8>> {
    let fits = nonce.len() == NONCE && tag.len() == TAG && !ciphertext.is_empty();
    fits.then(|| [&[A256GCM], nonce, tag, ciphertext].concat())
}

#[cfg(test)]
mod tests {
    use super::{Curve, Signed, Wrap, sealed};
    use crate::identifier::Version;

    fn signed<'a>(curve: Curve, signature: &'a [u8], ciphertext: &'a [u8]) -> Signed<'a> {
        Signed { curve, signer: Version::from_bytes([7; 16]), signature, ciphertext }
    }

    #[test]
    fn wraps_are_put_together_and_taken_apart() {
        for (curve, scheme) in [(Curve::P256, 1), (Curve::P384, 2)] {
            let signature = vec![1; 2 * curve.coordinate()];
            let wrap = signed(curve, &signature, &[2; 512]);
            let bytes = wrap.encode();
            assert_eq!((bytes[0], bytes.len()), (scheme, 1 + 16 + signature.len() + 512));
            assert_eq!(Wrap::parse(&bytes), Some(Wrap::Signed(wrap)));
        }
        let bytes = sealed(&[1; 12], &[2; 16], &[3]).unwrap();
        assert_eq!(bytes, [&[3][..], &[1; 12], &[2; 16], &[3]].concat());
        assert_eq!(Wrap::parse(&bytes), Some(Wrap::Sealed { nonce: &[1; 12], tag: &[2; 16], ciphertext: &[3] }));
    }

    /// With the header of a named version the largest key and the longer signature stay far below what is stored.
    #[test]
    fn the_largest_wrap_fits() {
        assert!(13 + 1 + 32 + signed(Curve::P384, &[0; 96], &[0; 512]).encode().len() <= trousseau_core::MAX_STORED);
    }

    #[test]
    fn what_can_be_no_wrap_is_none() {
        for bytes in [&[][..], &[0], &[4; 700], &[1; 81], &[2; 113], &[3; 29]] {
            assert_eq!(Wrap::parse(bytes), None, "{} bytes", bytes.len());
        }
        assert_eq!(sealed(&[1; 12], &[2; 15], &[3]), None);
        assert_eq!(sealed(&[1; 16], &[2; 16], &[3]), None);
        assert_eq!(sealed(&[1; 12], &[2; 16], &[]), None);
    }

    #[test]
    fn every_part_is_in_what_is_signed() {
        let (v, w) = (Version::from_bytes([1; 16]), Version::from_bytes([2; 16]));
        let wrap = signed(Curve::P256, &[0; 64], b"cd");
        let base = wrap.message("k", v, Some(b"ab"));
        assert_ne!(base, wrap.message("k", w, Some(b"ab")));
        assert_ne!(base, wrap.message("k", v, Some(b"ac")));
        assert_ne!(base, signed(Curve::P256, &[0; 64], b"d").message("k", v, Some(b"abc")), "a border that moved");
        assert_ne!(base, signed(Curve::P384, &[0; 96], b"cd").message("k", v, Some(b"ab")));
        assert_ne!(base, Signed { signer: w, ..signed(Curve::P256, &[0; 64], b"cd") }.message("k", v, Some(b"ab")));
        assert_ne!(base, wrap.message("kab", v, Some(b"")), "another border that moved");
        assert_eq!(base, wrap.message("K", v, Some(b"ab")), "names have no case");
        assert_ne!(wrap.message("k", v, None), wrap.message("k", v, Some(b"")), "none is not empty");
        assert_eq!(base, signed(Curve::P256, &[9; 64], b"cd").message("k", v, Some(b"ab")), "but the signature isn't");
    }

    /// For ever: records in etcd were signed over these bytes.
    #[test]
    fn what_is_signed_is_fixed() {
        let message = signed(Curve::P256, &[0; 64], b"CT").message("Key", Version::from_bytes([1; 16]), Some(b"AAD"));
        let ids: &[&[u8]] = &[b"trousseau/azure-keyvault/wrap/1\0", &[1, 1], &[7; 16], &[1; 16]];
        let rest: &[&[u8]] = &[&[0, 0, 0, 3], b"key", &[0, 0, 0, 3], b"AAD", b"CT"];
        assert_eq!(message, [ids.concat(), rest.concat()].concat());
    }
}
