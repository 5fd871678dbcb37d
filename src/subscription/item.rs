//! What a subscription yields.

use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::UpstreamHealth;
use crate::resource::ResourceVersion;

/// One step of a stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// Encoded events, shared with all who ask the same. Together they are one message.
    Events(Vec<Bytes>),
    /// Something of this stream alone.
    Control(Control),
}

/// A frame that is no event.
#[derive(Debug, Clone, PartialEq)]
pub enum Control {
    /// The stream is established.
    Started {
        /// How it begins.
        outcome: Outcome,
        /// The unbroken line of positions that it is on.
        epoch: String,
    },
    /// The snapshot is complete.
    SnapshotEnd {
        /// The state that it shows.
        version: ResourceVersion,
        /// Continues after it.
        token: String,
        /// How many events it had.
        count: u64,
    },
    /// Nothing was missed up to here.
    Bookmark {
        /// The position.
        version: ResourceVersion,
        /// Continues from it.
        token: String,
        /// How long upstream has been silent.
        silence: Duration,
    },
    /// Forget everything; a snapshot follows.
    Reset {
        /// Why.
        reason: ResetReason,
        /// The epoch that begins.
        epoch: String,
    },
    /// Upstream became better or worse.
    Upstream {
        /// How it is.
        health: UpstreamHealth,
        /// Since when.
        since: SystemTime,
    },
    /// The server is about to stop.
    Draining {
        /// When to come back.
        reconnect_delay: Duration,
    },
}

/// How a stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// With a snapshot.
    Snapshot,
    /// Exactly after the requested position.
    Resumed,
    /// With the difference between the requested position and now.
    Resynced,
    /// With the next change.
    FromNow,
}

/// Why a stream could not be continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetReason {
    /// The position asked for is no longer in the history.
    Expired,
    /// The reader was so slow that the history has moved past it.
    Lagged,
    /// The cluster's history was rewound.
    Rewound,
}

/// What to do about a position that can't be continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnExpired {
    /// Start over with a snapshot.
    #[default]
    Reset,
    /// End the stream.
    Fail,
}
