//! Finds or makes the cacher of a resource.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use parking_lot::Mutex;

use super::{
    catch_up::CatchUp,
    lease::{Cacher, Lease},
    lifecycle,
};
use crate::{
    access::Grant,
    reflector::{ApiClient, ReflectorOptions, ReflectorStats},
    resource::{Gvr, ResourceInfo},
    subscription::{Drain, Feed, FeedLimits, FeedSize, Pulse},
};

/// Hands a long-lived task to whoever supervises it.
pub type Spawn = Arc<dyn Fn(String, BoxFuture<'static, ()>) + Send + Sync>;

/// What cachers are made with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How much each feed keeps.
    pub limits: FeedLimits,
    /// How long a watch goes on after the last subscriber has left.
    pub linger: Duration,
    /// How long a subscriber waits for the first complete state.
    pub sync_deadline: Duration,
    /// How the reflector works.
    pub reflector: ReflectorOptions,
    /// Identifies the cluster in tokens.
    pub cluster: [u8; 8],
}

/// All cachers of the process.
pub struct Cachers {
    client: ApiClient,
    settings: Settings,
    drain: Arc<Drain>,
    spawn: Spawn,
    cachers: Mutex<BTreeMap<Gvr, Arc<Cacher>>>,
}

/// Sizes and counts of one cacher, for metrics.
#[derive(Debug, Clone)]
pub struct CacherSize {
    /// The resource.
    pub gvr: Gvr,
    /// What the feed holds.
    pub feed: FeedSize,
    /// What it has got to.
    pub pulse: Pulse,
    /// What the reflector has done.
    pub stats: Arc<ReflectorStats>,
}

impl Cachers {
    /// Makes an empty set.
    pub fn new(client: ApiClient, settings: Settings, drain: Arc<Drain>, spawn: Spawn) -> Self {
        Self {
            client,
            settings,
            drain,
            spawn,
            cachers: Mutex::default(),
        }
    }

    /// What identifies the cluster in tokens.
    pub fn cluster(&self) -> [u8; 8] {
        self.settings.cluster
    }

    /// The process-wide drain.
    pub fn drain(&self) -> &Arc<Drain> {
        &self.drain
    }

    /// Reserves the cacher of a granted resource; its watch runs at least as long as the lease is
    /// held. The lease shows all objects: of those only what the grant's membership matches may be
    /// told.
    pub fn lease<R>(&self, grant: &Grant<R>) -> Lease {
        let info = grant.info();
        let mut cachers = self.cachers.lock();
        let cacher = match cachers.get(&info.gvr) {
            Some(cacher) => cacher.clone(),
            None => {
                let cacher = self.make(info);
                cachers.insert(info.gvr.clone(), cacher.clone());
                cacher
            }
        };
        Lease::new(cacher, self.settings.sync_deadline)
    }

    fn make(&self, info: &ResourceInfo) -> Arc<Cacher> {
        let settings = &self.settings;
        let feed = Feed::new(
            info.gvr.clone(),
            settings.cluster,
            settings.limits,
            self.drain.clone(),
        );
        let (catch_up, requests) = CatchUp::new();
        let cacher = Arc::new(Cacher::new(info.clone(), feed, catch_up));
        let life = lifecycle::Life {
            client: self.client.clone(),
            cacher: cacher.clone(),
            requests,
            linger: settings.linger,
            options: settings.reflector.clone(),
        };
        (self.spawn)(format!("cacher {}", info.gvr), Box::pin(life.run()));
        cacher
    }

    /// Wakes all streams, so that they notice a drain.
    pub fn wake_all(&self) {
        for cacher in self.cachers.lock().values() {
            cacher.feed.wake_all();
        }
    }

    /// Sizes and counts, by resource.
    pub fn sizes(&self) -> Vec<CacherSize> {
        let cachers: Vec<_> = self.cachers.lock().values().cloned().collect();
        cachers
            .iter()
            .map(|cacher| CacherSize {
                gvr: cacher.info.gvr.clone(),
                feed: cacher.feed.size(),
                pulse: cacher.feed.pulse().borrow().clone(),
                stats: cacher.stats.clone(),
            })
            .collect()
    }
}

impl fmt::Debug for Cachers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cachers")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
