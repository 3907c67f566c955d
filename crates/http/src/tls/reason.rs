//! Why there is no TLS session, in words that say which side has to change what.

use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription as Alert, CertificateError as Certificate, Error};

use crate::HttpError;

/// The rustls error that lies under an I/O or hyper error, if there is one.
pub(crate) fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        // An io::Error's source() skips the very error it wraps, so look inside first.
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inside.and_then(|inside| inside.downcast_ref()) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// A handshake that failed, for whatever reason.
pub(crate) fn handshake_failed(to: &str, error: &io::Error) -> HttpError {
    cause(error).map_or_else(
        || HttpError::Tls {
            to: to.to_owned(),
            what: format!("the connection ended in the handshake ({error})"),
            remedy: "check that this port speaks TLS, and what lies between",
        },
        |error| refused(to, error),
    )
}

/// What rustls, or the other side by an alert, refused.
pub(crate) fn refused(to: &str, error: &Error) -> HttpError {
    let remedy = match error {
        Error::InvalidCertificate(reason) => match reason {
            Certificate::Expired | Certificate::ExpiredContext { .. } => {
                "renew the server's certificate, or set this machine's clock"
            }
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => "set this machine's clock",
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                "use an address that the certificate names, or set the TLS server name to one of its names"
            }
            // What a CA that was made anew under its old name comes to.
            Certificate::BadSignature => "refresh the trusted CA files: one has the signer's name but another key",
            Certificate::UnknownIssuer => "add the CA that signed the server's certificate to the trusted CA files",
            _ => "replace the server's certificate",
        },
        Error::AlertReceived(Alert::CertificateRequired) => "configure a client certificate: the server wants one",
        Error::AlertReceived(
            Alert::BadCertificate
            | Alert::CertificateExpired
            | Alert::CertificateRevoked
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError,
        ) => "use a client certificate that the server trusts and that has not expired",
        Error::AlertReceived(Alert::HandshakeFailure) => {
            "the server may want a client certificate, or may speak no cipher suite of ours"
        }
        Error::AlertReceived(Alert::UnrecognisedName) => "set the TLS server name to one the server knows",
        Error::InvalidMessage(_) => "check that this port speaks TLS",
        Error::PeerIncompatible(_) | Error::AlertReceived(Alert::ProtocolVersion) => {
            "let the server offer TLS 1.2 or 1.3 with an AEAD cipher suite"
        }
        _ => "check the server's TLS settings, and what lies between",
    };
    HttpError::Tls { to: to.to_owned(), what: error.to_string(), remedy }
}
