//! The cache alone, with questions that end when the test wants.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::sync::Notify;

use super::{
    super::{answers::TTL, counts::Counts, desk::desk},
    *,
};

const NEW: Pace = Pace {
    age: Duration::ZERO,
    since: None,
    way: Way::Call,
};
const RECHECK: Pace = Pace {
    age: TTL,
    since: None,
    way: Way::Recheck,
};

/// One question at a time in each lane, and so many that wait.
fn narrow(desk: Desk, waiting: usize) -> Cache<Option<u32>> {
    let lanes = (Lane::new(1, waiting), Lane::new(1, waiting));
    let count = Count {
        counts: Counts::default(),
        kind: "access",
    };
    Cache::with(desk, Answers::new(), lanes, count)
}

fn cache() -> Cache<Option<u32>> {
    // Without a clerk: who waits does the work.
    narrow(desk().0, 8)
}

async fn ask(cache: &Cache<Option<u32>>, key: u8, answer: Outcome<u32>) -> Outcome<u32> {
    let asked = move || std::future::ready(answer.map(Some)).boxed();
    let got = cache
        .get([key; 32], &Asker::Local, Pace::CALL, true, asked)
        .await;
    got.map(|(value, _)| value.expect("somebody"))
}

/// A question that is answered when it is told, and counts how often it was asked.
#[derive(Clone, Default)]
struct Slow {
    go: Arc<Notify>,
    asked: Arc<AtomicU32>,
}

impl Slow {
    fn question(&self) -> impl FnOnce() -> Question<Option<u32>> + use<> {
        let slow = self.clone();
        move || {
            async move {
                slow.asked.fetch_add(1, Ordering::SeqCst);
                slow.go.notified().await;
                Ok(Some(7))
            }
            .boxed()
        }
    }

    fn count(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn answers_are_kept_and_errors_are_not() {
    let cache = cache();
    let failed = Err(ReviewError::Status(500));
    assert_eq!(ask(&cache, 1, failed.clone()).await, failed);
    assert_eq!(ask(&cache, 1, Ok(1)).await, Ok(1));
    assert_eq!(ask(&cache, 1, Ok(2)).await, Ok(1));
    assert_eq!(ask(&cache, 2, Ok(2)).await, Ok(2));
}

#[tokio::test]
async fn whoever_wants_a_newer_answer_gets_one() {
    let cache = cache();
    assert_eq!(ask(&cache, 1, Ok(1)).await, Ok(1));
    let later = || std::future::ready(Ok(Some(2))).boxed();
    tokio::task::yield_now().await;
    let got = cache.get([1; 32], &Asker::Local, NEW, true, later).await;
    assert_eq!(got.map(|(value, _)| value), Ok(Some(2)));
    assert_eq!(ask(&cache, 1, Ok(3)).await, Ok(2));
}

#[tokio::test]
async fn what_is_not_to_be_kept_is_not() {
    let cache = cache();
    let asked = || std::future::ready(Ok(Some(1))).boxed();
    let got = cache
        .get([1; 32], &Asker::Local, Pace::CALL, false, asked)
        .await;
    assert_eq!(got.map(|(value, _)| value), Ok(Some(1)));
    assert_eq!(cache.state.lock().answers.len(), 0);
}

#[tokio::test]
async fn many_who_ask_are_one_question_that_outlives_them() {
    let (desk, clerk) = desk();
    let (cache, slow) = (Arc::new(narrow(desk, 8)), Slow::default());
    let get = || cache.get([1; 32], &Asker::Local, Pace::CALL, true, slow.question());
    let (mut first, mut second) = (Box::pin(get()), Box::pin(get()));
    assert!(futures::poll!(&mut first).is_pending());
    assert!(futures::poll!(&mut second).is_pending());
    drop((first, second));
    slow.go.notify_one();
    let clerk = tokio::spawn(clerk.run());
    while cache.state.lock().answers.len() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(&cache, 1, Ok(9)).await, Ok(7));
    assert_eq!(slow.count(), 1);
    drop(cache);
    clerk
        .await
        .expect("the clerk goes home when nobody can come");
}

#[tokio::test]
async fn a_question_that_nobody_waits_for_is_never_asked() {
    let (desk, clerk) = desk();
    let (cache, first, other) = (narrow(desk, 1), Slow::default(), Slow::default());
    let _clerk = tokio::spawn(clerk.run());
    let mut turn = Box::pin(cache.get([1; 32], &Asker::Local, Pace::CALL, true, first.question()));
    assert!(futures::poll!(&mut turn).is_pending());
    let mut waits = Box::pin(cache.get([2; 32], &Asker::Local, Pace::CALL, true, other.question()));
    assert!(futures::poll!(&mut waits).is_pending());
    assert_eq!(cache.state.lock().flights.len(), 2);
    drop(waits);
    while cache.state.lock().flights.len() == 2 {
        tokio::task::yield_now().await;
    }
    // It has left its place to another.
    let mut waits = Box::pin(cache.get([2; 32], &Asker::Local, Pace::CALL, true, other.question()));
    assert!(futures::poll!(&mut waits).is_pending());
    assert_eq!(other.count(), 0);
    first.go.notify_one();
    assert!(turn.await.is_ok());
    other.go.notify_one();
    assert!(waits.await.is_ok());
    assert_eq!((first.count(), other.count()), (1, 1));
}

#[tokio::test]
async fn a_full_lane_turns_away_and_the_other_one_is_open() {
    let (cache, slow) = (narrow(desk().0, 2), Slow::default());
    let mut waiting = Vec::new();
    for key in 0..3 {
        let one = cache.get([key; 32], &Asker::Local, Pace::CALL, true, slow.question());
        let mut one = Box::pin(one);
        assert!(futures::poll!(&mut one).is_pending());
        waiting.push(one);
    }
    assert_eq!(ask(&cache, 3, Ok(3)).await, Err(ReviewError::Crowded));
    // Not even the same question waits for the flooded lane.
    for key in [2, 4] {
        let asked = || std::future::ready(Ok(Some(4))).boxed();
        let got = cache
            .get([key; 32], &Asker::Local, RECHECK, true, asked)
            .await;
        assert_eq!(got.map(|(value, _)| value), Ok(Some(4)));
    }
    waiting.truncate(1);
    assert_eq!(slow.count(), 1);
}

#[tokio::test]
async fn a_question_that_panics_is_an_error() {
    let cache = cache();
    let asked = || async { panic!("as scripted") }.boxed();
    assert!(
        cache
            .get([1; 32], &Asker::Local, Pace::CALL, true, asked)
            .await
            .is_err()
    );
    assert_eq!(ask(&cache, 1, Ok(1)).await, Ok(1));
}

#[tokio::test]
async fn what_was_asked_and_what_was_known_is_counted() {
    let cache = cache();
    let failed = Err(ReviewError::Status(500));
    let _ = ask(&cache, 1, failed).await;
    for _ in 0..3 {
        let _ = ask(&cache, 1, Ok(1)).await;
    }
    let nobody = || std::future::ready(Ok(None)).boxed();
    let _ = cache
        .get([2; 32], &Asker::Local, Pace::CALL, true, nobody)
        .await;
    let slow = Slow::default();
    let first = cache.get([3; 32], &Asker::Local, Pace::CALL, true, slow.question());
    let second = cache.get([3; 32], &Asker::Local, Pace::CALL, true, slow.question());
    slow.go.notify_one();
    let _ = futures::join!(first, second);
    let count = |outcome, source| {
        let labels = crate::access::ReviewLabels {
            kind: "access",
            outcome,
            source,
        };
        let reviews = &cache.count.counts.reviews;
        reviews.get_or_create(&labels).get()
    };
    assert_eq!(count("failed", "asked"), 1);
    assert_eq!(
        (count("allowed", "asked"), count("allowed", "cache")),
        (2, 3)
    );
    assert_eq!((count("denied", "asked"), count("denied", "cache")), (1, 0));
}
