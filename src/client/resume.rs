//! Decides, without any I/O, where a watch stands and what follows the end of a stream.

use std::time::Duration;

use tonic::Code;

use super::{
    CallError, ResetReason, Step, WatchBuilder,
    builder::{proto_duration, std_duration},
};
use crate::proto::v1::{self, watch_request::Start};

/// How one stream ended.
#[derive(Debug, PartialEq)]
pub(crate) enum End {
    /// With status OK.
    Ok,
    /// The planned length of the watch was over before another one could be opened.
    Overdue,
    /// With any other status, or because the connection broke.
    Failed(CallError),
}

/// What follows the end of a stream.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// The watch is over, as was asked for.
    Finish,
    /// The watch is over with an error.
    Fail(CallError),
    /// Open a new stream after a backoff, and not before `wait` if the server named a time.
    Reopen {
        error: CallError,
        wait: Option<Duration>,
    },
}

/// What the consumer of a watch has been told so far.
///
/// The consumer holds exactly the state of `token` unless `loose` is set.
#[derive(Debug)]
pub(crate) struct Position {
    request: v1::WatchRequest,
    fail_fast: bool,
    /// Whether any stream was ever established.
    established: bool,
    /// Why the last stream ended, as long as none was ever established.
    refused: Option<CallError>,
    /// The last token that was handed out, if there was one since the last reset.
    token: Option<String>,
    /// Whether the token comes from a stream of this watch, not from whoever opened it.
    own: bool,
    /// The consumer was told more than the token stands for (a part of a snapshot or of a run),
    /// or may have missed something that no token stands for (a start from now).
    loose: bool,
    /// Why the consumer must be told to forget everything before the next event.
    must_reset: Option<ResetReason>,
    /// The last stream, or the attempt to open one, was refused for its credentials.
    rejected: bool,
    /// The time that `Draining` named for the reconnect.
    drain_delay: Option<Duration>,
}

impl Position {
    pub(crate) fn new(builder: WatchBuilder) -> Self {
        let token = match &builder.request.start {
            Some(Start::ResumeToken(token)) => Some(token.clone()),
            _ => None,
        };
        Self {
            request: builder.request,
            fail_fast: builder.fail_fast,
            established: false,
            refused: None,
            token,
            own: false,
            loose: false,
            must_reset: None,
            rejected: false,
            drain_delay: None,
        }
    }

    /// Continues the watch after everything that was handed out.
    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The planned length of the whole watch.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.request.timeout.and_then(std_duration)
    }

    /// The request that continues the watch, with what is left of its planned length.
    pub(crate) fn request(&self, remaining: Option<Duration>) -> v1::WatchRequest {
        let mut request = self.request.clone();
        if let Some(token) = &self.token {
            request.start = Some(Start::ResumeToken(token.clone()));
        }
        if let Some(remaining) = remaining {
            request.timeout = Some(proto_duration(remaining));
        }
        request
    }

    /// Notes a step at the moment when it is handed out.
    pub(crate) fn observe(&mut self, step: &Step) {
        match step {
            Step::Started(started) => {
                self.established = true;
                self.refused = None;
                self.rejected = false;
                self.drain_delay = None;
                // Without a token nobody knows what happens between a break and the next `now`.
                self.loose |= started.outcome() == v1::StartOutcome::FromNow;
            }
            Step::Event(event) => self.take(&event.resume_token),
            Step::SnapshotEnd(end) => self.take(&end.resume_token),
            Step::Bookmark(bookmark) => self.take(&bookmark.resume_token),
            Step::Reset(_) => self.forget(),
            Step::Draining(draining) => {
                self.drain_delay = draining.reconnect_delay.and_then(std_duration);
            }
            Step::UpstreamState(_) | Step::Disconnected { .. } => {}
        }
    }

    /// Why the consumer must now be told to forget everything, if it must. Asked once per stream,
    /// after `Started`, which is where the server says it too.
    pub(crate) fn take_reset(&mut self) -> Option<ResetReason> {
        self.must_reset.take()
    }

    /// Decides what follows the end of a stream (or of the attempt to open one).
    pub(crate) fn after(&mut self, end: End) -> Verdict {
        let error = match end {
            End::Ok | End::Overdue if self.has_ended_as_planned() => return Verdict::Finish,
            // With nothing told a planned end would pass for a cluster without objects.
            End::Overdue => return Verdict::Fail(self.never_established()),
            // Nobody asked for an end: a proxy has cut the stream without a word.
            End::Ok => CallError::unavailable("the stream ended early"),
            End::Failed(error) if self.is_elsewhere(&error) => {
                self.must_reset = Some(ResetReason::Rewound);
                self.forget();
                error
            }
            End::Failed(error) if self.is_final(&error) => return Verdict::Fail(error),
            End::Failed(error) if error.code == Code::Unauthenticated => {
                self.rejected = true;
                error
            }
            End::Failed(error) => error,
        };
        if self.loose {
            if self.request.on_expired() == v1::OnExpired::Fail {
                return Verdict::Fail(error);
            }
            self.must_reset.get_or_insert(ResetReason::Interrupted);
            // A snapshot that began the watch keeps its conditions.
            if self.token.is_some() || !self.starts_with_snapshot() {
                self.forget();
            }
            self.loose = false;
        }
        if !self.established {
            self.refused = Some(error.clone());
        }
        let wait = self.drain_delay.take().or(error.retry_after);
        Verdict::Reopen { error, wait }
    }

    fn has_ended_as_planned(&self) -> bool {
        self.established && self.request.timeout.is_some()
    }

    fn never_established(&mut self) -> CallError {
        let over = || CallError::unavailable("the timeout is over before the watch could begin");
        self.refused.take().unwrap_or_else(over)
    }

    fn take(&mut self, token: &str) {
        if token.is_empty() {
            self.loose = true;
        } else {
            self.loose = false;
            self.own = true;
            self.token = Some(token.to_owned());
        }
    }

    /// From here on the watch stands before a snapshot.
    fn forget(&mut self) {
        let allow_stale = match &self.request.start {
            Some(Start::Snapshot(snapshot)) => snapshot.allow_stale,
            Some(Start::ResourceVersion(version)) => version == "0",
            _ => false,
        };
        self.request.start = Some(Start::Snapshot(v1::SnapshotStart {
            min_resource_version: String::new(),
            allow_stale,
        }));
        self.token = None;
        self.own = false;
        self.loose = false;
    }

    fn starts_with_snapshot(&self) -> bool {
        matches!(&self.request.start, None | Some(Start::Snapshot(_)))
    }

    /// Whether another cluster answers at the address now: the filter of an own token is that of
    /// the watch.
    fn is_elsewhere(&self, error: &CallError) -> bool {
        self.own
            && error.reason == "TOKEN_MISMATCH"
            && self.request.on_expired() != v1::OnExpired::Fail
    }

    fn is_final(&self, error: &CallError) -> bool {
        if !self.established && self.fail_fast {
            return true;
        }
        if error.reason.is_empty() {
            // Not the daemon's words: the connection broke, or a proxy gave up.
            return !matches!(
                error.code,
                Code::Unavailable
                    | Code::Unknown
                    | Code::Internal
                    | Code::Cancelled
                    | Code::Aborted
                    | Code::DeadlineExceeded
                    | Code::ResourceExhausted
            );
        }
        match error.code {
            Code::Unavailable => false,
            // The token has expired under the stream; there may be a newer one in its file.
            Code::Unauthenticated => !self.established || self.rejected,
            // A stream that ran before finds its place again; a new one has to be told.
            Code::ResourceExhausted => !self.established && error.reason != "SLOW_CONSUMER",
            // Another replica may be a little behind the one that gave the token.
            Code::OutOfRange => !self.established || error.reason != "RESOURCE_VERSION_TOO_LARGE",
            _ => true,
        }
    }
}

/// Growing pauses with full jitter: 100 ms to 10 s.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempt: u32,
}

impl Backoff {
    const BASE: Duration = Duration::from_millis(100);
    const CAP: Duration = Duration::from_secs(10);

    /// The next pause. `lived` is how long the stream before ran: one that ran for long starts
    /// the series anew. `random` is in `0.0..1.0`.
    pub(crate) fn pause(&mut self, lived: Duration, random: f64) -> Duration {
        if lived >= Self::CAP {
            self.attempt = 0;
        }
        let bound = Self::BASE
            .saturating_mul(1 << self.attempt.min(16))
            .min(Self::CAP);
        self.attempt = self.attempt.saturating_add(1);
        bound.mul_f64(random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
#[path = "resume/tests.rs"]
mod tests;
