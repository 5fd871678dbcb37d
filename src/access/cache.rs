//! One question at a time for each thing that is asked, and its answer for a while.

use std::{
    collections::HashMap,
    fmt,
    panic::AssertUnwindSafe,
    sync::{Arc, Weak},
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use parking_lot::Mutex;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

use super::{
    answers::{Answer, Answers},
    counts::Count,
    desk::Desk,
    key::Key,
    lane::{Asker, Lane, Place},
    pace::{Pace, Way},
    review::{LIMIT, ReviewError},
};

/// Questions that are asked at once in each lane.
const AT_ONCE: usize = 64;
/// Questions that wait in the lane of calls. Each may hold a token.
const CALLS: usize = 1024;
/// In the other one: open streams bound by themselves what is asked about them.
const RECHECKS: usize = 4096;

type Outcome<V> = Result<V, ReviewError>;
type Question<V> = BoxFuture<'static, Outcome<V>>;

/// Remembers answers by [`Key`]. Errors are never remembered.
pub(super) struct Cache<V> {
    state: Arc<Mutex<State<V>>>,
    calls: Lane,
    rechecks: Lane,
    desk: Desk,
    count: Count,
}

struct State<V> {
    answers: Answers<V>,
    /// Nobody waits for a question in another lane, which may be a longer one.
    flights: HashMap<(Key, Way), Flight<V>>,
    count: u64,
}

struct Flight<V> {
    outcome: Shared<Question<V>>,
    asked: Instant,
    number: u64,
    wanted: Weak<Wanted>,
}

/// Held by all who wait for a question; when they are gone, it is.
type Wanted = oneshot::Sender<()>;

/// What to wait for, since when it is asked, and the word that somebody does.
type Wait<V> = (Shared<Question<V>>, Instant, Arc<Wanted>);

impl<V: Answer> Cache<V> {
    pub(super) fn new(desk: Desk, count: Count) -> Self {
        let lanes = (Lane::new(AT_ONCE, CALLS), Lane::whole(AT_ONCE, RECHECKS));
        Self::with(desk, Answers::new(), lanes, count)
    }

    fn with(
        desk: Desk,
        answers: Answers<V>,
        (calls, rechecks): (Lane, Lane),
        count: Count,
    ) -> Self {
        let state = State {
            answers,
            flights: HashMap::new(),
            count: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            calls,
            rechecks,
            desk,
            count,
        }
    }

    /// The answer and when it was asked for: one that is as fresh as the pace says, or a
    /// new one by `ask`, in its turn. Whoever asks the same at the same pace meanwhile waits for
    /// the same answer. A question that nobody waits for any more before its turn is dropped; one
    /// that is being asked is carried on, and its answer kept if `keep`. Its turn comes among those
    /// of `asker`. `ask` is called only if there has to be a new one. Cancel safe.
    ///
    /// # Errors
    /// That of `ask`; also if it takes longer than [`LIMIT`], the wait for its turn included, if
    /// too many wait, and if it panics.
    pub(super) async fn get(
        &self,
        key: Key,
        asker: &Asker,
        pace: Pace,
        keep: bool,
        ask: impl FnOnce() -> Question<V>,
    ) -> Result<(V, Instant), ReviewError> {
        let (waited, shared) = {
            let now = Instant::now();
            let earliest = pace.earliest(now);
            let mut state = self.state.lock();
            if let Some(answer) = state.answers.get(&key, earliest) {
                self.count.note::<V, ReviewError>(Ok(&answer.0), "cache");
                return Ok(answer);
            }
            match state.join(&key, pace, earliest) {
                Some(wait) => (Ok(wait), true),
                None => (
                    self.launch(&mut state, (key, pace.way), asker, now, keep, ask),
                    false,
                ),
            }
        };
        let (outcome, asked, _wanted) = waited.inspect_err(|error| {
            self.count.note::<V, _>(Err(error), "asked");
        })?;
        let outcome = outcome.await;
        if shared {
            self.count.note(outcome.as_ref(), "cache");
        }
        outcome.map(|value| (value, asked))
    }

    /// Whether an answer is at hand, or on its way.
    pub(super) fn knows(&self, key: &Key, pace: Pace) -> bool {
        let earliest = pace.earliest(Instant::now());
        let state = self.state.lock();
        let answer = state.answers.get(key, earliest);
        answer.is_some() || state.join(key, pace, earliest).is_some()
    }

    fn launch(
        &self,
        state: &mut State<V>,
        key: (Key, Way),
        asker: &Asker,
        asked: Instant,
        keep: bool,
        ask: impl FnOnce() -> Question<V>,
    ) -> Result<Wait<V>, ReviewError> {
        let lane = match key.1 {
            Way::Call => &self.calls,
            Way::Recheck => &self.rechecks,
        };
        let place = lane.enter(asker).ok_or(ReviewError::Crowded)?;
        let (wanted, unwanted) = oneshot::channel();
        let asking = in_turn(place, unwanted, ask());
        state.count += 1;
        let (number, home) = (state.count, self.state.clone());
        let count = self.count.clone();
        let outcome = async move {
            let outcome = asking.await;
            count.note(outcome.as_ref(), "asked");
            home.lock().land(key, number, keep, &outcome, asked);
            outcome
        };
        let (outcome, wanted) = (outcome.boxed().shared(), Arc::new(wanted));
        self.desk.leave(outcome.clone().map(drop).boxed());
        let flight = Flight {
            outcome: outcome.clone(),
            asked,
            number,
            wanted: Arc::downgrade(&wanted),
        };
        state.flights.insert(key, flight);
        Ok((outcome, asked, wanted))
    }

    #[cfg(test)]
    pub(super) fn clear(&self) {
        self.state.lock().answers = Answers::new();
    }
}

/// Waits for a turn, as long as anybody wants the answer, and asks.
async fn in_turn<V>(
    place: Place,
    unwanted: oneshot::Receiver<()>,
    question: Question<V>,
) -> Outcome<V> {
    let asking = async {
        let turn = tokio::select! {
            biased;
            _ = unwanted => return Err(ReviewError::Unwanted),
            turn = place.turn() => turn.ok_or(ReviewError::Crowded)?,
        };
        let outcome = question.await;
        drop(turn);
        outcome
    };
    let asking = AssertUnwindSafe(timeout(LIMIT, asking)).catch_unwind();
    match asking.await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(ReviewError::NoAnswer(format!("none within {LIMIT:?}"))),
        Err(_) => Err(ReviewError::Unusable("reading it failed")),
    }
}

impl<V: Answer> Flight<V> {
    /// Waits with the others, if it was asked for then or later and is still wanted.
    fn join(&self, earliest: Option<Instant>) -> Option<Wait<V>> {
        let fresh = earliest.is_none_or(|earliest| self.asked >= earliest);
        let wanted = self.wanted.upgrade().filter(|_| fresh)?;
        Some((self.outcome.clone(), self.asked, wanted))
    }
}

impl<V: Answer> State<V> {
    /// Waits with those who ask the same, if their answer will be new enough.
    fn join(&self, key: &Key, pace: Pace, earliest: Option<Instant>) -> Option<Wait<V>> {
        self.flights.get(&(*key, pace.way))?.join(earliest)
    }

    fn land(
        &mut self,
        key: (Key, Way),
        number: u64,
        keep: bool,
        outcome: &Outcome<V>,
        asked: Instant,
    ) {
        let flight = self.flights.get(&key);
        if flight.is_some_and(|flight| flight.number == number) {
            self.flights.remove(&key);
        }
        if let Ok(answer) = outcome
            && keep
        {
            let now = Instant::now();
            self.answers.keep(key.0, answer.clone(), asked, now);
        }
    }
}

impl<V: Answer> fmt::Debug for Cache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("Cache")
            .field("answers", &state.answers.len())
            .field("flights", &state.flights.len())
            .finish()
    }
}

#[cfg(test)]
mod tests;
