//! The readers of a view: where each stands, and how it is woken.

use std::{task::Waker, time::Instant};

use slab::Slab;

use crate::store::Seq;

/// Names a reader of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reader(usize);

/// All readers of a view.
#[derive(Debug, Default)]
pub(super) struct Readers {
    slots: Slab<Slot>,
}

/// A reader's place among those to be woken: the whole cost of a subscriber that waits.
#[derive(Debug)]
struct Slot {
    waker: Option<Waker>,
    due: Instant,
    /// Where it stood when it last read.
    after: Seq,
    /// How far it has come since then without reading: over changes that are not shown.
    place: Seq,
}

impl Readers {
    pub(super) fn join(&mut self, after: Seq, due: Instant) -> Reader {
        Reader(self.slots.insert(Slot {
            waker: None,
            due,
            after,
            place: after,
        }))
    }

    pub(super) fn leave(&mut self, reader: Reader) {
        self.slots.try_remove(reader.0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Where a reader is that says it stands after a change.
    pub(super) fn place(&mut self, reader: Reader, after: Seq) -> Seq {
        let slot = &mut self.slots[reader.0];
        if slot.after != after {
            (slot.after, slot.place) = (after, after);
        }
        slot.place
    }

    /// Notes where a reader stands from now on.
    pub(super) fn stand(&mut self, reader: Reader, after: Seq) {
        let slot = &mut self.slots[reader.0];
        (slot.after, slot.place) = (after, after);
    }

    pub(super) fn wait(&mut self, reader: Reader, due: Instant, waker: &Waker) {
        let slot = &mut self.slots[reader.0];
        slot.due = due;
        match &mut slot.waker {
            Some(kept) => kept.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// Gives every reader that waits to `wake` for which `is_due` holds.
    pub(super) fn wake(&mut self, wake: &mut Vec<Waker>, is_due: impl Fn(Instant) -> bool) {
        let due = self.slots.iter_mut().filter(|(_, slot)| is_due(slot.due));
        wake.extend(due.filter_map(|(_, slot)| slot.waker.take()));
    }

    /// Notes how far those have come who are between two changes.
    pub(super) fn advance(&mut self, from: Seq, to: Seq, place: impl Fn(Seq) -> Option<Seq>) {
        for (_, slot) in &mut self.slots {
            if from <= slot.place && slot.place < to {
                let further = place(slot.place).unwrap_or(slot.place);
                slot.place = slot.place.max(further);
            }
        }
    }

    /// Where all are.
    pub(super) fn places(&self) -> impl Iterator<Item = Seq> + Clone {
        self.slots.iter().map(|(_, slot)| slot.place)
    }
}
