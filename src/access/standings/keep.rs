//! The roll is kept short: who is over or held by nobody leaves it, and time is counted.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    entry::{Census, Entry, Wait},
    roll::{Roll, SWEEP},
};
use crate::access::{key::Key, queue::Turn, standing::Standing};

impl Roll {
    /// Those whom time may have changed. Also forgets what is too old to matter.
    pub(super) fn old(&mut self, now: Instant) -> Vec<Arc<Standing>> {
        self.recent.forget(now);
        let mut old = Vec::new();
        while let Some(key) = self.aging.due(now) {
            let entry = self.entries.get(&key);
            match entry.and_then(|entry| entry.standing.upgrade()) {
                Some(standing) => old.push(standing),
                None => self.strike(&key),
            }
        }
        old
    }

    /// Looks after one again at that time; never, if it is over.
    pub(super) fn aged(&mut self, standing: &Arc<Standing>, next: Option<Instant>) {
        let entry = self.entries.get_mut(&standing.key);
        let Some(entry) = entry.filter(|entry| entry.is_of(standing)) else {
            return;
        };
        match next {
            Some(next) => entry.aging = self.aging.put(next, standing.key),
            None => self.strike(&standing.key),
        }
    }

    /// Lets go those that nobody holds, if there may be many. Done each time that the number has
    /// doubled, so it costs nothing in the long run.
    pub(super) fn sweep(&mut self) {
        if self.entries.len() < self.sweep_at {
            return;
        }
        let unheld = |(key, entry): (&Key, &Entry)| entry.is_unheld().then_some(*key);
        let gone: Vec<_> = self.entries.iter().filter_map(unheld).collect();
        for key in gone {
            self.strike(&key);
        }
        self.sweep_at = SWEEP.max(2 * self.entries.len());
    }

    /// Puts one that is due aside, if its caller has its share of checks under way.
    pub(super) fn parks(&mut self, key: &Key) -> bool {
        let Some(entry) = self.entries.get_mut(key) else {
            return false;
        };
        let Some(standing) = entry.standing.upgrade() else {
            return false;
        };
        let parked = self.callers.park(standing.phase, *key);
        if parked {
            entry.turn = Some(Wait::Parked);
        }
        parked
    }

    /// A check of a caller has ended: the next one that was put aside is due.
    pub(super) fn unpark(&mut self, phase: Key, now: Instant) {
        self.callers.end(phase);
        while let Some(key) = self.callers.next(phase) {
            let entry = self.entries.get_mut(&key);
            if let Some(entry) = entry.filter(|entry| matches!(entry.turn, Some(Wait::Parked))) {
                entry.turn = Some(Wait::Regular(self.regular.put(now, key)));
                return;
            }
        }
    }

    /// Takes one off the roll.
    pub(super) fn strike(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.aging.remove(entry.aging);
            self.leave(entry.turn, entry.early);
        }
    }

    pub(super) fn leave(&mut self, turn: Option<Wait>, early: Option<Turn>) {
        match turn {
            Some(Wait::Regular(turn)) => self.regular.remove(turn),
            Some(Wait::Failing(turn)) => self.failing.remove(turn),
            Some(Wait::Parked) | None => {}
        }
        early.into_iter().for_each(|turn| self.early.remove(turn));
    }

    pub(super) fn census(&self) -> Census {
        let standings = self.entries.values();
        let mut census = Census {
            failing: self.failing.len(),
            suspended: self.breaker.is_open(),
            ..Census::default()
        };
        for standing in standings.filter_map(|entry| entry.standing.upgrade()) {
            census.standings += 1;
            census.held_streams += standing.held();
        }
        census
    }
}
