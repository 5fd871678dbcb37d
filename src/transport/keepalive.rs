//! Finds connections whose other end has vanished without a word.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep, sleep};

/// Sends a PING after each quiet interval and waits for its answer.
#[derive(Debug)]
pub(super) struct Keepalive {
    pings: PingPong,
    timer: Pin<Box<Sleep>>,
    interval: Duration,
    timeout: Duration,
    /// While a PING is unanswered: the read count when its wait began.
    waiting: Option<u64>,
}

impl Keepalive {
    pub(super) fn new(pings: PingPong, interval: Duration, timeout: Duration) -> Self {
        Self {
            pings,
            timer: Box::pin(sleep(interval)),
            interval,
            timeout,
            waiting: None,
        }
    }

    /// Ready when the peer is to be given up: neither the answer nor any other byte came within
    /// the timeout. `reads` is the connection's count of reads: behind a slow link the answer may
    /// queue after much data, and whoever sends anything is alive.
    pub(super) fn poll_dead(&mut self, cx: &mut Context<'_>, reads: u64) -> Poll<()> {
        loop {
            if self.waiting.is_some() && self.pings.poll_pong(cx).is_ready() {
                // An error here means that the connection is closing, which its own poll reports.
                self.waiting = None;
                self.restart(self.interval);
            }
            ready!(self.timer.as_mut().poll(cx));
            match self.waiting {
                Some(seen) if seen == reads => return Poll::Ready(()),
                Some(_) => {}
                None if self.pings.send_ping(Ping::opaque()).is_ok() => {}
                None => {
                    self.restart(self.interval);
                    continue;
                }
            }
            self.waiting = Some(reads);
            self.restart(self.timeout);
        }
    }

    fn restart(&mut self, after: Duration) {
        self.timer.as_mut().reset(Instant::now() + after);
    }
}
