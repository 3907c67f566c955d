//! Rounds of the probe: who asks for one, and who waits for its end.

use tokio::time::Instant;

use super::Writer;

/// Probe rounds so far.
#[derive(Clone, Copy, Default)]
pub(super) struct Rounds {
    begun: u64,
    /// The number of the last one that ended.
    ended: u64,
}

impl Writer {
    /// Asks for a probe at once.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Asks for a probe at once and waits until a round that began later has ended, or the deadline has come.
    pub(crate) async fn wake_and_wait(&self, deadline: Instant) {
        let mut rounds = self.rounds.subscribe();
        let later = rounds.borrow_and_update().begun + 1;
        self.wake.notify_one();
        // Timed out: the caller finds the old snapshot and says so.
        let _ = tokio::time::timeout_at(deadline, rounds.wait_for(|rounds| rounds.ended >= later)).await;
    }

    /// Waits until a first round has ended, or until then.
    pub(crate) async fn first_round(&self, end: Instant) {
        let mut rounds = self.rounds.subscribe();
        let _ = tokio::time::timeout_at(end, rounds.wait_for(|rounds| rounds.ended > 0)).await;
    }

    pub(crate) fn round_begins(&self) {
        self.rounds.send_modify(|rounds| rounds.begun += 1);
    }

    pub(crate) fn round_ends(&self) {
        self.rounds.send_modify(|rounds| rounds.ended = rounds.begun);
    }

    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }
}
