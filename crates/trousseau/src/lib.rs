//! The parts of the `trousseau` program: configuration, wiring, and its commands.

pub mod bench;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod demo;
pub mod dev;
pub mod random;
pub mod reload;
pub mod running;
pub mod watch;
pub mod wire;
