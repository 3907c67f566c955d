//! Every refusal that Key Vault documents, and what it comes to.

use serde_json::{Value, json};
use trousseau_core::{ErrorKind, Provider, ProviderError};
use trousseau_testkit::https::Reply;

use super::{AAD, Fixture, call, newest, seed, unwrap, wrap};

fn body(code: &str, text: &str, inner: Option<&str>) -> Value {
    let mut error = json!({"code": code, "message": text});
    if let Some(inner) = inner {
        error["innererror"] = json!({"code": inner});
    }
    json!({"error": error})
}

/// The error of a decrypt that is answered so.
async fn decrypt(status: u16, body: Value) -> ProviderError {
    let reply = Reply::json(status, &body);
    let fixture = Fixture::vault();
    let wrapped = wrap(&fixture.provider()).await.unwrap();
    let lie = move |request: &super::Request| request.path.contains("/decrypt").then(|| reply.clone());
    unwrap(&fixture.lying(lie).provider(), &wrapped).await.unwrap_err()
}

#[tokio::test]
async fn what_key_vault_documents_has_a_kind_and_a_remedy() {
    use ErrorKind::{Denied, Disabled, Server, Throttled, Unauthentic, Unusable, VersionRefused};
    let forbidden = |text: &str, inner: &str| (403, body("Forbidden", text, Some(inner)));
    for ((status, body), kind, remedy) in [
        (forbidden("Operation decrypt is not allowed on a disabled key.", "KeyDisabled"), Disabled, "enable"),
        ((403, body("Forbidden", "Operation decrypt is not allowed on a disabled key.", None)), Disabled, "enable"),
        (forbidden("Operation encrypt is not allowed on an expired key.", "KeyExpired"), VersionRefused, "rotate"),
        (
            (403, body("Forbidden", "Operation sign is not allowed on a not yet valid key.", None)),
            VersionRefused,
            "dates",
        ),
        (
            forbidden("Operation decrypt is not permitted on this key.", "KeyOperationForbidden"),
            Unusable,
            "add `decrypt` to the permitted operations",
        ),
        (
            forbidden("Client address is not authorized and caller is not a trusted service.", "ForbiddenByFirewall"),
            Denied,
            "networking",
        ),
        (forbidden("Public network access is disabled.", "ForbiddenByConnection"), Denied, "private endpoint"),
        (
            forbidden("Caller is not authorized to perform action on resource.", "ForbiddenByRbac"),
            Denied,
            "Key Vault Crypto User",
        ),
        (
            forbidden("does not have keys decrypt permission on key vault", "AccessDenied"),
            Denied,
            "permission `decrypt`",
        ),
        (forbidden("does not have keys decrypt permission", "ForbiddenByPolicy"), Denied, "permission `decrypt`"),
        ((403, body("Forbidden", "for some new reason", None)), Denied, "role"),
        (
            (
                409,
                body(
                    "Conflict",
                    "Key k is currently in a deleted but recoverable state",
                    Some("ObjectIsDeletedButRecoverable"),
                ),
            ),
            Disabled,
            "az keyvault key recover",
        ),
        ((409, body("Conflict", "is being deleted", Some("ObjectIsBeingDeleted"))), Disabled, "recover"),
        ((409, body("Conflict", "somebody else was quicker", None)), Server, "again"),
        ((400, body("BadParameter", "Property value has invalid value.", None)), Unauthentic, "damaged"),
        ((429, body("Throttled", "too many requests", None)), Throttled, "wait"),
        ((404, body("VaultNotFound", "no such vault", None)), Unusable, "no such vault"),
        ((404, json!({})), Unusable, "no Key Vault answers"),
        ((408, json!({})), Server, "again"),
        ((413, body("RequestEntityTooLarge", "", None)), Unusable, "algorithm"),
        ((500, body("InternalServerError", "oops", None)), Server, "status page"),
        ((502, json!({})), Server, "between"),
        ((503, body("ServiceUnavailable", "", None)), Server, "status page"),
        ((302, json!({})), ErrorKind::BadAnswer, "vault's"),
    ] {
        let error = decrypt(status, body.clone()).await;
        assert_eq!(error.kind(), kind, "{status} {body}: {}", error.chain());
        assert!(error.chain().contains(remedy), "{}", error.chain());
        assert!(error.chain().contains("/decrypt answered"), "{}", error.chain());
    }
}

#[tokio::test]
async fn throttling_says_how_long() {
    let fixture = Fixture::vault();
    let provider = fixture.provider();
    let version = newest(&provider).await;
    fixture.azure.throttle(1);
    let error = provider.wrap(&version, &seed(), AAD, &call()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert_eq!(error.retry_after().map(|wait| wait.as_secs()), Some(1));
}

#[tokio::test]
async fn each_missing_permission_is_named() {
    for (operation, rsa) in [("get", true), ("list", true), ("sign", true), ("decrypt", true), ("encrypt", false)] {
        let fixture = if rsa { Fixture::vault() } else { Fixture::hsm() };
        fixture.azure.forbid(operation);
        let provider = fixture.provider();
        let error = async {
            provider.presence(&call()).await?;
            let seen = provider.observe(&call()).await?;
            let version = seen.versions[0].version.clone();
            let wrapped = provider.wrap(&version, &seed(), AAD, &call()).await?;
            unwrap(&provider, &wrapped).await.map(drop)
        };
        let error: ProviderError = error.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{}", error.chain());
        assert!(error.chain().contains(&format!("permission `{operation}`")), "{}", error.chain());
        fixture.azure.permit();
        super::opens(&provider, &wrap(&provider).await.unwrap()).await;
    }
}

#[tokio::test]
async fn a_key_of_another_type_than_configured_is_named() {
    let fixture = Fixture::hsm();
    fixture.azure.create("s", trousseau_testkit::azure::KeyKind::P256);
    let provider = fixture.with(|section| {
        section["algorithm"] = "RSA-OAEP-256".into();
        section["signingKey"] = json!({"name": "s"});
    });
    let error = wrap(&provider).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unusable);
    assert!(error.chain().contains("A256GCM"), "{}", error.chain());
    let fixture = Fixture::vault();
    let provider = fixture.with(|section| {
        section["algorithm"] = "A256GCM".into();
        section.as_object_mut().unwrap().remove("signingKey");
    });
    assert_eq!(wrap(&provider).await.unwrap_err().kind(), ErrorKind::Unusable);
}
