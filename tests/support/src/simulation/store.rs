//! The authoritative state: one revision counter over all resources, as in etcd, and per resource
//! the objects with the log of their writes. Plain data without locks, sockets or time.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use super::faults::Disruption;
use super::object::{Entry, Object, with_version};
use super::refusal::Refusal;
use super::resources::ResourceSpec;
use crate::trace::Truth;

/// One resource.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) spec: ResourceSpec,
    pub(super) served: bool,
    /// By `namespace/name`, the order of etcd's keys and so of every list.
    pub(super) objects: BTreeMap<String, Arc<Object>>,
    /// Ascending by version.
    pub(super) log: VecDeque<Arc<Entry>>,
    /// Version of the newest entry that was dropped from the log.
    pub(super) dropped: u64,
    /// Watches from below this version are too old.
    pub(super) floor: u64,
    /// Ticks whenever a watch of this resource may have something to do.
    pub(super) signal: watch::Sender<()>,
    /// How many bookmarks were asked for by hand.
    pub(super) bookmarks_asked: u64,
    /// Disruptions of the watches that are open, with running numbers from 1.
    pub(super) breaks: Vec<Disruption>,
}

impl Table {
    fn new(spec: ResourceSpec, floor: u64) -> Self {
        Self {
            spec,
            served: true,
            objects: BTreeMap::new(),
            log: VecDeque::new(),
            dropped: 0,
            floor,
            signal: watch::channel(()).0,
            bookmarks_asked: 0,
            breaks: Vec::new(),
        }
    }

    /// The entries with versions in `(after, until]`.
    pub(super) fn entries(&self, after: u64, until: u64) -> impl Iterator<Item = &Arc<Entry>> {
        let first = self.log.partition_point(|entry| entry.version <= after);
        self.log
            .range(first..)
            .take_while(move |entry| entry.version <= until)
    }

    /// The objects as they were right after `version`.
    pub(super) fn at(&self, version: u64) -> BTreeMap<String, Arc<Object>> {
        let mut objects = self.objects.clone();
        for entry in self
            .log
            .iter()
            .rev()
            .take_while(|entry| entry.version > version)
        {
            let key = key_of(&entry.namespace, &entry.name);
            match &entry.previous {
                Some(object) => objects.insert(key, Arc::clone(object)),
                None => objects.remove(&key),
            };
        }
        objects
    }

    pub(super) fn truth(&self) -> Truth {
        Truth {
            resource: self.spec.id(),
            commits: self.log.iter().map(|entry| entry.commit()).collect(),
        }
    }

    pub(super) fn wake(&self) {
        self.signal.send_replace(());
    }
}

/// `namespace/name`, or the name alone.
pub(super) fn key_of(namespace: &str, name: &str) -> String {
    if namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}/{name}")
    }
}

/// Everything that the cluster holds.
#[derive(Debug)]
pub(super) struct State {
    /// Version of the newest write.
    pub(super) revision: u64,
    /// Exact lists below this version are refused.
    pub(super) compacted: u64,
    /// What readers see at most; `None` shows everything.
    pub(super) hold: Option<u64>,
    /// Grows with every rewind; a watch of an older timeline ends.
    pub(super) timeline: u64,
    /// How many entries each log keeps; `None` keeps all.
    pub(super) history: Option<usize>,
    pub(super) tables: BTreeMap<String, Table>,
    /// Truths of the timelines that rewinds have abandoned.
    pub(super) abandoned: Vec<Truth>,
    pub(super) random: fastrand::Rng,
    pub(super) clock: fn() -> Timestamp,
    /// Commits nothing while on.
    pub(super) dry: bool,
}

impl State {
    pub(super) fn new(seed: u64, clock: fn() -> Timestamp) -> Self {
        Self {
            revision: 0,
            compacted: 0,
            hold: None,
            timeline: 0,
            history: None,
            tables: BTreeMap::new(),
            abandoned: Vec::new(),
            random: fastrand::Rng::with_seed(seed),
            clock,
            dry: false,
        }
    }

    /// The newest version that readers may see.
    pub(super) fn visible(&self) -> u64 {
        self.hold
            .map_or(self.revision, |held| held.min(self.revision))
    }

    /// The table of a served resource.
    pub(super) fn table(&self, resource: &str) -> Result<&Table, Refusal> {
        self.tables
            .get(resource)
            .filter(|table| table.served)
            .ok_or_else(not_served)
    }

    pub(super) fn register(&mut self, spec: ResourceSpec) {
        let floor = self.revision;
        let fresh = || Table::new(spec.clone(), floor);
        let table = self.tables.entry(spec.id()).or_insert_with(fresh);
        table.spec = spec;
        table.served = true;
        // A new watch cache knows nothing of an earlier life.
        table.floor = floor;
        table.wake();
    }

    /// Deletes all objects and stops serving, as the deletion of a CRD does.
    pub(super) fn unregister(&mut self, resource: &str) -> Result<(), Refusal> {
        let keys: Vec<String> = self.table(resource)?.objects.keys().cloned().collect();
        for key in keys {
            self.commit(resource, &key, None);
        }
        if let Some(table) = self.tables.get_mut(resource) {
            table.served = false;
            table.wake();
        }
        Ok(())
    }

    /// Commits one write at the next revision; `None` deletes. Returns what the write left
    /// behind: the new object, or the last state with the version of its deletion.
    pub(super) fn commit(&mut self, resource: &str, key: &str, next: Option<Value>) -> Arc<Object> {
        let version = self.revision + 1;
        if self.dry {
            return self.would_leave(resource, key, next);
        }
        self.revision = version;
        let table = self
            .tables
            .get_mut(resource)
            .expect("callers have looked the table up");
        let previous = table.objects.get(key).cloned();
        let current = next.map(|value| Arc::new(Object::new(with_version(value, version))));
        let (namespace, name) = key.split_once('/').unwrap_or(("", key));
        let entry = Entry::new(version, namespace, name, previous.clone(), current.clone());
        let left = match (&current, &previous) {
            (Some(object), _) => {
                table.objects.insert(key.to_owned(), Arc::clone(object));
                Arc::clone(object)
            }
            (None, Some(object)) => {
                table.objects.remove(key);
                Arc::new(Object::new(with_version(object.value.clone(), version)))
            }
            (None, None) => unreachable!("nobody deletes what does not exist"),
        };
        table.log.push_back(Arc::new(entry));
        if self.history.is_some_and(|limit| table.log.len() > limit)
            && let Some(oldest) = table.log.pop_front()
        {
            table.dropped = oldest.version;
            table.floor = table.floor.max(oldest.version);
            self.compacted = self.compacted.max(oldest.version);
        }
        table.wake();
        left
    }

    fn would_leave(&self, resource: &str, key: &str, next: Option<Value>) -> Arc<Object> {
        let present = self
            .tables
            .get(resource)
            .and_then(|table| table.objects.get(key));
        let value = next
            .or_else(|| present.map(|object| object.value.clone()))
            .unwrap_or_default();
        Arc::new(Object::new(with_version(value, self.revision)))
    }

    /// The objects at exactly `version`, from `start` on.
    pub(super) fn objects_at(
        &self,
        table: &Table,
        version: u64,
        start: &str,
    ) -> Result<Vec<Arc<Object>>, Refusal> {
        if version < self.compacted {
            return Err(Refusal::list_expired());
        }
        let from = (Bound::Included(start), Bound::Unbounded);
        let copy = |(_, object): (&String, &Arc<Object>)| Arc::clone(object);
        if version >= table.log.back().map_or(0, |entry| entry.version) {
            return Ok(table.objects.range::<str, _>(from).map(copy).collect());
        }
        Ok(table.at(version).range::<str, _>(from).map(copy).collect())
    }

    /// Goes back to the state at `version` and on from revision `version + bump`: a restored
    /// etcd backup. Watches and continue tokens of before die.
    pub(super) fn rewind(&mut self, version: u64, bump: u64) -> Result<(), Refusal> {
        if version < self.compacted || version > self.revision {
            return Err(Refusal::list_expired());
        }
        self.revision = version + bump;
        self.timeline += 1;
        self.hold = None;
        for table in self.tables.values_mut() {
            self.abandoned.push(table.truth());
            table.objects = table.at(version);
            table.log.retain(|entry| entry.version <= version);
            table.floor = self.revision;
            table.wake();
        }
        if bump > 0 {
            self.compacted = self.revision;
        }
        Ok(())
    }
}

/// 404 as the apiserver gives it for a path that it does not serve.
pub(super) fn not_served() -> Refusal {
    Refusal::new(
        404,
        "NotFound",
        "the server could not find the requested resource",
    )
}
