//! The reflector's decisions: state × input → state × effects. No I/O, no clock.
//!
//! The driver performs [`Next`] and answers with exactly one [`Input`]; on the way it hands the
//! [`Effect`]s to the owner. Any `Next` but `Read` ends the connection that was open.
//!
//! The rules are client-go's (tools/cache/reflector.go, tools/watch/retrywatcher.go) with stricter
//! checks of what the server says.

mod backoff;
mod refused;
mod sync;
mod watch;

use std::{sync::Arc, time::Duration};

use fastrand::Rng;

use super::{
    DegradedReason, Delta, Health, ReflectorOptions, RestartReason,
    decode::{DecodeError, Page},
};
use crate::resource::{Object, ResourceVersion, Status, UpstreamEvent};
use backoff::Backoff;
pub(super) use refused::is_too_large;
use refused::{NotFound, is_unsafe_delete};
use sync::{Initial, Listing};
use watch::Watching;

/// What the driver has to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Ask for a page of a list. Answered by `Page`, `Refused` or `Unreachable`.
    List {
        /// `None`: the first page. The version is never given: a list is a quorum read.
        continue_token: Option<String>,
        /// Objects per page; `None`: all at once.
        limit: Option<u32>,
    },
    /// Open a watch. Answered by `Opened`, `Refused` or `Unreachable`.
    Watch {
        /// `None`: a watch-list, which sends the state first (KEP-3157).
        from: Option<ResourceVersion>,
        /// The `timeoutSeconds` to ask for.
        timeout: Duration,
    },
    /// Read from the open watch. Answered by `Lines` or `Ended`.
    Read {
        /// The initial state isn't complete yet, so its deadline holds.
        initial: bool,
    },
    /// Ask discovery whether the resource is served. Answered by `Served`.
    Confirm,
    /// Wait. Answered by `Waited`.
    Wait(Duration),
}

/// One line of a watch, read or not.
pub type Line = Result<UpstreamEvent, DecodeError>;

/// What has happened.
#[derive(Debug)]
pub enum Input {
    /// The wait is over; also the first input of all.
    Waited,
    /// A page was read.
    Page(Result<Page, DecodeError>),
    /// The watch was accepted (status 200).
    Opened,
    /// Complete lines of the watch, all that could be had without waiting. Nothing follows an
    /// error.
    Lines {
        /// The decoded lines.
        lines: Vec<Line>,
        /// Age of the connection.
        lived: Duration,
    },
    /// The server answered with an HTTP error.
    Refused(Status),
    /// What discovery says about the resource; `None` if it could not be asked.
    Served(Option<bool>),
    /// No answer could be had, or it broke off in the middle of a page.
    Unreachable,
    /// The watch is over.
    Ended {
        /// How.
        end: End,
        /// Age of the connection.
        lived: Duration,
    },
}

/// How a watch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Cleanly. A partial line before it has been discarded: the next watch brings it again.
    Closed,
    /// With an error of the connection.
    Broken,
    /// Nothing was heard for the idle limit.
    Idle,
    /// The initial state wasn't complete in time.
    InitialDeadline,
}

/// What the owner is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// See [`Sink::replace`](super::Sink::replace).
    Replace {
        /// Sorted by key.
        objects: Vec<Arc<Object>>,
        /// Version of the state.
        version: ResourceVersion,
        /// It does not continue what was told before.
        rewound: bool,
    },
    /// See [`Sink::apply`](super::Sink::apply).
    Apply(Vec<Delta>),
    /// See [`Sink::health`](super::Sink::health).
    Health(Health),
    /// A watch ended or a list is made anew.
    Restart(RestartReason),
    /// Events were dropped because their versions had been seen.
    Duplicates(u64),
    /// A line or a page could not be read.
    Malformed(DecodeError),
}

/// The answer to an input.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// For the owner, in order.
    pub effects: Vec<Effect>,
    /// For the driver.
    pub next: Next,
}

/// The state machine of one resource.
#[derive(Debug)]
pub struct Machine {
    options: ReflectorOptions,
    state: State,
    /// The version of what the owner was told last.
    position: Option<ResourceVersion>,
    /// The resource was not served since: it may have been made anew.
    void: bool,
    /// Whether the state is asked for as a stream. Cleared for good once that has failed.
    watch_list: bool,
    /// Failures of opened watch-lists in a row.
    initial_failures: u32,
    /// Malformed lines in a row at this position.
    malformed: u32,
    /// Watches in a row that ended without a byte.
    silent: u32,
    /// Whether this resource's watches have ever brought a bookmark.
    bookmarks: bool,
    backoff: Backoff,
    health: Option<Health>,
    /// The trouble showed inside of streams: an accepted request is no proof that it is over.
    doubtful: bool,
    effects: Vec<Effect>,
}

#[derive(Debug)]
enum State {
    Waiting(Goal),
    Listing(Listing),
    Initial(Initial),
    Watching(Watching),
    Confirming(NotFound),
}

/// What is to be done after a wait.
#[derive(Debug)]
enum Goal {
    /// Get the whole state.
    Sync,
    /// Go on with a list.
    Page(Listing),
    /// Watch from the position.
    Watch,
}

impl Machine {
    /// A machine that knows nothing yet. Its first input is [`Input::Waited`].
    pub fn new(options: ReflectorOptions) -> Self {
        Self {
            state: State::Waiting(Goal::Sync),
            position: None,
            void: false,
            watch_list: options.watch_list,
            initial_failures: 0,
            malformed: 0,
            silent: 0,
            bookmarks: false,
            backoff: Backoff::new(&options),
            health: None,
            doubtful: false,
            effects: Vec::new(),
            options,
        }
    }

    /// Takes one step. An input that doesn't fit the state starts a new sync.
    pub fn step(&mut self, input: Input, rng: &mut Rng) -> Step {
        let state = std::mem::replace(&mut self.state, State::Waiting(Goal::Sync));
        let next = match (state, input) {
            (State::Waiting(goal), Input::Waited) => self.begin(goal, rng),
            (State::Listing(listing), input) => self.on_listing(listing, input, rng),
            (State::Initial(initial), input) => self.on_initial(initial, input, rng),
            (State::Watching(watching), input) => self.on_watching(watching, input, rng),
            (State::Confirming(found), Input::Served(served)) => {
                self.on_confirmed(found, served, rng)
            }
            (State::Waiting(_) | State::Confirming(_), _) => self.unfit(rng),
        };
        Step {
            effects: std::mem::take(&mut self.effects),
            next,
        }
    }

    fn begin(&mut self, goal: Goal, rng: &mut Rng) -> Next {
        match (goal, self.position.clone()) {
            (Goal::Page(listing), _) => self.list(listing),
            (Goal::Watch, Some(from)) => self.watch(from, rng),
            (Goal::Watch, None) | (Goal::Sync, _) if self.watch_list => {
                let timeout = self.timeout(rng);
                self.state = State::Initial(Initial::new(timeout));
                Next::Watch {
                    from: None,
                    timeout,
                }
            }
            (Goal::Watch, None) | (Goal::Sync, _) => self.list(Listing::paged()),
        }
    }

    fn list(&mut self, listing: Listing) -> Next {
        let next = Next::List {
            continue_token: listing.continue_token(),
            limit: listing.is_paged().then_some(self.options.page_limit),
        };
        self.state = State::Listing(listing);
        next
    }

    fn watch(&mut self, from: ResourceVersion, rng: &mut Rng) -> Next {
        let timeout = self.timeout(rng);
        self.state = State::Watching(Watching::new(timeout));
        Next::Watch {
            from: Some(from),
            timeout,
        }
    }

    fn timeout(&self, rng: &mut Rng) -> Duration {
        let range = &self.options.watch_timeout;
        range.start + range.end.saturating_sub(range.start).mul_f64(rng.f64())
    }

    /// Tells the owner the whole state.
    fn replace(&mut self, objects: Vec<Arc<Object>>, version: ResourceVersion) {
        let seen = self.position.replace(version.clone());
        let void = std::mem::take(&mut self.void);
        self.malformed = 0;
        self.doubtful = false;
        self.effects.push(Effect::Replace {
            rewound: seen.is_some_and(|seen| void || seen.is_after(&version)),
            objects,
            version,
        });
    }

    fn wait(&mut self, goal: Goal, wait: Duration) -> Next {
        self.state = State::Waiting(goal);
        Next::Wait(wait)
    }

    /// Waits by the backoff.
    fn retry(&mut self, goal: Goal, rng: &mut Rng) -> Next {
        let wait = self.backoff.next(rng);
        self.wait(goal, wait)
    }

    /// Gets the whole state anew: at once the first time, by the backoff if it goes on.
    fn relist(&mut self, reason: RestartReason, rng: &mut Rng) -> Next {
        self.effects.push(Effect::Restart(reason));
        let wait = if self.backoff.is_fresh() {
            self.backoff.next(rng);
            Duration::ZERO
        } else {
            self.backoff.next(rng)
        };
        self.wait(Goal::Sync, wait)
    }

    fn unfit(&mut self, rng: &mut Rng) -> Next {
        debug_assert!(false, "the driver answers what it was asked");
        self.retry(Goal::Sync, rng)
    }

    fn degraded(&mut self, reason: DegradedReason) {
        self.say(Health::Degraded { reason });
    }

    /// A stream that was accepted has failed: once is everyday life, twice in a row is trouble.
    fn trouble_in_stream(&mut self, reason: DegradedReason) {
        if !self.backoff.is_fresh() || matches!(self.health, Some(Health::Degraded { .. })) {
            self.doubtful = true;
            self.degraded(reason);
        }
    }

    fn opened(&mut self) {
        if !self.doubtful {
            self.say(Health::Healthy);
        }
    }

    /// The stream has brought something that counts.
    fn progress(&mut self) {
        self.doubtful = false;
        self.silent = 0;
        self.initial_failures = 0;
        self.backoff.progress();
        self.say(Health::Healthy);
    }

    fn say(&mut self, health: Health) {
        if self.health != Some(health) {
            self.health = Some(health);
            self.effects.push(Effect::Health(health));
        }
    }
}

#[cfg(test)]
mod tests;
