//! What an error of the server means, wherever it was met.

use std::time::Duration;

use fastrand::Rng;

use super::{Effect, Goal, Machine, Next, State};
use crate::{
    reflector::{DegradedReason, RestartReason},
    resource::Status,
};

/// New credentials may have been mounted already: a refused token is tried again soon.
const UNAUTHORIZED_CAP: Duration = Duration::from_secs(5);

/// A 404 whose meaning is being found out.
#[derive(Debug)]
pub(super) struct NotFound {
    /// What to try again if the resource is served.
    goal: Goal,
    in_stream: bool,
}

impl Machine {
    /// `goal`: what to try again if the error doesn't forbid it. `in_stream`: it came in a stream
    /// that had been accepted.
    pub(super) fn refused(
        &mut self,
        status: &Status,
        goal: Goal,
        in_stream: bool,
        rng: &mut Rng,
    ) -> Next {
        self.effects.push(Effect::Restart(RestartReason::Error));
        let (reason, goal) = match status.code {
            401 => (DegradedReason::Unauthorized, goal),
            403 => (DegradedReason::Forbidden, goal),
            // One server of several may not know yet what it serves.
            404 => {
                self.state = State::Confirming(NotFound { goal, in_stream });
                return Next::Confirm;
            }
            429 => (DegradedReason::Throttled, goal),
            // The request itself is at fault: repeating it won't help.
            400..=499 => (DegradedReason::ServerError, Goal::Sync),
            _ => (DegradedReason::ServerError, goal),
        };
        if in_stream && !matches!(status.code, 401 | 403) {
            self.trouble_in_stream(reason);
        } else {
            self.degraded(reason);
        }
        let step = self.backoff.next(rng);
        let wait = match (status.code, status.retry_after) {
            (401, _) => step.min(UNAUTHORIZED_CAP),
            (429 | 503, Some(asked)) => self.asked(asked, rng).max(step),
            _ => step,
        };
        self.wait(goal, wait)
    }

    pub(super) fn on_confirmed(
        &mut self,
        found: NotFound,
        served: Option<bool>,
        rng: &mut Rng,
    ) -> Next {
        if served == Some(false) {
            // Whatever is served under this name later is another resource.
            self.void = true;
            self.degraded(DegradedReason::NotServed);
            return self.retry(Goal::Sync, rng);
        }
        if found.in_stream {
            self.trouble_in_stream(DegradedReason::ServerError);
        } else {
            self.degraded(DegradedReason::ServerError);
        }
        self.retry(found.goal, rng)
    }

    /// A bit more than what the server asks for, so that not all come back at once.
    fn asked(&self, asked: Duration, rng: &mut Rng) -> Duration {
        let cap = self.options.retry_after_cap;
        let asked = asked.min(cap);
        (asked + asked.mul_f64(rng.f64() / 4.0)).min(cap)
    }
}

/// The version asked for lies in the server's future. Dialects: a cause's reason, a cause's
/// message, the message alone (client-go `isTooLargeResourceVersionError`).
pub(in crate::reflector) fn is_too_large(status: &Status) -> bool {
    let too_large = "Too large resource version";
    status.message.contains(too_large)
        || status
            .causes
            .iter()
            .any(|cause| cause == "ResourceVersionTooLarge" || cause.contains(too_large))
}

/// An object that couldn't be read was deleted (KEP-3926): only a new list shows what is left.
pub(super) fn is_unsafe_delete(status: &Status) -> bool {
    matches!(&*status.reason, "StorageReadError" | "StoreReadError")
        || status.message.contains("object data is corrupt")
}
