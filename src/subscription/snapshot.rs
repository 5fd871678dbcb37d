//! A reader's way through a shared snapshot.

use std::sync::Arc;

use bytes::Bytes;

use crate::view::{Chunk, SharedSnapshot};

/// How far one reader has come in a snapshot that many may share.
#[derive(Debug)]
pub(super) struct SnapshotRead {
    shared: Arc<SharedSnapshot>,
    next: usize,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum SnapshotStep {
    /// A chunk of events.
    Events(Bytes),
    /// A stretch without matches; ask again, but let others have a turn.
    Working,
    /// The snapshot had so many events.
    End(u64),
}

impl SnapshotRead {
    pub(super) fn new(shared: Arc<SharedSnapshot>) -> Self {
        Self { shared, next: 0 }
    }

    pub(super) fn next(&mut self) -> SnapshotStep {
        match self.shared.chunk(self.next) {
            Chunk::Events(chunk) => {
                self.next += 1;
                SnapshotStep::Events(chunk)
            }
            Chunk::Working => SnapshotStep::Working,
            Chunk::End(count) => SnapshotStep::End(count),
        }
    }
}
