//! What a whole node and a machine share: processes in namespaces that `unshare` made, all ended by the end of the first.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::process::Process;
use crate::wait;

const END: Duration = Duration::from_secs(60);

/// The first process in the namespaces, as seen from here: the child of the `unshare` with this process id.
pub(crate) fn first(unshare: u32) -> Result<Pid> {
    let path = format!("/proc/{unshare}/task/{unshare}/children");
    let children = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let id = children.split_whitespace().next().and_then(|id| id.parse().ok()).and_then(Pid::from_raw);
    id.context("the first process of the namespaces has ended")
}

/// Ends every process in them at once, and returns when all are gone: 60 s at most.
pub(crate) fn end(unshare: &mut Process) -> Result<()> {
    if unshare.exited()?.is_none()
        && let Ok(first) = first(unshare.id())
    {
        // The kernel ends the others before it lets go of this one.
        kill_process(first, Signal::KILL).context("kill the first process of the namespaces")?;
        wait::until(END, "the end of the namespaces", || unshare.exited())?;
    }
    Ok(())
}

/// Takes away what lies in a folder that would have been gone with the power.
pub(crate) fn empty(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?.flatten() {
        let path = entry.path();
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.with_context(|| format!("remove {}", path.display()))?;
    }
    Ok(())
}
