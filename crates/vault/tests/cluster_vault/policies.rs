//! What a token may, and what it is told when it may not.

use trousseau_core::{ErrorKind, Provider};

use super::{Fixture, built, call, unwrap, wrap};

#[tokio::test]
async fn the_missing_policy_line_is_named() {
    let fixture = Fixture::start();
    fixture.create("k");
    let nothing = built(&fixture.config("k", &fixture.vault.token(&["default"], "1h", true).unwrap()));
    let rows = [
        (wrap(&nothing, 1).await.map(drop), "`path \"transit/encrypt/k\" { capabilities = [\"update\"] }`"),
        (unwrap(&nothing, 1, b"x").await.map(drop), "`path \"transit/decrypt/k\" { capabilities = [\"update\"] }`"),
        (nothing.presence(&call()).await, "`path \"transit/decrypt/k\" { capabilities = [\"update\"] }`"),
        (nothing.observe(&call()).await.map(drop), "`path \"transit/keys/k\" { capabilities = [\"read\"] }`"),
    ];
    for (outcome, line) in rows {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(error.chain().contains(&format!("permission denied; add {line}")), "{}", error.chain());
    }
}

/// The lines that the errors name are the right ones, and enough.
#[tokio::test]
async fn the_named_lines_are_enough() {
    let fixture = Fixture::start();
    fixture.create("k");
    let hcl = r#"
        path "transit/encrypt/k" { capabilities = ["update"] }
        path "transit/decrypt/k" { capabilities = ["update"] }
        path "transit/keys/k" { capabilities = ["read"] }"#;
    let key = built(&fixture.config("k", &fixture.token("enough", hcl)));
    key.presence(&call()).await.unwrap();
    assert_eq!(key.observe(&call()).await.unwrap().versions.len(), 1);
    let wrapped = wrap(&key, 1).await.unwrap();
    unwrap(&key, 1, &wrapped.bytes).await.unwrap();

    // With `update` only, a missing key can't be made anew, and can't be told from a missing right.
    fixture.vault.delete_key("transit", "k").unwrap();
    let error = wrap(&key, 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.chain().contains("or the key does not exist"), "{error}");
    assert_eq!(key.presence(&call()).await.unwrap_err().kind(), ErrorKind::Gone);
}

#[tokio::test]
async fn a_token_that_may_not_look_itself_up_works_with_its_life_unknown() {
    let fixture = Fixture::start();
    fixture.create("k");
    let hcl = r#"
        path "transit/+/k" { capabilities = ["read", "update"] }
        path "auth/token/lookup-self" { capabilities = ["deny"] }"#;
    let key = built(&fixture.config("k", &fixture.token("blind", hcl)));
    assert_eq!(key.observe(&call()).await.unwrap().credential_ttl, None);
    wrap(&key, 1).await.unwrap();
}
