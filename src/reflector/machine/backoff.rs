//! Exponential backoff with full jitter, one per resource.

use std::time::Duration;

use fastrand::Rng;

use super::ReflectorOptions;

/// A stream that brings something lowers the count of failures to this, so that one good moment
/// in an outage neither forgets it nor is punished with the longest wait.
const AFTER_PROGRESS: u32 = 2;

#[derive(Debug)]
pub(super) struct Backoff {
    base: Duration,
    cap: Duration,
    reset: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(options: &ReflectorOptions) -> Self {
        Self {
            base: options.backoff_base,
            cap: options.backoff_cap,
            reset: options.backoff_reset,
            failures: 0,
        }
    }

    /// Counts a failure and says how long to wait.
    pub(super) fn next(&mut self, rng: &mut Rng) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        self.base
            .saturating_mul(factor)
            .min(self.cap)
            .mul_f64(rng.f64())
    }

    /// Whether nothing has failed of late.
    pub(super) fn is_fresh(&self) -> bool {
        self.failures == 0
    }

    pub(super) fn progress(&mut self) {
        self.failures = self.failures.min(AFTER_PROGRESS);
    }

    /// A connection has lived this long.
    pub(super) fn lived(&mut self, lived: Duration) {
        if lived >= self.reset {
            self.failures = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_cap_with_full_jitter() {
        let mut rng = Rng::with_seed(7);
        let mut backoff = Backoff::new(&ReflectorOptions::default());
        for limit in [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0] {
            assert!(backoff.next(&mut rng).as_secs_f64() <= limit);
        }
        let many: Vec<f64> = (0..100)
            .map(|_| backoff.next(&mut rng).as_secs_f64())
            .collect();
        assert!(many.iter().any(|wait| *wait < 10.0) && many.iter().any(|wait| *wait > 20.0));
        assert!(many.iter().all(|wait| *wait <= 30.0), "{many:?}");
    }

    #[test]
    fn only_a_long_life_resets() {
        let mut rng = Rng::with_seed(7);
        let mut backoff = Backoff::new(&ReflectorOptions::default());
        for _ in 0..9 {
            backoff.next(&mut rng);
        }
        backoff.lived(Duration::from_secs(119));
        assert_eq!(backoff.failures, 9);
        backoff.progress();
        assert_eq!(backoff.failures, AFTER_PROGRESS);
        backoff.lived(Duration::from_secs(120));
        assert!(backoff.is_fresh());
    }
}
