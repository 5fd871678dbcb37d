//! Where reviews are carried on, whoever of those that wait for them leaves.

use std::panic::AssertUnwindSafe;

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::sync::mpsc;

/// Takes work. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Desk(mpsc::UnboundedSender<BoxFuture<'static, ()>>);

/// Does the work, in one task.
#[derive(Debug)]
pub(super) struct Clerk(mpsc::UnboundedReceiver<BoxFuture<'static, ()>>);

pub(super) fn desk() -> (Desk, Clerk) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Desk(sender), Clerk(receiver))
}

impl Desk {
    /// Leaves work. Without a clerk it is up to those who wait for it.
    pub(super) fn leave(&self, work: BoxFuture<'static, ()>) {
        let _ = self.0.send(work);
    }
}

impl Clerk {
    /// Works until there is nobody left who could bring more. A piece that panics ends only itself.
    pub(super) async fn run(mut self) {
        let mut running = FuturesUnordered::new();
        loop {
            tokio::select! {
                work = self.0.recv() => match work {
                    Some(work) => running.push(AssertUnwindSafe(work).catch_unwind()),
                    None => return,
                },
                Some(_) = running.next() => {}
            }
        }
    }
}
