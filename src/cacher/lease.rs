//! One source's cacher, and the leases that keep it awake.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::catch_up::CatchUp;
use crate::{
    reflector::ReflectorStats,
    resource::{ResourceVersion, Source},
    subscription::{Closed, Feed, Pulse, UpstreamHealth},
};

/// One source's cacher.
pub(super) struct Cacher {
    pub(super) source: Source,
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

impl Cacher {
    /// A cacher that nobody wants yet.
    pub(super) fn new(source: Source, feed: Arc<Feed>, catch_up: CatchUp) -> Self {
        Self {
            source,
            feed,
            catch_up,
            stats: Arc::default(),
            demand: Mutex::default(),
            turned: Notify::new(),
        }
    }

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
    pub(super) fn new(cacher: Arc<Cacher>, sync_deadline: Duration) -> Self {
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

    pub(super) fn catch_up(&self) -> &CatchUp {
        &self.cacher.catch_up
    }

    /// Waits until there is a complete state.
    ///
    /// # Errors
    /// [`Closed::NotServed`], [`Closed::UpstreamForbidden`], [`Closed::Draining`], and after the
    /// deadline [`Closed::UpstreamDown`] or [`Closed::NotSynced`]. Cancel safe.
    pub async fn synced(&self) -> Result<(), Closed> {
        // What a person has to mend is told at once; it is tried again for the next one to come.
        let decided = |pulse: &Pulse| pulse.synced || pulse.gone || pulse.forbidden;
        let pulse = self.settled(self.sync_deadline, decided).await?;
        self.complete(&pulse)
    }

    /// Waits until there is a complete state that the daemon may read still. What it held when it
    /// lost the right is for open streams, which are told that it is old; a read can't say so.
    ///
    /// # Errors
    /// As [`synced`](Self::synced). Cancel safe.
    pub async fn readable(&self) -> Result<(), Closed> {
        self.synced().await?;
        match self.cacher.feed.pulse().borrow().forbidden {
            true => Err(self.forbidden()),
            false => Ok(()),
        }
    }

    /// That the daemon itself may not read.
    pub(super) fn forbidden(&self) -> Closed {
        Closed::UpstreamForbidden {
            subject: self.cacher.source.subject(),
        }
    }

    /// Whether there is a complete state, and if not, why.
    fn complete(&self, pulse: &Pulse) -> Result<(), Closed> {
        if pulse.gone {
            return Err(Closed::NotServed);
        }
        match (pulse.synced, pulse.health) {
            (true, _) => Ok(()),
            (false, _) if pulse.forbidden => Err(self.forbidden()),
            (false, Some(UpstreamHealth::Degraded)) => Err(Closed::UpstreamDown),
            (false, _) => Err(Closed::NotSynced),
        }
    }

    /// What a stream still waits for that has to have begun by now, with the state at `version`.
    pub(super) fn late(&self, version: Option<&ResourceVersion>) -> Closed {
        let pulse = self.cacher.feed.pulse().borrow().clone();
        let healthy = pulse.health == Some(UpstreamHealth::Healthy);
        match (self.complete(&pulse), version) {
            (Err(closed), _) => closed,
            (Ok(()), Some(version)) if healthy && version.is_after(&pulse.version) => {
                Closed::Future {
                    requested: version.clone(),
                    current: pulse.version,
                }
            }
            (Ok(()), _) if pulse.forbidden => self.forbidden(),
            // A live watch, or the apiserver's word on an old position.
            (Ok(()), _) => Closed::UpstreamDown,
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
    /// [`Closed::UpstreamDown`] or [`Closed::UpstreamForbidden`] when there is none in time. Cancel
    /// safe.
    pub async fn live(&self) -> Result<(), Closed> {
        /// A reconnection takes about a second.
        const PATIENCE: Duration = Duration::from_secs(3);
        let healthy = |pulse: &Pulse| pulse.health == Some(UpstreamHealth::Healthy);
        let pulse = self.settled(PATIENCE, healthy).await?;
        match healthy(&pulse) {
            true => Ok(()),
            false if pulse.forbidden => Err(self.forbidden()),
            false => Err(Closed::UpstreamDown),
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
        f.debug_tuple("Lease").field(&self.cacher.source).finish()
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

#[cfg(test)]
mod tests;
