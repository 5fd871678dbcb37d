//! Credit that grows with time, up to a bound.

use std::time::Duration;

use tokio::time::Instant;

/// How credit grows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flow {
    /// Per second.
    pub(super) rate: u32,
    /// At most.
    pub(super) most: u32,
}

/// Some credit, as of a time. Below zero it is spoken for by those who wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    credit: f64,
    at: Instant,
}

impl Bucket {
    pub(super) fn full(flow: Flow, now: Instant) -> Self {
        Self {
            credit: flow.most.into(),
            at: now,
        }
    }

    pub(super) fn is_full(&self, flow: Flow, now: Instant) -> bool {
        self.credit_at(flow, now) >= flow.most.into()
    }

    /// How long to wait until there is so much credit.
    pub(super) fn wait(&self, amount: u32, flow: Flow, now: Instant) -> Duration {
        let missing = (f64::from(amount) - self.credit_at(flow, now)).max(0.0);
        Duration::from_secs_f64(missing / f64::from(flow.rate.max(1)))
    }

    /// Takes so much credit, and gives how long to wait until it is there.
    ///
    /// # Errors
    /// The wait would be longer than `patience`, by so much. Nothing was taken.
    pub(super) fn take(
        &mut self,
        amount: u32,
        patience: Duration,
        flow: Flow,
        now: Instant,
    ) -> Result<Duration, Duration> {
        let wait = self.wait(amount, flow, now);
        if wait > patience {
            return Err(wait - patience);
        }
        self.credit = self.credit_at(flow, now) - f64::from(amount);
        self.at = now;
        Ok(wait)
    }

    /// Takes so much, whatever there is.
    pub(super) fn charge(&mut self, amount: u32) {
        self.credit -= f64::from(amount);
    }

    /// Gives back what was taken and not used.
    pub(super) fn refund(&mut self, amount: u32) {
        self.credit += f64::from(amount);
    }

    fn credit_at(&self, flow: Flow, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        (self.credit + passed * f64::from(flow.rate)).min(flow.most.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOW: Flow = Flow {
        rate: 10,
        most: 100,
    };
    const NOW: Duration = Duration::ZERO;

    fn after(began: Instant, millis: u64) -> Instant {
        began + Duration::from_millis(millis)
    }

    #[test]
    fn credit_comes_back_with_time_and_never_beyond_the_bound() {
        let began = Instant::now();
        let mut bucket = Bucket::full(FLOW, began);
        assert_eq!(bucket.take(100, NOW, FLOW, began), Ok(Duration::ZERO));
        let wait = Duration::from_millis(500);
        assert_eq!(bucket.take(5, NOW, FLOW, began), Err(wait));
        assert_eq!(
            bucket.take(5, NOW, FLOW, began + wait),
            Ok(Duration::ZERO),
            "as it was told"
        );
        let later = after(began, 3_600_000);
        assert!(bucket.is_full(FLOW, later));
        assert!(bucket.take(101, NOW, FLOW, later).is_err());
    }

    #[test]
    fn those_who_wait_stand_in_line() {
        let began = Instant::now();
        let mut bucket = Bucket::full(FLOW, began);
        let patience = Duration::from_secs(1);
        let take = |bucket: &mut Bucket| bucket.take(5, patience, FLOW, began);
        assert_eq!(bucket.take(100, patience, FLOW, began), Ok(Duration::ZERO));
        assert_eq!(take(&mut bucket), Ok(Duration::from_millis(500)));
        assert_eq!(take(&mut bucket), Ok(Duration::from_millis(1000)));
        assert_eq!(take(&mut bucket), Err(Duration::from_millis(500)));
        bucket.refund(5);
        assert_eq!(take(&mut bucket), Ok(Duration::from_millis(1000)));
    }
}
