//! A local key file as a KMS: versioned keys, AES-256-GCM.
