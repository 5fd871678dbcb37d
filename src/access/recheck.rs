//! Open streams are checked again: at an interval, after failures, and early when rights change.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt as _, stream::FuturesUnordered};
use tokio::time::{Instant, MissedTickBehavior};

use super::{
    pace::Pace,
    reviews::Reviews,
    standing::Subject,
    standings::{Check, Room, Standings},
};

/// Checks that are under way at once because they are due. What is due beyond waits its turn.
const REGULAR: usize = 192;
/// Beside these, such as are early.
const EARLY: usize = 64;
/// Shortest and longest wait before what is due is noticed.
const TICK: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
/// Changes of rights that are heard of within this time are one. It lets the apiserver hear of
/// them too, so that the first answer is mostly the last.
const TOGETHER: Duration = Duration::from_millis(200);

/// Asks again and again, and counts the time without an answer. Runs for ever.
pub(super) async fn run(standings: Arc<Standings>, reviews: Arc<Reviews>) {
    tokio::join!(
        ask(&standings, &reviews),
        count(&standings),
        look(&standings)
    );
}

async fn ask(standings: &Standings, reviews: &Reviews) {
    let pace = Pace::recheck(standings.timing().interval);
    let tick = tick(standings);
    let mut running = FuturesUnordered::new();
    let mut early = 0;
    loop {
        let now = Instant::now();
        let room = loop {
            let room = Room {
                regular: running.len() - early < REGULAR,
                early: early < EARLY,
            };
            let Some(next) = standings.take(now, room) else {
                break room;
            };
            early += usize::from(next.early);
            running.push(check(standings, reviews, next, pace));
        };
        tokio::select! {
            () = standings.due(now + TICK.0, now + tick, room) => {}
            Some(was_early) = running.next() => early -= usize::from(was_early),
        }
    }
}

async fn count(standings: &Standings) {
    let mut ticks = tokio::time::interval(tick(standings));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        standings.age(Instant::now());
    }
}

/// Takes note of changes of rights.
async fn look(standings: &Standings) {
    loop {
        standings.told.notified().await;
        tokio::time::sleep(TOGETHER).await;
        standings.look();
    }
}

fn tick(standings: &Standings) -> Duration {
    (standings.timing().interval / 20).clamp(TICK.0, TICK.1)
}

/// Gives whether it was early.
async fn check(standings: &Standings, reviews: &Reviews, check: Check, pace: Pace) -> bool {
    let Subject {
        known, questions, ..
    } = &check.standing.subject;
    let pace = pace.since(check.since);
    let decided = reviews.decide(known, questions, pace).await;
    standings.checked(&check, decided);
    check.early
}
