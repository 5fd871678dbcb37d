//! A walk through the objects of one state that looks only where matches can be.
//!
//! Objects are ordered by `namespace/name`, so a namespace is one range of keys, and a name in a
//! namespace is one key. What a filter asks beyond that is for the caller to see.

use std::{collections::VecDeque, sync::Arc};

use super::Objects;
use crate::resource::{Key, Object};

/// Walks a state in the order of its keys. Holds on to the whole state.
#[derive(Debug)]
pub struct Scan {
    objects: Objects,
    /// Half-open ranges of keys that are still to be walked, in order.
    ranges: VecDeque<(Key, Option<Key>)>,
    /// Names that are still to be looked for, in one namespace after the other.
    hops: Option<Hops>,
    /// Nothing before this is shown.
    low: Key,
    batch: VecDeque<Arc<Object>>,
    visited: u64,
}

#[derive(Debug)]
struct Hops {
    names: Box<[Box<str>]>,
    /// The next namespace begins here or later.
    next: Key,
}

impl Scan {
    /// How many objects are fetched from the map at once.
    const BATCH: usize = 64;

    /// Walks the objects at `low` and behind it that are in one of the namespaces and have one of
    /// the names; none means all. Both must be sorted.
    pub fn new(objects: Objects, namespaces: &[Box<str>], names: &[Box<str>], low: Key) -> Self {
        let mut ranges: Vec<_> = match (namespaces, names) {
            ([], []) => vec![(low.clone(), None)],
            ([], _) => Vec::new(),
            (namespaces, []) => namespaces
                .iter()
                .map(|ns| (Key::prefix(ns), Some(Key::prefix_end(ns))))
                .collect(),
            (namespaces, names) => namespaces.iter().flat_map(|ns| exact(ns, names)).collect(),
        };
        ranges.sort();
        let hops = (namespaces.is_empty() && !names.is_empty()).then(|| Hops {
            names: names.into(),
            next: low.clone(),
        });
        Self {
            objects,
            ranges: ranges.into(),
            hops,
            low,
            batch: VecDeque::new(),
            visited: 0,
        }
    }

    /// The next object, which stays the next one.
    pub fn peek(&mut self) -> Option<&Arc<Object>> {
        while self.batch.is_empty() {
            match self.ranges.pop_front() {
                Some((from, to)) => self.fetch(from, to),
                None => self.hop()?,
            }
        }
        self.batch.front()
    }

    /// Goes past it.
    pub fn advance(&mut self) {
        self.batch.pop_front();
    }

    /// How many objects were looked at: what the walk has cost.
    pub fn visited(&self) -> u64 {
        self.visited
    }

    fn fetch(&mut self, from: Key, to: Option<Key>) {
        let from = from.max(self.low.clone());
        if to.as_ref().is_some_and(|to| *to <= from) {
            return;
        }
        let found = self.objects.range(from..).take(Self::BATCH + 1);
        let mut found: Vec<_> = found
            .take_while(|(key, _)| to.as_ref().is_none_or(|to| *key < to))
            .map(|(key, object)| (key.clone(), object.clone()))
            .collect();
        if found.len() > Self::BATCH {
            let (rest, _) = found.pop().expect("just counted");
            self.ranges.push_front((rest, to));
        }
        self.visited += found.len() as u64;
        self.batch
            .extend(found.into_iter().map(|(_, object)| object));
    }

    /// Turns to the next namespace that exists; `None` if there is none left.
    fn hop(&mut self) -> Option<()> {
        let hops = self.hops.as_mut()?;
        let (key, _) = self.objects.range(hops.next.clone()..).next()?;
        self.visited += 1;
        let namespace = key.namespace();
        self.ranges.extend(exact(namespace, &hops.names));
        if namespace.is_empty() {
            // Either all objects have a namespace or none has.
            self.hops = None;
        } else {
            hops.next = Key::prefix_end(namespace);
        }
        Some(())
    }
}

impl Iterator for Scan {
    type Item = Arc<Object>;

    fn next(&mut self) -> Option<Arc<Object>> {
        self.peek()?;
        self.batch.pop_front()
    }
}

/// One range for each of the names.
fn exact(namespace: &str, names: &[Box<str>]) -> impl Iterator<Item = (Key, Option<Key>)> {
    names.iter().map(move |name| {
        let key = Key::new(namespace, name);
        let end = key.successor();
        (key, Some(end))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{resource::ResourceVersion, store::tests::object_in};

    fn boxed(texts: &[&str]) -> Vec<Box<str>> {
        texts.iter().map(|text| (*text).into()).collect()
    }

    /// Namespaces whose names sort differently with a slash behind them, and objects in each.
    fn state(objects: usize) -> Objects {
        let namespaces = ["t1", "t1-bad", "t10", "t0", "t", "t1-bad1", "u"];
        let keys = namespaces
            .iter()
            .flat_map(|ns| (0..objects).map(move |at| Key::new(ns, &format!("o{at:04}"))));
        keys.map(|key| (key.clone(), object_in(key, 7))).collect()
    }

    fn scanned(state: &Objects, namespaces: &[&str], names: &[&str], low: &Key) -> (Vec<Key>, u64) {
        let (namespaces, names) = (boxed(namespaces), boxed(names));
        let mut scan = Scan::new(state.clone(), &namespaces, &names, low.clone());
        let keys = scan.by_ref().map(|object| object.key().clone()).collect();
        (keys, scan.visited())
    }

    #[test]
    fn finds_what_a_look_at_each_object_finds() {
        let state = state(5);
        let from = |key: &str| Key::from_text(key);
        for namespaces in [&[][..], &["t1"], &["t", "t1-bad"], &["none"], &["t0", "u"]] {
            for names in [&[][..], &["o0001"], &["o0000", "o0004", "o9"]] {
                for low in ["", "t1", "t1/o0001", "t1-bad/o0004\0", "t10/", "v"].map(from) {
                    let fits = |list: &[&str], text| list.is_empty() || list.contains(&text);
                    let expected: Vec<Key> = state
                        .keys()
                        .filter(|key| **key >= low)
                        .filter(|key| fits(namespaces, key.namespace()) && fits(names, key.name()))
                        .cloned()
                        .collect();
                    let (found, _) = scanned(&state, namespaces, names, &low);
                    assert_eq!(found, expected, "{namespaces:?} {names:?} {low}");
                }
            }
        }
    }

    #[test]
    fn cluster_scoped_objects_are_found_by_name() {
        let keys = ["a", "b", "c"].map(|name| Key::new("", name));
        let state: Objects = keys
            .iter()
            .map(|key| (key.clone(), object_in(key.clone(), 7)))
            .collect();
        let (found, visited) = scanned(&state, &[], &["b", "x"], &Key::from_text(""));
        assert_eq!(found, [Key::new("", "b")]);
        assert_eq!(visited, 2);
    }

    #[test]
    fn looks_only_where_matches_can_be() {
        let state = state(3000);
        let start = Key::from_text("");
        let (found, visited) = scanned(&state, &["t1"], &[], &start);
        assert_eq!((found.len(), visited), (3000, 3000));
        let (found, visited) = scanned(&state, &["t1", "u"], &["o0007"], &start);
        assert_eq!((found.len(), visited), (2, 2));
        let (found, visited) = scanned(&state, &[], &["o0007"], &start);
        assert_eq!(
            (found.len(), visited),
            (7, 14),
            "a look and a find in each namespace"
        );
        let low = Key::new("t1", "o2990");
        let (found, visited) = scanned(&state, &["t1"], &[], &low);
        assert_eq!((found.len(), visited), (10, 10));
    }

    #[test]
    fn versions_play_no_part() {
        let key = Key::new("ns", "a");
        let state: Objects = [(key.clone(), object_in(key, 9))].into_iter().collect();
        let mut scan = Scan::new(state, &[], &[], Key::from_text(""));
        let version = scan.peek().map(|object| object.version().clone());
        assert_eq!(version, Some(ResourceVersion::new("9")));
        scan.advance();
        assert!(scan.peek().is_none());
    }
}
