//! One JSON call to the vault, with a token that is for this vault.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use trousseau_core::{ErrorKind, ProviderError};
use trousseau_http::{
    ErrorKind as HttpKind, HttpError, Method, Origin, RenewingClient, Request, Response, StatusCode, Zeroizing, header,
};

use crate::answers;
use crate::ask::Ask;
use crate::auth::{Session, Token};
use crate::challenge::{Challenge, is_id};
use crate::cloud;

/// One vault: where it is, and how we prove who we are.
pub(crate) struct Client {
    transport: Arc<RenewingClient>,
    vault: Origin,
    session: Session,
    /// What tokens are asked for; from the configuration or the vault's cloud, else from the first challenge.
    resource: ArcSwapOption<String>,
    /// The configuration names it: a challenge for something else is refused.
    configured: bool,
}

impl Client {
    pub(crate) fn new(
        transport: Arc<RenewingClient>,
        vault: Origin,
        session: Session,
        configured: Option<String>,
    ) -> Self {
        let (named, known) = (configured.is_some(), cloud::resource(vault.host()));
        let resource = ArcSwapOption::from_pointee(configured.or(known));
        Self { transport, vault, session, resource, configured: named }
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    pub(crate) fn vault(&self) -> &Origin {
        &self.vault
    }

    /// Takes certificate files that changed into use.
    pub(crate) async fn renew(&self) {
        if let Err(error) = self.transport.refresh().await {
            tracing::warn!(%error, "the changed CA files for Azure can't be used; those before stay in use");
        }
    }

    /// Asks, with a good status or the error that the answer is. After a 401 it follows the vault's challenge, if that
    /// is for this vault, and asks once more with a new token.
    ///
    /// # Errors
    /// No token, no answer, or a refusal.
    pub(crate) async fn send(&self, ask: &Ask<'_>) -> Result<Response, ProviderError> {
        let resource = match self.resource.load_full() {
            Some(resource) => resource,
            None => self.discover(ask).await?,
        };
        let mut token = self.session.token(&resource).await?;
        let mut answer = self.exchange(ask, Some(&token)).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            let resource = match challenge(&answer) {
                Some(challenge) => self.follow(&challenge)?,
                None => resource,
            };
            if let Some(newer) = self.session.instead_of(&token, &resource).await? {
                answer = self.exchange(ask, Some(&newer)).await?;
                token = newer;
            }
        }
        if answer.status == StatusCode::OK {
            return Ok(answer);
        }
        Err(answers::error(&self.url(ask), ask, &answer, &|text| token.is_in(text)))
    }

    /// An answer with a good status that can't be used.
    pub(crate) fn unusable_answer(&self, ask: &Ask<'_>, what: &str) -> ProviderError {
        let remedy = "is this address a vault's, with nothing on the way that rewrites answers?";
        ProviderError::new(ErrorKind::BadAnswer, format!("{}: {what}; {remedy}", self.url(ask)))
    }

    /// Scheme, host and path of a call, for error texts.
    pub(crate) fn url(&self, ask: &Ask<'_>) -> String {
        format!("{}{}", self.vault, ask.shown())
    }

    /// Asks without token and without body, for the challenge that this brings.
    async fn discover(&self, ask: &Ask<'_>) -> Result<Arc<String>, ProviderError> {
        let bare = Ask { purpose: ask.purpose, key: ask.key, path: Ask::list(ask.key).path, body: None };
        let answer = self.exchange(&bare, None).await?;
        match challenge(&answer) {
            Some(challenge) if answer.status == StatusCode::UNAUTHORIZED => self.follow(&challenge),
            _ => {
                let text = format!(
                    "{} did not say what tokens it takes; set `resource`, such as https://vault.azure.net",
                    self.url(&bare)
                );
                Err(ProviderError::new(ErrorKind::Unusable, text))
            }
        }
    }

    /// What a challenge asks tokens for, if this vault may ask for that. No token leaves for anybody else: the request
    /// goes to the configured vault again, and the token is only good for what is checked here.
    fn follow(&self, challenge: &Challenge) -> Result<Arc<String>, ProviderError> {
        let current = self.resource.load_full();
        let foreign = match &current {
            Some(ours) if self.configured => !ours.trim_end_matches('/').eq_ignore_ascii_case(&challenge.resource),
            _ => !cloud::belongs(&challenge.resource, self.vault.host()),
        };
        if foreign {
            let text = format!(
                "{} asks for a token for `{}`, which is not its own; none is sent. Check `vault`, or set `resource` if \
                 that is right",
                self.vault, challenge.resource
            );
            return Err(ProviderError::new(ErrorKind::Denied, text));
        }
        if let (Some(theirs), Some(ours)) = (&challenge.tenant, self.session.tenant())
            && is_id(theirs)
            && is_id(ours)
            && !theirs.eq_ignore_ascii_case(ours)
        {
            let text = format!(
                "{} belongs to tenant {theirs}, but `auth` logs in at tenant {ours}; correct `tenantId`",
                self.vault
            );
            return Err(ProviderError::new(ErrorKind::Denied, text));
        }
        match current {
            Some(ours) if *ours == challenge.resource || self.configured => Ok(ours),
            _ => {
                let resource = Arc::new(challenge.resource.clone());
                self.resource.store(Some(Arc::clone(&resource)));
                Ok(resource)
            }
        }
    }

    async fn exchange(&self, ask: &Ask<'_>, token: Option<&Token>) -> Result<Response, ProviderError> {
        let method = if ask.body.is_some() { Method::POST } else { Method::GET };
        let mut request = Request::new(method, &self.vault, ask.path.as_str());
        if let Some(body) = ask.body {
            request = request.json(Zeroizing::new(body.to_vec()));
        }
        if let Some(token) = token {
            request = request.secret(header::AUTHORIZATION, token.header());
        }
        self.transport.send(request).await.map_err(|error| unanswered(&self.url(ask), error))
    }
}

fn challenge(answer: &Response) -> Option<Challenge> {
    Challenge::parse(answer.header(header::WWW_AUTHENTICATE.as_str())?)
}

/// The error that no answer is.
pub(crate) fn unanswered(url: &str, error: HttpError) -> ProviderError {
    let kind = match error.kind() {
        HttpKind::Deadline => ErrorKind::Deadline,
        HttpKind::TooLarge => ErrorKind::BadAnswer,
        HttpKind::Invalid => ErrorKind::Unusable,
        HttpKind::Connect | HttpKind::Proxy | HttpKind::Tls | HttpKind::Cut | HttpKind::NotHttp => {
            ErrorKind::Unreachable
        }
    };
    ProviderError::new(kind, format!("{url} gave no answer")).with_source(error)
}
