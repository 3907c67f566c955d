//! What goes out: paths, headers and bodies, looked at from the other side.

use serde_json::{Value, json};
use trousseau_core::{ErrorKind, KeyVersion, Provider};
use trousseau_testkit::https::Reply;
use trousseau_vault::Environment;

use super::{DECRYPT, ENCRYPT, Fake, HEALTH, SEED, TOKEN, call, good, refusal, seed, unwrap, wrap};

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::prelude::BASE64_STANDARD.encode(bytes)
}

#[tokio::test]
async fn encrypt_and_decrypt_name_version_and_additional_data() {
    let fake = Fake::start(good);
    let provider = fake.provider();
    assert_eq!(wrap(&provider).await.unwrap(), b"wrap");
    assert_eq!(unwrap(&provider).await.unwrap().expose(), b"seed");
    let requests = fake.server.requests();
    let bodies: Vec<Value> = requests.iter().map(trousseau_testkit::https::Request::json).collect();
    assert_eq!(
        bodies,
        [
            json!({"plaintext": base64(SEED), "associated_data": base64(b"aad"), "key_version": 1}),
            json!({"ciphertext": format!("vault:v1:{}", base64(b"wrap")), "associated_data": base64(b"aad")}),
        ]
    );
    for request in &requests {
        assert_eq!(request.method, "POST");
        assert_eq!(request.header("X-Vault-Token"), Some(TOKEN));
        assert_eq!(request.header("X-Vault-Request"), Some("true"));
        assert_eq!(request.header("X-Vault-Namespace"), None);
        assert_eq!(request.header("X-Vault-Forward"), None);
    }
    assert_eq!(fake.server.connections(), 1, "the connection is kept alive");
}

#[tokio::test]
async fn namespace_and_token_go_with_every_call_but_health() {
    let fake = Fake::start(good);
    let mut config = fake.config();
    config.namespace = "/team/a/".into();
    let provider = config.build(&Environment::default()).unwrap();
    provider.presence(&call()).await.unwrap();
    provider.observe(&call()).await.unwrap();
    for request in fake.server.requests() {
        let expected = (request.path != HEALTH).then_some(("team/a", TOKEN));
        let found = request.header("X-Vault-Namespace").zip(request.header("X-Vault-Token"));
        assert_eq!(found, expected, "{request:?}");
    }
    assert_eq!(provider.describe().identity, ["team/a", "transit", "k"]);
}

#[tokio::test]
async fn paths_are_percent_encoded_and_lie_under_the_addresss_own() {
    let fake = Fake::start(|_| refusal(400, "encryption key not found"));
    let mut config = fake.config();
    config.address.push_str("/gate/");
    config.transit.mount = "/team a/100%?#/transit/".into();
    config.transit.key = "clé".into();
    let provider = config.build(&Environment::default()).unwrap();
    assert_eq!(wrap(&provider).await.unwrap_err().kind(), ErrorKind::Gone);
    assert_eq!(fake.paths(), ["/gate/v1/team%20a/100%25%3F%23/transit/encrypt/cl%C3%A9"]);
    assert_eq!(provider.describe().identity, ["", "team a/100%?#/transit", "clé"]);
}

#[tokio::test]
async fn the_active_node_is_asked_for_by_header_and_without_where_that_is_refused() {
    let fake = Fake::start(good);
    let provider = fake.provider();
    provider.wrap(&1.into(), &seed(), None, &call().on_active_node()).await.unwrap();
    assert_eq!(fake.server.requests()[0].header("X-Vault-Forward"), Some("active-node"));

    // What Vault's Community edition answers, and Enterprise where its configuration doesn't allow the header.
    let fake = Fake::start(|request| match request.header("X-Vault-Forward") {
        Some(_) => refusal(400, "forwarding via header X-Vault-Forward disabled in configuration"),
        None => good(request),
    });
    let provider = fake.provider();
    provider.wrap(&1.into(), &seed(), None, &call().on_active_node()).await.unwrap();
    assert_eq!(fake.count(ENCRYPT), 2);
}

#[tokio::test]
async fn presence_never_encrypts() {
    let fake = Fake::start(good);
    fake.provider().presence(&call()).await.unwrap();
    assert_eq!(fake.paths(), [DECRYPT]);
    let body = fake.server.requests()[0].json();
    assert_eq!(body, json!({"ciphertext": format!("vault:v1:{}", base64(&[0; 29]))}));
}

#[tokio::test]
async fn versions_that_vault_cannot_have_are_refused_here() {
    let fake = Fake::answering(ENCRYPT, Reply::new(500));
    let provider = fake.provider();
    for version in [KeyVersion::Number(0), KeyVersion::Name("v1".into())] {
        let error = provider.wrap(&version, &seed(), None, &call()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::VersionRefused);
        let error = provider.unwrap(&version, b"wrap", None, &call()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
    }
    assert!(fake.server.requests().is_empty());
}
