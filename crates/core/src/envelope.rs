//! The ciphertext: a versioned binary header, then the wrap that the KMS made.
//!
//! Format 1, 13 bytes: magic `FE 54`, format `01`, algorithm u8, provider u8, key version u32 big-endian, the first 4
//! bytes of SHA-256 over the cluster's name. A version that is no number: 0 in the header, and between header and wrap
//! one length byte and the version, which count as header. The magic is no UTF-8, no protobuf tag and no CBOR.

use aws_lc_rs::digest::{SHA256, digest};
use thiserror::Error;

use crate::version::KeyVersion;

const MAGIC: [u8; 3] = [0xFE, 0x54, 0x01];
/// The header's length where the version is a number, in bytes.
pub(crate) const FIXED: usize = 13;

/// How the wrap was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// By a KMS, with additional authenticated data.
    KmsWithAad,
    /// By a KMS whose key takes none.
    KmsWithoutAad,
    /// By the local key.
    Local,
}

impl Algorithm {
    const fn code(self) -> u8 {
        match self {
            Self::KmsWithAad => 1,
            Self::KmsWithoutAad => 2,
            Self::Local => 3,
        }
    }
}

/// What a ciphertext says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// How the wrap was made.
    pub algorithm: Algorithm,
    /// [`ProviderKind::code`](crate::ProviderKind) of the KMS that made it.
    pub provider: u8,
    /// The key version that made it.
    pub version: KeyVersion,
    /// The first 4 bytes of SHA-256 over the cluster's name.
    pub cluster: [u8; 4],
}

/// Why bytes are no ciphertext of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EnvelopeError {
    /// They don't begin as ours do.
    #[error("it does not begin with Trousseau's magic: another plugin wrote it, or it is damaged")]
    Foreign,
    /// They begin as ours do, with a format, algorithm or version that this release doesn't know.
    #[error("its header has a value that this release does not know: a newer release wrote it, or it is damaged")]
    Unknown,
    /// They end before the wrap begins.
    #[error("it is cut short")]
    Short,
}

impl Header {
    /// The header's bytes: 13, or more where the version is a name (of which 255 bytes at most are written).
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[self.algorithm.code(), self.provider]);
        bytes.extend_from_slice(&self.version.number().unwrap_or(0).to_be_bytes());
        bytes.extend_from_slice(&self.cluster);
        if let KeyVersion::Name(name) = &self.version {
            let name = &name.as_bytes()[..name.len().min(255)];
            bytes.push(name.len() as u8);
            bytes.extend_from_slice(name);
        }
        bytes
    }

    /// Reads a ciphertext: its header, the header's bytes, and the wrap behind them.
    ///
    /// # Errors
    /// See [`EnvelopeError`]; nothing is guessed.
    pub fn parse(ciphertext: &[u8]) -> Result<(Self, &[u8], &[u8]), EnvelopeError> {
        if !ciphertext.starts_with(&MAGIC[..2]) {
            return Err(EnvelopeError::Foreign);
        }
        let Some((fixed, rest)) = ciphertext.split_at_checked(FIXED) else {
            return Err(EnvelopeError::Short);
        };
        let [_, _, format, algorithm, provider, v0, v1, v2, v3, c0, c1, c2, c3] = *fixed else {
            return Err(EnvelopeError::Short);
        };
        let algorithm = match algorithm {
            1 => Algorithm::KmsWithAad,
            2 => Algorithm::KmsWithoutAad,
            3 => Algorithm::Local,
            _ => return Err(EnvelopeError::Unknown),
        };
        if format != MAGIC[2] || provider == 0 {
            return Err(EnvelopeError::Unknown);
        }
        let (version, length) = match u32::from_be_bytes([v0, v1, v2, v3]) {
            0 => {
                let (length, rest) = rest.split_first().ok_or(EnvelopeError::Short)?;
                let name = rest.get(..usize::from(*length)).ok_or(EnvelopeError::Short)?;
                let name = std::str::from_utf8(name).map_err(|_| EnvelopeError::Unknown)?;
                if name.is_empty() {
                    return Err(EnvelopeError::Unknown);
                }
                (KeyVersion::Name(name.to_owned()), FIXED + 1 + name.len())
            }
            number => (KeyVersion::Number(number), FIXED),
        };
        let (header, wrap) = ciphertext.split_at_checked(length).ok_or(EnvelopeError::Short)?;
        if wrap.is_empty() {
            return Err(EnvelopeError::Short);
        }
        Ok((Self { algorithm, provider, version, cluster: [c0, c1, c2, c3] }, header, wrap))
    }
}

/// The names that this cluster has and had: the first writes, all of them read. Absent = one empty name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clusters(Vec<(String, [u8; 4])>);

impl Clusters {
    /// Takes the names in their order.
    ///
    /// # Errors
    /// Names the two that can't be told apart by the 4 bytes in the header.
    pub fn new(names: Vec<String>) -> Result<Self, SameHash> {
        let mut list: Vec<(String, [u8; 4])> = Vec::new();
        for name in if names.is_empty() { vec![String::new()] } else { names } {
            let hash = cluster_hash(&name);
            if let Some((other, _)) = list.iter().find(|(_, known)| *known == hash) {
                return Err(SameHash(other.clone(), name));
            }
            list.push((name, hash));
        }
        Ok(Self(list))
    }

    /// The name that writes, and its hash.
    pub fn first(&self) -> (&str, [u8; 4]) {
        self.0.first().map_or_else(|| ("", cluster_hash("")), |(name, hash)| (name, *hash))
    }

    /// The configured name with this hash.
    pub fn find(&self, hash: [u8; 4]) -> Option<&str> {
        self.0.iter().find(|(_, known)| *known == hash).map(|(name, _)| name.as_str())
    }

    /// All names, for an error text.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

/// Two cluster names that are equal, or whose first 4 bytes of SHA-256 are.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "cluster names `{0}` and `{1}` have the same hash in the ciphertext's header; choose another name for one of them"
)]
pub struct SameHash(String, String);

/// The first 4 bytes of SHA-256 over a cluster's name; `e3b0c442` for the empty one.
pub fn cluster_hash(name: &str) -> [u8; 4] {
    let hash = digest(&SHA256, name.as_bytes());
    let mut first = [0; 4];
    first.copy_from_slice(&hash.as_ref()[..4]);
    first
}

/// The additional authenticated data of a wrap: the header's bytes, then the cluster's name (I4).
pub fn aad(header: &[u8], cluster: &str) -> Vec<u8> {
    [header, cluster.as_bytes()].concat()
}

/// What a wrap is bound to, taken apart again: for a KMS whose additional data are pairs of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound<'a> {
    /// The fixed part of the header: 13 bytes.
    pub fixed: &'a [u8],
    /// The version that stands behind it, where it is a name; never empty.
    pub version: Option<&'a str>,
    /// The cluster's name; may be empty.
    pub cluster: &'a str,
}

impl<'a> Bound<'a> {
    /// Reads what [`aad`] made; `None` for anything else. Injective: `fixed`, the version behind its length byte and
    /// the cluster's name, put together again, are the bytes that were read.
    pub fn parse(aad: &'a [u8]) -> Option<Self> {
        // A wrap of one byte stands in for the one that isn't there.
        let ciphertext = [aad, &[0]].concat();
        let (header, head, _) = Header::parse(&ciphertext).ok()?;
        let (head, cluster) = aad.split_at_checked(head.len())?;
        let (fixed, version) = head.split_at_checked(FIXED)?;
        let version = match &header.version {
            KeyVersion::Number(_) => None,
            KeyVersion::Name(_) => Some(std::str::from_utf8(version.get(1..)?).ok()?),
        };
        Some(Self { fixed, version, cluster: std::str::from_utf8(cluster).ok()? })
    }
}

#[cfg(test)]
mod tests;
