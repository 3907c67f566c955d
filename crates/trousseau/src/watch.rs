//! Tells when a file changed.
