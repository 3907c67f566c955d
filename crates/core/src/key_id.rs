//! key_id: a pure function of the configuration and of the KMS's own metadata (I3).

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::provider::{Description, VersionInfo};

/// The identity of a key version: what Status and Encrypt announce and what Kubernetes stores beside each object.
/// `t1.` and 22 characters of base64url; public, by design.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyId(String);

/// How the ciphertext is laid out. Changing it changes key_id; a new format number alone doesn't.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Our header, then the wrap.
    Native,
    /// The bare string of Vault's transit engine.
    Transit,
}

impl KeyId {
    /// What every key_id of ours begins with.
    pub const PREFIX: &str = "t1.";

    /// Derives the key_id of one version of a key: SHA-256 over the fields below, each behind its length as u32
    /// big-endian, cut to 16 bytes.
    pub fn derive(layout: Layout, cluster: &str, key: &Description, version: &VersionInfo) -> Self {
        let layout = match layout {
            Layout::Native => "native",
            Layout::Transit => "transit",
        };
        let number = version.version.to_string();
        let created = version.created.map(|seconds| seconds.to_string()).unwrap_or_default();
        let epoch = key.epoch.map(|epoch| epoch.to_string()).unwrap_or_default();
        let fields = ["trousseau/key_id/t1", layout, cluster, key.kind.name]
            .into_iter()
            .chain(key.identity.iter().map(String::as_str))
            .chain(version.material.as_deref())
            .chain([number.as_str(), created.as_str(), epoch.as_str()]);
        let mut input = Vec::with_capacity(160);
        for field in fields {
            // A configured name longer than 4 GiB can't be had: the cast loses nothing.
            input.extend_from_slice(&(field.len() as u32).to_be_bytes());
            input.extend_from_slice(field.as_bytes());
        }
        let hash = digest(&SHA256, &input);
        Self(format!("{}{}", Self::PREFIX, URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16])))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `sha256:` and the hex SHA-256 of the text: the form that kube-apiserver prints in its own metrics
    /// (k8s.io/apiserver, pkg/storage/value/encrypt/envelope/metrics/metrics.go).
    pub fn kubernetes_hash(&self) -> String {
        kubernetes_hash(&self.0)
    }
}

/// The same of any key_id, also of one that another plugin made.
pub(crate) fn kubernetes_hash(key_id: &str) -> String {
    use std::fmt::Write as _;
    digest(&SHA256, key_id.as_bytes()).as_ref().iter().fold(String::from("sha256:"), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyId, Layout};
    use crate::provider::{Description, ProviderKind, VersionInfo};
    use crate::version::KeyVersion;

    fn key(epoch: Option<u32>) -> Description {
        let identity = ["", "transit", "kubernetes"].map(String::from).to_vec();
        Description { kind: ProviderKind::VAULT, identity, epoch }
    }

    fn version(number: u32, created: Option<u64>) -> VersionInfo {
        VersionInfo { version: KeyVersion::Number(number), created, active_from: None, material: None }
    }

    #[test]
    fn i3_key_id_is_the_golden_one() {
        let id = KeyId::derive(Layout::Native, "prod-eu-1", &key(None), &version(3, Some(1_795_421_867)));
        assert_eq!(id.as_str(), "t1.ouPOUiGN6HwVgmELB8jP2Q");
    }

    #[test]
    fn i3_every_field_changes_key_id() {
        let base = KeyId::derive(Layout::Native, "c", &key(None), &version(3, Some(1)));
        let others = [
            KeyId::derive(Layout::Transit, "c", &key(None), &version(3, Some(1))),
            KeyId::derive(Layout::Native, "d", &key(None), &version(3, Some(1))),
            KeyId::derive(Layout::Native, "c", &key(Some(1)), &version(3, Some(1))),
            KeyId::derive(Layout::Native, "c", &key(None), &version(4, Some(1))),
            KeyId::derive(Layout::Native, "c", &key(None), &version(3, Some(2))),
            KeyId::derive(Layout::Native, "c", &key(None), &version(3, None)),
        ];
        for other in others {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn hash_is_printed_as_kubernetes_does() {
        let id = KeyId("1".into());
        assert_eq!(id.kubernetes_hash(), "sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b");
    }
}
