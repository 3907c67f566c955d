//! Tells when a file's content changed: by a watch on its folder, and by a slow look for what no watch tells.
//!
//! The folder, because ConfigMaps and Vault Agent replace files by renaming: a watch on the file itself would stay
//! with the old one. The content, because an equal time of change says nothing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use tracing::warn;
use zeroize::Zeroizing;

use crate::config::MAX_FILE;

/// From the first sign of a change to the look at the content: a swap is several steps.
const SETTLE: Duration = Duration::from_millis(250);

/// Between two looks while a folder isn't watched, because it isn't there yet or because watches can't be had.
const UNWATCHED: Duration = Duration::from_secs(1);

/// Watches files that may come late, go, and come back. A file that goes is no change; one that comes back with the
/// same content isn't either.
pub struct Watcher {
    files: Vec<Watched>,
    poll: Duration,
    next_look: Instant,
    watch: Option<RecommendedWatcher>,
    /// The folders, and device and inode of what is watched under that name.
    folders: BTreeMap<PathBuf, Option<(u64, u64)>>,
    woken: Arc<Notify>,
}

struct Watched {
    path: PathBuf,
    seen: Option<[u8; 32]>,
}

impl Watcher {
    /// Watches `paths`, and looks at their content every `poll` in any case.
    pub fn new(paths: impl IntoIterator<Item = PathBuf>, poll: Duration) -> Self {
        let files: Vec<_> = paths.into_iter().map(|path| Watched { path, seen: None }).collect();
        let folders = files.iter().map(|file| (folder(&file.path), None)).collect();
        let woken = Arc::new(Notify::new());
        let wake = Arc::clone(&woken);
        let heard = move |event: notify::Result<notify::Event>| {
            // Our own reading is an access; to wake for it would never end.
            if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
                wake.notify_one();
            }
        };
        let watch = notify::recommended_watcher(heard)
            .inspect_err(|error| warn!(%error, "folders can't be watched; files are looked at every second"))
            .ok();
        Self { files, poll, next_look: Instant::now(), watch, folders, woken }
    }

    /// Waits until a file has other content than when it was last looked at. The first look counts too, so nothing is
    /// lost between reading a file and watching it. May be dropped and called again at any time.
    pub async fn changed(&mut self) {
        loop {
            tokio::select! {
                () = self.woken.notified() => self.next_look = self.next_look.min(Instant::now() + SETTLE),
                () = sleep_until(self.next_look) => {
                    let watched = self.watch_folders();
                    let changed = self.look().await;
                    self.next_look = Instant::now() + if watched { self.poll } else { self.poll.min(UNWATCHED) };
                    if changed {
                        return;
                    }
                }
            }
        }
    }

    /// Watches the folders that are there, also one that was replaced; true if all are watched.
    fn watch_folders(&mut self) -> bool {
        let mut all = true;
        for (folder, watched) in &mut self.folders {
            let there = fs::metadata(folder).ok().map(|it| (it.dev(), it.ino()));
            if there != *watched
                && let Some(watch) = &mut self.watch
            {
                // Of a folder that was removed nothing is watched any more, so this may fail.
                let _ = watch.unwatch(folder);
                *watched = there.filter(|_| watch.watch(folder, RecursiveMode::NonRecursive).is_ok());
            }
            all &= watched.is_some();
        }
        all
    }

    async fn look(&mut self) -> bool {
        let mut changed = false;
        for file in &mut self.files {
            let path = file.path.clone();
            let now = spawn_blocking(move || content(&path)).await.ok().flatten();
            if now.is_some() && now != file.seen {
                file.seen = now;
                changed = true;
            }
        }
        changed
    }
}

fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// SHA-256 of a file, or of its beginning where it is longer than any configuration; `None` where there is no file.
fn content(path: &Path) -> Option<[u8; 32]> {
    // Opening a pipe would wait for its writer.
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path).ok()?.take(MAX_FILE + 1).read_to_end(&mut bytes).ok()?;
    digest(&SHA256, &bytes).as_ref().try_into().ok()
}

#[cfg(test)]
mod tests;
