//! The licence texts of everything that is linked into the binary.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::sbom::linked;

/// One text: each package with its licence expression and the licence files that it comes with.
pub(crate) fn text(metadata: &Value) -> Result<String> {
    let mut text = String::from("Trousseau contains the following packages.\n");
    for package in linked(metadata)? {
        let field = |name: &str| package[name].as_str().unwrap_or_default();
        if package["source"].is_null() {
            continue;
        }
        text.push_str(&format!("\n\n==== {} {} ({})\n", field("name"), field("version"), field("license")));
        let folder = Path::new(field("manifest_path")).parent().context("a manifest without a folder")?;
        let mut files: Vec<_> = fs::read_dir(folder)
            .with_context(|| format!("read {}", folder.display()))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.is_file() && is_licence(path))
            .collect();
        files.sort();
        for file in files {
            let content = fs::read(&file).with_context(|| format!("read {}", file.display()))?;
            text.push('\n');
            text.push_str(String::from_utf8_lossy(&content).trim_end());
            text.push('\n');
        }
    }
    Ok(text)
}

fn is_licence(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_uppercase()).unwrap_or_default();
    ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"].iter().any(|word| name.starts_with(word))
}
