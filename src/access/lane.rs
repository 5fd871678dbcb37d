//! A lane of questions: so many are asked at once, so many wait, and whoever asks much waits behind
//! those who ask little.
//!
//! Turns go round among those who ask, one question each, and where it is so wanted one asker has
//! at most a share of them. When the lane is full a newcomer takes the place of the last question
//! of whoever has most waiting. So a flood delays, and turns away, whoever it comes from.

mod asker;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

pub(super) use asker::Asker;

/// One asker has at most this part of the turns, so that the slow answers of one don't take them
/// all.
const SHARE: usize = 4;

/// Questions that are asked at once, and questions that wait for that.
#[derive(Debug)]
pub(super) struct Lane(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// Turns that nobody has.
    free: usize,
    /// Turns that one asker may have.
    share: usize,
    /// Questions that may wait.
    places: usize,
    waiting: usize,
    lines: HashMap<Asker, Line>,
    /// Those who have a question waiting and may have a turn; the next one first.
    round: VecDeque<Asker>,
    tickets: HashMap<u64, Ticket>,
    count: u64,
}

/// What one asker has here.
#[derive(Debug, Default)]
struct Line {
    turns: usize,
    waiting: VecDeque<u64>,
}

#[derive(Debug)]
struct Ticket {
    asker: Asker,
    /// `None` when it has been called.
    call: Option<Call>,
}

/// Sent at the turn; dropped when the place went to another.
type Call = oneshot::Sender<()>;

/// A place in the lane. Dropping it leaves the lane.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    called: oneshot::Receiver<()>,
    lane: Arc<Mutex<State>>,
}

/// A question that is being asked. Dropping it lets the next one have its turn.
#[derive(Debug)]
#[expect(dead_code, reason = "held, never looked at")]
pub(super) struct Turn(Place);

impl Lane {
    pub(super) fn new(at_once: usize, places: usize) -> Self {
        Self::with_share(at_once, (at_once / SHARE).max(1), places)
    }

    /// One in which an asker may have all turns while nobody else waits for one: for questions that
    /// are few and come in an order of their own, in which a turn that is left free helps nobody.
    pub(super) fn whole(at_once: usize, places: usize) -> Self {
        Self::with_share(at_once, at_once, places)
    }

    fn with_share(at_once: usize, share: usize, places: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: at_once,
            share,
            places,
            waiting: 0,
            lines: HashMap::new(),
            round: VecDeque::new(),
            tickets: HashMap::new(),
            count: 0,
        })))
    }

    /// Joins the lane; `None` if it is full and nobody has more waiting.
    pub(super) fn enter(&self, asker: &Asker) -> Option<Place> {
        // What wakes others is done without the lock.
        let (place, calls, _displaced) = {
            let mut state = self.0.lock();
            let displaced = state.make_room(asker)?;
            let (number, called) = state.join(asker);
            let place = Place {
                number,
                called,
                lane: self.0.clone(),
            };
            (place, state.call(), displaced)
        };
        announce(calls);
        Some(place)
    }
}

impl Place {
    /// Waits for its turn; `None` if the place went to somebody else. Cancel safe: who stops
    /// waiting leaves the lane.
    pub(super) async fn turn(mut self) -> Option<Turn> {
        let called = (&mut self.called).await;
        called.ok().map(|()| Turn(self))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let calls = {
            let mut state = self.lane.lock();
            state.leave(self.number);
            state.call()
        };
        announce(calls);
    }
}

fn announce(calls: Vec<Call>) {
    for call in calls {
        // Whoever has left meanwhile gives the turn back.
        let _ = call.send(());
    }
}

impl State {
    /// Makes sure of a place. Gives the call of whoever lost it; `None` if there is no place.
    fn make_room(&mut self, asker: &Asker) -> Option<Option<Call>> {
        if self.waiting < self.places || self.may_have_turn(asker) {
            return Some(None);
        }
        let own = self.lines.get(asker).map_or(0, |line| line.waiting.len());
        let (longest, line) = self.lines.iter().max_by_key(|(_, l)| l.waiting.len())?;
        let last = line.waiting.back().copied()?;
        if line.waiting.len() <= own + 1 {
            return None;
        }
        let longest = longest.clone();
        self.change(&longest, |line| {
            line.waiting.pop_back();
        });
        self.waiting -= 1;
        let displaced = self.tickets.remove(&last);
        Some(displaced.and_then(|ticket| ticket.call))
    }

    /// Whether a new question would not have to wait.
    fn may_have_turn(&self, asker: &Asker) -> bool {
        let turns = self.lines.get(asker).map_or(0, |line| line.turns);
        self.free > 0 && turns < self.share
    }

    fn join(&mut self, asker: &Asker) -> (u64, oneshot::Receiver<()>) {
        let (call, called) = oneshot::channel();
        self.count += 1;
        let number = self.count;
        let ticket = Ticket {
            asker: asker.clone(),
            call: Some(call),
        };
        self.tickets.insert(number, ticket);
        self.waiting += 1;
        self.change(asker, |line| line.waiting.push_back(number));
        (number, called)
    }

    fn leave(&mut self, number: u64) {
        let Some(ticket) = self.tickets.remove(&number) else {
            return;
        };
        match ticket.call {
            Some(_) => {
                self.waiting -= 1;
                let waits = |other: &u64| *other != number;
                self.change(&ticket.asker, |line| line.waiting.retain(waits));
            }
            None => {
                self.free += 1;
                self.change(&ticket.asker, |line| line.turns -= 1);
            }
        }
    }

    /// Gives turns to those who are next, as long as there are any.
    fn call(&mut self) -> Vec<Call> {
        let mut calls = Vec::new();
        while self.free > 0
            && let Some(asker) = self.round.front().cloned()
        {
            let mut next = None;
            self.change(&asker, |line| {
                next = line.waiting.pop_front();
                line.turns += 1;
            });
            self.free -= 1;
            self.waiting -= 1;
            let ticket = next.and_then(|number| self.tickets.get_mut(&number));
            calls.extend(ticket.and_then(|ticket| ticket.call.take()));
            // To the end of the round, if it still is in it.
            if self.round.front() == Some(&asker) {
                self.round.rotate_left(1);
            }
        }
        calls
    }

    /// Changes what an asker has, and whether it is in the round.
    fn change(&mut self, asker: &Asker, change: impl FnOnce(&mut Line)) {
        let share = self.share;
        let is_next = |line: &Line| line.turns < share && !line.waiting.is_empty();
        let line = self.lines.entry(asker.clone()).or_default();
        let before = is_next(line);
        change(line);
        let (after, gone) = (is_next(line), line.turns == 0 && line.waiting.is_empty());
        match (before, after) {
            (false, true) => self.round.push_back(asker.clone()),
            (true, false) => self.round.retain(|other| other != asker),
            _ => {}
        }
        if gone {
            self.lines.remove(asker);
        }
    }
}
