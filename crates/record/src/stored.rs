//! The outer layers: prefix, provider name, protobuf.

use std::collections::BTreeMap;

use prost::Message as _;

const V2: &[u8] = b"k8s:enc:kms:v2:";
const V1: &[u8] = b"k8s:enc:kms:v1:";
const ENCRYPTED: &[u8] = b"k8s:enc:";

/// What a KMS v2 provider stores (kmsv2/v2/api.proto; the field numbers are the same since v2alpha1).
#[derive(Clone, PartialEq, prost::Message)]
pub struct EncryptedObject {
    /// The object, encrypted under the DEK source.
    #[prost(bytes = "vec", tag = "1")]
    pub encrypted_data: Vec<u8>,
    /// The plugin's key_id.
    #[prost(string, tag = "2")]
    pub key_id: String,
    /// The seed (or key), encrypted by the plugin.
    #[prost(bytes = "vec", tag = "3")]
    pub encrypted_dek_source: Vec<u8>,
    /// What the plugin wants to see again at Decrypt.
    #[prost(btree_map = "string, bytes", tag = "4")]
    pub annotations: BTreeMap<String, Vec<u8>>,
    /// What the DEK source is.
    #[prost(enumeration = "SourceType", tag = "5")]
    pub encrypted_dek_source_type: i32,
}

/// What was encrypted by the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum SourceType {
    /// An AES-GCM key that encrypts directly (Kubernetes before 1.29).
    AesGcmKey = 0,
    /// A seed from which HKDF-SHA256 makes a key for each write.
    HkdfSha256XnonceAesGcmSeed = 1,
}

/// A value as it lies in etcd.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// By a KMS v2 provider.
    KmsV2 {
        /// The provider's name in the EncryptionConfiguration.
        provider: String,
        /// The rest.
        object: EncryptedObject,
    },
    /// By a KMS v1 provider. Its name may contain colons, so it can't be told from the rest without knowing it.
    KmsV1(Vec<u8>),
    /// By aescbc, aesgcm or secretbox; the text up to the key's name.
    OtherCipher(String),
    /// Not encrypted.
    Plain,
    /// Begins as a KMS v2 value and isn't one.
    Damaged,
}

impl Stored {
    /// Reads a value. Never fails: what can't be read is [`Damaged`](Self::Damaged).
    pub fn parse(value: &[u8]) -> Self {
        if let Some(rest) = value.strip_prefix(V2) {
            return parse_v2(rest).unwrap_or(Self::Damaged);
        }
        if let Some(rest) = value.strip_prefix(V1) {
            return Self::KmsV1(rest.to_vec());
        }
        if value.starts_with(ENCRYPTED) {
            let parts: Vec<&[u8]> = value.splitn(6, |byte| *byte == b':').take(5).collect();
            return Self::OtherCipher(String::from_utf8_lossy(&parts.join(&b':')).into_owned());
        }
        Self::Plain
    }

    /// The KMS v1 parts of a value written by the provider with this name: the encrypted DEK and the payload.
    pub fn kms_v1<'a>(&'a self, provider: &str) -> Option<(&'a [u8], &'a [u8])> {
        let Self::KmsV1(rest) = self else {
            return None;
        };
        let rest = rest.strip_prefix(provider.as_bytes())?.strip_prefix(b":")?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
    }
}

impl EncryptedObject {
    /// The value that etcd holds for this object and this provider name.
    pub fn to_value(&self, provider: &str) -> Vec<u8> {
        [V2, provider.as_bytes(), b":", &self.encode_to_vec()].concat()
    }
}

fn parse_v2(rest: &[u8]) -> Option<Stored> {
    let colon = rest.iter().position(|byte| *byte == b':')?;
    let provider = std::str::from_utf8(&rest[..colon]).ok()?.to_owned();
    let object = EncryptedObject::decode(&rest[colon + 1..]).ok()?;
    Some(Stored::KmsV2 { provider, object })
}

#[cfg(test)]
mod tests {
    use super::{EncryptedObject, SourceType, Stored};

    #[test]
    fn what_is_made_is_read() {
        let object = EncryptedObject {
            encrypted_data: vec![1],
            key_id: "t1.x".into(),
            encrypted_dek_source: vec![2],
            annotations: [("a.b".to_owned(), vec![3])].into(),
            encrypted_dek_source_type: SourceType::HkdfSha256XnonceAesGcmSeed as i32,
        };
        let value = object.to_value("trousseau");
        assert!(value.starts_with(b"k8s:enc:kms:v2:trousseau:"));
        assert_eq!(Stored::parse(&value), Stored::KmsV2 { provider: "trousseau".into(), object });
    }

    #[test]
    fn other_values_are_told_apart() {
        assert_eq!(Stored::parse(b"k8s\0{}"), Stored::Plain);
        assert_eq!(
            Stored::parse(b"k8s:enc:aescbc:v1:key1:\x01\x02:3"),
            Stored::OtherCipher("k8s:enc:aescbc:v1:key1".into())
        );
        assert_eq!(Stored::parse(b"k8s:enc:kms:v2:name"), Stored::Damaged);
        let v1 = Stored::parse(b"k8s:enc:kms:v1:a:b:\x00\x02XYpayload");
        assert_eq!(v1.kms_v1("a:b"), Some((&b"XY"[..], &b"payload"[..])));
        assert_eq!(v1.kms_v1("a"), None, "a name with a colon is not cut at it");
    }

    #[test]
    fn fuzz_parse() {
        bolero::check!().for_each(|input: &[u8]| {
            let value = [b"k8s:enc:kms:v2:", input].concat();
            let _ = Stored::parse(input).kms_v1("x");
            let _ = Stored::parse(&value);
        });
    }
}
