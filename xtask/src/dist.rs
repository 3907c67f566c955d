//! `cargo xtask dist`: what a release ships beside the image, in `target/dist`.
//!
//! One tarball to unpack over a prefix such as /usr: the static binary, completions, man page, systemd's files, the
//! manifests; and the checksums of it and of the image's archive.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::cargo::root;
use crate::image::archive::tar;
use crate::image::oci::hex_digest;
use crate::image::rootfs::File;
use crate::image::{Recipe, licences, of_this_checkout, sbom, version};

/// Files of the checkout and where they lie below the prefix.
const FILES: [(&str, &str); 7] = [
    ("deploy/systemd/trousseau.service", "lib/systemd/system/trousseau.service"),
    ("deploy/systemd/trousseau.socket", "lib/systemd/system/trousseau.socket"),
    ("deploy/systemd/trousseau.sysusers.conf", "lib/sysusers.d/trousseau.conf"),
    ("deploy/systemd/trousseau.tmpfiles.conf", "lib/tmpfiles.d/trousseau.conf"),
    ("LICENSE", "share/doc/trousseau/LICENSE"),
    ("README.md", "share/doc/trousseau/README.md"),
    ("CHANGELOG.md", "share/doc/trousseau/CHANGELOG.md"),
];

/// Each shell and where its completions lie.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "share/bash-completion/completions/trousseau"),
    ("fish", "share/fish/vendor_completions.d/trousseau.fish"),
    ("zsh", "share/zsh/site-functions/_trousseau"),
];

/// What was made.
pub(crate) struct Dist {
    /// The image's docker-archive.
    pub(crate) image: PathBuf,
    /// What unpacks over a prefix.
    pub(crate) tarball: PathBuf,
}

/// Makes it, and prints the checksums.
pub(crate) fn run() -> Result<ExitCode> {
    let made = make()?;
    let folder = made.tarball.parent().context("a folder")?;
    let sums = fs::read_to_string(folder.join(SUMS)).context("read the checksums")?;
    print!("{}:\n{sums}", folder.display());
    Ok(ExitCode::SUCCESS)
}

/// `sha256sum -c` reads it.
const SUMS: &str = "SHA256SUMS";

/// Makes the image, then the tarball out of its binary.
pub(crate) fn make() -> Result<Dist> {
    let recipe = Recipe::of_this_checkout()?;
    let made = of_this_checkout()?;
    let out = Path::new(root()).join("target/dist");
    fs::create_dir_all(&out).with_context(|| format!("create {}", out.display()))?;
    let version = version()?;
    let image = out.join(format!("trousseau-{version}-image-amd64.tar"));
    fs::copy(&made.archive, &image).with_context(|| format!("write {}", image.display()))?;
    let tarball = compress(
        &out.join(format!("trousseau-{version}-linux-amd64.tar")),
        &tar(&files(&made.binary, &recipe)?, recipe.time)?,
    )?;
    let sums = sums(&[&tarball, &image])?;
    fs::write(out.join(SUMS), &sums).context("write the checksums")?;
    Ok(Dist { image, tarball })
}

/// A line for each file, by its name alone.
pub(crate) fn sums(paths: &[&Path]) -> Result<String> {
    let mut sums = String::new();
    for path in paths {
        let content = fs::read(path).with_context(|| format!("read {}", path.display()))?;
        let name = path.file_name().unwrap_or_default().display();
        sums.push_str(&format!("{}  {name}\n", hex_digest(&content)));
    }
    Ok(sums)
}

fn files(binary: &Path, recipe: &Recipe) -> Result<Vec<File>> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("read {}", path.display()));
    let file = |path: &str, mode: u32, content: Vec<u8>| File { path: path.to_owned(), mode, content };
    let metadata = sbom::metadata(&recipe.features)?;
    let mut files = vec![
        file("bin/trousseau", 0o755, read(binary)?),
        file("share/man/man1/trousseau.1", 0o644, output_of(binary, &["man"])?),
        file("share/trousseau/config.schema.json", 0o644, output_of(binary, &["config", "schema"])?),
        file("share/doc/trousseau/third-party-licences.txt", 0o644, licences::text(&metadata)?.into_bytes()),
        file("share/doc/trousseau/sbom.cdx.json", 0o644, sbom::cyclone_dx(&metadata)?.into_bytes()),
    ];
    for (from, to) in FILES {
        files.push(file(to, 0o644, read(&Path::new(root()).join(from))?));
    }
    for (shell, to) in COMPLETIONS {
        files.push(file(to, 0o644, output_of(binary, &["completions", shell])?));
    }
    for path in below(&Path::new(root()).join("deploy"))? {
        let name = path.strip_prefix(root()).context("a path outside of the checkout")?;
        let mode = if path.extension().is_some_and(|extension| extension == "sh") { 0o755 } else { 0o644 };
        files.push(file(&format!("share/trousseau/{}", name.display()), mode, read(&path)?));
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// All files below a folder.
fn below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry.with_context(|| format!("read {}", folder.display()))?.path();
        if path.is_dir() { found.extend(below(&path)?) } else { found.push(path) }
    }
    Ok(found)
}

fn output_of(binary: &Path, args: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new(binary).args(args).output().with_context(|| format!("run {}", binary.display()))?;
    if !output.status.success() {
        bail!("{} {args:?}: {}", binary.display(), output.status);
    }
    Ok(output.stdout)
}

/// Without name and time, so that the same content gives the same bytes.
fn compress(path: &Path, content: &[u8]) -> Result<PathBuf> {
    fs::write(path, content).with_context(|| format!("write {}", path.display()))?;
    let status = Command::new("gzip").args(["-9nf"]).arg(path).status().context("gzip cannot be started")?;
    if !status.success() {
        bail!("gzip {}: {status}", path.display());
    }
    Ok(path.with_added_extension("gz"))
}
