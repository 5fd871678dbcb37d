//! Snapshots, encoded once for all who start at the same point.
//!
//! What is held of one is the state and where its chunks begin. The chunks themselves are kept as
//! long as there is room, and encoded again for whoever comes to them later.

mod progress;

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use slab::Slab;

use super::{
    Budget, Cause, Delivery,
    evict::{Cut, Offer, grade},
    frame::{encode_event, size_hint},
};
use crate::{
    resource::{Key, Object},
    selector::{EventType, Query},
    store::{Objects, Scan, Seq, Snapshot},
};
use progress::{Narrowed, Piece, Progress};

/// Most objects looked at in one step, so that a filter that matches nothing holds nobody up.
const STEP_OBJECTS: usize = 4096;

/// The matching objects of one state in chunks, each of them a message. A chunk is encoded when the
/// first reader gets to it, and shared by all that follow.
#[derive(Debug)]
pub struct SharedSnapshot {
    query: Query,
    seq: Seq,
    budget: Arc<Budget>,
    /// Only ever raised, by whoever knows better, who waits for nobody that encodes.
    age: AtomicU8,
    progress: Mutex<Progress>,
}

/// Whoever begins is given this one.
const CURRENT: u8 = 0;
/// Only those read it who have begun.
const OLD: u8 = 1;
/// Nobody could continue from it.
const GONE: u8 = 2;

/// What a reader finds at its place in a snapshot.
#[derive(Debug, PartialEq, Eq)]
pub enum Chunk {
    /// The chunk; the next one follows.
    Events(Bytes),
    /// Nothing matched in this step; ask again.
    Working,
    /// The budget has no room for the chunk now.
    Full,
    /// The state was given up, as nobody could continue from it.
    Gone,
    /// The snapshot is complete, with so many objects.
    End(u64),
}

/// Whether there is room for a chunk, and for keeping it.
struct Room {
    max: usize,
    keep: bool,
}

impl SharedSnapshot {
    pub(super) fn new(query: Query, snapshot: Snapshot, budget: Arc<Budget>) -> Self {
        let scans = query.event_types().contains(EventType::Added);
        let objects = snapshot.objects;
        let scan = scans.then(|| scan(&query, objects.clone(), Key::from_text("")));
        let progress = Progress {
            objects,
            narrowed: Narrowed::Not,
            chunks: Vec::new(),
            count: 0,
            scan,
            readers: Slab::new(),
            lowest: 0,
        };
        Self {
            query,
            seq: snapshot.head.seq,
            budget,
            age: AtomicU8::new(CURRENT),
            progress: Mutex::new(progress),
        }
    }

    /// The change after which this state was taken.
    pub(super) fn seq(&self) -> Seq {
        self.seq
    }

    /// Admits a reader, at the first chunk. It must leave by [`SharedSnapshot::leave`].
    pub fn join(&self) -> usize {
        let mut progress = self.progress.lock();
        if let Some(first) = progress.chunks.first_mut() {
            first.awaited += 1;
        }
        progress.lowest = 0;
        progress.readers.insert(0)
    }

    /// Takes a reader out.
    pub fn leave(&self, reader: usize) {
        let mut progress = self.progress.lock();
        if let Some(at) = progress.readers.try_remove(reader)
            && let Some(piece) = progress.chunks.get_mut(at)
        {
            piece.awaited -= 1;
        }
        drop(progress);
        self.heed();
    }

    /// The next chunk of a reader. Encodes it if it isn't at hand.
    pub fn next(&self, reader: usize) -> Chunk {
        let chunk = self.step(reader);
        self.heed();
        chunk
    }

    fn step(&self, reader: usize) -> Chunk {
        if let Some(chunk) = self.at_hand(&mut self.progress.lock(), reader) {
            return chunk;
        }
        // Not under the lock: it may be this snapshot that is to give up something.
        if !self.budget.make_room() {
            return Chunk::Full;
        }
        let max = self.budget.message();
        let keep = self.budget.may_keep(max);
        let mut progress = self.progress.lock();
        if let Some(chunk) = self.at_hand(&mut progress, reader) {
            return chunk;
        }
        self.encode(&mut progress, reader, Room { max, keep })
    }

    fn at_hand(&self, progress: &mut Progress, reader: usize) -> Option<Chunk> {
        if self.age() == GONE {
            return Some(Chunk::Gone);
        }
        progress.at_hand(reader)
    }

    fn encode(&self, progress: &mut Progress, reader: usize, room: Room) -> Chunk {
        let at = progress.readers[reader];
        let (low, buffer, objects) = match progress.chunks.get(at) {
            Some(piece) => {
                let low = piece.low.clone();
                let mut scan = scan(&self.query, progress.objects.clone(), low.clone());
                (low, self.fill_again(&mut scan, piece.objects), None)
            }
            None => {
                let Some(scan) = &mut progress.scan else {
                    return Chunk::End(progress.count);
                };
                let (filled, done) = self.fill(scan, room.max);
                if done {
                    progress.scan = None;
                }
                match filled {
                    Some((low, buffer, objects)) => (low, buffer, Some(objects)),
                    None if done => return Chunk::End(progress.count),
                    None => return Chunk::Working,
                }
            }
        };
        let bytes = self.budget.track(buffer);
        if let Some(objects) = objects {
            progress.count += objects;
            let at_end = |next: &usize| *next == at;
            let awaited = progress.readers.iter().filter(|(_, next)| at_end(next));
            let awaited = awaited.count();
            progress.chunks.push(Piece {
                low,
                objects,
                awaited,
                held: None,
            });
        }
        if room.keep {
            let kept = self.budget.keep(bytes.len());
            progress.chunks[at].held = Some((bytes.clone(), kept));
        }
        progress.advance(reader);
        Chunk::Events(bytes)
    }

    /// Encodes the next objects that match, up to about `max` bytes; tells where they begin and how
    /// many they are, and whether these were all.
    fn fill(&self, scan: &mut Scan, max: usize) -> (Option<(Key, BytesMut, u64)>, bool) {
        let mut filled: Option<(Key, BytesMut, u64)> = None;
        for _ in 0..STEP_OBJECTS {
            let Some(object) = scan.peek() else {
                return (filled, true);
            };
            if self.query.membership().matches(object) {
                let delivery = in_snapshot(object);
                let size = size_hint(&[Some(delivery), None], false);
                let (_, buffer, count) =
                    filled.get_or_insert_with(|| (object.key().clone(), BytesMut::new(), 0));
                if !buffer.is_empty() && buffer.len() + size > max {
                    return (filled, false);
                }
                *count += 1;
                buffer.reserve(size);
                encode_event(buffer, &delivery, String::new(), false);
            }
            scan.advance();
        }
        (filled, false)
    }

    /// Encodes so many matching objects once more.
    fn fill_again(&self, scan: &mut Scan, count: u64) -> BytesMut {
        let mut buffer = BytesMut::new();
        let matching = scan.filter(|object| self.query.membership().matches(object));
        for object in matching.take(usize::try_from(count).unwrap_or(usize::MAX)) {
            let delivery = in_snapshot(&object);
            buffer.reserve(size_hint(&[Some(delivery), None], false));
            encode_event(&mut buffer, &delivery, String::new(), false);
        }
        buffer
    }

    fn age(&self) -> u8 {
        self.age.load(Ordering::SeqCst)
    }

    /// Nobody begins with it any more, so a chunk goes with its last reader. Waits for nobody.
    pub(super) fn grow_old(&self) {
        self.age.fetch_max(OLD, Ordering::SeqCst);
        self.heed();
    }

    /// Lets go of everything. Waits for nobody.
    pub(super) fn retire(&self) {
        self.age.fetch_max(GONE, Ordering::SeqCst);
        self.heed();
    }

    /// Lets go of what is of no use at this age. If somebody is at work here, it is for that one to
    /// do, once it is done.
    fn heed(&self) {
        let age = self.age();
        if age != CURRENT
            && let Some(mut progress) = self.progress.try_lock()
        {
            match age {
                OLD => progress.sweep(),
                _ => progress.clear(),
            }
        }
    }

    /// As if somebody encoded for as long as this is held.
    #[cfg(test)]
    pub(super) fn busy(&self) -> impl Sized + '_ {
        self.progress.lock()
    }

    /// Lets go of the objects that don't match, of which it looks through a bounded number. Says
    /// whether it did; not if all is done, or somebody is at work, who isn't waited for.
    pub(super) fn narrow(&self) -> bool {
        let Some(mut progress) = self.progress.try_lock() else {
            return false;
        };
        let worked = self.age() != GONE && progress.narrow(&self.query);
        drop(progress);
        self.heed();
        worked
    }

    /// What could be given up here: nothing while somebody is at work, who isn't waited for.
    pub(super) fn offer(&self, offers: &mut Vec<Offer>) {
        let Some(progress) = self.progress.try_lock() else {
            return;
        };
        let pieces: Vec<_> = progress
            .chunks
            .iter()
            .enumerate()
            .map(|(at, piece)| {
                let before = at + 1;
                let of = self.seq;
                (piece.bytes(), Cut::Snapshot { of, before })
            })
            .collect();
        grade(
            &pieces,
            progress.readers.iter().map(|(_, next)| *next),
            offers,
        );
    }

    /// Gives up the chunks before one, unless somebody is at work; tells their bytes.
    pub(super) fn evict(&self, before: usize) -> usize {
        let Some(mut progress) = self.progress.try_lock() else {
            return 0;
        };
        let chunks = progress.chunks.iter_mut().take(before);
        let freed = chunks.map(Piece::let_go).sum();
        drop(progress);
        self.heed();
        freed
    }
}

fn scan(query: &Query, objects: Objects, low: Key) -> Scan {
    let membership = query.membership();
    Scan::new(objects, membership.namespaces(), membership.names(), low)
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
