//! Ends connections that nobody calls on.
//!
//! A client that opens a connection and answers PINGs, and does nothing else, keeps a place that
//! others could use. One that means to come back opens another, which costs it a round trip.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

/// Measures how long a connection has been without a stream.
#[derive(Debug)]
pub(super) struct Idle {
    /// `None` if it may be for ever, or if it was told.
    limit: Option<Duration>,
    /// In a box, and only while there is no stream.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Idle {
    /// `limit` of zero is never reached.
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit: Some(limit).filter(|limit| !limit.is_zero()),
            timer: None,
        }
    }

    /// Ready once, when the connection has been `unused` at all times for as long as it may.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>, unused: bool) -> Poll<()> {
        let Some(limit) = self.limit.filter(|_| unused) else {
            self.timer = None;
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(timer.as_mut().poll(cx));
        *self = Self {
            limit: None,
            timer: None,
        };
        Poll::Ready(())
    }
}
