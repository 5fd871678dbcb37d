//! One reader of a feed.

mod ahead;
mod held;
mod start;

use std::{
    collections::VecDeque,
    task::{Poll, Waker},
    time::Instant,
};

use bytes::Bytes;

use super::{
    Closed, Control, Feed, Item, OnExpired, Position, ResetReason, Scope, UpstreamHealth,
    feed::Seat, place::Place, snapshot::SnapshotRead,
};
use crate::view::{Backlog, Chunk, Past, Read, Run, Untold};
use start::Terms;

/// One reader of a feed: a position in a view that it shares with all who ask the same.
///
/// Polled for [`Item`]s until it closes. Dropping it at any time gives its place back.
#[derive(Debug)]
pub struct Subscription {
    seat: Seat,
    scope: Scope,
    terms: Terms,
    phase: Phase,
    /// Frames that are due before anything else.
    queue: VecDeque<Item>,
    /// The difference to an old state, which is due after them.
    untold: Backlog,
    ending: Option<Closed>,
    place: Place,
    turn: Option<u64>,
    /// What the client takes upstream's health for.
    health: UpstreamHealth,
    gone: bool,
    draining: bool,
    last_sent: Instant,
}

#[derive(Debug)]
enum Phase {
    Snapshot(SnapshotRead),
    /// The feed has yet to reach the place.
    Ahead,
    Live,
    Closed,
}

impl Subscription {
    /// The next step of the stream. `Ready(None)` after it has closed. When it is pending, `waker`
    /// is called as soon as there is something to do; [`Feed::tick`] sees to what is due by time.
    pub fn poll_next(&mut self, now: Instant, waker: &Waker) -> Poll<Option<Result<Item, Closed>>> {
        loop {
            if let Some(item) = self.queue.pop_front() {
                self.last_sent = now;
                return Poll::Ready(Some(Ok(item)));
            }
            if self.ending.is_none()
                && (self.place.within || !self.untold.is_empty())
                && let Some(closed) = self.cut(now)
            {
                // Whoever goes now is told the whole group again elsewhere.
                self.untold = Backlog::default();
                self.ending = Some(closed);
                continue;
            }
            if let Some(step) = self.untold_step(now, waker) {
                match step {
                    Step::Again => continue,
                    Step::Wait => return Poll::Pending,
                    Step::Events(slices) => {
                        self.last_sent = now;
                        return Poll::Ready(Some(Ok(Item::Events(slices))));
                    }
                }
            }
            if let Some(closed) = self.ending.take() {
                self.phase = Phase::Closed;
                return Poll::Ready(Some(Err(closed)));
            }
            self.heed_upstream();
            self.heed_drain();
            if !self.queue.is_empty() {
                continue;
            }
            let step = match &mut self.phase {
                Phase::Closed => return Poll::Ready(None),
                Phase::Snapshot(read) => {
                    let step = read.next();
                    self.snapshot_step(step, now, waker)
                }
                Phase::Ahead => self.ahead_step(now, waker),
                Phase::Live => self.live_step(now, waker),
            };
            match step {
                Step::Again => {}
                Step::Wait => return Poll::Pending,
                Step::Events(slices) => {
                    self.last_sent = now;
                    return Poll::Ready(Some(Ok(Item::Events(slices))));
                }
            }
        }
    }

    /// Tells of upstream when that has changed (at the start only if it is bad).
    fn heed_upstream(&mut self) {
        let turn = self.seat.feed.turn();
        if self.turn.replace(turn) == Some(turn) {
            return;
        }
        let upstream = self.seat.feed.look().upstream;
        self.gone = upstream.gone;
        if let Some(health) = upstream.health
            && health != self.health
        {
            self.health = health;
            self.control(Control::Upstream {
                health,
                since: upstream.since,
            });
        }
    }

    fn heed_drain(&mut self) {
        if self.seat.feed.drain().has_begun() && !self.draining {
            self.draining = true;
            let reconnect_delay = self.terms.reconnect_delay;
            self.control(Control::Draining { reconnect_delay });
        }
    }

    /// Why a stream must not go on where it has no position.
    fn cut(&mut self, now: Instant) -> Option<Closed> {
        self.heed_drain();
        if self.draining {
            return Some(Closed::Draining);
        }
        let deadline = self.terms.deadline?;
        (deadline <= now).then_some(Closed::Timeout)
    }

    fn snapshot_step(&mut self, step: Chunk, now: Instant, waker: &Waker) -> Step {
        if let Some(closed) = self.cut(now) {
            // There is no position inside a snapshot; whoever goes now starts over elsewhere.
            self.ending = Some(closed);
            return Step::Again;
        }
        match step {
            Chunk::Events(chunk) => Step::Events(vec![chunk]),
            Chunk::Working => give_way(waker),
            Chunk::Full => self.starved(now, waker),
            Chunk::Gone => self.lost(),
            Chunk::End(count) => {
                self.phase = Phase::Live;
                let (version, token) = (self.place.version.clone(), self.token());
                self.control(Control::SnapshotEnd {
                    version,
                    token,
                    count,
                });
                Step::Again
            }
        }
    }

    fn live_step(&mut self, now: Instant, waker: &Waker) -> Step {
        if self.terms.deadline.is_some_and(|deadline| deadline <= now) {
            return self.end_with_bookmark(Closed::Timeout);
        }
        if !self.place.in_log {
            return self.catch_up(now, waker);
        }
        let due = self.due();
        let (seat, max) = (&self.seat, self.seat.feed.budget().message());
        match seat
            .view
            .read(seat.reader, self.place.after, max, due, waker)
        {
            Read::Run(run) => {
                self.place.advance(run.through, run.position, true);
                Step::Events(run.slices)
            }
            Read::Behind(after) => {
                self.place.pass(after);
                self.catch_up(now, waker)
            }
            Read::Pending => self.idle_step(due <= now),
        }
    }

    /// There is nothing to read, and the waker is in its place.
    fn idle_step(&mut self, due: bool) -> Step {
        let feed = &self.seat.feed;
        if self.turn != Some(feed.turn()) || feed.drain().has_begun() != self.draining {
            // That came before the waker was in its place, so nobody was woken for it.
            return Step::Again;
        }
        if self.draining {
            return self.end_with_bookmark(Closed::Draining);
        }
        if self.gone {
            return self.end_with_bookmark(Closed::NotServed);
        }
        if due {
            self.bookmark();
            return Step::Again;
        }
        Step::Wait
    }

    /// Reads from the store's history what the view's log no longer holds.
    fn catch_up(&mut self, now: Instant, waker: &Waker) -> Step {
        match self.seat.feed.past(&self.seat, &self.place) {
            Past::Run(run) => self.passed(run, waker),
            Past::InLog(after) => {
                self.place.after = after;
                self.place.in_log = true;
                Step::Again
            }
            Past::Moved => Step::Again,
            Past::Lost => self.lost(),
            Past::Full => self.starved(now, waker),
        }
    }

    /// Goes on behind a stretch of the history.
    fn passed(&mut self, run: Run, waker: &Waker) -> Step {
        self.place.in_log = self.seat.feed.agrees_with_logs(run.through);
        let told = !run.slices.is_empty();
        self.place.advance(run.through, run.position, told);
        match told {
            true => Step::Events(run.slices),
            false => give_way(waker),
        }
    }

    /// There is no room for what comes next. Waits for others to take what is theirs, or to be cut
    /// off; says meanwhile that news are late.
    pub(super) fn starved(&mut self, now: Instant, waker: &Waker) -> Step {
        if let Some(closed) = self.cut(now) {
            self.end_held(closed);
            return Step::Again;
        }
        let due = self.due();
        if due <= now {
            // Where it was said that news are late, the next thing said is how upstream is.
            self.turn = None;
            self.heartbeat();
            return Step::Again;
        }
        let seat = &self.seat;
        seat.view
            .wait(seat.reader, due.min(now + Feed::TICK), waker);
        Step::Wait
    }

    /// What comes next of a difference, if there is one.
    fn untold_step(&mut self, now: Instant, waker: &Waker) -> Option<Step> {
        let (scope, epoch) = (&self.scope, self.place.epoch);
        let untold = self.untold.next(&self.seat.view, |version| {
            let version = version.clone();
            scope.token(&Position { epoch, version })
        })?;
        Some(match untold {
            Untold::Events(events) => Step::Events(vec![events]),
            Untold::Working => give_way(waker),
            Untold::Full => self.starved(now, waker),
            Untold::End(told) => {
                if !told {
                    self.bookmark();
                }
                Step::Again
            }
        })
    }

    fn control(&mut self, control: Control) {
        self.queue.push_back(Item::Control(control));
    }

    /// What follows the place is no longer known here.
    fn lost(&mut self) -> Step {
        let (_, epoch, _) = self.seat.feed.locate(&self.place.version);
        self.expired(match epoch == self.place.epoch {
            true => ResetReason::Lagged,
            false => ResetReason::Rewound,
        })
    }

    fn expired(&mut self, reason: ResetReason) -> Step {
        match self.terms.on_expired {
            OnExpired::Reset => self.begin_snapshot(Some(reason)),
            OnExpired::Fail if reason == ResetReason::Rewound => {
                self.ending = Some(Closed::Rewound);
            }
            OnExpired::Fail => {
                let (_, _, oldest) = self.seat.feed.locate(&self.place.version);
                let requested = self.place.version.clone();
                self.ending = Some(Closed::Expired { requested, oldest });
            }
        }
        Step::Again
    }

    fn end_with_bookmark(&mut self, closed: Closed) -> Step {
        self.bookmark();
        self.ending = Some(closed);
        Step::Again
    }

    /// Tells the newest position: the feed's own if everything before it was read.
    fn bookmark(&mut self) {
        if let Phase::Live = self.phase
            && self.place.in_log
            && let Some(head) = self.seat.feed.head_if_read(&self.seat, self.place.after)
        {
            self.place = Place::at(head, self.place.epoch);
        }
        self.bookmark_here();
    }

    /// Tells the position that was reached.
    fn bookmark_here(&mut self) {
        let silence = self.seat.feed.silence(Instant::now());
        let (version, token) = (self.place.version.clone(), self.token());
        self.control(Control::Bookmark {
            version,
            token,
            silence,
        });
    }

    fn token(&self) -> String {
        let version = self.place.version.clone();
        self.scope.token(&Position {
            epoch: self.place.epoch,
            version,
        })
    }

    /// When something must be said even if nothing happens. A little early, as the ticks that wake
    /// the sleeping come only so often.
    fn due(&self) -> Instant {
        let interval = self.terms.bookmark_interval;
        let bookmark = self.last_sent + interval - (interval / 4).min(Feed::TICK * 2);
        self.terms
            .deadline
            .map_or(bookmark, |deadline| deadline.min(bookmark))
    }
}

pub(super) enum Step {
    Again,
    Wait,
    Events(Vec<Bytes>),
}

/// Lets others have a turn, and asks for another one.
fn give_way(waker: &Waker) -> Step {
    waker.wake_by_ref();
    Step::Wait
}
