vault {
  address = "https://vault.example:8200"
  ca_cert = "/etc/vault-agent/vault-ca.pem"
}

auto_auth {
  method "kubernetes" {
    mount_path = "auth/kubernetes"
    # Vault's own default is 5 minutes, which a node would go without Secrets after Vault is back.
    max_backoff = "10s"
    config = {
      role       = "vault-kms-provider"
      token_path = "/var/run/secrets/vault/token"
    }
  }
}

template_config {
  static_secret_render_interval = "60s"
}

# The token first: the configuration names it.
template {
  source      = "/etc/vault-agent/token.ctmpl"
  destination = "/etc/secrets/token"
  perms       = "0600"
}

template {
  source      = "/etc/vault-agent/config.yaml.ctmpl"
  destination = "/etc/secrets/config.yaml"
  perms       = "0600"
}
