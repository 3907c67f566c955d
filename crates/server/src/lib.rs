//! The gRPC server on the Unix socket, the authority filter in front of it, and the admin HTTP endpoint.
//!
//! A request's way: [`socket`] (bound and checked) → accept (who may connect, how many) → [`authority`] → stock tonic →
//! the service of its API → [`Current`] keyring.

mod accept;
pub mod admin;
pub mod authority;
mod call;
mod connection;
mod current;
pub mod grpc;
pub mod socket;
mod v1;
mod v2;

pub use current::{Current, StatusVersion};
