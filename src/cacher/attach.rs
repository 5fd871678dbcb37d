//! From a request to a running subscription.

use std::time::{Duration, Instant};

use super::{Cachers, Lease, catch_up::CaughtUp};
use crate::{
    access::{Grant, Subscribe},
    resource::ResourceVersion,
    selector::{EventTypes, Query},
    store::Located,
    subscription::{
        Begin, Closed, Feed, OnExpired, Outcome, Plan, Position, ResetReason, Subscription,
    },
};

/// A request for a subscription; everything in it has been validated.
#[derive(Debug, Clone)]
pub struct Watch {
    /// Which events of the objects that the grant is for.
    pub event_types: EventTypes,
    /// Whether MODIFIED events carry the previous state too.
    pub include_old: bool,
    /// From where.
    pub start: StartAt,
    /// What to do when a position can't be continued.
    pub on_expired: OnExpired,
    /// Longest silence.
    pub bookmark_interval: Duration,
    /// When it ends by plan, whether it has begun by then or not.
    pub deadline: Option<Instant>,
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
    /// positions. It shows what the grant is for. The lease must be kept as long as it.
    ///
    /// # Errors
    /// The reason why there is no stream; what it waited for if it would only begin after its
    /// planned end. Cancel safe.
    pub async fn attach(
        &self,
        grant: &Grant<Subscribe>,
        watch: Watch,
    ) -> Result<(Lease, Subscription), Closed> {
        let lease = self.lease(grant)?;
        let planned = async {
            lease.synced().await?;
            plan(&lease, &watch).await
        };
        let plan = match watch.deadline {
            None => planned.await?,
            Some(deadline) => match tokio::time::timeout_at(deadline.into(), planned).await {
                Ok(plan) => plan?,
                // Not a planned end: with nothing told it would pass for a cluster without objects.
                Err(_) => return Err(lease.late(watch.start.version())),
            },
        };
        let begin = Begin {
            plan,
            on_expired: watch.on_expired,
            bookmark_interval: watch.bookmark_interval,
            deadline: watch.deadline,
            reconnect_delay: watch.reconnect_delay,
        };
        let query = watch.query(grant);
        let subscription = Subscription::new(lease.feed(), &query, begin, Instant::now());
        Ok((lease, subscription))
    }
}

impl Watch {
    /// What is asked, of what is granted.
    pub fn query(&self, grant: &Grant<Subscribe>) -> Query {
        let membership = grant.membership().clone();
        Query::new(membership, self.event_types, self.include_old)
    }
}

impl StartAt {
    /// The version that the state has to reach first.
    fn version(&self) -> Option<&ResourceVersion> {
        match self {
            Self::Snapshot { min, .. } => min.as_ref(),
            Self::Now => None,
            Self::Version(version) => Some(version),
            Self::Token(position) => Some(&position.version),
        }
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
        StartAt::Version(version) => {
            let position = Position {
                epoch: lease.feed().epoch(),
                version: version.clone(),
            };
            resume(lease, position, watch.on_expired).await
        }
        StartAt::Token(position) => resume(lease, position.clone(), watch.on_expired).await,
    }
}

/// The order in which an old position is looked for: the feed's history, the apiserver's history,
/// the difference to an old state, and then a new start. Whatever was waited for, nothing found in
/// another epoch is an answer.
async fn resume(lease: &Lease, position: Position, on_expired: OnExpired) -> Result<Plan, Closed> {
    let feed = lease.feed();
    let Position { epoch, version } = position.clone();
    if let Some(plan) = resumed(feed, &position) {
        return Ok(plan);
    }
    match lease.catch_up().reach(position.clone()).await {
        CaughtUp::Ahead => return Ok(Plan::Ahead { version, epoch }),
        CaughtUp::Difference { difference, head } => {
            return Ok(Plan::Difference {
                difference,
                head,
                epoch,
            });
        }
        CaughtUp::Forbidden => return Err(lease.forbidden()),
        CaughtUp::Unavailable => return Err(Closed::UpstreamDown),
        CaughtUp::Future => {
            let reached = lease.reached(&version).await;
            if feed.epoch() == epoch {
                reached?;
            }
        }
        CaughtUp::InHistory | CaughtUp::Expired | CaughtUp::Rewound => {}
    }
    if let Some(plan) = resumed(feed, &position) {
        return Ok(plan);
    }
    let (_, current, oldest) = feed.locate(&version);
    match on_expired {
        OnExpired::Reset if current != epoch => Ok(Plan::Snapshot(Some(ResetReason::Rewound))),
        OnExpired::Reset => Ok(Plan::Snapshot(Some(ResetReason::Expired))),
        OnExpired::Fail if current != epoch => Err(Closed::Rewound),
        OnExpired::Fail => Err(Closed::Expired {
            requested: version,
            oldest,
        }),
    }
}

/// The plan to continue a position that the feed's history reaches back to.
fn resumed(feed: &Feed, position: &Position) -> Option<Plan> {
    match feed.locate(&position.version) {
        (Located::At(seq), epoch, _) if epoch == position.epoch => Some(Plan::After {
            seq,
            version: position.version.clone(),
            epoch,
            outcome: Outcome::Resumed,
        }),
        _ => None,
    }
}
