//! `cargo xtask image`: the container image, made without a container engine.
//!
//! One layer FROM scratch: the static binary, the CA bundle, the account, licences and the bill of materials. It is
//! written as an OCI image layout (a folder for crane, skopeo, oras) and as a docker-archive (for `docker load` and
//! `ctr images import`). Two builds of one commit give one digest: `--twice` shows it of the whole, a test of all but the
//! binary.

pub(crate) mod archive;
mod binary;
pub(crate) mod licences;
pub(crate) mod oci;
pub(crate) mod rootfs;
pub(crate) mod sbom;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::cargo::{cargo, root};

/// What an image is made from and called.
pub(crate) struct Recipe {
    /// Cargo features of the binary, without the defaults.
    pub(crate) features: String,
    /// The tag in the docker-archive and the layout.
    pub(crate) name: String,
    /// Seconds since 1970 that every file and the image itself carry: the commit's.
    pub(crate) time: u64,
    /// The commit, for the labels.
    pub(crate) revision: String,
}

/// What was made.
pub(crate) struct Made {
    /// `sha256:` and the hex digest of the manifest.
    pub(crate) digest: String,
    /// The docker-archive.
    pub(crate) archive: PathBuf,
    /// The binary in it.
    pub(crate) binary: PathBuf,
}

/// The features of what is shipped: every provider, and nothing that starts servers.
pub(crate) const FEATURES: &str = "full";

impl Recipe {
    /// This checkout, under the name that the manifests use.
    pub(crate) fn of_this_checkout() -> Result<Self> {
        let git = |args: &[&str]| -> Result<String> {
            let output =
                std::process::Command::new("git").current_dir(root()).args(args).output().context("run git")?;
            if !output.status.success() {
                bail!("git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
            }
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let time = git(&["log", "-1", "--format=%ct"])?.parse().context("git log gave no time")?;
        let revision = git(&["rev-parse", "HEAD"])?;
        let name = format!("ghcr.io/trousseau-io/trousseau:{}", version()?);
        Ok(Self { features: FEATURES.to_owned(), name, time, revision })
    }
}

/// The version of the workspace.
pub(crate) fn version() -> Result<String> {
    let packages = sbom::metadata("")?;
    let found = packages["packages"].as_array().into_iter().flatten().find(|package| package["name"] == "trousseau");
    let version = found.and_then(|package| package["version"].as_str());
    Ok(version.context("cargo metadata names no package trousseau")?.to_owned())
}

/// Makes the image of this checkout in `target/image`; cargo builds what has changed since the last time.
pub(crate) fn of_this_checkout() -> Result<Made> {
    make(&Recipe::of_this_checkout()?, &out())
}

/// Makes the image in `target/image`, or twice in two folders to show that both are the same.
pub(crate) fn run(twice: bool) -> Result<ExitCode> {
    if twice {
        self::twice()?;
        return Ok(ExitCode::SUCCESS);
    }
    let recipe = Recipe::of_this_checkout()?;
    tell(&recipe, &make(&recipe, &out())?);
    Ok(ExitCode::SUCCESS)
}

/// Makes the image in `target/image`, and another one in another folder, from nothing; an error unless both are the same.
pub(crate) fn twice() -> Result<()> {
    let recipe = Recipe::of_this_checkout()?;
    let made = make(&recipe, &out())?;
    tell(&recipe, &made);
    let again = Path::new(root()).join("target/image-again");
    if again.exists() {
        fs::remove_dir_all(&again).with_context(|| format!("remove {}", again.display()))?;
    }
    let again = make(&recipe, &again)?;
    if again.digest != made.digest {
        bail!("a second build gave {}: the image is not reproducible", again.digest);
    }
    println!("a second build, in another folder and from nothing, gave the same digest");
    Ok(())
}

fn out() -> PathBuf {
    Path::new(root()).join("target/image")
}

fn tell(recipe: &Recipe, made: &Made) {
    println!("{}\n  digest   {}\n  archive  {}", recipe.name, made.digest, made.archive.display());
    println!("  layout   {}\n  binary   {}", out().join("oci").display(), made.binary.display());
}

/// Builds the binary and puts the image together under `out`.
pub(crate) fn make(recipe: &Recipe, out: &Path) -> Result<Made> {
    fs::create_dir_all(out).with_context(|| format!("create {}", out.display()))?;
    let binary = binary::build(&recipe.features, &out.join("build"))?;
    lay_out(recipe, binary, out)
}

/// Puts the image of a binary together under `out`.
fn lay_out(recipe: &Recipe, binary: PathBuf, out: &Path) -> Result<Made> {
    let metadata = sbom::metadata(&recipe.features)?;
    let files = rootfs::files(&binary, &metadata)?;
    let layer = archive::tar(&files, recipe.time)?;
    let config = oci::config(recipe, &layer)?;
    let digest = oci::layout(recipe, &layer, &config, &out.join("oci"))?;
    let archive = out.join("trousseau.tar");
    archive::docker(recipe, &layer, &config, &archive)?;
    Ok(Made { digest, archive, binary })
}

/// A command of cargo whose target folder is another than ours, so that it can run below `cargo xtask`.
fn nested(args: &str, target: &Path) -> std::process::Command {
    let mut command = cargo(args);
    command.env("CARGO_TARGET_DIR", target).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    command
}
