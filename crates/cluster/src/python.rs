//! Python programs that tests start: installed by pip into the cache, every package pinned by its hash.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use aws_lc_rs::digest::{SHA256, digest};

use crate::artifact::search_path;
use crate::cache;
use crate::process::Process;

/// A program, its packages, and the Python that it needs.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// What pip reads: each package with its version and the hashes of its files.
    pub(crate) requirements: &'static str,
    /// The lowest Python, and whether a newer one will do.
    pub(crate) python: (u32, u32),
    pub(crate) newer: bool,
    /// Names a Python to use instead of any other.
    pub(crate) variable: &'static str,
}

/// A Python, and the folder of packages to give it as `PYTHONPATH`.
#[derive(Clone, Debug)]
pub(crate) struct Installed {
    pub(crate) python: PathBuf,
    pub(crate) packages: PathBuf,
}

impl Package {
    /// Finds the packages in the cache, or installs them: some minutes, once, and the network.
    pub(crate) fn install(&self) -> Result<Installed> {
        let (python, version) = self.python()?;
        let hash = digest(&SHA256, self.requirements.as_bytes());
        let hash: String = hash.as_ref()[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        let name = format!("{}-{}-python{}.{}-{hash}", self.name, self.version, version.0, version.1);
        let packages = cache::install("python", &name, |folder| self.pip(&python, folder))?;
        Ok(Installed { python, packages })
    }

    /// A Python that will do, and its version.
    pub(crate) fn python(&self) -> Result<(PathBuf, (u32, u32))> {
        let (major, minor) = self.python;
        if let Some(named) = env::var_os(self.variable).filter(|value| !value.is_empty()).map(PathBuf::from) {
            let version = version_of(&named)
                .with_context(|| format!("{} names {}, which is no Python", self.variable, named.display()))?;
            if !self.fits(version) {
                bail!(
                    "{} names Python {}.{}; {} needs {major}.{minor}",
                    self.variable,
                    version.0,
                    version.1,
                    self.name
                );
            }
            return Ok((named, version));
        }
        let exact = format!("python{major}.{minor}");
        let on_path = [exact.as_str(), "python3"].into_iter().filter_map(search_path);
        let candidates = on_path.chain(pyenv(&format!("{major}.{minor}.")));
        let found = candidates.filter_map(|python| Some((version_of(&python)?, python)));
        let Some((version, python)) = found.into_iter().find(|(version, _)| self.fits(*version)) else {
            bail!(
                "{} {} needs Python {major}.{minor}{}: install it, or name one in {}",
                self.name,
                self.version,
                if self.newer { " or newer" } else { "" },
                self.variable
            );
        };
        Ok((python, version))
    }

    fn fits(&self, version: (u32, u32)) -> bool {
        if self.newer { version >= self.python } else { version == self.python }
    }

    fn pip(&self, python: &Path, folder: &Path) -> Result<PathBuf> {
        let title = format!("{} {}", self.name, self.version);
        eprintln!("{title}: installing Python packages (some minutes, once)");
        let (requirements, out) = (folder.join("requirements.txt"), folder.join("out"));
        fs::write(&requirements, self.requirements).context("write requirements.txt")?;
        let mut command = Command::new(python);
        command.args(["-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--no-compile"]);
        command.arg("--target").arg(&out).arg("--requirement").arg(&requirements);
        let mut pip = Process::spawn("pip", &mut command, &folder.join("pip.log"))?;
        let status = pip.wait()?;
        if !status.success() {
            bail!(
                "{title}: pip failed ({status}); it needs the package index (PIP_INDEX_URL) and pip for {}. {} ends \
                 with:\n{}",
                python.display(),
                pip.log().display(),
                pip.log_tail()
            );
        }
        Ok(out)
    }
}

impl Installed {
    /// The program, by what it is called in Python, without the variables that would change what Python does.
    pub(crate) fn run(&self, code: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.env_remove("PYTHONHOME").env("PYTHONPATH", &self.packages).env("PYTHONDONTWRITEBYTECODE", "1");
        command.args(["-c", code]);
        command
    }
}

/// `3.13` as numbers; `None` if it can't be run (a pyenv shim without that version).
fn version_of(python: &Path) -> Option<(u32, u32)> {
    let output = Command::new(python).args(["-c", "import sys, pip; print(*sys.version_info[:2])"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().split_once(' ')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// What pyenv has installed of this version.
fn pyenv(prefix: &str) -> Vec<PathBuf> {
    let root = env::var_os("PYENV_ROOT").map(PathBuf::from);
    let root = root.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".pyenv")));
    let Some(versions) = root.and_then(|root| fs::read_dir(root.join("versions")).ok()) else {
        return Vec::new();
    };
    let fits = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(prefix);
    versions.flatten().filter(fits).map(|entry| entry.path().join("bin/python3")).collect()
}
