//! The transit engine as a [`Provider`].

mod metadata;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use tokio::time::timeout;
use trousseau_core::{
    Call, Description, ErrorKind, KeyVersion, Observation, Provider, ProviderError, Secret, Unwrapped, VersionInfo,
    Wrapped,
};
use trousseau_http::{Response, StatusCode};

use crate::answers::{self, Hint, Purpose};
use crate::auth::{Lifetime, Standing, Token};
use crate::client::{Ask, Client};
use crate::config::IdentitySource;
use crate::wire;

/// How long `observe` waits for what it could do without.
const ASIDE: Duration = Duration::from_secs(2);

/// One transit key. Made by [`Config::build`](crate::Config::build); `Debug` shows the key's path only.
pub struct VaultProvider {
    description: Description,
    client: Client,
    paths: Paths,
    identity: IdentitySource,
    pinned: Option<u32>,
    lifetime: Lifetime,
}

/// The paths of one key, percent-encoded.
pub(crate) struct Paths {
    encrypt: String,
    decrypt: String,
    key: String,
}

impl Paths {
    pub(crate) fn new(mount: &str, key: &str) -> Self {
        let (mount, key) = (encoded(mount), encoded(key));
        let path = |what: &str| format!("/v1/{mount}/{what}/{key}");
        Self { encrypt: path("encrypt"), decrypt: path("decrypt"), key: path("keys") }
    }
}

impl VaultProvider {
    pub(crate) fn new(
        description: Description,
        client: Client,
        paths: Paths,
        identity: IdentitySource,
        pinned: Option<u32>,
        renew: bool,
    ) -> Self {
        Self { description, client, paths, identity, pinned, lifetime: Lifetime::new(renew) }
    }

    /// One call with status 200, or the error that its answer is.
    async fn ask(&self, ask: &Ask<'_>, call: &Call) -> Result<Response, ProviderError> {
        let (answer, token) = self.client.send(ask, call).await?;
        if answer.status == StatusCode::OK {
            return Ok(answer);
        }
        Err(self.client.refusal_with(ask, &answer, Some(&token), self.hint(&answer, &token, call).await))
    }

    /// OpenBao's 403 doesn't tell a wrong token from a missing right; looking the token up does.
    async fn hint(&self, answer: &Response, token: &Arc<Token>, call: &Call) -> Hint {
        if answer.status != StatusCode::FORBIDDEN || answers::blames_token(&answer.body) {
            return Hint::None;
        }
        match self.lifetime.standing(&self.client, token, call).await {
            Standing::Refused => Hint::TokenRefused,
            Standing::Good(_) | Standing::Unknown => Hint::None,
        }
    }

    /// Encrypts; `None` for the version = the newest one. Gives the version used.
    async fn encrypt(
        &self,
        version: Option<u32>,
        plaintext: &Secret,
        aad: Option<&[u8]>,
        call: &Call,
    ) -> Result<(u32, Vec<u8>), ProviderError> {
        let body = wire::encrypt(plaintext, aad, version);
        let ask = Ask::post(Purpose::Encrypt, &self.paths.encrypt, &body);
        let answer = self.ask(&ask, call).await?;
        let unusable = |what| self.client.unusable_answer(&ask, what);
        let data = wire::parse::<wire::Data<wire::Encrypted<'_>>>(&answer.body).and_then(|answer| answer.data);
        let data = data.ok_or_else(|| unusable("the answer is not what encrypt answers"))?;
        let text = data.ciphertext.filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| unusable("the answer holds no ciphertext"))?;
        let (used, wrap) = wire::ciphertext(text)
            .ok_or_else(|| unusable("the answer's ciphertext is not of the form `vault:vN:BASE64`"))?;
        for found in [Some(used), data.key_version].into_iter().flatten() {
            let asked = version.unwrap_or(used);
            if found != asked {
                let text = format!("{}: asked for key version {asked}, got {found}", self.client.url(&ask));
                return Err(ProviderError::new(ErrorKind::WrongVersion, text));
            }
        }
        if used == 0 {
            return Err(unusable("the answer names key version 0"));
        }
        Ok((used, wrap))
    }

    async fn decrypt(
        &self,
        version: u32,
        wrap: &[u8],
        aad: Option<&[u8]>,
        call: &Call,
    ) -> Result<Secret, ProviderError> {
        let body = wire::decrypt(version, wrap, aad);
        let ask = Ask::post(Purpose::Decrypt, &self.paths.decrypt, &body);
        let answer = self.ask(&ask, call).await?;
        let data = wire::parse::<wire::Data<wire::Decrypted<'_>>>(&answer.body).and_then(|answer| answer.data);
        data.and_then(|data| data.plaintext)
            .and_then(wire::secret)
            .ok_or_else(|| self.client.unusable_answer(&ask, "the answer is not what decrypt answers"))
    }

    /// The versions, and the lowest one that may encrypt.
    async fn versions(&self, call: &Call) -> Result<(Vec<VersionInfo>, Option<u32>), ProviderError> {
        match (self.identity, self.pinned) {
            (IdentitySource::Metadata, pinned) => {
                let ask = Ask::get(Purpose::ReadKey, &self.paths.key);
                let answer = self.ask(&ask, call).await?;
                let info = wire::parse::<wire::Data<wire::KeyInfo>>(&answer.body).and_then(|answer| answer.data);
                let info = info.ok_or_else(|| self.client.unusable_answer(&ask, "the answer describes no key"))?;
                metadata::versions(info, pinned, &self.client.url(&ask))
            }
            (IdentitySource::Version, Some(pinned)) => Ok((metadata::counted(pinned), Some(pinned))),
            (IdentitySource::Version, None) => {
                let (newest, _) = self.encrypt(None, &Secret::new(vec![0; 32]), None, call).await?;
                Ok((metadata::counted(newest), None))
            }
        }
    }

    /// Whether the node is the active one, and its clock minus ours. A failure says neither.
    async fn health(&self) -> (bool, Option<i64>) {
        let ask = Ask::get(Purpose::Other, "/v1/sys/health");
        let Ok(Ok(answer)) = timeout(ASIDE, self.client.ask(&ask, None, false)).await else {
            return (false, None);
        };
        let ours = SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| seconds(since.as_secs()));
        let skew = answer.date().and_then(seconds).zip(ours).map(|(theirs, ours)| theirs - ours);
        (answer.status == StatusCode::OK, skew)
    }
}

#[async_trait]
impl Provider for VaultProvider {
    fn describe(&self) -> &Description {
        &self.description
    }

    async fn upkeep(&self, call: &Call) {
        let token = async {
            // Without one each call says so.
            if let Ok(token) = self.client.session().refresh().await {
                self.lifetime.keep(&self.client, &token, call).await;
            }
        };
        tokio::join!(self.client.renew(), token);
    }

    /// Decrypts what can't be a ciphertext: `encrypt` would make a missing key for a token that may create.
    async fn presence(&self, call: &Call) -> Result<(), ProviderError> {
        use ErrorKind::{Malformed, TooNew, TooOld, Unauthentic};
        match self.decrypt(1, &[0; 29], None, call).await {
            Ok(_) => {
                let ask = Ask::get(Purpose::Decrypt, &self.paths.decrypt);
                Err(self.client.unusable_answer(&ask, "29 zero bytes were opened, which no key can"))
            }
            Err(error) if matches!(error.kind(), Malformed | TooNew | TooOld | Unauthentic) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn observe(&self, call: &Call) -> Result<Observation, ProviderError> {
        let token = self.client.session().token().await?;
        let (versions, standing, (active_node, clock_skew)) =
            tokio::join!(self.versions(call), self.lifetime.standing(&self.client, &token, call), self.health());
        let (versions, min_encryption) = versions?;
        let credential_ttl = match standing {
            Standing::Good(ttl) => ttl,
            Standing::Refused | Standing::Unknown => None,
        };
        Ok(Observation {
            versions,
            min_encryption,
            credential_ttl,
            clock_skew,
            active_node,
            newest_only: false,
            one_way: false,
        })
    }

    async fn wrap(
        &self,
        version: &KeyVersion,
        plaintext: &Secret,
        aad: Option<&[u8]>,
        call: &Call,
    ) -> Result<Wrapped, ProviderError> {
        let number = self.number(version, ErrorKind::VersionRefused)?;
        let (used, bytes) = self.encrypt(Some(number), plaintext, aad, call).await?;
        Ok(Wrapped { version: used.into(), bytes })
    }

    async fn unwrap(
        &self,
        version: &KeyVersion,
        wrap: &[u8],
        aad: Option<&[u8]>,
        call: &Call,
    ) -> Result<Unwrapped, ProviderError> {
        let number = self.number(version, ErrorKind::Malformed)?;
        let plaintext = self.decrypt(number, wrap, aad, call).await?;
        Ok(Unwrapped { plaintext, version: None })
    }
}

impl VaultProvider {
    fn number(&self, version: &KeyVersion, kind: ErrorKind) -> Result<u32, ProviderError> {
        version.number().filter(|number| *number > 0).ok_or_else(|| {
            let text = format!("{}: Vault counts key versions from 1, so there is no `{version}`", self.paths.key);
            ProviderError::new(kind, text)
        })
    }
}

impl fmt::Debug for VaultProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VaultProvider({})", self.description.identity.join("/"))
    }
}

/// Percent-encodes a path, segment by segment (RFC 3986: unreserved letters stay).
fn encoded(path: &str) -> String {
    let encode = |byte: u8| match byte {
        b'/' | b'-' | b'.' | b'_' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    path.bytes().map(encode).collect()
}

fn seconds(unix: u64) -> Option<i64> {
    i64::try_from(unix).ok()
}
