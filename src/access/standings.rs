//! The standings of all open streams: made by callers, checked by [`recheck`](super::recheck).

mod callers;
mod entry;
mod keep;
mod recent;
mod roll;

use std::{fmt, sync::Arc};

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::{
    Refusal, Whom,
    caller::Known,
    key::Key,
    standing::{Standing, Subject, Timing},
};
pub use entry::Census;
pub(super) use entry::{Check, Room};
use roll::Roll;

/// All standings.
pub(super) struct Standings {
    timing: Timing,
    roll: Mutex<Roll>,
    /// Whose rights may have changed and who has not been looked for yet; since when.
    news: Mutex<Option<(Whom, Instant)>>,
    /// There is news.
    pub(super) told: Notify,
    /// Something is due sooner than was thought.
    stirred: Notify,
    early_checks: Counter,
}

impl Standings {
    pub(super) fn new(timing: Timing, early_checks: Counter) -> Self {
        Self {
            timing,
            roll: Mutex::new(Roll::new(timing)),
            news: Mutex::default(),
            told: Notify::new(),
            stirred: Notify::new(),
            early_checks,
        }
    }

    pub(super) fn timing(&self) -> Timing {
        self.timing
    }

    /// The standing of somebody who was found to be allowed, by answers asked for at `asked` or
    /// later.
    pub(super) fn join(
        &self,
        key: Key,
        phase: Key,
        subject: Subject,
        asked: Instant,
    ) -> Arc<Standing> {
        let now = Instant::now();
        let new = Arc::new(Standing::new(key, phase, subject, asked));
        let standing = {
            let mut roll = self.roll.lock();
            roll.answered(asked, now);
            roll.join(new, asked, now)
        };
        standing.heard(Ok(asked), now, self.timing);
        self.stirred.notify_one();
        standing
    }

    /// Somebody's rights may have changed just now.
    pub(super) fn tell(&self, whom: Whom) {
        if whom.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut news = self.news.lock();
        let (all, last) = news.get_or_insert_with(|| (Whom::default(), now));
        all.merge(whom);
        *last = now;
        self.told.notify_one();
    }

    /// Looks for those whose rights may have changed, to check them soon.
    pub(super) fn look(&self) {
        let news = self.news.lock().take();
        if let Some((whom, heard)) = news {
            self.roll.lock().changed(whom, heard, Instant::now());
            self.stirred.notify_one();
        }
    }

    /// Takes one that is to be checked now.
    pub(super) fn take(&self, now: Instant, room: Room) -> Option<Check> {
        let check = self.roll.lock().take(now, room)?;
        if check.early {
            self.early_checks.inc();
        }
        Some(check)
    }

    /// Waits until there may be one to take, or until then.
    pub(super) async fn due(&self, from: Instant, to: Instant, room: Room) {
        let next = self.roll.lock().next(from, room);
        let wake = next.map_or(to, |next| next.clamp(from, to));
        tokio::select! {
            () = sleep_until(wake) => {}
            () = self.stirred.notified() => {}
        }
    }

    /// Notes the outcome of a check, and when the next one is due.
    pub(super) fn checked(&self, check: &Check, outcome: Result<(Known, Instant), Refusal>) {
        let now = Instant::now();
        let heard = outcome.as_ref().map(|(_, asked)| *asked);
        check
            .standing
            .heard(heard.map_err(Clone::clone), now, self.timing);
        if self.roll.lock().checked(check, outcome, now) {
            self.stirred.notify_one();
        }
    }

    /// Holds and ends what has had no answer for too long, whatever becomes of the checks.
    pub(super) fn age(&self, now: Instant) {
        let due = self.roll.lock().old(now);
        for standing in due {
            let next = standing.age(now, self.timing);
            self.roll.lock().aged(&standing, next);
        }
    }

    /// How many there are, and how they are.
    pub(super) fn census(&self) -> Census {
        self.roll.lock().census()
    }
}

impl fmt::Debug for Standings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standings")
            .field("timing", &self.timing)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
