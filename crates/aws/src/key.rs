//! One key in its regions: a call in one of them, and what all of them say of it.

use std::sync::Arc;

use aws_sdk_kms::Client;
use tokio::task::JoinSet;
use tokio::time::timeout;
use trousseau_core::{Call, ErrorKind, ProviderError};

use crate::answers::{Asked, Blames, Failure, failure};
use crate::metadata::{self, Described};
use crate::places::{Places, Verdict};
use crate::session::{FORBIDDEN, REFUSED, Session};

/// Where the key is, and who asks.
pub(crate) struct Key {
    pub(crate) places: Places,
    pub(crate) session: Session,
}

impl Key {
    /// One call in one region; a second one only with credentials that are newer than those refused. `needed` tells
    /// whether the key can't do without the right to it.
    pub(crate) async fn at<T, F>(&self, at: usize, needed: bool, asked: impl Fn(Client) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let absent = || Failure {
            error: ProviderError::new(ErrorKind::Unusable, "AWS KMS: no such region is configured"),
            blames: Blames::Nothing,
        };
        let (login, client) = self.session.client(at).await.ok_or_else(absent)?;
        let refused = match asked(client).await {
            Err(refused) => refused,
            done => return done,
        };
        let min_life = match refused.blames {
            Blames::Credentials => REFUSED,
            Blames::Permission if needed => FORBIDDEN,
            Blames::Permission | Blames::Nothing => return Err(refused),
        };
        if !self.session.renew(&login, min_life) {
            return Err(refused);
        }
        let (_, client) = self.session.client(at).await.ok_or_else(absent)?;
        asked(client).await
    }

    async fn describe(&self, at: usize, arn: &str) -> Result<Described, Failure> {
        self.at(at, false, |client| async move {
            let answer = client.describe_key().key_id(arn).send().await;
            let answer = answer.map_err(|error| failure(Asked::DescribeKey, arn, &error, |_| false))?;
            let key = answer.key_metadata().ok_or_else(|| unusable(Asked::DescribeKey, arn, "describes no key"))?;
            metadata::read(arn, key).map_err(|error| Failure { error, blames: Blames::Nothing })
        })
        .await
    }

    /// Asks every region what it says of the key, all at once, so that one that is back is asked in its turn again.
    pub(crate) async fn describe_everywhere(self: &Arc<Self>, call: &Call) -> Result<Described, Failure> {
        let mut asked = JoinSet::new();
        for (at, arn) in self.places.arns().enumerate() {
            let (key, time) = (Arc::clone(self), call.remaining());
            asked.spawn(async move { (at, timeout(time, key.describe(at, &arn)).await) });
        }
        let (mut best, mut verdict): (Option<(usize, Described)>, _) = (None, Verdict::default());
        while let Some(joined) = asked.join_next().await {
            // A panic in there was reported already.
            let Ok((at, outcome)) = joined else { continue };
            let outcome = outcome.unwrap_or_else(|_| {
                let text = "AWS KMS: DescribeKey: no answer in time";
                Err(Failure { error: ProviderError::new(ErrorKind::Deadline, text), blames: Blames::Nothing })
            });
            self.places.found(at, outcome.as_ref().err());
            match outcome {
                Ok(described) if best.as_ref().is_none_or(|(first, _)| at < *first) => best = Some((at, described)),
                Ok(_) => {}
                Err(failure) => verdict.add(at, failure),
            }
        }
        let Some((_, described)) = best else { return Err(verdict.reached()) };
        // Who may not describe the key there may still use it.
        self.places.put_last(verdict.refused().filter(|(_, failure)| failure.blames != Blames::Permission));
        Ok(described)
    }
}

pub(crate) fn unusable(asked: Asked, arn: &str, what: &str) -> Failure {
    let text = format!("AWS KMS: {} with {arn}: the answer {what}; is this AWS KMS?", asked.name());
    Failure { error: ProviderError::new(ErrorKind::BadAnswer, text), blames: Blames::Nothing }
}

/// An answer that names another key than the one that was asked for.
pub(crate) fn of_another_key(asked: Asked, arn: &str, named: Option<&str>) -> Result<(), Failure> {
    match named {
        Some(named) if named != arn => Err(unusable(asked, arn, "is of another key")),
        _ => Ok(()),
    }
}
