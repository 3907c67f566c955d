//! Every text that Vault 1.21 and OpenBao 2.6 were seen to refuse with, and what it means.

use trousseau_core::{ErrorKind, Provider};

use super::{Fake, call, refusal, unwrap, wrap};

const PERMISSION: &str = "1 error occurred:\n\t* permission denied\n\n";
const BAD_TOKEN: &str = "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n";

/// What was asked.
#[derive(Clone, Copy, Debug)]
enum On {
    Wrap,
    Unwrap,
    Presence,
    Observe,
}

/// What was asked, status, text; the kind (`None` = no error), and what the remedy must say.
type Row = (On, u16, &'static str, Option<ErrorKind>, &'static str);

const ROWS: &[Row] = {
    use ErrorKind::{
        AadUnsupported, Denied, Disabled, Gone, Lagging, Malformed, Sealed, Server, Throttled, TooNew, TooOld,
        Unauthentic, Unreachable, Unusable, VersionRefused,
    };
    use On::{Observe, Presence, Unwrap, Wrap};
    &[
        (Unwrap, 400, "invalid ciphertext: version is too new", Some(TooNew), "backup"),
        (Unwrap, 400, "cipher: message authentication failed", Some(Unauthentic), "tampered"),
        (Unwrap, 400, "invalid ciphertext: no prefix", Some(Malformed), "damaged"),
        (Unwrap, 400, "missing ciphertext to decrypt", Some(Malformed), "empty"),
        (Unwrap, 400, "invalid ciphertext length", Some(Malformed), "damaged"),
        (
            Unwrap,
            400,
            "ciphertext or signature version is disallowed by policy (too old)",
            Some(TooOld),
            "min_decryption",
        ),
        (Unwrap, 400, "encryption key not found", Some(Gone), "backup"),
        (Unwrap, 400, "no such key version", Some(TooOld), "trimmed"),
        (
            Unwrap,
            500,
            "1 error occurred:\n\t* failed to RSA decrypt the ciphertext: crypto/rsa: decryption error\n\n",
            Some(Unauthentic),
            "tampered",
        ),
        (Unwrap, 403, PERMISSION, Some(Denied), "path \"transit/decrypt/k\" { capabilities = [\"update\"] }"),
        (
            Wrap,
            400,
            "requested version for encryption is higher than the latest key version",
            Some(VersionRefused),
            "next probe",
        ),
        (
            Wrap,
            400,
            "requested version for encryption is less than the minimum encryption key version",
            Some(VersionRefused),
            "next probe",
        ),
        (Wrap, 400, "no such key version", Some(VersionRefused), "next probe"),
        (
            Wrap,
            400,
            "'[0].associated_data' provided for non-AEAD cipher suite rsa-2048",
            Some(AadUnsupported),
            "aad: off",
        ),
        (
            Wrap,
            400,
            "missing 'context' for key derivation; the key was created using a derived key, which means additional, \
             per-request information must be included in order to perform operations with the key",
            Some(Unusable),
            "without derivation",
        ),
        (Wrap, 400, "message encryption not supported for key type ed25519", Some(Unusable), "aes256-gcm96"),
        (Wrap, 400, "illegal base64 data at input byte 0", Some(Unusable), "check"),
        (Wrap, 403, PERMISSION, Some(Denied), "or the key does not exist"),
        (Wrap, 403, "permission denied", Some(Denied), "path \"transit/encrypt/k\""),
        (Wrap, 403, BAD_TOKEN, Some(Denied), "the token from the configuration is wrong, expired or revoked"),
        (
            Wrap,
            404,
            "no handler for route \"nomount/encrypt/k\". route entry not found.",
            Some(Unusable),
            "transit.mount",
        ),
        (Wrap, 404, "1 error occurred:\n\t* unsupported path\n\n", Some(Unusable), "transit.mount"),
        (Wrap, 503, "Vault is sealed", Some(Sealed), "unseal"),
        (Wrap, 503, "Vault is not initialized", Some(Sealed), "initialise"),
        (Wrap, 503, "API access to this namespace has been locked by an administrator", Some(Sealed), "unlock"),
        (Wrap, 503, "overloaded, try again later", Some(Throttled), "wait"),
        (Wrap, 429, "request path \"transit/encrypt/k\": rate limit quota exceeded", Some(Throttled), "quota"),
        (Wrap, 412, "required index state not present", Some(Lagging), "lags"),
        (Wrap, 400, "path disabled in replication DR secondary mode", Some(Unreachable), "primary"),
        (Wrap, 500, "local node not active but active cluster node not found", Some(Server), "log"),
        (Wrap, 400, "encryption key soft-deleted", Some(Disabled), "OpenBao"),
        (Wrap, 418, "something that no Vault said so far", Some(Unusable), "check"),
        (Presence, 400, "cipher: message authentication failed", None, ""),
        (Presence, 400, "invalid ciphertext length", None, ""),
        (Presence, 400, "ciphertext or signature version is disallowed by policy (too old)", None, ""),
        (Presence, 500, "1 error occurred:\n\t* failed to RSA decrypt the ciphertext: x\n\n", None, ""),
        (Presence, 400, "encryption key not found", Some(Gone), "backup"),
        (Presence, 400, "missing 'context' for key derivation; the key was", Some(Unusable), "without derivation"),
        (Presence, 400, "message decryption not supported for key type ed25519", Some(Unusable), "aes256-gcm96"),
        (Presence, 503, "Vault is sealed", Some(Sealed), "unseal"),
        (Presence, 500, "internal error", Some(Server), "log"),
        (Observe, 403, PERMISSION, Some(Denied), "`path \"transit/keys/k\" { capabilities = [\"read\"] }`"),
        (Observe, 403, PERMISSION, Some(Denied), "`identity: version`"),
        (Observe, 403, BAD_TOKEN, Some(Denied), "put a new one there"),
        (
            Observe,
            404,
            "no handler for route \"nomount/keys/k\". route entry not found.",
            Some(Unusable),
            "transit.mount",
        ),
        (Observe, 503, "Vault is sealed", Some(Sealed), "unseal"),
    ]
};

#[tokio::test]
async fn every_text_has_its_kind_and_a_remedy() {
    let (fake, reply) = Fake::changing();
    let provider = fake.provider();
    for (on, status, text, expected, remedy) in ROWS {
        *reply.lock().unwrap() = refusal(*status, text);
        let outcome = match on {
            On::Wrap => wrap(&provider).await.map(drop),
            On::Unwrap => unwrap(&provider).await.map(drop),
            On::Presence => provider.presence(&call()).await,
            On::Observe => provider.observe(&call()).await.map(drop),
        };
        let Some(kind) = expected else {
            outcome.unwrap_or_else(|error| panic!("{on:?} {text}: {error}"));
            continue;
        };
        let error = outcome.unwrap_err();
        let shown = error.chain();
        assert_eq!(error.kind(), *kind, "{on:?} {text}: {shown}");
        assert!(shown.contains(remedy), "{on:?} {text}: {shown}");
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(shown.contains(&words) && shown.contains(&status.to_string()), "{on:?} {text}: {shown}");
    }
}

#[tokio::test]
async fn statuses_speak_where_texts_do_not() {
    use ErrorKind::{Denied, Lagging, Sealed, Server, Throttled, Unreachable, Unusable};
    let rows = [
        (400, Unusable),
        (403, Denied),
        (404, Unusable),
        (405, Unusable),
        (412, Lagging),
        (413, Unusable),
        (429, Throttled),
        (472, Unreachable),
        (473, Unreachable),
        (500, Server),
        (501, Sealed),
        (502, Server),
        (503, Server),
        (504, Server),
        (204, ErrorKind::BadAnswer),
    ];
    let (fake, reply) = Fake::changing();
    let provider = fake.provider();
    for (status, kind) in rows {
        for body in ["", "<html>gateway</html>", "{\"errors\":[]}", "{\"errors\":null}"] {
            *reply.lock().unwrap() =
                trousseau_testkit::https::Reply::bytes(status, if status == 204 { "" } else { body });
            let error = wrap(&provider).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{status} {body}: {error}");
            assert!(!error.chain().contains("html"), "{error}");
        }
    }
}

#[tokio::test]
async fn only_the_key_read_takes_an_empty_404_for_a_missing_key() {
    let (fake, reply) = Fake::changing();
    *reply.lock().unwrap() = trousseau_testkit::https::Reply::bytes(404, "{\"errors\":[]}");
    let provider = fake.provider();
    assert_eq!(provider.observe(&call()).await.unwrap_err().kind(), ErrorKind::Gone);
    assert_eq!(wrap(&provider).await.unwrap_err().kind(), ErrorKind::Unusable);
    assert_eq!(provider.presence(&call()).await.unwrap_err().kind(), ErrorKind::Unusable);
    *reply.lock().unwrap() = trousseau_testkit::https::Reply::bytes(404, "not found");
    assert_eq!(provider.observe(&call()).await.unwrap_err().kind(), ErrorKind::Unusable, "that is no Vault");
}
