//! The untyped watch that continues by itself: streams in a row behind one stream of steps.

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt as _, stream};
use tokio::time;
use tonic::Status;

use super::{
    CallError, Step, WatchBuilder,
    builder::std_duration,
    resume::{Backoff, End, Position, Verdict},
};
use crate::proto::v1;

/// Longest wait for the first frame of a stream.
const OPEN_LIMIT: Duration = Duration::from_secs(60);
/// What is added to two bookmark intervals before silence counts as a break.
const SILENCE_GRACE: Duration = Duration::from_secs(10);

/// Opens streams. The seam between the resume loop and the network.
pub(crate) trait Transport: Send + 'static {
    /// The messages of one stream.
    type Messages: Stream<Item = Result<v1::WatchResponse, Status>> + Send + Unpin;

    /// Opens one stream.
    fn open(
        &mut self,
        request: v1::WatchRequest,
    ) -> impl Future<Output = Result<Self::Messages, Status>> + Send;
}

type Item = (Result<Step, CallError>, Option<Arc<str>>);

/// A stream of [`Step`]s that survives broken connections, restarts of the daemon and slow
/// readers.
///
/// It ends after its planned length, or after the first `Err`, which is final. If no stream was
/// ever established by then, the last error is the end. Nothing is read
/// ahead of the consumer but the batch at hand, and nothing runs in the background: a watch that
/// isn't polled stands still. Polling is cancel safe; dropping the watch ends the stream at once.
pub struct Steps {
    steps: Pin<Box<dyn Stream<Item = Item> + Send>>,
    token: Option<Arc<str>>,
}

impl Steps {
    pub(crate) fn new<T: Transport>(
        transport: T,
        builder: WatchBuilder,
        random: fn() -> f64,
    ) -> Self {
        let position = Position::new(builder);
        let token = position.token().map(Arc::from);
        let driver = Driver::new(transport, position, random);
        Self {
            steps: Box::pin(stream::unfold(driver, Driver::next).fuse()),
            token,
        }
    }

    /// A watch that plays what a test wrote down: each step with the token behind it.
    #[cfg(test)]
    pub(crate) fn scripted(items: Vec<(Result<Step, CallError>, Option<&str>)>) -> Self {
        let items: Vec<Item> = items
            .into_iter()
            .map(|(step, token)| (step, token.map(Arc::from)))
            .collect();
        Self {
            steps: Box::pin(stream::iter(items)),
            token: None,
        }
    }

    /// A watch on which nothing ever comes.
    #[cfg(test)]
    pub(crate) fn silent() -> Self {
        Self {
            steps: Box::pin(stream::pending()),
            token: None,
        }
    }

    /// Closes the stream at once. The token stays.
    pub(crate) fn close(&mut self) {
        self.steps = Box::pin(stream::empty());
    }

    /// Continues the watch after the last step that was handed out, in another process too.
    ///
    /// `None` where no position is known yet: before the end of the first snapshot, and after a
    /// [`Step::Reset`]. Inside a run of events without tokens it is the position before the run.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }
}

impl Stream for Steps {
    type Item = Result<Step, CallError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.steps.as_mut().poll_next(cx).map(|item| {
            let (step, token) = item?;
            self.token = token;
            Some(step)
        })
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steps").field("token", &self.token).finish()
    }
}

enum Link<M> {
    Closed { wait: Duration },
    Open { messages: M },
    Over,
}

struct Driver<T: Transport> {
    transport: T,
    position: Position,
    backoff: Backoff,
    random: fn() -> f64,
    link: Link<T::Messages>,
    /// Received but not handed out.
    steps: VecDeque<Step>,
    /// Longest silence that the stream at hand may keep.
    silence: Duration,
    opened: Instant,
    /// When the planned length of the watch is over.
    deadline: Option<Instant>,
    token: Option<Arc<str>>,
}

impl<T: Transport> Driver<T> {
    fn new(transport: T, position: Position, random: fn() -> f64) -> Self {
        let opened = Instant::now();
        let deadline = position.timeout().and_then(|t| opened.checked_add(t));
        let token = position.token().map(Arc::from);
        Self {
            transport,
            position,
            backoff: Backoff::default(),
            random,
            link: Link::Closed {
                wait: Duration::ZERO,
            },
            steps: VecDeque::new(),
            silence: OPEN_LIMIT,
            opened,
            deadline,
            token,
        }
    }

    /// The next step for the consumer. Every wait is bounded or is for the server to end.
    async fn next(mut self) -> Option<(Item, Self)> {
        loop {
            if let Some(step) = self.steps.pop_front() {
                self.hand_out(&step);
                let token = self.token.clone();
                return Some(((Ok(step), token), self));
            }
            let ended = match &mut self.link {
                Link::Over => return None,
                Link::Closed { wait } => {
                    let wait = std::mem::take(wait);
                    let wait = self
                        .remaining()
                        .map_or(wait, |remaining| wait.min(remaining));
                    time::sleep(wait).await;
                    self.open().await
                }
                Link::Open { messages } => match time::timeout(self.silence, messages.next()).await
                {
                    Ok(Some(Ok(batch))) => {
                        self.steps
                            .extend(batch.frames.into_iter().filter_map(Step::from_frame));
                        None
                    }
                    Ok(Some(Err(status))) => Some(End::Failed(status.into())),
                    Ok(None) => Some(End::Ok),
                    Err(_) => Some(End::Failed(silent())),
                },
            };
            if let Some(error) = ended.and_then(|end| self.decide(end)) {
                let token = self.token.clone();
                return Some(((Err(error), token), self));
            }
        }
    }

    /// What is left of the planned length.
    fn remaining(&self) -> Option<Duration> {
        let deadline = self.deadline?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }

    async fn open(&mut self) -> Option<End> {
        let remaining = self.remaining();
        if remaining == Some(Duration::ZERO) {
            return Some(End::Overdue);
        }
        self.opened = Instant::now();
        self.silence = OPEN_LIMIT;
        let request = self.position.request(remaining);
        match time::timeout(OPEN_LIMIT, self.transport.open(request)).await {
            Ok(Ok(messages)) => {
                self.link = Link::Open { messages };
                None
            }
            Ok(Err(status)) => Some(End::Failed(status.into())),
            Err(_) => Some(End::Failed(silent())),
        }
    }

    fn hand_out(&mut self, step: &Step) {
        self.position.observe(step);
        if let Step::Started(started) = step {
            if let Some(interval) = started.bookmark_interval.and_then(std_duration) {
                self.silence = interval.saturating_mul(2).saturating_add(SILENCE_GRACE);
            }
            if let Some(reason) = self.position.take_reset() {
                self.steps.push_front(Step::Reset(reason));
            }
        }
        if self.token.as_deref() != self.position.token() {
            self.token = self.position.token().map(Arc::from);
        }
    }

    /// Takes the verdict on the end of a stream; an error is the last word of the watch.
    fn decide(&mut self, end: End) -> Option<CallError> {
        match self.position.after(end) {
            Verdict::Finish => {
                self.link = Link::Over;
                None
            }
            Verdict::Fail(error) => {
                self.link = Link::Over;
                Some(error)
            }
            Verdict::Reopen { error, wait } => {
                let backoff = self.backoff.pause(self.opened.elapsed(), (self.random)());
                let wait = wait.unwrap_or_default().max(backoff);
                self.link = Link::Closed { wait };
                self.steps.push_back(Step::Disconnected {
                    error,
                    retry_in: wait,
                });
                None
            }
        }
    }
}

fn silent() -> CallError {
    CallError::unavailable("the server fell silent")
}

#[cfg(test)]
#[path = "steps/tests.rs"]
mod tests;
