//! What is kept of a view's encoded events.
//!
//! The newest ones are appended by the writer, in units without a gap between them; a slow reader's
//! backlog is a number here, not bytes of its own. Older stretches are encoded again from the
//! history when somebody reads them, and kept for others who come the same way. All of it can be
//! dropped at any time: the history is what counts.

use std::collections::VecDeque;

use super::{
    HistoryPlace, Past,
    evict::{Cut, Offer, grade},
    unit::{Run, Unit},
};
use crate::store::Seq;

/// Most stretches of older events.
const MAX_PAST: usize = 64;

/// What a reader finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Events.
    Run(Run),
    /// Nothing new.
    Nothing,
    /// The log no longer reaches back that far.
    Behind,
}

#[derive(Debug)]
pub(super) struct Log {
    units: VecDeque<Unit>,
    /// All events after this change are in `units`.
    start: Seq,
    /// Stretches of the time before, as they came to be read.
    past: VecDeque<Unit>,
    bytes: usize,
    limit: usize,
    /// How often the history was numbered anew.
    rewrites: u64,
}

impl Log {
    pub(super) fn new(start: Seq, limit: usize, rewrites: u64) -> Self {
        Self {
            units: VecDeque::new(),
            start,
            past: VecDeque::new(),
            bytes: 0,
            limit,
            rewrites,
        }
    }

    /// The last change that led to an event, or where the log starts.
    pub(super) fn last(&self) -> Seq {
        self.units.back().map_or(self.start, Unit::through)
    }

    /// All events after this change are here.
    pub(super) fn start(&self) -> Seq {
        self.start
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets everything; the log goes on after `start`.
    pub(super) fn restart(&mut self, start: Seq) {
        self.units.clear();
        self.past.clear();
        self.bytes = 0;
        self.start = start;
    }

    /// Leaves out what comes up to `through`.
    pub(super) fn skip(&mut self, through: Seq) {
        self.drop_through(through);
        self.start = through;
    }

    /// Forgets the time before the log: its changes are numbered in another way now.
    pub(super) fn renumber(&mut self, rewrites: u64) {
        while self.drop_past() {}
        self.rewrites = rewrites;
    }

    pub(super) fn rewrites(&self) -> u64 {
        self.rewrites
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn append(&mut self, unit: Unit) {
        self.bytes += unit.weight();
        self.units.push_back(unit);
    }

    /// Whether there is more than there should be: then the past goes first, and the newest unit
    /// never. Gives the change up to which units are to be dropped.
    pub(super) fn trim(&mut self) -> Option<Seq> {
        while self.bytes > self.limit && self.drop_past() {}
        let mut bytes = self.bytes;
        let mut through = None;
        for unit in self.units.iter().take(self.units.len().saturating_sub(1)) {
            if bytes <= self.limit {
                break;
            }
            bytes -= unit.weight();
            through = Some(unit.through());
        }
        through
    }

    /// Drops the units up to a change.
    pub(super) fn drop_through(&mut self, through: Seq) {
        while let Some(unit) = self.units.pop_front_if(|unit| unit.through() <= through) {
            self.bytes -= unit.weight();
            self.start = unit.through();
        }
    }

    /// The furthest place that whoever has read up to `after` has come to: before the next event.
    pub(super) fn before_next(&self, after: Seq) -> Option<Seq> {
        let next = self.units.partition_point(|unit| unit.through() <= after);
        self.units.get(next)?.before_next(after)
    }

    /// The events after `after`, oldest first: as many as fit into `max` bytes, at least those of
    /// one change.
    pub(super) fn read(&self, after: Seq, max: usize) -> Found {
        if after < self.start {
            return Found::Behind;
        }
        let first = self.units.partition_point(|unit| unit.through() <= after);
        let mut run = Run::at(after);
        let mut left = max;
        for unit in self.units.iter().skip(first) {
            if !unit.continue_run(&mut run, &mut left) {
                break;
            }
        }
        if run.slices.is_empty() {
            Found::Nothing
        } else {
            Found::Run(run)
        }
    }

    /// What is known here of what follows a place in the history; if nothing is, the change up to
    /// which nothing is.
    pub(super) fn look_back(&self, place: &HistoryPlace, max: usize) -> Result<Past, Option<Seq>> {
        if self.rewrites != place.rewrites {
            return Ok(Past::Moved);
        }
        let agrees = |seq: Seq| place.seam.is_none_or(|seam| seam <= seq);
        let after = place.after;
        if agrees(after) && self.start <= after {
            return Ok(Past::InLog(after));
        }
        let follows = |unit: &&Unit| unit.after() <= after && after < unit.through();
        if let Some(unit) = self.past.iter().find(follows) {
            let (mut run, mut left) = (Run::at(after), max);
            unit.continue_run(&mut run, &mut left);
            return Ok(Past::Run(run));
        }
        let log = agrees(self.start).then_some(self.start);
        let begins = self.past.iter().map(Unit::after).chain(log);
        Err(begins.filter(|begin| *begin > after).min())
    }

    /// Keeps a stretch of the time before the log.
    pub(super) fn keep_past(&mut self, unit: Unit) {
        self.bytes += unit.weight();
        self.past.push_back(unit);
        while self.past.len() > MAX_PAST || (self.bytes > self.limit && self.past.len() > 1) {
            self.drop_past();
        }
    }

    fn drop_past(&mut self) -> bool {
        let dropped = self.past.pop_front();
        self.bytes -= dropped.as_ref().map_or(0, Unit::weight);
        dropped.is_some()
    }

    /// What could be given up, with those who read in mind.
    pub(super) fn offer(&self, readers: impl Iterator<Item = Seq> + Clone, out: &mut Vec<Offer>) {
        let pieces: Vec<_> = self
            .units
            .iter()
            .map(|unit| (unit.weight(), Cut::Log(unit.through())))
            .collect();
        let needs = readers
            .clone()
            .map(|after| self.units.partition_point(|unit| unit.through() <= after));
        grade(&pieces, needs, out);
        let pieces: Vec<_> = self
            .past
            .iter()
            .enumerate()
            .map(|(at, unit)| (unit.weight(), Cut::Past(at + 1)))
            .collect();
        let behind = readers.filter(|after| *after < self.start);
        let needs = behind.map(|after| {
            let needed = self.past.iter().position(|unit| after < unit.through());
            needed.unwrap_or(self.past.len())
        });
        grade(&pieces, needs, out);
    }

    /// Gives up so many stretches of the time before the log.
    pub(super) fn cut_past(&mut self, count: usize) {
        for _ in 0..count {
            self.drop_past();
        }
    }
}
