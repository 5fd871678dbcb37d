//! Open streams are checked again at an interval: the standings that there are, and the loop that
//! asks about each.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use futures::{StreamExt as _, stream::FuturesUnordered};
use parking_lot::Mutex;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::{
    key::Key,
    pace::Pace,
    reviews::Reviews,
    standing::{Standing, Subject, Timing},
};

/// Checks that are under way at once. What is due beyond waits its turn.
const AT_ONCE: usize = 256;
/// Longest wait before what failed is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Longest wait before what is due is noticed.
const TICK: Duration = Duration::from_secs(1);

/// All standings.
pub(super) struct Standings {
    timing: Timing,
    origin: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    by_key: HashMap<Key, Weak<Standing>>,
    /// By the time when they are to be checked. Those that nobody holds any more go when it comes.
    due: BTreeMap<(Instant, u64), Weak<Standing>>,
    count: u64,
}

impl Standings {
    pub(super) fn new(timing: Timing) -> Arc<Self> {
        Arc::new(Self {
            timing,
            origin: Instant::now(),
            state: Mutex::default(),
        })
    }

    /// The standing of somebody who was found to be allowed, by answers asked for at `asked` or
    /// later.
    pub(super) fn join(
        self: &Arc<Self>,
        key: Key,
        phase: Key,
        subject: Subject,
        asked: Instant,
    ) -> Arc<Standing> {
        let home = Arc::downgrade(self);
        let new = Arc::new(Standing::new(key, phase, subject, asked, home));
        // What is not kept is dropped after the lock, which it takes itself.
        let (standing, _spare) = {
            let mut state = self.state.lock();
            match state.by_key.get(&key).and_then(Weak::upgrade) {
                Some(known) if !known.is_over() => (known, Some(new)),
                over => {
                    state.by_key.insert(key, Arc::downgrade(&new));
                    let due = self
                        .next(&new, Instant::now())
                        .min(asked + self.timing.interval);
                    state.schedule(due, &new);
                    (new, over)
                }
            }
        };
        standing.heard(Ok(asked), Instant::now(), self.timing);
        standing
    }

    /// Called by a standing that goes.
    pub(super) fn forget(&self, key: &Key) {
        let mut state = self.state.lock();
        // Another one may have taken its place meanwhile.
        if state
            .by_key
            .get(key)
            .is_some_and(|kept| kept.strong_count() == 0)
        {
            state.by_key.remove(key);
        }
    }

    /// When the caller's turn comes next: once per interval, spread over it by chance.
    fn next(&self, standing: &Standing, now: Instant) -> Instant {
        let interval = self.timing.interval.max(Duration::from_millis(1));
        let seed = standing.phase.first_chunk().expect("a key has 32 bytes");
        let share = u64::from_be_bytes(*seed) as f64 / (u64::MAX as f64);
        let phase = interval.mul_f64(share);
        let passed = now.saturating_duration_since(self.origin);
        let turns = passed.saturating_sub(phase).as_nanos() / interval.as_nanos();
        let turn =
            self.origin + phase + interval.saturating_mul(u32::try_from(turns).unwrap_or(u32::MAX));
        if turn > now { turn } else { turn + interval }
    }

    fn ticks(&self) -> Interval {
        let tick = (self.timing.interval / 20).clamp(Duration::from_millis(10), TICK);
        let mut ticks = tokio::time::interval(tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    }

    /// Takes one that is due.
    fn take(&self, now: Instant) -> Option<Arc<Standing>> {
        loop {
            let entry = {
                let mut state = self.state.lock();
                let first = state
                    .due
                    .first_entry()
                    .filter(|entry| entry.key().0 <= now)?;
                first.remove()
            };
            if let Some(standing) = entry.upgrade() {
                return Some(standing);
            }
        }
    }

    /// Notes the outcome of a check, and when the next one is due.
    fn checked(&self, standing: &Arc<Standing>, outcome: Result<Instant, super::Refusal>) {
        let now = Instant::now();
        standing.heard(outcome, now, self.timing);
        if standing.is_over() {
            return;
        }
        let due = if standing.is_failing() {
            let wait = (self.timing.interval / 6).min(RETRY);
            now + wait.mul_f64(0.5 + fastrand::f64() / 2.0)
        } else {
            self.next(standing, now)
        };
        self.state.lock().schedule(due, standing);
    }

    /// Holds and ends what has had no answer for too long, whatever becomes of the checks.
    fn age(&self, now: Instant) {
        let all: Vec<_> = {
            let state = self.state.lock();
            state.by_key.values().filter_map(Weak::upgrade).collect()
        };
        for standing in all {
            standing.age(now, self.timing);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.state.lock().by_key.len()
    }
}

impl State {
    fn schedule(&mut self, due: Instant, standing: &Arc<Standing>) {
        self.count += 1;
        self.due.insert((due, self.count), Arc::downgrade(standing));
    }
}

/// Asks again and again, and counts the time without an answer. Runs for ever.
pub(super) async fn run(standings: Arc<Standings>, reviews: Arc<Reviews>) {
    tokio::join!(ask(&standings, &reviews), count(&standings));
}

async fn ask(standings: &Standings, reviews: &Reviews) {
    let pace = Pace::recheck(standings.timing.interval);
    let mut ticks = standings.ticks();
    let mut running = FuturesUnordered::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            Some(()) = running.next() => {}
        }
        while running.len() < AT_ONCE
            && let Some(standing) = standings.take(Instant::now())
        {
            running.push(check(standings, reviews, standing, pace));
        }
    }
}

async fn count(standings: &Standings) {
    let mut ticks = standings.ticks();
    loop {
        ticks.tick().await;
        standings.age(Instant::now());
    }
}

async fn check(standings: &Standings, reviews: &Reviews, standing: Arc<Standing>, pace: Pace) {
    let Subject {
        known, questions, ..
    } = &standing.subject;
    let decided = reviews.decide(known, questions, pace).await;
    standings.checked(&standing, decided.map(|(_, asked)| asked));
}

impl fmt::Debug for Standings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standings")
            .field("timing", &self.timing)
            .finish_non_exhaustive()
    }
}
