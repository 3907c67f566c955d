//! Bytes and texts that wipe themselves and can't be printed (I9).

use std::fmt;

use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

/// Secret bytes: a DEK seed or a key. Wiped on drop; `Debug` shows only the length.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over; no copy is left behind.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for the shortest time that the caller needs them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Gives the bytes up to a caller that must own them (a generated message type); from there on nobody wipes them.
    pub fn into_exposed(mut self) -> Vec<u8> {
        std::mem::take(&mut *self.0)
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True for no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Equality in constant time for equal lengths.
    pub fn same_as(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// A secret text: a token, a password. Wiped on drop; `Debug` shows nothing of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes the text over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for the shortest time that the caller needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(***)")
    }
}

/// As `***`: what is serialised is shown to people.
impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(crate::section::MASKED)
    }
}

#[cfg(test)]
mod tests {
    use super::{Secret, SecretText};

    #[test]
    fn i9_secrets_cannot_be_printed() {
        assert_eq!(format!("{:?}", Secret::new(b"canary".to_vec())), "Secret(6 bytes)");
        assert_eq!(format!("{:?}", SecretText::new("canary".into())), "SecretText(***)");
    }

    #[test]
    fn comparison_looks_at_every_byte_and_the_length() {
        let secret = Secret::new(vec![1, 2, 3]);
        assert!(secret.same_as(&Secret::new(vec![1, 2, 3])));
        assert!(!secret.same_as(&Secret::new(vec![1, 2, 4])));
        assert!(!secret.same_as(&Secret::new(vec![1, 2])));
    }
}
