#!/bin/sh
# Vault's side of the DaemonSet vault-kms-provider: transit key, policies, token, key-value entry, Kubernetes auth.
# Run by somebody who may do all of this. Safe to run again: it makes a new token, and leaves the key as it is.
#
#   VAULT_ADDR, VAULT_TOKEN   as for any vault command
#   VAULT_ADDRESS             Vault's address as the control-plane nodes reach it (default: VAULT_ADDR)
#   KUBERNETES_HOST           https://HOST:PORT of the API server, as Vault reaches it
#   KUBERNETES_CA             file with the CA of the API server
#
# Where one Vault serves several clusters, each has its own; agent.hcl and the templates must name the same:
#   AUTH_MOUNT                its Kubernetes auth, without auth/ (default: kubernetes)
#   ROLE                      the role in it (default: vault-kms-provider)
#   POLICY                    how its two policies begin (default: trousseau)
#   KV_MOUNT, KV_PATH         its key-value entry (default: secret, trousseau/config)
#   TRANSIT_MOUNT, TRANSIT_KEY   its key (default: transit, kubernetes)
#   FORCE=1                   AUTH_MOUNT may name another API server: this cluster's has moved
set -eu
: "${VAULT_ADDR:?name Vault, such as https://vault.example:8200}"
: "${KUBERNETES_HOST:?name the API server as Vault reaches it, such as https://10.0.0.1:6443}"
: "${KUBERNETES_CA:?name the file with the CA of the API server}"
address=${VAULT_ADDRESS:-$VAULT_ADDR}
auth=${AUTH_MOUNT:-kubernetes} role=${ROLE:-vault-kms-provider} policy=${POLICY:-trousseau}
kv=${KV_MOUNT:-secret} entry=${KV_PATH:-trousseau/config}
transit=${TRANSIT_MOUNT:-transit} key=${TRANSIT_KEY:-kubernetes}

has() { vault read "$1" >/dev/null 2>&1; }

host=$(vault read -field=kubernetes_host "auth/$auth/config" 2>/dev/null) || host=
if [ -n "$host" ] && [ "$host" != "$KUBERNETES_HOST" ] && [ "${FORCE:-}" != 1 ]; then
  echo "auth/$auth is that of $host: name another AUTH_MOUNT, or set FORCE=1; nothing was changed" >&2
  exit 1
fi

# The key that never leaves Vault.
has "sys/mounts/$transit" || vault secrets enable -path="$transit" transit
has "$transit/keys/$key" || vault write -f "$transit/keys/$key"
vault policy write "$policy-transit" - <<POLICY
path "$transit/encrypt/$key" { capabilities = ["update"] }
path "$transit/decrypt/$key" { capabilities = ["update"] }
path "$transit/keys/$key"    { capabilities = ["read"] }
POLICY

# What the agent hands to the plugin. The plugin renews the token; without it for 768 h, it ends.
has "sys/mounts/$kv" || vault secrets enable -path="$kv" -version=2 kv
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  # A new store refuses everything for a moment.
  has "$kv/config" && break
  sleep 1
done
token=$(vault token create -orphan -policy="$policy-transit" -period=768h -field=token)
# By standard input: an argument would show in the list of processes.
printf %s "$token" | vault kv put -mount="$kv" "$entry" \
  transitkeyname="$key" vaultaddress="$address" ttl=30s vaulttoken=- >/dev/null

# Who may read that: the DaemonSet's service account, and nobody else.
vault policy write "$policy-config" - <<POLICY
path "$kv/data/$entry" { capabilities = ["read"] }
POLICY
has "sys/auth/$auth" || vault auth enable -path="$auth" kubernetes
# Without a token of its own, Vault has each token reviewed with that token itself.
vault write "auth/$auth/config" \
  kubernetes_host="$KUBERNETES_HOST" kubernetes_ca_cert=@"$KUBERNETES_CA" disable_local_ca_jwt=true
vault write "auth/$auth/role/$role" \
  bound_service_account_names=vault-kms-provider bound_service_account_namespaces=kube-system \
  token_policies="$policy-config" token_ttl=1h
