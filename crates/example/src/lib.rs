//! Acme KMS: keys with numbered versions, behind a REST API with a bearer token.

use std::{path::PathBuf, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use trousseau_core::section::{BuildError, Fault, Host, Section, absolute};
use trousseau_core::{
    Call, Description, ErrorKind, KeyVersion, Observation, Provider, ProviderError, ProviderKind, Secret, Unwrapped,
    VersionInfo, Wrapped,
};
use trousseau_http::{Client, Method, Origin, Request, Response, Roots, SecretHeader, Zeroizing, header, quote};

/// The `acme:` section.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// Where it listens: `https://HOST:PORT`.
    pub address: String,
    /// The key's name.
    pub key: String,
    /// The file with the token; read for each call.
    pub token_file: PathBuf,
    /// PEM file of the only authorities to trust; absent = the system's.
    pub ca: Option<PathBuf>,
}

impl Section for Config {
    const KIND: ProviderKind = ProviderKind { code: 0xF1, name: "acme" };
    const SUMMARY: &'static str = "Acme KMS, an imaginary one";

    fn check(&self) -> Result<(), Fault> {
        if self.key.is_empty() || self.key.contains(|letter: char| !letter.is_ascii_alphanumeric()) {
            return Err(Fault::new("key", "is no key's name", "write letters and digits"));
        }
        absolute("tokenFile", Some(&self.token_file))
    }

    fn build(&self, _: &Host) -> Result<Arc<dyn Provider>, BuildError> {
        let roots = self.ca.clone().map_or(Roots::System, |ca| Roots::Only(vec![ca]));
        let client = trousseau_http::Config { roots, ..Default::default() }.build()?;
        let (origin, token_file) = (self.address.parse()?, self.token_file.clone());
        // What names the key for ever: not its address, which may change.
        let description = Description { kind: Self::KIND, identity: vec![self.key.clone()], epoch: None };
        Ok(Arc::new(Acme { client, origin, token_file, path: format!("/v1/keys/{}", self.key), description }))
    }
}

struct Acme {
    client: Client,
    origin: Origin,
    token_file: PathBuf,
    path: String,
    description: Description,
}

impl Acme {
    fn error(&self, kind: ErrorKind, what: &str) -> ProviderError {
        ProviderError::new(kind, format!("{}{}: {what}", self.origin, self.path))
    }

    /// One call. The guard around every provider has deadline, retries and breaker: here it is made once.
    async fn ask(&self, path: &str, body: Option<Zeroizing<Vec<u8>>>) -> Result<Response, ProviderError> {
        let token = tokio::fs::read_to_string(&self.token_file).await.map(Zeroizing::new);
        let token = token.map_err(|error| self.error(ErrorKind::Denied, "no token").with_source(error))?;
        let bearer = SecretHeader::new(Zeroizing::new(format!("Bearer {}", token.trim()).into_bytes()));
        let bearer = bearer.map_err(|error| self.error(ErrorKind::Denied, "no token").with_source(error))?;
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let request = Request::new(method, &self.origin, path).secret(header::AUTHORIZATION, &bearer);
        let answer = self.client.send(body.into_iter().fold(request, Request::json)).await;
        let answer = answer.map_err(|error| self.error(ErrorKind::Unreachable, "no answer").with_source(error))?;
        let said = String::from_utf8_lossy(&answer.body);
        let kind = match (answer.status.as_u16(), said.trim()) {
            (200, _) => return Ok(answer),
            (401 | 403, _) => ErrorKind::Denied,
            (404, "no such key") => ErrorKind::Gone,
            (404, "no such version") => ErrorKind::TooNew,
            (400, "bad ciphertext") => ErrorKind::Unauthentic,
            (429, _) => ErrorKind::Throttled,
            _ => ErrorKind::Server,
        };
        Err(self.error(kind, &format!("{}: {}", answer.status, quote(&said))).with_retry_after(answer.retry_after()))
    }

    /// Encrypts or decrypts; the bytes of the answer.
    async fn work(&self, verb: &str, number: u32, input: &[u8], aad: Option<&[u8]>) -> Result<Secret, ProviderError> {
        let (data, aad) = (Zeroizing::new(STANDARD.encode(input)), STANDARD.encode(aad.unwrap_or_default()));
        // In one piece, so that no copy of the plaintext stays in a buffer that was too small.
        let body = [r#"{"data":""#, &data, r#"","aad":""#, &aad, r#""}"#].concat().into_bytes();
        let path = format!("{}/versions/{number}/{verb}", self.path);
        let answer = self.ask(&path, Some(Zeroizing::new(body))).await?;
        let output = answer.body.strip_prefix(b"{\"data\":\"").and_then(|rest| rest.strip_suffix(b"\"}"));
        let output = output.and_then(|text| STANDARD.decode(text).ok()).map(Secret::new);
        output.ok_or_else(|| self.error(ErrorKind::BadAnswer, "an answer of another shape"))
    }
}

#[async_trait::async_trait]
impl Provider for Acme {
    fn describe(&self) -> &Description {
        &self.description
    }

    async fn presence(&self, _: &Call) -> Result<(), ProviderError> {
        self.ask(&self.path, None).await.map(drop)
    }

    async fn observe(&self, _: &Call) -> Result<Observation, ProviderError> {
        let answer = self.ask(&self.path, None).await?;
        let listed: Vec<(u32, u64)> = serde_json::from_slice(&answer.body)
            .map_err(|error| self.error(ErrorKind::BadAnswer, "no list of versions").with_source(error))?;
        let info = |(number, created): (u32, u64)| VersionInfo {
            version: number.into(),
            created: Some(created),
            active_from: None,
            material: None,
        };
        let versions = listed.into_iter().map(info).collect();
        Ok(Observation { versions, active_node: true, ..Observation::default() })
    }

    async fn wrap(
        &self,
        version: &KeyVersion,
        plaintext: &Secret,
        aad: Option<&[u8]>,
        _: &Call,
    ) -> Result<Wrapped, ProviderError> {
        let refused = || self.error(ErrorKind::VersionRefused, "it has no such version");
        let number = version.number().filter(|number| *number > 0).ok_or_else(refused)?;
        match self.work("encrypt", number, plaintext.expose(), aad).await {
            Ok(wrap) => Ok(Wrapped { version: number.into(), bytes: wrap.into_exposed() }),
            Err(error) if error.kind() == ErrorKind::TooNew => Err(refused()),
            Err(error) => Err(error),
        }
    }

    async fn unwrap(
        &self,
        version: &KeyVersion,
        wrap: &[u8],
        aad: Option<&[u8]>,
        _: &Call,
    ) -> Result<Unwrapped, ProviderError> {
        let malformed = || self.error(ErrorKind::Malformed, "its versions are numbers from 1");
        let number = version.number().filter(|number| *number > 0).ok_or_else(malformed)?;
        Ok(Unwrapped { plaintext: self.work("decrypt", number, wrap, aad).await?, version: None })
    }
}
