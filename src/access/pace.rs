//! How fresh answers have to be, whose turn it is, and how many may come at once.

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

/// So many at once, and so many per second in the long run.
#[derive(Debug)]
pub(super) struct Budget {
    gap: Duration,
    /// How far ahead of its time one may be taken.
    credit: Duration,
    /// When all that were taken would have been, one by one.
    spent: Option<Instant>,
}

impl Budget {
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        let gap = Duration::from_secs(1) / per_second;
        Self {
            gap,
            credit: gap * burst.saturating_sub(1),
            spent: None,
        }
    }

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if self.next(now) > now {
            return false;
        }
        self.spent = Some(self.spent.map_or(now, |spent| spent.max(now)) + self.gap);
        true
    }

    /// When there is one: now, or later.
    pub(super) fn next(&self, now: Instant) -> Instant {
        let free = self.spent.and_then(|spent| spent.checked_sub(self.credit));
        free.map_or(now, |free| free.max(now))
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

    #[test]
    fn a_budget_is_a_burst_and_a_rate() {
        let began = Instant::now();
        let mut budget = Budget::new(10, 5);
        let mut take = |at: u64| budget.take(began + Duration::from_millis(at));
        let burst = (0..20).filter(|_| take(0)).count();
        assert_eq!(burst, 5);
        let mut later = 0;
        for at in 1..=1000 {
            later += u32::from(take(at));
        }
        assert_eq!(later, 10);
        let burst = (0..20).filter(|_| take(60_000)).count();
        assert_eq!(burst, 5, "what was left is not saved up for ever");
    }

    #[test]
    fn a_budget_says_when_to_come_again() {
        let now = Instant::now();
        let mut budget = Budget::new(10, 1);
        assert_eq!(budget.next(now), now);
        assert!(budget.take(now));
        let next = budget.next(now);
        assert_eq!(next, now + Duration::from_millis(100));
        assert!(!budget.take(now) && budget.take(next));
    }
}
