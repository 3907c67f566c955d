//! The file of the Go Trousseau's `azurekms` provider, and the `azure.json` that it names.

use std::path::Path;

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use trousseau_core::SecretText;
use trousseau_core::section::Fault;

use super::flat::Flat;
use crate::config::{read, yaml};

/// Our field and its name in the legacy file.
pub(super) const NAMES: &[(&str, &str)] = &[
    ("vault", "keyVaultName"),
    ("key", "keyName"),
    ("signingKey.name", "keyName"),
    ("version", "keyVersion"),
    ("auth.clientSecret.tenantId", "configFilePath"),
    ("auth.clientSecret.clientId", "configFilePath"),
];

/// The file that Azure's cloud provider for Kubernetes reads; of its fields, those that say how to log in
/// (kubernetes-sigs/cloud-provider-azure, configuration). `Debug` is not there, as it holds a secret.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CloudProvider {
    cloud: Option<String>,
    tenant_id: Option<String>,
    aad_client_id: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    aad_client_secret: Option<SecretText>,
    aad_client_cert_path: Option<String>,
    use_managed_identity_extension: Option<bool>,
    #[serde(rename = "userAssignedIdentityID")]
    user_assigned_identity_id: Option<String>,
}

/// What a cluster made by kubeadm or AKS engine has in that file's place where the machine logs in.
const BY_MACHINE: &str = "msi";

/// The `azureKeyVault:` section that says the same, and the secret to log in with, if it takes one.
///
/// RSA wraps are signed here, which that provider never did: the key that signs is the one named KEYNAME-signing.
pub(super) fn section(flat: &mut Flat, prefix: &str) -> Result<(Value, Option<SecretText>), Fault> {
    let vault = flat.need(prefix, "keyVaultName", "write the vault's name, without its domain")?;
    let key = flat.need(prefix, "keyName", "write the key's name in the vault")?;
    let hsm = flat.flag(prefix, "managedHSM")?;
    let file = flat.take("configFilePath").unwrap_or_else(|| "/etc/kubernetes/azure.json".to_owned());
    let login = cloud_provider(&file).map_err(|what| {
        let remedy = "correct it, or write a native file with `auth`";
        Fault::new(format!("{prefix}configFilePath"), format!("names a file that {what}"), remedy)
    })?;
    let domain = match login.cloud.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "azurecloud" | "azurepubliccloud") => "azure.net",
        Some("azurechinacloud") => "azure.cn",
        Some("azureusgovernmentcloud" | "azureusgovernment") => "usgovcloudapi.net",
        Some(_) => {
            let remedy = "write a native file, whose `vault` takes any address";
            return Err(Fault::new(format!("{prefix}configFilePath"), "names a file whose `cloud` is unknown", remedy));
        }
    };
    let kind = if hsm { "managedhsm" } else { "vault" };
    let (auth, secret) = auth(login, &format!("{prefix}configFilePath"))?;
    let section = json!({
        "vault": format!("https://{vault}.{kind}.{domain}"),
        "key": key,
        "version": flat.take("keyVersion"),
        "signingKey": { "name": format!("{key}-signing") },
        "auth": auth,
    });
    Ok((section, secret))
}

fn cloud_provider(path: &str) -> Result<CloudProvider, String> {
    let (bytes, _) = read(Path::new(path), path).map_err(|error| format!("can't be read ({error})"))?;
    let text = str::from_utf8(&bytes).map_err(|_| "is no text".to_owned())?;
    if text.trim_start().starts_with('{') {
        // The parser's text could quote the secret, so only its place is told.
        return serde_json::from_str(text)
            .map_err(|error| format!("is no azure.json (line {}, column {})", error.line(), error.column()));
    }
    yaml::read(text, path, None).map_err(|error| format!("is no azure.json, and no YAML ({error})"))
}

fn auth(login: CloudProvider, field: &str) -> Result<(Value, Option<SecretText>), Fault> {
    let said = |value: Option<String>| value.filter(|value| !value.is_empty());
    let secret = login.aad_client_secret.filter(|secret| !secret.expose().is_empty());
    let by_machine = secret.as_ref().is_some_and(|secret| secret.expose().eq_ignore_ascii_case(BY_MACHINE));
    if login.use_managed_identity_extension == Some(true) || by_machine {
        // Both kinds of name are in use there.
        let identity = match said(login.user_assigned_identity_id) {
            Some(id) if id.starts_with('/') => json!({ "resourceId": id }),
            id => json!({ "clientId": id }),
        };
        return Ok((json!({ "managedIdentity": identity }), None));
    }
    if let Some(secret) = secret {
        let (tenant, client) = (said(login.tenant_id), said(login.aad_client_id));
        return Ok((json!({ "clientSecret": { "tenantId": tenant, "clientId": client } }), Some(secret)));
    }
    let what = if said(login.aad_client_cert_path).is_some() {
        "names a file that logs in by a PKCS#12 certificate, which is not read here"
    } else {
        "names a file with neither `aadClientSecret` nor `useManagedIdentityExtension`"
    };
    Err(Fault::new(field, what, "write a native file with `auth.clientCertificate` (PEM) or another `auth`"))
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretText>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(SecretText::new))
}
