//! Container images made here, FROM scratch: for programs of tests that come without an image.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

/// A program in an image.
#[derive(Clone, Debug)]
pub struct ImageFile {
    /// Where it lies in the image, without the leading slash.
    pub path: String,
    /// Where it comes from.
    pub source: PathBuf,
}

/// Writes a docker-archive (for `ctr images import`) to `path`: one layer with these files (mode 0755, root's), and
/// `entrypoint` as what runs. `name` is the full name with its tag.
pub fn docker_archive(path: &Path, name: &str, files: &[ImageFile], entrypoint: &[&str]) -> Result<()> {
    let mut layer = tar::Builder::new(Vec::new());
    for file in files {
        let content = fs::read(&file.source).with_context(|| format!("read {}", file.source.display()))?;
        append(&mut layer, &file.path, 0o755, &content)?;
    }
    let layer = layer.into_inner().context("end the layer")?;
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": entrypoint, "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hex(&layer))]},
        "history": [{"created_by": "a test"}],
    })
    .to_string();
    let (layer_name, config_name) = (format!("{}/layer.tar", hex(&layer)), format!("{}.json", hex(config.as_bytes())));
    let manifest: Value = json!([{"Config": config_name, "RepoTags": [name], "Layers": [layer_name]}]);
    let out = File::create(path).with_context(|| format!("create {}", path.display()))?;
    let mut archive = tar::Builder::new(out);
    append(&mut archive, &config_name, 0o644, config.as_bytes())?;
    append(&mut archive, &layer_name, 0o644, &layer)?;
    append(&mut archive, "manifest.json", 0o644, manifest.to_string().as_bytes())?;
    archive.finish().with_context(|| format!("write {}", path.display()))
}

fn append(archive: &mut tar::Builder<impl std::io::Write>, path: &str, mode: u32, content: &[u8]) -> Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, path, content).with_context(|| format!("put {path} into the archive"))
}

fn hex(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
