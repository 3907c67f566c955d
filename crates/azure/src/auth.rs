//! Who we are to Azure: the token that goes with every call, kept until shortly before it ends.

mod assertion;
mod entra;
mod file;
mod form;
mod grant;
mod managed;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;
use tokio::time::Instant;
use trousseau_core::{ErrorKind, ProviderError};

pub(crate) use self::entra::{CertificateFiles, Credential, Entra};
pub(crate) use self::grant::Token;
pub(crate) use self::managed::{Managed, Which};

/// How a token is got.
pub(crate) enum Method {
    /// From Microsoft Entra ID, with a credential of our own.
    Entra(Entra),
    /// From the machine that we run on.
    Managed(Managed),
}

/// The token in use. One login at a time, however many calls want a token; nothing runs in the background.
pub(crate) struct Session {
    method: Method,
    current: ArcSwapOption<Token>,
    turn: Mutex<Turn>,
}

/// What the last login came to, seen by who has the turn.
#[derive(Default)]
struct Turn {
    failed: Option<Failed>,
    complained: bool,
}

struct Failed {
    at: Instant,
    kind: ErrorKind,
    text: String,
    wait: Option<Duration>,
}

/// A renewal ahead of time that failed is tried again after this.
const AGAIN: Duration = Duration::from_secs(30);

/// A token younger than this that is refused is not replaced: a new one would be no better, and logins are throttled.
const YOUNG: Duration = Duration::from_secs(10);

impl Session {
    pub(crate) fn new(method: Method) -> Self {
        Self { method, current: ArcSwapOption::empty(), turn: Mutex::default() }
    }

    /// The tenant that we log in at, where it is configured.
    pub(crate) fn tenant(&self) -> Option<&str> {
        match &self.method {
            Method::Entra(entra) => Some(entra.tenant()),
            Method::Managed(_) => None,
        }
    }

    /// A good token for `resource`. Where the one in use nears its end, one caller gets the next one while the others
    /// go on with it.
    ///
    /// # Errors
    /// Why none is to be had.
    pub(crate) async fn token(&self, resource: &str) -> Result<Arc<Token>, ProviderError> {
        let began = Instant::now();
        let current = self.usable(resource, began);
        if let Some(token) = &current {
            if began < token.refresh {
                return Ok(Arc::clone(token));
            }
            return Ok(self.renewed(token, resource).await.unwrap_or_else(|| Arc::clone(token)));
        }
        let mut turn = self.turn.lock().await;
        if let Some(token) = self.usable(resource, Instant::now()) {
            return Ok(token);
        }
        // Who waited while another's login failed need not wait for a second failure.
        if let Some(failed) = turn.failed.as_ref().filter(|failed| failed.at > began) {
            return Err(failed.error());
        }
        self.login(resource, &mut turn).await
    }

    /// A token in place of one that the vault refused; `None` if there is none that is worth a try.
    ///
    /// # Errors
    /// Why a new one can't be had.
    pub(crate) async fn instead_of(
        &self,
        refused: &Arc<Token>,
        resource: &str,
    ) -> Result<Option<Arc<Token>>, ProviderError> {
        let mut turn = self.turn.lock().await;
        let current = self.usable(resource, Instant::now());
        if let Some(token) = current.filter(|token| !Arc::ptr_eq(token, refused)) {
            return Ok(Some(token));
        }
        if refused.resource == resource && refused.made.elapsed() < YOUNG {
            return Ok(None);
        }
        let token = self.login(resource, &mut turn).await?;
        Ok((!token.same_as(refused)).then_some(token))
    }

    /// How long the token in use still lives.
    pub(crate) fn lifetime(&self) -> Option<Duration> {
        self.current.load().as_ref().map(|token| token.expires.saturating_duration_since(Instant::now()))
    }

    /// The next token ahead of time; `None` where somebody else gets it, or it can't be had now.
    async fn renewed(&self, old: &Arc<Token>, resource: &str) -> Option<Arc<Token>> {
        let mut turn = self.turn.try_lock().ok()?;
        let current = self.usable(resource, Instant::now()).filter(|token| !Arc::ptr_eq(token, old));
        if current.is_some() || turn.failed.as_ref().is_some_and(|failed| failed.at.elapsed() < AGAIN) {
            return current;
        }
        match self.login(resource, &mut turn).await {
            Ok(token) => Some(token),
            Err(error) => {
                if !std::mem::replace(&mut turn.complained, true) {
                    tracing::warn!(error = %error.chain(), "no new token for Azure; the one before works until it ends");
                }
                None
            }
        }
    }

    async fn login(&self, resource: &str, turn: &mut Turn) -> Result<Arc<Token>, ProviderError> {
        let granted = match &self.method {
            Method::Entra(entra) => entra.login(resource).await,
            Method::Managed(managed) => managed.login(resource).await,
        };
        match granted {
            Ok(token) => {
                let token = Arc::new(token);
                self.current.store(Some(Arc::clone(&token)));
                *turn = Turn::default();
                Ok(token)
            }
            Err(error) => {
                let (kind, text, wait) = (error.kind(), error.chain(), error.retry_after());
                turn.failed = Some(Failed { at: Instant::now(), kind, text, wait });
                Err(error)
            }
        }
    }

    fn usable(&self, resource: &str, now: Instant) -> Option<Arc<Token>> {
        self.current.load_full().filter(|token| token.resource == resource && now < token.expires)
    }
}

impl Failed {
    fn error(&self) -> ProviderError {
        ProviderError::new(self.kind, self.text.clone()).with_retry_after(self.wait)
    }
}
