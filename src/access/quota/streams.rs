//! Open streams: each has a place among its user's and one among all.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use super::{FULL, Limit, Quotas};
use crate::access::{Identity, Refusal};

/// One open stream. Dropping it gives its places back.
pub struct StreamSlot {
    _place: OwnedSemaphorePermit,
    of: Option<(Arc<Quotas>, Arc<Identity>)>,
}

impl Quotas {
    /// Counts a stream that a user opens; without a user, among all alone.
    ///
    /// # Errors
    /// [`Refusal::Exhausted`].
    pub(in crate::access) fn enter(
        self: &Arc<Self>,
        user: Option<&Arc<Identity>>,
        now: Instant,
    ) -> Result<StreamSlot, Refusal> {
        let place = self.places.clone().try_acquire_owned();
        let place = place.map_err(|_| self.exhausted(Limit::AllStreams, FULL))?;
        let of = match user {
            None => None,
            Some(user) => {
                self.enter_own(user, now)?;
                Some((self.clone(), user.clone()))
            }
        };
        Ok(StreamSlot { _place: place, of })
    }

    fn enter_own(&self, user: &Identity, now: Instant) -> Result<(), Refusal> {
        let limits = &self.limits;
        let mut users = self.users.lock();
        let usage = users.of(&user.username, limits, now);
        if usage.streams >= limits.streams {
            return Err(self.exhausted(Limit::Streams, FULL));
        }
        let taken = usage.starts.take(1, Duration::ZERO, limits.starts(), now);
        taken.map_err(|after| self.exhausted(Limit::Starts, after))?;
        usage.streams += 1;
        Ok(())
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        let Some((quotas, user)) = self.of.take() else {
            return;
        };
        if let Some(usage) = quotas.users.lock().usage.get_mut(&user.username) {
            usage.streams = usage.streams.saturating_sub(1);
        }
    }
}

impl fmt::Debug for StreamSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamSlot")
    }
}
