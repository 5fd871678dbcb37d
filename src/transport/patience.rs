//! How long a reader is waited for.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

/// The slowest pace that is still reading, in bytes per second.
const PACE: usize = 16 * 1024;

/// The time that a reader has for what was taken for it: so long until it takes anything, and twice
/// that for all of it beside what it needs at [`PACE`]. Without the second a reader could hold it
/// for ever by a byte now and then.
#[derive(Debug)]
pub(super) struct Patience {
    pause: Duration,
    whole: Duration,
    pause_over: Option<Pin<Box<Sleep>>>,
    whole_over: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(super) fn new(pause: Duration, bytes: usize) -> Self {
        let reading = Duration::from_secs(1).mul_f64(bytes as f64 / PACE as f64);
        Self {
            pause,
            whole: pause.saturating_mul(2) + reading,
            pause_over: None,
            whole_over: None,
        }
    }

    /// It has taken something.
    pub(super) fn moved(&mut self) {
        self.pause_over = None;
    }

    /// Ready when it has been waited for long enough. The first call begins the wait.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let times = [
            (&mut self.whole_over, self.whole),
            (&mut self.pause_over, self.pause),
        ];
        for (over, time) in times {
            let over = over.get_or_insert_with(|| Box::pin(sleep(time)));
            if over.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}
