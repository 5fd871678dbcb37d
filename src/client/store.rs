//! The objects of a watch, readable from anywhere while the watch goes on.

use std::{collections::BTreeMap, fmt, sync::Arc};

use parking_lot::RwLock;
use tokio::sync::watch;

/// The current objects of a reflected watch (see [`Watch::reflect`](super::Watch::reflect)).
/// Clones are cheap and read the same objects.
///
/// The stream of the reflection feeds it: a store whose stream isn't polled stands still, and one
/// whose stream was dropped keeps its last contents. Who acts on it watches
/// [`until_ended`](Store::until_ended) too. Readers never wait for the network, and hold
/// no lock after a method has returned.
pub struct Store<K> {
    objects: Objects<K>,
    ready: watch::Receiver<bool>,
}

/// By `namespace/name`, the order of the protocol.
pub(crate) type Objects<K> = Arc<RwLock<BTreeMap<String, Held<K>>>>;

/// One object of a store, with what tells its states apart.
pub(crate) struct Held<K> {
    pub(crate) object: Arc<K>,
    pub(crate) uid: String,
    pub(crate) resource_version: String,
}

/// Nobody feeds the store any more, and its first snapshot never was complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the watch ended before its first snapshot was complete")]
pub struct NeverReady;

impl<K> Store<K> {
    pub(crate) fn new(objects: Objects<K>, ready: watch::Receiver<bool>) -> Self {
        Self { objects, ready }
    }

    /// The object of this name; the namespace of cluster-scoped objects is empty.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        let objects = self.objects.read();
        let held = objects.get(&key(namespace, name))?;
        Some(Arc::clone(&held.object))
    }

    /// All objects as they are now, ordered by `namespace/name`.
    pub fn state(&self) -> Vec<Arc<K>> {
        let objects = self.objects.read();
        objects
            .values()
            .map(|held| Arc::clone(&held.object))
            .collect()
    }

    /// How many objects there are now.
    pub fn len(&self) -> usize {
        self.objects.read().len()
    }

    /// Whether there are none now.
    pub fn is_empty(&self) -> bool {
        self.objects.read().is_empty()
    }

    /// Whether the first snapshot is complete. It never becomes `false` again.
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Waits for the end of the first snapshot. Cancel safe.
    ///
    /// # Errors
    /// [`NeverReady`] when the stream has ended or was dropped before.
    pub async fn wait_until_ready(&self) -> Result<(), NeverReady> {
        let mut ready = self.ready.clone();
        let result = ready.wait_for(|ready| *ready).await;
        result.map(drop).map_err(|_| NeverReady)
    }

    /// Whether the stream has ended or was dropped: from then on the store only grows old.
    pub fn ended(&self) -> bool {
        self.ready.has_changed().is_err()
    }

    /// Waits until the stream has ended or was dropped. Cancel safe.
    pub async fn until_ended(&self) {
        let mut ready = self.ready.clone();
        while ready.changed().await.is_ok() {}
    }
}

/// Names hold no `/`, so the key is unambiguous.
pub(crate) fn key(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

impl<K> Clone for Store<K> {
    fn clone(&self) -> Self {
        Self {
            objects: Arc::clone(&self.objects),
            ready: self.ready.clone(),
        }
    }
}

impl<K> fmt::Debug for Store<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut store = f.debug_struct("Store");
        store.field("len", &self.len());
        store.field("ready", &self.is_ready());
        store.field("ended", &self.ended()).finish()
    }
}
