#!/bin/sh
# Vault's side of the DaemonSet vault-kms-provider: transit key, policies, token, key-value entry, Kubernetes auth.
# Run by somebody who may do all of this. Safe to run again: it makes a new token, and leaves the key as it is.
#
#   VAULT_ADDR, VAULT_TOKEN   as for any vault command
#   VAULT_ADDRESS             Vault's address as the control-plane nodes reach it (default: VAULT_ADDR)
#   KUBERNETES_HOST           https://HOST:PORT of the API server, as Vault reaches it
#   KUBERNETES_CA             file with the CA of the API server
#   TRANSIT_KEY               the key's name (default: kubernetes)
set -eu
: "${VAULT_ADDR:?name Vault, such as https://vault.example:8200}"
: "${KUBERNETES_HOST:?name the API server as Vault reaches it, such as https://10.0.0.1:6443}"
: "${KUBERNETES_CA:?name the file with the CA of the API server}"
address=${VAULT_ADDRESS:-$VAULT_ADDR}
key=${TRANSIT_KEY:-kubernetes}

has() { vault read "$1" >/dev/null 2>&1; }

# The key that never leaves Vault.
has sys/mounts/transit || vault secrets enable transit
has "transit/keys/$key" || vault write -f "transit/keys/$key"
vault policy write trousseau-transit - <<POLICY
path "transit/encrypt/$key" { capabilities = ["update"] }
path "transit/decrypt/$key" { capabilities = ["update"] }
path "transit/keys/$key"    { capabilities = ["read"] }
POLICY

# What the agent hands to the plugin. The plugin renews the token; without it for 768 h, it ends.
has sys/mounts/secret || vault secrets enable -path=secret -version=2 kv
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  # A new store refuses everything for a moment.
  vault read secret/config >/dev/null 2>&1 && break
  sleep 1
done
token=$(vault token create -orphan -policy=trousseau-transit -period=768h -field=token)
# By standard input: an argument would show in the list of processes.
printf %s "$token" | vault kv put -mount=secret trousseau/config \
  transitkeyname="$key" vaultaddress="$address" ttl=30s vaulttoken=- >/dev/null

# Who may read that: the DaemonSet's service account, and nobody else.
vault policy write trousseau-config - <<'POLICY'
path "secret/data/trousseau/config" { capabilities = ["read"] }
POLICY
has sys/auth/kubernetes || vault auth enable kubernetes
# Without a token of its own, Vault has each token reviewed with that token itself.
vault write auth/kubernetes/config \
  kubernetes_host="$KUBERNETES_HOST" kubernetes_ca_cert=@"$KUBERNETES_CA" disable_local_ca_jwt=true
vault write auth/kubernetes/role/vault-kms-provider \
  bound_service_account_names=vault-kms-provider bound_service_account_namespaces=kube-system \
  token_policies=trousseau-config token_ttl=1h
