//! A client that is made again when its certificate files change: certificates are renewed while we run.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::{Client, Config, HttpError, Origin, Request, Response, Roots};

/// What tells that a file is another one than before: inode, time of change, size. Of a folder it tells that files came
/// or went (as in a mounted ConfigMap), not that one of them was written over.
type Stamp = Option<(u64, i64, i64, u64)>;

/// The files as they were, and a look at them that may have outlived its caller: in a folder that hangs each would
/// take a thread.
struct Seen {
    stamps: Vec<Stamp>,
    look: Option<JoinHandle<Vec<Stamp>>>,
}

/// A [`Client`] over the settings and files that it was made of.
pub struct RenewingClient {
    settings: Config,
    files: Vec<PathBuf>,
    client: ArcSwap<Client>,
    seen: Mutex<Seen>,
    complained: AtomicBool,
}

impl RenewingClient {
    /// Reads the files. `origins` are where requests will go.
    ///
    /// # Errors
    /// A setting or a file that can't be used, or an origin that may not be asked.
    pub fn new(settings: Config, origins: &[&Origin]) -> Result<Self, HttpError> {
        let mut files = match &settings.roots {
            Roots::System => settings.system_bundles.clone(),
            Roots::Only(files) => files.clone(),
            Roots::SystemAnd(files) => [settings.system_bundles.as_slice(), files].concat(),
        };
        files.extend(settings.client_certificate.iter().flat_map(|pair| [pair.certificate.clone(), pair.key.clone()]));
        // Before the files are read: a change in between is then seen, and read twice.
        let seen = Mutex::new(Seen { stamps: stamps(&files), look: None });
        let client = settings.build()?;
        origins.iter().try_for_each(|origin| client.check(origin))?;
        let client = ArcSwap::from_pointee(client);
        Ok(Self { settings, files, client, seen, complained: AtomicBool::new(false) })
    }

    /// As [`Client::send`].
    ///
    /// # Errors
    /// As there.
    pub async fn send(&self, request: Request) -> Result<Response, HttpError> {
        let client = Client::clone(&self.client.load());
        client.send(request).await
    }

    /// Looks whether the files changed. Files that can't be used (a certificate whose key isn't written yet) leave the
    /// client as it is, and are read again by the next look.
    ///
    /// # Errors
    /// Why they can't be used, the first time in a row.
    pub async fn refresh(&self) -> Result<(), HttpError> {
        let mut seen = self.seen.lock().await;
        let look = || {
            let files = self.files.clone();
            tokio::task::spawn_blocking(move || stamps(&files))
        };
        let now = seen.look.get_or_insert_with(look).await;
        seen.look = None;
        let Ok(now) = now else {
            return Ok(());
        };
        if seen.stamps == now {
            return Ok(());
        }
        let settings = self.settings.clone();
        match tokio::task::spawn_blocking(move || settings.build()).await {
            Ok(Ok(client)) => {
                self.client.store(client.into());
                seen.stamps = now;
                self.complained.store(false, Ordering::Relaxed);
                Ok(())
            }
            Ok(Err(error)) if !self.complained.swap(true, Ordering::Relaxed) => Err(error),
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |path: &PathBuf| {
        let data = path.metadata().ok()?;
        Some((data.ino(), data.mtime(), data.mtime_nsec(), data.len()))
    };
    files.iter().map(stamp).collect()
}
