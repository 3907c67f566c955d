//! What stands for the node's /etc/trousseau.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Command;

use crate::document;
use crate::stage::Stage;

/// A folder of this user: a configuration with a local key.
pub(crate) fn config_on_the_node(stage: &Stage, uid: u32) -> PathBuf {
    let folder = stage.dir().join("etc-trousseau");
    fs::create_dir(&folder).unwrap();
    let key = folder.join("key.yaml");
    let status = Command::new(env!("CARGO_BIN_EXE_trousseau")).args(["keygen", "--file"]).arg(&key).status().unwrap();
    assert!(status.success());
    let text = format!(
        "cluster: test
admin: 127.0.0.1:{}
probe: {{interval: 1s, afterFailure: 1s, promotionDelay: 6s}}
keys:
  - name: primary
    local: {{file: /etc/trousseau/key.yaml}}
",
        stage.admin
    );
    fs::write(folder.join("config.yaml"), text).unwrap();
    for name in ["key.yaml", "config.yaml"] {
        chown(folder.join(name), Some(uid), Some(uid)).unwrap();
    }
    folder
}

/// A folder with what the README's step 1 leaves, and its configuration at this test's address, port and times.
pub(crate) fn token_on_the_node(stage: &Stage) -> PathBuf {
    let folder = stage.dir().join("etc-trousseau");
    stage.shell(&document::block("README.md", "vault").replace("/etc/trousseau", folder.to_str().unwrap()));
    fs::copy(stage.vault_ca(), folder.join("vault-ca.pem")).unwrap();
    let admin = stage.admin;
    let text = document::block("README.md", "config")
        .replace("https://vault.example:8200", &stage.vault().tls_address().unwrap())
        .replace("keys:", "probe: {interval: 1s, afterFailure: 1s, promotionDelay: 6s}\nkeys:");
    fs::write(folder.join("config.yaml"), format!("admin: 127.0.0.1:{admin}\n{text}")).unwrap();
    folder
}
