//! How many checks of each caller are under way, and which of its others wait for these.

use std::collections::{HashMap, VecDeque};

use crate::access::key::Key;

/// All callers who have checks under way, by their phase.
pub(super) struct Callers {
    share: usize,
    busy: HashMap<Key, Busy>,
}

#[derive(Default)]
struct Busy {
    running: usize,
    /// Names of those that wait, and of such as no longer do.
    parked: VecDeque<Key>,
}

impl Callers {
    pub(super) fn new(share: usize) -> Self {
        Self {
            share,
            busy: HashMap::new(),
        }
    }

    pub(super) fn begin(&mut self, caller: Key) {
        self.busy.entry(caller).or_default().running += 1;
    }

    /// Puts one aside, if its caller has its share.
    pub(super) fn park(&mut self, caller: Key, key: Key) -> bool {
        let busy = self.busy.get_mut(&caller);
        let Some(busy) = busy.filter(|busy| busy.running >= self.share) else {
            return false;
        };
        busy.parked.push_back(key);
        true
    }

    pub(super) fn end(&mut self, caller: Key) {
        if let Some(busy) = self.busy.get_mut(&caller) {
            busy.running = busy.running.saturating_sub(1);
        }
    }

    /// One that was put aside, if there is room for it. A caller without any is forgotten.
    pub(super) fn next(&mut self, caller: Key) -> Option<Key> {
        let busy = self.busy.get_mut(&caller)?;
        let next = (busy.running < self.share).then(|| busy.parked.pop_front());
        if busy.running == 0 && busy.parked.is_empty() {
            self.busy.remove(&caller);
        }
        next.flatten()
    }
}
