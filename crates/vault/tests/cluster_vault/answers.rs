//! The texts by which a real Vault refuses, each with the kind that it is taken for. When a new Vault changes one, this
//! fails first.

use serde_json::json;
use trousseau_core::{ErrorKind, Provider, ProviderError};

use super::{AAD, Fixture, built, call, seed, unwrap, wrap};

fn is<T>(outcome: Result<T, ProviderError>, kind: ErrorKind, text: &str) {
    let error = outcome.err().unwrap();
    assert_eq!(error.kind(), kind, "{}", error.chain());
    assert!(error.chain().contains(text), "{}\n does not say\n{text}", error.chain());
}

#[tokio::test]
async fn texts_of_decrypt() {
    let fixture = Fixture::start();
    fixture.create("k");
    let key = fixture.provider("k");
    let first = wrap(&key, 1).await.unwrap().bytes;
    let authentic = "answered 400: cipher: message authentication failed;";

    is(unwrap(&key, 2, &first).await, ErrorKind::TooNew, "answered 400: invalid ciphertext: version is too new;");
    fixture.vault.rotate("transit", "k").unwrap();
    is(unwrap(&key, 2, &first).await, ErrorKind::Unauthentic, authentic);
    let mut tampered = first.clone();
    tampered[20] ^= 1;
    is(unwrap(&key, 1, &tampered).await, ErrorKind::Unauthentic, authentic);
    is(key.unwrap(&1.into(), &first, None, &call()).await, ErrorKind::Unauthentic, authentic);
    is(key.unwrap(&1.into(), &first, Some(b"other"), &call()).await, ErrorKind::Unauthentic, authentic);
    let short = "answered 400: invalid ciphertext length;";
    is(unwrap(&key, 1, &first[..5]).await, ErrorKind::Malformed, short);
    is(unwrap(&key, 1, b"").await, ErrorKind::Malformed, short);

    fixture.vault.configure_key("transit", "k", &json!({"min_decryption_version": 2})).unwrap();
    let old = "answered 400: ciphertext or signature version is disallowed by policy (too old);";
    is(unwrap(&key, 1, &first).await, ErrorKind::TooOld, old);

    fixture.vault.delete_key("transit", "k").unwrap();
    is(unwrap(&key, 2, &first).await, ErrorKind::Gone, "answered 400: encryption key not found;");
    is(key.presence(&call()).await, ErrorKind::Gone, "answered 400: encryption key not found;");
    is(key.observe(&call()).await, ErrorKind::Gone, "answered 404; there is no such key");
    fixture.create("k");
    is(unwrap(&key, 1, &first).await, ErrorKind::Unauthentic, authentic);

    fixture.vault.create_key("transit", "rsa", "rsa-2048").unwrap();
    let rsa = fixture.provider("rsa");
    let mut tampered = rsa.wrap(&1.into(), &seed(), None, &call()).await.unwrap().bytes;
    tampered[20] ^= 1;
    let text = "answered 500: 1 error occurred: * failed to RSA decrypt the ciphertext: crypto/rsa: decryption error;";
    is(rsa.unwrap(&1.into(), &tampered, None, &call()).await, ErrorKind::Unauthentic, text);
}

#[tokio::test]
async fn texts_of_encrypt() {
    let fixture = Fixture::start();
    fixture.create("k");
    let key = fixture.provider("k");
    let high = "answered 400: requested version for encryption is higher than the latest key version;";
    is(wrap(&key, 2).await, ErrorKind::VersionRefused, high);
    fixture.vault.rotate("transit", "k").unwrap();
    fixture.vault.configure_key("transit", "k", &json!({"min_encryption_version": 2})).unwrap();
    let low = "answered 400: requested version for encryption is less than the minimum encryption key version;";
    is(wrap(&key, 1).await, ErrorKind::VersionRefused, low);
    let settings = json!({"min_encryption_version": 0, "min_decryption_version": 2});
    fixture.vault.configure_key("transit", "k", &settings).unwrap();
    is(wrap(&key, 1).await, ErrorKind::VersionRefused, "answered 400: no such key version;");

    fixture.vault.create_key("transit", "rsa", "rsa-2048").unwrap();
    let rsa = fixture.provider("rsa");
    let text = "answered 400: '[0].associated_data' provided for non-AEAD cipher suite rsa-2048;";
    is(wrap(&rsa, 1).await, ErrorKind::AadUnsupported, text);
    let wrapped = rsa.wrap(&1.into(), &seed(), None, &call()).await.unwrap().bytes;
    is(rsa.unwrap(&1.into(), &wrapped, AAD, &call()).await, ErrorKind::AadUnsupported, text);

    fixture.vault.root("POST", "transit/keys/derived", &json!({"derived": true})).unwrap();
    let derived = fixture.provider("derived");
    let text = "answered 400: missing 'context' for key derivation; the key was created using a derived key,";
    is(wrap(&derived, 1).await, ErrorKind::Unusable, text);
    is(derived.presence(&call()).await, ErrorKind::Unusable, text);
    is(derived.observe(&call()).await, ErrorKind::Unusable, "wants a context with every call");

    fixture.vault.create_key("transit", "signs", "ed25519").unwrap();
    let signs = fixture.provider("signs");
    let text = "answered 400: message encryption not supported for key type ed25519;";
    is(signs.wrap(&1.into(), &seed(), None, &call()).await, ErrorKind::Unusable, text);
    let text = "answered 400: message decryption not supported for key type ed25519;";
    is(signs.presence(&call()).await, ErrorKind::Unusable, text);
    is(signs.observe(&call()).await, ErrorKind::Unusable, "a key of type ed25519 can't encrypt");

    // A token that may create makes a missing key, even by a call that is refused.
    let missing = fixture.provider("missing");
    is(missing.presence(&call()).await, ErrorKind::Gone, "encryption key not found");
    is(wrap(&missing, 2).await, ErrorKind::VersionRefused, high);
    missing.presence(&call()).await.unwrap();
}

#[tokio::test]
async fn texts_about_mounts_tokens_and_seals() {
    let fixture = Fixture::start();
    fixture.create("k");
    let mut config = fixture.config("k", fixture.vault.root_token());
    config.transit.mount = "nomount".into();
    let text =
        "answered 404: no handler for route \"nomount/decrypt/k\". route entry not found.; correct transit.mount";
    is(built(&config).presence(&call()).await, ErrorKind::Unusable, text);
    let text = "no handler for route \"nomount/keys/k\". route entry not found.";
    is(built(&config).observe(&call()).await, ErrorKind::Unusable, text);
    config.transit.mount = "sys".into();
    let text = "answered 404: 1 error occurred: * unsupported path; correct transit.mount";
    is(built(&config).presence(&call()).await, ErrorKind::Unusable, text);

    let bad = built(&fixture.config("k", "hvs.no-such-token"));
    let text =
        "answered 403: 2 errors occurred: * permission denied * invalid token; the token from the configuration is";
    is(wrap(&bad, 1).await, ErrorKind::Denied, text);
    is(bad.presence(&call()).await, ErrorKind::Denied, text);
    is(bad.observe(&call()).await, ErrorKind::Denied, text);

    fixture.vault.seal().unwrap();
    let key = fixture.provider("k");
    let text = "answered 503: Vault is sealed; unseal it";
    is(wrap(&key, 1).await, ErrorKind::Sealed, text);
    is(unwrap(&key, 1, b"x").await, ErrorKind::Sealed, text);
    is(key.presence(&call()).await, ErrorKind::Sealed, text);
    is(key.observe(&call()).await, ErrorKind::Sealed, text);
    fixture.vault.unseal().unwrap();
    wrap(&key, 1).await.unwrap();
    assert!(key.observe(&call()).await.unwrap().active_node);
}

/// Why an active node is asked for with a header and, if need be, without.
#[tokio::test]
async fn the_community_edition_refuses_the_header_for_the_active_node() {
    let fixture = Fixture::start();
    fixture.create("k");
    let key = fixture.provider("k");
    let call = call().on_active_node();
    key.presence(&call).await.unwrap();
    assert_eq!(key.observe(&call).await.unwrap().versions.len(), 1);
    let wrapped = key.wrap(&1.into(), &seed(), AAD, &call).await.unwrap();
    key.unwrap(&1.into(), &wrapped.bytes, AAD, &call).await.unwrap();
}
