//! What is asked again and again about a user's open streams.

use std::{fmt, sync::Arc};

use tokio::time::Instant;

use super::{FULL, Limit, Quotas};
use crate::access::{Refusal, key::Key};

/// The questions of one standing, counted once however many streams share it. Dropping it gives
/// them back.
pub(in crate::access) struct Held {
    quotas: Arc<Quotas>,
    user: Box<str>,
    standing: Key,
    questions: u32,
}

impl Quotas {
    /// Counts the questions of a standing, unless they are counted already.
    ///
    /// # Errors
    /// [`Refusal::Exhausted`].
    pub(in crate::access) fn hold(
        self: &Arc<Self>,
        user: &str,
        standing: Key,
        questions: usize,
        now: Instant,
    ) -> Result<Held, Refusal> {
        let questions = u32::try_from(questions).unwrap_or(u32::MAX);
        let limits = &self.limits;
        let mut users = self.users.lock();
        let usage = users.of(user, limits, now);
        if let Some(holders) = usage.standings.get_mut(&standing) {
            *holders += 1;
        } else {
            let sum = usage.questions.saturating_add(questions);
            if sum > limits.held() {
                return Err(self.exhausted(Limit::Questions, FULL));
            }
            usage.questions = sum;
            usage.standings.insert(standing, 1);
        }
        Ok(Held {
            quotas: self.clone(),
            user: user.into(),
            standing,
            questions,
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut users = self.quotas.users.lock();
        let Some(usage) = users.usage.get_mut(&*self.user) else {
            return;
        };
        let Some(holders) = usage.standings.get_mut(&self.standing) else {
            return;
        };
        *holders -= 1;
        if *holders == 0 {
            usage.standings.remove(&self.standing);
            usage.questions = usage.questions.saturating_sub(self.questions);
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("questions", &self.questions)
            .finish_non_exhaustive()
    }
}
