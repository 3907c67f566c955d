//! Who we are to Vault: the token that goes with every call, and where a new one comes from.

mod lifetime;
mod token;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;
use trousseau_core::ProviderError;

pub(crate) use self::lifetime::{Lifetime, Standing};
pub(crate) use self::token::{Token, TokenSource};

/// How a token is got. Other login methods become further variants.
pub(crate) enum Method {
    /// Somebody else made it.
    Token(TokenSource),
}

/// The token in use. One login at a time, however many calls want a new token.
pub(crate) struct Session {
    method: Method,
    current: ArcSwapOption<Token>,
    turn: Mutex<()>,
    complained: AtomicBool,
}

impl Session {
    pub(crate) fn new(method: Method) -> Self {
        Self { method, current: ArcSwapOption::empty(), turn: Mutex::new(()), complained: AtomicBool::new(false) }
    }

    /// The token in use; gets the first one.
    ///
    /// # Errors
    /// `Denied`, if there is none to be had.
    pub(crate) async fn token(&self) -> Result<Arc<Token>, ProviderError> {
        if let Some(token) = self.current.load_full() {
            return Ok(token);
        }
        let _turn = self.turn.lock().await;
        match self.current.load_full() {
            Some(token) => Ok(token),
            None => self.login(None).await,
        }
    }

    /// A token in place of one that Vault refused; `None` if there is no other.
    pub(crate) async fn instead_of(&self, refused: &Arc<Token>) -> Option<Arc<Token>> {
        let _turn = self.turn.lock().await;
        let current = self.current.load_full();
        if let Some(token) = current.as_ref().filter(|token| !Arc::ptr_eq(token, refused)) {
            return Some(Arc::clone(token));
        }
        self.login(current).await.ok().filter(|token| !Arc::ptr_eq(token, refused))
    }

    /// Looks whether there is a new token. One that can't be read now (a file that is just being written) leaves the
    /// old one in use, with a warning for the first time.
    ///
    /// # Errors
    /// `Denied`, if there is neither a new nor an old one.
    pub(crate) async fn refresh(&self) -> Result<Arc<Token>, ProviderError> {
        let _turn = self.turn.lock().await;
        let old = self.current.load_full();
        match (self.login(old.clone()).await, old) {
            (Ok(token), _) => {
                self.complained.store(false, Ordering::Relaxed);
                Ok(token)
            }
            (Err(error), Some(old)) => {
                if !self.complained.swap(true, Ordering::Relaxed) {
                    tracing::warn!(error = %error.chain(), "no new token for Vault; the one before stays in use");
                }
                Ok(old)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Where the token comes from, for an error text.
    pub(crate) fn origin(&self) -> String {
        let Method::Token(source) = &self.method;
        source.to_string()
    }

    /// Gets a token; the same text keeps being the same `Arc`.
    async fn login(&self, old: Option<Arc<Token>>) -> Result<Arc<Token>, ProviderError> {
        let Method::Token(source) = &self.method;
        let token = source.read().await?;
        if let Some(old) = old.filter(|old| old.same_as(&token)) {
            return Ok(old);
        }
        let token = Arc::new(token);
        self.current.store(Some(Arc::clone(&token)));
        Ok(token)
    }
}
