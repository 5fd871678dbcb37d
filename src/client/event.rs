//! The typed events of a watch, as a Rust program wants to match on them.

use std::{fmt, sync::Arc, time::Duration};

use super::{CallError, ResetReason};
use crate::proto::v1;

/// One event of a [`Watch`](super::Watch).
///
/// A program that keeps what it has seen must handle [`Reset`](Self::Reset); one that watches
/// through a [`Store`](super::Store) never gets it. [`SnapshotEnd`](Self::SnapshotEnd),
/// [`Bookmark`](Self::Bookmark) and [`Notice`](Self::Notice) may be ignored.
#[derive(Debug, PartialEq)]
pub enum Event<K> {
    /// The object is new to this watch: created, part of the snapshot, or it came to match.
    Added(Change<K>),
    /// The object was known to this watch and has changed.
    Modified(Change<K>),
    /// The object is gone: deleted, or it no longer matches. It is shown in its last matching
    /// state, with the resourceVersion of the change that took it away.
    Deleted(Change<K>),
    /// The snapshot is complete; changes follow.
    SnapshotEnd(SnapshotEnd),
    /// Nothing was missed up to here.
    Bookmark(Bookmark),
    /// Forget every object; a snapshot follows.
    Reset(ResetReason),
    /// News of the watch itself. Nothing happened to the objects.
    Notice(Notice),
}

/// One change of one object.
#[derive(Debug, PartialEq)]
pub struct Change<K> {
    /// The object: its new state, or for [`Event::Deleted`] its last.
    pub object: Arc<K>,
    /// The state before; only of [`Event::Modified`], and only on a reflected stream or after
    /// [`WatchBuilder::include_old_object`](super::WatchBuilder::include_old_object).
    pub old: Option<Arc<K>>,
    /// Why the event came.
    pub cause: Cause,
    /// The object's namespace; empty for cluster-scoped resources.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The object's uid.
    pub uid: String,
    /// The resourceVersion of the change; inside a snapshot the object's own.
    pub resource_version: String,
}

/// What a [`Change`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// That of [`Event::Added`].
    Added,
    /// That of [`Event::Modified`].
    Modified,
    /// That of [`Event::Deleted`].
    Deleted,
}

/// Tells events that look alike apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Created, deleted, or changed while it matched before and after.
    Change,
    /// Part of a snapshot.
    Snapshot,
    /// Existed before and came to match the filter.
    Entered,
    /// Still exists but no longer matches the filter.
    Left,
    /// Found by comparing two states after a break in the history.
    Resync,
    /// Not said: the event is the apiserver's own (see
    /// [`unmarshal_event`](super::unmarshal_event)), or the cause is one that this client
    /// doesn't know.
    Unknown,
}

/// Closes a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotEnd {
    /// The snapshot is the state of the resource at this resourceVersion.
    pub resource_version: String,
    /// How many events the snapshot delivered; `None` where the apiserver's own bookmark ends
    /// it, which doesn't say.
    pub count: Option<u64>,
}

/// Everything up to a position was delivered or filtered out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bookmark {
    /// The position.
    pub resource_version: String,
    /// How long the daemon has heard nothing from the apiserver about this resource.
    pub upstream_silence: Option<Duration>,
}

/// News of the watch itself, worth a line in a log.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// A stream is established: the first, or one that continues after a break. A watch from now
    /// on misses nothing that is written after this.
    Started(v1::Started),
    /// The daemon's connection to the apiserver became worse or better.
    UpstreamState(v1::UpstreamState),
    /// The server is about to end this stream. The watch continues by itself.
    Draining(v1::Draining),
    /// The stream broke. The watch continues by itself after `retry_in`.
    Disconnected {
        /// Why.
        error: CallError,
        /// When the next attempt begins.
        retry_in: Duration,
    },
}

impl<K> Event<K> {
    /// The change, if something happened to an object.
    pub fn change(&self) -> Option<(ChangeKind, &Change<K>)> {
        match self {
            Self::Added(change) => Some((ChangeKind::Added, change)),
            Self::Modified(change) => Some((ChangeKind::Modified, change)),
            Self::Deleted(change) => Some((ChangeKind::Deleted, change)),
            Self::SnapshotEnd(_) | Self::Bookmark(_) | Self::Reset(_) | Self::Notice(_) => None,
        }
    }

    /// The object, if something happened to one.
    pub fn object(&self) -> Option<&Arc<K>> {
        self.change().map(|(_, change)| &change.object)
    }

    pub(crate) fn of(kind: ChangeKind, change: Change<K>) -> Self {
        match kind {
            ChangeKind::Added => Self::Added(change),
            ChangeKind::Modified => Self::Modified(change),
            ChangeKind::Deleted => Self::Deleted(change),
        }
    }
}

// Written out: objects are shared, so they need not be `Clone`.
impl<K> Clone for Event<K> {
    fn clone(&self) -> Self {
        match self {
            Self::Added(change) => Self::Added(change.clone()),
            Self::Modified(change) => Self::Modified(change.clone()),
            Self::Deleted(change) => Self::Deleted(change.clone()),
            Self::SnapshotEnd(end) => Self::SnapshotEnd(end.clone()),
            Self::Bookmark(bookmark) => Self::Bookmark(bookmark.clone()),
            Self::Reset(reason) => Self::Reset(*reason),
            Self::Notice(notice) => Self::Notice(notice.clone()),
        }
    }
}

impl<K> Clone for Change<K> {
    fn clone(&self) -> Self {
        Self {
            object: Arc::clone(&self.object),
            old: self.old.clone(),
            cause: self.cause,
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            resource_version: self.resource_version.clone(),
        }
    }
}

impl ChangeKind {
    /// The word that Kubernetes has for it: `ADDED`, `MODIFIED` or `DELETED`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
