//! Idle connections, kept for the next request to the same origin.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::Origin;
use crate::exchange::Connection;

pub(crate) struct Pool {
    max_idle: usize,
    idle_for: Duration,
    idle: Mutex<HashMap<Origin, Vec<Idle>>>,
}

struct Idle {
    connection: Connection,
    until: Instant,
}

impl Pool {
    pub(crate) fn new(max_idle: usize, idle_for: Duration) -> Self {
        Self { max_idle, idle_for, idle: Mutex::default() }
    }

    /// The connection to `origin` that was used last, so that those not needed grow old.
    pub(crate) fn take(&self, origin: &Origin) -> Option<Connection> {
        let mut idle = self.lock();
        let connections = idle.get_mut(origin)?;
        let now = Instant::now();
        while let Some(Idle { connection, until }) = connections.pop() {
            if until > now && !connection.is_closed() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose answer has been read to its end. The old and closed ones of all origins go.
    pub(crate) fn put(&self, origin: &Origin, connection: Connection) {
        let now = Instant::now();
        let mut idle = self.lock();
        idle.retain(|_, connections| {
            connections.retain(|one| one.until > now && !one.connection.is_closed());
            !connections.is_empty()
        });
        let connections = idle.entry(origin.clone()).or_default();
        if connections.len() < self.max_idle {
            connections.push(Idle { connection, until: now + self.idle_for });
        }
    }

    /// Closes all idle connections to `origin`.
    pub(crate) fn forget(&self, origin: &Origin) {
        self.lock().remove(origin);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Origin, Vec<Idle>>> {
        // Whoever panicked here left a valid map behind.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
