//! What an administrator of Vault does, as root: keys, policies, tokens. Each fails when Vault refuses.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::Vault;
use crate::artifact::Server;
use crate::wait;

/// The credentials of an AppRole.
#[derive(Clone, Debug)]
pub struct AppRole {
    /// The role's id.
    pub role_id: String,
    /// A secret id of it, without limit of time or uses.
    pub secret_id: String,
}

impl Vault {
    /// Mounts the transit engine at `mount`.
    pub fn enable_transit(&self, mount: &str) -> Result<()> {
        self.root("POST", &format!("sys/mounts/{mount}"), &json!({"type": "transit"})).map(drop)
    }

    /// Creates a transit key; `kind` as Vault names it: `aes256-gcm96`, `rsa-4096`, ...
    pub fn create_key(&self, mount: &str, name: &str, kind: &str) -> Result<()> {
        self.root("POST", &format!("{mount}/keys/{name}"), &json!({"type": kind})).map(drop)
    }

    /// Adds a version to a transit key.
    pub fn rotate(&self, mount: &str, name: &str) -> Result<()> {
        self.root("POST", &format!("{mount}/keys/{name}/rotate"), &Value::Null).map(drop)
    }

    /// Sets a transit key's `min_encryption_version`, `min_decryption_version`, `deletion_allowed`, ...
    pub fn configure_key(&self, mount: &str, name: &str, settings: &Value) -> Result<()> {
        self.root("POST", &format!("{mount}/keys/{name}/config"), settings).map(drop)
    }

    /// Deletes a transit key with all its versions; allows the deletion first.
    pub fn delete_key(&self, mount: &str, name: &str) -> Result<()> {
        self.configure_key(mount, name, &json!({"deletion_allowed": true}))?;
        self.root("DELETE", &format!("{mount}/keys/{name}"), &Value::Null).map(drop)
    }

    /// Writes a policy in HCL.
    pub fn policy(&self, name: &str, hcl: &str) -> Result<()> {
        self.root("PUT", &format!("sys/policies/acl/{name}"), &json!({"policy": hcl})).map(drop)
    }

    /// Creates a token without parent; `ttl` as Vault writes it, such as `10s`.
    pub fn token(&self, policies: &[&str], ttl: &str, renewable: bool) -> Result<String> {
        let body = json!({"policies": policies, "ttl": ttl, "renewable": renewable, "no_parent": true});
        let answer = self.root("POST", "auth/token/create", &body)?;
        text(&answer["auth"]["client_token"])
    }

    /// Revokes a token.
    pub fn revoke(&self, token: &str) -> Result<()> {
        self.root("POST", "auth/token/revoke", &json!({"token": token})).map(drop)
    }

    /// Creates an AppRole (enabling the method on the first call) and one secret id.
    pub fn approle(&self, role: &str, policies: &[&str]) -> Result<AppRole> {
        if self.root("GET", "sys/auth/approle", &Value::Null).is_err() {
            self.root("POST", "sys/auth/approle", &json!({"type": "approle"}))?;
        }
        let path = format!("auth/approle/role/{role}");
        self.root("POST", &path, &json!({"token_policies": policies}))?;
        let role_id = self.root("GET", &format!("{path}/role-id"), &Value::Null)?;
        let secret_id = self.root("POST", &format!("{path}/secret-id"), &json!({}))?;
        Ok(AppRole { role_id: text(&role_id["data"]["role_id"])?, secret_id: text(&secret_id["data"]["secret_id"])? })
    }

    /// Mounts a key-value store, version 2, at `mount`, and waits until it can be used: 30 s at most.
    pub fn enable_kv(&self, mount: &str) -> Result<()> {
        self.root("POST", &format!("sys/mounts/{mount}"), &json!({"type": "kv", "options": {"version": "2"}}))?;
        // It refuses everything for a moment: "Upgrading from non-versioned to versioned data".
        wait::until(Duration::from_secs(30), "the key-value store", || {
            let (status, _) = self.api("GET", &format!("{mount}/config"), &Value::Null, self.root_token())?;
            Ok((status == 200).then_some(()))
        })
    }

    /// Writes one entry of a key-value store, version 2: `data` is an object.
    pub fn kv_put(&self, mount: &str, path: &str, data: &Value) -> Result<()> {
        self.root("POST", &format!("{mount}/data/{path}"), &json!({"data": data})).map(drop)
    }

    /// Makes the Kubernetes auth method known, which this Vault is built without: `vault auth enable kubernetes` works
    /// from then on as with any other.
    pub fn add_kubernetes_auth(&self) -> Result<()> {
        let name = "vault-plugin-auth-kubernetes";
        let installed = self.config.dir.join("plugins").join(name);
        fs::copy(Server::VaultKubernetesAuth.path()?, &installed)
            .with_context(|| format!("vault: copy the plugin to {}", installed.display()))?;
        let program = fs::read(&installed).with_context(|| format!("read {}", installed.display()))?;
        let hash: String = digest(&SHA256, &program).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let body = json!({"sha256": hash, "command": name});
        self.root("PUT", "sys/plugins/catalog/auth/kubernetes", &body).map(drop)
    }

    /// Writes an audit log to the file `path`: one JSON line per request and per answer, with values hashed.
    pub fn audit(&self, path: &Path) -> Result<()> {
        self.root("PUT", "sys/audit/file", &json!({"type": "file", "options": {"file_path": path}})).map(drop)
    }
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().context("vault: the answer lacks what was asked for; is this Vault older than 1.10?")?.to_owned())
}
