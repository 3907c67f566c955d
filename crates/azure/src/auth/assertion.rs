//! A client assertion: a JSON Web Token that an application's certificate signs (RFC 7523, RFC 7515 for `x5t#S256`).

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PSS_SHA256;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use trousseau_core::{ErrorKind, ProviderError};
use trousseau_http::Zeroizing;

use super::file;

/// How long an assertion is good, in seconds.
const LIFE: u64 = 300;

/// A certificate and its key, in files that are read for each login.
pub(crate) struct CertificateFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) send_chain: bool,
}

impl CertificateFiles {
    /// A new assertion that `client` logs in at `endpoint`, signed with PS256.
    ///
    /// # Errors
    /// `Denied`, with what is wrong with the files.
    pub(super) async fn assertion(&self, client: &str, endpoint: &str) -> Result<Zeroizing<String>, ProviderError> {
        let chain = certificates(&self.certificate).await?;
        let key = key(&self.key).await?;
        let unique = aws_lc_rs::rand::generate::<[u8; 16]>(&SystemRandom::new()).map_err(|_| no_random())?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let first = chain.first().map(|der| digest(&SHA256, der));
        let thumbprint = first.map(|hash| BASE64_URL_SAFE_NO_PAD.encode(hash)).unwrap_or_default();
        let mut header = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint});
        if self.send_chain {
            header["x5c"] = chain.iter().map(|der| BASE64_STANDARD.encode(der)).collect();
        }
        let claims = json!({
            "aud": endpoint,
            "iss": client,
            "sub": client,
            "jti": BASE64_URL_SAFE_NO_PAD.encode(unique.expose()),
            "iat": now,
            "nbf": now,
            "exp": now + LIFE,
        });
        let part = |value: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; key.public_modulus_len()];
        let done = key.sign(&RSA_PSS_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature);
        done.map_err(|_| flawed(&self.key, "can't sign; use an RSA key of at least 2048 bits"))?;
        Ok(Zeroizing::new(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))))
    }
}

async fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ProviderError> {
    let pem = file::bytes(path, "the certificate").await?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|_| flawed(path, "is no PEM file"))?;
    if chain.is_empty() { Err(flawed(path, "holds no certificate; write it as PEM")) } else { Ok(chain) }
}

async fn key(path: &Path) -> Result<KeyPair, ProviderError> {
    let pem = file::bytes(path, "the certificate's key").await?;
    let key = PrivateKeyDer::from_pem_slice(&pem);
    let key = key.map_err(|_| flawed(path, "holds no unencrypted private key; write it as PEM"))?;
    match &key {
        PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err(flawed(path, "is no RSA key; Entra ID takes no other")),
    }
    .map_err(|_| flawed(path, "is no RSA key that can be used; Entra ID takes no other"))
}

fn flawed(path: &Path, what: &str) -> ProviderError {
    ProviderError::new(ErrorKind::Denied, format!("{} {what}", path.display()))
}

fn no_random() -> ProviderError {
    ProviderError::new(ErrorKind::Unreachable, "the operating system gave no random bytes for a login")
}
