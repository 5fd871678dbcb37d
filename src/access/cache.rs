//! Answers that hold for a while, and one question at a time for each.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use super::{
    desk::Desk,
    key::Key,
    review::{LIMIT, ReviewError},
};

/// How long an answer holds, yes and no alike (the defaults of apiserver's delegated
/// authentication and authorization).
pub(super) const TTL: Duration = Duration::from_secs(10);
/// Most answers that are kept.
const CAPACITY: usize = 32 * 1024;

type Outcome<V> = Result<V, ReviewError>;
type Flight<V> = Shared<BoxFuture<'static, Outcome<V>>>;

/// Remembers answers by [`Key`]. Errors are never remembered.
pub(super) struct Cache<V> {
    state: Arc<Mutex<State<V>>>,
    desk: Desk,
}

struct State<V> {
    answers: HashMap<Key, (V, Instant)>,
    /// The answers, about in the order of their age. May name some that were replaced.
    order: VecDeque<(Key, Instant)>,
    flights: HashMap<Key, (Flight<V>, Instant)>,
    capacity: usize,
}

impl<V: Clone + Send + Sync + 'static> Cache<V> {
    pub(super) fn new(desk: Desk) -> Self {
        Self::with_capacity(desk, CAPACITY)
    }

    fn with_capacity(desk: Desk, capacity: usize) -> Self {
        let state = State {
            answers: HashMap::new(),
            order: VecDeque::new(),
            flights: HashMap::new(),
            capacity,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            desk,
        }
    }

    /// The answer and when it was asked for: one that is at most `age` old, at most [`TTL`], or a
    /// new one by `ask`. Whoever asks the same meanwhile waits for the same answer. It is got, and
    /// kept if `keep`, also if nobody waits any more. Cancel safe.
    ///
    /// # Errors
    /// That of `ask`; also if it takes longer than [`LIMIT`] or panics.
    pub(super) async fn get(
        &self,
        key: Key,
        age: Duration,
        keep: bool,
        ask: impl FnOnce() -> BoxFuture<'static, Outcome<V>>,
    ) -> Result<(V, Instant), ReviewError> {
        let (flight, asked) = {
            let now = Instant::now();
            let age = age.min(TTL);
            let mut state = self.state.lock();
            if let Some((value, asked)) = state.answers.get(&key)
                && now.duration_since(*asked) <= age
            {
                return Ok((value.clone(), *asked));
            }
            match state.flights.get(&key) {
                Some((flight, asked)) if now.duration_since(*asked) <= age => {
                    (flight.clone(), *asked)
                }
                _ => {
                    let flight = self.launch(key, now, keep, ask());
                    state.flights.insert(key, (flight.clone(), now));
                    (flight, now)
                }
            }
        };
        flight.await.map(|value| (value, asked))
    }

    fn launch(
        &self,
        key: Key,
        asked: Instant,
        keep: bool,
        question: BoxFuture<'static, Outcome<V>>,
    ) -> Flight<V> {
        let state = self.state.clone();
        let flight = async move {
            let question = AssertUnwindSafe(timeout(LIMIT, question)).catch_unwind();
            let outcome = match question.await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => Err(ReviewError::NoAnswer(format!("none within {LIMIT:?}"))),
                Err(_) => Err(ReviewError::Unusable("reading it failed")),
            };
            state
                .lock()
                .land(key, asked, outcome.as_ref().ok().filter(|_| keep));
            outcome
        };
        let flight = flight.boxed().shared();
        self.desk.leave(flight.clone().map(drop).boxed());
        flight
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.state.lock().answers.len()
    }
}

impl<V: Clone> State<V> {
    fn land(&mut self, key: Key, asked: Instant, answer: Option<&V>) {
        if self
            .flights
            .get(&key)
            .is_some_and(|(_, begun)| *begun == asked)
        {
            self.flights.remove(&key);
        }
        let Some(answer) = answer else { return };
        if self
            .answers
            .get(&key)
            .is_some_and(|(_, newer)| *newer > asked)
        {
            return;
        }
        self.answers.insert(key, (answer.clone(), asked));
        self.order.push_back((key, asked));
        self.forget(Instant::now());
    }

    /// Lets go what no longer holds, and the oldest of what is too much.
    fn forget(&mut self, now: Instant) {
        while let Some((key, asked)) = self.order.front().copied() {
            let old = now.duration_since(asked) > TTL;
            let crowded = self.answers.len() > self.capacity;
            if !old && !crowded && self.order.len() <= 2 * self.capacity {
                return;
            }
            self.order.pop_front();
            if self.answers.get(&key).is_some_and(|(_, at)| *at == asked) {
                self.answers.remove(&key);
            }
        }
    }
}

impl<V> fmt::Debug for Cache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("Cache")
            .field("answers", &state.answers.len())
            .field("flights", &state.flights.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Notify;

    use super::*;
    use crate::access::desk::desk;

    fn cache() -> Cache<u32> {
        // Without a clerk: who waits does the work.
        Cache::with_capacity(desk().0, 4)
    }

    async fn ask(cache: &Cache<u32>, key: u8, answer: Outcome<u32>) -> Outcome<u32> {
        let asked = move || std::future::ready(answer).boxed();
        let got = cache.get([key; 32], TTL, true, asked).await;
        got.map(|(value, _)| value)
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
        let later = || std::future::ready(Ok(2)).boxed();
        tokio::task::yield_now().await;
        let got = cache.get([1; 32], Duration::ZERO, true, later).await;
        assert_eq!(got.map(|(value, _)| value), Ok(2));
        assert_eq!(ask(&cache, 1, Ok(3)).await, Ok(2));
    }

    #[tokio::test]
    async fn what_is_not_to_be_kept_is_not() {
        let cache = cache();
        let asked = || std::future::ready(Ok(1)).boxed();
        let got = cache.get([1; 32], TTL, false, asked).await;
        assert_eq!(got.map(|(value, _)| value), Ok(1));
        assert_eq!(cache.len(), 0);
    }

    #[tokio::test]
    async fn the_oldest_make_room() {
        let cache = cache();
        for key in 0..20 {
            assert_eq!(
                ask(&cache, key, Ok(u32::from(key))).await,
                Ok(u32::from(key))
            );
        }
        assert_eq!(cache.len(), 4);
        assert_eq!(ask(&cache, 19, Ok(99)).await, Ok(19));
        assert_eq!(ask(&cache, 0, Ok(99)).await, Ok(99));
    }

    #[tokio::test]
    async fn many_who_ask_are_one_question_that_outlives_them() {
        let (desk, clerk) = desk();
        let cache = Arc::new(Cache::with_capacity(desk, 4));
        let (gate, asked) = (Arc::new(Notify::new()), Arc::new(AtomicU32::new(0)));
        let question = || {
            let (gate, asked) = (gate.clone(), asked.clone());
            move || {
                asked.fetch_add(1, Ordering::SeqCst);
                async move {
                    gate.notified().await;
                    Ok(7)
                }
                .boxed()
            }
        };
        let mut first = Box::pin(cache.get([1; 32], TTL, true, question()));
        let second = cache.get([1; 32], TTL, true, question());
        assert!(futures::poll!(&mut first).is_pending());
        drop(first);
        gate.notify_one();
        let clerk = tokio::spawn(clerk.run());
        assert_eq!(second.await.map(|(value, _)| value), Ok(7));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        drop(cache);
        clerk
            .await
            .expect("the clerk goes home when nobody can come");
    }

    #[tokio::test]
    async fn a_question_that_panics_is_an_error() {
        let cache = cache();
        let asked = || async { panic!("as scripted") }.boxed();
        assert!(cache.get([1; 32], TTL, true, asked).await.is_err());
        assert_eq!(ask(&cache, 1, Ok(1)).await, Ok(1));
    }
}
