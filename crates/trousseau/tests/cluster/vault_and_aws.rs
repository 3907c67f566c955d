//! A Vault and AWS KMS's emulator side by side, each with a key.

use std::path::Path;

use tempfile::TempDir;
use trousseau_cluster::{AwsKms, Emulator, Vault};

use crate::plane::in_aws;
use crate::rig::{KEY, vault};

/// Both, and what the configuration says of each.
pub(crate) struct Both {
    pub(crate) vault: Vault,
    pub(crate) in_vault: String,
    pub(crate) aws: AwsKms,
    pub(crate) in_aws: String,
    pub(crate) dir: TempDir,
}

impl Both {
    pub(crate) fn start() -> Self {
        let dir = TempDir::with_prefix("trousseau-").unwrap();
        let vault = vault(dir.path());
        let in_vault = in_vault("vault", &vault, dir.path());
        let aws = AwsKms::start(Emulator::Moto, dir.path().join("kms")).unwrap();
        let arn = aws.create_key("eu-west-1", false).unwrap();
        let in_aws = in_aws("aws", &aws, &arn, dir.path());
        Self { vault, in_vault, aws, in_aws, dir }
    }
}

/// A key in this Vault, for a configuration; its token lies in the folder.
pub(crate) fn in_vault(name: &str, vault: &Vault, dir: &Path) -> String {
    format!(
        "{{name: {name}, vault: {{address: {}, allowHttp: true, transit: {{key: {KEY}}}, auth: {{token: {{file: {}/token}}}}}}}}",
        vault.address(),
        dir.display()
    )
}
