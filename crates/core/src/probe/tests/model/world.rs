//! Where all stand at one moment, as plain data.

use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;

use super::scope::Budget;

/// What can happen next: its name, and the world after it.
pub(super) type Next = Vec<(Rc<str>, World)>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Slot {
    pub(super) node: u32,
    /// How many changes of the KMS this node's part of it has not heard of.
    pub(super) behind: u8,
    pub(super) probed: bool,
    /// Its clock, in ticks beside the right time.
    pub(super) skew: i8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) time: u8,
    /// The states of the KMS that some node still sees, and since when; the newest last.
    pub(super) kms: Vec<(u8, u16)>,
    pub(super) saved: u16,
    /// Sorted: the nodes are alike.
    pub(super) slots: Vec<Slot>,
    pub(super) down: bool,
    /// Ticks since the last event.
    pub(super) quiet: u8,
    pub(super) left: Budget,
    pub(super) records: Vec<u16>,
    pub(super) materials: u8,
}

impl World {
    pub(super) fn newest(&self) -> u16 {
        self.kms[self.kms.len() - 1].1
    }

    /// The KMS as this slot's part of it is.
    pub(super) fn view(&self, slot: &Slot) -> u16 {
        self.kms[self.kms.len() - 1 - usize::from(slot.behind)].1
    }

    /// Ends a step: nodes are alike, and what no node sees any more is forgotten.
    pub(super) fn tidy(&mut self) {
        self.slots.sort_unstable();
        let oldest = self.slots.iter().map(|slot| usize::from(slot.behind)).max().unwrap_or(0);
        self.kms.drain(..self.kms.len() - 1 - oldest);
        self.kms[0].0 = if oldest == 0 { 0 } else { self.kms[0].0 };
    }
}

/// Each value once, by number.
pub(super) struct Interned<T> {
    pub(super) all: Vec<T>,
    pub(super) index: HashMap<T, u32>,
}

impl<T: Clone + Eq + Hash> Interned<T> {
    pub(super) fn new() -> Self {
        Self { all: Vec::new(), index: HashMap::new() }
    }

    pub(super) fn put(&mut self, value: &T) -> u32 {
        if let Some(at) = self.index.get(value) {
            return *at;
        }
        let at = self.all.len() as u32;
        self.all.push(value.clone());
        self.index.insert(value.clone(), at);
        at
    }
}
