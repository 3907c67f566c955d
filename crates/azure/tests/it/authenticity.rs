//! Who has the public key of an RSA key can make its ciphertexts. None of that is opened.

use trousseau_azure::Environment;
use trousseau_core::{ErrorKind, Provider, Wrapped};
use trousseau_testkit::azure::KeyKind;

use super::{AAD, Fixture, call, config, newest, opens, refused, seed, unwrap, wrap};

/// Where the ciphertext begins: scheme, version of the signing key, signature.
const CIPHERTEXT: usize = 1 + 16 + 64;

/// Everything that an attacker has who reads and writes etcd and reads public keys: other records, and the means to
/// encrypt a seed of his own. The signature is over the ciphertext, so the seed can't be put in.
#[tokio::test]
async fn a_forged_seed_under_a_signature_from_elsewhere_is_refused() {
    let fixture = Fixture::vault();
    let provider = fixture.provider();
    let ours = wrap(&provider).await.unwrap();
    // Made by a double of the same key, whose signing key is the attacker's own: the RSA ciphertext is a good one.
    fixture.azure.create("attackers", KeyKind::P256);
    let forger = fixture.with(|section| section["signingKey"]["name"] = "attackers".into());
    let forged = forger.wrap(&ours.version, &seed(), AAD, &call()).await.unwrap();
    opens(&forger, &forged).await;
    let before = fixture.count("/decrypt");
    let spliced = [&ours.bytes[..CIPHERTEXT], &forged.bytes[CIPHERTEXT..]].concat();
    for bytes in [forged.bytes, spliced] {
        let wrapped = Wrapped { bytes, version: ours.version.clone() };
        assert_eq!(refused(&provider, &wrapped).await, ErrorKind::Unauthentic);
    }
    assert_eq!(fixture.count("/decrypt"), before, "nothing forged reaches the RSA key");
}

/// A record can't be moved to another key that has the same signing key.
#[tokio::test]
async fn a_signature_is_for_one_key_only() {
    let fixture = Fixture::vault();
    fixture.azure.create("other", KeyKind::Rsa);
    let other = fixture.with(|section| section["key"] = "other".into());
    let wrapped = wrap(&fixture.provider()).await.unwrap();
    assert_eq!(refused(&other, &wrapped).await, ErrorKind::Unauthentic);
}

#[tokio::test]
async fn an_encrypt_asks_for_one_signature_and_a_decrypt_for_nothing_but_itself() {
    let fixture = Fixture::vault();
    let provider = fixture.provider();
    let version = newest(&provider).await;
    let wrapped = provider.wrap(&version, &seed(), AAD, &call()).await.unwrap();
    opens(&provider, &wrapped).await;
    let before = fixture.server.requests().len();
    let wrapped = provider.wrap(&version, &seed(), AAD, &call()).await.unwrap();
    let asked: Vec<_> = fixture.server.requests()[before..].iter().map(|request| request.path.clone()).collect();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].contains("/keys/s/") && asked[0].contains("/sign?"), "{asked:?}");
    opens(&provider, &wrapped).await;
    assert_eq!(fixture.server.requests().len(), before + 2, "decrypt, once");
}

#[tokio::test]
async fn a_new_node_reads_each_public_key_once() {
    let fixture = Fixture::vault();
    let wrapped = wrap(&fixture.provider()).await.unwrap();
    let node = fixture.provider();
    let before = fixture.server.requests().len();
    for _ in 0..3 {
        opens(&node, &wrapped).await;
    }
    assert_eq!(fixture.server.requests().len(), before + 1 + 1 + 3, "login, public key, three decrypts");
}

#[tokio::test]
async fn the_signing_key_rotates_by_itself_and_what_it_signed_stays_readable() {
    for kind in [KeyKind::P256, KeyKind::P384] {
        let fixture = Fixture::vault();
        fixture.azure.create("s2", kind);
        let provider = fixture.with(|section| section["signingKey"]["name"] = "s2".into());
        let before = wrap(&provider).await.unwrap();
        fixture.azure.rotate("s2");
        let young = wrap(&provider).await.unwrap();
        assert_eq!(young.bytes[1..17], before.bytes[1..17], "a replica that lags may not know it yet");
        fixture.azure.advance(120);
        let after = wrap(&provider).await.unwrap();
        assert_ne!(after.bytes[1..17], before.bytes[1..17]);
        for reader in [&provider, &fixture.with(|section| section["signingKey"]["name"] = "s2".into())] {
            opens(reader, &before).await;
            opens(reader, &after).await;
        }
    }
}

#[tokio::test]
async fn a_disabled_version_of_the_signing_key_verifies_no_more_until_it_is_enabled() {
    let fixture = Fixture::vault();
    let provider = fixture.provider();
    let old = wrap(&provider).await.unwrap();
    let first = hex(&old.bytes[1..17]);
    fixture.azure.rotate("s");
    fixture.azure.set("s", Some(&first), |state| state.enabled = false);
    let new = wrap(&provider).await.unwrap();
    assert_ne!(new.bytes[1..17], old.bytes[1..17]);
    opens(&provider, &new).await;
    for node in [&provider, &fixture.provider()] {
        let error = unwrap(node, &old).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Disabled);
        let text = error.chain();
        assert!(
            text.contains(&format!("signing key `s`: version {first}")) && text.contains("enable it again"),
            "{text}"
        );
    }
    fixture.azure.set("s", Some(&first), |state| state.enabled = true);
    opens(&provider, &old).await;
}

#[tokio::test]
async fn a_signing_key_that_is_disabled_altogether_is_named_with_the_version_to_enable() {
    let fixture = Fixture::vault();
    let first = wrap(&fixture.provider()).await.unwrap().bytes;
    let second = fixture.azure.rotate("s");
    for version in [&hex(&first[1..17]), &second] {
        fixture.azure.set("s", Some(version), |state| state.enabled = false);
    }
    for pin in [false, true] {
        let provider = fixture.with(|section| {
            if pin {
                section["signingKey"]["version"] = second.clone().into();
            }
        });
        let error = provider.observe(&call()).await.unwrap_err();
        let text = error.chain();
        assert_eq!(error.kind(), ErrorKind::Disabled, "{text}");
        assert!(text.contains(&format!("signing key `s`: version {second} is disabled")), "{text}");
        assert!(text.contains("enable it again"), "{text}");
    }
}

/// Disabled between two probes: the call itself finds the next version.
#[tokio::test]
async fn a_signing_version_that_was_disabled_just_now_costs_no_encrypt() {
    let fixture = Fixture::vault();
    let provider = fixture.provider();
    let version = newest(&provider).await;
    let first = provider.wrap(&version, &seed(), AAD, &call()).await.unwrap();
    fixture.azure.rotate("s");
    fixture.azure.set("s", Some(&hex(&first.bytes[1..17])), |state| state.enabled = false);
    let second = provider.wrap(&version, &seed(), AAD, &call()).await.unwrap();
    assert_ne!(second.bytes[1..17], first.bytes[1..17]);
}

#[tokio::test]
async fn a_pinned_version_signs_and_all_verify() {
    let fixture = Fixture::vault();
    let pinned = fixture.azure.rotate("s");
    fixture.azure.rotate("s");
    let free = wrap(&fixture.provider()).await.unwrap();
    let provider = fixture.with(|section| section["signingKey"]["version"] = pinned.clone().into());
    let wrapped = wrap(&provider).await.unwrap();
    assert_eq!(hex(&wrapped.bytes[1..17]), pinned);
    opens(&provider, &free).await;
}

/// For the emergency in which the signing key is lost for good: what it signed can be opened, if somebody says so.
#[tokio::test]
async fn a_lost_signing_key_can_be_survived_on_purpose() {
    let fixture = Fixture::vault();
    let wrapped = wrap(&fixture.provider()).await.unwrap();
    fixture.azure.delete("s");
    assert_eq!(refused(&fixture.provider(), &wrapped).await, ErrorKind::Gone);
    let rescue = fixture.with(|section| section["signingKey"]["acceptUnverified"] = true.into());
    opens(&rescue, &wrapped).await;
    fixture.azure.recover("s");
    let mut bad = wrapped.clone();
    bad.bytes[20] ^= 1;
    assert_eq!(refused(&rescue, &bad).await, ErrorKind::Unauthentic, "a key that is there is asked");
    fixture.azure.replace("s");
    let fresh = fixture.provider();
    assert_eq!(refused(&fresh, &wrapped).await, ErrorKind::Unauthentic, "the new key never signed that");
}

#[tokio::test]
async fn a_key_of_the_wrong_type_signs_nothing() {
    let fixture = Fixture::vault();
    fixture.azure.create("rsa", KeyKind::Rsa);
    let provider = fixture.with(|section| section["signingKey"]["name"] = "rsa".into());
    let error = wrap(&provider).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unusable);
    assert!(error.chain().contains("`rsa` is no EC key"), "{}", error.chain());
}

/// Without a key that signs, RSA is refused before anything starts.
#[test]
fn rsa_without_a_signing_key_is_no_configuration() {
    let fixture = Fixture::vault();
    let mut section = fixture.section();
    section.as_object_mut().unwrap().remove("signingKey");
    let error = config(section).build(&Environment::default()).unwrap_err();
    assert!(error.to_string().contains("signingKey is missing"), "{error}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
