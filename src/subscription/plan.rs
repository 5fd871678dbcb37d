//! What a subscription is opened with.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{OnExpired, Outcome, ResetReason};
use crate::{
    resource::ResourceVersion,
    store::{Head, Seq},
    view::Difference,
};

/// What a subscriber asked for, beside the query.
#[derive(Debug, Clone)]
pub struct Begin {
    /// How it starts.
    pub plan: Plan,
    /// What to do when its position can't be continued.
    pub on_expired: OnExpired,
    /// Longest silence.
    pub bookmark_interval: Duration,
    /// When it ends by plan.
    pub deadline: Option<Instant>,
    /// When it shall come back after a drain; differs from stream to stream.
    pub reconnect_delay: Duration,
}

/// How a subscription starts.
#[derive(Debug, Clone)]
pub enum Plan {
    /// With a snapshot; because a position could not be continued, if there is a reason.
    Snapshot(Option<ResetReason>),
    /// After a change that is in the feed's history.
    After {
        /// The change.
        seq: Seq,
        /// The position that the client knows it by.
        version: ResourceVersion,
        /// The epoch it was found in.
        epoch: u32,
        /// `Resumed` or `FromNow`.
        outcome: Outcome,
    },
    /// After a position that the feed hasn't reached yet, although the cluster has: another replica
    /// gave it out. What comes before it is passed over.
    Ahead {
        /// The position.
        version: ResourceVersion,
        /// The epoch that it belongs to.
        epoch: u32,
    },
    /// With the difference between an older state and a point of the feed.
    Difference {
        /// The difference.
        difference: Arc<Difference>,
        /// Where it leads.
        head: Head,
        /// The epoch it was made in.
        epoch: u32,
    },
}

impl Plan {
    /// The epoch that the plan was made in; a snapshot is of whichever is current.
    pub(super) fn epoch(&self) -> Option<u32> {
        match self {
            Self::Snapshot(_) => None,
            Self::After { epoch, .. }
            | Self::Ahead { epoch, .. }
            | Self::Difference { epoch, .. } => Some(*epoch),
        }
    }
}
