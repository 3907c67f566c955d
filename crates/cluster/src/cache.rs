//! The cache folder: what was built once, under a lock, and put in place by rename.

use std::env;
use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, retry_on_intr};

/// The folder `$TROUSSEAU_CACHE`, else `$XDG_CACHE_HOME/trousseau`, else `$HOME/.cache/trousseau`.
///
/// It may be deleted at any time when nothing runs. Fails when none of the three variables is set.
pub fn root() -> Result<PathBuf> {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let Some(root) = variable("TROUSSEAU_CACHE")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("trousseau")))
        .or_else(|| Some(variable("HOME")?.join(".cache/trousseau")))
    else {
        bail!("no cache folder: set TROUSSEAU_CACHE to a folder that can be written to");
    };
    // Builds run in another working directory.
    std::path::absolute(&root).with_context(|| format!("cache folder {}", root.display()))
}

/// The file `root()/group/name`; if it is missing, `make` is given an empty folder, and the file whose path it answers
/// is moved there.
///
/// One `make` per group runs at a time on this machine; others wait, say so on stderr, and then find the file. Safe to
/// interrupt at any moment. After a failure the folder stays, for its logs, until the next `make`.
pub fn install(group: &str, name: &str, make: impl FnOnce(&Path) -> Result<PathBuf>) -> Result<PathBuf> {
    install_in(&root()?.join(group), name, make)
}

fn install_in(group: &Path, name: &str, make: impl FnOnce(&Path) -> Result<PathBuf>) -> Result<PathBuf> {
    let installed = group.join(name);
    if installed.exists() {
        return Ok(installed);
    }
    let unusable = || format!("cache folder {}: make it writable or set TROUSSEAU_CACHE to another", group.display());
    fs::create_dir_all(group).with_context(unusable)?;
    // Held until the end of this function: closing the file releases it.
    let _lock = lock(&group.join("lock"), name).with_context(unusable)?;
    if installed.exists() {
        return Ok(installed);
    }
    let build = group.join("build");
    if build.exists() {
        fs::remove_dir_all(&build).with_context(unusable)?;
    }
    fs::create_dir(&build).with_context(unusable)?;
    let made = make(&build)?;
    fs::rename(&made, &installed).with_context(|| format!("move {} to {}", made.display(), installed.display()))?;
    fs::remove_dir_all(&build).with_context(unusable)?;
    Ok(installed)
}

// The lock file names what its holder makes, for those who wait.
fn lock(path: &Path, name: &str) -> Result<File> {
    let mut file = File::options().create(true).truncate(false).read(true).write(true).open(path)?;
    match retry_on_intr(|| flock(&file, FlockOperation::NonBlockingLockExclusive)) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder)?;
            eprintln!("{name}: waiting for another process that makes {holder} (lock {})", path.display());
            retry_on_intr(|| flock(&file, FlockOperation::LockExclusive))?;
        }
        Err(error) => return Err(error).context("flock"),
    }
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(name.as_bytes())?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn write(folder: &Path) -> Result<PathBuf> {
        let path = folder.join("out");
        fs::write(&path, "made")?;
        Ok(path)
    }

    #[test]
    fn two_at_once_make_one_and_both_find_it() {
        let group = tempfile::tempdir().unwrap();
        let made = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let path = install_in(group.path(), "thing-1", |folder| {
                        made.fetch_add(1, Ordering::Relaxed);
                        crate::wait::pause(std::time::Duration::from_millis(50));
                        write(folder)
                    });
                    assert_eq!(fs::read_to_string(path.unwrap()).unwrap(), "made");
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
    }

    #[test]
    fn a_failure_or_an_interruption_leaves_nothing_installed_and_the_next_try_works() {
        let group = tempfile::tempdir().unwrap();
        let error = install_in(group.path(), "thing-1", |folder| {
            write(folder)?;
            bail!("compiler says no")
        });
        assert_eq!(error.unwrap_err().to_string(), "compiler says no");
        assert!(!group.path().join("thing-1").exists() && group.path().join("build/out").exists());
        install_in(group.path(), "thing-1", |folder| {
            assert!(!folder.join("out").exists(), "what an interrupted build left is gone");
            write(folder)
        })
        .unwrap();
        assert!(!group.path().join("build").exists());
    }
}
