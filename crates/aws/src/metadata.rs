//! What `DescribeKey` says of the key: whether it can be used, and which material is the current one.

use aws_sdk_kms::primitives::{DateTime, DateTimeFormat};
use aws_sdk_kms::types::{KeyMetadata, KeySpec, KeyState, KeyUsageType};
use trousseau_core::{ErrorKind, KeyVersion, ProviderError};

use crate::material;

/// A key that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    /// Its current material, or the one version of a key whose material has no name.
    pub(crate) version: KeyVersion,
    /// When its imported material ends.
    pub(crate) ends: Option<String>,
}

/// Reads the description of `arn`.
///
/// # Errors
/// `Disabled` for a key that is switched off, about to be deleted, or without its imported material; `Unreachable` and
/// `Server` for states that pass; `Unusable` for one of another type; `BadAnswer` for another key's description.
pub(crate) fn read(arn: &str, key: &KeyMetadata) -> Result<Described, ProviderError> {
    let fail = |kind: ErrorKind, what: String| Err(ProviderError::new(kind, format!("AWS KMS: {arn} {what}")));
    if key.arn().is_some_and(|described| described != arn) {
        return fail(ErrorKind::BadAnswer, "was asked for, and another key was described; is this AWS KMS?".into());
    }
    match key.key_state() {
        Some(KeyState::Disabled) => {
            return fail(ErrorKind::Disabled, "is disabled; enable it: `aws kms enable-key`".into());
        }
        Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion) => {
            let when = key.deletion_date().and_then(time).map(|time| format!(" on {time}")).unwrap_or_default();
            let what = format!(
                "is going to be deleted{when}, and with it everything under it; call that off: `aws kms \
                 cancel-key-deletion`, then `aws kms enable-key`"
            );
            return fail(ErrorKind::Disabled, what);
        }
        Some(KeyState::PendingImport) => {
            let what = "has no material: it was not imported yet, was deleted, or has expired; import the same one";
            return fail(ErrorKind::Disabled, what.into());
        }
        Some(KeyState::Unavailable) => {
            let what = "is unavailable; connect its custom key store";
            return fail(ErrorKind::Unreachable, what.into());
        }
        Some(KeyState::Creating) => return fail(ErrorKind::Server, "is being made; it is asked again".into()),
        // Updating: a multi-Region key's primary is moving, and all of its copies can be used.
        _ => {}
    }
    let symmetric = key.key_spec().is_none_or(|spec| *spec == KeySpec::SymmetricDefault);
    let encrypts = key.key_usage().is_none_or(|usage| *usage == KeyUsageType::EncryptDecrypt);
    if !symmetric || !encrypts {
        let what =
            "is no symmetric encryption key; use one of the spec SYMMETRIC_DEFAULT and the usage ENCRYPT_DECRYPT";
        return fail(ErrorKind::Unusable, what.into());
    }
    let version = material::version(key.current_key_material_id())?;
    Ok(Described { version, ends: key.valid_to().and_then(time) })
}

fn time(time: &DateTime) -> Option<String> {
    time.fmt(DateTimeFormat::DateTime).ok()
}
