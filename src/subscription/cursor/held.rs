//! A reader that must not be told anything for now, and must not be left in silence either.
//!
//! Nobody can tell at present whether it may read what it reads. It stays where it is: nothing that
//! it has not been given counts as given. When it goes on, it goes on from there, or is reset if
//! the history has moved past it.

use std::{
    task::{Poll, Waker},
    time::{Instant, SystemTime},
};

use super::{Closed, Control, Item, Phase, Subscription, UpstreamHealth};
use crate::view::Backlog;

impl Subscription {
    /// In place of [`poll_next`](Self::poll_next) while the reader is held: yields no events, and
    /// at least one other frame per bookmark interval. That is a bookmark of the place where it
    /// stands, or where there is no position the word that upstream is degraded, which is how a
    /// held stream looks from its client.
    pub fn poll_held(&mut self, now: Instant, waker: &Waker) -> Poll<Option<Result<Item, Closed>>> {
        loop {
            if let Some(control) = self.next_control() {
                self.last_sent = now;
                return Poll::Ready(Some(Ok(control)));
            }
            if let Phase::Closed = self.phase {
                return Poll::Ready(None);
            }
            if self.has_told_all()
                && let Some(closed) = self.ending.take()
            {
                self.phase = Phase::Closed;
                return Poll::Ready(Some(Err(closed)));
            }
            let due = self.due();
            // Before anything is looked at, so that nothing comes unnoticed.
            self.seat.view.wait(self.seat.reader, due, waker);
            self.degraded();
            if let Some(closed) = self.cut(now) {
                self.end_held(closed);
            } else if due <= now {
                self.heartbeat();
            }
            let more = matches!(self.queue.front(), Some(Item::Control(_)));
            if !more && (self.ending.is_none() || !self.has_told_all()) {
                return Poll::Pending;
            }
        }
    }

    /// The frame that is due, unless events stand before it.
    fn next_control(&mut self) -> Option<Item> {
        match self.queue.front()? {
            Item::Control(_) => self.queue.pop_front(),
            Item::Events(_) => None,
        }
    }

    /// Whether nothing waits to be told that the place counts as told.
    fn has_told_all(&self) -> bool {
        self.queue.is_empty() && self.untold.is_empty()
    }

    /// Says so once. When the reader goes on, it is told how upstream is.
    fn degraded(&mut self) {
        self.turn = None;
        if self.health != UpstreamHealth::Degraded {
            self.say_degraded();
        }
    }

    fn say_degraded(&mut self) {
        let since = SystemTime::now();
        let health = UpstreamHealth::Degraded;
        self.health = health;
        self.queue
            .push_front(Item::Control(Control::Upstream { health, since }));
    }

    pub(super) fn heartbeat(&mut self) {
        match self.phase {
            Phase::Live | Phase::Ahead if self.has_told_all() && !self.place.within => {
                self.bookmark_here()
            }
            _ => self.say_degraded(),
        }
    }

    /// Ends a stream that is held or waits for room. Where there is no position it is told none.
    pub(super) fn end_held(&mut self, closed: Closed) {
        let positioned = !matches!(self.phase, Phase::Snapshot(_)) && self.untold.is_empty();
        let events = |item: &Item| matches!(item, Item::Events(_));
        let positioned = positioned && !self.place.within && !self.queue.iter().any(events);
        self.queue.retain(|item| !events(item));
        self.untold = Backlog::default();
        if positioned {
            self.bookmark_here();
        }
        self.ending = Some(closed);
    }
}
