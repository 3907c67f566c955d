//! Names and versions of keys, and the identifiers that Key Vault makes of them: `https://HOST/keys/NAME/VERSION`.

use std::fmt;

/// The version of a key in Key Vault: 16 bytes, written as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Version([u8; 16]);

impl Version {
    /// Reads its text; `None` for any other form than the one that it is written in.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        let lower = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
        if digits.len() != 32 || !digits.iter().all(lower) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|number| Self(number.to_be_bytes()))
    }

    pub(crate) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Whether this can be a key's name: 1 to 127 letters, digits and dashes.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=127).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The name and the version in an identifier. The host is not compared: a private endpoint or a gateway may have
/// another one, and TLS has told us already who answers.
pub(crate) fn split(kid: &str) -> Option<(&str, Version)> {
    let (_, rest) = kid.split_once("://")?;
    let mut parts = rest.split('/').skip(1);
    let (keys, name, version) = (parts.next()?, parts.next()?, parts.next()?);
    if keys != "keys" || parts.next().is_some() {
        return None;
    }
    Some((name, Version::parse(version)?))
}

#[cfg(test)]
mod tests {
    use super::{Version, is_name, split};

    const V: &str = "0f3b1f3d37c14b2bb1a2ebb4b24e9535";

    #[test]
    fn versions_have_one_spelling() {
        let version = Version::parse(V).unwrap();
        assert_eq!(version.to_string(), V);
        assert_eq!(Version::from_bytes(*version.bytes()), version);
        for text in ["", &V[1..], &V.to_uppercase(), &format!("+{}", &V[1..]), &format!("{V}0"), "../../secrets/x"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }

    #[test]
    fn identifiers_are_taken_apart() {
        let version = Version::parse(V).unwrap();
        assert_eq!(split(&format!("https://kv.vault.azure.net/keys/k/{V}")), Some(("k", version)));
        for kid in ["", "https://h/keys/k", "https://h/secrets/k/{V}", "h/keys/k/{V}", "https://h/keys/k/x"] {
            assert_eq!(split(&kid.replace("{V}", V)), None, "{kid}");
        }
        assert_eq!(split(&format!("https://h/keys/k/{V}/more")), None);
    }

    #[test]
    fn names_fit_in_a_path() {
        assert!(is_name("kubernetes-1"));
        assert!(!is_name("") && !is_name("a/b") && !is_name("a.b") && !is_name(&"a".repeat(128)));
    }
}
