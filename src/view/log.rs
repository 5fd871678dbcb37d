//! A bounded log of encoded events.
//!
//! Appended by the writer in units, read by position: a slow reader's backlog is a number here, not
//! bytes of its own.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{resource::ResourceVersion, store::Seq};

/// Everything that one step of the writer led to, in one allocation.
#[derive(Debug, Default)]
pub(super) struct Unit {
    pub(super) bytes: Bytes,
    marks: Vec<Mark>,
}

/// Where the events of one change end.
#[derive(Debug)]
struct Mark {
    seq: Seq,
    end: usize,
    position: Option<ResourceVersion>,
}

impl Unit {
    /// Notes that the events of `seq` reach up to `end`. A change that leads to two events has one
    /// mark, so that a reader never stops between them.
    pub(super) fn mark(&mut self, seq: Seq, end: usize, position: Option<ResourceVersion>) {
        self.marks.push(Mark { seq, end, position });
    }

    fn last(&self) -> Seq {
        self.marks
            .last()
            .expect("a unit holds at least one event")
            .seq
    }
}

/// A run of events.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    /// The events, as slices of shared units.
    pub slices: Vec<Bytes>,
    /// The last change they belong to.
    pub through: Seq,
    /// The position reached, if the run ends where there is one.
    pub position: Option<ResourceVersion>,
}

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
    /// All events after this change are here.
    start: Seq,
    bytes: usize,
    limit: usize,
}

impl Log {
    pub(super) fn new(start: Seq, limit: usize) -> Self {
        Self {
            units: VecDeque::new(),
            start,
            bytes: 0,
            limit,
        }
    }

    /// The last change that led to an event, or where the log starts.
    pub(super) fn last(&self) -> Seq {
        self.units.back().map_or(self.start, Unit::last)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets everything; the log goes on after `start`.
    pub(super) fn restart(&mut self, start: Seq) {
        self.units.clear();
        self.bytes = 0;
        self.start = start;
    }

    /// Appends a unit and drops the oldest ones that are too much (never the newest).
    pub(super) fn append(&mut self, unit: Unit) {
        self.bytes += unit.bytes.len();
        self.units.push_back(unit);
        while self.bytes > self.limit && self.units.len() > 1 {
            let Some(dropped) = self.units.pop_front() else {
                return;
            };
            self.bytes -= dropped.bytes.len();
            self.start = dropped.last();
        }
    }

    /// The events after `after`, oldest first: as many as fit into `max` bytes, at least those of
    /// one change.
    pub(super) fn read(&self, after: Seq, max: usize) -> Found {
        if after < self.start {
            return Found::Behind;
        }
        let first = self.units.partition_point(|unit| unit.last() <= after);
        let mut run = Run {
            slices: Vec::new(),
            through: after,
            position: None,
        };
        let mut left = max;
        for unit in self.units.iter().skip(first) {
            let skip = unit.marks.partition_point(|mark| mark.seq <= after);
            let begin = if skip == 0 {
                0
            } else {
                unit.marks[skip - 1].end
            };
            let fits = unit
                .marks
                .partition_point(|mark| mark.end - begin.min(mark.end) <= left);
            let take = if run.slices.is_empty() {
                fits.max(skip + 1)
            } else {
                fits
            };
            if take <= skip {
                break;
            }
            let mark = &unit.marks[take - 1];
            run.slices.push(unit.bytes.slice(begin..mark.end));
            run.through = mark.seq;
            run.position = mark.position.clone();
            left = left.saturating_sub(mark.end - begin);
            if take < unit.marks.len() {
                break;
            }
        }
        if run.slices.is_empty() {
            Found::Nothing
        } else {
            Found::Run(run)
        }
    }
}
