//! Key Vault's REST interface, for keys.

use aws_lc_rs::digest::{Digest, SHA256, SHA384};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use trousseau_core::Secret;

use super::World;
use super::entra::TENANT;
use super::keys::{Key, Kind, Material, Version};
use crate::https::{Reply, Request};

const VERSIONS: &[&str] = &["7.3", "7.4", "7.5", "7.6", "2025-07-01"];

impl World {
    pub(super) fn vault_answer(&mut self, request: &Request) -> Reply {
        let host = request.header("host").unwrap_or_default().to_owned();
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        if let Some(refusal) = self.unauthorized(request) {
            return refusal;
        }
        let field = |name: &str| query.split('&').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
        if !field("api-version").is_some_and(|version| VERSIONS.contains(&version)) {
            let text = "The specified version is not recognized. Consider using the latest supported version (7.6).";
            return refused(400, "BadParameter", text, None);
        }
        if self.throttled > 0 {
            self.throttled -= 1;
            return refused(
                429,
                "Throttled",
                "Request was not processed because too many requests were received.",
                None,
            )
            .header("Retry-After", "1");
        }
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let (operation, name, version) = match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["keys", name, "versions"]) => ("list", *name, None),
            ("GET", ["keys", name]) => ("get", *name, None),
            ("GET", ["keys", name, version]) => ("get", *name, Some(*version)),
            ("POST", ["keys", name, version, operation @ ("encrypt" | "decrypt" | "sign")]) => {
                (*operation, *name, Some(*version))
            }
            _ => return refused(404, "NotFound", "no such resource", None),
        };
        if self.forbidden.contains(&operation) {
            let text = format!("Caller is not authorized to perform action on resource. Action: {operation}");
            return refused(403, "Forbidden", &text, Some("ForbiddenByRbac"));
        }
        let Some(key) = self.keys.find(name) else { return not_found(name, None) };
        if operation == "list" {
            return self.list(key, &host, name, field("$skiptoken"));
        }
        let found = match version {
            Some(version) => key.versions.iter().find(|known| known.name == version),
            None => key.versions.last(),
        };
        let Some(found) = found else { return not_found(name, version) };
        let kid = format!("https://{host}/keys/{name}/{}", found.name);
        if operation == "get" {
            return Reply::json(200, &json!({"key": jwk(key.kind, found, &kid), "attributes": attributes(found)}));
        }
        if let Some(refusal) = self.state(operation, found) {
            return refusal;
        }
        operate(operation, found, &request.json(), &kid)
    }

    /// The challenge that a request without a good token gets.
    fn unauthorized(&self, request: &Request) -> Option<Reply> {
        let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let why = match token {
            None => "AKV10000: Request is missing a Bearer or PoP token.",
            Some(token) => self.tokens.refused(token, &self.resource, self.now())?,
        };
        let resource = self.challenged.as_ref().unwrap_or(&self.resource);
        let challenge = format!(r#"Bearer authorization="https://login.windows.net/{TENANT}", resource="{resource}""#);
        Some(refused(401, "Unauthorized", why, None).header("WWW-Authenticate", &challenge))
    }

    fn list(&self, key: &Key, host: &str, name: &str, from: Option<&str>) -> Reply {
        let from: usize = from.and_then(|from| from.parse().ok()).unwrap_or_default();
        let page = key.versions.iter().skip(from).take(self.page);
        let value: Vec<_> = page
            .map(|version| {
                let kid = format!("https://{host}/keys/{name}/{}", version.name);
                json!({"kid": kid, "attributes": attributes(version)})
            })
            .collect();
        let next = (from + self.page < key.versions.len())
            .then(|| format!("https://{host}/keys/{name}/versions?api-version=7.4&$skiptoken={}", from + self.page));
        Reply::json(200, &json!({"value": value, "nextLink": next}))
    }

    /// Why a version doesn't do this now. Expired ones, and those not valid yet, still decrypt.
    fn state(&self, operation: &str, version: &Version) -> Option<Reply> {
        let (state, now) = (&version.state, self.now());
        let forbidden = |what: &str, code: &str| {
            let text = format!("Operation {operation} is not {what} key.");
            Some(refused(403, "Forbidden", &text, Some(code)))
        };
        if !state.enabled {
            return forbidden("allowed on a disabled", "KeyDisabled");
        }
        if !state.operations.contains(&operation) {
            return forbidden("permitted on this", "KeyOperationForbidden");
        }
        let writes = operation != "decrypt";
        match (state.nbf, state.exp) {
            (Some(from), _) if writes && from > now => forbidden("allowed on a not yet valid", "KeyNotYetValid"),
            (_, Some(end)) if writes && end <= now => forbidden("allowed on an expired", "KeyExpired"),
            _ => None,
        }
    }
}

fn operate(operation: &str, version: &Version, body: &Value, kid: &str) -> Reply {
    let bytes = |name: &str| body[name].as_str().and_then(|text| BASE64_URL_SAFE_NO_PAD.decode(text).ok());
    let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let bad = |what: &str| refused(400, "BadParameter", what, None);
    let Some(value) = bytes("value").map(Secret::new) else { return bad("Property  has invalid value.") };
    let value = value.expose();
    let aad = bytes("aad").unwrap_or_default();
    match (operation, body["alg"].as_str().unwrap_or_default(), &version.material) {
        ("decrypt", "RSA-OAEP-256", Material::Rsa(key)) => match key.decrypt(value) {
            Some(plaintext) => Reply::json(200, &json!({"kid": kid, "value": text(plaintext.expose())})),
            None => bad("Property value has invalid value."),
        },
        ("encrypt", "A256GCM", Material::Aes(key)) => {
            let (nonce, tag, ciphertext) = Version::seal(key, value, &aad);
            let done = json!({
                "kid": kid, "alg": "A256GCM", "value": text(&ciphertext), "iv": text(&nonce), "tag": text(&tag),
                "aad": text(&aad),
            });
            Reply::json(200, &done)
        }
        ("decrypt", "A256GCM", Material::Aes(key)) => {
            let (nonce, tag) = (bytes("iv").unwrap_or_default(), bytes("tag").unwrap_or_default());
            match Version::open(key, &nonce, &tag, value, &aad) {
                Some(plaintext) => {
                    Reply::json(200, &json!({"kid": kid, "alg": "A256GCM", "value": text(plaintext.expose())}))
                }
                None => bad("The authentication tag does not match."),
            }
        }
        ("sign", alg @ ("ES256" | "ES384"), Material::Ec(pair)) => {
            let of = if alg == "ES256" { &SHA256 } else { &SHA384 };
            let digest = Digest::import_less_safe(value, of);
            match digest.ok().and_then(|digest| pair.sign_digest(&digest).ok()) {
                Some(signature) => Reply::json(200, &json!({"kid": kid, "value": text(signature.as_ref())})),
                None => bad("Invalid length of 'value'."),
            }
        }
        _ => bad("Key and signature algorithm mismatch, or the algorithm is not supported."),
    }
}

fn jwk(kind: Kind, version: &Version, kid: &str) -> Value {
    let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let operations = &version.state.operations;
    match &version.material {
        Material::Rsa(key) => {
            json!({"kid": kid, "kty": "RSA", "key_ops": operations, "n": text(&key.n), "e": text(&key.e)})
        }
        Material::Ec(pair) => {
            let (x, y) = Version::coordinates(pair);
            let curve = if kind == Kind::P256 { "P-256" } else { "P-384" };
            json!({"kid": kid, "kty": "EC", "key_ops": operations, "crv": curve, "x": text(x), "y": text(y)})
        }
        Material::Aes(_) => json!({"kid": kid, "kty": "oct-HSM", "key_ops": operations}),
    }
}

fn attributes(version: &Version) -> Value {
    let state = &version.state;
    let mut attributes = json!({
        "enabled": state.enabled, "created": state.created, "updated": state.created,
        "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90,
    });
    for (name, time) in [("nbf", state.nbf), ("exp", state.exp)] {
        if let Some(time) = time {
            attributes[name] = time.into();
        }
    }
    attributes
}

fn not_found(name: &str, version: Option<&str>) -> Reply {
    let id = version.map_or_else(|| name.to_owned(), |version| format!("{name}/{version}"));
    let text = format!(
        "A key with (name/id) {id} was not found in this key vault. If you recently deleted this key you may be able to \
         recover it using the correct recovery command."
    );
    refused(404, "KeyNotFound", &text, None)
}

fn refused(status: u16, code: &str, text: &str, inner: Option<&str>) -> Reply {
    let mut error = json!({"code": code, "message": text});
    if let Some(inner) = inner {
        error["innererror"] = json!({"code": inner});
    }
    Reply::json(status, &json!({"error": error}))
}
