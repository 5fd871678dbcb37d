//! Finds or makes the cacher of a resource.

use std::{
    collections::BTreeMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{catch_up::CatchUp, lifecycle};
use crate::{
    reflector::{ApiClient, ReflectorOptions, ReflectorStats},
    resource::{Gvr, ResourceInfo, ResourceVersion},
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
}

/// All cachers of the process.
pub struct Cachers {
    client: ApiClient,
    settings: Settings,
    drain: Arc<Drain>,
    spawn: Spawn,
    cachers: Mutex<BTreeMap<Gvr, Arc<Cacher>>>,
}

/// One resource's cacher.
pub(super) struct Cacher {
    pub(super) info: ResourceInfo,
    pub(super) feed: Arc<Feed>,
    pub(super) catch_up: CatchUp,
    pub(super) stats: Arc<ReflectorStats>,
    demand: Mutex<Demand>,
    /// Called when `demand` goes from none to one and from one to none.
    pub(super) turned: Notify,
}

/// Guards the decision to stop: whoever holds a lease is sure that the feed stays.
#[derive(Debug, Default)]
struct Demand {
    leases: usize,
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

    /// Reserves the cacher of a resource; its watch runs at least as long as the lease is held.
    pub fn lease(&self, info: &ResourceInfo) -> Lease {
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
        let cacher = Arc::new(Cacher {
            info: info.clone(),
            feed,
            catch_up,
            stats: Arc::default(),
            demand: Mutex::default(),
            turned: Notify::new(),
        });
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

impl Cacher {
    /// Whether somebody holds a lease.
    pub(super) fn is_wanted(&self) -> bool {
        self.demand.lock().leases > 0
    }

    /// Forgets the state if nobody holds a lease; whoever takes one later waits for a new state.
    pub(super) fn clear_if_unwanted(&self) -> bool {
        let demand = self.demand.lock();
        if demand.leases == 0 {
            self.feed.clear();
        }
        demand.leases == 0
    }
}

/// A reservation of a cacher. Dropping it gives it back.
pub struct Lease {
    cacher: Arc<Cacher>,
    sync_deadline: Duration,
}

impl Lease {
    fn new(cacher: Arc<Cacher>, sync_deadline: Duration) -> Self {
        let first = {
            let mut demand = cacher.demand.lock();
            demand.leases += 1;
            demand.leases == 1
        };
        if first {
            cacher.turned.notify_one();
        }
        Self {
            cacher,
            sync_deadline,
        }
    }

    /// The feed.
    pub fn feed(&self) -> &Arc<Feed> {
        &self.cacher.feed
    }

    /// The resource.
    pub fn info(&self) -> &ResourceInfo {
        &self.cacher.info
    }

    pub(super) fn catch_up(&self) -> &CatchUp {
        &self.cacher.catch_up
    }

    /// Waits until there is a complete state.
    ///
    /// # Errors
    /// [`Closed::NotServed`], [`Closed::Draining`], and after the deadline [`Closed::UpstreamDown`]
    /// or [`Closed::NotSynced`]. Cancel safe.
    pub async fn synced(&self) -> Result<(), Closed> {
        let pulse = self
            .settled(self.sync_deadline, |pulse| pulse.synced || pulse.gone)
            .await?;
        if pulse.gone {
            return Err(Closed::NotServed);
        }
        match (pulse.synced, pulse.health) {
            (true, _) => Ok(()),
            (false, Some(UpstreamHealth::Degraded)) => Err(Closed::UpstreamDown),
            (false, _) => Err(Closed::NotSynced),
        }
    }

    /// Waits until the state is at least as new as `version`, for as long as the contract says.
    ///
    /// # Errors
    /// [`Closed::Future`] when it isn't in time. Cancel safe.
    pub async fn reached(&self, version: &ResourceVersion) -> Result<(), Closed> {
        /// As long as kube-apiserver blocks for a version that is not there yet.
        const PATIENCE: Duration = Duration::from_secs(3);
        let there = |pulse: &Pulse| pulse.version == *version || pulse.version.is_after(version);
        let pulse = self.settled(PATIENCE, there).await?;
        if there(&pulse) {
            return Ok(());
        }
        Err(Closed::Future {
            requested: version.clone(),
            current: pulse.version,
        })
    }

    /// Waits until there is a live watch upstream.
    ///
    /// # Errors
    /// [`Closed::UpstreamDown`] when there is none in time. Cancel safe.
    pub async fn live(&self) -> Result<(), Closed> {
        /// A reconnection takes about a second.
        const PATIENCE: Duration = Duration::from_secs(3);
        let healthy = |pulse: &Pulse| pulse.health == Some(UpstreamHealth::Healthy);
        let pulse = self.settled(PATIENCE, healthy).await?;
        if healthy(&pulse) {
            Ok(())
        } else {
            Err(Closed::UpstreamDown)
        }
    }

    /// The first pulse that satisfies a condition, or the current one after `patience`.
    async fn settled(
        &self,
        patience: Duration,
        condition: impl Fn(&Pulse) -> bool,
    ) -> Result<Pulse, Closed> {
        let mut pulse = self.cacher.feed.pulse();
        let deadline = Instant::now() + patience;
        loop {
            let now = pulse.borrow_and_update().clone();
            if condition(&now) {
                return Ok(now);
            }
            if self.cacher.feed.drain().has_begun() {
                return Err(Closed::Draining);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let step = left.min(Duration::from_millis(250));
            match tokio::time::timeout(step, pulse.changed()).await {
                Ok(_) => {}
                Err(_) if left.is_zero() => return Ok(now),
                Err(_) => {}
            }
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(&self.cacher.info.gvr).finish()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let last = {
            let mut demand = self.cacher.demand.lock();
            demand.leases -= 1;
            demand.leases == 0
        };
        if last {
            self.cacher.turned.notify_one();
        }
    }
}
