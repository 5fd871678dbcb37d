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
    reflector::{ApiClient, ReflectorOptions},
    resource::{Reach, ResourceInfo, Source, SourceKey},
    subscription::{Closed, Drain, Feed, FeedLimits},
    view::Budget,
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

    /// What bounds the bytes that are encoded for readers.
    pub fn budget(&self) -> &Budget {
        &self.settings.limits.budget
    }

    /// What is watched for those who ask for a resource in these namespaces; none means all.
    ///
    /// # Errors
    /// [`Closed::OutOfReach`] if no single watch covers them.
    pub fn source<S: AsRef<str>>(
        &self,
        info: &ResourceInfo,
        namespaces: &[S],
    ) -> Result<Source, Closed> {
        let source = self.settings.reach.source(info, namespaces);
        source.map_err(Closed::OutOfReach)
    }

    /// Reserves the cacher of what is granted; its watch runs at least as long as the lease is held.
    /// The lease may show more objects: only what the grant's membership matches may be told.
    ///
    /// # Errors
    /// [`Closed::OutOfReach`] if no single watch covers the namespaces.
    pub fn lease<R>(&self, grant: &Grant<R>) -> Result<Lease, Closed> {
        let namespaces = grant.membership().namespaces();
        let source = self.source(grant.info(), namespaces)?;
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
            settings.limits.clone(),
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

    /// Wakes all streams, so that they notice a drain.
    pub fn wake_all(&self) {
        for cacher in self.cachers.lock().values() {
            cacher.feed.wake_all();
        }
    }

    /// All that were made, by resource and namespace.
    pub(super) fn all(&self) -> Vec<Arc<Cacher>> {
        self.cachers.lock().values().cloned().collect()
    }
}

impl fmt::Debug for Cachers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cachers")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
