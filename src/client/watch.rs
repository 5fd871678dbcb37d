//! The typed watch: steps of the protocol in, events with objects of one Rust type out.

use std::{
    fmt,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use futures::{Stream, StreamExt as _};
use serde::de::DeserializeOwned;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{Event, Steps, WatchError, decode};

/// A stream of typed [`Event`]s that survives broken connections, restarts of the daemon and
/// slow readers. Opened by [`WatchBuilder::open`](super::WatchBuilder::open).
///
/// It ends with `None` after [`stop`](Self::stop) and after its planned length. An error that
/// [ends the watch](WatchError::ends_watch) is its last item but `None`. An object that can't be
/// read as `K` is an error too, but doesn't end it: the next poll goes on, and the position has
/// moved past that object.
///
/// Nothing runs in the background: a watch that isn't polled stands still. Polling is cancel
/// safe; dropping the watch closes its stream at once.
pub struct Watch<K> {
    steps: Steps,
    stop: StopHandle,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
    object: PhantomData<fn() -> K>,
}

impl<K> Watch<K> {
    pub(crate) fn new(steps: Steps) -> Self {
        let stop = StopHandle::default();
        Self {
            steps,
            stopped: Box::pin(stop.0.clone().cancelled_owned()),
            stop,
            object: PhantomData,
        }
    }

    /// Ends the watch: the next poll gives `None`, whatever has been received meanwhile.
    pub fn stop(&self) {
        self.stop.stop();
    }

    /// A handle that stops this watch from elsewhere.
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    /// Continues the watch after the last event that was handed out, in another process too; to
    /// be stored and given to [`WatchBuilder::from_token`](super::WatchBuilder::from_token).
    ///
    /// `None` where no position is known yet: before the end of the first snapshot, and after an
    /// [`Event::Reset`]. Inside a run of events that belong together it is the position before
    /// the run. It stays readable after the end.
    pub fn token(&self) -> Option<&str> {
        self.steps.token()
    }
}

impl<K: DeserializeOwned> Stream for Watch<K> {
    type Item = Result<Event<K>, WatchError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.stopped.as_mut().poll(cx).is_ready() {
            self.steps.close();
            return Poll::Ready(None);
        }
        loop {
            let item = match std::task::ready!(self.steps.poll_next_unpin(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => Some(Err(WatchError::Call(error))),
                Some(Ok(step)) => decode::event(step),
            };
            if item.is_some() {
                return Poll::Ready(item);
            }
        }
    }
}

impl<K> fmt::Debug for Watch<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut watch = f.debug_struct("Watch");
        watch.field("token", &self.token());
        watch.field("stop", &self.stop).finish()
    }
}

/// Stops one watch from anywhere, another task included. Clones stop the same watch.
///
/// A poll that waits is woken and gives `None`; the stream is closed with that poll, or when the
/// watch is dropped. Dropping the handle does nothing.
#[derive(Clone, Default)]
pub struct StopHandle(CancellationToken);

impl StopHandle {
    /// Ends the watch. Doing it again changes nothing.
    pub fn stop(&self) {
        self.0.cancel();
    }

    /// Whether somebody has stopped the watch.
    pub fn is_stopped(&self) -> bool {
        self.0.is_cancelled()
    }
}

impl fmt::Debug for StopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut handle = f.debug_struct("StopHandle");
        handle.field("stopped", &self.is_stopped()).finish()
    }
}

#[cfg(test)]
mod tests;
