//! The name of a key material as a version.

use trousseau_core::{ErrorKind, KeyVersion, ProviderError};

/// The version of a key whose material AWS does not name (a custom key store, an emulator): there is only one.
const UNNAMED: KeyVersion = KeyVersion::Number(1);

/// The longest name of a material; KMS's have 64 characters.
const MAX_NAME: usize = 128;

/// The version that a material is; `None` = AWS names none.
pub(crate) fn version(material: Option<&str>) -> Result<KeyVersion, ProviderError> {
    let Some(name) = material else {
        return Ok(UNNAMED);
    };
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(good) {
        return Ok(KeyVersion::Name(name.to_owned()));
    }
    let text = format!("AWS KMS names a key material in a form that can't be one ({} bytes)", name.len());
    Err(ProviderError::new(ErrorKind::BadAnswer, text))
}

#[cfg(test)]
mod tests {
    use super::version;
    use trousseau_core::{ErrorKind, KeyVersion};

    #[test]
    fn a_material_has_its_name_and_a_key_without_one_has_one_version() {
        let name = "0b7fd7ddbac6eef27907413567cad8c810e2883dc8a7534067a82ee1142fc1e6";
        assert_eq!(version(Some(name)).unwrap(), KeyVersion::Name(name.into()));
        assert_eq!(version(None).unwrap(), KeyVersion::Number(1));
        for name in ["", "a b", "a\n", "é", &"a".repeat(129)] {
            assert_eq!(version(Some(name)).unwrap_err().kind(), ErrorKind::BadAnswer, "{name}");
        }
    }
}
