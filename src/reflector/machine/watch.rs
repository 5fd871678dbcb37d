//! Following the changes from a position.

use std::{cmp::Ordering, time::Duration};

use fastrand::Rng;

use super::{Effect, End, Goal, Input, Line, Machine, Next, State, is_too_large, is_unsafe_delete};
use crate::{
    reflector::{DecodeError, DegradedReason, Delta, RestartReason},
    resource::{ResourceVersion, Status, UpstreamEvent},
};

/// A stream that ends sooner than this without a word was no success
/// (client-go `VeryShortWatchError`).
const SHORT_LIFE: Duration = Duration::from_secs(1);

/// A stream that ends so close before its planned end has ended as planned: planned ends are
/// spread already, so nothing is waited for.
const PLANNED_END: Duration = Duration::from_secs(5);

/// Silent watches in a row, on a resource that has shown bookmarks, after which the position is
/// in doubt: a server whose versions have gone back drops everything below it without a word
/// (kubernetes/kubernetes#107457).
const SILENT_WATCHES: u32 = 2;

/// One connection.
#[derive(Debug)]
pub(super) struct Watching {
    timeout: Duration,
    /// The position has moved on this connection: from here on the order is binding.
    advanced: bool,
    /// Something that counts has come.
    heard: bool,
}

enum Verdict {
    Apply,
    Drop,
    Desync,
}

impl Watching {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            advanced: false,
            heard: false,
        }
    }
}

impl Machine {
    pub(super) fn on_watching(&mut self, watching: Watching, input: Input, rng: &mut Rng) -> Next {
        match input {
            Input::Opened => {
                self.opened();
                self.read(watching)
            }
            Input::Lines { lines, lived } => self.on_lines(watching, lines, lived, rng),
            Input::Refused(status) => self.watch_error(&status, false, rng),
            Input::Unreachable => {
                self.effects.push(Effect::Restart(RestartReason::Broken));
                self.degraded(DegradedReason::Unreachable);
                self.retry(Goal::Watch, rng)
            }
            Input::Ended { end, lived } => self.on_end(&watching, end, lived, rng),
            Input::Waited | Input::Served(_) | Input::Page(_) => self.unfit(rng),
        }
    }

    fn read(&mut self, watching: Watching) -> Next {
        self.state = State::Watching(watching);
        Next::Read { initial: false }
    }

    pub(super) fn on_lines(
        &mut self,
        mut watching: Watching,
        lines: Vec<Line>,
        lived: Duration,
        rng: &mut Rng,
    ) -> Next {
        self.backoff.lived(lived);
        let mut batch = Batch::default();
        let mut broken = None;
        for line in lines {
            if let Err(error) = self.take(&mut watching, &mut batch, line) {
                broken = Some(error);
                break;
            }
        }
        if batch.heard {
            watching.heard = true;
            self.progress();
        }
        if batch.duplicates > 0 {
            self.effects.push(Effect::Duplicates(batch.duplicates));
        }
        if !batch.deltas.is_empty() {
            self.effects.push(Effect::Apply(batch.deltas));
        }
        match broken {
            None => self.read(watching),
            Some(Broken::Error(status)) => self.watch_error(&status, true, rng),
            Some(Broken::Line(error)) => self.on_bad_line(error, rng),
            Some(Broken::Order) => self.desync(rng),
        }
    }

    fn take(
        &mut self,
        watching: &mut Watching,
        batch: &mut Batch,
        line: Line,
    ) -> Result<(), Broken> {
        let delta = match line.map_err(Broken::Line)? {
            UpstreamEvent::Added(object) => Delta::Added(object),
            UpstreamEvent::Modified(object) => Delta::Modified(object),
            UpstreamEvent::Deleted(object) => Delta::Deleted(object),
            UpstreamEvent::Bookmark { version, .. } => {
                return self.bookmark(watching, batch, version);
            }
            UpstreamEvent::Error(status) => return Err(Broken::Error(status)),
        };
        match self.judge(delta.version(), watching.advanced) {
            Verdict::Desync => return Err(Broken::Order),
            Verdict::Drop => batch.duplicates += 1,
            Verdict::Apply => {
                self.advance(watching, delta.version().clone());
                batch.heard = true;
                batch.deltas.push(delta);
            }
        }
        Ok(())
    }

    /// What an event of this version is worth. At the start of a connection a server may replay
    /// what was seen (etcd-io/etcd#15271); later the order is a promise (KEP-5504).
    fn judge(&self, version: &ResourceVersion, advanced: bool) -> Verdict {
        let Some(position) = self.position.as_ref().filter(|p| p.is_ordered()) else {
            return Verdict::Apply;
        };
        match version.compare(position) {
            None | Some(Ordering::Greater) => Verdict::Apply,
            Some(Ordering::Equal) => Verdict::Drop,
            Some(Ordering::Less) if advanced => Verdict::Desync,
            Some(Ordering::Less) => Verdict::Drop,
        }
    }

    /// A bookmark below the position is no replay: the server itself stands there, so it has gone
    /// back in time or isn't the same.
    fn bookmark(
        &mut self,
        watching: &mut Watching,
        batch: &mut Batch,
        version: ResourceVersion,
    ) -> Result<(), Broken> {
        self.bookmarks = true;
        if self.position.as_ref().is_some_and(|p| p.is_after(&version)) {
            return Err(Broken::Order);
        }
        batch.heard = true;
        if self.position.as_ref() != Some(&version) {
            self.advance(watching, version.clone());
        }
        // Only the last of a storm matters.
        if let Some(Delta::Bookmark(last)) = batch.deltas.last_mut() {
            *last = version;
        } else {
            batch.deltas.push(Delta::Bookmark(version));
        }
        Ok(())
    }

    fn advance(&mut self, watching: &mut Watching, version: ResourceVersion) {
        self.position = Some(version);
        self.malformed = 0;
        watching.advanced = true;
    }

    fn watch_error(&mut self, status: &Status, in_stream: bool, rng: &mut Rng) -> Next {
        if status.is_expired() {
            self.relist(RestartReason::Expired, rng)
        } else if is_too_large(status) || is_unsafe_delete(status) {
            self.relist(RestartReason::Error, rng)
        } else {
            self.refused(status, Goal::Watch, in_stream, rng)
        }
    }

    /// Behind a line that can't be read hides a change: nothing after it may be applied.
    fn on_bad_line(&mut self, error: DecodeError, rng: &mut Rng) -> Next {
        self.effects.push(Effect::Malformed(error));
        if error.is_desync() {
            return self.desync(rng);
        }
        self.trouble_in_stream(DegradedReason::BadAnswer);
        self.malformed += 1;
        if self.malformed >= self.options.malformed_limit {
            self.malformed = 0;
            return self.relist(RestartReason::Malformed, rng);
        }
        self.effects.push(Effect::Restart(RestartReason::Malformed));
        self.retry(Goal::Watch, rng)
    }

    fn desync(&mut self, rng: &mut Rng) -> Next {
        self.degraded(DegradedReason::Desynced);
        self.relist(RestartReason::Desync, rng)
    }

    fn on_end(&mut self, watching: &Watching, end: End, lived: Duration, rng: &mut Rng) -> Next {
        self.backoff.lived(lived);
        let reason = match end {
            End::Closed => RestartReason::Closed,
            End::Broken => RestartReason::Broken,
            End::Idle | End::InitialDeadline => RestartReason::Idle,
        };
        if reason == RestartReason::Idle && !watching.heard && self.bookmarks {
            self.silent += 1;
            if self.silent >= SILENT_WATCHES {
                self.silent = 0;
                return self.relist(reason, rng);
            }
        }
        self.effects.push(Effect::Restart(reason));
        if !watching.heard && lived < SHORT_LIFE {
            self.trouble_in_stream(DegradedReason::Unreachable);
            return self.retry(Goal::Watch, rng);
        }
        let planned = end == End::Closed && lived + PLANNED_END >= watching.timeout;
        let wait = if planned {
            Duration::ZERO
        } else {
            self.options.reconnect_jitter.mul_f64(rng.f64())
        };
        self.wait(Goal::Watch, wait)
    }
}

/// What a read has brought.
#[derive(Default)]
struct Batch {
    deltas: Vec<Delta>,
    duplicates: u64,
    heard: bool,
}

/// Why a stream can't be followed any further.
enum Broken {
    Error(Status),
    Line(DecodeError),
    Order,
}
