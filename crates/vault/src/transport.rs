//! The HTTPS client, made again when its certificate files change: certificates are renewed while we run.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use trousseau_http::{Client, Config, HttpError, Origin, Request, Response, Roots};

/// What tells that a file is another one than before: inode, time of change, size. Of a folder it tells that files came
/// or went (as in a mounted ConfigMap), not that one of them was written over.
type Stamp = Option<(u64, i64, i64, u64)>;

/// An HTTPS client over the settings and files that it was made of.
pub(crate) struct Transport {
    settings: Config,
    files: Vec<PathBuf>,
    client: ArcSwap<Client>,
    stamps: Mutex<Vec<Stamp>>,
    complained: AtomicBool,
}

impl Transport {
    /// Reads the files. `origin` is where all requests go.
    ///
    /// # Errors
    /// A setting or a file that can't be used.
    pub(crate) fn new(settings: Config, origin: &Origin) -> Result<Self, HttpError> {
        let mut files = match &settings.roots {
            Roots::System => settings.system_bundles.clone(),
            Roots::Only(files) => files.clone(),
            Roots::SystemAnd(files) => [settings.system_bundles.as_slice(), files].concat(),
        };
        files.extend(settings.client_certificate.iter().flat_map(|pair| [pair.certificate.clone(), pair.key.clone()]));
        // Before the files are read: a change in between is then seen, and read twice.
        let stamps = Mutex::new(stamps(&files));
        let client = settings.build()?;
        client.check(origin)?;
        let client = ArcSwap::from_pointee(client);
        Ok(Self { settings, files, client, stamps, complained: AtomicBool::new(false) })
    }

    /// As [`Client::send`].
    pub(crate) async fn send(&self, request: Request) -> Result<Response, HttpError> {
        let client = Client::clone(&self.client.load());
        client.send(request).await
    }

    /// Looks whether the files changed. Files that can't be used (a certificate whose key isn't written yet) leave the
    /// client as it is, with a warning for the first time, and are read again by the next look.
    pub(crate) async fn refresh(&self) {
        let mut known = self.stamps.lock().await;
        let files = self.files.clone();
        let Ok(now) = tokio::task::spawn_blocking(move || stamps(&files)).await else {
            return;
        };
        if *known == now {
            return;
        }
        let settings = self.settings.clone();
        match tokio::task::spawn_blocking(move || settings.build()).await {
            Ok(Ok(client)) => {
                self.client.store(client.into());
                *known = now;
                self.complained.store(false, Ordering::Relaxed);
            }
            Ok(Err(error)) if !self.complained.swap(true, Ordering::Relaxed) => {
                tracing::warn!(%error, "the changed certificates for Vault can't be used; those before stay in use");
            }
            Ok(Err(_)) | Err(_) => {}
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
