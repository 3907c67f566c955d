//! A log line for each change of state; none for each good call.

use tracing::{debug, error, info, warn};
use trousseau_core::events::{Bound, Event};

/// Writes the line that belongs to an event, if one does.
pub(crate) fn narrate(event: &Event<'_>) {
    match event {
        Event::KmsCall { key, operation, outcome, took, .. } => {
            let outcome = outcome.map_or_else(|kind| kind.label(), |()| "ok");
            debug!(key, operation = operation.label(), outcome, micros = took.as_micros() as u64, "asked the KMS");
        }
        Event::BoundHit(Bound::Upkeep) => {
            warn!("files with certificates or a token could not be looked at in time; does their folder hang?");
        }
        Event::BoundHit(bound) => debug!(bound = bound.label(), "a bound was hit"),
        Event::Breaker { key, open: true } => {
            warn!(key, "the KMS failed several times in a row; it is left alone for a while");
        }
        Event::Breaker { key, open: false } => info!(key, "the KMS answers again"),
        Event::ProbeGood { key, writing, recovered: true, .. } => info!(key, writing, "probe good again"),
        Event::ProbeGood { key, .. } => debug!(key, "probe good"),
        Event::ProbeFailed { key, writing, error, first: true } => {
            warn!(key, writing, kind = error.kind().label(), error = error.chain(), "probe failed");
        }
        Event::ProbeFailed { key, error, .. } => debug!(key, error = error.chain(), "probe failed again"),
        Event::Promoted { key, from, to, version } => {
            let from = from.map(ToString::to_string).unwrap_or_default();
            info!(key, from, key_id = %to, %version, hash = to.kubernetes_hash(), "this version writes now");
        }
        Event::Withdrawn { key, back_to, .. } => {
            warn!(key, key_id = %back_to, "nothing was encrypted under the new key_id before the outage: the one before is announced again");
        }
        Event::Stopped { key, reason } => error!(key, reason, "ALARM: encryption is stopped"),
        Event::Resumed { key } => warn!(key, "encryption goes on"),
        Event::Restored { key, lost } => {
            error!(key, %lost, "ALARM: the KMS was restored from an older backup; what this version wrapped is lost");
        }
        Event::Member { key, member, writes: true, .. } => info!(key, member, "this member writes"),
        Event::Member { key, member, why, .. } => {
            warn!(key, member, why, "written without this member until it has been good for a while");
        }
        Event::MemberStopped { key, member, reason } => {
            error!(key, member, reason, "ALARM: this member can't write any more");
        }
        Event::ActiveShut { key, lost } => {
            error!(key, %lost, "ALARM: the KMS no longer opens what this version wrote until now, and lists only unknown ones: lower min_decryption_version, or, if another key was put in its place, restore the old one");
        }
        Event::KeyIdMismatch => debug!("a record's key_id and its header name different versions"),
        Event::KeyReplacedSuspected { key } => {
            error!(key, "ALARM: a record under the active key_id was refused by authentication");
        }
        _ => {}
    }
}

/// Says once that the clocks differ, and once that they agree again; `before` and `now` in seconds.
pub(crate) fn narrate_skew(key: &str, before: i64, now: i64) {
    match (before.unsigned_abs() > MAX_SKEW, now.unsigned_abs() > MAX_SKEW) {
        (false, true) => {
            warn!(
                key,
                skew = now,
                "the KMS's clock and this node's differ; versions are promoted by this node's clock"
            );
        }
        (true, false) => info!(key, skew = now, "the KMS's clock and this node's agree again"),
        _ => {}
    }
}

/// Seconds between the KMS's clock and ours that nobody needs to hear of.
const MAX_SKEW: u64 = 30;
