//! The typed steps of a watch, as the consumer sees them.

use std::time::Duration;

use super::CallError;
use crate::proto::v1;

/// One step of a [`Steps`](super::Steps) stream.
///
/// Tokens need no care: the watch remembers the last one that it handed out.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// A stream is established: the first, or one that continues after a break.
    Started(v1::Started),
    /// An object came, changed or went.
    Event(v1::Event),
    /// The snapshot is complete.
    SnapshotEnd(v1::SnapshotEnd),
    /// Nothing was missed up to here.
    Bookmark(v1::Bookmark),
    /// Forget every object; a snapshot follows.
    Reset(ResetReason),
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

/// Why everything has to be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResetReason {
    /// The position is older than the history that the daemon and the apiserver keep.
    Expired,
    /// The reader was so slow that the history has moved past it.
    Lagged,
    /// The cluster's history was rewound, or another cluster answers at the address.
    Rewound,
    /// The stream broke where it can't be continued: inside a snapshot, inside a run of events
    /// that belong together, or before the first position of a watch from now on.
    Interrupted,
    /// A reason that this client doesn't know.
    Other,
}

impl Step {
    /// The step that a frame stands for; `None` for frames that this client doesn't know.
    pub(crate) fn from_frame(frame: v1::Frame) -> Option<Self> {
        use v1::frame::Frame;
        Some(match frame.frame? {
            Frame::Started(started) => Self::Started(started),
            Frame::Event(event) => Self::Event(event),
            Frame::SnapshotEnd(end) => Self::SnapshotEnd(end),
            Frame::Bookmark(bookmark) => Self::Bookmark(bookmark),
            Frame::Reset(reset) => Self::Reset(match reset.reason() {
                v1::ResetReason::Expired => ResetReason::Expired,
                v1::ResetReason::Lagged => ResetReason::Lagged,
                v1::ResetReason::Rewound => ResetReason::Rewound,
                v1::ResetReason::Unspecified => ResetReason::Other,
            }),
            Frame::UpstreamState(state) => Self::UpstreamState(state),
            Frame::Draining(draining) => Self::Draining(draining),
        })
    }
}
