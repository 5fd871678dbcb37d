//! The meeting point of one writer and many readers of a resource.

mod past;
mod reader;
mod writer;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use reader::NoDifference;

use super::{Position, Scope, place::Place};
use crate::{
    resource::{Gvr, ResourceVersion},
    selector::Query,
    store::{Head, HistoryLimits, WatchCache},
    view::{Budget, Reader, Registry, View},
};

/// How much a feed keeps.
#[derive(Debug, Clone)]
pub struct FeedLimits {
    /// The history of changes, from which any query is served.
    pub history: HistoryLimits,
    /// The encoded events of one query, in bytes.
    pub view_log_bytes: usize,
    /// What is encoded for readers, of all feeds.
    pub budget: Arc<Budget>,
}

/// The state of the watch upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamHealth {
    /// A watch is running.
    Healthy,
    /// None is, for now.
    Degraded,
}

/// Why there is no watch upstream, where it takes somebody to change that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The resource is not served.
    NotServed,
    /// The daemon may not list and watch it.
    Forbidden,
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
    /// Whether the apiserver's last word was that the daemon may not list and watch it.
    pub forbidden: bool,
}

/// Tells all streams of the process that it is about to stop.
#[derive(Debug, Default)]
pub struct Drain {
    /// The same as `token` says, without a lock.
    begun: AtomicBool,
    token: CancellationToken,
}

impl Drain {
    /// Begins. Subscriptions notice when they are woken next; [`Feed::wake_all`] does that.
    pub fn begin(&self) {
        self.begun.store(true, Ordering::Release);
        self.token.cancel();
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }

    /// Waits until it begins. Cancel safe.
    pub fn begun(&self) -> impl Future<Output = ()> + Send + use<> {
        self.token.clone().cancelled_owned()
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
    budget: Arc<Budget>,
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
    /// The daemon may not list and watch it.
    pub(super) forbidden: bool,
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
            forbidden: false,
        };
        let upstream = Upstream {
            health: None,
            since: SystemTime::now(),
            heard: Instant::now(),
            gone: false,
            forbidden: false,
        };
        let state = State {
            cache,
            views: Registry::new(limits.budget.clone(), limits.view_log_bytes),
            upstream,
        };
        let (pulse, _) = watch::channel(pulse);
        Arc::new(Self {
            gvr,
            cluster,
            budget: limits.budget,
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

    /// What bounds the bytes that are encoded for readers, of all feeds.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// The process-wide drain.
    pub fn drain(&self) -> &Drain {
        &self.drain
    }
}
