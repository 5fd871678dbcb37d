//! A store equals what was told, whatever breaks.

use super::*;
use crate::{
    client::{CallError, NeverReady},
    proto::v1,
};

mod model;

/// An object is its own description here.
type Object = String;

fn change(name: &str, uid: &str, version: &str) -> Change<Object> {
    Change {
        object: Arc::new(format!("{name} {uid} {version}")),
        old: None,
        cause: Cause::Change,
        namespace: "t".into(),
        name: name.into(),
        uid: uid.into(),
        resource_version: version.into(),
    }
}

fn snapshot_end(version: &str) -> Event<Object> {
    Event::SnapshotEnd(SnapshotEnd {
        resource_version: version.into(),
        count: None,
    })
}

fn started(epoch: &str) -> Event<Object> {
    Event::Notice(Notice::Started(v1::Started {
        epoch: epoch.into(),
        ..Default::default()
    }))
}

fn unreadable(kind: ChangeKind, name: &str, uid: &str, version: &str) -> Item<Object> {
    Err(WatchError::Object(Box::new(ObjectError {
        kind,
        cause: Cause::Change,
        namespace: "t".into(),
        name: name.into(),
        uid: uid.into(),
        resource_version: version.into(),
        path: ".".into(),
        reason: "odd".into(),
    })))
}

/// What one item does, in words.
fn words(mirror: &mut Mirror<Object>, item: Item<Object>) -> Vec<String> {
    let mut told = VecDeque::new();
    mirror.take(item, &mut told);
    told.iter().map(word).collect()
}

fn word(item: &Item<Object>) -> String {
    match item {
        Err(error) => error.to_string(),
        Ok(Event::SnapshotEnd(end)) => format!("end {}", end.resource_version),
        Ok(Event::Reset(_)) => "reset".into(),
        Ok(event) => match event.change() {
            None => "other".into(),
            Some((kind, change)) => {
                let old = change.old.as_deref().map(|old| format!(" from {old}"));
                format!(
                    "{kind} {:?} {} at {}{}",
                    change.cause,
                    change.object,
                    change.resource_version,
                    old.unwrap_or_default()
                )
            }
        },
    }
}

fn state(store: &Store<Object>) -> Vec<String> {
    store
        .state()
        .iter()
        .map(|object| (**object).clone())
        .collect()
}

/// A mirror that has seen a snapshot at 9 of `a` at 1 and `b` at 2.
fn settled() -> (Mirror<Object>, Store<Object>) {
    let (mut mirror, store) = Mirror::new();
    words(&mut mirror, Ok(started("e")));
    words(&mut mirror, Ok(Event::Added(change("b", "ub", "2"))));
    words(&mut mirror, Ok(Event::Added(change("a", "ua", "1"))));
    words(&mut mirror, Ok(snapshot_end("9")));
    (mirror, store)
}

#[test]
fn events_are_told_after_they_were_applied() {
    let (mut mirror, store) = Mirror::new();
    assert!(store.is_empty() && !store.is_ready());
    let told = words(&mut mirror, Ok(Event::Added(change("a", "ua", "1"))));
    assert_eq!(told, ["ADDED Change a ua 1 at 1"]);
    assert_eq!(store.get("t", "a").as_deref(), Some(&"a ua 1".to_owned()));
    assert!(!store.is_ready(), "inside the snapshot");
    assert_eq!(words(&mut mirror, Ok(snapshot_end("9"))), ["end 9"]);
    assert!(store.is_ready());
    let told = words(&mut mirror, Ok(Event::Modified(change("a", "ua", "10"))));
    assert_eq!(told, ["MODIFIED Change a ua 10 at 10 from a ua 1"]);
    assert_eq!(state(&store), ["a ua 10"]);
    let told = words(&mut mirror, Ok(Event::Deleted(change("a", "ua", "11"))));
    assert_eq!(told, ["DELETED Change a ua 11 at 11"]);
    assert_eq!((store.len(), store.get("t", "a")), (0, None));
}

#[test]
fn objects_come_in_the_order_of_the_protocol() {
    let (mut mirror, store) = Mirror::new();
    for (namespace, name) in [("t1", "x"), ("t1-bad", "x"), ("", "node")] {
        let change = Change {
            namespace: namespace.into(),
            ..change(name, namespace, "1")
        };
        words(&mut mirror, Ok(Event::Added(change)));
    }
    assert_eq!(state(&store), ["node  1", "x t1-bad 1", "x t1 1"]);
    assert_eq!(
        store.get("", "node").as_deref(),
        Some(&"node  1".to_owned())
    );
    assert_eq!(store.get("t1", "node"), None);
}

#[test]
fn a_reset_shows_the_old_until_the_new_is_complete() {
    let (mut mirror, store) = settled();
    words(&mut mirror, Ok(Event::Added(change("d", "ud", "10"))));
    let before = state(&store);
    let reset = Ok(Event::Reset(ResetReason::Expired));
    assert!(
        words(&mut mirror, reset).is_empty(),
        "a reset never surfaces"
    );
    // `a` is as it was, `b` has changed, `c` is new, `d` has gone and another came.
    for (name, uid, version) in [("a", "ua", "1"), ("b", "ub", "20"), ("c", "uc", "21")] {
        let told = words(&mut mirror, Ok(Event::Added(change(name, uid, version))));
        assert!(told.is_empty(), "{told:?}");
    }
    words(&mut mirror, Ok(Event::Added(change("d", "other", "22"))));
    assert_eq!(state(&store), before);
    assert!(store.is_ready(), "what it shows is still a whole state");
    let expected = [
        "MODIFIED Resync b ub 20 at 20 from b ub 2",
        "ADDED Resync c uc 21 at 21",
        "DELETED Resync d ud 10 at 22",
        "ADDED Resync d other 22 at 22",
        "end 30",
    ];
    assert_eq!(words(&mut mirror, Ok(snapshot_end("30"))), expected);
    assert_eq!(
        state(&store),
        ["a ua 1", "b ub 20", "c uc 21", "d other 22"]
    );
}

#[test]
fn what_a_reset_does_not_bring_back_is_deleted() {
    let (mut mirror, store) = settled();
    words(&mut mirror, Ok(Event::Reset(ResetReason::Lagged)));
    words(&mut mirror, Ok(Event::Added(change("c", "uc", "12"))));
    // The snapshot breaks, and the next one has less.
    words(&mut mirror, Ok(Event::Reset(ResetReason::Interrupted)));
    words(&mut mirror, Ok(Event::Added(change("b", "ub", "2"))));
    let told = words(&mut mirror, Ok(snapshot_end("30")));
    assert_eq!(told, ["DELETED Resync a ua 1 at 30", "end 30"]);
    assert_eq!(state(&store), ["b ub 2"]);
}

#[test]
fn versions_of_another_history_prove_nothing() {
    let again = |items: Vec<Event<Object>>| {
        let (mut mirror, _store) = settled();
        for item in items {
            words(&mut mirror, Ok(item));
        }
        words(&mut mirror, Ok(Event::Added(change("a", "ua", "1"))));
        words(&mut mirror, Ok(Event::Added(change("b", "ub", "2"))));
        words(&mut mirror, Ok(snapshot_end("9"))).len() - 1
    };
    let reset = Event::Reset;
    assert_eq!(again(vec![reset(ResetReason::Expired)]), 0);
    assert_eq!(again(vec![reset(ResetReason::Rewound)]), 2);
    let interrupted = reset(ResetReason::Interrupted);
    let rewound = reset(ResetReason::Rewound);
    assert_eq!(again(vec![rewound, interrupted.clone()]), 2);
    assert_eq!(again(vec![started("e"), interrupted.clone()]), 0);
    assert_eq!(again(vec![started("f"), interrupted]), 2);
}

#[test]
fn an_unreadable_state_leaves_the_last_readable_one() {
    use ChangeKind::{Added, Deleted, Modified};
    let (mut mirror, store) = settled();
    let odd = "cannot read t/a at resourceVersion 10: odd";
    let told = words(&mut mirror, unreadable(Modified, "a", "ua", "10"));
    assert_eq!(told, [odd]);
    words(&mut mirror, unreadable(Added, "new", "un", "11"));
    assert_eq!(state(&store), ["a ua 1", "b ub 2"]);
    // What was told of an object decides its next type, not what the daemon knows.
    let told = words(&mut mirror, Ok(Event::Modified(change("new", "un", "12"))));
    assert_eq!(told, ["ADDED Change new un 12 at 12"]);
    let told = words(&mut mirror, unreadable(Deleted, "a", "ua", "13"));
    assert_eq!(told, ["DELETED Change a ua 1 at 13"]);
    let told = words(&mut mirror, unreadable(Deleted, "a", "ua", "14"));
    assert_eq!(told, ["cannot read t/a at resourceVersion 14: odd"]);
}

#[test]
fn an_unreadable_object_of_a_new_snapshot_is_not_taken_for_gone() {
    let (mut mirror, store) = settled();
    words(&mut mirror, Ok(Event::Reset(ResetReason::Expired)));
    let told = words(&mut mirror, unreadable(ChangeKind::Added, "a", "ua", "20"));
    assert_eq!(told, ["cannot read t/a at resourceVersion 20: odd"]);
    // Of `b` there is another object now, and it can't be read either.
    words(
        &mut mirror,
        unreadable(ChangeKind::Added, "b", "other", "21"),
    );
    let told = words(&mut mirror, Ok(snapshot_end("30")));
    assert_eq!(told, ["DELETED Resync b ub 2 at 30", "end 30"]);
    assert_eq!(state(&store), ["a ua 1"]);
}

#[tokio::test]
async fn who_waits_learns_of_the_snapshot_or_of_the_end() {
    let (mut mirror, store) = Mirror::new();
    let (told, ()) = tokio::join!(store.wait_until_ready(), async {
        words(&mut mirror, Ok(snapshot_end("9")));
    });
    assert_eq!(told, Ok(()));
    drop(mirror);
    assert_eq!(store.wait_until_ready().await, Ok(()), "still readable");

    let (mut mirror, store) = Mirror::new();
    let waiting = store.clone();
    let (told, ()) = tokio::join!(waiting.wait_until_ready(), async {
        let refused = CallError::unavailable("gone");
        words(&mut mirror, Err(WatchError::Call(refused)));
    });
    assert_eq!(told, Err(NeverReady));
    let (mirror, store) = Mirror::<Object>::new();
    drop(mirror);
    assert_eq!(store.wait_until_ready().await, Err(NeverReady));
}

#[tokio::test]
async fn a_store_says_that_its_stream_is_over() {
    let (mut mirror, store) = Mirror::new();
    assert!(!store.ended());
    words(&mut mirror, Ok(snapshot_end("9")));
    assert!(!store.ended(), "a snapshot is no end");
    mirror.end();
    assert!(store.ended() && store.is_ready());
    store.until_ended().await;

    let (mirror, store) = Mirror::<Object>::new();
    let ((), ()) = tokio::join!(store.until_ended(), async { drop(mirror) });
    assert!(store.clone().ended());
}
