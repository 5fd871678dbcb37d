//! Answers that are kept for a while: each yes and each no on a shelf of its own, so that strangers,
//! however many, don't push out those who are known.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use super::key::Key;

/// How long an answer holds, yes and no alike (the defaults of apiserver's delegated
/// authentication and authorization).
pub(super) const TTL: Duration = Duration::from_secs(10);
/// Most answers of either kind that are kept.
const YES: usize = 32 * 1024;
const NO: usize = 4 * 1024;

/// What a review says.
pub(super) trait Answer: Clone + Send + Sync + 'static {
    /// Whether it lets nobody in.
    fn is_no(&self) -> bool;
}

impl Answer for bool {
    fn is_no(&self) -> bool {
        !self
    }
}

/// Somebody, or nobody.
impl<T: Clone + Send + Sync + 'static> Answer for Option<T> {
    fn is_no(&self) -> bool {
        self.is_none()
    }
}

/// Answers and when they were asked for. A key is on one of the shelves at most.
pub(super) struct Answers<V> {
    yes: Shelf<V>,
    no: Shelf<V>,
}

impl<V: Answer> Answers<V> {
    pub(super) fn new() -> Self {
        Self::with_capacity(YES, NO)
    }

    pub(super) fn with_capacity(yes: usize, no: usize) -> Self {
        Self {
            yes: Shelf::new(yes),
            no: Shelf::new(no),
        }
    }

    /// One that was asked for then or later; any, if there is no such time.
    pub(super) fn get(&self, key: &Key, earliest: Option<Instant>) -> Option<(V, Instant)> {
        let (answer, asked) = self.find(key)?;
        let fresh = earliest.is_none_or(|earliest| *asked >= earliest);
        fresh.then(|| (answer.clone(), *asked))
    }

    /// Keeps one, unless there is one that was asked for later.
    pub(super) fn keep(&mut self, key: Key, answer: V, asked: Instant, now: Instant) {
        if self.find(&key).is_some_and(|(_, newer)| *newer > asked) {
            return;
        }
        let (own, other) = match answer.is_no() {
            true => (&mut self.no, &mut self.yes),
            false => (&mut self.yes, &mut self.no),
        };
        other.answers.remove(&key);
        own.put(key, answer, asked);
        own.forget(now);
    }

    pub(super) fn len(&self) -> usize {
        self.yes.answers.len() + self.no.answers.len()
    }

    fn find(&self, key: &Key) -> Option<&(V, Instant)> {
        let yes = self.yes.answers.get(key);
        yes.or_else(|| self.no.answers.get(key))
    }
}

struct Shelf<V> {
    answers: HashMap<Key, (V, Instant)>,
    /// The answers, about in the order of their age. May name some that were replaced.
    order: VecDeque<(Key, Instant)>,
    capacity: usize,
}

impl<V> Shelf<V> {
    fn new(capacity: usize) -> Self {
        Self {
            answers: HashMap::new(),
            order: VecDeque::new(),
            capacity,
        }
    }

    fn put(&mut self, key: Key, answer: V, asked: Instant) {
        self.answers.insert(key, (answer, asked));
        self.order.push_back((key, asked));
    }

    /// Lets go what no longer holds, and the oldest of what is too much.
    fn forget(&mut self, now: Instant) {
        while let Some((key, asked)) = self.order.front().copied() {
            let old = now.saturating_duration_since(asked) > TTL;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn second(number: u64, began: Instant) -> Instant {
        began + Duration::from_secs(number)
    }

    #[test]
    fn the_oldest_make_room() {
        let (mut answers, now) = (Answers::with_capacity(4, 4), Instant::now());
        for key in 0..20 {
            answers.keep([key; 32], true, now, now);
        }
        assert_eq!(answers.len(), 4);
        assert!(answers.get(&[19; 32], Some(now)).is_some());
        assert!(answers.get(&[0; 32], Some(now)).is_none());
    }

    #[test]
    fn no_number_of_noes_pushes_out_a_yes() {
        let (mut answers, now) = (Answers::with_capacity(4, 4), Instant::now());
        answers.keep([0; 32], true, now, now);
        for key in 1..100 {
            answers.keep([key; 32], false, now, now);
        }
        assert_eq!(answers.get(&[0; 32], Some(now)), Some((true, now)));
        assert_eq!(answers.len(), 5);
    }

    #[test]
    fn the_answer_that_was_asked_for_last_counts() {
        let (mut answers, began) = (Answers::with_capacity(4, 4), Instant::now());
        let now = second(3, began);
        let got = |answers: &Answers<bool>| answers.get(&[1; 32], None).map(|(yes, _)| yes);
        answers.keep([1; 32], true, second(1, began), now);
        answers.keep([1; 32], false, second(2, began), now);
        assert_eq!((got(&answers), answers.len()), (Some(false), 1));
        answers.keep([1; 32], true, second(1, began), now);
        assert_eq!(got(&answers), Some(false));
        answers.keep([1; 32], true, now, now);
        assert_eq!((got(&answers), answers.len()), (Some(true), 1));
    }

    #[test]
    fn what_no_longer_holds_goes() {
        let (mut answers, began) = (Answers::with_capacity(4, 4), Instant::now());
        answers.keep([1; 32], true, began, began);
        let later = second(11, began);
        assert!(answers.get(&[1; 32], Some(second(1, began))).is_none());
        answers.keep([2; 32], true, later, later);
        assert_eq!(answers.len(), 1);
    }
}
