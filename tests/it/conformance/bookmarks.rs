//! How streams begin on nothing, and what bookmarks say.

use std::time::Duration;

use informerd::proto::v1::{
    self,
    EventType::{Added, Modified},
    StartOutcome,
    frame::Frame,
    watch_request::Start,
};
use informerd_support::simulation::{Action, Fault, Verb};
use serde_json::json;
use tonic::Code;

use super::{maps, scenarios};
use crate::{
    stage::Kind,
    subscriber::{number, reason},
    tail::Tail,
    world::{World, quick},
};

scenarios![
    k24_established_on_nothing,
    k24_established_before_sync: "needs a silent apiserver",
    k25_bookmark_reaches_writes,
    k26_bookmarks_while_others_change,
    k27_bookmarks_are_in_order,
    k28_k46_snapshot_end_only_after_snapshots,
    k41_bookmarks_pass_through: "needs bookmarks on demand",
];

/// storage/testing `RunTestWatchInitializationSignal`: also who finds nothing learns at once that
/// the stream stands.
async fn k24_established_on_nothing(kind: Kind) {
    let world = World::new(kind, "k24", &["configmaps"], &[]).await;
    let ask = || maps(&world);
    let mut first = world.watch("first", &ask()).await;
    assert_eq!(first.started().await.outcome(), StartOutcome::Snapshot);
    let (objects, end) = first.snapshot().await;
    assert!(objects.is_empty() && end.count == 0, "{objects:?} {end:?}");
    let position = number(&end.resource_version);
    let starts = [
        ("now", ask().now(), StartOutcome::FromNow),
        ("version", ask().version(position), StartOutcome::Resumed),
        ("token", ask().token(&first.token()), StartOutcome::Resumed),
    ];
    let mut open = vec![first];
    for (name, ask, outcome) in starts {
        let mut stream = world.watch(name, &ask).await;
        assert_eq!(stream.started().await.outcome(), outcome, "{name}");
        open.push(stream);
    }
    let created = world.create_map("cm", json!({})).await;
    for stream in &mut open {
        stream.expect(Added, "cm", created).await;
    }
    drop(open);
    world.finish(&quick(4)).await;
}

/// The same before there is anything to show: the response begins, and ends when the patience with
/// upstream does.
async fn k24_established_before_sync(kind: Kind) {
    let arguments = ["--sync-deadline", "1s"];
    let world = World::new(kind, "k24-sync", &["configmaps"], &arguments).await;
    let cluster = world.stage.simulated().expect("a simulated cluster");
    cluster.inject(Fault::on("configmaps", Verb::Any, Action::Freeze).times(1));
    let ask = maps(&world);
    let mut stream = world.watch("early", &ask).await;
    let status = stream.next().await.expect_err("nothing is known yet");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert_eq!(reason(&status), "NOT_SYNCED");
    assert!(cluster.faults_unbitten().is_empty());
    drop(stream);
    world.finish(&quick(0)).await;
}

/// storage/testing `RunOptionalTestProgressNotify`: a bookmark reaches what was written, and its
/// token continues exactly there.
async fn k25_bookmark_reaches_writes(kind: Kind) {
    let world = World::new(kind, "k25", &["configmaps"], &[]).await;
    let ask = || maps(&world).labels("k25");
    let mut stream = world.synced("reader", &ask(), 0).await;
    let seen = world.create_map("seen", json!({"k25": ""})).await;
    stream.expect(Added, "seen", seen).await;
    let unseen = world.create_map("unseen", json!({})).await;
    stream.quiet_until(unseen).await;
    let token = stream.token();
    drop(stream);
    let missed = world.touch_map("seen", "1").await;
    let mut resumed = world.watch("reader", &ask().token(&token)).await;
    assert_eq!(resumed.started().await.outcome(), StartOutcome::Resumed);
    resumed.expect(Modified, "seen", missed).await;
    drop(resumed);
    world.finish(&quick(2)).await;
}

/// Cacher `RunTestWatchDispatchBookmarkEvents`: bookmarks come while only other namespaces change.
/// Here they can't be turned off; who wants few sees none for a while.
async fn k26_bookmarks_while_others_change(kind: Kind) {
    let world = World::new(kind, "k26", &["configmaps"], &[]).await;
    let other = world.kube.namespace("k26-other").await;
    let ask = || maps(&world);
    let mut often = world.synced("often", &ask(), 0).await;
    let rarely = ask().bookmarks(Duration::from_secs(300));
    let mut rarely = world.synced("rarely", &rarely, 0).await;
    for step in ["1", "2", "3"] {
        let object = crate::kube::config_map(step, json!({}), json!({}));
        let created = world.kube.create("configmaps", &other, object).await;
        often.quiet_until(crate::kube::version(&created)).await;
    }
    let created = world.create_map("cm", json!({})).await;
    often.expect(Added, "cm", created).await;
    loop {
        match rarely.frame().await {
            Frame::Event(event) => break assert_eq!(number(&event.resource_version), created),
            // Of a daemon that others use at the same time, on a busy machine.
            Frame::UpstreamState(_) => {}
            other => panic!("the event was expected, not {other:?}"),
        }
    }
    drop((often, rarely));
    world.finish(&quick(2).requiring(&["BOOKMARK"])).await;
}

/// Cacher `RunTestOptionalWatchBookmarksWithCorrectResourceVersion`: positions never go back, and
/// no event is older than a bookmark before it.
async fn k27_bookmarks_are_in_order(kind: Kind) {
    let world = World::new(kind, "k27", &["configmaps"], &[]).await;
    let ask = maps(&world);
    let tails = [
        Tail::open(&world, "all", &ask).await,
        Tail::open(&world, "few", &ask.clone().labels("few=yes")).await,
    ];
    for number in 0..100 {
        let few = if number % 10 == 0 { "yes" } else { "no" };
        world
            .create_map(&format!("cm-{number}"), json!({"few": few}))
            .await;
    }
    let fence = world.fence("configmaps").await;
    for (tail, expected) in tails.into_iter().zip([101, 10]) {
        let read = tail.until(fence).await;
        assert_eq!(read.changes().len(), expected);
        let mut reached = 0;
        for frame in &read.frames {
            match frame {
                Frame::Event(event) => {
                    let version = number(&event.resource_version);
                    assert!(version > reached, "{version} after {reached}");
                    reached = version;
                }
                Frame::Bookmark(bookmark) => {
                    let version = number(&bookmark.resource_version);
                    assert!(version >= reached, "{version} after {reached}");
                    reached = version;
                }
                _ => {}
            }
        }
    }
    world.finish(&quick(110).requiring(&["BOOKMARK"])).await;
}

/// Cacher `TestInitialEventsEndBookmark` and `RunSendInitialEventsBackwardCompatibility`: the end
/// of a snapshot is marked once, also where bookmarks are rare, and nowhere else.
async fn k28_k46_snapshot_end_only_after_snapshots(kind: Kind) {
    let world = World::new(kind, "k46", &["configmaps"], &[]).await;
    let ask = || maps(&world);
    world.create_map("a", json!({})).await;
    let before = world.create_map("b", json!({})).await;
    let seed = world.synced("seed", &ask(), 2).await;
    let explicit = Start::Snapshot(v1::SnapshotStart::default());
    let any = Start::ResourceVersion("0".to_owned());
    let starts = [
        ("unset", ask(), 1),
        ("snapshot", ask().start(explicit), 1),
        ("any", ask().start(any), 1),
        ("now", ask().now(), 0),
        ("version", ask().version(before), 0),
        ("token", ask().token(&seed.token()), 0),
        ("rarely", ask().bookmarks(Duration::from_secs(300)), 1),
    ];
    drop(seed);
    let mut tails = Vec::new();
    for (name, ask, ends) in starts {
        tails.push((Tail::open(&world, name, &ask).await, ends));
    }
    world.touch_map("a", "1").await;
    let fence = world.fence("configmaps").await;
    for (tail, ends) in tails {
        let read = tail.until(fence).await;
        assert_eq!(read.snapshot_ends().len(), ends, "{}", read.name);
        assert_eq!(read.snapshot().len(), 2 * ends, "{}", read.name);
        assert_eq!(read.changes().len(), 2, "{}", read.name);
        for end in read.snapshot_ends() {
            assert!(number(&end.resource_version) >= before, "{}", read.name);
            assert_eq!(end.count, 2, "{}", read.name);
        }
    }
    world.finish(&quick(14)).await;
}

/// Cacher `TestBookmarksOnResourceVersionUpdates`: where upstream says that nothing has happened up
/// to a version, subscribers are told.
async fn k41_bookmarks_pass_through(kind: Kind) {
    let world = World::new(kind, "k41", &["configmaps"], &[]).await;
    let cluster = world.stage.simulated().expect("a simulated cluster");
    let ask = maps(&world);
    let mut stream = world.synced("reader", &ask, 0).await;
    let pod = crate::kube::pod("elsewhere", json!({}));
    world.kube.create("pods", &world.namespace, pod).await;
    let revision = cluster.revision();
    cluster.bookmark_now("configmaps");
    stream.quiet_until(revision).await;
    drop(stream);
    world.finish(&quick(0).requiring(&["BOOKMARK"])).await;
}
