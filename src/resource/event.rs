//! What an upstream watch says.

use std::{sync::Arc, time::Duration};

use super::{Object, ResourceVersion};

/// One decoded line of an upstream watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamEvent {
    /// The object was created (or is part of the initial state).
    Added(Arc<Object>),
    /// The object was changed.
    Modified(Arc<Object>),
    /// The object was deleted; its last state, at the version of the deletion.
    Deleted(Arc<Object>),
    /// Nothing was missed up to this version.
    Bookmark {
        /// The version.
        version: ResourceVersion,
        /// The annotation `k8s.io/initial-events-end` is `"true"`: the initial state is complete.
        initial_events_end: bool,
    },
    /// The watch has failed; nothing follows.
    Error(Status),
}

/// One step of a resource's history, after whatever upstream got wrong has been sorted out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// The object was created.
    Added(Arc<Object>),
    /// The object was changed.
    Modified(Arc<Object>),
    /// The object was deleted: its last state at the version of the deletion.
    Deleted(Arc<Object>),
    /// Nothing was missed up to this version. May repeat the version of the event before it.
    Bookmark(ResourceVersion),
}

impl Delta {
    /// The version that this step moves the resource to.
    pub fn version(&self) -> &ResourceVersion {
        match self {
            Self::Added(object) | Self::Modified(object) | Self::Deleted(object) => {
                object.version()
            }
            Self::Bookmark(version) => version,
        }
    }

    /// The object, if this isn't a bookmark.
    pub fn object(&self) -> Option<&Arc<Object>> {
        match self {
            Self::Added(object) | Self::Modified(object) | Self::Deleted(object) => Some(object),
            Self::Bookmark(_) => None,
        }
    }
}

/// The part of a `metav1.Status` that decides what happens next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// HTTP status code; 0 if the answer held none.
    pub code: u16,
    /// Machine-readable reason, for example `Expired`.
    pub reason: String,
    /// For people.
    pub message: String,
    /// Reasons of `details.causes`, for example `ResourceVersionTooLarge`.
    pub causes: Vec<String>,
    /// How long the server asks to wait, from `Retry-After` or `details.retryAfterSeconds`.
    pub retry_after: Option<Duration>,
}

impl Status {
    /// Whether the requested version is no longer in the server's history. Servers differ in the
    /// reason (`Expired`, `Gone`), never in the code.
    pub fn is_expired(&self) -> bool {
        self.code == 410
    }
}
