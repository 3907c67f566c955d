//! What a run of the model came to.

use std::fmt;

/// What a run has seen.
#[derive(Clone, Copy)]
pub(super) struct Explored {
    pub(super) states: usize,
    pub(super) transitions: usize,
    /// Acts of the real code.
    pub(super) acts: usize,
    /// States in which all had to agree, with every event behind them.
    pub(super) settled: usize,
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, transitions, acts, settled } = self;
        write!(f, "{states} states, {settled} of them settled, {transitions} transitions, {acts} acts of the real code")
    }
}

/// A schedule after which something does not hold.
#[derive(Debug)]
pub(super) struct Violation {
    pub(super) what: String,
    pub(super) schedule: Vec<String>,
}
