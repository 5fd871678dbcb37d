//! The watch cache against a naive model, and its rules one by one.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::*;
use crate::resource::{Delta, Key, Labels, Object, ObjectParts, ResourceVersion};

fn rv(version: u64) -> ResourceVersion {
    ResourceVersion::new(&version.to_string())
}

fn object(name: &str, uid: &str, version: u64) -> Arc<Object> {
    sized(Key::new("ns", name), uid, version, "")
}

/// An object of any key.
pub(super) fn object_in(key: Key, version: u64) -> Arc<Object> {
    sized(key, "u", version, "")
}

fn sized(key: Key, uid: &str, version: u64, padding: &str) -> Arc<Object> {
    let head = r#"{"metadata":{"resourceVersion":""#;
    let json = format!(r#"{head}{version}"}},"padding":"{padding}"}}"#);
    let start = head.len() as u32;
    let span = start..start + version.to_string().len() as u32;
    Arc::new(Object::new(ObjectParts {
        key,
        uid: uid.into(),
        version: rv(version),
        labels: Labels::default(),
        json: json.into(),
        version_span: span,
    }))
}

fn cache(bytes: usize, age: u64) -> WatchCache {
    WatchCache::new(HistoryLimits {
        bytes,
        age: Duration::from_secs(age),
    })
}

fn synced_at(version: u64) -> WatchCache {
    let mut cache = cache(1 << 20, 3600);
    cache.replace(vec![object("a", "u", 5)], rv(version), Instant::now());
    cache
}

fn after(cache: &WatchCache, position: u64) -> Vec<String> {
    match cache.locate(&rv(position)) {
        Located::At(seq) => match cache.since(seq, usize::MAX) {
            Since::Changes(changes) => changes.iter().map(|c| c.version.to_string()).collect(),
            Since::Expired => vec!["expired".into()],
        },
        other => vec![format!("{other:?}")],
    }
}

// K33, `TestEmptyWatchEventCache` of k8s.io/apiserver: off by one here loses events.
#[test]
fn a_fresh_cache_continues_exactly_its_own_version() {
    let cache = synced_at(10);
    assert_eq!(after(&cache, 9), ["Expired"]);
    assert_eq!(after(&cache, 10), Vec::<String>::new());
    assert_eq!(after(&cache, 11), ["Future"]);
}

#[test]
fn positions_between_changes_continue_with_the_next_change() {
    let mut cache = synced_at(10);
    let now = Instant::now();
    cache.apply(
        vec![
            Delta::Modified(object("a", "u", 12)),
            Delta::Modified(object("b", "v", 15)),
        ],
        now,
    );
    cache.apply(vec![Delta::Bookmark(rv(20))], now);
    assert_eq!(after(&cache, 10), ["12", "15"]);
    assert_eq!(after(&cache, 11), ["12", "15"]);
    assert_eq!(after(&cache, 12), ["15"]);
    assert_eq!(after(&cache, 17), Vec::<String>::new());
    assert_eq!(after(&cache, 21), ["Future"]);
}

#[test]
fn a_later_list_becomes_one_group_of_differences() {
    let mut cache = synced_at(10);
    let now = Instant::now();
    cache.apply(
        vec![
            Delta::Modified(object("b", "v", 11)),
            Delta::Modified(object("c", "w", 12)),
        ],
        now,
    );
    let list = vec![
        object("c", "w", 12),
        object("e", "y", 18),
        object("d", "x", 17),
    ];
    let changes = cache.replace(list, rv(20), now);
    let told: Vec<_> = changes
        .iter()
        .map(|c| {
            (
                c.version.to_string(),
                c.cur.is_some(),
                c.position.to_string(),
            )
        })
        .collect();
    let expected = [("17", true), ("18", true), ("20", false), ("20", false)];
    assert_eq!(
        told,
        expected.map(|(v, set)| (v.to_string(), set, "20".to_string()))
    );
    assert!(changes.iter().all(|c| c.group_end == changes[3].seq));
    // In the middle of a group there is no position: one resumes before or after all of it.
    assert_eq!(after(&cache, 12), ["17", "18", "20", "20"]);
    for within in [13, 17, 19] {
        assert_eq!(after(&cache, within), ["Expired"]);
    }
    assert_eq!(after(&cache, 20), Vec::<String>::new());
}

#[test]
fn a_bookmark_before_a_difference_can_be_continued() {
    let mut cache = synced_at(10);
    let now = Instant::now();
    cache.apply(vec![Delta::Bookmark(rv(15))], now);
    cache.replace(vec![object("b", "v", 18)], rv(20), now);
    assert_eq!(after(&cache, 10), ["18", "20"]);
    assert_eq!(after(&cache, 15), ["18", "20"]);
    assert_eq!(after(&cache, 16), ["Expired"]);
}

// An object may have been changed and changed back, or created and deleted.
#[test]
fn no_position_is_continued_between_two_states_that_are_the_same() {
    let mut cache = synced_at(10);
    let now = Instant::now();
    let same = || vec![object("a", "u", 5)];
    assert!(cache.replace(same(), rv(20), now).is_empty());
    cache.apply(vec![Delta::Modified(object("b", "v", 22))], now);
    assert!(
        cache
            .replace([same(), vec![object("b", "v", 22)]].concat(), rv(22), now)
            .is_empty()
    );
    assert!(
        cache
            .replace([same(), vec![object("b", "v", 22)]].concat(), rv(30), now)
            .is_empty()
    );
    for known in [10, 20, 21] {
        assert_eq!(after(&cache, known), ["22"], "{known}");
    }
    for known in [22, 30] {
        assert_eq!(after(&cache, known), Vec::<String>::new(), "{known}");
    }
    for within in [11, 15, 19, 23, 29] {
        assert_eq!(after(&cache, within), ["Expired"], "{within}");
    }
    // What lies before a gap goes with the age of the gap.
    cache.evict(now + Duration::from_secs(3601));
    assert_eq!(cache.floor(), &rv(30));
    assert_eq!(after(&cache, 30), Vec::<String>::new());
}

#[test]
fn history_goes_by_bytes_and_groups_go_whole() {
    let now = Instant::now();
    let mut cache = cache(0, 3600);
    cache.replace(vec![], rv(10), now);
    cache.apply(vec![Delta::Modified(object("a", "u", 11))], now);
    assert_eq!(after(&cache, 10), ["Expired"]);
    assert_eq!(after(&cache, 11), Vec::<String>::new());

    let mut cache = synced_at(10);
    cache.replace(
        vec![object("b", "v", 12), object("c", "w", 13)],
        rv(14),
        now,
    );
    let (count, _) = cache.history_size();
    assert_eq!(count, 3);
    cache.evict(now + Duration::from_secs(3601));
    assert_eq!(cache.history_size(), (0, 0));
    assert_eq!(cache.floor(), &rv(14));
}

// What a change keeps alive is the state before it: a large object that shrank is still held.
#[test]
fn history_weighs_what_it_keeps_alive() {
    let now = Instant::now();
    let large = "x".repeat(10_000);
    let mut cache = cache(50_000, 3600);
    let named = |at: usize| Key::new("ns", &format!("o{at}"));
    let list = (0..20).map(|at| sized(named(at), "u", 5, &large)).collect();
    cache.replace(list, rv(10), now);
    for at in 0..20 {
        let shrunk = object_in(named(at), 11 + at as u64);
        cache.apply(vec![Delta::Modified(shrunk)], now);
    }
    let (count, bytes) = cache.history_size();
    assert_eq!(count, 4);
    assert!((40_000..=50_000).contains(&bytes), "{bytes}");
    // What was created is held as the current state, and nothing else is.
    let mut growing = self::cache(50_000, 3600);
    growing.replace(vec![], rv(10), now);
    for at in 0..20 {
        let created = sized(named(at), "u", 11 + at as u64, &large);
        growing.apply(vec![Delta::Added(created)], now);
    }
    assert_eq!(growing.history_size().0, 20);
}

#[test]
fn a_deletion_of_the_unknown_only_moves_the_position() {
    let mut cache = synced_at(10);
    assert!(
        cache
            .apply(vec![Delta::Deleted(object("zz", "u", 12))], Instant::now())
            .is_empty()
    );
    assert_eq!(cache.head().version, rv(12));
}

#[test]
fn undoes_changes_to_show_an_older_state() {
    let mut cache = synced_at(10);
    let before = cache.snapshot();
    let now = Instant::now();
    cache.apply(
        vec![
            Delta::Modified(object("a", "u", 12)),
            Delta::Modified(object("b", "v", 13)),
        ],
        now,
    );
    cache.apply(vec![Delta::Deleted(object("a", "u", 14))], now);
    assert_eq!(cache.objects_at(before.head.seq), Some(before.objects));
    assert_eq!(
        cache.objects_at(cache.head().seq),
        Some(cache.snapshot().objects)
    );
    cache.restart(Objects::new(), rv(20));
    assert_eq!(cache.objects_at(before.head.seq), None);
}

#[test]
fn older_history_can_be_put_in_front() {
    let mut cache = synced_at(10);
    let now = Instant::now();
    cache.apply(vec![Delta::Modified(object("a", "u", 12))], now);
    let then = HashMap::from([(Key::new("ns", "a"), object("a", "u", 3))]);
    let told = vec![
        Delta::Modified(object("a", "u", 5)),
        Delta::Modified(object("x", "w", 7)),
        Delta::Deleted(object("x", "w", 9)),
        Delta::Modified(object("a", "u", 12)),
    ];
    assert!(!cache.prepend(then.clone(), told.clone(), rv(4), &rv(11), now));
    assert!(cache.prepend(then, told, rv(4), &rv(10), now));
    assert_eq!(after(&cache, 3), ["Expired"]);
    assert_eq!(after(&cache, 4), ["5", "7", "9", "12"]);
    assert_eq!(after(&cache, 8), ["9", "12"]);
    let Located::At(seq) = cache.locate(&rv(4)) else {
        panic!("must be known")
    };
    let Since::Changes(changes) = cache.since(seq, usize::MAX) else {
        panic!("must be kept")
    };
    assert_eq!(
        changes[0].prev.as_ref().map(|o| o.version().clone()),
        Some(rv(3))
    );
}

#[test]
fn unordered_versions_are_found_by_equality_alone() {
    let mut cache = cache(1 << 20, 3600);
    let now = Instant::now();
    cache.replace(vec![], ResourceVersion::new("x1"), now);
    cache.apply(vec![Delta::Bookmark(ResourceVersion::new("x7"))], now);
    assert_eq!(
        cache.locate(&ResourceVersion::new("x1")),
        Located::At(cache.head().seq)
    );
    assert_eq!(
        cache.locate(&ResourceVersion::new("x7")),
        Located::At(cache.head().seq)
    );
    assert_eq!(cache.locate(&ResourceVersion::new("x3")), Located::Expired);
}

/// A thousand random steps: whatever is asked of the cache equals what a plain list of states says.
#[test]
fn agrees_with_a_naive_model() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut cache = cache(usize::MAX, 3600);
        let now = Instant::now();
        cache.replace(vec![], rv(1), now);
        let mut states: Vec<(u64, Seq, Objects)> = vec![(1, cache.head().seq, Objects::new())];
        for version in 2..200 {
            let name = format!("o{}", random.u8(0..8));
            let held = cache.get(&Key::new("ns", &name)).cloned();
            let delta = match held {
                Some(_) if random.bool() => Delta::Deleted(object(&name, "u", version)),
                _ => Delta::Modified(object(&name, "u", version)),
            };
            cache.apply(vec![delta], now);
            states.push((version, cache.head().seq, cache.snapshot().objects));
        }
        for (version, seq, objects) in &states {
            assert_eq!(
                cache.locate(&rv(*version)),
                Located::At(*seq),
                "seed {seed}"
            );
            assert_eq!(
                cache.objects_at(*seq).as_ref(),
                Some(objects),
                "seed {seed}"
            );
        }
    }
}

#[test]
fn a_relist_keeps_the_objects_that_are_held() {
    let mut cache = synced_at(10);
    let now = Instant::now();
    cache.apply(vec![Delta::Modified(object("b", "v", 12))], now);
    let held = |cache: &WatchCache, name| cache.get(&Key::new("ns", name)).cloned();
    let before = ["a", "b"].map(|name| held(&cache, name).expect("held"));
    // Another object under the same name is another one, whatever its version.
    let list = vec![object("a", "u", 5), object("b", "w", 12)];
    assert_eq!(cache.replace(list, rv(20), now).len(), 1);
    let after = ["a", "b"].map(|name| held(&cache, name).expect("held"));
    assert!(Arc::ptr_eq(&before[0], &after[0]));
    assert_eq!(after[1].uid(), "w");
}
