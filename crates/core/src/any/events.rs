//! What a member's probe tells, said of the member and not of the writing key.

use std::sync::Arc;

use crate::events::{Event, Events};

/// Listens to one member's probe and guard: what would speak for the key that writes is said of the member alone, and
/// which version it would write with is the list's affair.
pub struct MemberEvents {
    /// The list's name.
    pub list: String,
    /// Who hears it.
    pub events: Arc<dyn Events>,
}

impl Events for MemberEvents {
    fn on(&self, event: &Event<'_>) {
        let list = self.list.as_str();
        match *event {
            Event::Promoted { .. } | Event::Withdrawn { .. } | Event::Resumed { .. } => {}
            Event::Stopped { key, reason } => {
                self.events.on(&Event::MemberStopped { key: list, member: key, reason });
            }
            Event::ProbeGood { key, credential_ttl, clock_skew, recovered, .. } => {
                self.events.on(&Event::ProbeGood { key, writing: false, credential_ttl, clock_skew, recovered });
            }
            Event::ProbeFailed { key, error, first, .. } => {
                self.events.on(&Event::ProbeFailed { key, writing: false, error, first });
            }
            _ => self.events.on(event),
        }
    }
}
