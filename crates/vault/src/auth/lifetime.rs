//! How long the token still lives, by Vault itself, and its renewal.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use trousseau_core::Call;

use super::Token;
use crate::answers::Purpose;
use crate::client::{Ask, Client};
use crate::wire;

/// The longest and the shortest time between two look-ups.
const SELDOM: Duration = Duration::from_secs(60);
const OFTEN: Duration = Duration::from_secs(1);

/// What is asked on the side must not use up the time of the call.
const ASIDE: Duration = Duration::from_secs(2);

/// How Vault stands to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is good, for so long; `None` = without end.
    Good(Option<Duration>),
    /// It is wrong, expired or revoked.
    Refused,
    /// Vault didn't say.
    Unknown,
}

/// What is known of the token in use. A token that may not look itself up works as well; its life is unknown.
pub(crate) struct Lifetime {
    renew: bool,
    last: Mutex<Option<Known>>,
}

struct Known {
    token: Arc<Token>,
    at: Instant,
    next: Instant,
    standing: Standing,
}

impl Lifetime {
    pub(crate) fn new(renew: bool) -> Self {
        Self { renew, last: Mutex::new(None) }
    }

    /// Renews the token if that is wanted and due.
    pub(crate) async fn keep(&self, client: &Client, token: &Arc<Token>, call: &Call) {
        if self.renew {
            self.standing(client, token, call).await;
        }
    }

    /// How Vault stands to `token`: asked at most once a minute, sooner for one that lives less than four. Renews it
    /// then if that is wanted and half of its life is over; that a renewal failed is only logged.
    pub(crate) async fn standing(&self, client: &Client, token: &Arc<Token>, call: &Call) -> Standing {
        let mut last = self.last.lock().await;
        let now = Instant::now();
        let known = last.as_ref().filter(|known| Arc::ptr_eq(&known.token, token));
        if let Some(known) = known.filter(|known| now < known.next) {
            return known.now(now);
        }
        let bound = ASIDE.min(call.remaining() / 2);
        let mut standing = timeout(bound, self.ask(client, token)).await.unwrap_or(Standing::Unknown);
        if let (Standing::Unknown, Some(known)) = (standing, known) {
            // An outage takes nothing from what was learned before: the life goes on ending at the same time.
            standing = known.now(now);
        }
        let wait = match standing {
            Standing::Good(Some(ttl)) => (ttl / 4).clamp(OFTEN, SELDOM),
            _ => SELDOM,
        };
        let at = Instant::now();
        *last = Some(Known { token: Arc::clone(token), at, next: at + wait, standing });
        standing
    }

    async fn ask(&self, client: &Client, token: &Token) -> Standing {
        let ask = Ask::get(Purpose::Other, "/v1/auth/token/lookup-self");
        let Ok(answer) = client.ask(&ask, Some(token), false).await else {
            return Standing::Unknown;
        };
        let data = match answer.status.as_u16() {
            200 => wire::parse::<wire::Data<wire::TokenInfo>>(&answer.body),
            403 => return Standing::Refused,
            _ => None,
        };
        let Some(info) = data.and_then(|answer| answer.data) else {
            return Standing::Unknown;
        };
        if info.expire_time.is_none() {
            return Standing::Good(None);
        }
        let due = self.renew && info.renewable && info.ttl < info.creation_ttl / 2;
        let renewed = if due { renew(client, token).await } else { None };
        Standing::Good(Some(Duration::from_secs(renewed.unwrap_or(info.ttl))))
    }
}

impl Known {
    fn now(&self, now: Instant) -> Standing {
        match self.standing {
            Standing::Good(Some(ttl)) => Standing::Good(Some(ttl.saturating_sub(now - self.at))),
            other => other,
        }
    }
}

/// Asks for another life of the token; its length in seconds.
async fn renew(client: &Client, token: &Token) -> Option<u64> {
    let ask = Ask::post(Purpose::Other, "/v1/auth/token/renew-self", b"{}");
    let failure = match client.ask(&ask, Some(token), false).await {
        Ok(answer) if answer.status.as_u16() == 200 => {
            let renewed = wire::parse::<wire::Renewed>(&answer.body).and_then(|answer| answer.auth);
            match renewed {
                Some(auth) => return Some(auth.lease_duration),
                None => "the answer has no `auth`".to_owned(),
            }
        }
        Ok(answer) => client.refusal(&ask, &answer, Some(token)).chain(),
        Err(error) => error.chain(),
    };
    tracing::warn!(error = %failure, "Vault's token could not be renewed; it works until it expires");
    None
}
