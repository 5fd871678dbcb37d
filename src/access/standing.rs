//! Whether an open stream may go on: one for each distinct caller and question, shared by all its
//! streams, which are woken only when it changes.

use std::{
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicU8, Ordering},
    },
    task::Waker,
    time::Duration,
};

use parking_lot::Mutex;
use slab::Slab;
use tokio::time::Instant;

use super::{Refusal, ask::Question, caller::Known, key::Key, recheck::Standings};

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
    /// Between two checks; after so long without an answer streams are held.
    pub(super) interval: Duration,
    /// Without an answer for so long streams end.
    pub(super) outage: Duration,
}

/// What is checked again.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) known: Known,
    pub(super) questions: Vec<Question>,
}

/// A caller's right to what it once asked for.
pub(super) struct Standing {
    pub(super) key: Key,
    /// All standings of one caller are checked at the same time, so that it is recognised once.
    pub(super) phase: Key,
    pub(super) subject: Subject,
    home: Weak<Standings>,
    health: AtomicU8,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    refusal: Option<Refusal>,
    /// Since when there has been no answer.
    failing: Option<Instant>,
    watchers: Slab<Option<Waker>>,
}

impl Standing {
    pub(super) fn new(key: Key, phase: Key, subject: Subject, home: Weak<Standings>) -> Self {
        Self {
            key,
            phase,
            subject,
            home,
            health: AtomicU8::new(GOOD),
            state: Mutex::default(),
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

    /// Takes the outcome of a check that began at `begun`.
    pub(super) fn heard(&self, outcome: Result<(), Refusal>, begun: Instant, timing: Timing) {
        let mut state = self.state.lock();
        if self.is_over() {
            return;
        }
        let next = match outcome {
            Ok(()) => {
                state.failing = None;
                GOOD
            }
            Err(Refusal::Unverified) => {
                let since = *state.failing.get_or_insert(begun);
                match begun.duration_since(since) {
                    failing if failing >= timing.outage => ENDED,
                    failing if failing >= timing.interval => HELD,
                    _ => self.health.load(Ordering::Acquire),
                }
            }
            Err(_) => ENDED,
        };
        if next == ENDED {
            state.refusal = outcome.err();
        }
        if self.health.swap(next, Ordering::AcqRel) == next {
            return;
        }
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
        self.state.lock().failing.is_some()
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        if let Some(home) = self.home.upgrade() {
            home.forget(&self.key);
        }
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
