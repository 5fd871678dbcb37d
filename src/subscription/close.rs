//! Why a stream ends.

use thiserror::Error;

use crate::resource::{OutOfReach, ResourceVersion};

/// Why a stream ends. `grpc::status` maps each to a code; the names are metric labels too.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Closed {
    /// The requested length of the stream is over.
    #[error("the requested timeout is over")]
    Timeout,
    /// The position is no longer in the history, and the client asked to be told so.
    #[error(
        "resource version {requested} is too old, the oldest that can be continued is {oldest}"
    )]
    Expired {
        /// The position that was asked for or reached.
        requested: ResourceVersion,
        /// The oldest position that would do.
        oldest: ResourceVersion,
    },
    /// The position has not been reached.
    #[error("resource version {requested} is in the future, the newest known is {current}")]
    Future {
        /// The position that was asked for.
        requested: ResourceVersion,
        /// The newest position.
        current: ResourceVersion,
    },
    /// The token is from before the cluster's history was rewound, and the client asked to be told.
    #[error("the resume token is from before the cluster's history was rewound")]
    Rewound,
    /// No watch upstream covers the namespaces that it asks for.
    #[error(transparent)]
    OutOfReach(OutOfReach),
    /// The server is about to stop.
    #[error("the server is draining")]
    Draining,
    /// There was no complete state in time.
    #[error("the watch cache is not synced yet")]
    NotSynced,
    /// There is no live watch upstream, and the client did not accept a stale state.
    #[error("the watch upstream is down")]
    UpstreamDown,
    /// The apiserver refuses the daemon itself.
    #[error(
        "the daemon may not list and watch {subject}: \
         grant its service account list and watch"
    )]
    UpstreamForbidden {
        /// The resource, with the namespace if it is only one.
        subject: String,
    },
    /// The resource is not served any more.
    #[error("the resource is not served any more")]
    NotServed,
}

impl Closed {
    /// A short stable name, for metrics and logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Expired { .. } => "expired",
            Self::Future { .. } => "future",
            Self::Rewound => "rewound",
            Self::OutOfReach(_) => "out_of_reach",
            Self::Draining => "draining",
            Self::NotSynced => "not_synced",
            Self::UpstreamDown => "upstream_down",
            Self::UpstreamForbidden { .. } => "upstream_forbidden",
            Self::NotServed => "not_served",
        }
    }
}
