//! Streams that begin at a version: an exact one, the "0" that means any, and a forgotten one.

use informerd::proto::v1::{
    self,
    EventType::{Added, Deleted, Modified},
    ResetReason, StartOutcome,
    frame::Frame,
};
use informerd_support::{
    control_plane::{self, ControlPlane},
    validate::Expectation,
};
use serde_json::json;
use tonic::Code;

use super::scenarios;
use crate::{
    daemon::Daemon,
    kube,
    request::Ask,
    stage::{Kind, Stage},
    subscriber::{number, reason},
    world::{World, quick},
};

scenarios![
    k2_from_resource_version,
    k15_watch_from_zero,
    k16_delete_triggers_watch,
    k17_watch_from_non_zero,
];

/// e2e "should be able to start watching from a specific resource version".
async fn k2_from_resource_version(kind: Kind) {
    let world = World::new(kind, "k2", &["configmaps"], &[]).await;
    world.create_map("cm", json!({})).await;
    let first = world.touch_map("cm", "1").await;
    let second = world.touch_map("cm", "2").await;
    world.delete_map("cm").await;
    let fence = world.fence("configmaps").await;
    let ask = Ask::of("configmaps").namespace(&world.namespace).name("cm");
    // The daemon knows nothing of it at first and asks upstream; then it has it itself.
    for name in ["cold", "warm"] {
        let mut stream = world
            .watch(name, &ask.clone().version(first).or_fail())
            .await;
        assert_eq!(stream.started().await.outcome(), StartOutcome::Resumed);
        let event = stream.expect(Modified, "cm", second).await;
        let shown: serde_json::Value = serde_json::from_slice(&event.object).expect("json");
        assert_eq!(shown["data"]["step"], "2");
        let event = stream.event().await;
        assert_eq!(event.r#type(), Deleted);
        let deleted = number(&event.resource_version);
        assert!((second + 1..fence).contains(&deleted), "{deleted}");
        stream.quiet_until(fence).await;
    }
    // The second stream costs nothing upstream.
    let expectation = Expectation {
        watches: 2,
        lists: Some(2),
        ..quick(4)
    };
    world.finish(&expectation).await;
}

async fn pod(world: &World) -> u64 {
    let pod = kube::pod("foo", json!({}));
    kube::version(&world.kube.create("pods", &world.namespace, pod).await)
}

async fn annotate(world: &World, value: &str) -> u64 {
    let patch = json!({"metadata": {"annotations": {"a": value}}});
    let kube = &world.kube;
    kube::version(&kube.patch("pods", &world.namespace, "foo", patch).await)
}

fn foo(world: &World) -> Ask {
    Ask::of("pods").namespace(&world.namespace).name("foo")
}

/// `RunTestWatchFromZero` (storage/testing/watcher_tests.go), on a cluster of its own because its
/// history gets compacted.
async fn k15_watch_from_zero(kind: Kind) {
    let stage = match kind {
        Kind::Simulated => Stage::open(kind).await,
        Kind::Real | Kind::Installed { .. } => {
            // Its own snapshots would answer for what etcd has forgotten.
            let flag = "--feature-gates=ListFromCacheSnapshot=false".to_owned();
            let options = control_plane::Options {
                apiserver_flags: vec![flag],
                ..control_plane::Options::default()
            };
            let own = ControlPlane::start(options).await;
            Stage::Own(own.expect("an apiserver of its own"))
        }
    };
    let world = World::on(stage, "k15", &["pods"], &[]).await;
    let ask = foo(&world);
    let any = ask.clone().version(0);
    let shown = |objects: &[v1::Event]| -> Vec<(v1::EventType, u64)> {
        let shown = objects.iter();
        shown
            .map(|object| (object.r#type(), number(&object.resource_version)))
            .collect()
    };

    let created = pod(&world).await;
    let mut stream = world.watch("zero", &any).await;
    assert_eq!(shown(&stream.snapshot().await.0), [(Added, created)]);
    let updated = annotate(&world, "1").await;
    stream.expect(Modified, "foo", updated).await;
    drop(stream);
    let mut stream = world.watch("zero", &any).await;
    assert_eq!(shown(&stream.snapshot().await.0), [(Added, updated)]);
    let newest = annotate(&world, "2").await;
    stream.expect(Modified, "foo", newest).await;
    drop(stream);

    match &world.stage {
        Stage::Real(_) => unreachable!("the shared one keeps its history"),
        Stage::Own(plane) => drop(plane.compact().await.expect("etcd compacts")),
        Stage::Simulated(simulated) => simulated.cluster.compact(newest),
    }
    let mut stream = world.watch("zero", &any).await;
    assert_eq!(shown(&stream.snapshot().await.0), [(Added, newest)]);
    drop(stream);
    // What etcd has forgotten the daemon still has, as long as it has seen it.
    let mut stream = world
        .watch("known", &ask.clone().version(created).or_fail())
        .await;
    stream.expect(Modified, "foo", updated).await;
    stream.expect(Modified, "foo", newest).await;
    drop(stream);
    forgotten(&world, &ask.version(created), newest).await;
    let expectation = Expectation {
        watches: 4,
        ..quick(1)
    };
    world.finish(&expectation).await;
}

/// A daemon that came later can't know, and says so.
async fn forgotten(world: &World, ask: &Ask, newest: u64) {
    let later = Daemon::start(&world.stage.kubeconfig(), &[]).await;
    let channel = later.connect().await;
    let strict = ask.clone().or_fail();
    let status = match world.try_watch_on("strict", &strict, channel.clone()).await {
        Err(status) => status,
        Ok(mut stream) => stream.next().await.expect_err("the position is refused"),
    };
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    assert_eq!(reason(&status), "RESOURCE_EXPIRED");
    let mut stream = world
        .try_watch_on("lenient", ask, channel)
        .await
        .expect("a reset is no error");
    assert_eq!(stream.started().await.outcome(), StartOutcome::Snapshot);
    match stream.frame().await {
        Frame::Reset(reset) => assert_eq!(reset.reason(), ResetReason::Expired),
        other => panic!("Reset was expected, not {other:?}"),
    }
    let (objects, _) = stream.snapshot().await;
    let versions: Vec<_> = objects
        .iter()
        .map(|o| number(&o.resource_version))
        .collect();
    assert_eq!(versions, [newest]);
}

/// `RunTestDeleteTriggerWatch` (storage/testing/watcher_tests.go), with a config map: the storage
/// below the apiserver deletes at once, the apiserver marks a pod first.
async fn k16_delete_triggers_watch(kind: Kind) {
    let world = World::new(kind, "k16", &["configmaps"], &[]).await;
    let created = world.create_map("foo", json!({})).await;
    let ask = Ask::of("configmaps")
        .namespace(&world.namespace)
        .name("foo");
    let mut stream = world.watch("w", &ask.version(created).or_fail()).await;
    assert_eq!(stream.started().await.outcome(), StartOutcome::Resumed);
    world.delete_map("foo").await;
    let event = stream.event().await;
    assert_eq!((event.r#type(), event.name.as_str()), (Deleted, "foo"));
    assert!(number(&event.resource_version) > created);
    let fence = world.fence("configmaps").await;
    stream.quiet_until(fence).await;
    drop(stream);
    world.finish(&quick(1)).await;
}

/// `RunTestWatchFromNonZero` (storage/testing/watcher_tests.go).
async fn k17_watch_from_non_zero(kind: Kind) {
    let world = World::new(kind, "k17", &["pods"], &[]).await;
    let created = pod(&world).await;
    let ask = foo(&world).version(created).or_fail();
    let mut stream = world.watch("w", &ask).await;
    assert_eq!(stream.started().await.outcome(), StartOutcome::Resumed);
    let updated = annotate(&world, "2").await;
    let event = stream.expect(Modified, "foo", updated).await;
    let shown: serde_json::Value = serde_json::from_slice(&event.object).expect("json");
    assert_eq!(shown["metadata"]["annotations"]["a"], "2");
    stream.quiet_until(updated).await;
    drop(stream);
    world.finish(&quick(1)).await;
}
