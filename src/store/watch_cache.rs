//! Current objects and how they came to be.

use std::{cmp::Ordering, collections::HashMap, sync::Arc, time::Instant};

use imbl::OrdMap;

use super::{Change, ChangeCause, HistoryLimits, Located, Seq, Since, history::History};
use crate::resource::{Delta, Key, Object, ResourceVersion};

/// The objects of a resource by key. Cloning shares everything and takes no time.
pub type Objects = OrdMap<Key, Arc<Object>>;

/// The newest point of a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The newest change.
    pub seq: Seq,
    /// Everything up to here is known.
    pub version: ResourceVersion,
}

/// The state of a resource at one point.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The objects.
    pub objects: Objects,
    /// The point.
    pub head: Head,
}

/// The watch cache of one resource. Empty and *unsynced* until the first [`replace`].
///
/// [`replace`]: WatchCache::replace
#[derive(Debug)]
pub struct WatchCache {
    synced: bool,
    objects: Objects,
    version: ResourceVersion,
    history: History,
}

impl WatchCache {
    /// Makes an unsynced cache.
    pub fn new(limits: HistoryLimits) -> Self {
        let nowhere = ResourceVersion::new("");
        Self {
            synced: false,
            objects: Objects::new(),
            version: nowhere.clone(),
            history: History::new(limits, nowhere),
        }
    }

    /// Whether the cache holds a complete state.
    pub fn is_synced(&self) -> bool {
        self.synced
    }

    /// The newest point.
    pub fn head(&self) -> Head {
        Head {
            seq: self.history.last(),
            version: self.version.clone(),
        }
    }

    /// The oldest position that can be continued.
    pub fn floor(&self) -> &ResourceVersion {
        self.history.floor()
    }

    /// One object.
    pub fn get(&self, key: &Key) -> Option<&Arc<Object>> {
        self.objects.get(key)
    }

    /// How many objects there are.
    pub fn object_count(&self) -> usize {
        self.objects.len()
    }

    /// Changes kept, and their bytes.
    pub fn history_size(&self) -> (usize, usize) {
        (self.history.len(), self.history.bytes())
    }

    /// The current state.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            objects: self.objects.clone(),
            head: self.head(),
        }
    }

    /// Finds where a position stands.
    pub fn locate(&self, position: &ResourceVersion) -> Located {
        self.history.locate(position, &self.version)
    }

    /// The changes after `seq`, at most so many.
    pub fn since(&self, seq: Seq, most: usize) -> Since {
        self.history.since(seq, most)
    }

    /// The seq of a place that was kept for some time, or `None` if what comes after it is no longer
    /// known. A seq from before [`WatchCache::prepend`] may stand for another change now, so the
    /// place is looked up by its position, if there is one (inside of a group there is none).
    pub fn place(&self, seq: Seq, position: Option<&ResourceVersion>) -> Option<Seq> {
        match position.filter(|position| position.is_ordered()) {
            Some(position) => match self.locate(position) {
                Located::At(seq) => Some(seq),
                Located::Expired | Located::Future => None,
            },
            None => (self.is_unique(seq) && self.floor_seq() <= seq).then_some(seq),
        }
    }

    /// From where on seqs have only ever stood for one change, if they haven't everywhere.
    pub fn seam(&self) -> Option<Seq> {
        self.history.seam()
    }

    /// Counts how often seqs have come to stand for other changes than before.
    pub fn rewrites(&self) -> u64 {
        self.history.rewrites()
    }

    /// The oldest seq that can be continued.
    pub fn floor_seq(&self) -> Seq {
        self.history.floor_seq()
    }

    /// Whether this seq has only ever stood for one change; see [`WatchCache::place`].
    pub fn is_unique(&self, seq: Seq) -> bool {
        self.history.is_unique(seq)
    }

    /// The objects as they were right after `seq`, or `None` if that can't be known any more.
    /// Undoes the changes since, newest first.
    pub fn objects_at(&self, seq: Seq) -> Option<Objects> {
        let mut objects = self.objects.clone();
        for change in self.history.back_to(seq)? {
            match (&change.prev, &change.cur) {
                (Some(prev), _) => {
                    objects.insert(prev.key().clone(), prev.clone());
                }
                (None, Some(cur)) => {
                    objects.remove(cur.key());
                }
                (None, None) => {}
            }
        }
        Some(objects)
    }

    /// Takes over a complete state, as a list gave it.
    ///
    /// The first one makes the cache synced and is no change. A later one is compared with what is
    /// held: the difference is one group of changes of cause [`ChangeCause::Resync`], changed
    /// objects by ascending version first, then deletions at `version`. It may be empty; the
    /// positions between the two states can't be continued all the same.
    pub fn replace(
        &mut self,
        objects: Vec<Arc<Object>>,
        version: ResourceVersion,
        now: Instant,
    ) -> Vec<Arc<Change>> {
        let objects = objects.into_iter().map(|o| self.known(o));
        let objects: Objects = objects.map(|o| (o.key().clone(), o)).collect();
        if !self.synced {
            self.restart(objects, version);
            return Vec::new();
        }
        let steps = difference(&self.objects, &objects, &version);
        self.objects = objects;
        let before = std::mem::replace(&mut self.version, version.clone());
        self.history.note_gap(before, version.clone(), now);
        let group_end = self.history.last().forward(steps.len());
        let changes = steps
            .into_iter()
            .map(|step| self.record(step, ChangeCause::Resync, &version, group_end, now))
            .collect();
        self.history.evict(now);
        changes
    }

    /// Takes over a complete state that does not continue what was held before: the cluster's
    /// history was rewound. Everything known until now is forgotten.
    pub fn restart(&mut self, objects: Objects, version: ResourceVersion) {
        self.synced = true;
        self.objects = objects;
        self.version = version.clone();
        self.history.restart(version);
    }

    /// Forgets everything; the cache is unsynced again.
    pub fn clear(&mut self) {
        self.synced = false;
        self.objects = Objects::new();
        self.version = ResourceVersion::new("");
        self.history.restart(ResourceVersion::new(""));
    }

    /// Applies what a watch told, in order.
    pub fn apply(&mut self, deltas: Vec<Delta>, now: Instant) -> Vec<Arc<Change>> {
        let mut changes = Vec::with_capacity(deltas.len());
        for delta in deltas {
            let step = match delta {
                Delta::Bookmark(version) => {
                    self.version = version;
                    continue;
                }
                Delta::Added(object) | Delta::Modified(object) => {
                    self.version = object.version().clone();
                    let prev = self.objects.insert(object.key().clone(), object.clone());
                    Step {
                        version: object.version().clone(),
                        prev,
                        cur: Some(object),
                    }
                }
                Delta::Deleted(last) => {
                    self.version = last.version().clone();
                    // What was never held can't be taken from anybody.
                    let Some(prev) = self.objects.remove(last.key()) else {
                        continue;
                    };
                    Step {
                        version: last.version().clone(),
                        prev: Some(prev),
                        cur: None,
                    }
                }
            };
            let position = step.version.clone();
            let group_end = self.history.last().next();
            changes.push(self.record(step, ChangeCause::Write, &position, group_end, now));
        }
        self.history.evict(now);
        changes
    }

    /// Puts older history in front: the state at `floor` and what a watch told from there up to
    /// the oldest position known here. Refused (`false`) if the floor has moved meanwhile, so that
    /// the two don't meet, or if there is no room for it.
    pub fn prepend(
        &mut self,
        mut objects: HashMap<Key, Arc<Object>>,
        deltas: Vec<Delta>,
        floor: ResourceVersion,
        meets: &ResourceVersion,
        now: Instant,
    ) -> bool {
        if !self.synced || self.history.floor() != meets || !meets.is_after(&floor) {
            return false;
        }
        let mut changes = Vec::with_capacity(deltas.len());
        for delta in deltas {
            let (version, prev, cur) = match delta {
                Delta::Bookmark(_) => continue,
                Delta::Added(object) | Delta::Modified(object) => {
                    let prev = objects.insert(object.key().clone(), object.clone());
                    (object.version().clone(), prev, Some(object))
                }
                Delta::Deleted(last) => match objects.remove(last.key()) {
                    Some(prev) => (last.version().clone(), Some(prev), None),
                    None => continue,
                },
            };
            if version.is_after(meets) {
                break;
            }
            changes.push(Change {
                seq: Seq::ORIGIN,
                group_end: Seq::ORIGIN,
                position: version.clone(),
                version,
                cause: ChangeCause::Write,
                prev,
                cur,
            });
        }
        self.history.prepend(changes, floor, now)
    }

    /// The difference between an older state and the current one, as one group of changes that is
    /// not part of the history: for a reader that comes from further back than it reaches.
    pub fn difference_from(&self, objects: &Objects) -> Vec<Arc<Change>> {
        let steps = difference(objects, &self.objects, &self.version);
        let last = self.history.last();
        steps
            .into_iter()
            .map(|step| {
                Arc::new(Change {
                    seq: last,
                    group_end: last,
                    version: step.version,
                    position: self.version.clone(),
                    cause: ChangeCause::Resync,
                    prev: step.prev,
                    cur: step.cur,
                })
            })
            .collect()
    }

    /// Drops history that is over its limits.
    pub fn evict(&mut self, now: Instant) {
        self.history.evict(now);
    }

    /// The object that is held already, if it is the same: the history shares it, and counts on it
    /// being held here.
    fn known(&self, object: Arc<Object>) -> Arc<Object> {
        let held = self.objects.get(object.key());
        let held = held.filter(|held| is_same(held, &object)).cloned();
        held.unwrap_or(object)
    }

    fn record(
        &mut self,
        step: Step,
        cause: ChangeCause,
        position: &ResourceVersion,
        group_end: Seq,
        now: Instant,
    ) -> Arc<Change> {
        let change = Arc::new(Change {
            seq: self.history.last().next(),
            group_end,
            version: step.version,
            position: position.clone(),
            cause,
            prev: step.prev,
            cur: step.cur,
        });
        self.history.push(change.clone(), now);
        change
    }
}

struct Step {
    version: ResourceVersion,
    prev: Option<Arc<Object>>,
    cur: Option<Arc<Object>>,
}

fn is_same(one: &Object, other: &Object) -> bool {
    one.version() == other.version() && one.uid() == other.uid()
}

/// What leads from one state to another that was read at `version`.
fn difference(from: &Objects, to: &Objects, version: &ResourceVersion) -> Vec<Step> {
    let mut changed: Vec<Step> = to
        .values()
        .filter_map(|cur| {
            let prev = from.get(cur.key());
            let same = prev.is_some_and(|prev| is_same(prev, cur));
            (!same).then(|| Step {
                version: cur.version().clone(),
                prev: prev.cloned(),
                cur: Some(cur.clone()),
            })
        })
        .collect();
    changed.sort_by(|a, b| a.version.compare(&b.version).unwrap_or(Ordering::Equal));
    let gone = from
        .values()
        .filter(|prev| !to.contains_key(prev.key()))
        .map(|prev| Step {
            version: version.clone(),
            prev: Some(prev.clone()),
            cur: None,
        });
    changed.extend(gone);
    changed
}
