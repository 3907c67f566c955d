//! What Vault says of a key, as the versions that the core chooses from.

use std::time::UNIX_EPOCH;

use trousseau_core::{ErrorKind, ProviderError, VersionInfo};

use crate::wire::{Created, KeyInfo};

/// How many versions are listed where Vault tells only the newest.
const COUNTED: u32 = 100;

/// The versions that Vault lists, oldest first, and the lowest one that may encrypt.
///
/// A pin leaves out the versions above it and forbids those below it to encrypt; they still decrypt, and a peer's
/// key_id of a version above is merely one that isn't listed.
///
/// # Errors
/// `Unusable` for a key that can't do what is asked of it, or a pin that can't be had; `Disabled` for one that is soft
/// deleted; `BadAnswer` for a list that can't be read.
pub(super) fn versions(
    info: KeyInfo,
    pinned: Option<u32>,
    url: &str,
) -> Result<(Vec<VersionInfo>, Option<u32>), ProviderError> {
    let fail = |kind: ErrorKind, what: &str| Err(ProviderError::new(kind, format!("{url}: {what}")));
    if let Some((kind, what)) = unfit(&info) {
        return fail(kind, &what);
    }
    let Some(keys) = info.keys else {
        let kind = named(&info.kind);
        let what = format!("Vault lists no versions of a key of type {kind}; set `identity: version`");
        return fail(ErrorKind::Unusable, &what);
    };
    let mut versions = Vec::with_capacity(keys.len());
    for (number, created) in keys {
        let Some(created) = created.unix().filter(|_| number > 0) else {
            return fail(ErrorKind::BadAnswer, "a version has no number or no creation time; is this address Vault's?");
        };
        versions.push(VersionInfo {
            version: number.into(),
            created: Some(created),
            active_from: None,
            material: None,
        });
    }
    let min = info.min_encryption_version;
    let Some(pinned) = pinned else {
        return Ok((versions, (min > 0).then_some(min)));
    };
    let newest = versions.last().and_then(|info| info.version.number()).unwrap_or(0);
    if pinned < min || !versions.iter().any(|info| info.version == pinned.into()) {
        let what = format!(
            "transit.version pins version {pinned}, but {newest} is the newest and min_encryption_version is {min}; pin \
             one between, or none"
        );
        return fail(ErrorKind::Unusable, &what);
    }
    versions.retain(|info| info.version <= pinned.into());
    Ok((versions, Some(pinned)))
}

/// The versions up to `newest`, the last hundred of them, where nothing is known of them but their numbers. Whether
/// the older ones still decrypt shows when they are asked to. All are listed because the promotion rule takes the only
/// version of a list at once, and a version without a creation time has to be seen several times first.
pub(super) fn counted(newest: u32) -> Vec<VersionInfo> {
    let info = |number: u32| VersionInfo { version: number.into(), created: None, active_from: None, material: None };
    (newest.saturating_sub(COUNTED - 1).max(1)..=newest).map(info).collect()
}

/// Why a key can't be used, and what to use instead.
fn unfit(info: &KeyInfo) -> Option<(ErrorKind, String)> {
    let kind = named(&info.kind);
    if info.soft_deleted {
        return Some((ErrorKind::Disabled, "the key is soft deleted; restore it in OpenBao".to_owned()));
    }
    let what = if info.supports_encryption == Some(false) {
        format!("a key of type {kind} can't encrypt")
    } else if info.derived {
        "the key is derived (or convergent) and wants a context with every call".to_owned()
    } else if kind.ends_with("-cbc") {
        format!("a key of type {kind} does not notice tampering")
    } else {
        return None;
    };
    Some((ErrorKind::Unusable, format!("{what}; use one of type aes256-gcm96 without derivation")))
}

/// A type as an error text may repeat it. What is written like no type's name may be anything, a secret too.
fn named(kind: &str) -> &str {
    let usual = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    if kind.len() <= 20 && kind.bytes().all(usual) { kind } else { "(unknown)" }
}

impl Created {
    /// In whole Unix seconds.
    fn unix(&self) -> Option<u64> {
        match self {
            Self::Unix(seconds) => Some(*seconds),
            Self::Asymmetric { creation_time } => rfc3339(creation_time),
        }
    }
}

/// A time as Go writes it: in the server's own zone, with a fraction. humantime reads UTC only.
fn rfc3339(text: &str) -> Option<u64> {
    if let Some(utc) = text.strip_suffix('Z') {
        return utc_seconds(utc);
    }
    let (local, zone) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let offset = hours.parse::<u64>().ok()? * 3600 + minutes.parse::<u64>().ok()? * 60;
    match zone.get(..1)? {
        "+" => utc_seconds(local)?.checked_sub(offset),
        "-" => utc_seconds(local)?.checked_add(offset),
        _ => None,
    }
}

fn utc_seconds(text: &str) -> Option<u64> {
    let time = humantime::parse_rfc3339(&format!("{text}Z")).ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

#[cfg(test)]
mod tests {
    use super::{counted, rfc3339};

    #[test]
    fn times_are_read_in_every_zone_to_the_whole_second() {
        assert_eq!(rfc3339("2026-11-23T11:57:47Z"), Some(1_795_435_067));
        assert_eq!(rfc3339("2026-11-23T11:57:47.999999999Z"), Some(1_795_435_067));
        assert_eq!(rfc3339("2026-11-23T13:57:47.123+02:00"), Some(1_795_435_067));
        assert_eq!(rfc3339("2026-11-23T06:27:47.1-05:30"), Some(1_795_435_067));
        for text in
            ["", "Z", "yesterday", "0001-01-01T00:00:00Z", "2026-11-23T11:57:47", "2026-11-23T11:57:47+2:00", "é+02:00"]
        {
            assert_eq!(rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn a_lie_about_the_newest_version_costs_no_memory() {
        let numbers = |newest| counted(newest).iter().filter_map(|info| info.version.number()).collect::<Vec<_>>();
        assert_eq!(numbers(3), [1, 2, 3]);
        assert_eq!(numbers(101), (2..=101).collect::<Vec<_>>());
        assert_eq!(numbers(u32::MAX).len(), 100);
    }
}
