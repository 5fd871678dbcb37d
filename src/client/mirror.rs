//! Keeps a store equal to what a watch has told, and tells what that did to the store.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use tokio::sync::watch;

use super::{
    Cause, Change, ChangeKind, Event, Notice, ObjectError, ResetReason, SnapshotEnd, WatchError,
    store::{Held, Objects, Store, key},
};

/// What a reflected stream hands out.
pub(crate) type Item<K> = Result<Event<K>, WatchError>;

/// The one writer of a store.
pub(crate) struct Mirror<K> {
    objects: Objects<K>,
    /// `None` after the end of the watch.
    ready: Option<watch::Sender<bool>>,
    /// The snapshot after a reset, until it is complete.
    incoming: Option<Incoming<K>>,
    /// Which history the stream tells, as `Started` has it.
    epoch: String,
    /// Whether one resourceVersion of one object still means one state. After a rewind two
    /// histories may have used it.
    versions_hold: bool,
}

struct Incoming<K> {
    objects: BTreeMap<String, Change<K>>,
    /// Objects that are there but couldn't be read: their uids.
    unread: BTreeMap<String, String>,
}

impl<K> Mirror<K> {
    pub(crate) fn new() -> (Self, Store<K>) {
        let objects = Objects::default();
        let (ready, receiver) = watch::channel(false);
        let store = Store::new(Arc::clone(&objects), receiver);
        let mirror = Self {
            objects,
            ready: Some(ready),
            incoming: None,
            epoch: String::new(),
            versions_hold: true,
        };
        (mirror, store)
    }

    /// Applies one item of the watch, and appends what the consumer is told.
    pub(crate) fn take(&mut self, item: Item<K>, told: &mut VecDeque<Item<K>>) {
        let event = match item {
            Err(WatchError::Object(error)) => return told.push_back(self.unreadable(error)),
            Err(error) => {
                self.end();
                return told.push_back(Err(error));
            }
            Ok(event) => event,
        };
        match event {
            Event::Added(change) | Event::Modified(change) => self.put(change, told),
            Event::Deleted(change) => self.remove(change, told),
            Event::SnapshotEnd(end) => {
                if let Some(incoming) = self.incoming.take() {
                    self.replace(incoming, &end, told);
                }
                if let Some(ready) = &self.ready {
                    ready.send_replace(true);
                }
                told.push_back(Ok(Event::SnapshotEnd(end)));
            }
            Event::Reset(reason) => {
                use ResetReason::{Other, Rewound};
                self.versions_hold &= !matches!(reason, Rewound | Other);
                self.incoming = Some(Incoming::default());
            }
            Event::Notice(Notice::Started(started)) => {
                self.versions_hold &= self.epoch.is_empty() || self.epoch == started.epoch;
                self.epoch.clone_from(&started.epoch);
                told.push_back(Ok(Event::Notice(Notice::Started(started))));
            }
            Event::Bookmark(_) | Event::Notice(_) => told.push_back(Ok(event)),
        }
    }

    /// Says that nothing follows: who still waits for the store waits in vain.
    pub(crate) fn end(&mut self) {
        self.ready = None;
    }

    fn put(&mut self, change: Change<K>, told: &mut VecDeque<Item<K>>) {
        let key = key(&change.namespace, &change.name);
        if let Some(incoming) = &mut self.incoming {
            incoming.unread.remove(&key);
            incoming.objects.insert(key, change);
            return;
        }
        let before = self.objects.write().insert(key, Held::of(&change));
        tell_put(before, change, told);
    }

    fn remove(&mut self, change: Change<K>, told: &mut VecDeque<Item<K>>) {
        let key = key(&change.namespace, &change.name);
        if let Some(incoming) = &mut self.incoming {
            incoming.unread.remove(&key);
            incoming.objects.remove(&key);
            return;
        }
        self.objects.write().remove(&key);
        told.push_back(Ok(Event::Deleted(change)));
    }

    /// An object that can't be read keeps its last readable state, as long as it is the same
    /// object; if it is deleted its end is told with that state.
    fn unreadable(&mut self, error: Box<ObjectError>) -> Item<K> {
        let key = key(&error.namespace, &error.name);
        if let Some(incoming) = &mut self.incoming {
            if error.kind != ChangeKind::Deleted {
                incoming.objects.remove(&key);
                incoming.unread.insert(key, error.uid.clone());
            }
            return Err(WatchError::Object(error));
        }
        if error.kind != ChangeKind::Deleted {
            return Err(WatchError::Object(error));
        }
        match self.objects.write().remove(&key) {
            None => Err(WatchError::Object(error)),
            Some(held) => {
                let gone = held.gone(&key, error.cause, &error.resource_version);
                Ok(Event::Deleted(gone))
            }
        }
    }

    /// Puts a complete snapshot in the place of what was held, at once, and tells the difference
    /// in the order of the names.
    fn replace(&mut self, incoming: Incoming<K>, end: &SnapshotEnd, told: &mut VecDeque<Item<K>>) {
        let mut next = BTreeMap::new();
        let mut difference: BTreeMap<String, VecDeque<Item<K>>> = BTreeMap::new();
        {
            let held = self.objects.read();
            for (key, before) in held.iter() {
                if incoming.objects.contains_key(key) {
                    continue;
                }
                if incoming.unread.get(key) == Some(&before.uid) {
                    next.insert(key.clone(), before.clone());
                    continue;
                }
                let gone = before.gone(key, Cause::Resync, &end.resource_version);
                let told = difference.entry(key.clone()).or_default();
                told.push_back(Ok(Event::Deleted(gone)));
            }
            for (key, mut change) in incoming.objects {
                let before = held.get(&key).cloned();
                let same = |before: &Held<K>| self.versions_hold && before.is_state_of(&change);
                if let Some(before) = before.as_ref().filter(|before| same(before)) {
                    next.insert(key, before.clone());
                    continue;
                }
                next.insert(key.clone(), Held::of(&change));
                change.cause = Cause::Resync;
                tell_put(before, change, difference.entry(key).or_default());
            }
        }
        let before = std::mem::replace(&mut *self.objects.write(), next);
        // Not under the lock: this may be the end of many objects.
        drop(before);
        told.extend(difference.into_values().flatten());
        self.versions_hold = true;
    }
}

/// Tells what became of an object, by what was held of its name before.
fn tell_put<K>(before: Option<Held<K>>, mut change: Change<K>, told: &mut VecDeque<Item<K>>) {
    match before {
        None => told.push_back(Ok(Event::Added(change))),
        Some(before) if before.uid != change.uid => {
            let key = key(&change.namespace, &change.name);
            let gone = before.gone(&key, change.cause, &change.resource_version);
            told.push_back(Ok(Event::Deleted(gone)));
            told.push_back(Ok(Event::Added(change)));
        }
        Some(before) => {
            change.old = Some(before.object);
            told.push_back(Ok(Event::Modified(change)));
        }
    }
}

// Written out: objects are shared, so `K` need not be `Default` or `Clone`.
impl<K> Default for Incoming<K> {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            unread: BTreeMap::new(),
        }
    }
}

impl<K> Held<K> {
    fn of(change: &Change<K>) -> Self {
        Self {
            object: Arc::clone(&change.object),
            uid: change.uid.clone(),
            resource_version: change.resource_version.clone(),
        }
    }

    fn is_state_of(&self, change: &Change<K>) -> bool {
        self.uid == change.uid && self.resource_version == change.resource_version
    }

    /// Its end at `resource_version`.
    fn gone(&self, key: &str, cause: Cause, resource_version: &str) -> Change<K> {
        let (namespace, name) = key.split_once('/').unwrap_or(("", key));
        Change {
            object: Arc::clone(&self.object),
            old: None,
            cause,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: self.uid.clone(),
            resource_version: resource_version.to_owned(),
        }
    }
}

impl<K> Clone for Held<K> {
    fn clone(&self) -> Self {
        Self {
            object: Arc::clone(&self.object),
            uid: self.uid.clone(),
            resource_version: self.resource_version.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
