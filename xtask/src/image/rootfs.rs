//! What lies in the image.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{licences, sbom};
use crate::cargo::root;

/// The user that the process runs as: nobody's on a Debian, RHEL or Flatcar node.
pub(super) const UID: u32 = 10123;
/// The command.
pub(super) const BINARY: &str = "/usr/local/bin/trousseau";

/// One file: its path without the leading slash, its mode, its content.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) mode: u32,
    pub(crate) content: Vec<u8>,
}

/// All files, in the order in which they lie in the layer.
pub(super) fn files(binary: &Path, metadata: &Value) -> Result<Vec<File>> {
    let program = fs::read(binary).with_context(|| format!("read {}", binary.display()))?;
    let licence = fs::read(Path::new(root()).join("LICENSE")).context("read LICENSE")?;
    let passwd = format!("root:x:0:0::/:/\ntrousseau:x:{UID}:{UID}::/:/\n");
    let group = format!("root:x:0:\ntrousseau:x:{UID}:\n");
    let plain = |path: &str, content: Vec<u8>| File { path: path.to_owned(), mode: 0o644, content };
    let mut files = vec![
        plain("etc/group", group.into_bytes()),
        plain("etc/passwd", passwd.into_bytes()),
        plain("etc/ssl/certs/ca-certificates.crt", ca_bundle().into_bytes()),
        File { path: BINARY.trim_start_matches('/').to_owned(), mode: 0o755, content: program },
        plain("usr/share/doc/trousseau/LICENSE", licence),
        plain("usr/share/doc/trousseau/third-party-licences.txt", licences::text(metadata)?.into_bytes()),
        plain("usr/share/doc/trousseau/sbom.cdx.json", sbom::cyclone_dx(metadata)?.into_bytes()),
    ];
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Mozilla's roots as PEM, for the KMS of clouds whose CA nobody configures.
fn ca_bundle() -> String {
    use base64::Engine as _;
    let mut bundle = String::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        let text = base64::engine::general_purpose::STANDARD.encode(certificate);
        bundle.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in text.as_bytes().chunks(64) {
            // Base64 is ASCII.
            bundle.push_str(&String::from_utf8_lossy(line));
            bundle.push('\n');
        }
        bundle.push_str("-----END CERTIFICATE-----\n");
    }
    bundle
}
