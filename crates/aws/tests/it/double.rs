//! A double of one KMS key: it keeps to the API's forms and to what rotation does, and encrypts nothing at all.

use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use trousseau_testkit::https::{Reply, Request};

use crate::{action, refusal};

/// Which material is the current one, and what is said of it.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) material: String,
    /// What `DescribeKey` says, where it lags.
    pub(crate) described: Option<String>,
    /// Whether `DescribeKey` is allowed.
    pub(crate) may_describe: bool,
    /// Whether `DescribeKey` and `Decrypt` name the material.
    pub(crate) names: bool,
}

pub(crate) struct Double {
    arn: String,
    pub(crate) state: Mutex<State>,
}

impl Double {
    pub(crate) fn new(arn: &str, material: &str) -> Self {
        let state = State { material: material.to_owned(), described: None, may_describe: true, names: true };
        Self { arn: arn.to_owned(), state: Mutex::new(state) }
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    pub(crate) fn answer(&self, request: &Request) -> Reply {
        let (state, body) = (self.state.lock().unwrap().clone(), request.json());
        if body["KeyId"] != json!(self.arn) {
            return refusal(400, "NotFoundException", &format!("Key '{}' does not exist", body["KeyId"]));
        }
        match action(request).as_str() {
            "DescribeKey" if !state.may_describe => {
                refusal(400, "AccessDeniedException", "User: x is not authorized to perform: kms:DescribeKey")
            }
            "DescribeKey" => {
                let material = state.described.as_ref().unwrap_or(&state.material);
                described(&self.arn, state.names.then_some(material.as_str()))
            }
            "Encrypt" => {
                let blob = json!({
                    "material": state.material,
                    "context": body["EncryptionContext"],
                    "plaintext": body["Plaintext"],
                });
                let blob = STANDARD.encode(blob.to_string());
                Reply::json(200, &json!({"KeyId": self.arn, "CiphertextBlob": blob}))
            }
            "Decrypt" => self.decrypt(&body, &state),
            other => refusal(400, "UnknownOperationException", other),
        }
    }

    fn decrypt(&self, body: &Value, state: &State) -> Reply {
        let blob = body["CiphertextBlob"].as_str().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
        let blob: Value = serde_json::from_slice(&blob).unwrap_or_default();
        if blob.is_null() || blob["context"] != body["EncryptionContext"] {
            return refusal(400, "InvalidCiphertextException", "");
        }
        let mut answer = json!({"KeyId": self.arn, "Plaintext": blob["plaintext"]});
        if state.names {
            answer["KeyMaterialId"] = blob["material"].clone();
        }
        Reply::json(200, &answer)
    }
}

/// What `DescribeKey` answers for a key that can be used.
pub(crate) fn described(arn: &str, material: Option<&str>) -> Reply {
    with_metadata(arn, json!({"CurrentKeyMaterialId": material}))
}

/// The same with other fields.
pub(crate) fn with_metadata(arn: &str, more: Value) -> Reply {
    let mut key = json!({
        "KeyId": arn.rsplit('/').next(),
        "Arn": arn,
        "Enabled": true,
        "KeyState": "Enabled",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "KeyUsage": "ENCRYPT_DECRYPT",
    });
    if let (Value::Object(key), Value::Object(more)) = (&mut key, more) {
        key.extend(more.into_iter().filter(|(_, value)| !value.is_null()));
    }
    Reply::json(200, &json!({"KeyMetadata": key}))
}
