//! Connections that don't speak HTTP/2 yet: each has a deadline, and there are only so many.
//!
//! Handshakes cost memory before anything is known of the client. When too many are under way the
//! oldest makes room: an honest one is over within a few round trips, so it is hardly ever the
//! oldest, and nobody can keep others out by opening connections and saying nothing.

use std::{
    future::{Future, poll_fn},
    sync::Arc,
};

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{
    Limits,
    ended::Ended,
    waiting::{Wait, Waiting},
};

/// All connections that are being opened.
pub(super) fn openings(limits: &Limits) -> Arc<Waiting> {
    Waiting::new(limits.max_handshakes.max(1))
}

/// One connection that is being opened; its place is free when dropped.
#[derive(Debug)]
pub(super) struct Opening {
    place: Wait,
    deadline: Instant,
}

impl Opening {
    /// Begins one; the oldest of all goes if there are too many.
    pub(super) fn begin(all: &Arc<Waiting>, limits: &Limits) -> Self {
        Self {
            place: all.begin(1),
            deadline: Instant::now() + limits.handshake,
        }
    }

    /// Runs one step of the opening, for as long as the whole may take.
    pub(super) async fn step<F: Future>(
        &mut self,
        step: F,
        drain: &CancellationToken,
    ) -> Result<F::Output, Ended> {
        tokio::select! {
            done = step => Ok(done),
            () = poll_fn(|cx| self.place.poll_over(cx)) => Err(Ended::Displaced),
            () = sleep_until(self.deadline) => Err(Ended::Silent),
            () = drain.cancelled() => Err(Ended::Draining),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn the_oldest_makes_room() {
        let limits = Limits {
            max_handshakes: 2,
            ..Limits::default()
        };
        let drain = CancellationToken::new();
        let openings = openings(&limits);
        let begin = || Opening::begin(&openings, &limits);
        let mut first = begin();
        let mut second = begin();
        assert!(first.step(async { 1 }, &drain).await.is_ok());
        let mut third = begin();
        let ended = first.step(pending::<()>(), &drain).await;
        assert!(matches!(ended, Err(Ended::Displaced)), "{ended:?}");
        drop(first);
        assert!(third.step(async {}, &drain).await.is_ok(), "has a place");
        drop(third);
        let _fourth = begin();
        assert!(second.step(async {}, &drain).await.is_ok());
        assert_eq!(openings.held(), 2);
        drain.cancel();
        let ended = second.step(pending::<()>(), &drain).await;
        assert!(matches!(ended, Err(Ended::Draining)), "{ended:?}");
    }
}
