//! What Key Vault says of a key's versions, as the versions that the core chooses from.

use trousseau_core::{ErrorKind, KeyVersion, ProviderError, VersionInfo};

use crate::identifier::Version;
use crate::wire::Attributes;

/// One version of a key, as Key Vault lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) version: Version,
    /// Unix seconds, by the vault.
    pub(crate) created: u64,
    /// Whether it does anything at all.
    pub(crate) enabled: bool,
    /// Whether it may encrypt or sign now; an expired one, and one that isn't valid yet, still decrypts and verifies.
    pub(crate) valid: bool,
}

impl Listed {
    /// `now` is the vault's clock in Unix seconds; `None` for a version that doesn't say when it was made.
    pub(crate) fn new(version: Version, attributes: &Attributes, now: u64) -> Option<Self> {
        let Attributes { enabled, nbf, exp, created } = *attributes;
        let valid = nbf.is_none_or(|from| from <= now) && exp.is_none_or(|end| now < end);
        Some(Self { version, created: created?, enabled: enabled.unwrap_or(true), valid })
    }
}

/// Oldest first; those of one second by their names, so that all nodes have one order.
pub(crate) fn sort(versions: &mut [Listed]) {
    versions.sort_unstable_by_key(|listed| (listed.created, listed.version));
}

/// The versions that decrypt, oldest first.
///
/// # Errors
/// `Disabled` where none does.
pub(crate) fn readable(mut versions: Vec<Listed>, key: &str) -> Result<Vec<VersionInfo>, ProviderError> {
    versions.retain(|listed| listed.enabled);
    sort(&mut versions);
    if versions.is_empty() {
        let text = format!("{key}: all of its versions are disabled; enable the one that was in use");
        return Err(ProviderError::new(ErrorKind::Disabled, text));
    }
    let info = |listed: &Listed| VersionInfo {
        version: KeyVersion::Name(listed.version.to_string()),
        created: Some(listed.created),
        active_from: (!listed.valid).then_some(VersionInfo::NEVER),
        material: None,
    };
    Ok(versions.iter().map(info).collect())
}

/// How long a version of the signing key must have been there before it signs, in seconds: a replica of the vault that
/// lags couldn't tell its public half.
const SETTLED: u64 = 60;

/// The version that signs: the newest that may and has been there for a while, else the oldest that may.
pub(crate) fn signing(mut versions: Vec<Listed>, now: u64) -> Option<Version> {
    versions.retain(|listed| listed.enabled && listed.valid);
    sort(&mut versions);
    let settled = versions.iter().rfind(|listed| listed.created.saturating_add(SETTLED) <= now);
    settled.or_else(|| versions.first()).map(|listed| listed.version)
}

#[cfg(test)]
mod tests {
    use super::{Listed, readable, signing};
    use crate::identifier::Version;
    use crate::wire::Attributes;
    use trousseau_core::{ErrorKind, VersionInfo};

    fn v(byte: u8) -> Version {
        Version::from_bytes([byte; 16])
    }

    fn at(byte: u8, created: u64, enabled: bool, valid: bool) -> Listed {
        Listed { version: v(byte), created, enabled, valid }
    }

    #[test]
    fn attributes_say_when_a_version_may_be_used() {
        let listed = |enabled, nbf, exp| {
            let attributes = Attributes { enabled, nbf, exp, created: Some(5) };
            Listed::new(v(1), &attributes, 100).map(|listed| (listed.enabled, listed.valid))
        };
        assert_eq!(listed(None, None, None), Some((true, true)));
        assert_eq!(listed(Some(false), None, None), Some((false, true)));
        assert_eq!(listed(None, Some(100), Some(101)), Some((true, true)));
        assert_eq!(listed(None, Some(101), None), Some((true, false)));
        assert_eq!(listed(None, None, Some(100)), Some((true, false)));
        assert!(Listed::new(v(1), &Attributes::default(), 100).is_none(), "no time, no order");
    }

    #[test]
    fn versions_are_ordered_by_age_then_by_name() {
        let all = vec![at(9, 30, true, true), at(7, 10, true, false), at(8, 20, false, true), at(5, 30, true, true)];
        let infos = readable(all, "key").unwrap();
        let names: Vec<_> = infos.iter().map(|info| info.version.to_string()[..2].to_owned()).collect();
        assert_eq!(names, ["07", "05", "09"]);
        assert_eq!(infos[0].active_from, Some(VersionInfo::NEVER));
        assert_eq!((infos[1].active_from, infos[1].created), (None, Some(30)));
        assert_eq!(readable(vec![at(1, 1, false, true)], "key").unwrap_err().kind(), ErrorKind::Disabled);
    }

    #[test]
    fn the_newest_settled_version_signs() {
        let all = vec![at(3, 300, true, true), at(1, 100, true, true), at(2, 200, true, true)];
        assert_eq!(signing(all.clone(), 360), Some(v(3)));
        assert_eq!(signing(all.clone(), 359), Some(v(2)));
        assert_eq!(signing(all, 0), Some(v(1)), "none is settled: the one that most nodes know");
        assert_eq!(signing(vec![at(1, 1, true, false), at(2, 2, false, true)], 100), None);
    }
}
