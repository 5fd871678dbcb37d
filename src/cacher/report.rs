//! What cachers tell of themselves, for metrics and operators.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Cachers, lease::Cacher};
use crate::{
    reflector::ReflectorStats,
    resource::{Gvr, ResourceVersion, Source},
    subscription::{FeedSize, Pulse, UpstreamHealth},
    view::QuerySize,
};

/// Sizes and counts of one cacher.
#[derive(Debug, Clone)]
pub struct CacherSize {
    /// The resource, in the whole cluster or in one namespace.
    pub source: Source,
    /// How its watch is.
    pub phase: Phase,
    /// What the feed holds.
    pub feed: FeedSize,
    /// What it has got to.
    pub pulse: Pulse,
    /// The oldest position that it continues.
    pub floor: ResourceVersion,
    /// Counts the rewinds that it has seen.
    pub epoch: u32,
    /// How long upstream has been silent.
    pub silence: Duration,
    /// What the reflector has done.
    pub stats: Arc<ReflectorStats>,
}

/// The namespaces in which the apiserver has decided about the daemon; the empty one stands for
/// the whole cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpstreamStanding {
    /// The daemon may not list and watch here.
    pub refused: Vec<String>,
    /// It does.
    pub watched: Vec<String>,
}

/// How a watch upstream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nobody wants it.
    Asleep,
    /// It was not answered yet.
    Starting,
    /// Established.
    Healthy,
    /// Broken.
    Degraded,
    /// The daemon lacks a right.
    Forbidden,
    /// The resource is not served.
    NotServed,
}

impl Phase {
    fn of(cacher: &Cacher, pulse: &Pulse) -> Self {
        match pulse.health {
            _ if pulse.gone => Self::NotServed,
            _ if pulse.forbidden => Self::Forbidden,
            Some(UpstreamHealth::Healthy) => Self::Healthy,
            Some(UpstreamHealth::Degraded) => Self::Degraded,
            None if cacher.is_wanted() => Self::Starting,
            None => Self::Asleep,
        }
    }
}

impl Cachers {
    /// Sizes and counts, by resource and namespace.
    pub fn sizes(&self) -> Vec<CacherSize> {
        let now = Instant::now();
        let size = |cacher: &Arc<Cacher>| {
            let pulse = cacher.feed.pulse().borrow().clone();
            CacherSize {
                source: cacher.source.clone(),
                phase: Phase::of(cacher, &pulse),
                feed: cacher.feed.size(),
                floor: cacher.feed.floor(),
                epoch: cacher.feed.epoch(),
                silence: cacher.feed.silence(now),
                pulse,
                stats: cacher.stats.clone(),
            }
        };
        self.all().iter().map(size).collect()
    }

    /// The distinct queries that are read, by resource and namespace, then in no order.
    pub fn queries(&self) -> Vec<(Source, QuerySize)> {
        let own = |cacher: Arc<Cacher>| {
            let queries = cacher.feed.queries().into_iter();
            queries.map(move |query| (cacher.source.clone(), query))
        };
        self.all().into_iter().flat_map(own).collect()
    }

    /// Where the apiserver refuses the daemon a resource and where it is watched, as far as it has
    /// been asked.
    pub fn standing(&self, gvr: &Gvr) -> UpstreamStanding {
        let mut standing = UpstreamStanding::default();
        let own = self.all().into_iter().filter(|c| c.source.gvr() == gvr);
        for cacher in own {
            let place = cacher.source.namespace().unwrap_or_default().to_owned();
            match Phase::of(&cacher, &cacher.feed.pulse().borrow()) {
                Phase::Forbidden => standing.refused.push(place),
                Phase::Healthy => standing.watched.push(place),
                _ => {}
            }
        }
        standing
    }
}
