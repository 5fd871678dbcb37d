//! What a snapshot stands for, and how changes join it.

use std::time::Duration;

use futures::future::join_all;
use informerd::proto::v1::EventType::{Added, Modified};
use serde_json::json;

use super::{expiry::slow, maps, scenarios};
use crate::{
    kube,
    request::Ask,
    stage::Kind,
    subscriber::number,
    tail::Tail,
    world::{World, quick},
};

scenarios![
    k30_snapshot_end_is_of_the_resource,
    k31_one_match_among_five,
    k36_newcomers_do_not_go_back_in_time,
    k48_snapshot_waits_for_own_writes,
    k48_snapshot_waits_for_upstream: "needs a lagging apiserver",
    k50_snapshot_and_changes_join,
];

/// Cacher `RunWatchSemanticInitialEventsExtended`: the end of a snapshot has the position of the
/// resource, also where that came from objects which don't match.
async fn k30_snapshot_end_is_of_the_resource(kind: Kind) {
    let world = World::new(kind, "k30", &["pods"], &[]).await;
    let other = world.kube.namespace("k30-other").await;
    let ask = || {
        let ask = Ask::of("pods").namespace(&world.namespace);
        ask.bookmarks(Duration::from_secs(3))
    };
    let mut first = world.synced("first", &ask(), 0).await;
    let object = kube::pod("mine", json!({}));
    let mine = world.kube.create("pods", &world.namespace, object).await;
    first.expect(Added, "mine", kube::version(&mine)).await;
    let object = kube::pod("theirs", json!({}));
    let theirs = world.kube.create("pods", &other, object).await;
    let theirs = kube::version(&theirs);
    first.quiet_until(theirs).await;
    let mut second = world.watch("second", &ask()).await;
    let (objects, end) = second.snapshot().await;
    assert_eq!(objects.len(), 1);
    assert_eq!(
        objects[0].resource_version,
        kube::version(&mine).to_string()
    );
    assert!(number(&end.resource_version) >= theirs, "{end:?}");
    drop((first, second));
    world.finish(&quick(2)).await;
}

/// Cacher `RunWatchListMatchSingle`: one name among five, and the position of all five.
async fn k31_one_match_among_five(kind: Kind) {
    let world = World::new(kind, "k31", &["configmaps"], &[]).await;
    let mut last = 0;
    for name in ["a", "b", "c", "d", "e"] {
        last = world.create_map(name, json!({})).await;
    }
    let ask = || maps(&world);
    let asks = [ask().fields("metadata.name=c"), ask().name("c")];
    for ask in asks {
        let mut stream = world.watch("single", &ask).await;
        let (objects, end) = stream.snapshot().await;
        let names: Vec<_> = objects.iter().map(|object| object.name.as_str()).collect();
        assert_eq!((names.as_slice(), end.count), (&["c"][..], 1));
        assert!(number(&end.resource_version) >= last, "{end:?}");
        let fence = world.fence("configmaps").await;
        stream.quiet_until(fence).await;
    }
    world.finish(&quick(2)).await;
}

/// Cacher `TestWatcherNotGoingBackInTime`: beside a reader that is far behind, one that begins at
/// the same position sees each change once and in order.
async fn k36_newcomers_do_not_go_back_in_time(kind: Kind) {
    let arguments = ["--view-log-bytes", "16Ki"];
    let world = World::new(kind, "k36", &["configmaps"], &arguments).await;
    let begin = world.create_map("big", json!({})).await;
    let ask = || {
        let ask = maps(&world);
        ask.bookmarks(Duration::from_secs(60)).or_fail()
    };
    let mut slow = slow(&world, "slow", &ask()).await;
    assert_eq!(slow.snapshot().await.0.len(), 1);
    let mut versions = Vec::new();
    for step in 0..100 {
        let text = format!("{step:04}").repeat(1024);
        versions.push(world.touch_map("big", &text).await);
    }
    let fast = ask().version(begin).bookmarks(Duration::from_secs(1));
    let fast = Tail::open(&world, "fast", &fast).await;
    assert_eq!(fast.until(versions[99]).await.versions(), versions);
    for version in versions {
        slow.expect(Modified, "big", version).await;
    }
    drop(slow);
    world.finish(&quick(201)).await;
}

/// Cacher `TestWaitUntilWatchCacheFreshAndForceAllEvents`: who asks for a state with an own write
/// in it gets that, however far the daemon was when asked.
async fn k48_snapshot_waits_for_own_writes(kind: Kind) {
    let world = World::new(kind, "k48", &["configmaps"], &[]).await;
    let ask = || maps(&world);
    for round in 1..=20 {
        let version = world.create_map(&format!("cm-{round}"), json!({})).await;
        let mut stream = world.watch("writer", &ask().at_least(version)).await;
        let (objects, end) = stream.snapshot().await;
        assert_eq!(objects.len(), round);
        assert!(number(&end.resource_version) >= version, "{end:?}");
    }
    world.finish(&quick(210)).await;
}

/// The same where the write is kept from the daemon until after it was asked.
async fn k48_snapshot_waits_for_upstream(kind: Kind) {
    let world = World::new(kind, "k48-held", &["configmaps"], &[]).await;
    let cluster = world.stage.simulated().expect("a simulated cluster");
    let ask = || maps(&world);
    let mut first = world.synced("first", &ask(), 0).await;
    cluster.hold_at(Some(cluster.revision()));
    let version = world.create_map("cm", json!({})).await;
    let mut fresh = world.watch("fresh", &ask().at_least(version)).await;
    let mut any = world.synced("any", &ask(), 0).await;
    cluster.hold_at(None);
    let (objects, end) = fresh.snapshot().await;
    assert_eq!(objects.len(), 1);
    assert_eq!(number(&end.resource_version), version);
    for stream in [&mut first, &mut any] {
        stream.expect(Added, "cm", version).await;
    }
    drop((first, fresh, any));
    world.finish(&quick(3)).await;
}

/// Cacher `TestResourceVersionAfterInitEvents`: streams that begin while others write get each
/// change either in the snapshot or after it, once.
async fn k50_snapshot_and_changes_join(kind: Kind) {
    let world = World::new(kind, "k50", &["configmaps"], &[]).await;
    let ask = maps(&world);
    world.create_map("cm", json!({})).await;
    let write = async {
        let mut written = Vec::new();
        for step in 0..100 {
            written.push(world.touch_map("cm", &step.to_string()).await);
        }
        written
    };
    let join = async {
        let mut tails = Vec::new();
        for _ in 0..10 {
            let some = (0..5).map(|_| Tail::open(&world, "joining", &ask));
            tails.extend(join_all(some).await);
        }
        tails
    };
    let (written, tails) = futures::join!(write, join);
    let last = world.touch_map("cm", "last").await;
    let mut joined_late = 0;
    for tail in tails {
        let read = tail.until(last).await;
        let end = number(&read.snapshot_ends()[0].resource_version);
        let seen: Vec<_> = read
            .all()
            .map(|event| number(&event.resource_version))
            .collect();
        assert!(seen[0] <= end, "{} in a snapshot of {end}", seen[0]);
        // On a cluster that others use too, the end is at or after the newest own write.
        let first = written.iter().position(|version| *version == seen[0]);
        let after = first.map_or(0, |first| first + 1);
        joined_late += usize::from(after > 0);
        let mut expected = written[after..].to_vec();
        expected.push(last);
        assert_eq!(seen[1..], expected);
    }
    assert!(joined_late > 0, "no stream began while there were writes");
    world.finish(&quick(100)).await;
}
