//! The gRPC server on the Unix socket, the authority filter in front of it, and the admin HTTP endpoint.

pub mod authority;
