//! Managed identities: the token comes from the machine that we run on, by one of its three endpoints.

use std::path::{Path, PathBuf};

use trousseau_core::{ErrorKind, ProviderError, SecretText};
use trousseau_http::{
    Client, HeaderName, HeaderValue, Method, Origin, Request, Response, SecretHeader, Zeroizing, header,
};

use super::file;
use super::form::encoded;
use super::grant::Token;
use crate::client::unanswered;

const METADATA: HeaderName = HeaderName::from_static("metadata");
const IDENTITY_HEADER: HeaderName = HeaderName::from_static("x-identity-header");

/// Where Azure Arc's agent puts the files that it asks us to read.
const ARC_FOLDER: &str = "/var/opt/azcmagent/tokens";

/// Which service on this machine gives tokens.
pub(crate) enum Which {
    /// Azure's instance metadata service, on virtual machines.
    Imds,
    /// App Service, Container Apps and the like, with the value of `IDENTITY_HEADER`.
    AppService(SecretText),
    /// Azure Arc's agent, on machines elsewhere.
    Arc,
}

/// A managed identity. Asked directly, never through a proxy.
pub(crate) struct Managed {
    client: Client,
    endpoint: Origin,
    path: String,
    which: Which,
    /// `&client_id=...`, or nothing for the system-assigned identity.
    identity: String,
    arc_folder: PathBuf,
}

impl Managed {
    /// `identity` is the parameter that names it and its value.
    pub(crate) fn new(
        client: Client,
        (endpoint, path): (Origin, String),
        which: Which,
        identity: Option<(&str, &str)>,
    ) -> Self {
        let identity = identity.map(|(name, value)| format!("&{name}={}", encoded(value))).unwrap_or_default();
        Self { client, endpoint, path, which, identity, arc_folder: ARC_FOLDER.into() }
    }

    /// Asks for a token once.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub(super) async fn login(&self, resource: &str) -> Result<Token, ProviderError> {
        let mut request = self.request(resource);
        match &self.which {
            Which::Imds => {}
            Which::AppService(secret) => {
                let secret = SecretHeader::new(Zeroizing::new(secret.expose().as_bytes().to_vec()));
                let unfit = |error| self.denied("IDENTITY_HEADER can't stand in a header").with_source(error);
                request = request.secret(IDENTITY_HEADER, &secret.map_err(unfit)?);
            }
            Which::Arc => {
                let proof = self.arc_proof(self.request(resource)).await?;
                request = request.secret(header::AUTHORIZATION, &proof);
            }
        }
        let answer = self.send(request).await?;
        if answer.status.as_u16() != 200 {
            return Err(self.refusal(&answer));
        }
        Token::read(&answer.body, resource).map_err(|flaw| {
            let text = format!("{}: the answer {flaw}; is this a managed identity's endpoint?", self.endpoint);
            ProviderError::new(ErrorKind::BadAnswer, text)
        })
    }

    fn request(&self, resource: &str) -> Request {
        let version = match self.which {
            Which::Imds => "2018-02-01",
            Which::AppService(_) => "2019-08-01",
            Which::Arc => "2020-06-01",
        };
        let path = format!("{}?api-version={version}&resource={}{}", self.path, encoded(resource), self.identity);
        Request::new(Method::GET, &self.endpoint, path).header(METADATA, HeaderValue::from_static("true"))
    }

    /// Arc's agent names a file that only its group may read: its content proves that we may.
    async fn arc_proof(&self, request: Request) -> Result<SecretHeader, ProviderError> {
        let answer = self.send(request).await?;
        let named =
            answer.header(header::WWW_AUTHENTICATE.as_str()).and_then(|value| value.strip_prefix("Basic realm="));
        let Some(path) = named.map(|path| Path::new(path.trim_matches('"'))) else {
            return Err(match answer.status.as_u16() {
                401 => self.denied("Azure Arc's agent did not say what to prove"),
                _ => self.refusal(&answer),
            });
        };
        let expected = path.parent() == Some(&self.arc_folder) && path.extension().is_some_and(|it| it == "key");
        if answer.status.as_u16() != 401 || !expected {
            return Err(self.denied("Azure Arc's agent named a file that is not one of its own; it is not read"));
        }
        let secret = file::text(path, "Azure Arc's file").await?;
        let mut value = Zeroizing::new(Vec::with_capacity(6 + secret.len()));
        value.extend_from_slice(b"Basic ");
        value.extend_from_slice(secret.as_bytes());
        SecretHeader::new(value).map_err(|error| self.denied("Azure Arc's file can't be sent").with_source(error))
    }

    async fn send(&self, request: Request) -> Result<Response, ProviderError> {
        let send = self.client.send(request).await;
        send.map_err(|error| unanswered(&format!("the managed identity's endpoint {}", self.endpoint), error))
    }

    /// The texts of these endpoints are left out; their statuses say enough.
    fn refusal(&self, answer: &Response) -> ProviderError {
        let status = answer.status.as_u16();
        let (kind, remedy) = match status {
            400 => (ErrorKind::Denied, "assign the identity to this machine; check `auth.managedIdentity`"),
            401 | 403 => (ErrorKind::Denied, "this process may not ask for tokens of this identity"),
            404 | 410 => (ErrorKind::Server, "it is being updated, or no identity is assigned to this machine"),
            429 => (ErrorKind::Throttled, "wait"),
            500.. => (ErrorKind::Server, "it is tried again"),
            _ => (ErrorKind::Unusable, "is this a managed identity's endpoint?"),
        };
        let text = format!("the managed identity's endpoint {} answered {status}; {remedy}", self.endpoint);
        ProviderError::new(kind, text).with_retry_after(answer.retry_after())
    }

    fn denied(&self, what: &str) -> ProviderError {
        ProviderError::new(ErrorKind::Denied, format!("{}: {what}", self.endpoint))
    }
}
