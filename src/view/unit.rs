//! Encoded events of consecutive changes, in one allocation.

use bytes::{Bytes, BytesMut};

use super::budget::Kept;
use crate::{resource::ResourceVersion, store::Seq};

/// What a view shows of a stretch of changes.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) bytes: Bytes,
    marks: Vec<Mark>,
    /// Everything after this change...
    after: Seq,
    /// ...up to this one is here, or isn't shown.
    through: Seq,
    /// The position that this amounts to, if there is one.
    position: Option<ResourceVersion>,
    kept: Option<Kept>,
}

/// Where the events of one change end.
#[derive(Debug)]
struct Mark {
    seq: Seq,
    end: usize,
    position: Option<ResourceVersion>,
}

/// A run of events.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    /// The events, as slices of shared units.
    pub slices: Vec<Bytes>,
    /// The last change up to which everything is told by them.
    pub through: Seq,
    /// The position reached, if the run ends where there is one.
    pub position: Option<ResourceVersion>,
}

impl Run {
    pub(super) fn at(after: Seq) -> Self {
        Self {
            slices: Vec::new(),
            through: after,
            position: None,
        }
    }
}

/// A unit in the making.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) buffer: BytesMut,
    marks: Vec<Mark>,
    after: Seq,
}

impl Draft {
    /// Begins after a change, with room for so many bytes.
    pub(super) fn new(after: Seq, capacity: usize) -> Self {
        Self {
            buffer: BytesMut::with_capacity(capacity),
            marks: Vec::new(),
            after,
        }
    }

    /// Notes that the events of `seq` reach up to here. A change that leads to two events has one
    /// mark, so that a reader never stops between them.
    pub(super) fn mark(&mut self, seq: Seq, position: Option<ResourceVersion>) {
        let end = self.buffer.len();
        self.marks.push(Mark { seq, end, position });
    }

    /// Ends with the last change that is shown; `track` makes the bytes.
    pub(super) fn finish(self, track: impl FnOnce(BytesMut) -> Bytes) -> Option<Unit> {
        let last = self.marks.last()?;
        let (through, position) = (last.seq, last.position.clone());
        Some(self.finish_at(through, position, track))
    }

    /// Ends further on, with changes that are not shown.
    pub(super) fn finish_at(
        self,
        through: Seq,
        position: Option<ResourceVersion>,
        track: impl FnOnce(BytesMut) -> Bytes,
    ) -> Unit {
        Unit {
            bytes: track(self.buffer),
            marks: self.marks,
            after: self.after,
            through,
            position,
            kept: None,
        }
    }
}

impl Unit {
    /// The change before it.
    pub(super) fn after(&self) -> Seq {
        self.after
    }

    /// Its last change.
    pub(super) fn through(&self) -> Seq {
        self.through
    }

    /// Bytes that it is kept for.
    pub(super) fn weight(&self) -> usize {
        self.bytes.len()
    }

    /// It is kept from now on.
    pub(super) fn kept(mut self, kept: Kept) -> Self {
        self.kept = Some(kept);
        self
    }

    /// The place right before the first change after `seq` that is shown here, if there is one.
    pub(super) fn before_next(&self, seq: Seq) -> Option<Seq> {
        let next = self.marks.partition_point(|mark| mark.seq <= seq);
        self.marks.get(next).map(|mark| mark.seq.back(1))
    }

    /// Everything here that follows a change.
    pub(super) fn run(&self, after: Seq) -> Run {
        let mut run = Run::at(after);
        self.continue_run(&mut run, &mut { usize::MAX });
        run
    }

    /// Continues a run by what follows it here, as long as that takes at most `left` bytes; where
    /// the run has no events yet at least those of one change. Says whether the run has come to the
    /// end of the unit.
    pub(super) fn continue_run(&self, run: &mut Run, left: &mut usize) -> bool {
        let skip = self.marks.partition_point(|mark| mark.seq <= run.through);
        let begin = skip.checked_sub(1).map_or(0, |at| self.marks[at].end);
        let fits = |mark: &Mark| mark.end.saturating_sub(begin) <= *left;
        let mut take = self.marks.partition_point(fits);
        if run.slices.is_empty() {
            take = take.max((skip + 1).min(self.marks.len()));
        }
        if take > skip {
            let mark = &self.marks[take - 1];
            run.slices.push(self.bytes.slice(begin..mark.end));
            run.through = mark.seq;
            run.position = mark.position.clone();
            *left = left.saturating_sub(mark.end - begin);
        }
        let all = take.max(skip) == self.marks.len();
        if all && run.through < self.through {
            run.through = self.through;
            run.position = self.position.clone();
        }
        all
    }
}
