//! Connections that don't speak HTTP/2 yet: each has a deadline, and there are only so many.
//!
//! Handshakes cost memory before anything is known of the client. When too many are under way the
//! oldest makes room: an honest one is over within a few round trips, so it is hardly ever the
//! oldest, and nobody can keep others out by opening connections and saying nothing.

use std::{collections::BTreeMap, convert::Infallible, future::Future, sync::Arc};

use parking_lot::Mutex;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{Limits, ended::Ended};

/// All connections that are being opened.
#[derive(Debug)]
pub(super) struct Openings {
    queue: Mutex<Queue>,
    most: usize,
}

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    /// By age. Dropping a sender tells the opening that it must go.
    open: BTreeMap<u64, oneshot::Sender<Infallible>>,
}

/// One connection that is being opened; its place is free when dropped.
#[derive(Debug)]
pub(super) struct Opening {
    all: Arc<Openings>,
    id: u64,
    displaced: oneshot::Receiver<Infallible>,
    deadline: Instant,
}

impl Openings {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            queue: Mutex::default(),
            most: limits.max_handshakes.max(1),
        })
    }

    /// Begins one; the oldest goes if there are too many.
    pub(super) fn begin(self: &Arc<Self>, limits: &Limits) -> Opening {
        let (keep, displaced) = oneshot::channel();
        let mut queue = self.queue.lock();
        if queue.open.len() >= self.most {
            queue.open.pop_first();
        }
        let id = queue.next;
        queue.next += 1;
        queue.open.insert(id, keep);
        drop(queue);
        Opening {
            all: Arc::clone(self),
            id,
            displaced,
            deadline: Instant::now() + limits.handshake,
        }
    }
}

impl Opening {
    /// Runs one step of the opening, for as long as the whole may take.
    pub(super) async fn step<F: Future>(
        &mut self,
        step: F,
        drain: &CancellationToken,
    ) -> Result<F::Output, Ended> {
        tokio::select! {
            done = step => Ok(done),
            _ = &mut self.displaced => Err(Ended::Displaced),
            () = sleep_until(self.deadline) => Err(Ended::Silent),
            () = drain.cancelled() => Err(Ended::Draining),
        }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.all.queue.lock().open.remove(&self.id);
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
        let openings = Openings::new(&limits);
        let mut first = openings.begin(&limits);
        let mut second = openings.begin(&limits);
        assert!(first.step(async { 1 }, &drain).await.is_ok());
        let mut third = openings.begin(&limits);
        let ended = first.step(pending::<()>(), &drain).await;
        assert!(matches!(ended, Err(Ended::Displaced)), "{ended:?}");
        drop(first);
        assert!(third.step(async {}, &drain).await.is_ok(), "has a place");
        drop(third);
        let _fourth = openings.begin(&limits);
        assert!(second.step(async {}, &drain).await.is_ok());
        assert_eq!(openings.queue.lock().open.len(), 2);
        drain.cancel();
        let ended = second.step(pending::<()>(), &drain).await;
        assert!(matches!(ended, Err(Ended::Draining)), "{ended:?}");
    }
}
