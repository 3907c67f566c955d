//! RSA keys. They take long to make, so all doubles of a process draw on one pool.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::KeyPair as _;
use rcgen::{CertificateParams, DnType, PKCS_RSA_SHA256};
use trousseau_core::Secret;

/// An RSA key of 2048 bits.
pub(crate) struct RsaKey {
    private: OaepPrivateDecryptingKey,
    pub(crate) n: Vec<u8>,
    pub(crate) e: Vec<u8>,
}

/// An RSA certificate that signed itself, for an application.
#[derive(Clone)]
pub struct Certified {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// Its private key, PEM (PKCS#8).
    pub key_pem: String,
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// The public key, PKCS#1.
    pub public_key: Vec<u8>,
}

/// More than the versions that any test gives one key.
const POOL: usize = 24;

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A key that the `POOL` draws before this one did not give.
pub(crate) fn draw() -> Arc<RsaKey> {
    static MADE: OnceLock<Vec<Mutex<Option<Arc<RsaKey>>>>> = OnceLock::new();
    let pool = MADE.get_or_init(|| (0..POOL).map(|_| Mutex::new(None)).collect());
    let slot = &pool[NEXT.fetch_add(1, Ordering::Relaxed) % POOL];
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    slot.get_or_insert_with(|| Arc::new(RsaKey::generate())).clone()
}

impl RsaKey {
    fn generate() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("an RSA key");
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).expect("the key in PKCS#8");
        let (n, e) = numbers(pair.public_key().as_ref());
        let private = PrivateDecryptingKey::from_pkcs8(der.as_ref()).expect("the key just made");
        Self { private: OaepPrivateDecryptingKey::new(private).expect("an OAEP key"), n, e }
    }

    /// RSA-OAEP-256; `None` for what this key did not encrypt.
    pub(crate) fn decrypt(&self, ciphertext: &[u8]) -> Option<Secret> {
        let mut plaintext = vec![0; self.private.min_output_size()];
        let length = self.private.decrypt(&OAEP_SHA256_MGF1SHA256, ciphertext, &mut plaintext, None).ok()?.len();
        plaintext.truncate(length);
        Some(plaintext.into())
    }
}

/// Modulus and exponent out of PKCS#1: a sequence of two integers.
fn numbers(der: &[u8]) -> (Vec<u8>, Vec<u8>) {
    fn field(der: &[u8], tag: u8) -> (&[u8], &[u8]) {
        assert_eq!(der[0], tag, "RSAPublicKey is a sequence of two integers");
        let (length, start) = match der[1] {
            short @ 0..=0x7F => (usize::from(short), 2),
            0x81 => (usize::from(der[2]), 3),
            _ => (usize::from(der[2]) << 8 | usize::from(der[3]), 4),
        };
        (&der[start..start + length], &der[start + length..])
    }
    let (inside, _) = field(der, 0x30);
    let (n, rest) = field(inside, 0x02);
    let (e, _) = field(rest, 0x02);
    let plain = |number: &[u8]| number.iter().copied().skip_while(|byte| *byte == 0).collect();
    (plain(n), plain(e))
}

/// Makes a certificate for an application.
///
/// # Panics
/// If it can't be made.
#[must_use]
pub fn certified(name: &str) -> Certified {
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("an RSA key");
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).expect("the key in PKCS#8");
    let der = rustls_pki_types::PrivatePkcs8KeyDer::from(der.as_ref().to_vec());
    let key = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_RSA_SHA256).expect("a key for a certificate");
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names");
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.self_signed(&key).expect("a certificate");
    Certified {
        certificate_pem: certificate.pem(),
        key_pem: key.serialize_pem(),
        certificate: certificate.der().to_vec(),
        public_key: pair.public_key().as_ref().to_vec(),
    }
}
