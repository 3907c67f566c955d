//! How far one run of the model goes: which KMS, how many nodes, and how many of each event.

use super::kms::{Habits, Times};
use super::node::Broken;

/// How many of each event a schedule may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    pub(super) rotations: u8,
    /// Times that the KMS goes down.
    pub(super) outages: u8,
    /// Rounds or Encrypts of which single calls fail.
    pub(super) faults: u8,
    /// Encrypts in the middle of a round, and rounds in the middle of an Encrypt.
    pub(super) intrusions: u8,
    pub(super) restarts: u8,
    /// Clocks set a tick forward or back.
    pub(super) clocks: u8,
    /// `min_encryption_version` and `min_decryption_version` raised to the newest version.
    pub(super) min_encryption: u8,
    pub(super) min_decryption: u8,
    /// Another key under the same name; then also with rotations of its own at once, and with its oldest versions shut.
    pub(super) replacements: u8,
    pub(super) deletions: u8,
    /// Back to the key at the start, or before the last replacement or deletion.
    pub(super) restores: u8,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    pub(super) name: &'static str,
    pub(super) nodes: usize,
    /// Length of a schedule: each node probes in each tick.
    pub(super) ticks: u8,
    /// The promotion delay, in ticks.
    pub(super) delay: u8,
    /// How many ticks a node's part of the KMS may be behind; 0 = all see everything at once.
    pub(super) lag: u8,
    /// Equal observations where no times are told; 1 where they are.
    pub(super) observations: u32,
    pub(super) habits: Habits,
    pub(super) budget: Budget,
    pub(super) broken: Option<Broken>,
}

impl Scope {
    /// No schedule replaces, deletes or restores the key.
    pub(super) fn keeps_its_key(&self) -> bool {
        self.budget.restores == 0 && !self.loses_its_key()
    }

    pub(super) fn loses_its_key(&self) -> bool {
        self.budget.replacements + self.budget.deletions + self.budget.restores > 0
    }

    /// A process that starts finds out all that the one before went by.
    pub(super) fn starts_where_it_was(&self) -> bool {
        self.lag == 0 && self.budget.clocks == 0 && self.keeps_its_key()
    }

    /// Ticks without an event after which all nodes must agree: the delay, two probes, and the clocks' difference.
    pub(super) fn settled(&self) -> u8 {
        let delay = match self.habits.times {
            Times::Created => self.delay,
            Times::ActiveFrom(after) => after,
            Times::Untold => self.observations as u8,
        };
        delay + 2 + u8::from(self.budget.clocks > 0)
    }
}
