//! Places for calls in flight, and a bounded queue for them.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

/// So many calls at once; the others wait here.
pub(super) struct Places {
    free: Semaphore,
    waiting: AtomicUsize,
}

/// Why there is no place.
pub(super) enum NoPlace {
    /// As many wait already as may.
    QueueFull,
    /// None was free by the deadline.
    Deadline,
}

impl Places {
    pub(super) fn new(count: usize) -> Self {
        Self { free: Semaphore::new(count), waiting: AtomicUsize::new(0) }
    }

    /// A place, for which `queue` calls may wait.
    pub(super) async fn take(&self, queue: usize, deadline: Instant) -> Result<SemaphorePermit<'_>, NoPlace> {
        if let Ok(place) = self.free.try_acquire() {
            return Ok(place);
        }
        let waiting = Waiting::enter(&self.waiting);
        if waiting.count > queue {
            return Err(NoPlace::QueueFull);
        }
        match timeout_at(deadline, self.free.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            // The semaphore is never closed, so this is the deadline.
            Ok(Err(_)) | Err(_) => Err(NoPlace::Deadline),
        }
    }
}

/// Counts a waiting call for as long as it waits, also when it is cancelled.
struct Waiting<'a> {
    counter: &'a AtomicUsize,
    count: usize,
}

impl<'a> Waiting<'a> {
    fn enter(counter: &'a AtomicUsize) -> Self {
        Self { counter, count: counter.fetch_add(1, Ordering::Relaxed) + 1 }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.counter.fetch_sub(1, Ordering::Relaxed);
    }
}
