//! The retry budget: retries stay a small share of calls, so that an outage isn't made worse by them.

use std::sync::atomic::{AtomicU32, Ordering};

/// In tenths of a retry: each call earns two, a retry costs ten, at most a hundred are saved.
pub(super) struct Budget(AtomicU32);

const FULL: u32 = 100;
const EARNED: u32 = 2;
const COST: u32 = 10;

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicU32::new(FULL))
    }
}

impl Budget {
    pub(super) fn earn(&self) {
        // Full is the rule, and then nothing is written to the shared line.
        if self.0.load(Ordering::Relaxed) < FULL {
            self.0.fetch_add(EARNED, Ordering::Relaxed);
        }
    }

    pub(super) fn spend(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |saved| saved.checked_sub(COST)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;

    #[test]
    fn retries_are_a_fifth_of_calls_in_the_long_run() {
        let budget = Budget::default();
        let saved = std::iter::repeat_with(|| budget.spend()).take_while(|spent| *spent).count();
        assert_eq!(saved, 10);
        (0..50).for_each(|_| budget.earn());
        assert_eq!(std::iter::repeat_with(|| budget.spend()).take_while(|spent| *spent).count(), 10);
    }
}
