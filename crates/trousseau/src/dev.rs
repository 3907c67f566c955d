//! `serve --dev`: a local key of its own, for trying things out.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use anyhow::Context as _;

use crate::config::{Config, Environment, Loaded, parse};
use crate::wire::keygen;

/// Makes the data folder and its key where they are absent, and the configuration that uses them.
///
/// # Errors
/// A folder or key file that can't be made.
pub fn prepare(data: &Path, environment: &Environment) -> anyhow::Result<Loaded> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("folder {}", data.display()))?;
    let data = data.canonicalize().with_context(|| format!("folder {}", data.display()))?;
    let file = data.join("local.key");
    if !file.exists() {
        keygen(&file, false, None).context("the development key")?;
    }
    let text = format!(
        "socket: {{path: {}}}\nlog: {{format: text}}\nkeys:\n  - name: dev\n    local: {{file: {}}}\n",
        quoted(&data.join("kms.sock")),
        quoted(&file)
    );
    Ok(parse(&text, "serve --dev", environment)?)
}

/// Prints what to give to kube-apiserver.
///
/// # Errors
/// The stream's.
pub fn print(config: &Config, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "# A development key. For kube-apiserver's --encryption-provider-config:")?;
    writeln!(out, "{}", encryption_configuration(&config.socket.path))?;
    out.flush()
}

/// The EncryptionConfiguration that makes an API server encrypt Secrets through a socket.
pub fn encryption_configuration(socket: &Path) -> String {
    format!(
        "apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - kms:
          apiVersion: v2
          name: trousseau
          endpoint: unix://{}
      - identity: {{}}  # reads what is not encrypted yet; drop it once all is rewritten",
        socket.display()
    )
}

/// A path as a YAML string in double quotes, which JSON's are.
fn quoted(path: &Path) -> String {
    serde_json::Value::from(path.to_string_lossy()).to_string()
}
