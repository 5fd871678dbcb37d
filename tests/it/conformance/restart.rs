//! Streams that are left and taken up again, and events that wait for their reader.

use std::time::Duration;

use informerd::proto::v1::{
    self,
    EventType::{Added, Deleted, Modified},
    StartOutcome,
    frame::Frame,
};
use informerd_support::validate::Expectation;
use serde_json::json;
use tonic::{Code, Status};

use super::scenarios;
use crate::{
    daemon::Daemon,
    request::Ask,
    stage::Kind,
    subscriber::{Subscriber, number, reason},
    world::{World, quick},
};

scenarios![
    k3_restart_from_last_version,
    g7_another_replica_is_behind,
    k18_delayed_delivery,
];

/// e2e "should be able to restart watching from the last resource version observed by the previous
/// watch".
async fn k3_restart_from_last_version(kind: Kind) {
    let world = World::new(kind, "k3", &["configmaps"], &[]).await;
    let ask = || Ask::of("configmaps").namespace(&world.namespace).name("cm");
    let mut first = world.synced("token", &ask(), 0).await;
    let created = world.create_map("cm", json!({})).await;
    first.expect(Added, "cm", created).await;
    let seen = world.touch_map("cm", "1").await;
    first.expect(Modified, "cm", seen).await;
    let token = first.token();
    drop(first);
    let missed = world.touch_map("cm", "2").await;

    let other = Daemon::start(&world.stage.kubeconfig(), &[]).await;
    let channels = [world.channel(), other.connect().await];
    let mut streams = Vec::new();
    for channel in channels {
        let asks = [
            ("token", ask().token(&token)),
            ("version", ask().version(seen)),
        ];
        for (name, ask) in asks {
            let ask = ask.or_fail();
            let opened = world.try_watch_on(name, &ask, channel.clone());
            let mut stream = opened.await.expect("continued");
            assert_eq!(stream.started().await.outcome(), StartOutcome::Resumed);
            streams.push(stream);
        }
    }
    world.delete_map("cm").await;
    let fence = world.fence("configmaps").await;
    for stream in &mut streams {
        stream.expect(Modified, "cm", missed).await;
        assert_eq!(stream.event().await.r#type(), Deleted);
        stream.quiet_until(fence).await;
    }
    drop(streams);
    let expectation = Expectation {
        watches: 3,
        ..quick(10)
    };
    world.finish(&expectation).await;
}

/// A quiet resource moves on only with bookmarks. A replica that has listed it later is further on;
/// what it hands out is continued at once by one that is yet to hear of that position.
async fn g7_another_replica_is_behind(kind: Kind) {
    let world = World::new(kind, "g7", &["configmaps"], &[]).await;
    let ask = || Ask::of("configmaps").namespace(&world.namespace);
    let mut early = world.watch("early", &ask()).await;
    let (_, behind) = early.snapshot().await;
    world.kube.namespace("elsewhere").await;

    let other = Daemon::start(&world.stage.kubeconfig(), &[]).await;
    let (all, channel) = (ask(), other.connect().await);
    let opened = world.try_watch_on("mover", &all, channel).await;
    let mut mover = opened.expect("a stream");
    let (_, ahead) = mover.snapshot().await;
    assert!(number(&ahead.resource_version) > number(&behind.resource_version));
    drop(mover);

    let mut mover = world
        .watch("mover", &ask().token(&ahead.resume_token).or_fail())
        .await;
    assert_eq!(mover.started().await.outcome(), StartOutcome::Resumed);
    let created = world.create_map("cm", json!({})).await;
    for stream in [&mut mover, &mut early] {
        stream.expect(Added, "cm", created).await;
    }
    drop((mover, early));
    let expectation = Expectation {
        watches: 2,
        ..quick(2)
    };
    world.finish(&expectation).await;
}

/// Everything up to the end of a stream.
async fn rest(stream: &mut Subscriber) -> (Vec<v1::Event>, bool, Status) {
    let (mut events, mut drained) = (Vec::new(), false);
    loop {
        match stream.next().await {
            Ok(Frame::Event(event)) => events.push(event),
            Ok(Frame::Draining(_)) => drained = true,
            Ok(_) => {}
            Err(status) => return (events, drained, status),
        }
    }
}

/// `RunTestDelayedWatchDelivery` (storage/testing/watcher_tests.go): what waits for a reader when
/// its stream is ended comes in order, whoever ends it.
async fn k18_delayed_delivery(kind: Kind) {
    let world = World::new(kind, "k18", &["configmaps"], &[]).await;
    let ask = || {
        Ask::of("configmaps")
            .namespace(&world.namespace)
            .bookmarks(Duration::from_secs(10))
    };
    let mut drained = world.synced("drained", &ask(), 0).await;
    let mut left = world.synced("left", &ask(), 0).await;
    let mut witness = world.synced("witness", &ask(), 0).await;
    let mut created = Vec::new();
    for number in 0..21 {
        let name = format!("cm-{number:02}");
        let version = world.create_map(&name, json!({})).await;
        created.push((name, version));
    }
    for (name, version) in &created {
        witness.expect(Added, name, *version).await;
    }
    drop(witness);

    let (name, version) = &created[0];
    left.expect(Added, name, *version).await;
    let token = left.token();
    drop(left);
    let mut again = world.watch("left", &ask().token(&token)).await;
    assert_eq!(again.started().await.outcome(), StartOutcome::Resumed);
    for (name, version) in &created[1..] {
        again.expect(Added, name, *version).await;
    }
    drop(again);

    drained.expect(Added, name, *version).await;
    world.daemon.terminate();
    let (events, announced, status) = rest(&mut drained).await;
    let got = events
        .iter()
        .map(|event| (event.name.clone(), event.resource_version.clone()));
    let expected = created[1..]
        .iter()
        .map(|(name, version)| (name.clone(), version.to_string()));
    assert_eq!(got.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    assert!(announced, "no Draining came");
    assert_eq!(
        (status.code(), reason(&status)),
        (Code::Unavailable, "DRAINING".to_owned())
    );
    drop(drained);
    world.finish(&quick(63)).await;
}
