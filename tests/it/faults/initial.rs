//! Faults while the first state, or a new one, is fetched as a stream.

use std::time::Duration;

use informerd::proto::v1::{EventCause, EventType::Deleted};
use informerd_support::simulation::{Action, Disruption, Fault, Verb};
use serde_json::json;
use tonic::Code;

use super::storm::{Asked, FIRST, MAPS, Storm, first_watch, initial};
use crate::{
    conformance::scenarios,
    request::{Ask, duration},
    stage::Kind,
    subscriber::reason,
    wait::until,
    world::quick,
};

scenarios![
    f39_unsafe_delete,
    f40_no_watch_list,
    f40_end_of_the_state_never_told,
    f41_changes_before_the_end_of_the_state,
    timeout_counts_from_the_call,
];

/// The next watch that begins with the whole state meets this.
fn next_initial(action: Action) -> Fault {
    Fault::on(MAPS, Verb::WatchList, action)
}

/// F39 (`TestReflectorReplacesStoreOnUnsafeDelete`): where an object that can't be read was
/// deleted, only a new state tells it; subscribers get the deletion all the same.
async fn f39_unsafe_delete(kind: Kind) {
    let mut storm = Storm::brew(kind, "f39", &[]).await;
    let lost = json!({"metadata": {"name": "lost", "namespace": storm.world.namespace}});
    storm.cluster.create(MAPS, lost).expect("a new name");
    let from = storm.cluster.revision();
    let strike = first_watch(1, Disruption::unsafe_delete());
    storm.cluster.inject(strike);
    // Withheld until something was written after the deletion.
    let withheld = next_initial(Action::EventsBeforeEnd(2));
    storm.cluster.inject(withheld);
    let mut all = storm.world.synced("all", &Ask::of(MAPS), FIRST + 1).await;
    storm
        .cluster
        .delete(MAPS, &storm.world.namespace, "lost")
        .expect("it exists");
    until("both faults have struck", || {
        storm.gust(1);
        let unbitten = storm.cluster.faults_unbitten();
        async move { unbitten.is_empty() }
    })
    .await;
    storm.caught_up().await;
    storm.world.excuse_gap(from, storm.cluster.revision());
    let events = all.events_until(storm.cluster.revision()).await;
    let gone: Vec<_> = events.iter().filter(|event| event.name == "lost").collect();
    let [gone] = gone[..] else {
        panic!("{gone:?}");
    };
    assert_eq!(gone.r#type(), Deleted);
    drop(all);
    let calm = storm
        .judge(&quick(FIRST as u64).requiring(&["RESYNC"]))
        .await;
    assert_eq!((calm.asked.syncs, calm.asked.continued), (2, 0));
    calm.without(&["RESET"]);
}

/// F40 (`TestReflectorWatchListFallback`): servers that don't know watches with initial events, or
/// that don't tell their end, are listed; and it is not tried again.
async fn f40_no_watch_list(kind: Kind) {
    let refusals = [
        ("f40-off", None),
        (
            "f40-400",
            Some(Action::status(400, "BadRequest", "unknown parameter")),
        ),
        (
            "f40-422",
            Some(Action::status(
                422,
                "Invalid",
                "sendInitialEvents is forbidden",
            )),
        ),
        ("f40-false", Some(Action::BookmarkFalse)),
    ];
    for (name, refusal) in refusals {
        let mut storm = Storm::brew(kind, name, &[]).await;
        match refusal {
            None => storm.cluster.set_watch_list(false),
            Some(action) => storm.cluster.inject(next_initial(action)),
        }
        storm.subscribe().await;
        storm.blow();
        storm.struck().await;
        storm.caught_up().await;
        // The next sync is a list at once.
        let from = storm.cluster.revision();
        let expired = Disruption::error(410, "Expired", "too old resource version");
        storm.cluster.break_watches(MAPS, expired);
        let asked = Asked {
            syncs: 3,
            continued: 2,
        };
        storm.asked(asked).await;
        storm.caught_up().await;
        storm.world.excuse_gap(from, storm.cluster.revision());
        let calm = storm.calm(&quick(50)).await;
        assert_eq!(calm.asked, asked, "{name}: {:#?}", calm.requests);
        let tried = calm.requests.iter().filter(|request| initial(request));
        assert_eq!(tried.count(), 1, "{name}");
        calm.without(&["RESET"]);
    }
}

/// F40: the end of the initial events never comes. Nobody hangs; it takes as long as the
/// reflector's deadline.
async fn f40_end_of_the_state_never_told(kind: Kind) {
    let arguments = ["--sync-deadline", "55s"];
    let mut storm = Storm::brew(kind, "f40-never", &arguments).await;
    storm.cluster.inject(next_initial(Action::NoBookmark));
    storm.subscribe().await;
    storm.gust(20);
    let calm = storm.calm(&quick(30)).await;
    assert_eq!((calm.asked.syncs, calm.asked.continued), (2, 1));
    calm.without(&["RESET", "RESYNC"]);
}

/// F41: what changes while the first state is being sent counts.
async fn f41_changes_before_the_end_of_the_state(kind: Kind) {
    let storm = Storm::brew(kind, "f41", &[]).await;
    let world = &storm.world;
    for name in ["stays", "changes", "goes"] {
        world.create_map(name, json!({})).await;
    }
    storm
        .cluster
        .inject(next_initial(Action::EventsBeforeEnd(4)));
    let ask = Ask::of(MAPS).namespace(&world.namespace);
    let changing = async {
        until("the first state is asked for", || async {
            storm.cluster.open_watches(MAPS) == 1
        })
        .await;
        let changed = world.touch_map("changes", "1").await;
        world.delete_map("goes").await;
        world.create_map("comes", json!({})).await;
        world.delete_map("comes").await;
        // If the state was read in between, fewer of them were sent as events.
        until("the end of the state is told", || async {
            world
                .touch_map("stays", &fastrand::u64(..).to_string())
                .await;
            storm.cluster.faults_unbitten().is_empty()
        })
        .await;
        changed
    };
    let (mut all, changed) = tokio::join!(world.watch("all", &ask), changing);
    let (objects, end) = all.snapshot().await;
    let version = |name: &str| {
        let object = objects.iter().find(|object| object.name == name);
        object.map(|object| object.resource_version.clone())
    };
    assert_eq!(version("changes"), Some(changed.to_string()));
    assert_eq!((version("goes"), version("comes")), (None, None));
    assert!(version("stays").is_some(), "{objects:?}");
    assert!(
        objects
            .iter()
            .all(|object| object.cause() == EventCause::Snapshot)
    );
    assert!(end.count > 0);
    let last = world.touch_map("stays", "last").await;
    all.events_until(last).await;
    drop(all);
    let calm = storm.judge(&quick(3)).await;
    assert_eq!((calm.asked.syncs, calm.asked.continued), (1, 0));
}

/// A stream that would begin only after its planned end says what it waits for: an end by plan with
/// nothing told would pass for a cluster without objects.
async fn timeout_counts_from_the_call(kind: Kind) {
    let storm = Storm::brew(kind, "timeout", &[]).await;
    // Longer than anyone waits here; the delay ends with the connection.
    let late = next_initial(Action::Delay(Duration::from_secs(600)));
    storm.cluster.inject(late);
    let ask = |timeout| {
        let mut ask = Ask::of(MAPS);
        ask.message.timeout = Some(duration(Duration::from_millis(timeout)));
        ask
    };
    let version = storm.cluster.revision();
    for (name, ask) in [
        ("snapshot", ask(500)),
        ("resume", ask(500).version(version)),
        ("at once", ask(1)),
    ] {
        let mut early = storm.world.watch(name, &ask).await;
        let end = early.next().await.expect_err("nothing can be told");
        assert_eq!(end.code(), Code::Unavailable, "{name}: {end:?}");
        assert_eq!(reason(&end), "NOT_SYNCED", "{name}: {end:?}");
    }
    assert_eq!(storm.cluster.faults_unbitten().len(), 0);
    storm.judge(&quick(0)).await;
}
