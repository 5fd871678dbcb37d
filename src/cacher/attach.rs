//! From a request to a running subscription.

use std::time::{Duration, Instant};

use super::{Cachers, Lease, catch_up::CaughtUp};
use crate::{
    resource::{ResourceInfo, ResourceVersion},
    selector::Query,
    store::Located,
    subscription::{Begin, Closed, OnExpired, Outcome, Plan, Position, ResetReason, Subscription},
};

/// A request for a subscription; everything in it has been validated.
#[derive(Debug, Clone)]
pub struct Watch {
    /// The resource.
    pub info: ResourceInfo,
    /// What of it.
    pub query: Query,
    /// From where.
    pub start: StartAt,
    /// What to do when a position can't be continued.
    pub on_expired: OnExpired,
    /// Longest silence.
    pub bookmark_interval: Duration,
    /// Planned length.
    pub timeout: Option<Duration>,
    /// When to come back after a drain.
    pub reconnect_delay: Duration,
}

/// Where a subscription starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartAt {
    /// With the current objects.
    Snapshot {
        /// At least as new as this.
        min: Option<ResourceVersion>,
        /// Even if there is no live watch upstream.
        allow_stale: bool,
    },
    /// With the next change.
    Now,
    /// After a version.
    Version(ResourceVersion),
    /// After the position of a token.
    Token(Position),
}

impl Cachers {
    /// Opens a subscription: waits for the state that it starts from, and reaches back for old
    /// positions. The lease must be kept as long as the subscription.
    ///
    /// # Errors
    /// The reason why there is no stream. Cancel safe.
    pub async fn attach(&self, watch: Watch) -> Result<(Lease, Subscription), Closed> {
        let deadline = watch.timeout.map(|timeout| Instant::now() + timeout);
        let lease = self.lease(&watch.info);
        lease.synced().await?;
        let plan = plan(&lease, &watch).await?;
        let begin = Begin {
            plan,
            on_expired: watch.on_expired,
            bookmark_interval: watch.bookmark_interval,
            deadline,
            reconnect_delay: watch.reconnect_delay,
        };
        let subscription = Subscription::new(lease.feed(), &watch.query, begin, Instant::now());
        Ok((lease, subscription))
    }
}

async fn plan(lease: &Lease, watch: &Watch) -> Result<Plan, Closed> {
    match &watch.start {
        StartAt::Snapshot { min, allow_stale } => {
            if !allow_stale {
                lease.live().await?;
            }
            if let Some(min) = min {
                lease.reached(min).await?;
            }
            Ok(Plan::Snapshot(None))
        }
        StartAt::Now => {
            let feed = lease.feed();
            let epoch = feed.epoch();
            let head = feed.head();
            Ok(Plan::After {
                seq: head.seq,
                version: head.version,
                epoch,
                outcome: Outcome::FromNow,
            })
        }
        StartAt::Version(version) => resume(lease, version, watch.on_expired).await,
        StartAt::Token(position) if position.epoch != lease.feed().epoch() => {
            match watch.on_expired {
                OnExpired::Reset => Ok(Plan::Snapshot(Some(ResetReason::Rewound))),
                OnExpired::Fail => Err(Closed::Rewound),
            }
        }
        StartAt::Token(position) => resume(lease, &position.version, watch.on_expired).await,
    }
}

/// The order in which an old position is looked for: the feed's history, the apiserver's history,
/// the difference to an old state, and then a new start.
async fn resume(
    lease: &Lease,
    version: &ResourceVersion,
    on_expired: OnExpired,
) -> Result<Plan, Closed> {
    let feed = lease.feed();
    // If the history is rewound from here on, the subscription notices by this.
    let epoch = feed.epoch();
    let resumed = |seq| Plan::After {
        seq,
        version: version.clone(),
        epoch,
        outcome: Outcome::Resumed,
    };
    if let (Located::At(seq), ..) = feed.locate(version) {
        return Ok(resumed(seq));
    }
    match lease.catch_up().reach(version.clone()).await {
        CaughtUp::InHistory => {
            if let (Located::At(seq), ..) = feed.locate(version) {
                return Ok(resumed(seq));
            }
        }
        CaughtUp::Ahead => {
            return Ok(Plan::Ahead {
                version: version.clone(),
                epoch,
            });
        }
        CaughtUp::Future => {
            lease.reached(version).await?;
            if let (Located::At(seq), ..) = feed.locate(version) {
                return Ok(resumed(seq));
            }
        }
        CaughtUp::Difference {
            changes,
            head,
            epoch,
        } => {
            return Ok(Plan::Difference {
                changes,
                head,
                epoch,
            });
        }
        CaughtUp::Unavailable => return Err(Closed::UpstreamDown),
        CaughtUp::Expired => {}
    }
    match on_expired {
        OnExpired::Reset => Ok(Plan::Snapshot(Some(ResetReason::Expired))),
        OnExpired::Fail => {
            let (_, _, oldest) = feed.locate(version);
            Err(Closed::Expired {
                requested: version.clone(),
                oldest,
            })
        }
    }
}
