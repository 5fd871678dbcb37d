//! How much one user may have at once, and all of them together.

mod allowance;
mod held;
mod limit;
mod streams;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::Semaphore, time::Instant};

use super::{
    Refusal,
    bucket::{Bucket, Flow},
    key::Key,
};
pub(super) use allowance::Allowance;
pub(super) use held::Held;
pub use limit::{Limit, Tally};
pub use streams::StreamSlot;

/// The limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Streams that one user may have open at once.
    pub streams: u32,
    /// Streams per second that one user may open in the long run.
    pub rate: u32,
    /// Streams that one user may open at once after a pause.
    pub burst: u32,
    /// Questions per second to the apiserver that the calls of one user may lead to in the long
    /// run; answers that are remembered cost nothing.
    pub reviews: u32,
    /// Streams that all users together may have open.
    pub all_streams: u32,
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            streams: 1_000,
            rate: 20,
            burst: 100,
            reviews: 100,
            all_streams: 120_000,
        }
    }
}

/// Questions that one call may lead to. A filter has few enough namespaces for it.
pub(super) const PER_CALL: u32 = 256;

impl Quota {
    fn starts(&self) -> Flow {
        Flow {
            rate: self.rate,
            most: self.burst,
        }
    }

    /// After a pause, as many as in ten seconds, which is how long answers are remembered.
    fn questions(&self) -> Flow {
        Flow {
            rate: self.reviews,
            most: self.reviews.saturating_mul(10).max(PER_CALL),
        }
    }

    /// Questions that are asked again and again about the open streams of one user. A stream in
    /// one place takes two.
    fn held(&self) -> u32 {
        self.streams.saturating_mul(4).max(PER_CALL)
    }
}

/// When a user with too much is to come again.
const FULL: Duration = Duration::from_secs(5);
/// Users are looked through for those who are long gone when there are so many.
const SWEEP: usize = 1024;

/// What all users have.
pub(super) struct Quotas {
    limits: Quota,
    users: Mutex<Users>,
    places: Arc<Semaphore>,
    tally: Tally,
}

#[derive(Default)]
struct Users {
    usage: HashMap<String, Usage>,
    sweep_at: usize,
}

struct Usage {
    streams: u32,
    starts: Bucket,
    reviews: Bucket,
    /// By the name of a standing: how many hold its questions.
    standings: HashMap<Key, u32>,
    questions: u32,
}

impl Quotas {
    pub(super) fn new(limits: Quota) -> Self {
        Self {
            limits,
            users: Mutex::default(),
            places: Arc::new(Semaphore::new(limits.all_streams as usize)),
            tally: Tally::default(),
        }
    }

    /// How often each limit was met.
    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    fn exhausted(&self, limit: Limit, after: Duration) -> Refusal {
        self.tally.count(limit);
        let limits = &self.limits;
        let most = match limit {
            Limit::Streams => limits.streams,
            Limit::Starts => limits.rate,
            Limit::Reviews => limits.reviews,
            Limit::Questions => limits.held(),
            Limit::AllStreams => limits.all_streams,
        };
        Refusal::Exhausted { limit, most, after }
    }
}

impl Users {
    /// What a user has.
    fn of(&mut self, user: &str, limits: &Quota, now: Instant) -> &mut Usage {
        self.sweep(limits, now);
        self.usage
            .entry(user.to_owned())
            .or_insert_with(|| Usage::new(limits, now))
    }

    fn sweep(&mut self, limits: &Quota, now: Instant) {
        if self.usage.len() < self.sweep_at.max(SWEEP) {
            return;
        }
        self.usage.retain(|_, usage| !usage.is_gone(limits, now));
        self.sweep_at = 2 * self.usage.len();
    }
}

impl Usage {
    fn new(limits: &Quota, now: Instant) -> Self {
        Self {
            streams: 0,
            starts: Bucket::full(limits.starts(), now),
            reviews: Bucket::full(limits.questions(), now),
            standings: HashMap::new(),
            questions: 0,
        }
    }

    /// Whether nothing would be lost by forgetting it.
    fn is_gone(&self, limits: &Quota, now: Instant) -> bool {
        self.streams == 0
            && self.standings.is_empty()
            && self.starts.is_full(limits.starts(), now)
            && self.reviews.is_full(limits.questions(), now)
    }
}

impl fmt::Debug for Quotas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quotas")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
