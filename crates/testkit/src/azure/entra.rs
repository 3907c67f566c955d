//! Microsoft Entra ID: logins by secret, certificate and federated token.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::World;
use super::rsa::Certified;
use crate::https::{Reply, Request};

/// The only tenant.
pub const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";

/// Who may log in.
#[derive(Default)]
pub(crate) struct Directory {
    pub(crate) secrets: Vec<(String, String)>,
    pub(crate) certificates: Vec<(String, Certified)>,
    pub(crate) federated: Vec<(String, String)>,
}

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl World {
    pub(super) fn login_answer(&mut self, request: &Request) -> Reply {
        let tenant = request.path.trim_start_matches('/').split('/').next().unwrap_or_default();
        if tenant != TENANT {
            return refused(400, "invalid_request", 90002, "Tenant not found.");
        }
        let form = form(&request.body);
        let field = |name: &str| form.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
        if request.method != "POST"
            || request.header("content-type") != Some("application/x-www-form-urlencoded")
            || field("grant_type") != "client_credentials"
        {
            return refused(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.");
        }
        let Some(resource) = field("scope").strip_suffix("/.default") else {
            return refused(400, "invalid_scope", 70011, "The provided value for scope is not valid.");
        };
        let client = field("client_id").to_owned();
        let proven = match (field("client_secret"), field("client_assertion_type"), field("client_assertion")) {
            ("", ASSERTION, assertion) if !assertion.is_empty() => self.assertion(&client, assertion),
            ("", ..) => Err(refused(401, "invalid_client", 7000218, "The request body must contain a credential.")),
            (secret, ..) => self.secret(&client, secret),
        };
        if let Err(refusal) = proven {
            return refusal;
        }
        let token = self.tokens.token(resource, &client, self.now());
        let life = self.tokens.life;
        let granted =
            json!({"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": token});
        Reply::json(200, &granted)
    }

    fn secret(&self, client: &str, secret: &str) -> Result<(), Reply> {
        let mut known = self.entra.secrets.iter().filter(|(known, _)| known == client).peekable();
        if known.peek().is_none() {
            return Err(refused(400, "unauthorized_client", 700016, "Application was not found in the directory."));
        }
        if known.any(|(_, right)| right == secret) {
            return Ok(());
        }
        Err(refused(401, "invalid_client", 7000215, &format!("Invalid client secret provided: {secret}")))
    }

    fn assertion(&self, client: &str, assertion: &str) -> Result<(), Reply> {
        if self.entra.federated.iter().any(|(known, token)| known == client && token == assertion) {
            return Ok(());
        }
        let mut parts = assertion.split('.');
        let part = |text: Option<&str>| {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(text?).ok()?;
            serde_json::from_slice::<Value>(&bytes).ok()
        };
        let (header, claims) = (part(parts.next()).unwrap_or_default(), part(parts.next()).unwrap_or_default());
        let certificate = self.entra.certificates.iter().find(|(known, certified)| {
            let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, &certified.certificate));
            known == client && header["x5t#S256"] == thumbprint.as_str()
        });
        let Some((_, certified)) = certificate else {
            let text = format!("No matching federated identity record found for presented assertion {assertion}");
            return Err(refused(
                401,
                "invalid_client",
                if header["x5t#S256"].is_null() { 70021 } else { 700027 },
                &text,
            ));
        };
        let signed = assertion.rsplit_once('.').map_or("", |(signed, _)| signed);
        let signature = parts.next().and_then(|text| BASE64_URL_SAFE_NO_PAD.decode(text).ok()).unwrap_or_default();
        let key = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, &certified.public_key);
        if header["alg"] != "PS256" || key.verify(signed.as_bytes(), &signature).is_err() {
            return Err(refused(401, "invalid_client", 700027, "The signature of the assertion is invalid."));
        }
        if let Some(chain) = header["x5c"].as_array()
            && chain.first().and_then(Value::as_str) != Some(&BASE64_STANDARD.encode(&certified.certificate))
        {
            return Err(refused(401, "invalid_client", 700027, "x5c is not the certificate's chain."));
        }
        let now = self.now();
        let time = |name: &str| claims[name].as_u64().unwrap_or_default();
        if time("exp") <= now || time("nbf") > now + 5 || time("exp") > now + 600 {
            return Err(refused(401, "invalid_client", 700024, "Client assertion is not within its valid time range."));
        }
        let audience = claims["aud"].as_str().unwrap_or_default();
        if !audience.ends_with(&format!("/{TENANT}/oauth2/v2.0/token"))
            || claims["iss"] != client
            || claims["sub"] != client
            || claims["jti"].as_str().is_none_or(str::is_empty)
        {
            return Err(refused(401, "invalid_client", 700023, "Client assertion is for somebody else."));
        }
        Ok(())
    }
}

/// As Entra refuses: its text may repeat what it was sent.
fn refused(status: u16, error: &str, code: u32, text: &str) -> Reply {
    let body = json!({
        "error": error,
        "error_description": format!("AADSTS{code}: {text} Trace ID: 0 Correlation ID: 0"),
        "error_codes": [code],
        "timestamp": "2026-11-23 00:00:00Z",
    });
    Reply::json(status, &body)
}

fn form(body: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body);
    let field = |field: &str| {
        let (name, value) = field.split_once('=')?;
        Some((name.to_owned(), decoded(value)))
    };
    text.split('&').filter_map(field).collect()
}

/// Percent-decodes.
pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                let digits = std::str::from_utf8(&digits).unwrap_or("00");
                bytes.push(u8::from_str_radix(digits, 16).unwrap_or_default());
            }
            b'+' => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
