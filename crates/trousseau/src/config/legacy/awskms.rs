//! The file of the Go Trousseau's `awskms` provider.

use serde_json::{Value, json};
use trousseau_core::section::Fault;

use super::flat::Flat;

/// Our field and its name in the legacy file.
pub(super) const NAMES: &[(&str, &str)] = &[
    ("key", "keyArn"),
    ("endpoint", "endpoint"),
    ("profile", "profile"),
    ("assumeRole.arn", "roleArn"),
    ("encryptionContext", "encryptionContext"),
];

/// The `awsKms:` section that says the same.
pub(super) fn section(flat: &mut Flat, prefix: &str) -> Result<Value, Fault> {
    let key = flat.need(prefix, "keyArn", "write the key's ARN, arn:aws:kms:REGION:ACCOUNT:key/ID")?;
    let endpoint = flat.take("endpoint");
    let http = endpoint.as_deref().is_some_and(|url| url.get(..7).is_some_and(|it| it.eq_ignore_ascii_case("http://")));
    Ok(json!({
        "key": key,
        "endpoint": endpoint,
        "allowHttp": http,
        "profile": flat.take("profile"),
        "assumeRole": flat.take("roleArn").map(|arn| json!({ "arn": arn })),
        "encryptionContext": std::mem::take(&mut flat.context),
    }))
}
