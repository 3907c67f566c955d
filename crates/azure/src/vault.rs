//! The few things that are asked of a vault, with answers that were checked to be about the key that was asked for.

use std::time::{SystemTime, UNIX_EPOCH};

use trousseau_core::{ErrorKind, ProviderError};
use trousseau_http::Response;

use crate::ask::{Ask, Purpose};
use crate::client::Client;
use crate::identifier::{Version, split};
use crate::versions::Listed;
use crate::wire::{self, Done, Jwk};

/// The most pages of versions that are read; a page has up to 25.
const PAGES: usize = 40;

/// A vault or HSM.
pub(crate) struct Vault {
    pub(crate) client: Client,
}

/// The vault's clock, by one of its answers.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    /// Unix seconds; ours where the answer has no date.
    pub(crate) now: u64,
    /// Its clock minus ours, where it told.
    pub(crate) skew: Option<i64>,
}

/// The versions of a key.
pub(crate) struct Listing {
    pub(crate) versions: Vec<Listed>,
    pub(crate) clock: Clock,
}

impl Vault {
    /// Reads one version, or the newest; `read` takes what it needs of its public half, or says what is wrong with it,
    /// as a predicate.
    pub(crate) async fn key<T>(
        &self,
        name: &str,
        version: Option<Version>,
        read: impl FnOnce(&Jwk<'_>) -> Result<T, String>,
    ) -> Result<(Listing, T), ProviderError> {
        let ask = Ask::read(name, version);
        let answer = self.client.send(&ask).await?;
        let unusable = |what| self.client.unusable_answer(&ask, what);
        let bundle: wire::KeyBundle<'_> =
            wire::parse(&answer.body).ok_or_else(|| unusable("the answer describes no key"))?;
        let found = self.identified(&ask, name, version, bundle.key.kid)?;
        let clock = Clock::of(&answer);
        let listed = Listed::new(found, &bundle.attributes, clock.now);
        let listed = listed.ok_or_else(|| unusable("the answer doesn't say when the key was made"))?;
        let taken = read(&bundle.key).map_err(|flaw| {
            let text = format!("{}: `{name}` {flaw}", self.client.url(&ask));
            ProviderError::new(ErrorKind::Unusable, text)
        })?;
        Ok((Listing { versions: vec![listed], clock }, taken))
    }

    /// All versions of a key, in no order.
    pub(crate) async fn versions(&self, name: &str) -> Result<Listing, ProviderError> {
        let mut ask = Ask::list(name);
        let mut all: Vec<Listed> = Vec::new();
        for _ in 0..PAGES {
            let answer = self.client.send(&ask).await?;
            let unusable = |what| self.client.unusable_answer(&ask, what);
            let page: wire::Page = wire::parse(&answer.body).ok_or_else(|| unusable("the answer lists no versions"))?;
            let clock = Clock::of(&answer);
            for item in page.value.unwrap_or_default() {
                let version = self.identified(&ask, name, None, Some(&item.kid))?;
                let listed = Listed::new(version, &item.attributes, clock.now);
                all.push(listed.ok_or_else(|| unusable("a version doesn't say when it was made"))?);
            }
            let Some(next) = page.next.filter(|next| !next.is_empty()) else {
                if all.is_empty() {
                    return Err(unusable("the answer lists no versions"));
                }
                return Ok(Listing { versions: all, clock });
            };
            // Only its path is taken: the token goes to the configured vault, whatever the link says.
            let path = self.path_of(&next, name).ok_or_else(|| unusable("its next page is none of this key's"))?;
            ask = Ask::page(name, path);
        }
        let text = format!("{} lists more than {PAGES} pages of versions; pin one by `version`", self.client.url(&ask));
        Err(ProviderError::new(ErrorKind::Unusable, text))
    }

    /// Encrypts, decrypts or signs with one version; `read` takes what it needs of the answer, if it is there.
    pub(crate) async fn operate<T>(
        &self,
        (purpose, name, version): (Purpose, &str, Version),
        algorithm: &str,
        fields: &[(&str, &[u8])],
        read: impl FnOnce(&Done<'_>) -> Option<T>,
    ) -> Result<T, ProviderError> {
        let body = wire::operation(algorithm, fields);
        let ask = Ask::operation(purpose, name, version, &body);
        let answer = self.client.send(&ask).await?;
        let done: Done<'_> = wire::parse(&answer.body)
            .ok_or_else(|| self.client.unusable_answer(&ask, "the answer is not what this operation answers"))?;
        self.identified(&ask, name, Some(version), done.kid)?;
        read(&done).ok_or_else(|| {
            self.client.unusable_answer(&ask, "the answer lacks the result, or it has not the length that it must have")
        })
    }

    /// What a missing version means: `otherwise`, if the key is there without it. No answer to that says nothing.
    pub(crate) async fn missing(&self, error: ProviderError, name: &str, otherwise: ErrorKind) -> ProviderError {
        if error.kind() != ErrorKind::Gone {
            return error;
        }
        match self.key(name, None, |_| Ok(())).await {
            Ok(_) => {
                let text = format!("key `{name}` exists, but the vault knows no such version of it");
                ProviderError::new(otherwise, text).with_source(error)
            }
            Err(gone) => gone,
        }
    }

    /// The version that an answer is about: the one that was asked for, of the key that was asked for.
    fn identified(
        &self,
        ask: &Ask<'_>,
        name: &str,
        asked: Option<Version>,
        kid: Option<&str>,
    ) -> Result<Version, ProviderError> {
        let Some((named, version)) = kid.and_then(split) else {
            return Err(self.client.unusable_answer(ask, "the answer's `kid` names no version of a key"));
        };
        if !named.eq_ignore_ascii_case(name) {
            return Err(self.client.unusable_answer(ask, "the answer is about another key"));
        }
        match asked {
            Some(asked) if asked != version => {
                let text = format!("{}: asked for version {asked}, got {version}", self.client.url(ask));
                Err(ProviderError::new(ErrorKind::WrongVersion, text))
            }
            _ => Ok(version),
        }
    }

    /// Path and query of a link to the next page of a key's versions.
    fn path_of(&self, link: &str, name: &str) -> Option<String> {
        let (_, rest) = link.split_once("://")?;
        let path = &rest[rest.find('/')?..];
        let path = path.strip_prefix(self.client.vault().prefix()).unwrap_or(path);
        let (of, query) = path.split_once('?')?;
        let plain = query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        (of.eq_ignore_ascii_case(&format!("/keys/{name}/versions")) && plain).then(|| path.to_owned())
    }
}

impl Clock {
    fn of(answer: &Response) -> Self {
        let ours = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let theirs = answer.date();
        let seconds = |unix: u64| i64::try_from(unix).ok();
        let skew = theirs.and_then(seconds).zip(seconds(ours)).map(|(theirs, ours)| theirs - ours);
        Self { now: theirs.unwrap_or(ours), skew }
    }
}
