//! `demo`: the plugin at work, with kube-apiserver's part played here, step by step and in the open.

pub mod cluster;
mod plugin;
mod print;
mod secret;

use std::time::Duration;

use anyhow::{Context as _, ensure};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use trousseau_record::{EncryptedObject, SourceType, Stored, open, seal};

use plugin::Plugin;
use print::{Page, hexdump};
use secret::{ETCD_KEY, SECRET_VALUE, secret};

use crate::wire::keygen;

/// Plays it all; ends by itself.
///
/// # Errors
/// The step that didn't do what it should.
pub async fn run() -> anyhow::Result<()> {
    let page = Page::new();
    page.title("Trousseau demo: an embedded key, and kube-apiserver played by this program");

    let mut plugin = Plugin::start().await?;
    page.step("The plugin runs. Its configuration:");
    page.quote(&plugin.configuration());
    page.step("What kube-apiserver would be given (--encryption-provider-config):");
    page.quote(&crate::dev::encryption_configuration(plugin.socket()));

    let status = plugin.status().await?;
    page.step("Status, as kube-apiserver polls it:");
    page.fact("version", &status.version);
    page.fact("healthz", &status.healthz);
    page.fact("key_id", &status.key_id);
    ensure!(status.healthz == "ok", "the plugin is not healthy: {}", status.healthz);

    let mut seed = [0; 32];
    SystemRandom::new().fill(&mut seed).ok().context("no random bytes")?;
    let encrypted = plugin.encrypt(&seed).await?;
    page.step("Encrypt of a fresh 32-byte seed: what comes back is stored beside every object");
    page.fact("ciphertext", &format!("{} bytes", encrypted.ciphertext.len()));
    page.quote(&hexdump(&encrypted.ciphertext, 4));
    ensure!(encrypted.key_id == status.key_id, "Encrypt and Status disagree on the key_id");

    let object = secret();
    page.step(&format!("A Secret as it would lie in etcd without encryption, at {ETCD_KEY}:"));
    page.quote(&hexdump(&object, 16));
    let record = EncryptedObject {
        encrypted_data: seal(&seed, ETCD_KEY, &object)?,
        key_id: encrypted.key_id.clone(),
        encrypted_dek_source: encrypted.ciphertext,
        annotations: encrypted.annotations,
        encrypted_dek_source_type: SourceType::HkdfSha256XnonceAesGcmSeed as i32,
    };
    let value = record.to_value("trousseau");
    page.step("The same Secret as Kubernetes stores it now:");
    page.quote(&hexdump(&value, 16));
    ensure!(!contains(&value, SECRET_VALUE), "the secret is still readable in the record");
    page.fact("readable in it", "nothing: the password is gone from the bytes");

    read_back(&mut plugin, &value, &object).await?;
    page.step("Read back: the seed by Decrypt, the Secret by the seed");
    page.fact("equal to what was written", "yes");

    page.step("The key is turned while the plugin runs (trousseau keygen --add)");
    let made = keygen(&plugin.key_file(), true, Some(Duration::ZERO))?;
    let turned = plugin.wait_for_another_key_id(&status.key_id).await?;
    page.fact("new version", &made.version.to_string());
    page.fact("key_id before", &status.key_id);
    page.fact("key_id now", &turned);
    read_back(&mut plugin, &value, &object).await?;
    page.fact("the old record", "still readable; kube-apiserver re-encrypts it at its next write");

    plugin.stop().await?;
    page.title("Done. `trousseau demo --cluster` does it with a real Vault, etcd and kube-apiserver.");
    Ok(())
}

/// What kube-apiserver does with a value from etcd.
async fn read_back(plugin: &mut Plugin, value: &[u8], object: &[u8]) -> anyhow::Result<()> {
    let Stored::KmsV2 { object: record, .. } = Stored::parse(value) else {
        anyhow::bail!("the record is not one of a KMS v2 provider");
    };
    let source = SourceType::try_from(record.encrypted_dek_source_type).context("DEK source type")?;
    let seed = plugin.decrypt(&record).await?;
    let opened = open(source, &seed, ETCD_KEY, &record.encrypted_data)?;
    ensure!(opened.as_slice() == object, "what was read is not what was written");
    Ok(())
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
