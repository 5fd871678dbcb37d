//! Who read what: one line when a stream begins, one when it ends, one for each call that was
//! turned away. No object data and no credentials. Of strangers so many lines that they can't fill a
//! disk, and no text that they have chosen.

use std::time::{Duration, Instant};

use tracing::info;

use super::origin::Origin;
use crate::{
    access::{Refusal, Sparing},
    resource::Gvr,
    selector::Query,
};

/// Lines about callers whom nobody knows. They cost such a caller nothing.
static STRANGERS: Sparing = Sparing::new(10, Duration::from_secs(1));

/// Whose stream it is, and of what.
#[derive(Clone, Copy)]
pub(super) struct Trail<'a> {
    pub(super) origin: &'a Origin,
    pub(super) gvr: &'a Gvr,
    pub(super) query: &'a Query,
}

impl Trail<'_> {
    /// A stream was let in.
    pub(super) fn begins(self) {
        self.tell("audit: stream begins", "allowed", None, None);
    }

    /// A stream is over.
    pub(super) fn ends(self, reason: &str, events: u64) {
        self.tell("audit: stream ends", "ended", Some(reason), Some(events));
    }

    fn tell(self, message: &str, outcome: &str, reason: Option<&str>, events: Option<u64>) {
        let identity = self.origin.caller.identity();
        info!(
            target: "audit",
            user = self.origin.user(),
            uid = identity.map_or("", |known| &known.uid),
            groups = identity.map_or(0, |known| known.groups.len()),
            peer = self.origin.peer(),
            resource = %self.gvr,
            namespaces = self.namespaces(),
            selector = %self.query,
            outcome,
            reason,
            events,
            "{message}"
        );
    }

    fn namespaces(self) -> String {
        match self.query.membership().namespaces() {
            [] => "*".to_owned(),
            some => some.join(","),
        }
    }
}

/// A call of somebody whom nobody knows was turned away. `untold` of the line says how many before
/// it have none.
pub(super) fn stranger(peer: &str, call: &str, refusal: &Refusal) {
    if let Some(untold) = STRANGERS.tell(Instant::now()) {
        turned_away("-", peer, call, refusal, Some(untold));
    }
}

/// A call was turned away.
pub(super) fn refused(origin: &Origin, call: &str, refusal: &Refusal) {
    turned_away(origin.user(), &origin.peer(), call, refusal, None);
}

fn turned_away(user: &str, peer: &str, call: &str, refusal: &Refusal, untold: Option<u64>) {
    info!(
        target: "audit",
        user,
        peer,
        call,
        outcome = "refused",
        reason = refusal.as_str(),
        detail = %refusal,
        untold,
        "audit: call refused"
    );
}
