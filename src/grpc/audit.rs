//! Who read what: one line when a stream begins and one when it ends, one for each call that was
//! turned away, one for each other call. No object data and no credentials. Of each user, and of
//! strangers, so many lines a second that they can't fill a disk or push out those of others; of
//! strangers no text that they have chosen. What begins and ends is told always: quotas bound it.

use std::time::{Duration, Instant};

use http::Extensions;
use tonic::{Response, Status};
use tracing::info;

use super::{origin::Origin, status};
use crate::{
    access::{Refusal, Sparing, SparingEach},
    resource::Gvr,
    selector::{Membership, Query},
};

/// Lines about callers whom nobody knows. They cost such a caller nothing.
static STRANGERS: Sparing = Sparing::new(10, Duration::from_secs(1));

/// Lines about calls of known callers that were turned away: what is remembered costs them nothing.
static REFUSALS: SparingEach = SparingEach::new(20, Duration::from_secs(1));
/// Lines about their other calls, which are apart so that neither hides the other.
static CALLS: SparingEach = SparingEach::new(20, Duration::from_secs(1));

/// Stands for the users whose lines are counted together, because there were too many of them.
const OTHERS: &str = "*";

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
        info!(
            target: "audit",
            user = self.origin.user(),
            uid = self.origin.uid(),
            groups = self.origin.groups(),
            peer = self.origin.peer(),
            resource = %self.gvr,
            namespaces = namespaces(self.query.membership()),
            selector = %self.query,
            outcome,
            reason,
            events,
            "{message}"
        );
    }
}

/// A call, who makes it and what it asks for. Tells of it when it is over, in whatever way, unless
/// it was turned away or has become a stream.
///
/// These lines have a target of their own: who reads again and again makes many of them.
pub(super) struct Call {
    origin: Origin,
    call: &'static str,
    resource: Option<String>,
    namespaces: Option<String>,
    selector: Option<String>,
    told: bool,
}

impl Call {
    /// A call whose caller has been recognised has begun.
    pub(super) fn begins(extensions: &Extensions, call: &'static str) -> Result<Self, Status> {
        Ok(Self {
            origin: Origin::of(extensions)?,
            call,
            resource: None,
            namespaces: None,
            selector: None,
            told: false,
        })
    }

    /// Who calls.
    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What is asked for.
    pub(super) fn is_about(&mut self, gvr: &Gvr, membership: &Membership) {
        self.resource = Some(gvr.to_string());
        self.namespaces = Some(namespaces(membership));
        self.selector = Some(membership.to_string());
    }

    /// Turns the call away, and tells that.
    pub(super) fn refused(&mut self, refusal: &Refusal) -> Status {
        self.told = true;
        refused(&self.origin, self.call, refusal);
        status::refused(refusal)
    }

    /// Has become a stream, which has lines of its own.
    pub(super) fn streams(mut self) -> Origin {
        self.told = true;
        self.origin.clone()
    }

    /// Tells that the call fails.
    pub(super) fn failed(&mut self, status: &Status) {
        if !self.told {
            self.tell("failed", Some(&status::reason(status)), None);
        }
    }

    /// Passes the answer on; `count` says how many objects are in it.
    pub(super) fn ends<T>(
        mut self,
        answer: Result<T, Status>,
        count: impl FnOnce(&T) -> usize,
    ) -> Result<Response<T>, Status> {
        match &answer {
            Ok(answer) => self.tell("answered", None, Some(count(answer) as u64)),
            Err(status) => self.failed(status),
        }
        answer.map(Response::new)
    }

    fn tell(&mut self, outcome: &str, reason: Option<&str>, objects: Option<u64>) {
        self.told = true;
        let told = CALLS.tell(self.origin.user(), Instant::now());
        for (user, untold) in told.left {
            let user = user.as_deref().unwrap_or(OTHERS);
            info!(target: "audit::calls", user, untold, "audit: calls untold");
        }
        let Some(untold) = told.line else { return };
        info!(
            target: "audit::calls",
            user = self.origin.user(),
            uid = self.origin.uid(),
            groups = self.origin.groups(),
            peer = self.origin.peer(),
            call = self.call,
            resource = self.resource,
            namespaces = self.namespaces,
            selector = self.selector,
            outcome,
            reason,
            objects,
            untold = some(untold),
            "audit: call {outcome}"
        );
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.told {
            let reason = self.origin.fate.reason().unwrap_or("shutdown");
            self.tell("dropped", Some(reason), None);
        }
    }
}

fn namespaces(membership: &Membership) -> String {
    match membership.namespaces() {
        [] => "*".to_owned(),
        some => some.join(","),
    }
}

/// A call of somebody whom nobody knows was turned away. `untold` of the line says how many before
/// it have none.
pub(super) fn stranger(peer: &str, call: &str, refusal: &Refusal) {
    if let Some(untold) = STRANGERS.tell(Instant::now()) {
        turned_away("-", peer, call, refusal, Some(untold));
    }
}

/// A call was turned away. `untold` of the line says how many of the same user before it have none.
pub(super) fn refused(origin: &Origin, call: &str, refusal: &Refusal) {
    let told = REFUSALS.tell(origin.user(), Instant::now());
    for (user, untold) in told.left {
        let user = user.as_deref().unwrap_or(OTHERS);
        info!(target: "audit", user, untold, "audit: refusals untold");
    }
    if let Some(untold) = told.line {
        turned_away(origin.user(), &origin.peer(), call, refusal, some(untold));
    }
}

/// None are not worth a field.
fn some(untold: u64) -> Option<u64> {
    (untold > 0).then_some(untold)
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
