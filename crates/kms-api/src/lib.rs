//! Kubernetes' KMS provider API, v1beta1 and v2, as generated Rust.
