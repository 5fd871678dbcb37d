//! The roll of all standings: whose turn it is to be checked, and why.
//!
//! A standing waits for its regular turn, or after a failure for the next try; beside that for an
//! early check, if its rights may have changed. A check serves both. Standings that nobody holds
//! any more go when their time comes.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    callers::Callers,
    entry::{Check, Entry, Room, Wait},
    recent::Recent,
};
use crate::access::{
    Refusal, Whom,
    breaker::Breaker,
    bucket::{Bucket, Flow},
    caller::Known,
    key::Key,
    queue::Queue,
    standing::{Standing, Timing},
};

/// Questions of early checks per second, and such as may come at once.
const EARLY: Flow = Flow {
    rate: 400,
    most: 128,
};
/// Checks of one caller that may be under way because they are due: a quarter of all. The others of
/// a caller whose questions hang wait for these, and nobody else does.
const SHARE: usize = 48;
/// The next check after a change follows the last such one of the same standing no sooner than this.
const GAP: Duration = Duration::from_secs(1);
/// An answer that was asked for this long after a change was heard of knows of it: apiservers hear
/// of it by a watch of their own.
pub(super) const SETTLED: Duration = Duration::from_secs(2);
/// Longest wait before what failed is tried again, first and last.
const RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));
/// When answers are to be had again, those who wait for one come spread over this time at most.
const SPREAD: Duration = Duration::from_secs(2);
/// How many of them may come per second all the same.
const SPREAD_RATE: u32 = 500;
/// Entries are looked through for those that nobody needs when there are so many.
pub(super) const SWEEP: usize = 1024;

/// All entries, and the queues in which they wait.
pub(super) struct Roll {
    timing: Timing,
    origin: Instant,
    pub(super) entries: HashMap<Key, Entry>,
    /// Those who wait for their regular turn.
    pub(super) regular: Queue,
    /// Those whose last check has brought no answer.
    pub(super) failing: Queue,
    /// Those whose rights may have changed; they wait in one of the others as well.
    pub(super) early: Queue,
    /// When time alone may change what holds, or earlier.
    pub(super) aging: Queue,
    pub(super) breaker: Breaker,
    /// Of early checks.
    budget: Bucket,
    pub(super) callers: Callers,
    pub(super) recent: Recent,
    pub(super) sweep_at: usize,
}

impl Roll {
    pub(super) fn new(timing: Timing) -> Self {
        let origin = Instant::now();
        Self {
            timing,
            origin,
            entries: HashMap::new(),
            regular: Queue::default(),
            failing: Queue::default(),
            early: Queue::default(),
            aging: Queue::default(),
            breaker: Breaker::new(timing.interval),
            budget: Bucket::full(EARLY, origin),
            callers: Callers::new(SHARE),
            recent: Recent::default(),
            sweep_at: SWEEP,
        }
    }

    /// The one that is there, or the new one in its place, which is good by what was asked then.
    pub(super) fn join(
        &mut self,
        new: Arc<Standing>,
        asked: Instant,
        now: Instant,
    ) -> Arc<Standing> {
        let entry = self.entries.get(&new.key);
        let known = entry.and_then(|entry| entry.standing.upgrade());
        if let Some(known) = known.filter(|known| !known.is_over()) {
            return known;
        }
        self.sweep();
        self.strike(&new.key);
        let due = self.regular_turn(&new, now);
        let turn = self
            .regular
            .put(due.min(asked + self.timing.interval), new.key);
        let who = new.subject.known.identity.clone();
        let changed = self.recent.last(&who, &new.subject.questions, asked);
        let entry = Entry {
            standing: Arc::downgrade(&new),
            who,
            turn: Some(Wait::Regular(turn)),
            early: None,
            aging: self.aging.put(asked, new.key),
            changed,
            failures: 0,
            followed: None,
        };
        self.entries.insert(new.key, entry);
        self.follow_up(&new.key, Some(asked), now);
        new
    }

    /// Some rights may have changed, which was heard of at some time.
    pub(super) fn changed(&mut self, whom: Whom, heard: Instant, now: Instant) {
        let mut found: Vec<(Key, Key)> = Vec::new();
        for (key, entry) in &mut self.entries {
            if whom.holds(&entry.who)
                && let Some(standing) = entry.standing.upgrade()
                && whom.concerns(&entry.who, &standing.subject.questions)
            {
                entry.changed = Some(heard);
                found.push((standing.phase, *key));
            }
        }
        // Those of one caller one after the other, so that it is recognised once.
        found.sort_unstable();
        for (_, key) in found {
            self.hasten(&key, now);
        }
        self.recent.add(heard, whom, now);
    }

    /// Takes one that is to be checked now.
    pub(super) fn take(&mut self, now: Instant, room: Room) -> Option<Check> {
        if self.breaker.is_open() {
            return self.take_trial(now);
        }
        while room.regular
            && let Some(key) = self.due(now)
        {
            if !self.parks(&key)
                && let Some(check) = self.begin(key, false, now)
            {
                return Some(check);
            }
        }
        while room.early
            && self.budget.wait(1, EARLY, now).is_zero()
            && let Some(key) = self.early.due(now)
        {
            if let Some(check) = self.begin(key, true, now) {
                // One that asks more than there is leaves a debt.
                self.budget.take(1, Duration::ZERO, EARLY, now).ok();
                let questions = check.standing.subject.questions.len();
                self.budget.charge(count(questions).saturating_sub(1));
                return Some(check);
            }
        }
        None
    }

    /// Who has been due for longest.
    fn due(&mut self, now: Instant) -> Option<Key> {
        let failing = self.failing.first();
        let regular = self.regular.first();
        let failed_first = failing.is_some_and(|at| regular.is_none_or(|other| at < other));
        match failed_first {
            true => self.failing.due(now),
            false => self.regular.due(now),
        }
    }

    /// While nobody answers: the one that has been due for longest, so that nobody who would have an
    /// answer waits for those who have none; or else one that has failed, or any.
    fn take_trial(&mut self, now: Instant) -> Option<Check> {
        if !self.breaker.try_one(now) {
            return None;
        }
        while let Some(key) = self.trial(now) {
            if let Some(check) = self.begin(key, false, now) {
                return Some(check);
            }
        }
        None
    }

    fn trial(&mut self, now: Instant) -> Option<Key> {
        let due = self.due(now).or_else(|| self.failing.pop());
        due.or_else(|| self.regular.pop())
    }

    /// Begins a check, if it is still needed.
    fn begin(&mut self, key: Key, early: bool, now: Instant) -> Option<Check> {
        let entry = self.entries.get_mut(&key)?;
        let standing = entry.standing.upgrade();
        let Some(standing) = standing.filter(|standing| !standing.is_over()) else {
            self.strike(&key);
            return None;
        };
        if entry.changed.is_some() {
            entry.followed = Some(now);
        }
        let settled = |changed: Instant| match changed + SETTLED {
            later if later <= now => later,
            _ => changed,
        };
        let since = entry.changed.map(settled);
        let (turn, hasty) = (entry.turn.take(), entry.early.take());
        self.leave(turn, hasty);
        self.callers.begin(standing.phase);
        Some(Check {
            standing,
            since,
            early,
            began: now,
        })
    }

    /// When there may be one to take.
    pub(super) fn next(&self, now: Instant, room: Room) -> Option<Instant> {
        if self.breaker.is_open() {
            return self.breaker.next();
        }
        let hasty = self.early.first();
        let hasty = hasty.map(|first| first.max(now + self.budget.wait(1, EARLY, now)));
        let regular = self.regular.first().into_iter().chain(self.failing.first());
        let regular = regular.filter(|_| room.regular);
        regular.chain(hasty.filter(|_| room.early)).min()
    }

    /// Notes how a check ended. Gives whether others are due sooner by that.
    pub(super) fn checked(
        &mut self,
        check: &Check,
        outcome: Result<(Known, Instant), Refusal>,
        now: Instant,
    ) -> bool {
        let stirred = match &outcome {
            Ok((_, asked)) => self.answered(*asked, now),
            Err(refusal) if refusal.is_no_answer() => self.breaker.failed(check.began, now),
            Err(_) => self.answered(check.began, now),
        };
        self.unpark(check.standing.phase, now);
        let key = &check.standing.key;
        let entry = self.entries.get_mut(key);
        let Some(entry) = entry.filter(|entry| entry.is_of(&check.standing)) else {
            return stirred;
        };
        if check.standing.is_over() {
            self.strike(key);
            return stirred;
        }
        let asked = outcome.as_ref().ok().map(|(_, asked)| *asked);
        match outcome {
            Ok((known, _)) => entry.who = known.identity,
            Err(_) => entry.failures = entry.failures.saturating_add(1),
        }
        if check.standing.is_failing() {
            let due = now + retry(self.timing.interval, entry.failures);
            entry.turn = Some(Wait::Failing(self.failing.put(due, *key)));
        } else {
            entry.failures = 0;
            let due = self.regular_turn(&check.standing, now);
            self.enroll(key, due);
        }
        self.follow_up(key, asked, now);
        stirred
    }

    fn enroll(&mut self, key: &Key, due: Instant) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.turn = Some(Wait::Regular(self.regular.put(due, *key)));
        }
    }

    /// There was an answer to what was asked then. Gives whether those who waited for one are due.
    pub(super) fn answered(&mut self, asked: Instant, now: Instant) -> bool {
        let closed = self.breaker.answered(asked, now);
        if closed {
            let spread =
                SPREAD.min(Duration::from_secs(1) * count(self.failing.len()) / SPREAD_RATE);
            for key in self.failing.drain() {
                let Some(entry) = self.entries.get_mut(&key) else {
                    continue;
                };
                let due = now + spread.mul_f64(fastrand::f64());
                entry.turn = Some(Wait::Failing(self.failing.put(due, key)));
            }
        }
        closed
    }

    /// After a change: once the answers know of it there is nothing more to do, else an early check.
    fn follow_up(&mut self, key: &Key, asked: Option<Instant>, now: Instant) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        let (Some(changed), Some(asked)) = (entry.changed, asked) else {
            return;
        };
        if asked >= changed + SETTLED {
            entry.changed = None;
        } else if asked < changed {
            self.hasten(key, now);
        } else {
            let jitter = Duration::from_secs(1).mul_f64(fastrand::f64());
            self.hasten(key, now.max(changed + SETTLED + jitter));
        }
    }

    /// Lets a standing be checked early, at some time or a bit later.
    fn hasten(&mut self, key: &Key, when: Instant) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        match entry.turn {
            // It is being checked: what is to follow is seen when that is done.
            None => return,
            // It is tried as soon as there is anybody to ask.
            Some(Wait::Failing(_)) if self.breaker.is_open() => return,
            Some(_) => {}
        }
        let when = entry.followed.map_or(when, |last| when.max(last + GAP));
        if entry.early.is_some_and(|(sooner, _)| sooner <= when) {
            return;
        }
        if let Some(later) = entry.early.replace(self.early.put(when, *key)) {
            self.early.remove(later);
        }
    }

    /// When the caller's turn comes next: once per interval, spread over it by chance.
    fn regular_turn(&self, standing: &Standing, now: Instant) -> Instant {
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
}

/// How long to wait after so many failures.
fn retry(interval: Duration, failures: u32) -> Duration {
    let (first, most) = (RETRY.0.min(interval / 6), RETRY.1.min(interval));
    let doubled = 1_u32.checked_shl(failures.saturating_sub(1));
    let wait = first.saturating_mul(doubled.unwrap_or(u32::MAX)).min(most);
    wait.mul_f64(0.5 + fastrand::f64() / 2.0)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
