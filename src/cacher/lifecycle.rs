//! The life of a cacher: asleep while nobody asks, one watch upstream while somebody does.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::MissedTickBehavior;
use tracing::info;

use super::{
    catch_up::{self, Requests},
    lease::Cacher,
};
use crate::{
    reflector::{ApiClient, DegradedReason, Fetcher, Health, Reflector, ReflectorOptions, Sink},
    resource::{Delta, Object, ResourceVersion},
    subscription::{Feed, Obstacle, UpstreamHealth},
};

/// What a cacher's task owns.
pub(super) struct Life {
    pub(super) client: ApiClient,
    pub(super) cacher: Arc<Cacher>,
    pub(super) requests: Requests,
    pub(super) linger: Duration,
    pub(super) options: ReflectorOptions,
}

impl Life {
    /// Runs for ever. One task does all of it, so that a new watch can't start before the old one
    /// is gone.
    pub(super) async fn run(mut self) {
        loop {
            while !self.cacher.is_wanted() {
                self.cacher.turned.notified().await;
            }
            info!(resource = %self.cacher.source, "watch upstream starts");
            self.awake().await;
            info!(resource = %self.cacher.source, "watch upstream stops, nobody subscribes");
        }
    }

    /// Until nobody has asked for as long as the linger, and the state has been forgotten.
    async fn awake(&mut self) {
        let cacher = self.cacher.clone();
        let feed = &cacher.feed;
        let reflector = Reflector {
            client: self.client.clone(),
            source: cacher.source.clone(),
            options: self.options.clone(),
            sink: Arc::new(FeedSink(feed.clone())),
            stats: cacher.stats.clone(),
            rng: fastrand::Rng::new(),
        };
        let fetcher = Fetcher {
            client: self.client.clone(),
            source: cacher.source.clone(),
            options: self.options.clone(),
        };
        tokio::select! {
            never = reflector.run() => match never {},
            () = tick(feed) => {}
            () = catch_up::serve(&mut self.requests, feed, &fetcher) => {}
            () = unwanted(&cacher, self.linger) => {}
        }
    }
}

/// Returns when nobody has held a lease for `linger` and the state has been forgotten.
async fn unwanted(cacher: &Cacher, linger: Duration) {
    loop {
        while cacher.is_wanted() {
            cacher.turned.notified().await;
        }
        let woken = tokio::time::timeout(linger, cacher.turned.notified()).await;
        if woken.is_err() && cacher.clear_if_unwanted() {
            return;
        }
    }
}

async fn tick(feed: &Feed) {
    let mut interval = tokio::time::interval(Feed::TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        feed.tick(Instant::now());
    }
}

/// What the reflector says goes into the feed.
struct FeedSink(Arc<Feed>);

impl Sink for FeedSink {
    fn replace(&self, objects: Vec<Arc<Object>>, version: ResourceVersion, rewound: bool) {
        self.0.replace(objects, version, rewound);
    }

    fn apply(&self, deltas: Vec<Delta>) {
        self.0.apply(deltas);
    }

    fn health(&self, health: Health) {
        match health {
            Health::Healthy => self.0.set_health(UpstreamHealth::Healthy, None),
            Health::Degraded { reason } => {
                let obstacle = match reason {
                    DegradedReason::NotServed => Some(Obstacle::NotServed),
                    DegradedReason::Forbidden => Some(Obstacle::Forbidden),
                    _ => None,
                };
                self.0.set_health(UpstreamHealth::Degraded, obstacle);
            }
        }
    }

    fn heard(&self) {
        self.0.heard();
    }
}
