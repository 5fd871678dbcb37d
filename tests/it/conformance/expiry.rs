//! Positions that nobody can continue exactly any more.

use std::time::Duration;

use informerd::proto::v1::{
    EventCause, EventType::Added, OnExpired, ResetReason, StartOutcome, frame::Frame,
};
use serde_json::json;
use tonic::{Code, transport::Endpoint};

use super::{
    maps, scenarios,
    starts::{TYPES, ask, check, play_after, play_before},
};
use crate::{
    daemon::Daemon,
    request::Ask,
    stage::Kind,
    subscriber::{Subscriber, number, reason},
    tail::Tail,
    wait::until,
    world::{World, quick},
};

scenarios![
    k29_start_at_expired_positions: "needs compaction",
    k29_start_at_lost_history: "needs a forgetful watch cache",
    k33_daemon_without_history: "needs compaction",
    k45_overrun_reader_is_told,
];

/// A world with a new daemon, and a position and its token from before `a`, `b` and `c`.
async fn aged(kind: Kind, name: &str) -> (World, u64, String) {
    let mut world = World::new(kind, name, &["configmaps"], &[]).await;
    let mut seed = world.watch("seed", &ask(&world)).await;
    let (_, end) = seed.snapshot().await;
    let old = (number(&end.resource_version), seed.token());
    let last = play_before(&world).await;
    seed.events_until(last).await;
    drop(seed);
    let next = Daemon::start(&world.stage.kubeconfig(), &[]).await;
    world.replace_daemon(next).await.kill();
    (world, old.0, old.1)
}

/// Cacher `RunWatchSemantics`, the cells of positions that even etcd has forgotten: FAIL is told,
/// RESET gets a new snapshot.
async fn k29_start_at_expired_positions(kind: Kind) {
    let (world, version, token) = aged(kind, "k29-expired").await;
    let cluster = world.stage.simulated().expect("a simulated cluster");
    cluster.compact(cluster.revision());
    cluster
        .forget_watch_history("configmaps", cluster.revision())
        .expect("served");
    let mut tails = Vec::new();
    for types in TYPES {
        for start in [ask(&world).version(version), ask(&world).token(&token)] {
            let start = start.types(types);
            let mut refused = world.watch("fail", &start.clone().or_fail()).await;
            let status = refused.next().await.expect_err("expired");
            assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
            assert_eq!(reason(&status), "RESOURCE_EXPIRED");
            let tail = Tail::open(&world, "reset", &start).await;
            assert_eq!(tail.started.outcome(), StartOutcome::Snapshot);
            tails.push((tail, types));
        }
    }
    let fence = play_after(&world).await;
    for (tail, types) in tails {
        let read = tail.until(fence).await;
        check(&read, types, true, false);
        assert_eq!(read.resets(), [ResetReason::Expired]);
    }
    let required = ["RESET EXPIRED", "END OUT_OF_RANGE RESOURCE_EXPIRED"];
    world.finish(&quick(10).requiring(&required)).await;
}

/// The same where etcd still knows the state, but nobody the way from there: the difference.
async fn k29_start_at_lost_history(kind: Kind) {
    let (world, version, token) = aged(kind, "k29-lost").await;
    let cluster = world.stage.simulated().expect("a simulated cluster");
    cluster
        .forget_watch_history("configmaps", cluster.revision())
        .expect("served");
    let mut tails = Vec::new();
    for types in TYPES {
        for on_expired in [OnExpired::Reset, OnExpired::Fail] {
            for mut start in [ask(&world).version(version), ask(&world).token(&token)] {
                start = start.types(types);
                start.message.on_expired = on_expired.into();
                let tail = Tail::open(&world, "difference", &start).await;
                assert_eq!(tail.started.outcome(), StartOutcome::Resynced);
                tails.push((tail, types));
            }
        }
    }
    let fence = play_after(&world).await;
    for (tail, types) in tails {
        let read = tail.until(fence).await;
        check(&read, types, false, true);
        let resynced = read.all().filter(|e| e.cause() == EventCause::Resync);
        let shown = types.is_empty() || types.contains(&Added);
        assert_eq!(resynced.count(), if shown { 3 } else { 0 }, "{types:?}");
    }
    let mut expectation = quick(10).requiring(&["STARTED RESYNCED", "RESYNC"]);
    expectation.watches = 2;
    world.finish(&expectation).await;
}

/// Cacher `TestEmptyWatchEventCache`, where upstream has no history either: the version before the
/// first state is expired, that of the state is good, the one after it is not there yet.
async fn k33_daemon_without_history(kind: Kind) {
    let world = World::new(kind, "k33", &["configmaps"], &[]).await;
    let cluster = world.stage.simulated().expect("a simulated cluster");
    world.create_map("a", json!({})).await;
    let last = world.create_map("b", json!({})).await;
    cluster.compact(last);
    cluster
        .forget_watch_history("configmaps", last)
        .expect("served");
    let ask = || maps(&world).or_fail();
    let mut first = world.watch("first", &ask()).await;
    let (objects, end) = first.snapshot().await;
    assert_eq!((objects.len(), number(&end.resource_version)), (2, last));

    let mut before = world.watch("before", &ask().version(last - 1)).await;
    let status = before.next().await.expect_err("one too old");
    assert_eq!(reason(&status), "RESOURCE_EXPIRED", "{status:?}");
    let mut at = world.watch("at", &ask().version(last)).await;
    assert_eq!(at.started().await.outcome(), StartOutcome::Resumed);
    at.quiet_until(last).await;
    first.quiet_until(last).await;
    let mut after = world.watch("after", &ask().version(last + 1)).await;
    // Makes `last + 1` true, which `after` has waited for.
    let next = world.create_map("c", json!({})).await;
    assert_eq!(next, last + 1);
    let beyond = world.create_map("d", json!({})).await;
    for stream in [&mut at, &mut first] {
        stream.expect(Added, "c", next).await;
        stream.expect(Added, "d", beyond).await;
    }
    assert_eq!(after.started().await.outcome(), StartOutcome::Resumed);
    after.expect(Added, "d", beyond).await;
    drop((first, before, after, at));
    world.finish(&quick(5)).await;
}

/// Opens a stream on a connection of its own that takes little before its reader does.
pub async fn slow(world: &World, name: &str, ask: &Ask) -> Subscriber {
    let channel = Endpoint::from_shared(format!("http://{}", world.daemon.address()))
        .expect("a valid address")
        .initial_connection_window_size(64 << 10)
        .initial_stream_window_size(64 << 10)
        .connect()
        .await
        .expect("the daemon accepts connections");
    let opened = world.try_watch_on(name, ask, channel).await;
    opened.expect("accepted")
}

/// Cacher `TestCacheIntervalInvalidationStopsWatch`: where the history moves past a reader it is
/// told so after the last event that it can be given; nothing is jumped over.
async fn k45_overrun_reader_is_told(kind: Kind) {
    let arguments = [
        "--history-bytes",
        "64Ki",
        "--view-log-bytes",
        "16Ki",
        "--stall-limit",
        "5m",
    ];
    let world = World::new(kind, "k45", &["configmaps"], &arguments).await;
    let ask = || {
        let ask = maps(&world);
        // The slow ones are silent for long.
        ask.bookmarks(Duration::from_secs(60))
    };
    world.create_map("big", json!({})).await;
    let mut fail = slow(&world, "fail", &ask().or_fail()).await;
    let mut reset = slow(&world, "reset", &ask()).await;
    for stream in [&mut fail, &mut reset] {
        assert_eq!(stream.snapshot().await.0.len(), 1);
    }
    for step in 0..400 {
        let text = format!("{step:04}").repeat(1024);
        world.touch_map("big", &text).await;
    }
    let last = world.touch_map("big", "small").await;
    until("the daemon is there", async || {
        let metric = "informerd_watch_cache_resource_version";
        let reached = world.daemon.metric(metric, "\"configmaps\"").await;
        reached >= last as f64
    })
    .await;

    let status = fail.end().await;
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    assert_eq!(reason(&status), "RESOURCE_EXPIRED");
    let reason = loop {
        match reset.frame().await {
            Frame::Event(_) | Frame::Bookmark(_) => {}
            Frame::Reset(reset) => break reset.reason(),
            other => panic!("a reset was expected, not {other:?}"),
        }
    };
    assert_eq!(reason, ResetReason::Lagged);
    let (objects, _) = reset.snapshot().await;
    assert_eq!(objects.len(), 1);
    let after = world.touch_map("big", "after").await;
    assert_eq!(reset.events_until(after).await.len(), 1);
    drop((fail, reset));
    let required = ["RESET LAGGED", "END OUT_OF_RANGE RESOURCE_EXPIRED"];
    world.finish(&quick(20).requiring(&required)).await;
}
