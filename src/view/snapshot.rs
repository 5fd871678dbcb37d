//! Snapshots, encoded once for all who start at the same point.

use std::{collections::VecDeque, sync::Arc};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;

use super::{
    Cause, Delivery,
    frame::{encode_event, size_hint},
};
use crate::{
    resource::{Key, Object},
    selector::{EventType, Query},
    store::{Objects, Seq, Snapshot},
};

/// A chunk is sent as one message. It ends before this, unless one object alone is larger.
const CHUNK_BYTES: usize = 256 * 1024;
/// Most objects looked at in one step, so that a filter that matches nothing holds nobody up.
const STEP_OBJECTS: usize = 4096;

/// The matching objects of one state in chunks. A chunk is encoded when the first reader gets to
/// it, and shared by all that follow.
#[derive(Debug)]
pub struct SharedSnapshot {
    query: Query,
    seq: Seq,
    progress: Mutex<Progress>,
}

#[derive(Debug)]
struct Progress {
    chunks: Vec<Bytes>,
    count: u64,
    /// `None` when everything is encoded.
    walk: Option<Walk>,
}

/// What a reader finds at its place in a snapshot.
#[derive(Debug, PartialEq, Eq)]
pub enum Chunk {
    /// The chunk; the next one follows.
    Events(Bytes),
    /// Nothing matched in this step; ask again.
    Working,
    /// The snapshot is complete, with so many objects.
    End(u64),
}

impl SharedSnapshot {
    pub(super) fn new(query: Query, snapshot: Snapshot) -> Self {
        let walk = query
            .event_types()
            .contains(EventType::Added)
            .then(|| Walk::new(&query, snapshot.objects));
        let progress = Progress {
            chunks: Vec::new(),
            count: 0,
            walk,
        };
        Self {
            query,
            seq: snapshot.head.seq,
            progress: Mutex::new(progress),
        }
    }

    /// The change after which this state was taken.
    pub(super) fn seq(&self) -> Seq {
        self.seq
    }

    /// Chunk number `at`. Encodes it if nobody has asked for it before.
    pub fn chunk(&self, at: usize) -> Chunk {
        let mut progress = self.progress.lock();
        if let Some(chunk) = progress.chunks.get(at) {
            return Chunk::Events(chunk.clone());
        }
        let Progress {
            chunks,
            count,
            walk,
        } = &mut *progress;
        let Some(walking) = walk else {
            return Chunk::End(*count);
        };
        let mut buffer = BytesMut::new();
        for _ in 0..STEP_OBJECTS {
            let Some(object) = walking.peek() else {
                *walk = None;
                break;
            };
            if self.query.membership().matches(object) {
                let delivery = in_snapshot(object);
                let size = size_hint(&[Some(delivery), None]);
                if !buffer.is_empty() && buffer.len() + size > CHUNK_BYTES {
                    break;
                }
                *count += 1;
                encode_event(&mut buffer, &delivery, String::new(), false);
            }
            walking.advance();
        }
        match (buffer.is_empty(), walk.is_none()) {
            (true, true) => Chunk::End(*count),
            (true, false) => Chunk::Working,
            (false, _) => {
                let chunk = buffer.freeze();
                chunks.push(chunk.clone());
                Chunk::Events(chunk)
            }
        }
    }
}

fn in_snapshot(object: &Object) -> Delivery<'_> {
    Delivery {
        event: EventType::Added,
        cause: Cause::Snapshot,
        object,
        old: None,
        version: object.version(),
    }
}

/// Walks the objects in the order of their keys, only through the namespaces that are asked for.
#[derive(Debug)]
struct Walk {
    objects: Objects,
    /// Half-open ranges of keys that are still to be walked.
    ranges: VecDeque<(Key, Option<Key>)>,
    batch: VecDeque<Arc<Object>>,
}

impl Walk {
    /// How many objects are fetched from the map at once.
    const BATCH: usize = 64;

    fn new(query: &Query, objects: Objects) -> Self {
        let namespaces = query.membership().namespaces();
        let mut ranges: Vec<_> = namespaces
            .iter()
            .map(|ns| (Key::prefix(ns), Some(Key::prefix_end(ns))))
            .collect();
        ranges.sort();
        if namespaces.is_empty() {
            ranges.push((Key::new("", ""), None));
        }
        Self {
            objects,
            ranges: ranges.into(),
            batch: VecDeque::new(),
        }
    }

    fn peek(&mut self) -> Option<&Object> {
        while self.batch.is_empty() {
            let (from, to) = self.ranges.pop_front()?;
            let found = self.objects.range(from..).take(Self::BATCH + 1);
            let mut found: Vec<_> = found
                .take_while(|(key, _)| to.as_ref().is_none_or(|to| *key < to))
                .map(|(key, object)| (key.clone(), object.clone()))
                .collect();
            if found.len() > Self::BATCH {
                let (rest, _) = found.pop().expect("just counted");
                self.ranges.push_front((rest, to));
            }
            self.batch
                .extend(found.into_iter().map(|(_, object)| object));
        }
        self.batch.front().map(|object| &**object)
    }

    fn advance(&mut self) {
        self.batch.pop_front();
    }
}
