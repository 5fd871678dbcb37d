//! How much one user may have at once.

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{Identity, Refusal};

/// The limits of one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Streams that may be open at once.
    pub streams: u32,
    /// Streams per second that may be opened in the long run.
    pub rate: u32,
    /// Streams that may be opened at once after a pause.
    pub burst: u32,
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            streams: 1000,
            rate: 20,
            burst: 100,
        }
    }
}

/// When a user with too many streams is to come again.
const FULL: Duration = Duration::from_secs(5);
/// Users are looked through for those who are long gone when there are so many.
const SWEEP: usize = 1024;

/// What all users have.
pub(super) struct Quotas {
    limits: Quota,
    users: Mutex<Users>,
}

#[derive(Default)]
struct Users {
    usage: HashMap<String, Usage>,
    sweep_at: usize,
}

struct Usage {
    streams: u32,
    /// Streams that may be opened now, as of `at`.
    credit: f64,
    at: Instant,
}

/// One open stream. Dropping it gives it back.
pub struct StreamSlot {
    held: Option<(Arc<Quotas>, Arc<Identity>)>,
}

impl StreamSlot {
    /// One that nobody counts.
    pub(super) fn free() -> Self {
        Self { held: None }
    }
}

impl Quotas {
    pub(super) fn new(limits: Quota) -> Self {
        Self {
            limits,
            users: Mutex::default(),
        }
    }

    /// Counts a stream that a user opens.
    ///
    /// # Errors
    /// [`Refusal::Exhausted`].
    pub(super) fn enter(
        self: &Arc<Self>,
        user: &Arc<Identity>,
        now: Instant,
    ) -> Result<StreamSlot, Refusal> {
        let limits = self.limits;
        let mut users = self.users.lock();
        users.sweep(&limits, now);
        let usage = users.usage.entry(user.username.clone()).or_insert(Usage {
            streams: 0,
            credit: limits.burst.into(),
            at: now,
        });
        usage.credit = usage.credit_at(&limits, now);
        usage.at = now;
        if usage.credit < 1.0 {
            let missing = (1.0 - usage.credit) / f64::from(limits.rate.max(1));
            return Err(Refusal::Exhausted {
                what: "streams are opened too fast (per second)",
                limit: limits.rate,
                after: Duration::from_secs_f64(missing),
            });
        }
        if usage.streams >= limits.streams {
            return Err(Refusal::Exhausted {
                what: "too many streams are open",
                limit: limits.streams,
                after: FULL,
            });
        }
        usage.credit -= 1.0;
        usage.streams += 1;
        Ok(StreamSlot {
            held: Some((self.clone(), user.clone())),
        })
    }
}

impl Usage {
    fn credit_at(&self, limits: &Quota, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        (self.credit + passed * f64::from(limits.rate)).min(limits.burst.into())
    }
}

impl Users {
    fn sweep(&mut self, limits: &Quota, now: Instant) {
        if self.usage.len() < self.sweep_at.max(SWEEP) {
            return;
        }
        let full = f64::from(limits.burst);
        self.usage
            .retain(|_, usage| usage.streams > 0 || usage.credit_at(limits, now) < full);
        self.sweep_at = 2 * self.usage.len();
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        let Some((quotas, user)) = self.held.take() else {
            return;
        };
        if let Some(usage) = quotas.users.lock().usage.get_mut(&user.username) {
            usage.streams = usage.streams.saturating_sub(1);
        }
    }
}

impl fmt::Debug for Quotas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quotas")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for StreamSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamSlot")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quotas(streams: u32) -> Arc<Quotas> {
        Arc::new(Quotas::new(Quota {
            streams,
            rate: 20,
            burst: 100,
        }))
    }

    fn user(name: &str) -> Arc<Identity> {
        Arc::new(Identity {
            username: name.to_owned(),
            ..Identity::default()
        })
    }

    #[test]
    fn a_user_has_so_many_streams_and_no_other_pays_for_it() {
        let (quotas, now) = (quotas(2), Instant::now());
        let first = quotas.enter(&user("jane"), now).expect("one");
        let _second = quotas.enter(&user("jane"), now).expect("two");
        let third = quotas.enter(&user("jane"), now).expect_err("three");
        assert_eq!(
            third.to_string(),
            "too many streams are open; the limit for one user is 2"
        );
        let _other = quotas.enter(&user("joe"), now).expect("another user");
        drop(first);
        let _again = quotas.enter(&user("jane"), now).expect("two again");
    }

    #[test]
    fn who_comes_too_fast_waits_for_as_long_as_it_is_told() {
        let (quotas, now) = (quotas(1000), Instant::now());
        for _ in 0..100 {
            drop(quotas.enter(&user("jane"), now).expect("within the burst"));
        }
        let Err(Refusal::Exhausted { after, .. }) = quotas.enter(&user("jane"), now) else {
            panic!("too fast");
        };
        assert_eq!(after, Duration::from_millis(50));
        drop(
            quotas
                .enter(&user("jane"), now + after)
                .expect("after the wait"),
        );
        assert!(quotas.enter(&user("jane"), now + after).is_err());
    }

    #[test]
    fn users_who_left_are_forgotten() {
        let (quotas, now) = (quotas(1000), Instant::now());
        for number in 0..SWEEP {
            drop(quotas.enter(&user(&number.to_string()), now));
        }
        assert_eq!(quotas.users.lock().usage.len(), SWEEP);
        drop(quotas.enter(&user("late"), now + Duration::from_secs(60)));
        assert_eq!(quotas.users.lock().usage.len(), 1);
    }
}
