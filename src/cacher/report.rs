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

    /// Whether the apiserver refuses the daemon a resource, as far as it has been asked: somewhere,
    /// and it is watched nowhere.
    pub fn is_forbidden(&self, gvr: &Gvr) -> bool {
        let all = self.all();
        let own = all.iter().filter(|cacher| cacher.source.gvr() == gvr);
        let phases: Vec<_> = own
            .map(|cacher| Phase::of(cacher, &cacher.feed.pulse().borrow()))
            .collect();
        phases.contains(&Phase::Forbidden) && !phases.contains(&Phase::Healthy)
    }
}
