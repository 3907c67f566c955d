//! The encryption context: our additional data as pairs of texts that CloudTrail shows and policies can ask for.
//!
//! | pair | what it is |
//! |---|---|
//! | `trousseau:cluster` | the cluster's name; left out if it is empty |
//! | `trousseau:header` | the ciphertext's 13 fixed bytes, in hex |
//! | `trousseau:version` | the key material, where the header names it |
//! | `trousseau:aad` | all of it in hex, for additional data of another form |
//!
//! Injective: the first three, put together again, are the bytes that they were made of, and whatever can't be taken
//! apart has a pair of its own. These pairs are for ever: without them nothing can be decrypted.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use trousseau_core::envelope::Bound;

/// What all names of our own pairs begin with.
pub(crate) const PREFIX: &str = "trousseau:";

const CLUSTER: &str = "trousseau:cluster";
const HEADER: &str = "trousseau:header";
const VERSION: &str = "trousseau:version";
const OTHER: &str = "trousseau:aad";

/// The encryption context for these additional data and the configuration's own pairs; `None` for none at all.
pub(crate) fn context(own: &BTreeMap<String, String>, aad: Option<&[u8]>) -> Option<HashMap<String, String>> {
    let mut pairs: HashMap<_, _> = own.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let mut add = |name: &str, value: String| pairs.insert(name.to_owned(), value);
    match aad.map(|aad| (aad, Bound::parse(aad))) {
        Some((_, Some(bound))) => {
            add(HEADER, hex(bound.fixed));
            if let Some(version) = bound.version {
                add(VERSION, version.to_owned());
            }
            if !bound.cluster.is_empty() {
                add(CLUSTER, bound.cluster.to_owned());
            }
        }
        // A value of no bytes at all might be dropped on the way.
        Some((aad, None)) => drop(add(OTHER, format!("hex:{}", hex(aad)))),
        None => {}
    }
    (!pairs.is_empty()).then_some(pairs)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap, HashSet};

    use trousseau_core::KeyVersion;
    use trousseau_core::envelope::{Algorithm, Header, aad, cluster_hash};

    use super::context;

    fn bound(version: KeyVersion, cluster: &str) -> Vec<u8> {
        let header = Header { algorithm: Algorithm::KmsWithAad, provider: 3, version, cluster: cluster_hash(cluster) };
        aad(&header.encode(), cluster)
    }

    fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> HashMap<String, String> {
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    /// These pairs are needed to decrypt what lies in etcd. They never change.
    #[test]
    fn i4_i12_the_context_has_these_pairs() {
        let none = BTreeMap::new();
        let with = |aad: &[u8]| context(&none, Some(aad)).unwrap();
        assert_eq!(
            with(&bound(KeyVersion::Name("0b7fd7dd".into()), "prod-eu-1")),
            pairs([
                ("trousseau:cluster", "prod-eu-1"),
                ("trousseau:header", "fe5401010300000000c228ff7d"),
                ("trousseau:version", "0b7fd7dd"),
            ])
        );
        assert_eq!(with(&bound(1.into(), "")), pairs([("trousseau:header", "fe5401010300000001e3b0c442")]));
        assert_eq!(with(b"\x01\xFF"), pairs([("trousseau:aad", "hex:01ff")]));
        assert_eq!(with(b""), pairs([("trousseau:aad", "hex:")]));
        assert_eq!(context(&none, None), None);
        let own = BTreeMap::from([("team".to_owned(), "platform".to_owned())]);
        assert_eq!(context(&own, None), Some(pairs([("team", "platform")])));
        assert_eq!(context(&own, Some(&[1])), Some(pairs([("team", "platform"), ("trousseau:aad", "hex:01")])));
    }

    #[test]
    fn different_data_have_different_contexts() {
        let versions = [KeyVersion::Number(1), KeyVersion::Number(2), KeyVersion::Name("a".into())];
        let mut all: Vec<Vec<u8>> = vec![vec![], vec![0], b"hex:".to_vec(), b"prod-eu-1".to_vec()];
        for version in versions {
            for cluster in ["", "a", "aa", "prod-eu-1"] {
                let whole = bound(version.clone(), cluster);
                // Every cut and every byte more is other data.
                all.extend((0..whole.len()).map(|length| whole[..length].to_vec()));
                all.push([whole.as_slice(), &[0xFF]].concat());
                all.push([whole.as_slice(), b"x"].concat());
                all.push(whole);
            }
        }
        let data: HashSet<_> = all.into_iter().collect();
        let contexts: HashSet<Vec<(String, String)>> = data
            .iter()
            .map(|aad| {
                let mut pairs: Vec<_> = context(&BTreeMap::new(), Some(aad)).unwrap().into_iter().collect();
                pairs.sort();
                pairs
            })
            .collect();
        assert_eq!(contexts.len(), data.len());
    }
}
