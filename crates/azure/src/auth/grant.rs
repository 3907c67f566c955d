//! A token as a login answers it: checked, and ready to be sent.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use tokio::time::Instant;
use trousseau_core::SecretText;
use trousseau_http::{SecretHeader, Zeroizing};

/// A token for one resource. Nothing of it can be printed.
pub(crate) struct Token {
    text: SecretText,
    header: SecretHeader,
    pub(crate) resource: String,
    pub(crate) made: Instant,
    /// From when on the next one is got.
    pub(crate) refresh: Instant,
    pub(crate) expires: Instant,
}

/// What Entra ID and the managed identities' endpoints answer; the latter write numbers as texts.
#[derive(Deserialize)]
struct Grant<'a> {
    access_token: &'a str,
    #[serde(default)]
    token_type: Option<&'a str>,
    expires_in: Option<Number<'a>>,
    expires_on: Option<Number<'a>>,
    refresh_in: Option<Number<'a>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number<'a> {
    Number(u64),
    Text(&'a str),
}

/// Cut off the end of a token's life: the call that carries it needs some of it.
const SPARE: Duration = Duration::from_secs(30);

/// The longest life that is believed.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

impl Token {
    /// Reads an answer with status 200; else what is wrong with it, as a predicate.
    pub(crate) fn read(body: &[u8], resource: &str) -> Result<Self, &'static str> {
        let grant: Grant<'_> = serde_json::from_slice(body).map_err(|_| "is not what a login answers")?;
        if grant.access_token.is_empty() {
            return Err("holds no token");
        }
        if grant.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err("holds a token of another type than Bearer");
        }
        let lives = grant.expires_in.and_then(|it| it.value()).or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
            Some(grant.expires_on?.value()?.saturating_sub(now))
        });
        let lives = Duration::from_secs(lives.ok_or("does not say when its token ends")?).min(LONGEST);
        let mut header = Zeroizing::new(Vec::with_capacity(7 + grant.access_token.len()));
        header.extend_from_slice(b"Bearer ");
        header.extend_from_slice(grant.access_token.as_bytes());
        let header = SecretHeader::new(header).map_err(|_| "holds a token that can't stand in a header")?;
        let made = Instant::now();
        // As Microsoft's libraries do it: when told, else five minutes before the end; half-way through a short life.
        let early = Duration::from_secs(300).min(lives / 2);
        let told = grant.refresh_in.and_then(|it| it.value()).map(Duration::from_secs);
        let refresh = made + told.unwrap_or(lives - early).min(lives - early);
        let expires = made + lives.saturating_sub(SPARE.min(lives / 4));
        let text = SecretText::new(grant.access_token.to_owned());
        Ok(Self { text, header, resource: resource.to_owned(), made, refresh, expires })
    }

    /// As the value of `Authorization`.
    pub(crate) fn header(&self) -> &SecretHeader {
        &self.header
    }

    /// Whether `text` repeats it, or a good part of it.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        trousseau_http::repeats(text, self.text.expose().as_bytes()) || text.contains(self.text.expose())
    }

    pub(crate) fn same_as(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Number<'_> {
    fn value(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Token};

    #[test]
    fn lives_are_read_as_numbers_and_as_texts() {
        for (body, lives) in [
            (r#"{"access_token":"t","expires_in":3600,"token_type":"Bearer"}"#, 3600),
            (r#"{"access_token":"t","expires_in":"3600","expires_on":"1"}"#, 3600),
            (r#"{"access_token":"t","expires_in":99999999999}"#, 7 * 24 * 3600),
        ] {
            let token = Token::read(body.as_bytes(), "r").unwrap();
            assert_eq!(token.expires - token.made, Duration::from_secs(lives - 30));
            assert_eq!(token.refresh - token.made, Duration::from_secs(lives - 300));
        }
        let told = br#"{"access_token":"t","expires_in":86400,"refresh_in":43200}"#;
        let token = Token::read(told, "r").unwrap();
        assert_eq!(token.refresh - token.made, Duration::from_secs(43200));
        let short = Token::read(br#"{"access_token":"t","expires_in":8}"#, "r").unwrap();
        assert_eq!((short.refresh - short.made).as_secs(), 4);
        assert_eq!((short.expires - short.made).as_secs(), 6);
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for body in [
            "",
            "{}",
            r#"{"access_token":""}"#,
            r#"{"access_token":"t"}"#,
            r#"{"access_token":"a\nb","expires_in":9}"#,
            r#"{"access_token":"t","expires_in":9,"token_type":"pop"}"#,
            r#"{"access_token":"t","expires_in":-1}"#,
        ] {
            assert!(Token::read(body.as_bytes(), "r").is_err(), "{body}");
        }
    }
}
