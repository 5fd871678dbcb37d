//! What the calls of a user may ask the apiserver.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::{Limit, Quotas};
use crate::access::Refusal;

/// How long a call waits for its questions to be allowed rather than being refused.
const PATIENCE: Duration = Duration::from_secs(2);

/// Questions that one decision may ask. What is left of them when it is dropped is given back.
#[derive(Debug)]
pub(in crate::access) struct Allowance<'a> {
    quotas: &'a Quotas,
    user: &'a str,
    left: AtomicU32,
    /// How long to wait before they are asked.
    pub(in crate::access) wait: Duration,
}

impl Quotas {
    /// Sets aside so many questions.
    ///
    /// # Errors
    /// [`Refusal::Exhausted`]: they would not be allowed soon. None is set aside.
    pub(in crate::access) fn allow<'a>(
        &'a self,
        user: &'a str,
        questions: usize,
        now: Instant,
    ) -> Result<Allowance<'a>, Refusal> {
        let amount = u32::try_from(questions).unwrap_or(u32::MAX);
        let wait = match amount {
            0 => Duration::ZERO,
            _ => {
                let limits = &self.limits;
                let mut users = self.users.lock();
                let reviews = &mut users.of(user, limits, now).reviews;
                let taken = reviews.take(amount, PATIENCE, limits.questions(), now);
                taken.map_err(|after| self.exhausted(Limit::Reviews, after))?
            }
        };
        Ok(Allowance {
            quotas: self,
            user,
            left: AtomicU32::new(amount),
            wait,
        })
    }
}

impl Allowance<'_> {
    /// Notes that a question is asked. One more than was set aside, because a remembered answer
    /// has just become too old, is owed.
    pub(in crate::access) fn spend(&self) {
        let less = |left: u32| left.checked_sub(1);
        let spent = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        if spent.is_err()
            && let Some(usage) = self.quotas.users.lock().usage.get_mut(self.user)
        {
            usage.reviews.charge(1);
        }
    }
}

impl Drop for Allowance<'_> {
    fn drop(&mut self) {
        let left = *self.left.get_mut();
        if left > 0
            && let Some(usage) = self.quotas.users.lock().usage.get_mut(self.user)
        {
            usage.reviews.refund(left);
        }
    }
}
