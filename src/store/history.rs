//! The bounded history of changes, and where a position stands in it.

use std::{
    cmp::Ordering,
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Change, Seq};
use crate::resource::ResourceVersion;

/// How much history is kept. A change goes when it is too old or there are too many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryLimits {
    /// Most bytes of changes.
    pub bytes: usize,
    /// Longest time that a change is kept.
    pub age: Duration,
}

/// Where a position stands in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Located {
    /// Every change after this one comes after the position.
    At(Seq),
    /// Changes after the position may have been forgotten.
    Expired,
    /// The position has not been reached yet.
    Future,
}

/// The changes after a seq.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// All of them, or the oldest ones up to a limit.
    Changes(Vec<Arc<Change>>),
    /// Some of them were forgotten.
    Expired,
}

#[derive(Debug)]
struct Entry {
    change: Arc<Change>,
    at: Instant,
}

/// Two states were compared: nothing is known of the way between these two positions.
#[derive(Debug)]
struct Gap {
    from: ResourceVersion,
    to: ResourceVersion,
    at: Instant,
}

impl Gap {
    /// What was told of the difference may lie before a position inside, or after it.
    fn is_around(&self, position: &ResourceVersion) -> bool {
        position.is_after(&self.from) && self.to.is_after(position)
    }
}

/// Changes in order. `floor` is the position before the oldest one: every change after it is here.
#[derive(Debug)]
pub(super) struct History {
    limits: HistoryLimits,
    entries: VecDeque<Entry>,
    /// In order. Positions inside one can't be continued, even if the two states were the same.
    gaps: VecDeque<Gap>,
    bytes: usize,
    floor: ResourceVersion,
    last: Seq,
    /// Seqs before this one may have stood for other changes once.
    seam: Option<Seq>,
    /// How often that has happened.
    rewrites: u64,
}

impl History {
    pub(super) fn new(limits: HistoryLimits, floor: ResourceVersion) -> Self {
        Self {
            limits,
            entries: VecDeque::new(),
            gaps: VecDeque::new(),
            bytes: 0,
            floor,
            last: Seq::ORIGIN,
            seam: None,
            rewrites: 0,
        }
    }

    /// The seq of the newest change (or of where the history began).
    pub(super) fn last(&self) -> Seq {
        self.last
    }

    /// The oldest position that can be continued.
    pub(super) fn floor(&self) -> &ResourceVersion {
        &self.floor
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The oldest seq that can be continued.
    pub(super) fn floor_seq(&self) -> Seq {
        self.last.back(self.entries.len())
    }

    /// Forgets everything and goes on from `floor`.
    pub(super) fn restart(&mut self, floor: ResourceVersion) {
        self.entries.clear();
        self.gaps.clear();
        self.bytes = 0;
        self.floor = floor;
        self.rewrites += 1;
        // Nobody who stood before the break may mistake it for a place after it.
        self.last = self.last.next();
    }

    /// Appends the next change. Its seq must be `last().next()`.
    pub(super) fn push(&mut self, change: Arc<Change>, now: Instant) {
        debug_assert_eq!(change.seq, self.last.next());
        self.last = change.seq;
        self.bytes += change.weight();
        self.entries.push_back(Entry { change, at: now });
    }

    /// Notes that nothing is known of the way from one position to a later one.
    pub(super) fn note_gap(&mut self, from: ResourceVersion, to: ResourceVersion, at: Instant) {
        if to.is_after(&from) {
            self.gaps.push_back(Gap { from, to, at });
        }
    }

    /// Puts older changes in front, so that the history reaches back to `floor`.
    ///
    /// The last of them must lead right up to the old floor; their seqs are assigned here. What was
    /// forgotten may have been fewer changes (a difference of states) than what is told of it now,
    /// so a seq from then may stand for another change.
    ///
    /// Refused (`false`) if it is more than may be kept: it would be the first to go again.
    pub(super) fn prepend(
        &mut self,
        changes: Vec<Change>,
        floor: ResourceVersion,
        now: Instant,
    ) -> bool {
        let added: usize = changes.iter().map(Change::weight).sum();
        if self.bytes + added > self.limits.bytes {
            return false;
        }
        let mut seq = self.floor_seq();
        self.seam = self.seam.max(Some(seq));
        self.rewrites += 1;
        self.floor = floor;
        for mut change in changes.into_iter().rev() {
            change.seq = seq;
            change.group_end = seq;
            seq = seq.back(1);
            self.bytes += change.weight();
            self.entries.push_front(Entry {
                change: Arc::new(change),
                at: now,
            });
        }
        true
    }

    /// Whether this seq has only ever stood for one change.
    pub(super) fn is_unique(&self, seq: Seq) -> bool {
        self.seam.is_none_or(|seam| seam <= seq)
    }

    /// From here on that holds, if it doesn't hold everywhere.
    pub(super) fn seam(&self) -> Option<Seq> {
        self.seam
    }

    /// Counts how often seqs have come to stand for other changes than before.
    pub(super) fn rewrites(&self) -> u64 {
        self.rewrites
    }

    /// Drops what is too old or too much. A group goes as a whole: half of one leads nowhere.
    pub(super) fn evict(&mut self, now: Instant) {
        let limits = self.limits;
        let is_old = |at| now.saturating_duration_since(at) > limits.age;
        while let Some(front) = self.entries.front()
            && (self.bytes > limits.bytes || is_old(front.at))
        {
            let group_end = front.change.group_end;
            while let Some(entry) = self.entries.pop_front_if(|e| e.change.seq <= group_end) {
                self.bytes -= entry.change.weight();
                self.floor = entry.change.position.clone();
            }
        }
        // The oldest gap goes with the changes before it; where there are none, by its age.
        let (entries, floor) = (&self.entries, &mut self.floor);
        while let Some(gap) = self.gaps.pop_front_if(|gap| {
            let first = entries
                .front()
                .is_none_or(|e| e.change.position.is_after(&gap.from));
            !gap.to.is_after(floor) || (first && is_old(gap.at))
        }) {
            if gap.to.is_after(floor) {
                *floor = gap.to;
            }
        }
    }

    /// Finds the place of a position; `head` is the newest position known.
    pub(super) fn locate(&self, position: &ResourceVersion, head: &ResourceVersion) -> Located {
        let (Some(to_floor), Some(to_head)) =
            (position.compare(&self.floor), position.compare(head))
        else {
            return self.locate_unordered(position, head);
        };
        if to_head == Ordering::Greater {
            return Located::Future;
        }
        if to_floor == Ordering::Less {
            return Located::Expired;
        }
        if self.gaps.iter().any(|gap| gap.is_around(position)) {
            return Located::Expired;
        }
        let seen = self
            .entries
            .partition_point(|e| !e.change.position.is_after(position));
        Located::At(self.floor_seq().forward(seen))
    }

    /// Versions without an order: only the very positions that were handed out are known.
    fn locate_unordered(&self, position: &ResourceVersion, head: &ResourceVersion) -> Located {
        if position == head {
            return Located::At(self.last);
        }
        let newest = self
            .entries
            .iter()
            .rev()
            .find(|e| e.change.position == *position);
        match newest {
            Some(entry) => Located::At(entry.change.group_end),
            None if *position == self.floor => Located::At(self.floor_seq()),
            None => Located::Expired,
        }
    }

    /// The changes after `seq`, the oldest ones first, at most so many.
    pub(super) fn since(&self, seq: Seq, most: usize) -> Since {
        if seq < self.floor_seq() {
            return Since::Expired;
        }
        let skip = seq.steps_since(self.floor_seq());
        let entries = self.entries.iter().skip(skip).take(most);
        Since::Changes(entries.map(|entry| entry.change.clone()).collect())
    }

    /// The changes after `seq` from the newest back, or `None` if some were forgotten.
    pub(super) fn back_to(&self, seq: Seq) -> Option<impl Iterator<Item = &Arc<Change>>> {
        let count = self.last.steps_since(seq);
        (count <= self.entries.len() && seq <= self.last)
            .then(|| self.entries.iter().rev().take(count).map(|e| &e.change))
    }
}
