//! The image's configuration, manifest and layout (OCI image specification 1.1).

use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result};
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::Recipe;
use super::rootfs::{BINARY, UID};

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The SHA-256 in hex.
pub(crate) fn hex_digest(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// JSON whose bytes are always the same: object keys are sorted.
pub(super) fn to_bytes(value: &Value) -> Result<Vec<u8>> {
    serde_json::to_vec(value).context("write JSON")
}

/// The configuration: what runs, as whom, and the labels.
pub(super) fn config(recipe: &Recipe, layer: &[u8]) -> Result<Vec<u8>> {
    let version = recipe.name.rsplit(':').next().unwrap_or_default();
    to_bytes(&json!({
        "architecture": "amd64",
        "os": "linux",
        "created": time(recipe.time),
        "config": {
            "User": format!("{UID}:{UID}"),
            "Entrypoint": [BINARY],
            "Cmd": ["serve"],
            "Env": ["PATH=/usr/local/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"],
            "WorkingDir": "/",
            "StopSignal": "SIGTERM",
            "Labels": {
                "org.opencontainers.image.title": "trousseau",
                "org.opencontainers.image.description": "A Kubernetes KMS plugin",
                "org.opencontainers.image.version": version,
                "org.opencontainers.image.revision": recipe.revision,
                "org.opencontainers.image.created": time(recipe.time),
                "org.opencontainers.image.licenses": "Apache-2.0",
                "org.opencontainers.image.source": "https://github.com/trousseau-io/trousseau",
            },
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", hex_digest(layer))] },
        "history": [{ "created": time(recipe.time), "created_by": "cargo xtask image" }],
    }))
}

/// Writes the layout and answers the manifest's digest.
pub(super) fn layout(recipe: &Recipe, layer: &[u8], config: &[u8], folder: &Path) -> Result<String> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).with_context(|| format!("create {}", blobs.display()))?;
    let blob = |media: &str, bytes: &[u8]| -> Result<Value> {
        let name = hex_digest(bytes);
        fs::write(blobs.join(&name), bytes).with_context(|| format!("write {}", blobs.join(&name).display()))?;
        Ok(json!({ "mediaType": media, "digest": format!("sha256:{name}"), "size": bytes.len() }))
    };
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": blob(CONFIG, config)?,
        "layers": [blob(LAYER, layer)?],
    });
    let mut described = blob(MANIFEST, &to_bytes(&manifest)?)?;
    let manifest_digest = described["digest"].as_str().unwrap_or_default().to_owned();
    described["platform"] = json!({ "architecture": "amd64", "os": "linux" });
    described["annotations"] = json!({ "org.opencontainers.image.ref.name": recipe.name });
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [described] });
    fs::write(folder.join("index.json"), to_bytes(&index)?).context("write index.json")?;
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).context("write oci-layout")?;
    Ok(manifest_digest)
}

fn time(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}
