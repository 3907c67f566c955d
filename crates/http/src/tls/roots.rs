//! Trusted CAs, from the system's bundle and from files.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;

use super::certificates;
use crate::{HttpError, Roots};

pub(super) fn load(roots: &Roots, system_bundles: &[PathBuf]) -> Result<RootCertStore, HttpError> {
    let mut store = RootCertStore::empty();
    if matches!(roots, Roots::System | Roots::SystemAnd(_)) {
        // Bundles hold old roots that rustls can't parse; that must not cost us the good ones.
        store.add_parsable_certificates(system(system_bundles)?);
    }
    if let Roots::Only(paths) | Roots::SystemAnd(paths) = roots {
        for path in paths {
            for certificate in under(path)? {
                store.add(certificate).map_err(|e| {
                    HttpError::invalid(format!("CA {}: {e}", path.display()), "replace that certificate")
                })?;
            }
        }
    }
    if store.is_empty() {
        return Err(HttpError::invalid("no CA is trusted", "name at least one CA file, or trust the system's"));
    }
    Ok(store)
}

fn system(bundles: &[PathBuf]) -> Result<Vec<CertificateDer<'static>>, HttpError> {
    let Some(bundle) = bundles.iter().find(|bundle| bundle.exists()) else {
        let tried: Vec<_> = bundles.iter().map(|bundle| bundle.display().to_string()).collect();
        return Err(HttpError::invalid(
            format!("the system has no CA bundle (looked for {})", tried.join(", ")),
            "name the server's CA file, install ca-certificates, or set SSL_CERT_FILE",
        ));
    };
    under(bundle)
}

/// The certificates of a file, or of the files in a folder; at least one.
fn under(path: &Path) -> Result<Vec<CertificateDer<'static>>, HttpError> {
    let mut found = Vec::new();
    if path.is_dir() {
        let unreadable = |e| HttpError::invalid(format!("{} cannot be read: {e}", path.display()), "check permissions");
        for entry in path.read_dir().map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if !hidden && file.is_file() {
                found.extend(certificates(&file)?);
            }
        }
    } else {
        found = certificates(path)?;
    }
    if found.is_empty() {
        let what = format!("{} has no certificate in it", path.display());
        return Err(HttpError::invalid(what, "write the CA as PEM (`-----BEGIN CERTIFICATE-----`)"));
    }
    Ok(found)
}
