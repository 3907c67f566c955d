use super::{Algorithm, Bound, Clusters, EnvelopeError, Header, aad, cluster_hash};
use crate::version::KeyVersion;

fn header(version: KeyVersion) -> Header {
    Header { algorithm: Algorithm::KmsWithAad, provider: 2, version, cluster: cluster_hash("prod-eu-1") }
}

/// These bytes lie in etcd. They never change without a new format number.
#[test]
fn i12_format_1_has_these_bytes() {
    let numbered = header(KeyVersion::Number(3)).encode();
    assert_eq!(hex(&numbered), "fe5401010200000003c228ff7d");
    let named = header(KeyVersion::Name("k/9".into())).encode();
    assert_eq!(hex(&named), "fe5401010200000000c228ff7d036b2f39");
    let local = Header { algorithm: Algorithm::Local, provider: 1, version: 1.into(), cluster: cluster_hash("") };
    assert_eq!(hex(&local.encode()), "fe5401030100000001e3b0c442");
}

#[test]
fn i4_aad_is_header_and_cluster_and_nothing_else() {
    let bytes = header(KeyVersion::Number(3)).encode();
    assert_eq!(hex(&aad(&bytes, "prod-eu-1")), "fe5401010200000003c228ff7d70726f642d65752d31");
}

#[test]
fn what_is_encoded_parses_to_the_same() {
    for version in [KeyVersion::Number(1), KeyVersion::Number(u32::MAX), KeyVersion::Name("a".repeat(255))] {
        let header = header(version);
        let mut bytes = header.encode();
        let length = bytes.len();
        bytes.extend_from_slice(b"wrap");
        let (parsed, head, wrap) = Header::parse(&bytes).unwrap();
        assert_eq!((&parsed, head, wrap), (&header, &bytes[..length], &b"wrap"[..]));
    }
}

#[test]
fn unknown_values_are_refused() {
    let mut good = header(KeyVersion::Number(3)).encode();
    good.push(0);
    for (at, value) in [(2, 2), (3, 0), (3, 4), (4, 0)] {
        let mut bad = good.clone();
        bad[at] = value;
        assert_eq!(Header::parse(&bad).unwrap_err(), EnvelopeError::Unknown, "byte {at} = {value}");
    }
    assert_eq!(Header::parse(b"vault:v1:AAAA").unwrap_err(), EnvelopeError::Foreign);
    assert_eq!(Header::parse(b"").unwrap_err(), EnvelopeError::Foreign);
    for length in 2..good.len() {
        assert_eq!(Header::parse(&good[..length]).unwrap_err(), EnvelopeError::Short, "{length} bytes");
    }
}

#[test]
fn clusters_that_cannot_be_told_apart_are_refused() {
    assert!(Clusters::new(vec!["a".into(), "a".into()]).is_err());
    let clusters = Clusters::new(vec!["new".into(), "old".into()]).unwrap();
    assert_eq!(clusters.first().0, "new");
    assert_eq!(clusters.find(cluster_hash("old")), Some("old"));
    assert_eq!(clusters.find(cluster_hash("other")), None);
    assert_eq!(Clusters::new(vec![]).unwrap().first(), ("", [0xe3, 0xb0, 0xc4, 0x42]));
}

/// Fuzz target: no input panics, and what parses encodes to the bytes that it was parsed from.
#[test]
fn fuzz_parse() {
    bolero::check!().for_each(|input: &[u8]| {
        let mut ours = vec![0xFE, 0x54, 0x01];
        ours.extend_from_slice(input);
        for bytes in [input, &ours] {
            if let Ok((header, head, wrap)) = Header::parse(bytes) {
                assert_eq!(header.encode(), head);
                assert_eq!([head, wrap].concat(), bytes);
            }
        }
    });
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn what_a_wrap_is_bound_to_can_be_taken_apart_and_put_together() {
    let versions = [KeyVersion::Number(3), KeyVersion::Name("0b7f".into()), KeyVersion::Name("a".repeat(255))];
    for version in versions {
        for cluster in ["", "prod-eu-1", "Käse"] {
            let head = header(version.clone()).encode();
            let bytes = aad(&head, cluster);
            let bound = Bound::parse(&bytes).unwrap();
            let name = bound.version.map(|name| [&[name.len() as u8], name.as_bytes()].concat()).unwrap_or_default();
            assert_eq!([bound.fixed, &name, bound.cluster.as_bytes()].concat(), bytes);
            assert_eq!((bound.fixed.len(), bound.cluster), (13, cluster));
        }
    }
    let good = aad(&header(KeyVersion::Name("0b7f".into())).encode(), "c");
    for cut in 0..18 {
        assert_eq!(Bound::parse(&good[..cut]), None, "{cut} bytes");
    }
    assert_eq!(Bound::parse(b"header and cluster"), None);
    assert_eq!(
        Bound::parse(&aad(&header(1.into()).encode(), "").iter().copied().chain([0xFF]).collect::<Vec<_>>()),
        None
    );
}
