//! All views of one resource.

use std::{collections::HashMap, sync::Arc, task::Waker, time::Instant};

use slab::Slab;

use super::{
    Budget, Mint, View,
    index::{Index, ViewId},
    log::Log,
};
use crate::{
    selector::Query,
    store::{Change, Seq},
};

/// One distinct query and what it costs.
#[derive(Debug, Clone)]
pub struct QuerySize {
    /// The query.
    pub query: Query,
    /// How many read it.
    pub readers: usize,
    /// Bytes of its log.
    pub log_bytes: usize,
}

/// Keeps one view for each distinct query that somebody reads.
#[derive(Debug)]
pub struct Registry {
    budget: Arc<Budget>,
    /// Most bytes of one log.
    log_bytes: usize,
    /// See [`Registry::renumber`].
    rewrites: u64,
    views: Slab<Slot>,
    by_query: HashMap<Query, ViewId>,
    index: Index,
}

#[derive(Debug)]
struct Slot {
    view: Arc<View>,
    /// Changes of the current publication that may concern the view; empty between publications.
    draft: Vec<Arc<Change>>,
}

impl Registry {
    /// Without views. Each may keep so many bytes of events, as long as the budget allows it.
    pub fn new(budget: Arc<Budget>, log_bytes: usize) -> Self {
        Self {
            budget,
            log_bytes,
            rewrites: 0,
            views: Slab::new(),
            by_query: HashMap::new(),
            index: Index::default(),
        }
    }

    /// The view of a query; made by `mint` and `start` if there is none yet.
    pub fn view(&mut self, query: &Query, mint: impl FnOnce() -> Mint, start: Seq) -> Arc<View> {
        if let Some(id) = self.by_query.get(query) {
            return self.views[*id].view.clone();
        }
        let log = Log::new(start, self.log_bytes, self.rewrites);
        let view = View::new(query.clone(), mint(), log, self.budget.clone());
        let id = self.views.insert(Slot {
            view: view.clone(),
            draft: Vec::new(),
        });
        self.by_query.insert(query.clone(), id);
        self.index.insert(id, query.membership());
        view
    }

    /// Drops the view of a query if nobody reads it.
    pub fn release(&mut self, query: &Query) {
        let Some(&id) = self.by_query.get(query) else {
            return;
        };
        if self.views[id].view.is_idle() {
            self.by_query.remove(query);
            self.index.remove(id, query.membership());
            self.views.remove(id);
        }
    }

    /// Lets every view that may be concerned append what it shows of `changes`. Gives the readers
    /// to wake, which is best done after all locks are released.
    pub fn publish(&mut self, changes: &[Arc<Change>]) -> Vec<Waker> {
        let mut touched = Vec::new();
        let mut candidates = Vec::new();
        for change in changes {
            self.index.candidates(change, &mut candidates);
            for &id in &candidates {
                let draft = &mut self.views[id].draft;
                if draft.is_empty() {
                    touched.push(id);
                }
                draft.push(change.clone());
            }
        }
        let mut wake = Vec::new();
        for id in touched {
            let slot = &mut self.views[id];
            slot.view.append(&slot.draft, &mut wake);
            slot.draft.clear();
        }
        wake
    }

    /// Notes that seqs of the time before the logs may stand for other changes than before. Counts
    /// how often that has happened.
    pub fn renumber(&mut self, rewrites: u64) {
        self.rewrites = rewrites;
        for (_, slot) in &self.views {
            slot.view.renumber(rewrites);
        }
    }

    /// The views of which states are read that are older than the history, which begins after
    /// `floor`. They should let go of them, by [`View::retire`].
    pub fn outdated(&self, floor: Seq) -> Vec<Arc<View>> {
        let views = self.views.iter().map(|(_, slot)| &slot.view);
        views
            .filter(|view| view.is_outdated(floor))
            .cloned()
            .collect()
    }

    /// Makes all views forget what they hold; they go on after `start`. Gives all readers to wake.
    pub fn restart(&mut self, start: Seq, rewrites: u64) -> Vec<Waker> {
        self.renumber(rewrites);
        for (_, slot) in &self.views {
            slot.view.restart(start);
        }
        self.wake_all()
    }

    /// All readers that wait.
    pub fn wake_all(&self) -> Vec<Waker> {
        self.collect(|_| true)
    }

    /// The readers whose time has come.
    pub fn wake_due(&self, now: Instant) -> Vec<Waker> {
        self.collect(|due| due <= now)
    }

    fn collect(&self, is_due: impl Fn(Instant) -> bool) -> Vec<Waker> {
        let mut wake = Vec::new();
        for (_, slot) in &self.views {
            slot.view.collect(&mut wake, &is_due);
        }
        wake
    }

    /// All queries that are read, in no order.
    pub fn queries(&self) -> Vec<QuerySize> {
        let views = self.views.iter().map(|(_, slot)| &slot.view);
        views
            .map(|view| {
                let (readers, log_bytes) = view.size();
                QuerySize {
                    query: view.query().clone(),
                    readers,
                    log_bytes,
                }
            })
            .collect()
    }

    /// How many views there are, how many read them, and the bytes of their logs.
    pub fn size(&self) -> (usize, usize, usize) {
        self.views.iter().fold(
            (self.views.len(), 0, 0),
            |(views, readers, bytes), (_, slot)| {
                let (more_readers, more_bytes) = slot.view.size();
                (views, readers + more_readers, bytes + more_bytes)
            },
        )
    }
}
