//! One distinct query and those who read it.

use std::{
    fmt,
    sync::{Arc, Weak},
    task::Waker,
    time::Instant,
};

use parking_lot::Mutex;
use slab::Slab;

use super::{
    SharedSnapshot,
    frame::encode_unit,
    log::{Found, Log, Run},
};
use crate::{
    resource::ResourceVersion,
    selector::Query,
    store::{Change, Head, Seq, Snapshot},
};

/// Makes the token that stands for a position. What is in it is none of a view's business.
pub type Mint = Box<dyn Fn(&ResourceVersion) -> String + Send + Sync>;

/// What one distinct query sees of a resource: a log that one writer appends to and any number of
/// readers follow.
pub struct View {
    query: Query,
    mint: Mint,
    state: Mutex<State>,
}

/// Guarded by `View::state`, which is taken after the feed's lock and never before it.
struct State {
    log: Log,
    readers: Slab<Waiting>,
    snapshot: Weak<SharedSnapshot>,
}

/// A reader's place among those to be woken: the whole cost of a subscriber that waits.
struct Waiting {
    waker: Option<Waker>,
    due: Instant,
}

impl Waiting {
    fn wait(&mut self, due: Instant, waker: &Waker) {
        self.due = due;
        match &mut self.waker {
            Some(kept) => kept.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }
}

/// Names a reader of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reader(usize);

/// What a reader finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// Events.
    Run(Run),
    /// Nothing yet; the waker given is called when there is, or when the reader's time is due.
    Pending,
    /// The log no longer reaches back that far; the store's history may.
    Behind,
}

impl View {
    pub(super) fn new(query: Query, mint: Mint, start: Seq, log_bytes: usize) -> Self {
        let state = State {
            log: Log::new(start, log_bytes),
            readers: Slab::new(),
            snapshot: Weak::new(),
        };
        Self {
            query,
            mint,
            state: Mutex::new(state),
        }
    }

    /// What is asked.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// The token that continues this query after a position.
    pub fn token(&self, position: &ResourceVersion) -> String {
        (self.mint)(position)
    }

    /// Admits a reader. It must leave by [`View::leave`].
    pub fn join(&self, due: Instant) -> Reader {
        Reader(
            self.state
                .lock()
                .readers
                .insert(Waiting { waker: None, due }),
        )
    }

    /// Takes a reader out; tells whether it was the last.
    pub fn leave(&self, reader: Reader) -> bool {
        let mut state = self.state.lock();
        state.readers.try_remove(reader.0);
        state.readers.is_empty()
    }

    /// Whether nobody reads.
    pub(super) fn is_idle(&self) -> bool {
        self.state.lock().readers.is_empty()
    }

    /// The events after `after`, up to `max` bytes (at least those of one change). When there is
    /// nothing, `waker` is called at the next event, and once `due` has passed at the latest.
    pub fn read(
        &self,
        reader: Reader,
        after: Seq,
        max: usize,
        due: Instant,
        waker: &Waker,
    ) -> Read {
        let mut state = self.state.lock();
        match state.log.read(after, max) {
            Found::Run(run) => Read::Run(run),
            Found::Behind => Read::Behind,
            Found::Nothing => {
                state.readers[reader.0].wait(due, waker);
                Read::Pending
            }
        }
    }

    /// Waits without reading: `waker` is called at the next event, and once `due` has passed at the
    /// latest.
    pub fn wait(&self, reader: Reader, due: Instant, waker: &Waker) {
        self.state.lock().readers[reader.0].wait(due, waker);
    }

    /// The state to start from. While nothing that this view shows has changed, all who ask are
    /// given the same one, whatever else has happened to the resource. (A view that leaves out some
    /// types of events can't tell from its log that nothing has changed.)
    pub fn snapshot(&self, now: impl FnOnce() -> Snapshot, head: &Head) -> Arc<SharedSnapshot> {
        let mut state = self.state.lock();
        if let Some(shared) = state.snapshot.upgrade()
            && (shared.seq() == head.seq
                || self.query.event_types().is_all() && state.log.last() <= shared.seq())
        {
            return shared;
        }
        let snapshot = now();
        debug_assert_eq!(snapshot.head, *head);
        let shared = Arc::new(SharedSnapshot::new(self.query.clone(), snapshot));
        state.snapshot = Arc::downgrade(&shared);
        shared
    }

    /// Appends what this view shows of `changes`; gives those to wake to `wake`.
    pub(super) fn append(&self, changes: &[Arc<Change>], wake: &mut Vec<Waker>) {
        let Some(unit) = encode_unit(self, changes) else {
            return;
        };
        let mut state = self.state.lock();
        state.log.append(unit);
        wake.extend(
            state
                .readers
                .iter_mut()
                .filter_map(|(_, reader)| reader.waker.take()),
        );
    }

    /// Forgets all events up to `start`, and the snapshot.
    pub(super) fn restart(&self, start: Seq) {
        let mut state = self.state.lock();
        state.log.restart(start);
        state.snapshot = Weak::new();
    }

    /// Gives every reader to `wake` for which `is_due` holds.
    pub(super) fn collect(&self, wake: &mut Vec<Waker>, is_due: impl Fn(Instant) -> bool) {
        let mut state = self.state.lock();
        let due = state
            .readers
            .iter_mut()
            .filter(|(_, reader)| is_due(reader.due));
        wake.extend(due.filter_map(|(_, reader)| reader.waker.take()));
    }

    /// The last change that led to an event here (or after which this view began).
    pub fn last(&self) -> Seq {
        self.state.lock().log.last()
    }

    /// How many read, and the bytes of the log.
    pub fn size(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.readers.len(), state.log.bytes())
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View")
            .field("query", &self.query)
            .finish_non_exhaustive()
    }
}
