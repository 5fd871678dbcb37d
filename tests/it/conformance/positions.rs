//! Streams that begin at a position: what is the first event, and what never comes.

use std::time::Duration;

use informerd::proto::v1::{
    EventType::{Added, Deleted, Modified},
    StartOutcome,
};
use serde_json::json;
use tonic::Code;

use super::{maps, scenarios};
use crate::{
    kube,
    request::Ask,
    stage::Kind,
    subscriber::{number, reason},
    tail::Tail,
    world::{World, quick},
};

scenarios![
    k23_deletion_has_its_own_version,
    k33_positions_before_the_first_state,
    k34_first_event_is_above_the_position,
    k34_future_position_is_waited_for,
    k51_positions_belong_to_resources,
    k73_one_object_from_an_old_position,
];

/// storage/testing `RunTestWatchDeleteEventObjectHaveLatestRV`: a deletion has a version of its
/// own, above all before it, and its object shows it.
async fn k23_deletion_has_its_own_version(kind: Kind) {
    let world = World::new(kind, "k23", &["configmaps"], &[]).await;
    let ask = || maps(&world);
    let mut stream = world.synced("reader", &ask(), 0).await;
    let created = world.create_map("cm", json!({})).await;
    stream.expect(Added, "cm", created).await;
    let touched = world.touch_map("cm", "1").await;
    stream.expect(Modified, "cm", touched).await;
    world.delete_map("cm").await;
    let next = world.create_map("next", json!({})).await;
    let gone = stream.event().await;
    assert_eq!((gone.r#type(), gone.name.as_str()), (Deleted, "cm"));
    let version = number(&gone.resource_version);
    assert!(
        touched < version && version < next,
        "{touched} {version} {next}"
    );
    let shown: serde_json::Value = serde_json::from_slice(&gone.object).expect("json");
    assert_eq!(shown["metadata"]["resourceVersion"], gone.resource_version);
    assert_eq!(shown["data"]["step"], "1");
    stream.expect(Added, "next", next).await;
    // The deletion is the last thing that its position includes.
    for (name, version) in [("before", version - 1), ("at", version)] {
        let mut resumed = world.watch(name, &ask().version(version)).await;
        if name == "before" {
            assert_eq!(resumed.event().await.r#type(), Deleted);
        }
        resumed.expect(Added, "next", next).await;
    }
    drop(stream);
    world.finish(&quick(7)).await;
}

/// Cacher `TestEmptyWatchEventCache`: a daemon that has only just begun continues positions from
/// before, without one event too few or too many.
async fn k33_positions_before_the_first_state(kind: Kind) {
    let world = World::new(kind, "k33", &["configmaps"], &[]).await;
    let ask = || {
        let ask = maps(&world);
        ask.or_fail()
    };
    let a = world.create_map("a", json!({})).await;
    let b = world.create_map("b", json!({})).await;
    let first = world.synced("first", &ask(), 2).await;
    let fence = async |version| {
        let mut stream = world
            .watch(&format!("from-{version}"), &ask().version(version))
            .await;
        assert_eq!(stream.started().await.outcome(), StartOutcome::Resumed);
        stream
    };
    let mut at = fence(b).await;
    at.quiet_until(b).await;
    let mut before = fence(b - 1).await;
    before.expect(Added, "b", b).await;
    let mut further = fence(a - 1).await;
    further.expect(Added, "a", a).await;
    further.expect(Added, "b", b).await;
    let c = world.create_map("c", json!({})).await;
    for stream in [&mut at, &mut before, &mut further] {
        stream.expect(Added, "c", c).await;
    }
    drop((first, at, before, further));
    let mut expectation = quick(6);
    expectation.watches = 2;
    world.finish(&expectation).await;
}

/// Cacher `TestStartingResourceVersion`: a start in the middle of the history begins above it.
async fn k34_first_event_is_above_the_position(kind: Kind) {
    let world = World::new(kind, "k34", &["configmaps"], &[]).await;
    let ask = || maps(&world);
    world.create_map("cm", json!({})).await;
    let first = Tail::open(&world, "first", &ask()).await;
    let mut versions = Vec::new();
    for step in 0..11 {
        versions.push(world.touch_map("cm", &step.to_string()).await);
    }
    let mut tails = Vec::new();
    for version in &versions {
        let name = format!("after-{version}");
        tails.push(Tail::open(&world, &name, &ask().version(*version)).await);
    }
    let fence = world.fence("configmaps").await;
    for (place, tail) in tails.into_iter().enumerate() {
        assert_eq!(tail.started.outcome(), StartOutcome::Resumed);
        let mut expected = versions[place + 1..].to_vec();
        expected.push(fence);
        assert_eq!(tail.until(fence).await.versions(), expected);
    }
    first.until(fence).await;
    world.finish(&quick(66)).await;
}

/// The same for a position that is not there yet: it is waited for, and what leads up to it is not
/// shown.
async fn k34_future_position_is_waited_for(kind: Kind) {
    let world = World::new(kind, "k34-future", &["configmaps"], &[]).await;
    let ask = || maps(&world);
    let last = world.create_map("cm", json!({})).await;
    let first = world.synced("first", &ask(), 1).await;
    let position = last + 3;
    let mut stream = world.watch("future", &ask().version(position)).await;
    let mut above = Vec::new();
    while above.len() < 3 {
        let version = world.touch_map("cm", &fastrand::u64(..).to_string()).await;
        above.extend((version > position).then_some(version));
    }
    assert_eq!(stream.started().await.outcome(), StartOutcome::Resumed);
    for version in above {
        stream.expect(Modified, "cm", version).await;
    }
    drop((first, stream));
    world.finish(&quick(3)).await;
}

/// Cacher `TestWatchCacheUpdatedByEtcd`: positions belong to one resource. A token of another one is
/// refused, and a version that only another one has reached is waited for, not taken for reached.
async fn k51_positions_belong_to_resources(kind: Kind) {
    let world = World::new(kind, "k51", &["configmaps", "pods"], &[]).await;

    let pods = || {
        let ask = Ask::of("pods").namespace(&world.namespace);
        ask.bookmarks(Duration::from_secs(3))
    };
    let mut map = world.synced("maps", &maps(&world), 0).await;
    let mut pod = world.synced("pods", &pods(), 0).await;
    let status = world
        .try_watch("mixed", &pods().token(&map.token()))
        .await
        .err()
        .expect("a token of config maps is none of pods");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(reason(&status), "TOKEN_MISMATCH");

    let object = kube::pod("pod", json!({}));
    let created = world.kube.create("pods", &world.namespace, object).await;
    let written = kube::version(&created);
    pod.expect(Added, "pod", written).await;
    let mut waiting = world.watch("waiting", &maps(&world).version(written)).await;
    let version = world.create_map("cm", json!({})).await;
    assert!(version > written);
    for stream in [&mut map, &mut waiting] {
        stream.expect(Added, "cm", version).await;
    }
    drop((map, pod, waiting));
    world.finish(&quick(1)).await;
}

/// storage/testing `TestSingleWatch`: of ten objects, one by its name from the version of the first.
async fn k73_one_object_from_an_old_position(kind: Kind) {
    let world = World::new(kind, "k73", &["configmaps"], &[]).await;
    let mut versions = Vec::new();
    for number in 0..10 {
        let name = format!("event-{number}");
        versions.push(world.create_map(&name, json!({})).await);
    }
    let ask = || {
        let ask = maps(&world);
        ask.version(versions[0])
    };
    for ask in [ask().name("event-9"), ask().fields("metadata.name=event-9")] {
        let mut stream = world.watch("single", &ask).await;
        stream.expect(Added, "event-9", versions[9]).await;
        let fence = world.fence("configmaps").await;
        stream.quiet_until(fence).await;
    }
    let mut expectation = quick(2);
    expectation.watches = 2;
    world.finish(&expectation).await;
}
