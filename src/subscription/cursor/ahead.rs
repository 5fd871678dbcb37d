//! A reader whose position the feed has yet to reach.
//!
//! Replicas learn of positions at different times: a resource at rest moves on only with the
//! apiserver's bookmarks, about once a minute. A client that comes from a replica which is further
//! on has seen all that this one is yet to learn up to there.

use std::{
    task::Waker,
    time::{Duration, Instant},
};

use super::{Closed, Phase, ResetReason, Step, Subscription};
use crate::{store::Located, view::Read};

/// How often the feed's progress is looked at while no event wakes the reader.
const LOOK: Duration = Duration::from_millis(500);

impl Subscription {
    /// Passes over what the client has seen, until the feed is where the client is.
    pub(super) fn ahead_step(&mut self, now: Instant, waker: &Waker) -> Step {
        if self.terms.deadline.is_some_and(|deadline| deadline <= now) {
            return self.end_with_bookmark(Closed::Timeout);
        }
        if self.has_been_reached() {
            return Step::Again;
        }
        let due = self.due();
        let (seat, max) = (&self.seat, self.seat.feed.budget().message());
        let look = due.min(now + LOOK);
        match seat
            .view
            .read(seat.reader, self.place.after, max, look, waker)
        {
            // All of it was published before the next look, so if that still finds the feed short
            // of the place, all of it is older than the place.
            Read::Run(run) => {
                if !self.has_been_reached() {
                    self.place.after = run.through;
                }
                Step::Again
            }
            Read::Behind(_) => {
                self.place.after = seat.view.last();
                Step::Again
            }
            Read::Pending => self.idle_step(due <= now),
        }
    }

    fn has_been_reached(&mut self) -> bool {
        let (located, epoch, _) = self.seat.feed.locate(&self.place.version);
        if epoch != self.place.epoch {
            self.expired(ResetReason::Rewound);
            return true;
        }
        match located {
            Located::Future => return false,
            Located::At(seq) => {
                self.place.after = seq;
                self.place.in_log = self.seat.feed.agrees_with_logs(seq);
                self.phase = Phase::Live;
            }
            Located::Expired => {
                self.expired(ResetReason::Lagged);
            }
        }
        true
    }
}
