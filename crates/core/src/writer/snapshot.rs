//! One version of the writing key as it is announced, and whether anything was encrypted under it.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::Secret;
use crate::key_id::KeyId;
use crate::version::KeyVersion;

/// The active version of the writing key, proven by a wrap that opened again.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) key_id: KeyId,
    pub(crate) version: KeyVersion,
    /// A wrap of `secret`, made when the snapshot was: each probe opens it again.
    pub(crate) witness: Vec<u8>,
    pub(crate) secret: Secret,
    use_state: AtomicU8,
}

const UNUSED: u8 = 0;
const USED: u8 = 1;
const WITHDRAWN: u8 = 2;

impl Snapshot {
    pub(crate) fn new(key_id: KeyId, version: KeyVersion, witness: Vec<u8>, secret: Secret) -> Self {
        Self { key_id, version, witness, secret, use_state: AtomicU8::new(UNUSED) }
    }

    /// Marks that an Encrypt is answered under this id; false if the id was taken back meanwhile.
    pub(crate) fn mark_used(&self) -> bool {
        let seen = self.use_state.compare_exchange(UNUSED, USED, Ordering::AcqRel, Ordering::Acquire);
        seen != Err(WITHDRAWN)
    }

    pub(crate) fn is_used(&self) -> bool {
        self.use_state.load(Ordering::Acquire) == USED
    }

    /// Taken back: no Encrypt is answered under this snapshot any more.
    pub(crate) fn is_withdrawn(&self) -> bool {
        self.use_state.load(Ordering::Acquire) == WITHDRAWN
    }

    /// Takes the id back, unless an Encrypt was answered under it.
    pub(crate) fn withdraw(&self) -> bool {
        self.use_state.compare_exchange(UNUSED, WITHDRAWN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Unused, used or withdrawn: for the model, which takes states apart and puts them together again.
    #[cfg(test)]
    pub(crate) fn use_state(&self) -> u8 {
        self.use_state.load(Ordering::Acquire)
    }

    #[cfg(test)]
    pub(crate) fn in_use_state(self, state: u8) -> Self {
        Self { use_state: AtomicU8::new(state), ..self }
    }
}
