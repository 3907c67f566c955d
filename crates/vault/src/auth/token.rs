//! A token that somebody else made: in a file that is read again and again, or given once.

use std::fmt;
use std::path::PathBuf;

use tokio::fs::File;
use tokio::io::AsyncReadExt;
use trousseau_core::{ErrorKind, ProviderError, SecretText};
use trousseau_http::{SecretHeader, Zeroizing};

/// The longest token file in bytes. Vault's tokens have about a hundred, batch tokens a few hundred.
const MAX_FILE: usize = 16 * 1024;

/// What a template engine writes for a field that isn't there.
const NO_VALUE: &str = "<no value>";

/// Where a token comes from.
pub(crate) enum TokenSource {
    /// A file, which Vault Agent or somebody else keeps fresh.
    File(PathBuf),
    /// The value itself, and the name of the setting that held it.
    Fixed(SecretText, &'static str),
}

/// A token, ready to be sent. Nothing of it can be printed.
pub(crate) struct Token {
    text: SecretText,
    header: SecretHeader,
}

/// Why a text is no token, and what to do.
pub(crate) struct Flaw {
    pub(crate) what: &'static str,
    pub(crate) remedy: &'static str,
}

const NO_TOKEN: Flaw = Flaw { what: "holds something else than a token", remedy: "look for a wrong path or setting" };

impl TokenSource {
    /// Reads it as it stands now.
    ///
    /// # Errors
    /// `Denied`, with what is wrong with the file or the value.
    pub(crate) async fn read(&self) -> Result<Token, ProviderError> {
        match self {
            Self::Fixed(text, _) => Token::new(text.expose()).map_err(|flaw| self.flawed(&flaw)),
            Self::File(path) => {
                let bytes = read_bounded(path).await.map_err(|error| {
                    let remedy = "check that the file is there and that this process may read it";
                    denied(format!("{self} can't be read; {remedy}")).with_source(error)
                })?;
                let text = std::str::from_utf8(&bytes).ok().filter(|_| bytes.len() <= MAX_FILE);
                text.ok_or(NO_TOKEN).and_then(Token::new).map_err(|flaw| self.flawed(&flaw))
            }
        }
    }

    /// What can be known to be wrong with it for ever: a file may still change.
    pub(crate) fn flaw(&self) -> Option<Flaw> {
        match self {
            Self::File(_) => None,
            Self::Fixed(text, _) => Token::new(text.expose()).err(),
        }
    }

    fn flawed(&self, flaw: &Flaw) -> ProviderError {
        denied(format!("{self} {}; {}", flaw.what, flaw.remedy))
    }
}

impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the token file {}", path.display()),
            Self::Fixed(_, setting) => write!(f, "the token from {setting}"),
        }
    }
}

impl Token {
    fn new(text: &str) -> Result<Self, Flaw> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Flaw { what: "is empty", remedy: "put a token there" });
        }
        if text == NO_VALUE {
            let remedy = "add the field, or correct its name in the template";
            return Err(Flaw { what: "is `<no value>`: the KV secret lacks the field", remedy });
        }
        let header = SecretHeader::new(Zeroizing::new(text.as_bytes().to_vec())).map_err(|_| NO_TOKEN)?;
        Ok(Self { text: SecretText::new(text.to_owned()), header })
    }

    /// As the value of `X-Vault-Token`.
    pub(crate) fn header(&self) -> &SecretHeader {
        &self.header
    }

    /// Whether `text` repeats it, or a piece of it that is worth something.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        const PIECE: usize = 12;
        let token = self.text.expose().as_bytes();
        let length = token.len().min(PIECE);
        token.windows(length).any(|piece| text.as_bytes().windows(length).any(|other| other == piece))
    }

    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// One byte more than allowed at most, which tells that it is too long.
async fn read_bounded(path: &PathBuf) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE + 1));
    File::open(path).await?.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

fn denied(text: String) -> ProviderError {
    ProviderError::new(ErrorKind::Denied, text)
}
