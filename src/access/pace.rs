//! How fresh answers have to be, and whose turn it is.

use std::time::Duration;

use tokio::time::Instant;

use super::answers::TTL;

/// What a question is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How old an answer may be; [`TTL`] at most.
    pub(super) age: Duration,
    /// Before when it must not have been asked for, however young it is.
    pub(super) since: Option<Instant>,
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
        since: None,
        way: Way::Call,
    };

    /// For an open stream: so fresh that little is added to the interval, and old enough for all
    /// streams of a caller to share.
    pub(super) fn recheck(interval: Duration) -> Self {
        Self {
            age: (interval / 10).min(Duration::from_secs(2)),
            since: None,
            way: Way::Recheck,
        }
    }

    /// The same, after something has changed.
    pub(super) fn since(self, since: Option<Instant>) -> Self {
        Self { since, ..self }
    }

    /// When an answer must have been asked for at the earliest; `None` if any will do.
    pub(super) fn earliest(&self, now: Instant) -> Option<Instant> {
        now.checked_sub(self.age.min(TTL)).max(self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_from_before_a_change_will_do() {
        let now = Instant::now() + Duration::from_secs(100);
        let before = |seconds| now - Duration::from_secs(seconds);
        let pace = Pace::recheck(Duration::from_secs(30));
        assert_eq!(pace.earliest(now), Some(before(2)));
        assert_eq!(pace.since(Some(before(1))).earliest(now), Some(before(1)));
        assert_eq!(pace.since(Some(before(7))).earliest(now), Some(before(2)));
        assert_eq!(Pace::CALL.earliest(now), Some(before(10)));
    }
}
