//! A certificate authority for tests, and the certificates it issues, as PEM files in a temporary folder.
#![expect(clippy::expect_used, reason = "a test that can't make its certificates has nothing to go on with")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

/// A CA that nobody else trusts: ECDSA P-256, valid until the year 4096. Its folder goes when it is dropped.
///
/// ```
/// let ca = trousseau_testkit::ca::TestCa::new();
/// let server = ca.server(&["vault.test", "127.0.0.1"]);
/// assert!(ca.file().exists() && server.certificate_file().exists() && server.key_file().exists());
/// ```
#[derive(Debug)]
pub struct TestCa {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    folder: TempDir,
    issued: AtomicUsize,
}

/// A certificate with its private key, in two PEM files and in memory. The files go with their [`TestCa`].
#[derive(Debug)]
pub struct Leaf {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: PrivateKeyDer<'static>,
    certificate_file: PathBuf,
    key_file: PathBuf,
}

impl TestCa {
    /// Makes a new CA, with a name that no other has.
    ///
    /// # Panics
    ///
    /// If the temporary folder can't be written; so does [`TestCa::named`].
    #[must_use]
    pub fn new() -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        Self::named(&format!("Test CA {}", MADE.fetch_add(1, Ordering::Relaxed)))
    }

    /// Makes a new CA with this common name. Two of one name are what renewing a CA leaves behind: clients that trust
    /// the old one find a signature that is wrong, not a signer that is unknown.
    #[must_use]
    pub fn named(common_name: &str) -> Self {
        let mut params = params(&[], common_name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a new key");
        let certificate = params.self_signed(&key).expect("a CA certificate");
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).expect("the CA file written");
        let certificate = certificate.der().clone();
        Self { issuer: Issuer::new(params, key), certificate, folder, issued: AtomicUsize::new(0) }
    }

    /// The CA's certificate as a PEM file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The folder that holds all the files, for tests that add their own.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The CA's certificate in DER.
    #[must_use]
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Issues a server certificate for DNS names and IP addresses.
    ///
    /// # Panics
    ///
    /// If a name is neither, or the files can't be written; so do the other methods that issue.
    #[must_use]
    pub fn server(&self, names: &[&str]) -> Leaf {
        self.issue(params(names, "server"), ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Issues a server certificate that expired at the end of 2020.
    #[must_use]
    pub fn expired_server(&self, names: &[&str]) -> Leaf {
        let mut params = params(names, "expired server");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 12, 31);
        self.issue(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Issues a client certificate with `name` as its common name and its DNS name.
    #[must_use]
    pub fn client(&self, name: &str) -> Leaf {
        self.issue(params(&[name], name), ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(&self, mut params: CertificateParams, usage: ExtendedKeyUsagePurpose) -> Leaf {
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().expect("a new key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a signed certificate");
        let serial = self.issued.fetch_add(1, Ordering::Relaxed);
        let file = |kind: &str, pem: String| {
            let path = self.folder.path().join(format!("{serial}-{kind}.pem"));
            std::fs::write(&path, pem).expect("a PEM file written");
            path
        };
        let key_file = file("key", key.serialize_pem());
        Leaf {
            certificate_file: file("certificate", certificate.pem()),
            certificate: certificate.der().clone(),
            key: PrivateKeyDer::from_pem_file(&key_file).expect("the key just written"),
            key_file,
        }
    }
}

impl Default for TestCa {
    fn default() -> Self {
        Self::new()
    }
}

impl Leaf {
    /// The certificate as a PEM file.
    #[must_use]
    pub fn certificate_file(&self) -> &Path {
        &self.certificate_file
    }

    /// The private key as a PEM file (PKCS#8).
    #[must_use]
    pub fn key_file(&self) -> &Path {
        &self.key_file
    }
}

fn params(names: &[&str], common_name: &str) -> CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).expect("DNS names or IP addresses");
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}
