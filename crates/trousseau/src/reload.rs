//! Takes configurations into use (I10): a bad one never replaces a good one, and a new writing key proves itself first.

use std::sync::Arc;

use anyhow::bail;
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};
use trousseau_core::{Key, Keyring};
use trousseau_observe::Metrics;
use trousseau_server::Current;

use crate::config::Config;
use crate::running::{Built, Running};
use crate::wire::{Surroundings, build};

/// Why a configuration is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The first one of this process.
    First,
    /// The file changed.
    Change,
    /// SIGHUP: the operator looked, and accepts the key as it is.
    Hangup,
}

/// The running configuration and the one that wants to follow it.
pub struct Reloader {
    current: Arc<Current>,
    metrics: Arc<Metrics>,
    around: Surroundings,
    running: Option<Running>,
    pending: Option<Pending>,
    /// Keys that were last refused, and told to be, for having other material than those that run in their places.
    refused: Vec<Arc<Key>>,
}

struct Pending {
    config: Config,
    keyring: Arc<Keyring>,
    /// Only the way to the running writing key changed.
    same_key: bool,
    /// The lost members that SIGHUP accepted.
    accepted: Vec<String>,
    /// A KMS that answered has refused this way to the key, and would again after an outage.
    refused: bool,
    trial: JoinHandle<Built>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.trial.abort();
    }
}

impl Reloader {
    /// Nothing runs yet.
    pub fn new(current: Arc<Current>, metrics: Arc<Metrics>, around: Surroundings) -> Self {
        Self { current, metrics, around, running: None, pending: None, refused: Vec::new() }
    }

    /// True while a configuration is being proven.
    pub fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Offers a configuration that could be read. The first one is used at once, whatever its KMS says; a later one
    /// once a probe was good, or at once if only the way to the same writing key changed and the running one fails.
    ///
    /// # Errors
    /// Why it is refused; what runs, runs on.
    pub fn offer(&mut self, config: &Config, cause: Cause) -> anyhow::Result<()> {
        self.consider(config, cause, Vec::new())
    }

    fn consider(&mut self, config: &Config, cause: Cause, mut accepted: Vec<String>) -> anyhow::Result<()> {
        let Some(running) = &self.running else {
            let built = build(config, &self.around)?;
            self.use_now(built);
            return Ok(());
        };
        let health = running.keyring.health();
        let mut built = build(config, &self.around)?;
        // Another key in the file is a change like any other.
        let same_place = same_place(&running.keyring, &built.keyring);
        let accepting = cause == Cause::Hangup && same_place;
        if (accepting || !accepted.is_empty())
            && !config.force
            && let Some(member) = running.member_replaced_in(&built, &accepted)
        {
            bail!("the member `{member}` {OTHER_MATERIAL}");
        }
        let lost = if accepting { running.lost_members() } else { Vec::new() };
        if !lost.is_empty() {
            accepted = lost;
        }
        let anew = accepting && health.stopped.is_some();
        let same_key = !accepted.is_empty() || same_writing_key(&running.keyring, &built.keyring);
        if !anew && !same_key && !config.force && !knows_writing_key(&running.keyring, &built.keyring) {
            let name = built.keyring.keys()[0].name();
            if same_place {
                bail!("the writing key `{name}` {OTHER_MATERIAL}");
            }
            bail!(
                "the writing key `{name}` is not among the running keys, so peers may not be able to read it yet; add it \
                 second on every node first, or set `force: true`"
            );
        }
        let replaced = if config.force { Vec::new() } else { replaced_readers(&running.keyring, &built.keyring) };
        let accepts = |(key, next): &(&Key, &Arc<Key>)| {
            // This replacement was told before, and the probe has seen that the key is in trouble.
            let told = self.refused.iter().any(|refused| refused.same_identity(next));
            let writes = running.keyring.keys().first().is_some_and(|first| std::ptr::eq(first.as_ref(), *key));
            let alarm = key.reading_failure().is_some() || writes && health.stopped.is_some();
            cause == Cause::Hangup && told && alarm
        };
        if !replaced.iter().all(accepts) {
            let names: Vec<_> = replaced.iter().map(|(_, next)| next.name_and_mark()).collect();
            self.refused = replaced.into_iter().map(|(_, next)| Arc::clone(next)).collect();
            bail!("the key {} {OTHER_MATERIAL}", names.join(", the key "));
        }
        // From here on nothing refuses.
        self.refused.clear();
        for (key, _) in replaced {
            warn!(key = key.name(), "SIGHUP after its alarm: the key is accepted as it is now");
        }
        if anew {
            warn!("SIGHUP while encryption is stopped: the key is accepted as it is in the KMS now");
            self.use_now(built);
            return Ok(());
        }
        if accepting && !accepted.is_empty() {
            warn!("SIGHUP while a member can't write any more: its key is accepted as it is in the KMS now");
        }
        if same_key {
            built.carry_over(running, &accepted);
        }
        if same_key && !(health.ready && health.failure.is_none()) {
            self.use_now(built);
            return Ok(());
        }
        self.metrics.reload("pending");
        let (config, keyring) = (config.clone(), Arc::clone(&built.keyring));
        let trial = tokio::spawn(built.proven());
        self.pending = Some(Pending { config, keyring, same_key, accepted, refused: false, trial });
        Ok(())
    }

    /// Takes a proven configuration into use; to be called often, about once a second.
    ///
    /// # Errors
    /// The trial panicked; what runs, runs on.
    pub async fn advance(&mut self) -> anyhow::Result<()> {
        let Some(mut pending) = self.pending.take() else {
            return Ok(());
        };
        if pending.trial.is_finished() {
            match (&mut pending.trial).await {
                Ok(built) => self.use_now(built),
                // A JoinError prints what a panic said, which may quote what it was working on (I9).
                Err(_) => {
                    bail!("the trial of the new configuration panicked; the line before says where, please report it")
                }
            }
            return Ok(());
        }
        let failing = self.running.as_ref().is_some_and(|running| running.keyring.health().failure.is_some());
        let trial = pending.keyring.health();
        pending.refused |= trial.failure.is_some_and(|(kind, _)| !kind.is_silence());
        if failing && pending.same_key && trial.stopped.is_none() && !pending.refused {
            // The running one began to fail meanwhile: if only the way to the key changed, the new one wins now, with
            // what is announced by now.
            let told = self.refused.clone();
            match self.consider(&pending.config, Cause::Change, pending.accepted.clone()) {
                Ok(()) => return Ok(()),
                // What the file names may be away just now: the trial has read it, and goes on.
                Err(error) => debug!(error = format!("{error:#}"), "the pending configuration can't be built anew"),
            }
            self.refused = told;
        }
        self.pending = Some(pending);
        Ok(())
    }

    fn use_now(&mut self, built: Built) {
        self.pending = None;
        if let Some(before) = self.running.take() {
            before.hand_on(&built);
        }
        self.metrics.keys_change();
        let running = built.start();
        self.current.replace(Arc::clone(&running.keyring));
        self.running = Some(running);
        self.metrics.reload("applied");
        info!("configuration in use");
    }
}

fn same_writing_key(running: &Keyring, next: &Keyring) -> bool {
    matches!((running.keys().first(), next.keys().first()), (Some(a), Some(b)) if a.same_identity(b))
}

fn same_place(running: &Keyring, next: &Keyring) -> bool {
    matches!((running.keys().first(), next.keys().first()), (Some(a), Some(b)) if a.same_place(b))
}

const OTHER_MATERIAL: &str = "stands for other key material than what runs; restore the old one, or, if the loss is \
                              accepted, send SIGHUP once the log has raised the alarm";

/// The running keys whose material the next configuration has nowhere, though it has keys in their places, and those
/// keys: what is in memory would be lost. Of the two writing keys more is known, and the caller judges.
fn replaced_readers<'a>(running: &'a Keyring, next: &'a Keyring) -> Vec<(&'a Key, &'a Arc<Key>)> {
    let lost = |key: &Key| !next.keys().iter().any(|other| key.same_identity(other));
    let running = running.keys().iter().enumerate().filter(|(_, key)| lost(key));
    let in_place = |(at, key): (usize, &'a Arc<Key>)| {
        let mut others = next.keys().iter().enumerate().filter(|(place, _)| (at, *place) != (0, 0));
        others.find(|(_, other)| key.same_place(other)).map(|(_, other)| (key.as_ref(), other))
    };
    running.filter_map(in_place).collect()
}

fn knows_writing_key(running: &Keyring, next: &Keyring) -> bool {
    next.keys().first().is_some_and(|writing| running.keys().iter().any(|key| key.same_identity(writing)))
}
