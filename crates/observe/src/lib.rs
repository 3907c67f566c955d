//! Logs and the metrics registry.

pub mod log;
mod metrics;
mod narrate;
mod process;

pub use metrics::{Metrics, Rpc};
