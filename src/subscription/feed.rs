//! The meeting point of one writer and many readers of a resource.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    task::Waker,
    time::{Duration, Instant, SystemTime},
};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::{Position, Scope, place::Place};
use crate::{
    resource::{Delta, Gvr, Key, Object, ResourceVersion},
    selector::Query,
    store::{Change, Head, HistoryLimits, Located, Objects, Seq, Since, WatchCache},
    view::{Mint, Reader, Registry, SharedSnapshot, View},
};

/// How much a feed keeps.
#[derive(Debug, Clone, Copy)]
pub struct FeedLimits {
    /// The history of changes, from which any query is served.
    pub history: HistoryLimits,
    /// The encoded events of one query, in bytes.
    pub view_log_bytes: usize,
}

/// The state of the watch upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamHealth {
    /// A watch is running.
    Healthy,
    /// None is, for now.
    Degraded,
}

/// What those who wait for a feed to get somewhere look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulse {
    /// Whether there is a complete state.
    pub synced: bool,
    /// The newest position.
    pub version: ResourceVersion,
    /// The state of the watch upstream; `None` before the first word of it.
    pub health: Option<UpstreamHealth>,
    /// Whether the resource turned out not to be served.
    pub gone: bool,
}

/// Tells all streams of the process that it is about to stop.
#[derive(Debug, Default)]
pub struct Drain {
    begun: AtomicBool,
}

impl Drain {
    /// Begins. Streams notice when they are woken next; [`Feed::wake_all`] does that.
    pub fn begin(&self) {
        self.begun.store(true, Ordering::Release);
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }
}

/// Sizes for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FeedSize {
    /// Objects in the cache.
    pub objects: usize,
    /// Changes in the history.
    pub history_changes: usize,
    /// Their bytes.
    pub history_bytes: usize,
    /// Distinct queries.
    pub views: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Bytes of encoded events.
    pub log_bytes: usize,
}

/// One resource: its watch cache, the views on it, and what is known of its upstream.
///
/// Writing and publishing is one step under one lock, so that whoever joins stands either before
/// or after it. Readers that only follow their view don't take that lock.
#[derive(Debug)]
pub struct Feed {
    gvr: Gvr,
    cluster: [u8; 8],
    limits: FeedLimits,
    state: Mutex<State>,
    /// Counts the rewinds of the cluster's history. Written under `state`.
    epoch: Arc<AtomicU32>,
    /// Counts the changes of upstream's health, so that readers needn't take a lock to see none.
    turn: AtomicU64,
    pulse: watch::Sender<Pulse>,
    drain: Arc<Drain>,
}

/// Guarded by `Feed::state`; the locks of views are taken after it.
#[derive(Debug)]
struct State {
    cache: WatchCache,
    views: Registry,
    upstream: Upstream,
}

/// What subscribers are told of upstream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Upstream {
    /// How it is; `None` before the first word of it.
    pub(super) health: Option<UpstreamHealth>,
    /// Since when.
    pub(super) since: SystemTime,
    /// When it was last heard of.
    pub(super) heard: Instant,
    /// The resource is not served.
    pub(super) gone: bool,
}

/// A reader's place in a view. Dropping it gives the place back.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) feed: Arc<Feed>,
    pub(super) view: Arc<View>,
    pub(super) reader: Reader,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.feed.state.lock();
        if self.view.leave(self.reader) {
            state.views.release(self.view.query());
        }
    }
}

/// What a reader needs to know when it looks up from its view.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) head: Head,
    pub(super) upstream: Upstream,
}

impl Feed {
    /// How often [`Feed::tick`] is to be called.
    pub const TICK: Duration = Duration::from_millis(100);

    /// Makes the feed of a resource, unsynced.
    pub fn new(gvr: Gvr, cluster: [u8; 8], limits: FeedLimits, drain: Arc<Drain>) -> Arc<Self> {
        let cache = WatchCache::new(limits.history);
        let pulse = Pulse {
            synced: false,
            version: cache.head().version,
            health: None,
            gone: false,
        };
        let upstream = Upstream {
            health: None,
            since: SystemTime::now(),
            heard: Instant::now(),
            gone: false,
        };
        let state = State {
            cache,
            views: Registry::default(),
            upstream,
        };
        let (pulse, _) = watch::channel(pulse);
        Arc::new(Self {
            gvr,
            cluster,
            limits,
            state: Mutex::new(state),
            epoch: Arc::default(),
            turn: AtomicU64::new(0),
            pulse,
            drain,
        })
    }

    /// The resource.
    pub fn gvr(&self) -> &Gvr {
        &self.gvr
    }

    /// What tokens of a query are bound to.
    pub fn scope(&self, query: &Query) -> Scope {
        let filter = query.membership().fingerprint();
        Scope {
            cluster: self.cluster,
            gvr: self.gvr.clone(),
            filter,
        }
    }

    /// Follows the feed's progress.
    pub fn pulse(&self) -> watch::Receiver<Pulse> {
        self.pulse.subscribe()
    }

    /// The process-wide drain.
    pub fn drain(&self) -> &Drain {
        &self.drain
    }

    // ----- the writer's side -----

    /// Takes over a complete state; `rewound` if it does not continue what was held before.
    pub fn replace(&self, objects: Vec<Arc<Object>>, version: ResourceVersion, rewound: bool) {
        let wake = {
            let mut state = self.state.lock();
            let state = &mut *state;
            let first = !state.cache.is_synced();
            if first || rewound {
                let objects = objects.into_iter().map(|o| (o.key().clone(), o)).collect();
                state.cache.restart(objects, version);
                self.epoch.fetch_add(u32::from(!first), Ordering::AcqRel);
                state.views.restart(state.cache.head().seq)
            } else {
                let changes = state.cache.replace(objects, version, Instant::now());
                state.views.publish(&changes)
            }
        };
        self.finish(wake);
    }

    /// Applies changes in order.
    pub fn apply(&self, deltas: Vec<Delta>) {
        let wake = {
            let mut state = self.state.lock();
            let changes = state.cache.apply(deltas, Instant::now());
            state.views.publish(&changes)
        };
        self.finish(wake);
    }

    /// Notes how upstream is.
    pub fn set_health(&self, health: UpstreamHealth, gone: bool) {
        let wake = {
            let mut state = self.state.lock();
            let upstream = &mut state.upstream;
            if upstream.health == Some(health) && upstream.gone == gone {
                return;
            }
            upstream.health = Some(health);
            upstream.gone = gone;
            upstream.since = SystemTime::now();
            self.turn.fetch_add(1, Ordering::AcqRel);
            state.views.wake_all()
        };
        self.finish(wake);
    }

    /// Notes that upstream was heard of.
    pub fn heard(&self) {
        self.state.lock().upstream.heard = Instant::now();
    }

    /// Forgets everything; the feed is unsynced again. Only for a feed that nobody reads.
    pub fn clear(&self) {
        {
            let mut state = self.state.lock();
            state.cache.clear();
            state.upstream.health = None;
            state.upstream.gone = false;
        }
        self.finish(Vec::new());
    }

    /// Wakes the readers whose bookmark or end is due, and drops history that is too old.
    pub fn tick(&self, now: Instant) {
        let wake = {
            let mut state = self.state.lock();
            state.cache.evict(now);
            state.views.wake_due(now)
        };
        wake.into_iter().for_each(Waker::wake);
    }

    /// Wakes all readers.
    pub fn wake_all(&self) {
        let wake = self.state.lock().views.wake_all();
        wake.into_iter().for_each(Waker::wake);
    }

    /// Puts older history in front; see [`WatchCache::prepend`].
    pub fn prepend(
        &self,
        objects: Vec<Arc<Object>>,
        deltas: Vec<Delta>,
        floor: ResourceVersion,
        meets: &ResourceVersion,
    ) -> bool {
        let objects = objects.into_iter().map(|o| (o.key().clone(), o)).collect();
        self.state
            .lock()
            .cache
            .prepend(objects, deltas, floor, meets, Instant::now())
    }

    fn finish(&self, wake: Vec<Waker>) {
        let pulse = {
            let state = self.state.lock();
            Pulse {
                synced: state.cache.is_synced(),
                version: state.cache.head().version,
                health: state.upstream.health,
                gone: state.upstream.gone,
            }
        };
        self.pulse.send_if_modified(|held| {
            let changed = *held != pulse;
            *held = pulse;
            changed
        });
        wake.into_iter().for_each(Waker::wake);
    }

    // ----- the readers' side -----

    /// Takes a place in the view of a query.
    pub(super) fn seat(self: &Arc<Self>, query: &Query, due: Instant) -> Seat {
        let mut state = self.state.lock();
        let start = state.cache.head().seq;
        let (scope, epoch) = (self.scope(query), self.epoch.clone());
        let mint = || -> Mint {
            Box::new(move |version| {
                let epoch = epoch.load(Ordering::Acquire);
                scope.token(&Position {
                    epoch,
                    version: version.clone(),
                })
            })
        };
        let view = state
            .views
            .view(query, mint, start, self.limits.view_log_bytes);
        let reader = view.join(due);
        Seat {
            feed: self.clone(),
            view,
            reader,
        }
    }

    /// The newest point and the state of upstream.
    pub(super) fn look(&self) -> Look {
        let state = self.state.lock();
        Look {
            head: state.cache.head(),
            upstream: state.upstream,
        }
    }

    /// The newest point, if a reader that has read its view up to `after` has seen everything
    /// before it.
    pub(super) fn head_if_read(&self, seat: &Seat, after: Seq) -> Option<Head> {
        let state = self.state.lock();
        (seat.view.last() <= after).then(|| state.cache.head())
    }

    /// The state to start from.
    pub(super) fn snapshot(&self, view: &View) -> (Arc<SharedSnapshot>, Head, u32) {
        let state = self.state.lock();
        let head = state.cache.head();
        (
            view.snapshot(|| state.cache.snapshot(), &head),
            head,
            self.epoch(),
        )
    }

    /// The changes after a place.
    pub(super) fn since(&self, place: &Place, max_bytes: usize) -> Since {
        let position = place.exact.then_some(&place.version);
        let state = self.state.lock();
        state.cache.since_place(place.after, position, max_bytes)
    }

    /// Whether the logs of views mean the same change by this seq as the history does.
    pub(super) fn agrees_with_logs(&self, seq: Seq) -> bool {
        self.state.lock().cache.is_unique(seq)
    }

    /// Where a position stands, with the epoch and the oldest position that can be continued.
    pub fn locate(&self, version: &ResourceVersion) -> (Located, u32, ResourceVersion) {
        let state = self.state.lock();
        (
            state.cache.locate(version),
            self.epoch(),
            state.cache.floor().clone(),
        )
    }

    /// The difference between an older state and now, and the point that it leads to.
    pub fn difference_from(&self, objects: &Objects) -> (Vec<Arc<Change>>, Head) {
        let state = self.state.lock();
        (state.cache.difference_from(objects), state.cache.head())
    }

    /// One object and the position that was read.
    pub fn get(&self, key: &Key) -> (Option<Arc<Object>>, ResourceVersion) {
        let state = self.state.lock();
        (state.cache.get(key).cloned(), state.cache.head().version)
    }

    /// All objects as they are, or as they were at `seq`; `None` if that is no longer known.
    pub fn objects(&self, at: Option<Seq>) -> Option<(Objects, Head)> {
        let state = self.state.lock();
        let head = state.cache.head();
        match at {
            None => Some((state.cache.snapshot().objects, head)),
            Some(seq) => state.cache.objects_at(seq).map(|objects| (objects, head)),
        }
    }

    /// The newest point.
    pub fn head(&self) -> Head {
        self.state.lock().cache.head()
    }

    /// The current epoch.
    pub fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Counts the changes of upstream's health.
    pub(super) fn turn(&self) -> u64 {
        self.turn.load(Ordering::Acquire)
    }

    /// Sizes for metrics.
    pub fn size(&self) -> FeedSize {
        let state = self.state.lock();
        let (history_changes, history_bytes) = state.cache.history_size();
        let (views, subscriptions, log_bytes) = state.views.size();
        FeedSize {
            objects: state.cache.object_count(),
            history_changes,
            history_bytes,
            views,
            subscriptions,
            log_bytes,
        }
    }

    /// How long upstream has been silent.
    pub fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.state.lock().upstream.heard)
    }
}
