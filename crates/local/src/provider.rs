//! The provider: keys in memory, and a look at the file whenever a probe asks.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use trousseau_core::{
    Call, Description, ErrorKind, KeyVersion, Observation, Provider, ProviderError, ProviderKind, Secret, Unwrapped,
    VersionInfo, Wrapped,
};

use crate::access;
use crate::config::Config;
use crate::error::LocalError;
use crate::key_file::{KeyFile, Version, digest_of};
use crate::material::OpenError;

impl Config {
    /// Reads the key file. `credentials_directory` is systemd's `$CREDENTIALS_DIRECTORY`, if there is one: owner and
    /// modes of the files in it are not looked at.
    ///
    /// # Errors
    /// Names the file, the line where it is one, and what to do.
    pub fn build(&self, credentials_directory: Option<&Path>) -> Result<LocalProvider, LocalError> {
        let path = match (&self.file, &self.credential) {
            (Some(file), None) => file.clone(),
            (None, Some(name)) => credential(name, credentials_directory)?,
            _ => return Err(LocalError::Choice),
        };
        LocalProvider::open(path, credentials_directory)
    }
}

fn credential(name: &str, folder: Option<&Path>) -> Result<PathBuf, LocalError> {
    let refuse = |problem| LocalError::Credential { name: name.to_owned(), problem };
    if name.is_empty() || name.contains('/') || name == "." || name == ".." {
        return Err(refuse("a credential's name is a file name, without a slash"));
    }
    let folder = folder
        .ok_or_else(|| refuse("there is no $CREDENTIALS_DIRECTORY; add `LoadCredential=` to the systemd unit"))?;
    Ok(folder.join(name))
}

/// A local key file as a KMS.
///
/// A call that is a probe looks at the file first and takes over what changed in it, except that
/// * a file that can't be used never replaces the keys in memory: `observe` then fails with
///   [`Unusable`](ErrorKind::Unusable), and calls go on with the good keys;
/// * neither does one in which a version has another key than before: a probe that opens a wrap of a version whose
///   key is lost with it is told [`Unauthentic`](ErrorKind::Unauthentic), and what was written stays readable until the process ends.
///
/// A missing file is [`Gone`](ErrorKind::Gone). A version that was taken out is [`TooOld`](ErrorKind::TooOld) below
/// the oldest one left and [`TooNew`](ErrorKind::TooNew) above the newest, after one more look at the file.
pub struct LocalProvider {
    source: Arc<Source>,
    description: Description,
}

struct Source {
    path: PathBuf,
    trusted: bool,
    keys: ArcSwap<KeyFile>,
}

impl LocalProvider {
    fn open(path: PathBuf, credentials: Option<&Path>) -> Result<Self, LocalError> {
        let trusted = access::is_credential(&path, credentials);
        let keys = ArcSwap::from_pointee(KeyFile::parse(&path, &access::read(&path, trusted)?)?);
        let description = Description { kind: ProviderKind::LOCAL, identity: Vec::new(), epoch: None };
        Ok(Self { source: Arc::new(Source { path, trusted, keys }), description })
    }

    /// Looks at the file, off the threads that answer calls.
    async fn look(&self) -> Result<(), LocalError> {
        let source = self.source.clone();
        let looked = tokio::task::spawn_blocking(move || source.look()).await;
        looked.unwrap_or(Err(LocalError::Limit("the key file was not read: the process is stopping")))
    }

    async fn looked(&self) -> Result<(), ProviderError> {
        self.look().await.map_err(|error| {
            let kind = if matches!(error, LocalError::Missing { .. }) { ErrorKind::Gone } else { ErrorKind::Unusable };
            ProviderError::new(kind, "the local key can't be confirmed").with_source(error)
        })
    }

    fn unknown(&self, kind: ErrorKind, version: &KeyVersion) -> ProviderError {
        let keys = self.source.keys.load();
        let number = |version: Option<&Version>| version.map_or(0, |version| version.number);
        let text = format!(
            "key file {} has no version {version}, only {} to {}; copy the newest file to this node, or restore it",
            self.source.path.display(),
            number(keys.versions.first()),
            number(keys.versions.last())
        );
        ProviderError::new(kind, text)
    }

    /// Opens under the keys in memory; `None` = there is no such version.
    fn open_now(&self, number: u32, wrap: &[u8], aad: &[u8]) -> Option<Result<Secret, OpenError>> {
        self.source.keys.load().get(number).map(|version| version.material.open(wrap, aad))
    }

    /// What a probe that opens `number` has to know about the file.
    async fn still_there(&self, number: u32) -> Result<(), ProviderError> {
        match self.look().await {
            Err(LocalError::Replaced { path, versions }) if versions.contains(&number) => {
                let error = LocalError::Replaced { path, versions };
                Err(ProviderError::new(ErrorKind::Unauthentic, "the local key was replaced").with_source(error))
            }
            // `observe` reports what else is wrong with the file; this call goes on with the good keys.
            _ => Ok(()),
        }
    }
}

impl Source {
    fn look(&self) -> Result<(), LocalError> {
        let text = access::read(&self.path, self.trusted)?;
        let now = self.keys.load();
        if now.digest == digest_of(&text) {
            return Ok(());
        }
        let next = KeyFile::parse(&self.path, &text)?;
        let same = |old: &Version, new: &Version| old.material.fingerprint() == new.material.fingerprint();
        if now.versions.iter().any(|old| next.get(old.number).is_some_and(|new| !same(old, new))) {
            let lost = |old: &&Version| !next.get(old.number).is_some_and(|new| same(old, new));
            let versions = now.versions.iter().filter(lost).map(|version| version.number).collect();
            return Err(LocalError::Replaced { path: self.path.clone(), versions });
        }
        self.keys.store(Arc::new(next));
        Ok(())
    }
}

#[async_trait]
impl Provider for LocalProvider {
    fn describe(&self) -> &Description {
        &self.description
    }

    async fn presence(&self, _: &Call) -> Result<(), ProviderError> {
        self.looked().await
    }

    fn marks(&self) -> Vec<(KeyVersion, String)> {
        let mark = |version: &Version| (version.number.into(), version.material.fingerprint().to_owned());
        self.source.keys.load().versions.iter().map(mark).collect()
    }

    async fn observe(&self, _: &Call) -> Result<Observation, ProviderError> {
        self.looked().await?;
        let info = |version: &Version| VersionInfo {
            version: version.number.into(),
            created: None,
            active_from: Some(version.active_from),
            material: Some(version.material.fingerprint().to_owned()),
        };
        let versions = self.source.keys.load().versions.iter().map(info).collect();
        Ok(Observation { versions, active_node: true, ..Observation::default() })
    }

    async fn wrap(
        &self,
        version: &KeyVersion,
        plaintext: &Secret,
        aad: Option<&[u8]>,
        _: &Call,
    ) -> Result<Wrapped, ProviderError> {
        let keys = self.source.keys.load();
        let Some(key) = version.number().and_then(|number| keys.get(number)) else {
            return Err(self.unknown(ErrorKind::VersionRefused, version));
        };
        let bytes = key
            .material
            .wrap(plaintext.expose(), aad.unwrap_or_default())
            .map_err(|error| ProviderError::new(ErrorKind::Server, "the local key can't encrypt").with_source(error))?;
        Ok(Wrapped { version: version.clone(), bytes })
    }

    async fn unwrap(
        &self,
        version: &KeyVersion,
        wrap: &[u8],
        aad: Option<&[u8]>,
        call: &Call,
    ) -> Result<Unwrapped, ProviderError> {
        let Some(number) = version.number().filter(|number| *number != 0) else {
            let text = format!("a local key has no version {version}: its versions count from 1");
            return Err(ProviderError::new(ErrorKind::Malformed, text));
        };
        let aad = aad.unwrap_or_default();
        if call.probe {
            self.still_there(number).await?;
        }
        let mut opened = self.open_now(number, wrap, aad);
        if opened.is_none() && !call.probe {
            // A peer may have added a version. A file that can't be read says nothing of this record.
            self.looked().await.ok();
            opened = self.open_now(number, wrap, aad);
        }
        match opened {
            Some(Ok(plaintext)) => Ok(Unwrapped { plaintext, version: None }),
            Some(Err(OpenError::Short)) => {
                let text = format!("a wrap of {} bytes is shorter than any that a local key makes", wrap.len());
                Err(ProviderError::new(ErrorKind::Malformed, text))
            }
            Some(Err(OpenError::Unauthentic)) => {
                let text = format!(
                    "version {version} of key file {} did not make this wrap, or it was changed since",
                    self.source.path.display()
                );
                Err(ProviderError::new(ErrorKind::Unauthentic, text))
            }
            None => {
                let oldest = self.source.keys.load().versions.first().map_or(0, |version| version.number);
                let kind = if number < oldest { ErrorKind::TooOld } else { ErrorKind::TooNew };
                Err(self.unknown(kind, version))
            }
        }
    }
}

impl fmt::Debug for LocalProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalProvider").field("path", &self.source.path).finish_non_exhaustive()
    }
}
