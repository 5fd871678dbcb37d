//! While nobody answers, few are asked.
//!
//! An apiserver that is down, or up again and busy, is not to be asked once more about each of
//! 100,000 streams. After some checks in a row without an answer only single ones are tried; the
//! first answer lets all of them go on.

use std::time::Duration;

use tokio::time::Instant;

/// Checks in a row without an answer, after which it is as if nobody were there.
const FAILURES: u32 = 4;
/// Shortest time between two trials; the longest is twice as long.
const TRIAL: Duration = Duration::from_secs(1);

/// Whether there is anybody to ask.
#[derive(Debug)]
pub(super) struct Breaker {
    trial: Duration,
    /// In a row.
    failures: u32,
    /// When the last answer came.
    answered: Option<Instant>,
    /// When the last check began that failed.
    failed: Option<Instant>,
    /// While nobody answers: when it is tried next.
    next: Option<Instant>,
}

impl Breaker {
    /// For checks that are made once per interval.
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            trial: TRIAL.min(interval / 6),
            failures: 0,
            answered: None,
            failed: None,
            next: None,
        }
    }

    /// Whether checks wait.
    pub(super) fn is_open(&self) -> bool {
        self.next.is_some()
    }

    /// When the next trial may be made, while checks wait.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Takes the leave to try, if it is time to.
    pub(super) fn try_one(&mut self, now: Instant) -> bool {
        let due = self.next.is_some_and(|next| next <= now);
        if due {
            self.next = Some(now + self.pause());
        }
        due
    }

    /// A check that began then has had no answer. What was asked before the last answer came says
    /// nothing about the time after it. Gives whether checks wait from now on.
    pub(super) fn failed(&mut self, began: Instant, now: Instant) -> bool {
        if self.answered.is_some_and(|answered| began < answered) {
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        self.failed = self.failed.max(Some(began));
        let opens = self.failures >= FAILURES && self.next.is_none();
        if opens {
            self.next = Some(now + self.pause());
        }
        opens
    }

    /// There was an answer to what was asked then. One that is older than the last failure proves
    /// nothing: it may have been remembered. Gives whether checks that waited go on.
    pub(super) fn answered(&mut self, asked: Instant, now: Instant) -> bool {
        if self.failed.is_some_and(|failed| asked < failed) {
            return false;
        }
        self.answered = Some(now);
        self.failures = 0;
        self.next.take().is_some()
    }

    fn pause(&self) -> Duration {
        self.trial.mul_f64(1.0 + fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn open(began: Instant) -> Breaker {
        let mut breaker = Breaker::new(30 * SECOND);
        for failure in 1..=FAILURES {
            assert_eq!(breaker.failed(began, began), failure == FAILURES);
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_leave_one_trial_now_and_then() {
        let began = Instant::now();
        let mut breaker = open(began);
        assert!(breaker.is_open());
        assert!(!breaker.try_one(began + SECOND / 2));
        let mut tried = 0;
        for step in 0..100 {
            tried += u32::from(breaker.try_one(began + step * SECOND / 10));
        }
        assert!((4..=9).contains(&tried), "{tried} in 10 s");
    }

    #[test]
    fn an_answer_in_between_starts_the_count_anew() {
        let began = Instant::now();
        let mut breaker = Breaker::new(30 * SECOND);
        for step in 1..20 {
            let now = began + step * SECOND;
            assert!(!breaker.failed(now, now), "{step}");
            assert!(!breaker.answered(now, now), "nothing waits");
        }
        assert!(!breaker.is_open());
    }

    #[test]
    fn what_was_asked_before_says_nothing() {
        let began = Instant::now();
        let mut breaker = open(began + SECOND);
        let now = began + 2 * SECOND;
        assert!(!breaker.answered(began, now), "a remembered answer");
        assert!(breaker.is_open());
        assert!(breaker.answered(now, now));
        assert!(!breaker.is_open());
        for _ in 0..100 {
            assert!(!breaker.failed(began + SECOND, now), "too late to count");
        }
        assert!(!breaker.is_open());
    }
}
