//! The version of a key in its KMS.

use std::fmt;

/// The version of a key: a number where the KMS counts (Vault, local), else the KMS's own name for it (AWS key
/// material, a Google key version).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyVersion {
    /// Counted from 1; 0 never names a version.
    Number(u32),
    /// At most 255 bytes, as it stands behind a length byte in the envelope.
    Name(String),
}

impl KeyVersion {
    /// The number, where the version is one.
    pub fn number(&self) -> Option<u32> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Name(_) => None,
        }
    }
}

impl fmt::Display for KeyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl From<u32> for KeyVersion {
    fn from(number: u32) -> Self {
        Self::Number(number)
    }
}
