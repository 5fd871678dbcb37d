//! Finds or makes the cacher of a source.

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
    resource::{Gvr, Reach, ResourceInfo, Source, SourceKey},
    subscription::{Closed, Drain, Feed, FeedLimits, FeedSize, Pulse, UpstreamHealth},
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
    /// Which namespaces are watched, each by itself; or the whole cluster.
    pub reach: Reach,
}

/// All cachers of the process.
pub struct Cachers {
    client: ApiClient,
    settings: Settings,
    drain: Arc<Drain>,
    spawn: Spawn,
    cachers: Mutex<BTreeMap<SourceKey, Arc<Cacher>>>,
}

/// Sizes and counts of one cacher, for metrics.
#[derive(Debug, Clone)]
pub struct CacherSize {
    /// The resource, in the whole cluster or in one namespace.
    pub source: Source,
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

    /// Reserves the cacher of what is granted; its watch runs at least as long as the lease is held.
    /// The lease may show more objects: only what the grant's membership matches may be told.
    ///
    /// # Errors
    /// [`Closed::OutOfReach`] if no single watch covers the namespaces.
    pub fn lease<R>(&self, grant: &Grant<R>) -> Result<Lease, Closed> {
        let namespaces = grant.membership().namespaces();
        let source = self.settings.reach.source(grant.info(), namespaces);
        let source = source.map_err(Closed::OutOfReach)?;
        let mut cachers = self.cachers.lock();
        let cacher = match cachers.get(&source.key()) {
            Some(cacher) => cacher.clone(),
            None => {
                let cacher = self.make(&source);
                cachers.insert(source.key(), cacher.clone());
                cacher
            }
        };
        Ok(Lease::new(cacher, self.settings.sync_deadline))
    }

    fn make(&self, source: &Source) -> Arc<Cacher> {
        let settings = &self.settings;
        let feed = Feed::new(
            source.gvr().clone(),
            settings.cluster,
            settings.limits,
            self.drain.clone(),
        );
        let (catch_up, requests) = CatchUp::new();
        let cacher = Arc::new(Cacher::new(source.clone(), feed, catch_up));
        let life = lifecycle::Life {
            client: self.client.clone(),
            cacher: cacher.clone(),
            requests,
            linger: settings.linger,
            options: settings.reflector.clone(),
        };
        (self.spawn)(format!("cacher {source}"), Box::pin(life.run()));
        cacher
    }

    /// Where a resource's objects are looked for: in these namespaces, or in the whole cluster if
    /// there are none.
    pub fn places(&self, info: &ResourceInfo) -> Vec<Arc<str>> {
        self.settings.reach.namespaces(info)
    }

    /// Whether the apiserver refuses the daemon a resource, as far as it has been asked: somewhere,
    /// and it is watched nowhere.
    pub fn is_forbidden(&self, gvr: &Gvr) -> bool {
        let cachers = self.cachers.lock();
        let own = cachers.values().filter(|cacher| cacher.source.gvr() == gvr);
        let pulses: Vec<Pulse> = own
            .map(|cacher| cacher.feed.pulse().borrow().clone())
            .collect();
        let watched = |pulse: &Pulse| pulse.health == Some(UpstreamHealth::Healthy);
        pulses.iter().any(|pulse| pulse.forbidden) && !pulses.iter().any(watched)
    }

    /// Wakes all streams, so that they notice a drain.
    pub fn wake_all(&self) {
        for cacher in self.cachers.lock().values() {
            cacher.feed.wake_all();
        }
    }

    /// Sizes and counts, by resource and namespace.
    pub fn sizes(&self) -> Vec<CacherSize> {
        let cachers: Vec<_> = self.cachers.lock().values().cloned().collect();
        cachers
            .iter()
            .map(|cacher| CacherSize {
                source: cacher.source.clone(),
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
