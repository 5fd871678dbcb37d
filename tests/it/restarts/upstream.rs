//! The apiserver's connections break, and the apiserver itself stops: upstream trouble stays
//! upstream.

use informerd::proto::v1::{
    EventType::{Added, Modified},
    UpstreamHealth,
    frame::Frame,
};
use serde_json::json;
use tonic::Code;

use super::{
    CALM, MAPS, WIDGETS, create, delete, forget, own, patch, proxy::Proxy, start_apiserver,
    stop_apiserver,
};
use crate::{
    conformance::scenarios,
    daemon::Daemon,
    request::Ask,
    stage::{Kind, Stage},
    subscriber::{Subscriber, reason},
    wait::until,
    world::{World, quick},
};

scenarios![
    k63_watch_restarts_if_timeout_not_reached,
    r5_apiserver_restarts_under_open_streams,
];

/// test/integration/client `TestWatchRestartsIfTimeoutNotReached`: the watch upstream ends again
/// and again while an object is patched; the stream shows exactly 1..n.
async fn k63_watch_restarts_if_timeout_not_reached(kind: Kind) {
    const CUTS: u64 = 3;
    let mut world = World::new(kind, "k63", &[MAPS], &[]).await;
    let proxy = Proxy::start(&world.stage.kubeconfig()).await;
    let daemon = Daemon::start(proxy.kubeconfig(), &[]).await;
    world.replace_daemon(daemon).await.kill();
    let ask = Ask::of(MAPS).namespace(&world.namespace).bookmarks(CALM);
    let mut stream = world.synced("stream", &ask, 0).await;
    let mut versions = vec![world.create_map("counter", json!({})).await];
    for round in 1..=CUTS {
        // Some patches before the cut, some into the gap, some after it.
        for step in 0..8 {
            if step == 3 {
                proxy.cut();
            }
            versions.push(world.touch_map("counter", &format!("{round}-{step}")).await);
        }
        let watching = async || {
            let watches = world
                .daemon
                .metric("informerd_reflector_watches_total", MAPS);
            watches.await > round as f64
                && world
                    .daemon
                    .metric("informerd_upstream_watches", MAPS)
                    .await
                    == 1.0
        };
        until("the daemon watches again", watching).await;
    }
    assert!(proxy.broken() >= CUTS, "{}", proxy.broken());
    stream.expect(Added, "counter", versions[0]).await;
    for version in &versions[1..] {
        stream.expect(Modified, "counter", *version).await;
    }
    drop(stream);
    world.finish(&quick(25)).await;
}

/// The apiserver is killed and started again, with nothing left of its history, while streams are
/// open: none ends, all are told how upstream is, nothing is lost.
async fn r5_apiserver_restarts_under_open_streams(kind: Kind) {
    let stage = Stage::own(kind).await;
    let mut world = World::on(stage, "r5", &[WIDGETS], &[]).await;
    for (name, color) in [("w0", "red"), ("w1", "red"), ("w2", "blue")] {
        create(&world, name, color).await;
    }
    let all = Ask::of(WIDGETS).namespace(&world.namespace).bookmarks(CALM);
    let red = all.clone().labels("color=red");
    let mut streams = vec![
        world.synced("all", &all, 3).await,
        world.synced("red", &red, 2).await,
        world.synced("named", &all.clone().name("w1"), 1).await,
    ];
    for time in 1..=2 {
        let before = patch(&world, "w1", json!({"spec": {"step": format!("{time}")}})).await;
        for stream in &mut streams {
            reads_up_to(stream, before).await;
        }
        stop_apiserver(&mut world).await;
        for stream in &mut streams {
            hears(stream, UpstreamHealth::Degraded).await;
        }
        assert_serves_while_down(&world, &all, &streams[0].token()).await;
        match world.stage.simulated() {
            Some(_) => forget(&mut world, super::Loss::All).await,
            None => {
                let compacted = own(&mut world.stage).compact().await;
                compacted.expect("etcd still runs");
            }
        }
        start_apiserver(&mut world, time).await;
        // At once, whether the daemon is back or not.
        for step in 0..5 {
            patch(
                &world,
                "w1",
                json!({"spec": {"step": format!("{time}-{step}")}}),
            )
            .await;
        }
        create(&world, &format!("new-{time}"), "red").await;
        delete(&world, if time == 1 { "w0" } else { "w2" }).await;
        let last = json!({"spec": {"step": format!("{time}-last")}});
        let last = patch(&world, "w1", last).await;
        for stream in &mut streams {
            reads_up_to(stream, last).await;
        }
    }
    // Whatever a difference had to tell is followed by this.
    let last = patch(&world, "w1", json!({"spec": {"step": "end"}})).await;
    for stream in &mut streams {
        reads_up_to(stream, last).await;
    }
    drop(streams);
    world
        .finish(&quick(20).requiring(&["DEGRADED", "HEALTHY"]))
        .await;
}

/// Reads until an event has this version, be it told as a change or as part of a difference.
async fn reads_up_to(stream: &mut Subscriber, version: u64) {
    while stream.event().await.resource_version != version.to_string() {}
}

async fn hears(stream: &mut Subscriber, wanted: UpstreamHealth) {
    loop {
        match stream.frame().await {
            Frame::UpstreamState(state) if state.health() == wanted => return,
            Frame::UpstreamState(_) | Frame::Bookmark(_) => {}
            other => panic!("{}: {other:?}", stream.name),
        }
    }
}

/// Known positions are continued, a fresh start must accept a stale state.
async fn assert_serves_while_down(world: &World, all: &Ask, token: &str) {
    use informerd::proto::v1::{SnapshotStart, watch_request::Start};
    let resumed = all.clone().token(token);
    let mut resumed = world.watch("while-down", &resumed).await;
    hears_of_trouble(&mut resumed).await;
    let stale = all.clone().start(Start::Snapshot(SnapshotStart {
        min_resource_version: String::new(),
        allow_stale: true,
    }));
    let (snapshot, _) = world.watch("stale", &stale).await.snapshot().await;
    assert!(!snapshot.is_empty());
    let status = match world.try_watch("fresh", all).await {
        Ok(mut fresh) => fresh.end().await,
        Err(status) => status,
    };
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert_eq!(reason(&status), "UPSTREAM_DOWN");
}

async fn hears_of_trouble(stream: &mut Subscriber) {
    let started = stream.started().await;
    let resumed = informerd::proto::v1::StartOutcome::Resumed;
    assert_eq!(started.outcome(), resumed, "{}", stream.name);
    hears(stream, UpstreamHealth::Degraded).await;
}
