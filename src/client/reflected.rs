//! The stream of a watch whose objects are kept in a store.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::{Stream, StreamExt as _};
use serde::de::DeserializeOwned;

use super::{
    Event, StopHandle, Watch, WatchError,
    mirror::{Item, Mirror},
    store::Store,
};

/// The events of a [`Watch`] after they were applied to a [`Store`]; made by
/// [`Watch::reflect`].
///
/// It must be polled for the store to be fed. Polling is cancel safe. It ends as the watch does.
pub struct Reflected<K> {
    watch: Watch<K>,
    mirror: Mirror<K>,
    /// Applied but not handed out.
    told: VecDeque<Item<K>>,
}

impl<K> Watch<K> {
    /// Keeps the objects of this watch in a store: the shared informer of a Rust program.
    ///
    /// Meant for a watch that starts with a snapshot and has no filter on event types. (From any
    /// other start the store holds only what has changed since, and isn't ready before a reset
    /// has brought a snapshot.)
    ///
    /// The stream says what happened **to the store**:
    /// * [`Added`](Event::Added) for an object that it did not hold,
    ///   [`Modified`](Event::Modified) for one that it did, with the state before as
    ///   [`old`](super::Change::old), [`Deleted`](Event::Deleted) for one that it holds no more.
    /// * [`Reset`](Event::Reset) never comes. From a reset to the end of the snapshot that
    ///   follows, the store shows what it held before; then the snapshot takes its place at once,
    ///   and the difference is told: `Added`, `Modified` and `Deleted` events of cause
    ///   [`Resync`](super::Cause::Resync) in the order of `namespace/name`, then
    ///   [`SnapshotEnd`](Event::SnapshotEnd). Only there may the store be ahead of the stream.
    ///   Objects that are the same in both states are not told; after a rewind of the cluster's
    ///   history all are, because versions no longer tell states apart.
    /// * An object that can't be read as `K` is told as
    ///   [`WatchError::Object`] and keeps its last readable state in
    ///   the store, if it has one. Its deletion removes it, and is told with that state.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use futures::StreamExt as _;
    /// use informerd::client::Client;
    /// use k8s_openapi::api::core::v1::Node;
    ///
    /// let client = Client::connect("http://127.0.0.1:7300").await?;
    /// let (nodes, events) = client.watch::<Node>().open().reflect();
    /// tokio::spawn(events.for_each(|event| async {
    ///     if let Err(error) = event {
    ///         eprintln!("{error}");
    ///     }
    /// }));
    /// nodes.wait_until_ready().await?;
    /// println!("{} nodes, node-1: {:?}", nodes.len(), nodes.get("", "node-1"));
    /// // Nobody should act on what is no longer kept up to date.
    /// nodes.until_ended().await;
    /// Err("the watch of the nodes is over".into())
    /// # }
    /// ```
    pub fn reflect(self) -> (Store<K>, Reflected<K>) {
        let (mirror, store) = Mirror::new();
        let reflected = Reflected {
            watch: self,
            mirror,
            told: VecDeque::new(),
        };
        (store, reflected)
    }
}

impl<K> Reflected<K> {
    /// Ends the stream: the next poll gives `None`. The store keeps its contents.
    pub fn stop(&self) {
        self.watch.stop();
    }

    /// A handle that stops this stream from elsewhere.
    pub fn stop_handle(&self) -> StopHandle {
        self.watch.stop_handle()
    }
}

impl<K: DeserializeOwned> Stream for Reflected<K> {
    type Item = Result<Event<K>, WatchError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if this.watch.stop_handle().is_stopped() {
                this.told.clear();
            }
            if let Some(item) = this.told.pop_front() {
                return Poll::Ready(Some(item));
            }
            match ready!(this.watch.poll_next_unpin(cx)) {
                None => {
                    this.mirror.end();
                    return Poll::Ready(None);
                }
                Some(item) => this.mirror.take(item, &mut this.told),
            }
        }
    }
}

impl<K> fmt::Debug for Reflected<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reflected")
            .field("watch", &self.watch)
            .finish()
    }
}
