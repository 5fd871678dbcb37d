//! The only way out of the reflector: what it tells the watch cache.

use std::{fmt, sync::Arc};

use crate::resource::{Delta, Object, ResourceVersion};

/// What a reflector tells the watch cache. Calls come from one task, in order, and never block.
pub trait Sink: Send + Sync {
    /// The complete state at `version`, sorted by key (after a list or a watch-list). `rewound`: it
    /// doesn't continue what was told before. It is older, so the history of the cluster has been
    /// replaced; or the resource was not served in between and may have been made anew.
    fn replace(&self, objects: Vec<Arc<Object>>, version: ResourceVersion, rewound: bool);

    /// Changes in order, everything that was drained from the connection at once; never empty.
    /// Versions increase where the cluster promises an order; duplicates are already gone.
    fn apply(&self, events: Vec<Delta>);

    /// The connection became good or bad. Told on changes only; the first call is the first answer.
    fn health(&self, health: Health);

    /// Bytes of a watch or a list have arrived.
    fn heard(&self);
}

/// Whether the state that was told last is being kept up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// A watch is running.
    Healthy,
    /// No watch could be had; tries go on by themselves.
    Degraded {
        /// Why.
        reason: DegradedReason,
    },
}

/// Why a resource can't be kept up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DegradedReason {
    /// The server can't be reached or doesn't answer in time.
    Unreachable,
    /// 401: the daemon's own credentials are not accepted.
    Unauthorized,
    /// 403: the daemon may not list or watch the resource.
    Forbidden,
    /// 404, and discovery doesn't know the resource (any more). What was told before is void; when
    /// it is served again a new state is told.
    NotServed,
    /// 429: the server asks to come back later.
    Throttled,
    /// The server answers with another error.
    ServerError,
    /// The server answers with something that is not its protocol.
    BadAnswer,
    /// The stream contradicts itself; a new list is on its way.
    Desynced,
}

impl DegradedReason {
    /// A short stable name in snake case, for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotServed => "not_served",
            Self::Throttled => "throttled",
            Self::ServerError => "server_error",
            Self::BadAnswer => "bad_answer",
            Self::Desynced => "desynced",
        }
    }
}

impl fmt::Display for DegradedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "the apiserver can't be reached",
            Self::Unauthorized => "the apiserver doesn't accept the daemon's credentials",
            Self::Forbidden => "the daemon may not list and watch this resource",
            Self::NotServed => "the apiserver doesn't serve this resource",
            Self::Throttled => "the apiserver asks to come back later",
            Self::ServerError => "the apiserver answers with an error",
            Self::BadAnswer => "the apiserver's answer can't be read",
            Self::Desynced => "the apiserver's stream contradicts itself",
        })
    }
}

/// A sink for reads that tell nobody.
#[derive(Debug)]
pub(super) struct Silent;

impl Sink for Silent {
    fn replace(&self, _: Vec<Arc<Object>>, _: ResourceVersion, _: bool) {}
    fn apply(&self, _: Vec<Delta>) {}
    fn health(&self, _: Health) {}
    fn heard(&self) {}
}
