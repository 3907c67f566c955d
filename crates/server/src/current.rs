//! The keyring in use: swapped as a whole by a reload, absent until there is a configuration.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tokio::sync::Notify;
use tokio::time::Instant;
use trousseau_core::{Call, ErrorKind, Health, Keyring, ProviderError};

/// What v2's `Status.version` says. Right for every Kubernetes release from 1.27 on is `v2beta1`; an API server refuses
/// a plugin whose answer changes while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusVersion {
    /// `v2`: Kubernetes 1.29 and later.
    V2,
    /// `v2beta1`.
    #[default]
    V2Beta1,
}

impl StatusVersion {
    /// The text in the answer.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2 => "v2",
            Self::V2Beta1 => "v2beta1",
        }
    }
}

/// The keyring that calls are answered with.
#[derive(Default)]
pub struct Current {
    keyring: ArcSwapOption<Keyring>,
    replaced: Notify,
}

impl Current {
    /// Swaps the keyring; calls in flight end with the old one.
    pub fn replace(&self, keyring: Arc<Keyring>) {
        self.keyring.store(Some(keyring));
        self.replaced.notify_waiters();
    }

    /// The keyring, if there is one yet.
    pub fn get(&self) -> Option<Arc<Keyring>> {
        self.keyring.load_full()
    }

    /// The writing key's health, if there is a keyring yet.
    pub fn health(&self) -> Option<Health> {
        self.keyring.load().as_ref().map(|keyring| keyring.health())
    }

    /// The keyring for a call that needs the writing key: once the first probe has told something, within the call's
    /// time.
    ///
    /// # Errors
    /// As [`keyring`](Self::keyring).
    pub(crate) async fn probed(&self, call: &Call) -> Result<Arc<Keyring>, ProviderError> {
        let keyring = self.keyring()?;
        if keyring.is_probed() {
            return Ok(keyring);
        }
        let began = Instant::now();
        let outcome = self.wait(call.deadline).await;
        call.add_wait(began.elapsed());
        outcome
    }

    /// Waits for the first probe; of the next keyring, if a reload replaces this one meanwhile.
    async fn wait(&self, deadline: Instant) -> Result<Arc<Keyring>, ProviderError> {
        loop {
            // Before the look at the keyring, so that no replacement is missed.
            let replaced = self.replaced.notified();
            let keyring = self.keyring()?;
            tokio::select! {
                () = keyring.first_probe(deadline) => return Ok(keyring),
                () = replaced => {}
            }
        }
    }

    /// The keyring for a call.
    ///
    /// # Errors
    /// [`Stopped`](ErrorKind::Stopped) while no configuration was read.
    pub(crate) fn keyring(&self) -> Result<Arc<Keyring>, ProviderError> {
        self.get().ok_or_else(|| {
            let text =
                "no configuration was read yet: the file is absent or can't be used; see the log or /readyz?verbose";
            ProviderError::new(ErrorKind::Stopped, text)
        })
    }
}
