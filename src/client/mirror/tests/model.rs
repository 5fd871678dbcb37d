//! A cluster, a daemon that tells it with breaks, and a reader who keeps count.

use proptest::prelude::*;

use super::*;

/// Something that happens in the cluster.
#[derive(Debug, Clone)]
enum Act {
    /// The object is written, and can be read or not.
    Put { name: usize, readable: bool },
    /// The object is deleted.
    Delete { name: usize },
    /// The object is deleted and created again.
    Replace { name: usize, readable: bool },
}

/// Something that happens to the watch.
#[derive(Debug, Clone)]
enum Move {
    /// The watch tells it.
    Live(Act),
    /// Unseen acts, then a reset. Snapshots break after so many objects until one is complete.
    Reset { unseen: Vec<Act>, cuts: Vec<usize> },
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Debug, Clone, PartialEq)]
struct Thing {
    uid: u64,
    version: u64,
    readable: bool,
}

#[derive(Default)]
struct World {
    things: BTreeMap<&'static str, Thing>,
    /// Counts the writes; uids and versions come from it.
    clock: u64,
    /// What the store must hold: uid and version by name.
    expected: BTreeMap<String, (u64, u64)>,
}

impl World {
    /// Does it, and says what the daemon says of it.
    fn act(&mut self, act: &Act) -> Vec<Item<Object>> {
        self.clock += 1;
        match *act {
            Act::Put { name, readable } => vec![self.put(NAMES[name], readable)],
            Act::Delete { name } => self.delete(NAMES[name]).into_iter().collect(),
            Act::Replace { name, readable } => {
                let gone = self.delete(NAMES[name]);
                gone.into_iter()
                    .chain([self.put(NAMES[name], readable)])
                    .collect()
            }
        }
    }

    fn put(&mut self, name: &'static str, readable: bool) -> Item<Object> {
        let before = self.things.get(name);
        let kind = match before {
            None => ChangeKind::Added,
            Some(_) => ChangeKind::Modified,
        };
        let thing = Thing {
            uid: before.map_or(self.clock, |thing| thing.uid),
            version: self.clock,
            readable,
        };
        let item = thing.item(kind, name);
        self.things.insert(name, thing);
        item
    }

    fn delete(&mut self, name: &'static str) -> Option<Item<Object>> {
        let mut thing = self.things.remove(name)?;
        thing.version = self.clock;
        Some(thing.item(ChangeKind::Deleted, name))
    }

    /// What the store holds after acts that were told.
    fn expect_live(&mut self, items: &[Item<Object>]) {
        for item in items {
            match item {
                Ok(Event::Deleted(change)) => drop(self.expected.remove(&change.name)),
                Err(WatchError::Object(e)) if e.kind == ChangeKind::Deleted => {
                    self.expected.remove(&e.name);
                }
                Ok(event) => {
                    let (_, change) = event.change().expect("a change");
                    let state = numbers(change);
                    self.expected.insert(change.name.clone(), state);
                }
                Err(_) => {}
            }
        }
    }

    /// What the store holds after a snapshot.
    fn expect_snapshot(&mut self) {
        let before = std::mem::take(&mut self.expected);
        for (name, thing) in &self.things {
            let held = before.get(*name).filter(|(uid, _)| *uid == thing.uid);
            let state = match (thing.readable, held) {
                (true, _) => Some((thing.uid, thing.version)),
                (false, held) => held.copied(),
            };
            self.expected
                .extend(state.map(|state| ((*name).to_owned(), state)));
        }
    }

    fn snapshot(&self) -> Vec<Item<Object>> {
        let things = self.things.iter();
        things
            .map(|(name, thing)| thing.item(ChangeKind::Added, name))
            .collect()
    }
}

impl Thing {
    fn item(&self, kind: ChangeKind, name: &str) -> Item<Object> {
        let (uid, version) = (self.uid.to_string(), self.version.to_string());
        match self.readable {
            true => Ok(Event::of(kind, change(name, &uid, &version))),
            false => unreadable(kind, name, &uid, &version),
        }
    }
}

fn numbers(change: &Change<Object>) -> (u64, u64) {
    let number = |text: &str| text.parse().expect("a number");
    (number(&change.uid), number(&change.resource_version))
}

/// A reader that keeps nothing but what the stream says.
#[derive(Default)]
struct Reader {
    held: BTreeMap<String, Arc<Object>>,
}

impl Reader {
    fn read(&mut self, told: VecDeque<Item<Object>>) {
        for item in told {
            let Ok(event) = item else { continue };
            assert!(!matches!(event, Event::Reset(_)), "a reset came through");
            let Some((kind, change)) = event.change() else {
                continue;
            };
            let held = self.held.remove(&change.name);
            match kind {
                ChangeKind::Added => assert_eq!(held, None, "added twice"),
                ChangeKind::Modified => {
                    assert!(held.is_some(), "modified, but not held");
                    assert_eq!(held, change.old, "the state before");
                    let uid = |object: &Object| object.split(' ').nth(1).map(str::to_owned);
                    let before = held.as_deref().and_then(uid);
                    assert_eq!(before, uid(&change.object), "of the same object");
                }
                ChangeKind::Deleted => {
                    // An unreadable creation was told as an error only.
                    continue;
                }
            }
            let object = Arc::clone(&change.object);
            self.held.insert(change.name.clone(), object);
        }
    }
}

fn act() -> impl Strategy<Value = Act> {
    let name = 0..NAMES.len();
    let readable = || proptest::bool::weighted(0.8);
    prop_oneof![
        4 => (name.clone(), readable()).prop_map(|(name, readable)| Act::Put { name, readable }),
        2 => name.clone().prop_map(|name| Act::Delete { name }),
        1 => (name, readable()).prop_map(|(name, readable)| Act::Replace { name, readable }),
    ]
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    use proptest::collection::vec;
    let reset = (vec(act(), 0..6), vec(0..NAMES.len(), 0..3))
        .prop_map(|(unseen, cuts)| Move::Reset { unseen, cuts });
    vec(
        prop_oneof![3 => act().prop_map(Move::Live), 1 => reset],
        0..24,
    )
}

/// Brings items to the mirror and what it tells to the reader.
fn feed(mirror: &mut Mirror<Object>, reader: &mut Reader, items: Vec<Item<Object>>) {
    for item in items {
        let mut told = VecDeque::new();
        mirror.take(item, &mut told);
        reader.read(told);
    }
}

fn reset() -> Vec<Item<Object>> {
    vec![Ok(Event::Reset(ResetReason::Interrupted))]
}

proptest! {
    #[test]
    fn the_store_is_the_cluster_and_the_fold_of_the_events(moves in moves()) {
        let (mut mirror, store) = Mirror::new();
        let (mut world, mut reader) = (World::default(), Reader::default());
        for step in moves {
            match step {
                Move::Live(act) => {
                    let items = world.act(&act);
                    world.expect_live(&items);
                    feed(&mut mirror, &mut reader, items);
                }
                Move::Reset { unseen, cuts } => {
                    for act in &unseen {
                        world.act(act);
                    }
                    let before = state(&store);
                    for cut in cuts {
                        feed(&mut mirror, &mut reader, reset());
                        let part = world.snapshot().into_iter().take(cut).collect();
                        feed(&mut mirror, &mut reader, part);
                        prop_assert_eq!(&state(&store), &before);
                    }
                    feed(&mut mirror, &mut reader, reset());
                    feed(&mut mirror, &mut reader, world.snapshot());
                    prop_assert_eq!(&state(&store), &before);
                    feed(&mut mirror, &mut reader, vec![Ok(snapshot_end("0"))]);
                    world.expect_snapshot();
                }
            }
            let expected: Vec<String> = world.expected.iter()
                .map(|(name, (uid, version))| format!("{name} {uid} {version}"))
                .collect();
            prop_assert_eq!(&state(&store), &expected);
            let held: Vec<String> = reader.held.values().map(|o| (**o).clone()).collect();
            prop_assert_eq!(&held, &expected);
        }
    }
}
