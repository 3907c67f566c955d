//! Keys, identity, envelope, promotion and health of a Kubernetes KMS plugin: everything that needs no I/O.
