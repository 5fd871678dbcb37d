//! Who comes next: names in the order of their time.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::key::Key;

/// A place in a queue, by which it is given up again.
pub(super) type Turn = (Instant, u64);

/// Names and when their time comes; those of one time in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Queue {
    turns: BTreeMap<Turn, Key>,
    count: u64,
}

impl Queue {
    pub(super) fn put(&mut self, when: Instant, key: Key) -> Turn {
        self.count += 1;
        let turn = (when, self.count);
        self.turns.insert(turn, key);
        turn
    }

    pub(super) fn remove(&mut self, turn: Turn) {
        self.turns.remove(&turn);
    }

    /// When the first one's time comes.
    pub(super) fn first(&self) -> Option<Instant> {
        self.turns.first_key_value().map(|((when, _), _)| *when)
    }

    /// Takes the first one whose time has come.
    pub(super) fn due(&mut self, now: Instant) -> Option<Key> {
        self.first().filter(|when| *when <= now)?;
        self.pop()
    }

    /// Takes the first one, whenever its time is.
    pub(super) fn pop(&mut self) -> Option<Key> {
        self.turns.pop_first().map(|(_, key)| key)
    }

    /// Takes all.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Key> + use<> {
        std::mem::take(&mut self.turns).into_values()
    }

    pub(super) fn len(&self) -> usize {
        self.turns.len()
    }
}
