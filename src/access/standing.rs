//! Whether an open stream may go on: one for each distinct caller and question, shared by all its
//! streams, which are woken only when it changes.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::Waker,
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use slab::Slab;
use tokio::time::Instant;

use super::{Refusal, ask::Question, caller::Known, key::Key, quota::Held};

/// What holds for an open stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It may go on.
    Good,
    /// Nobody can tell for now: no data, until somebody can.
    Held,
    /// It is over.
    Ended(Refusal),
}

const GOOD: u8 = 0;
const HELD: u8 = 1;
const ENDED: u8 = 2;

/// How long what is allowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    /// Between two checks.
    pub(super) interval: Duration,
    /// How long streams may be held.
    pub(super) outage: Duration,
}

impl Timing {
    /// A stream whose last good answer is older is held: a check has failed, or did not happen.
    fn hold(self) -> Duration {
        self.interval.saturating_mul(2)
    }

    /// One whose last good answer is older than this ends.
    fn end(self) -> Duration {
        self.interval.saturating_add(self.outage)
    }
}

/// What is checked again.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) known: Known,
    pub(super) questions: Vec<Question>,
    /// Their place in what its user may have checked.
    #[expect(dead_code, reason = "held, never looked at")]
    pub(super) held: Held,
}

/// A caller's right to what it once asked for.
pub(super) struct Standing {
    pub(super) key: Key,
    /// All standings of one caller are checked at the same time, so that it is recognised once.
    pub(super) phase: Key,
    pub(super) subject: Subject,
    health: AtomicU8,
    state: Mutex<State>,
}

struct State {
    refusal: Option<Refusal>,
    /// When the oldest of the answers was asked for by which it is good.
    good_since: Instant,
    /// When a check last brought no answer. Answers that were asked for earlier don't count.
    failed: Option<Instant>,
    /// Whether that was a no, of an apiserver that may not know.
    doubted: bool,
    watchers: Slab<Option<Waker>>,
}

impl Standing {
    pub(super) fn new(key: Key, phase: Key, subject: Subject, asked: Instant) -> Self {
        let state = State {
            refusal: None,
            good_since: asked,
            failed: None,
            doubted: false,
            watchers: Slab::new(),
        };
        Self {
            key,
            phase,
            subject,
            health: AtomicU8::new(GOOD),
            state: Mutex::new(state),
        }
    }

    /// Whether it has ended, which is for good.
    pub(super) fn is_over(&self) -> bool {
        self.health.load(Ordering::Acquire) == ENDED
    }

    fn health(&self) -> Health {
        match self.health.load(Ordering::Acquire) {
            GOOD => Health::Good,
            HELD => Health::Held,
            _ => {
                let refusal = self.state.lock().refusal.clone();
                Health::Ended(refusal.unwrap_or(Refusal::Unverified))
            }
        }
    }

    /// Takes what a check has come to by `now`: that all is allowed, by answers asked for at some
    /// time or later, or why not.
    pub(super) fn heard(&self, outcome: Result<Instant, Refusal>, now: Instant, timing: Timing) {
        let mut state = self.state.lock();
        match outcome {
            Ok(asked) if state.failed.is_some_and(|failed| asked < failed) => {}
            Ok(asked) => {
                state.good_since = asked.max(state.good_since);
                state.failed = None;
                state.doubted = false;
            }
            Err(Refusal::Unverified) => state.failed = Some(now),
            Err(Refusal::Unconfirmed) => {
                state.failed = Some(now);
                state.doubted = true;
            }
            Err(refusal) => return self.turn(state, ENDED, Some(refusal)),
        }
        self.settle(state, now, timing);
    }

    /// Lets time pass. Gives until when nothing but a check can change what holds; `None` when it is
    /// over.
    pub(super) fn age(&self, now: Instant, timing: Timing) -> Option<Instant> {
        let state = self.state.lock();
        let since = state.good_since;
        self.settle(state, now, timing);
        let far = now + Duration::from_secs(24 * 3600);
        let times = [timing.hold(), timing.end()].map(|time| since.checked_add(time));
        let next = times.map(|time| time.unwrap_or(far)).into_iter();
        let next = next.filter(|time| *time >= now).min();
        next.filter(|_| !self.is_over())
    }

    fn settle(&self, state: MutexGuard<'_, State>, now: Instant, timing: Timing) {
        let age = now.saturating_duration_since(state.good_since);
        if age > timing.end() {
            self.turn(state, ENDED, Some(Refusal::Unverified));
        } else if age > timing.hold() || state.doubted {
            self.turn(state, HELD, None);
        } else {
            self.turn(state, GOOD, None);
        }
    }

    /// Becomes what it is from now on, and wakes all if that is news. An end is for good.
    fn turn(&self, mut state: MutexGuard<'_, State>, next: u8, refusal: Option<Refusal>) {
        let before = self.health.load(Ordering::Acquire);
        if before == ENDED || before == next {
            return;
        }
        state.refusal = refusal;
        self.health.store(next, Ordering::Release);
        let wake: Vec<_> = state
            .watchers
            .iter()
            .filter_map(|(_, w)| w.clone())
            .collect();
        drop(state);
        wake.iter().for_each(Waker::wake_by_ref);
    }

    /// Whether the last check has brought no answer.
    pub(super) fn is_failing(&self) -> bool {
        self.state.lock().failed.is_some()
    }

    /// Streams that are held.
    pub(super) fn held(&self) -> usize {
        match self.health.load(Ordering::Acquire) {
            HELD => self.state.lock().watchers.len(),
            _ => 0,
        }
    }

    #[cfg(test)]
    pub(super) fn good_since(&self) -> Instant {
        self.state.lock().good_since
    }
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standing")
            .field("health", &self.health())
            .finish_non_exhaustive()
    }
}

/// A stream's view of its standing.
#[derive(Debug)]
pub struct Watcher {
    place: Option<Place>,
}

#[derive(Debug)]
struct Place {
    standing: Arc<Standing>,
    index: usize,
    waker: Option<Waker>,
}

impl Watcher {
    /// Watches a standing; without one everything stays good for ever.
    pub(super) fn new(standing: Option<Arc<Standing>>) -> Self {
        let place = standing.map(|standing| {
            let index = standing.state.lock().watchers.insert(None);
            Place {
                standing,
                index,
                waker: None,
            }
        });
        Self { place }
    }

    /// What holds now; `waker` is called when that changes.
    pub fn poll(&mut self, waker: &Waker) -> Health {
        let Some(place) = &mut self.place else {
            return Health::Good;
        };
        if !place
            .waker
            .as_ref()
            .is_some_and(|kept| kept.will_wake(waker))
        {
            place.standing.state.lock().watchers[place.index] = Some(waker.clone());
            place.waker = Some(waker.clone());
        }
        place.standing.health()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.standing.state.lock().watchers.try_remove(self.index);
    }
}
