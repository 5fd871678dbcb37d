//! Getting the whole state: by watch-list, or page by page.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use fastrand::Rng;

use super::{
    Effect, End, Goal, Input, Line, Machine, Next, Page, State, is_too_large, watch::Watching,
};
use crate::{
    reflector::{DecodeError, DegradedReason, RestartReason},
    resource::{Key, Object, ResourceVersion, Status, UpstreamEvent},
};

/// Opened watch-lists that fail in a row before LIST and WATCH take over.
const INITIAL_FAILURES: u32 = 3;

/// A list under way.
#[derive(Debug)]
pub(super) struct Listing {
    objects: Vec<Arc<Object>>,
    /// The version of all pages, from the first one on.
    version: Option<ResourceVersion>,
    continue_token: Option<String>,
    paged: bool,
}

impl Listing {
    pub(super) fn paged() -> Self {
        Self {
            objects: Vec::new(),
            version: None,
            continue_token: None,
            paged: true,
        }
    }

    fn unpaged() -> Self {
        Self {
            paged: false,
            ..Self::paged()
        }
    }

    /// What to try after a failure: the same page, unless it was the first.
    fn again(self) -> Goal {
        if self.continue_token.is_some() {
            Goal::Page(self)
        } else {
            Goal::Sync
        }
    }

    pub(super) fn continue_token(&self) -> Option<String> {
        self.continue_token.clone()
    }

    pub(super) fn is_paged(&self) -> bool {
        self.paged
    }
}

/// A watch-list under way: what it has shown so far.
#[derive(Debug)]
pub(super) struct Initial {
    objects: BTreeMap<Key, Arc<Object>>,
    timeout: Duration,
}

impl Initial {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            objects: BTreeMap::new(),
            timeout,
        }
    }
}

impl Machine {
    pub(super) fn on_listing(&mut self, listing: Listing, input: Input, rng: &mut Rng) -> Next {
        match input {
            Input::Page(Ok(page)) => self.on_page(listing, page, rng),
            Input::Page(Err(error)) => {
                self.effects.push(Effect::Malformed(error));
                self.effects.push(Effect::Restart(RestartReason::Malformed));
                self.degraded(DegradedReason::BadAnswer);
                self.retry(listing.again(), rng)
            }
            // The continuation has expired. The pages so far can't be completed, and the next
            // list must not run into the same (client-go pager `FullListIfExpired`).
            Input::Refused(status) if status.is_expired() && listing.continue_token.is_some() => {
                self.list_anew(&listing, RestartReason::Expired, rng)
            }
            Input::Refused(status) if status.is_expired() || is_too_large(&status) => {
                self.refused(&status, Goal::Sync, false, rng)
            }
            Input::Refused(status) => self.refused(&status, listing.again(), false, rng),
            Input::Unreachable => {
                self.effects.push(Effect::Restart(RestartReason::Broken));
                self.degraded(DegradedReason::Unreachable);
                self.retry(listing.again(), rng)
            }
            Input::Waited
            | Input::Served(_)
            | Input::Opened
            | Input::Lines { .. }
            | Input::Ended { .. } => self.unfit(rng),
        }
    }

    fn on_page(&mut self, mut listing: Listing, page: Page, rng: &mut Rng) -> Next {
        if listing.version.as_ref().is_some_and(|v| *v != page.version) {
            // Two versions must never be spliced into one state.
            return self.list_anew(&listing, RestartReason::Desync, rng);
        }
        listing.objects.extend(page.objects);
        listing.version = Some(page.version.clone());
        listing.continue_token = page.continue_token;
        if listing.continue_token.is_some() {
            return self.list(listing);
        }
        let mut objects = listing.objects;
        objects.sort_by(|a, b| a.key().cmp(b.key()));
        self.replace(objects, page.version.clone());
        self.watch(page.version, rng)
    }

    /// Pages that can't be completed are thrown away; the next list comes in one piece.
    fn list_anew(&mut self, listing: &Listing, reason: RestartReason, rng: &mut Rng) -> Next {
        self.effects.push(Effect::Restart(reason));
        if listing.paged {
            self.list(Listing::unpaged())
        } else {
            self.retry(Goal::Sync, rng)
        }
    }

    pub(super) fn on_initial(&mut self, initial: Initial, input: Input, rng: &mut Rng) -> Next {
        match input {
            Input::Opened => self.read_initial(initial),
            Input::Lines { lines, lived } => self.on_initial_lines(initial, lines, lived, rng),
            Input::Refused(status) if forbids_watch_list(&status) => self.fall_back(),
            Input::Refused(status) => self.refused(&status, Goal::Sync, false, rng),
            Input::Unreachable => {
                self.effects.push(Effect::Restart(RestartReason::Broken));
                self.degraded(DegradedReason::Unreachable);
                self.retry(Goal::Sync, rng)
            }
            Input::Ended { end, lived: _ } => match end {
                End::InitialDeadline | End::Idle => self.fall_back(),
                End::Closed => self.initial_failed(RestartReason::Closed, rng),
                End::Broken => self.initial_failed(RestartReason::Broken, rng),
            },
            Input::Waited | Input::Served(_) | Input::Page(_) => self.unfit(rng),
        }
    }

    fn read_initial(&mut self, initial: Initial) -> Next {
        self.state = State::Initial(initial);
        Next::Read { initial: true }
    }

    /// Every kind of change counts before the end as after it: what is deleted while the state is
    /// being sent must not stay (client-go reflector_watchlist_test.go).
    fn on_initial_lines(
        &mut self,
        mut initial: Initial,
        lines: Vec<Line>,
        lived: Duration,
        rng: &mut Rng,
    ) -> Next {
        let mut lines = lines.into_iter();
        while let Some(line) = lines.next() {
            match line {
                Ok(UpstreamEvent::Added(object) | UpstreamEvent::Modified(object)) => {
                    initial.objects.insert(object.key().clone(), object);
                }
                Ok(UpstreamEvent::Deleted(object)) => {
                    initial.objects.remove(object.key());
                }
                Ok(UpstreamEvent::Bookmark {
                    version,
                    initial_events_end: true,
                }) => {
                    self.bookmarks = true;
                    self.replace(initial.objects.into_values().collect(), version);
                    self.progress();
                    let watching = Watching::new(initial.timeout);
                    return self.on_lines(watching, lines.collect(), lived, rng);
                }
                // A server that knows watch-lists sends no other bookmark before the end.
                Ok(UpstreamEvent::Bookmark { .. }) => return self.fall_back(),
                Ok(UpstreamEvent::Error(status)) => return self.initial_error(&status, rng),
                Err(error) => return self.initial_malformed(error, rng),
            }
        }
        self.read_initial(initial)
    }

    fn initial_error(&mut self, status: &Status, rng: &mut Rng) -> Next {
        if forbids_watch_list(status) {
            return self.fall_back();
        }
        self.count_initial_failure();
        self.refused(status, Goal::Sync, true, rng)
    }

    fn initial_malformed(&mut self, error: DecodeError, rng: &mut Rng) -> Next {
        self.effects.push(Effect::Malformed(error));
        self.trouble_in_stream(DegradedReason::BadAnswer);
        self.initial_failed(RestartReason::Malformed, rng)
    }

    fn initial_failed(&mut self, reason: RestartReason, rng: &mut Rng) -> Next {
        self.effects.push(Effect::Restart(reason));
        self.trouble_in_stream(DegradedReason::Unreachable);
        self.count_initial_failure();
        self.retry(Goal::Sync, rng)
    }

    fn count_initial_failure(&mut self) {
        self.initial_failures += 1;
        if self.initial_failures >= INITIAL_FAILURES {
            self.effects.push(Effect::Restart(RestartReason::Fallback));
            self.watch_list = false;
        }
    }

    fn fall_back(&mut self) -> Next {
        self.effects.push(Effect::Restart(RestartReason::Fallback));
        self.watch_list = false;
        self.list(Listing::paged())
    }
}

/// Any refusal that isn't about the caller, the resource or the moment is about the watch-list:
/// servers without it answer 422, 400 or worse.
fn forbids_watch_list(status: &Status) -> bool {
    matches!(status.code, 400..=499) && !matches!(status.code, 401 | 403 | 404 | 410 | 429)
}
