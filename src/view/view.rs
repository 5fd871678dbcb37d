//! One distinct query and those who read it.

use std::{
    fmt,
    sync::{Arc, Weak},
    task::Waker,
    time::Instant,
};

use parking_lot::Mutex;

use super::{
    Budget, Run, SharedSnapshot,
    budget::MESSAGE_BYTES,
    evict::{Cut, Offer},
    frame::{Shown, encode_units},
    log::{Found, Log},
    past::encode_past,
    readers::{Reader, Readers},
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
    budget: Arc<Budget>,
    /// In the budget.
    number: usize,
    /// Most bytes that are appended together.
    most: usize,
    state: Mutex<State>,
    /// Held by the one that encodes what the log no longer holds. Taken before all other locks.
    past: Mutex<()>,
}

/// Guarded by `View::state`, which is taken after the feed's lock and never before it.
struct State {
    log: Log,
    readers: Readers,
    /// The state that is given to those who begin, and older ones that are read.
    snapshots: Vec<Weak<SharedSnapshot>>,
}

impl State {
    /// Drops a part of the log, and notes how far those who have yet to read it have come.
    fn drop_through(&mut self, through: Seq) {
        let Self { log, readers, .. } = self;
        readers.advance(log.start(), through, |after| log.before_next(after));
        log.drop_through(through);
    }

    fn snapshots(&self) -> impl Iterator<Item = Arc<SharedSnapshot>> {
        self.snapshots.iter().filter_map(Weak::upgrade)
    }
}

/// What a reader finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// Events.
    Run(Run),
    /// Nothing yet; the waker given is called when there is, or when the reader's time is due.
    Pending,
    /// The log no longer reaches back that far; the store's history may. Nothing was shown between
    /// where the reader stands and this change.
    Behind(Seq),
}

/// A place in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryPlace {
    /// The change that it is behind.
    pub after: Seq,
    /// The first change from where logs and the history mean the same by a seq.
    pub seam: Option<Seq>,
    /// Counts how often seqs have come to stand for other changes.
    pub rewrites: u64,
}

/// What a reader finds of the time that the log no longer holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Past {
    /// What follows. Without events it is a stretch that shows nothing.
    Run(Run),
    /// The log holds what follows this change, which is the reader's place.
    InLog(Seq),
    /// The history numbers its changes anew by now: the place has to be looked up again.
    Moved,
    /// It is no longer known.
    Lost,
    /// The budget has no room for it.
    Full,
}

impl View {
    pub(super) fn new(query: Query, mint: Mint, log: Log, budget: Arc<Budget>) -> Arc<Self> {
        let most = log.limit().max(MESSAGE_BYTES);
        let state = State {
            log,
            readers: Readers::default(),
            snapshots: Vec::new(),
        };
        Arc::new_cyclic(|view| Self {
            query,
            mint,
            number: budget.enrol(view),
            budget,
            most,
            state: Mutex::new(state),
            past: Mutex::default(),
        })
    }

    /// What is asked.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// What bounds the bytes that are encoded here and elsewhere.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// The token that continues this query after a position.
    pub fn token(&self, position: &ResourceVersion) -> String {
        (self.mint)(position)
    }

    /// Admits a reader that stands after a change. It must leave by [`View::leave`].
    pub fn join(&self, after: Seq, due: Instant) -> Reader {
        self.state.lock().readers.join(after, due)
    }

    /// Takes a reader out; tells whether it was the last.
    pub fn leave(&self, reader: Reader) -> bool {
        let mut state = self.state.lock();
        state.readers.leave(reader);
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
        let after = state.readers.place(reader, after);
        match state.log.read(after, max) {
            Found::Run(run) => {
                state.readers.stand(reader, run.through);
                Read::Run(run)
            }
            Found::Behind => {
                state.readers.stand(reader, after);
                Read::Behind(after)
            }
            Found::Nothing => {
                state.readers.wait(reader, due, waker);
                Read::Pending
            }
        }
    }

    /// What follows a place in the history, for a reader that the log is no use for. What is encoded
    /// for one is kept for those who come after it, if there is room. `fetch` gives the changes
    /// after one, in order: none when there are no more, `None` when they are not known.
    pub fn past(
        &self,
        place: HistoryPlace,
        fetch: impl FnMut(Seq) -> Option<Vec<Arc<Change>>>,
    ) -> Past {
        let _alone = self.past.lock();
        let max = self.budget.message();
        let until = match self.state.lock().log.look_back(&place, max) {
            Ok(past) => return past,
            Err(until) => until,
        };
        if !self.budget.make_room() {
            return Past::Full;
        }
        let unit = encode_past(self, place.after, until, max, fetch);
        let keep = self.budget.may_keep(0);
        let mut state = self.state.lock();
        if state.log.rewrites() != place.rewrites {
            return Past::Moved;
        }
        let Some(unit) = unit else {
            return Past::Lost;
        };
        let run = unit.run(place.after);
        if keep {
            let kept = self.budget.keep(unit.weight());
            state.log.keep_past(unit.kept(kept));
        }
        Past::Run(run)
    }

    /// Forgets what was encoded of the time before the log: the history numbers it anew.
    pub(super) fn renumber(&self, rewrites: u64) {
        self.state.lock().log.renumber(rewrites);
    }

    /// Waits without reading: `waker` is called at the next event, and once `due` has passed at the
    /// latest.
    pub fn wait(&self, reader: Reader, due: Instant, waker: &Waker) {
        self.state.lock().readers.wait(reader, due, waker);
    }

    /// The state to start from. While nothing that this view shows has changed, all who ask are
    /// given the same one, whatever else has happened to the resource. (A view that leaves out some
    /// types of events can't tell from its log that nothing has changed.)
    pub fn snapshot(&self, now: impl FnOnce() -> Snapshot, head: &Head) -> Arc<SharedSnapshot> {
        let mut state = self.state.lock();
        let newest = state.snapshots.last().and_then(Weak::upgrade);
        if let Some(shared) = newest
            && (shared.seq() == head.seq
                || self.query.event_types().is_all() && state.log.last() <= shared.seq())
        {
            return shared;
        }
        let snapshot = now();
        debug_assert_eq!(snapshot.head, *head);
        let shared = SharedSnapshot::new(self.query.clone(), snapshot, self.budget.clone());
        let shared = Arc::new(shared);
        state.snapshots().for_each(|older| older.grow_old());
        state.snapshots.retain(|held| held.strong_count() > 0);
        state.snapshots.push(Arc::downgrade(&shared));
        shared
    }

    /// Whether a state is read that is older than the history, which begins after `floor`.
    pub(super) fn is_outdated(&self, floor: Seq) -> bool {
        let state = self.state.lock();
        state.snapshots().any(|held| held.seq() < floor)
    }

    /// Lets go of the states that nobody could continue from any more, as neither the history,
    /// which begins after `floor`, nor the log reaches back to them; and in the others of what is
    /// not shown. Says whether one was looked through for that, which takes time: at most one is.
    pub fn retire(&self, floor: Seq) -> bool {
        let (start, old) = {
            let state = self.state.lock();
            let old = state.snapshots().filter(|held| held.seq() < floor);
            (state.log.start(), old.collect::<Vec<_>>())
        };
        let (lost, alive): (Vec<_>, _) = old.into_iter().partition(|held| held.seq() < start);
        lost.iter().for_each(|held| held.retire());
        alive.iter().any(|held| held.narrow())
    }

    /// Appends what this view shows of `changes`, if there is room: nothing is evicted for it, which
    /// is for [`Budget::ease`] to do when the feed's lock is released. Gives those to wake to `wake`.
    pub(super) fn append(&self, changes: &[Arc<Change>], wake: &mut Vec<Waker>) {
        let has_room = |bytes: usize| bytes <= self.most && self.budget.can_keep(bytes);
        let shown = encode_units(self, changes, has_room);
        let mut state = self.state.lock();
        match shown {
            Shown::Nothing => return,
            Shown::Units(units) => {
                for unit in units {
                    let kept = self.budget.keep(unit.weight());
                    state.log.append(unit.kept(kept));
                }
                if let Some(through) = state.log.trim() {
                    state.drop_through(through);
                }
            }
            Shown::TooMuch(first, last) => {
                self.budget.note_refused();
                let (start, State { log, readers, .. }) = (state.log.start(), &mut *state);
                readers.advance(start, last, |after| {
                    Some(log.before_next(after).unwrap_or(first.back(1)))
                });
                log.skip(last);
            }
        }
        state.snapshots().for_each(|outdated| outdated.grow_old());
        state.readers.wake(wake, |_| true);
    }

    /// Forgets all events up to `start`, and the snapshots, which their readers can't continue.
    pub(super) fn restart(&self, start: Seq) {
        let mut state = self.state.lock();
        state.log.restart(start);
        state.snapshots().for_each(|held| held.retire());
        state.snapshots.clear();
    }

    /// Gives every reader to `wake` for which `is_due` holds.
    pub(super) fn collect(&self, wake: &mut Vec<Waker>, is_due: impl Fn(Instant) -> bool) {
        self.state.lock().readers.wake(wake, is_due);
    }

    /// What could be given up here.
    pub(super) fn offer(&self, offers: &mut Vec<Offer>) {
        let state = self.state.lock();
        state.log.offer(state.readers.places(), offers);
        state.snapshots().for_each(|held| held.offer(offers));
    }

    /// Gives up a part of what is kept; tells its bytes.
    pub(super) fn evict(&self, cut: Cut) -> usize {
        let mut state = self.state.lock();
        let before = state.log.bytes();
        match cut {
            Cut::Log(through) => state.drop_through(through),
            Cut::Past(count) => state.log.cut_past(count),
            Cut::Snapshot { of, before } => {
                let held = state.snapshots().find(|held| held.seq() == of);
                return held.map_or(0, |held| held.evict(before));
            }
        }
        before - state.log.bytes()
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

impl Drop for View {
    fn drop(&mut self) {
        self.budget.strike_off(self.number);
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View")
            .field("query", &self.query)
            .finish_non_exhaustive()
    }
}
