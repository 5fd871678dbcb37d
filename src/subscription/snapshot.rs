//! A reader's way through a shared snapshot.

use std::sync::Arc;

use crate::view::{Chunk, SharedSnapshot};

/// How far one reader has come in a snapshot that many may share.
#[derive(Debug)]
pub(super) struct SnapshotRead {
    shared: Arc<SharedSnapshot>,
    reader: usize,
}

impl SnapshotRead {
    pub(super) fn new(shared: Arc<SharedSnapshot>) -> Self {
        let reader = shared.join();
        Self { shared, reader }
    }

    /// What comes next. When it is `Working` or `Full`, ask again later.
    pub(super) fn next(&mut self) -> Chunk {
        self.shared.next(self.reader)
    }
}

impl Drop for SnapshotRead {
    fn drop(&mut self) {
        self.shared.leave(self.reader);
    }
}
