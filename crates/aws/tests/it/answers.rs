//! What each refusal is taken for.

use serde_json::json;
use trousseau_core::{ErrorKind, Provider};
use trousseau_testkit::https::Reply;

use crate::double::with_metadata;
use crate::{ARN, Fake, call, refusal, unwrap, wrap};

/// Operation, status, code, text; the kind, and what the remedy must say.
type Row = (On, u16, &'static str, &'static str, ErrorKind, &'static str);

#[derive(Clone, Copy, Debug, PartialEq)]
enum On {
    Wrap,
    Unwrap,
    Observe,
}

const ROWS: &[Row] = {
    use ErrorKind::{Denied, Disabled, Gone, Server, Throttled, Unauthentic, Unreachable, Unusable};
    use On::{Observe, Unwrap, Wrap};
    const SKEW: &str = "Signature expired: 20261123T120000Z is now earlier than 20261123T130000Z";
    &[
        (Wrap, 400, "AccessDeniedException", "User: arn:x is not authorized", Denied, "allow kms:Encrypt"),
        (Unwrap, 400, "AccessDeniedException", "", Denied, "allow kms:Decrypt"),
        (Wrap, 400, "NotFoundException", "Key 'arn:x' does not exist", Gone, "deleted"),
        (Wrap, 400, "NotFoundException", "Invalid arn us-east-1", Unusable, "another region"),
        (Observe, 400, "NotFoundException", "Key 'arn:x' does not exist", Gone, "deleted"),
        (Wrap, 400, "DisabledException", "arn:x is disabled.", Disabled, "enable-key"),
        (Unwrap, 400, "KMSInvalidStateException", "arn:x is pending deletion.", Disabled, "cancel-key-deletion"),
        (Wrap, 400, "KMSInvalidStateException", "arn:x is pending replica deletion.", Disabled, "cancel-key-deletion"),
        (Wrap, 400, "KMSInvalidStateException", "arn:x is pending import.", Disabled, "import the same material"),
        (Wrap, 400, "KMSInvalidStateException", "arn:x is unavailable", Server, "key store"),
        (Wrap, 400, "KMSInvalidStateException", "", Server, "state"),
        (Unwrap, 400, "InvalidCiphertextException", "", Unauthentic, "encryption context"),
        (Unwrap, 400, "IncorrectKeyException", "The key ID in the request", Unauthentic, "another key"),
        (Wrap, 400, "InvalidKeyUsageException", "arn:x key usage is SIGN_VERIFY", Unusable, "symmetric"),
        (Wrap, 500, "KeyUnavailableException", "", Unreachable, "asked again"),
        (Wrap, 503, "DependencyTimeoutException", "", Server, "asked again"),
        (Wrap, 500, "KMSInternalException", "", Server, "asked again"),
        (Wrap, 400, "ThrottlingException", "Rate exceeded", Throttled, "quota"),
        (Wrap, 400, "ThrottledException", "", Throttled, "quota"),
        (Wrap, 400, "LimitExceededException", "", Throttled, "quota"),
        (Wrap, 400, "ExpiredTokenException", "The security token is expired", Denied, "credentials"),
        (Wrap, 400, "UnrecognizedClientException", "The security token is invalid", Denied, "credentials"),
        (Wrap, 403, "InvalidSignatureException", "does not match", Denied, "credentials"),
        (Wrap, 400, "InvalidSignatureException", SKEW, Denied, "clock"),
        (Wrap, 400, "ValidationException", "1 validation error", Unusable, "check"),
        (Wrap, 400, "InvalidArnException", "", Unusable, "correct `key`"),
        (Wrap, 400, "UnsupportedOperationException", "", Unusable, "check"),
        (Wrap, 400, "OptInRequired", "", Denied, "not enabled"),
        (Wrap, 418, "TeapotException", "something new", Unusable, "not known"),
        (Wrap, 500, "TeapotException", "something new", Server, "not known"),
        (Wrap, 429, "TeapotException", "something new", Throttled, "not known"),
        (Wrap, 403, "TeapotException", "something new", Denied, "not known"),
    ]
};

#[tokio::test]
async fn every_code_has_its_kind_and_a_remedy() {
    let (fake, reply) = Fake::changing();
    for (on, status, code, text, kind, remedy) in ROWS {
        *reply.lock().unwrap() = refusal(*status, code, text);
        // A new one each time: the old one may look for new credentials.
        let provider = fake.provider();
        let error = match on {
            On::Wrap => wrap(&provider).await.map(drop),
            On::Unwrap => unwrap(&provider, b"wrap").await.map(drop),
            On::Observe => provider.observe(&call()).await.map(drop),
        };
        let error = error.unwrap_err();
        let shown = error.chain();
        assert_eq!(error.kind(), *kind, "{on:?} {code} {text}: {shown}");
        assert!(shown.contains(remedy) && shown.contains(code) && shown.contains(ARN), "{on:?} {code}: {shown}");
    }
}

/// Codes come as `prefix#Code`, `Code:url`, and in a header.
#[tokio::test]
async fn codes_are_found_in_every_form() {
    let (fake, reply) = Fake::changing();
    let header = Reply::json(400, &json!({"message": "no"})).header("x-amzn-errortype", "DisabledException:http://x");
    for answer in [refusal(400, "com.amazonaws.kms#DisabledException", "no"), header] {
        *reply.lock().unwrap() = answer;
        assert_eq!(wrap(&fake.provider()).await.unwrap_err().kind(), ErrorKind::Disabled);
    }
}

#[tokio::test]
async fn statuses_speak_where_codes_do_not() {
    use ErrorKind::{BadAnswer, Denied, Server, Throttled, Unusable};
    let rows = [
        (400, Unusable),
        (401, Denied),
        (403, Denied),
        (404, Unusable),
        (429, Throttled),
        (500, Server),
        (502, Server),
        (503, Server),
    ];
    let (fake, reply) = Fake::changing();
    for (status, kind) in rows {
        for body in ["", "<html>gateway</html>", "{}", "{\"__type\":null}"] {
            *reply.lock().unwrap() = Reply::bytes(status, body);
            let error = wrap(&fake.provider()).await.unwrap_err();
            let kinds = if status < 429 { vec![kind, BadAnswer] } else { vec![kind] };
            assert!(kinds.contains(&error.kind()), "{status} {body}: {}", error.chain());
            assert!(!error.chain().contains("html"), "{}", error.chain());
        }
    }
}

#[tokio::test]
async fn answers_that_are_no_answers_are_refused() {
    let (fake, reply) = Fake::changing();
    let other = ARN.replace("1234abcd", "9999abcd");
    for (body, what) in [
        (json!({"KeyId": ARN}), "holds no"),
        (json!({"KeyId": ARN, "CiphertextBlob": ""}), "holds no"),
        (json!({"KeyId": other, "CiphertextBlob": "d3JhcA=="}), "another key"),
    ] {
        *reply.lock().unwrap() = Reply::json(200, &body);
        let error = wrap(&fake.provider()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadAnswer, "{body}");
        assert!(error.chain().contains(what), "{}", error.chain());
    }
    for body in [
        json!({"KeyId": ARN}),
        json!({"KeyId": other, "Plaintext": "c2VlZA=="}),
        json!({"KeyId": ARN, "Plaintext": "c2VlZA==", "KeyMaterialId": "not a name"}),
    ] {
        *reply.lock().unwrap() = Reply::json(200, &body);
        assert_eq!(unwrap(&fake.provider(), b"wrap").await.unwrap_err().kind(), ErrorKind::BadAnswer, "{body}");
    }
    for body in ["", "[]", "<html>", "{\"KeyMetadata\": null}"] {
        *reply.lock().unwrap() = Reply::bytes(200, body);
        assert_eq!(fake.provider().observe(&call()).await.unwrap_err().kind(), ErrorKind::BadAnswer, "{body}");
    }
}

#[tokio::test]
async fn the_state_of_the_key_is_read() {
    use ErrorKind::{BadAnswer, Disabled, Server, Unreachable, Unusable};
    let (fake, reply) = Fake::changing();
    for (more, kind, remedy) in [
        (json!({"KeyState": "Disabled"}), Disabled, "enable-key"),
        (json!({"KeyState": "PendingDeletion", "DeletionDate": 1_795_435_067}), Disabled, "on 2026-11-23T11:57:47Z"),
        (json!({"KeyState": "PendingReplicaDeletion"}), Disabled, "cancel-key-deletion"),
        (json!({"KeyState": "PendingImport"}), Disabled, "import the same one"),
        (json!({"KeyState": "Unavailable"}), Unreachable, "key store"),
        (json!({"KeyState": "Creating"}), Server, "asked again"),
        (json!({"KeySpec": "RSA_4096"}), Unusable, "SYMMETRIC_DEFAULT"),
        (json!({"KeyUsage": "SIGN_VERIFY"}), Unusable, "ENCRYPT_DECRYPT"),
        (json!({"Arn": ARN.replace("1234abcd", "9999abcd")}), BadAnswer, "another key"),
        (json!({"CurrentKeyMaterialId": "a b"}), BadAnswer, "material"),
    ] {
        *reply.lock().unwrap() = with_metadata(ARN, more.clone());
        let error = fake.provider().observe(&call()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{more}: {}", error.chain());
        assert!(error.chain().contains(remedy), "{more}: {}", error.chain());
    }
    for state in ["Enabled", "Updating", "SomethingNew"] {
        *reply.lock().unwrap() = with_metadata(ARN, json!({"KeyState": state}));
        assert!(fake.provider().observe(&call()).await.is_ok(), "{state}");
    }
}

#[tokio::test]
async fn a_wish_to_be_left_alone_is_passed_on() {
    let (fake, reply) = Fake::changing();
    *reply.lock().unwrap() = refusal(400, "ThrottlingException", "Rate exceeded").header("Retry-After", "7");
    let error = wrap(&fake.provider()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(std::time::Duration::from_secs(7)));
}
