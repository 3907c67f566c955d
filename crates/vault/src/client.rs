//! One JSON call to Vault, with the token, the namespace and the headers that go with it.

use std::sync::Arc;

use trousseau_core::{Call, ErrorKind, ProviderError};
use trousseau_http::{
    ErrorKind as HttpKind, HeaderName, HeaderValue, HttpError, Method, Origin, RenewingClient, Request, Response,
    StatusCode, Zeroizing, repeats,
};

use crate::answers::{self, Hint, Purpose};
use crate::auth::{Session, Token};

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
/// Tells Vault Agent's listener that this is no request forged through a browser or a proxy.
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");
/// Sends a request on to the active node, whatever this node knows. (`X-Vault-Inconsistent: forward-active-node` does
/// so only for a node that lags behind an `X-Vault-Index`.)
const FORWARD: HeaderName = HeaderName::from_static("x-vault-forward");

/// A call: what for, path and body.
pub(crate) struct Ask<'a> {
    pub(crate) purpose: Purpose,
    /// From `/v1/` on, percent-encoded.
    pub(crate) path: &'a str,
    /// JSON; with one it is a POST, else a GET.
    pub(crate) body: Option<&'a [u8]>,
}

/// One Vault: where it is, and how we prove who we are.
pub(crate) struct Client {
    transport: RenewingClient,
    origin: Origin,
    namespace: Option<HeaderValue>,
    session: Session,
}

impl<'a> Ask<'a> {
    pub(crate) const fn get(purpose: Purpose, path: &'a str) -> Self {
        Self { purpose, path, body: None }
    }

    pub(crate) const fn post(purpose: Purpose, path: &'a str, body: &'a [u8]) -> Self {
        Self { purpose, path, body: Some(body) }
    }
}

impl Client {
    pub(crate) fn new(
        transport: RenewingClient,
        origin: Origin,
        namespace: Option<HeaderValue>,
        session: Session,
    ) -> Self {
        Self { transport, origin, namespace, session }
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Takes certificate files that changed into use.
    pub(crate) async fn renew(&self) {
        if let Err(error) = self.transport.refresh().await {
            tracing::warn!(%error, "the changed certificates for Vault can't be used; those before stay in use");
        }
    }

    /// Asks with the token in use. After a 403 once more, if there is a newer token by then. Gives the last answer,
    /// whatever its status, and the token that it was given to.
    ///
    /// # Errors
    /// No token, or no answer.
    pub(crate) async fn send(&self, ask: &Ask<'_>, call: &Call) -> Result<(Response, Arc<Token>), ProviderError> {
        let token = self.session.token().await?;
        let answer = self.ask(ask, Some(&token), call.active_node).await?;
        if answer.status != StatusCode::FORBIDDEN {
            return Ok((answer, token));
        }
        match self.session.instead_of(&token).await {
            Some(newer) => Ok((self.ask(ask, Some(&newer), call.active_node).await?, newer)),
            None => Ok((answer, token)),
        }
    }

    /// Asks once. Without a token also without a namespace: for `sys/health`, which knows neither.
    ///
    /// # Errors
    /// No answer, or none within the bounds.
    pub(crate) async fn ask(
        &self,
        ask: &Ask<'_>,
        token: Option<&Token>,
        active_node: bool,
    ) -> Result<Response, ProviderError> {
        let answer = self.exchange(ask, token, active_node).await?;
        // Vault's Community edition refuses the header (its standbys forward everything anyway), and so does
        // Enterprise unless `allow_forwarding_via_header` is set.
        if active_node && answer.status == StatusCode::BAD_REQUEST && answers::refuses_forwarding(&answer.body) {
            return self.exchange(ask, token, false).await;
        }
        Ok(answer)
    }

    /// The error that an answer with an error status is.
    pub(crate) fn refusal(&self, ask: &Ask<'_>, answer: &Response, token: Option<&Token>) -> ProviderError {
        self.refusal_with(ask, answer, token, Hint::None)
    }

    /// The same, with what is known beside the answer.
    pub(crate) fn refusal_with(
        &self,
        ask: &Ask<'_>,
        answer: &Response,
        token: Option<&Token>,
        hint: Hint,
    ) -> ProviderError {
        let url = self.url(ask);
        let said = |text: &str| {
            token.is_some_and(|token| token.is_in(text)) || ask.body.is_some_and(|body| repeats(text, body))
        };
        answers::error(&answers::Answered {
            purpose: ask.purpose,
            url: &url,
            path: ask.path.trim_start_matches("/v1/"),
            status: answer.status.as_u16(),
            body: &answer.body,
            retry_after: answer.retry_after(),
            location: answer.header("location"),
            repeats: &said,
            token_from: &self.session.origin(),
            hint,
        })
    }

    /// An answer with a good status that can't be used.
    pub(crate) fn unusable_answer(&self, ask: &Ask<'_>, what: &str) -> ProviderError {
        let remedy = "is this address Vault's, with nothing on the way that rewrites answers?";
        ProviderError::new(ErrorKind::BadAnswer, format!("{}: {what}; {remedy}", self.url(ask)))
    }

    /// Scheme, host and path of a call, for error texts.
    pub(crate) fn url(&self, ask: &Ask<'_>) -> String {
        format!("{}{}", self.origin, ask.path)
    }

    async fn exchange(
        &self,
        ask: &Ask<'_>,
        token: Option<&Token>,
        active_node: bool,
    ) -> Result<Response, ProviderError> {
        let method = if ask.body.is_some() { Method::POST } else { Method::GET };
        let mut request = Request::new(method, &self.origin, ask.path);
        request = request.header(REQUEST, HeaderValue::from_static("true"));
        if let Some(body) = ask.body {
            request = request.json(Zeroizing::new(body.to_vec()));
        }
        if let Some(token) = token {
            request = request.secret(TOKEN, token.header());
            if let Some(namespace) = &self.namespace {
                request = request.header(NAMESPACE, namespace.clone());
            }
        }
        if active_node {
            request = request.header(FORWARD, HeaderValue::from_static("active-node"));
        }
        self.transport.send(request).await.map_err(|error| self.unanswered(ask, error))
    }

    fn unanswered(&self, ask: &Ask<'_>, error: HttpError) -> ProviderError {
        let kind = match error.kind() {
            HttpKind::Deadline => ErrorKind::Deadline,
            HttpKind::TooLarge => ErrorKind::BadAnswer,
            HttpKind::Invalid => ErrorKind::Unusable,
            _ => ErrorKind::Unreachable,
        };
        ProviderError::new(kind, format!("{} gave no answer", self.url(ask))).with_source(error)
    }
}
