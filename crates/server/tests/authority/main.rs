//! The authority filter, judged by the h2 that it stands in front of.
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod fuzz;
mod generated;
mod golden;
mod oracle;
mod over_tonic;
mod wire;
