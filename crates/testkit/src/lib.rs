//! The provider contract suite, a fake provider, and a scripted HTTPS server.

pub mod azure;
pub mod ca;
pub mod contract;
pub mod fake;
pub mod https;
