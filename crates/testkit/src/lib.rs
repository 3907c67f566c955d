//! The provider contract suite, a fake provider, and a scripted HTTPS server.

pub mod ca;
pub mod https;
