//! A credential in a file that somebody else keeps fresh, read anew for each login.

use std::path::Path;

use tokio::fs::File;
use tokio::io::AsyncReadExt;
use trousseau_core::{ErrorKind, ProviderError};
use trousseau_http::Zeroizing;

/// The longest file in bytes. A federated token has about a thousand, a certificate with its chain some thousands.
const MAX_FILE: usize = 64 * 1024;

/// Reads a text, without blanks at its ends.
///
/// # Errors
/// `Denied`, with what is wrong with the file.
pub(super) async fn text(path: &Path, what: &str) -> Result<Zeroizing<String>, ProviderError> {
    let bytes = bytes(path, what).await?;
    let text = std::str::from_utf8(&bytes).map(str::trim).unwrap_or_default();
    if text.is_empty() || text.contains(char::is_control) {
        let flaw = if bytes.iter().all(u8::is_ascii_whitespace) { "is empty" } else { "holds something else" };
        return Err(denied(format!("{what} {} {flaw}; put it there", path.display())));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

/// Reads it as it is.
///
/// # Errors
/// `Denied`, with what is wrong with the file.
pub(super) async fn bytes(path: &Path, what: &str) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
    let read = async {
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE + 1));
        File::open(path).await?.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes).await?;
        Ok::<_, std::io::Error>(bytes)
    };
    let bytes = read.await.map_err(|error| {
        let remedy = "check that the file is there and that this process may read it";
        denied(format!("{what} {} can't be read; {remedy}", path.display())).with_source(error)
    })?;
    if bytes.len() > MAX_FILE {
        return Err(denied(format!("{what} {} is larger than {MAX_FILE} bytes; check the path", path.display())));
    }
    Ok(bytes)
}

fn denied(text: String) -> ProviderError {
    ProviderError::new(ErrorKind::Denied, text)
}
