//! How far the readers of a shared snapshot have come, and what is held for them.

use bytes::Bytes;
use slab::Slab;

use super::{Chunk, STEP_OBJECTS, scan};
use crate::{
    resource::Key,
    selector::Query,
    store::{Objects, Scan},
    view::budget::Kept,
};

#[derive(Debug)]
pub(super) struct Progress {
    pub(super) objects: Objects,
    pub(super) narrowed: Narrowed,
    pub(super) chunks: Vec<Piece>,
    pub(super) count: u64,
    /// `None` when all chunks are known.
    pub(super) scan: Option<Scan>,
    /// Of each reader the chunk that it gets next.
    pub(super) readers: Slab<usize>,
    /// No reader needs a chunk before this one.
    pub(super) lowest: usize,
}

/// Whether only those objects are held that match.
#[derive(Debug)]
pub(super) enum Narrowed {
    Not,
    /// Some were looked through: what is left of them.
    Partly(Scan, Objects),
    Done,
}

/// One chunk.
#[derive(Debug)]
pub(super) struct Piece {
    /// The first object in it.
    pub(super) low: Key,
    /// How many there are.
    pub(super) objects: u64,
    /// Readers that get it next.
    pub(super) awaited: usize,
    pub(super) held: Option<(Bytes, Kept)>,
}

impl Progress {
    /// What needs no encoding.
    pub(super) fn at_hand(&mut self, reader: usize) -> Option<Chunk> {
        let at = self.readers[reader];
        let Some(piece) = self.chunks.get(at) else {
            return self.scan.is_none().then_some(Chunk::End(self.count));
        };
        let (bytes, _) = piece.held.as_ref()?;
        let bytes = bytes.clone();
        self.advance(reader);
        Some(Chunk::Events(bytes))
    }

    pub(super) fn advance(&mut self, reader: usize) {
        let at = self.readers[reader];
        self.readers[reader] = at + 1;
        self.chunks[at].awaited -= 1;
        if let Some(next) = self.chunks.get_mut(at + 1) {
            next.awaited += 1;
        }
    }

    /// Lets go of the chunks that no reader is to come to.
    pub(super) fn sweep(&mut self) {
        while let Some(piece) = self.chunks.get_mut(self.lowest)
            && piece.awaited == 0
        {
            piece.let_go();
            self.lowest += 1;
        }
    }

    /// Takes a step towards holding what matches alone; `false` if that is so already.
    pub(super) fn narrow(&mut self, query: &Query) -> bool {
        let begin = |objects: &Objects| scan(query, objects.clone(), Key::from_text(""));
        let (mut walk, mut matching) = match std::mem::replace(&mut self.narrowed, Narrowed::Done) {
            Narrowed::Not => (begin(&self.objects), Objects::new()),
            Narrowed::Partly(walk, matching) => (walk, matching),
            Narrowed::Done => return false,
        };
        for _ in 0..STEP_OBJECTS {
            let Some(object) = walk.next() else {
                self.narrow_to(query, matching);
                return true;
            };
            if query.membership().matches(&object) {
                matching.insert(object.key().clone(), object);
            }
        }
        self.narrowed = Narrowed::Partly(walk, matching);
        true
    }

    fn narrow_to(&mut self, query: &Query, matching: Objects) {
        let next = self.scan.take();
        let next = next.and_then(|mut scan| scan.peek().map(|object| object.key().clone()));
        self.scan = next.map(|low| scan(query, matching.clone(), low));
        self.objects = matching;
    }

    /// Lets go of everything.
    pub(super) fn clear(&mut self) {
        self.objects = Objects::new();
        self.narrowed = Narrowed::Done;
        self.scan = None;
        self.chunks.clear();
    }
}

impl Piece {
    pub(super) fn bytes(&self) -> usize {
        self.held.as_ref().map_or(0, |(bytes, _)| bytes.len())
    }

    pub(super) fn let_go(&mut self) -> usize {
        let bytes = self.bytes();
        self.held = None;
        bytes
    }
}
