//! How fresh answers have to be, and whose turn it is.

use std::time::Duration;

use super::answers::TTL;

/// What a question is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How old an answer may be; [`TTL`] at most.
    pub(super) age: Duration,
    /// In which lane it waits.
    pub(super) way: Way,
}

/// Questions for calls and for open streams keep apart, so that neither waits for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Way {
    /// Somebody calls.
    Call,
    /// A stream is open.
    Recheck,
}

impl Pace {
    /// For a new call.
    pub(super) const CALL: Self = Self {
        age: TTL,
        way: Way::Call,
    };

    /// For an open stream: so fresh that little is added to the interval, and old enough for all
    /// streams of a caller to share.
    pub(super) fn recheck(interval: Duration) -> Self {
        let age = (interval / 10).min(Duration::from_secs(2));
        let way = Way::Recheck;
        Self { age, way }
    }
}
