//! HashiCorp Vault and OpenBao transit as a KMS.
