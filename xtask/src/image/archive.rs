//! Tar files whose bytes depend on their content and the commit's time only.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;

use super::Recipe;
use super::oci::{hex_digest, to_bytes};
use super::rootfs::File;

/// The layer: the files, and the folders above them.
pub(crate) fn tar(files: &[File], time: u64) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut folders: Vec<String> = Vec::new();
    for file in files {
        let above = Path::new(&file.path).ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
        let mut above: Vec<String> = above.map(|folder| format!("{}/", folder.display())).collect();
        above.reverse();
        for folder in above {
            if !folders.contains(&folder) {
                append(&mut archive, &folder, tar::EntryType::Directory, 0o755, time, &[])?;
                folders.push(folder);
            }
        }
        append(&mut archive, &file.path, tar::EntryType::Regular, file.mode, time, &file.content)?;
    }
    archive.into_inner().context("end the layer")
}

/// The archive that `docker load`, `podman load` and `ctr images import` read.
pub(super) fn docker(recipe: &Recipe, layer: &[u8], config: &[u8], path: &Path) -> Result<()> {
    let (layer_name, config_name) =
        (format!("{}/layer.tar", hex_digest(layer)), format!("{}.json", hex_digest(config)));
    let manifest = json!([{ "Config": config_name, "RepoTags": [recipe.name], "Layers": [layer_name] }]);
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in
        [(config_name.as_str(), config), (layer_name.as_str(), layer), ("manifest.json", &to_bytes(&manifest)?)]
    {
        append(&mut archive, name, tar::EntryType::Regular, 0o644, recipe.time, content)?;
    }
    let bytes = archive.into_inner().context("end the archive")?;
    fs::write(path, bytes).with_context(|| format!("write {}", path.display()))
}

fn append(
    archive: &mut tar::Builder<Vec<u8>>,
    path: &str,
    kind: tar::EntryType,
    mode: u32,
    time: u64,
    content: &[u8],
) -> Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(time);
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, path, content).with_context(|| format!("put {path} into the archive"))
}
