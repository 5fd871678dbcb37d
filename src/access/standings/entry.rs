//! What the roll knows of one standing, and the check that comes of it.

use std::sync::{Arc, Weak};

use tokio::time::Instant;

use crate::access::{Identity, queue::Turn, standing::Standing};

/// A standing on the roll, where it waits, and for what.
pub(super) struct Entry {
    pub(super) standing: Weak<Standing>,
    /// Who it was when last recognised.
    pub(super) who: Arc<Identity>,
    /// `None` while it is being checked.
    pub(super) turn: Option<Wait>,
    pub(super) early: Option<Turn>,
    pub(super) aging: Turn,
    /// When a change was heard of which the answers may not know of yet.
    pub(super) changed: Option<Instant>,
    /// Checks in a row without an answer.
    pub(super) failures: u32,
    /// When it was last checked after a change.
    pub(super) followed: Option<Instant>,
}

/// In which queue it waits for its next check, whatever else there is.
#[derive(Clone, Copy)]
pub(super) enum Wait {
    Regular(Turn),
    Failing(Turn),
    /// Due, and behind others of its caller.
    Parked,
}

/// One check that is to be made.
pub(in crate::access) struct Check {
    pub(in crate::access) standing: Arc<Standing>,
    /// What was asked for before is no answer.
    pub(in crate::access) since: Option<Instant>,
    /// Whether a change of rights is the only reason.
    pub(in crate::access) early: bool,
    pub(super) began: Instant,
}

/// For which checks there is room.
#[derive(Debug, Clone, Copy)]
pub(in crate::access) struct Room {
    pub(in crate::access) regular: bool,
    pub(in crate::access) early: bool,
}

/// How many standings there are, and how they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Distinct callers and questions of open streams.
    pub standings: usize,
    /// Those whose last check has brought no answer.
    pub failing: usize,
    /// Streams that get no data because nobody can tell whether they may.
    pub held_streams: usize,
    /// Whether so many checks have failed that only single ones are tried.
    pub suspended: bool,
}

impl Entry {
    /// Whether it is that one's, and not of another that came in its place.
    pub(super) fn is_of(&self, standing: &Arc<Standing>) -> bool {
        std::ptr::eq(self.standing.as_ptr(), Arc::as_ptr(standing))
    }

    pub(super) fn is_unheld(&self) -> bool {
        self.standing.strong_count() == 0
    }
}
