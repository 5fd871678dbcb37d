//! What waits for clients, all connections together: handshakes that are under way, and answers.
//!
//! What is encoded for the readers of watches is bounded where it is made. An answer that was made
//! for one call is in memory because that call asked for it, until its reader makes room. There is
//! room for so much of that; beyond it the call that has been waited for the longest makes room.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::Future as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Room for so much that waits: connections or bytes, as whoever makes it counts.
#[derive(Debug)]
pub(super) struct Waiting {
    queue: Mutex<Queue>,
    most: usize,
}

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    held: usize,
    /// By age, with how much it is. Dropping a sender tells that it must go.
    waits: BTreeMap<u64, (usize, oneshot::Sender<Infallible>)>,
}

/// What waits for one client; no longer when dropped.
#[derive(Debug)]
pub(super) struct Wait {
    all: Arc<Waiting>,
    id: u64,
    over: oneshot::Receiver<Infallible>,
}

impl Waiting {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            queue: Mutex::default(),
            most,
        })
    }

    /// Begins to wait with so much. Others, the oldest first, go if it is too much with them; one
    /// alone may have any amount.
    pub(super) fn begin(self: &Arc<Self>, much: usize) -> Wait {
        let (keep, over) = oneshot::channel();
        let mut queue = self.queue.lock();
        while queue.held + much > self.most
            && let Some((_, (oldest, _))) = queue.waits.pop_first()
        {
            queue.held -= oldest;
        }
        let id = queue.next;
        queue.next += 1;
        queue.held += much;
        queue.waits.insert(id, (much, keep));
        drop(queue);
        Wait {
            all: Arc::clone(self),
            id,
            over,
        }
    }
}

#[cfg(test)]
impl Waiting {
    /// How much waits.
    pub(super) fn held(&self) -> usize {
        self.queue.lock().held
    }
}

impl Wait {
    /// Ready when it has to go.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.over).poll(cx).map(drop)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut queue = self.all.queue.lock();
        if let Some((much, _)) = queue.waits.remove(&self.id) {
            queue.held -= much;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn the_one_waited_for_longest_makes_room() {
        let waiting = Waiting::new(100);
        let is_over = |wait: &mut Wait| {
            let mut cx = Context::from_waker(Waker::noop());
            wait.poll_over(&mut cx).is_ready()
        };
        let mut first = waiting.begin(60);
        let mut second = waiting.begin(40);
        assert!(!is_over(&mut first) && !is_over(&mut second));
        let mut third = waiting.begin(1);
        assert!(is_over(&mut first) && !is_over(&mut second) && !is_over(&mut third));
        drop(first);
        assert_eq!(waiting.held(), 41);
        let mut large = waiting.begin(1_000);
        assert!(is_over(&mut second) && is_over(&mut third) && !is_over(&mut large));
        drop((second, third, large));
        let queue = waiting.queue.lock();
        assert_eq!((queue.held, queue.waits.len()), (0, 0), "nothing is kept");
    }
}
