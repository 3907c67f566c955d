//! Logins at Microsoft Entra ID: an application's secret, its certificate, or a federated token.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use trousseau_core::{ErrorKind, ProviderError, SecretText};
use trousseau_http::{HeaderValue, Method, Origin, RenewingClient, Request, Response, Zeroizing, header};

pub(crate) use super::assertion::CertificateFiles;
use super::file;
use super::form::form;
use super::grant::Token;
use crate::client::unanswered;

/// What proves who we are.
pub(crate) enum Credential {
    Secret(SecretText),
    SecretFile(PathBuf),
    Certificate(CertificateFiles),
    /// A token that somebody else signs, in a file.
    Federated(PathBuf),
}

/// One application, or one user-assigned identity, in one tenant.
pub(crate) struct Entra {
    transport: Arc<RenewingClient>,
    authority: Origin,
    tenant: String,
    client: String,
    credential: Credential,
}

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl Entra {
    pub(crate) fn new(
        transport: Arc<RenewingClient>,
        authority: Origin,
        tenant: String,
        client: String,
        credential: Credential,
    ) -> Self {
        Self { transport, authority, tenant, client, credential }
    }

    pub(super) fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Logs in once.
    ///
    /// # Errors
    /// A credential that can't be read, no answer, or a refusal, by Entra's own code.
    pub(super) async fn login(&self, resource: &str) -> Result<Token, ProviderError> {
        let path = format!("/{}/oauth2/v2.0/token", self.tenant);
        let url = format!("{}{path}", self.authority);
        let scope = format!("{resource}/.default");
        let (name, proof) = self.proof(&url).await?;
        let mut fields = vec![
            ("grant_type", "client_credentials"),
            ("client_id", self.client.as_str()),
            ("scope", scope.as_str()),
            (name, proof.as_str()),
        ];
        if name == "client_assertion" {
            fields.push(("client_assertion_type", ASSERTION));
        }
        let request = Request::new(Method::POST, &self.authority, path)
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
            .header(header::ACCEPT, HeaderValue::from_static("application/json"))
            .body(form(&fields));
        let answer = self.transport.send(request).await.map_err(|error| unanswered(&url, error))?;
        if answer.status.as_u16() != 200 {
            return Err(refusal(&url, &answer));
        }
        Token::read(&answer.body, resource).map_err(|flaw| {
            let text = format!("{url}: the answer {flaw}; is `authority` Entra ID's address?");
            ProviderError::new(ErrorKind::BadAnswer, text)
        })
    }

    async fn proof(&self, url: &str) -> Result<(&'static str, Zeroizing<String>), ProviderError> {
        Ok(match &self.credential {
            Credential::Secret(secret) => ("client_secret", Zeroizing::new(secret.expose().to_owned())),
            Credential::SecretFile(path) => ("client_secret", file::text(path, "the client secret").await?),
            Credential::Federated(path) => ("client_assertion", file::text(path, "the federated token").await?),
            Credential::Certificate(files) => ("client_assertion", files.assertion(&self.client, url).await?),
        })
    }
}

#[derive(Deserialize)]
struct Refused<'a> {
    #[serde(default)]
    error: &'a str,
    #[serde(default)]
    error_codes: Vec<u32>,
}

/// Entra's codes, and what to do.
const TABLE: &[(u32, &str)] = &[
    (7000215, "the client secret is wrong: write its value, not its id"),
    (7000222, "the client secret has expired: make a new one"),
    (700016, "no application of this `clientId` is in the tenant"),
    (90002, "there is no such tenant: check `tenantId`"),
    (900023, "`tenantId` is neither an id nor a domain's name"),
    (700024, "the assertion is not valid now: check this machine's clock, and that the token file is kept fresh"),
    (700027, "the certificate is not one of the application's, or its key is another one's"),
    (70021, "no federated credential of the identity fits the token: compare issuer, subject and audience"),
    (700211, "no federated credential of the identity has the token's issuer"),
    (700212, "no federated credential of the identity has the token's audience"),
    (700213, "no federated credential of the identity has the token's subject"),
    (500011, "the tenant doesn't know the resource: check `resource` and `tenantId`"),
    (53003, "a Conditional Access policy forbids this login"),
];

/// What a login was refused for. Entra's text is left out: it may say more than a log should.
fn refusal(url: &str, answer: &Response) -> ProviderError {
    let status = answer.status.as_u16();
    let refused: Option<Refused<'_>> = serde_json::from_slice(&answer.body).ok();
    let code = refused.as_ref().and_then(|refused| refused.error_codes.first().copied());
    let word = refused.as_ref().map(|refused| refused.error).filter(|word| {
        (1..=40).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    });
    let row = code.and_then(|code| TABLE.iter().find(|(known, _)| *known == code));
    let (kind, remedy) = match (status, row) {
        (429, _) => (ErrorKind::Throttled, "wait"),
        (500.., _) => (ErrorKind::Server, "look at Azure's status page"),
        (_, Some((_, remedy))) => (ErrorKind::Denied, *remedy),
        (400 | 401 | 403, None) if word == Some("temporarily_unavailable") => (ErrorKind::Server, "it is tried again"),
        (400 | 401 | 403, None) if word.is_some() => (ErrorKind::Denied, "check `auth`"),
        _ => (ErrorKind::Unusable, "is `authority` Entra ID's address, and `tenantId` right?"),
    };
    let said = match (word, code) {
        (Some(word), Some(code)) => format!(": {word}, AADSTS{code}"),
        (Some(word), None) => format!(": {word}"),
        (None, Some(code)) => format!(": AADSTS{code}"),
        (None, None) => String::new(),
    };
    let text = format!("login at {url} was refused with {status}{said}; {remedy}");
    ProviderError::new(kind, text).with_retry_after(answer.retry_after())
}
