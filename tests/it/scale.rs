//! Many subscribers, one watch upstream; and none when nobody is left.

use std::{collections::VecDeque, time::Duration};

use futures::{StreamExt as _, stream};
use informerd::proto::v1::{
    EventType::Modified, frame::Frame, watch_service_client::WatchServiceClient,
};
use serde_json::json;
use tonic::transport::Channel;

use crate::{
    conformance::scenarios,
    request::Ask,
    stage::Kind,
    wait::{pass, until},
    world::{World, quick},
};

scenarios![
    s1_thousand_subscribers_one_watch,
    f64_joins_and_leaves_around_linger
];

const MAPS: &str = "configmaps";
/// Bookmarks for streams that aren't read all the time, so that silence isn't taken for one.
const CALM: Duration = Duration::from_secs(120);

/// G13 and G12 with 1,000 subscribers on 10 connections; G19: nothing is left of them.
async fn s1_thousand_subscribers_one_watch(kind: Kind) {
    let arguments = ["--linger", "100ms"];
    let world = World::new(kind, "s1", &[MAPS], &arguments).await;
    for name in ["a", "b", "c"] {
        world.create_map(name, json!({"kind": name})).await;
    }
    let mut subscribers = Vec::new();
    for connection in 0..10 {
        let channel = world.daemon.connect().await;
        for at in 0..100 {
            let ask = Ask::of(MAPS).namespace(&world.namespace).bookmarks(CALM);
            // Half of them ask the same, the others have four queries.
            let ask = match at {
                0..50 => ask,
                50..60 => ask.labels("kind in (a,b)"),
                60..70 => ask.labels("kind=b"),
                70..80 => ask.name("b"),
                _ => ask.fields("metadata.name!=b"),
            };
            let name = format!("s{connection}-{at}");
            let opened = world.try_watch_on(&name, &ask, channel.clone()).await;
            subscribers.push((at, opened.expect("accepted")));
        }
    }
    for (_, subscriber) in &mut subscribers {
        subscriber.snapshot().await;
    }
    assert_eq!(
        world
            .daemon
            .metric("informerd_upstream_watches", MAPS)
            .await,
        1.0
    );
    assert_eq!(
        world.daemon.metric("informerd_subscriptions", MAPS).await,
        1000.0
    );
    assert_eq!(world.daemon.metric("informerd_views", MAPS).await, 5.0);
    let mut of_b = Vec::new();
    for step in 1..=5 {
        of_b.push(world.touch_map("b", &step.to_string()).await);
    }
    let of_a = world.touch_map("a", "1").await;
    for (at, subscriber) in &mut subscribers {
        if *at < 80 {
            for version in &of_b {
                subscriber.expect(Modified, "b", *version).await;
            }
        }
        if !(60..80).contains(at) {
            subscriber.expect(Modified, "a", of_a).await;
        }
    }
    let watches = world
        .daemon
        .metric("informerd_reflector_watches_total", MAPS);
    assert_eq!(watches.await, 1.0, "one watch from the first to the last");
    drop(subscribers);
    nothing_left(&world).await;
    if let Some(cluster) = world.stage.simulated() {
        assert_eq!(cluster.max_open_watches(MAPS), 1);
    }
    world.finish(&quick(4000)).await;
}

/// F64: subscribers come and go around the moment at which the watch upstream is given up. There
/// are never two watches, and nobody misses the first event.
async fn f64_joins_and_leaves_around_linger(kind: Kind) {
    let (rounds, crowd): (u32, u32) = match kind {
        Kind::Simulated => (100, 100),
        Kind::Real | Kind::Installed { .. } => (20, 50),
    };
    let world = World::new(kind, "f64", &[MAPS], &["--linger", "50ms"]).await;
    world.create_map("object", json!({})).await;
    let mut random = fastrand::Rng::with_seed(64);
    let ask = Ask::of(MAPS).namespace(&world.namespace);
    for round in 0..rounds {
        let watcher = async {
            let ask = match round % 2 {
                0 => ask.clone(),
                _ => ask.clone().now(),
            };
            let mut watcher = world.watch(&format!("watcher-{round}"), &ask).await;
            if round % 2 == 0 {
                watcher.snapshot().await;
            } else {
                watcher.started().await;
            }
            let written = world.touch_map("object", &format!("round {round}")).await;
            watcher.expect(Modified, "object", written).await;
        };
        let passers = stream::iter(0..crowd).map(|_| pass_by(world.channel(), &ask));
        let passers = passers.buffer_unordered(16).collect::<Vec<()>>();
        futures::join!(watcher, passers);
        // Not to wait for anything, but to come back before, at and after the end of the linger.
        pass(Duration::from_millis(random.u64(35..75))).await;
    }
    nothing_left(&world).await;
    let watches = world
        .daemon
        .metric("informerd_reflector_watches_total", MAPS);
    let watches = watches.await;
    assert!(watches >= 3.0, "the linger has ended only {watches} times");
    world.finish(&quick(u64::from(rounds))).await;
}

/// Joins, sees the object, and leaves.
async fn pass_by(channel: Channel, ask: &Ask) {
    let mut client = WatchServiceClient::new(channel);
    let opened = client.watch(ask.message.clone()).await;
    let mut stream = opened.expect("accepted").into_inner();
    let mut seen = VecDeque::new();
    loop {
        let message = stream.message().await.expect("no error");
        for frame in message.expect("no end").frames {
            match frame.frame {
                Some(Frame::Event(event)) => seen.push_back(event.name),
                Some(Frame::SnapshotEnd(end)) => {
                    assert_eq!((end.count, seen.len()), (1, 1), "{seen:?}");
                    return;
                }
                _ => {}
            }
        }
    }
}

/// All that subscribers have occupied is free again, and the watch upstream has ended.
async fn nothing_left(world: &World) {
    let free = async || {
        let mut left = 0.0;
        for metric in ["subscriptions", "views", "upstream_watches"] {
            left += world
                .daemon
                .metric(&format!("informerd_{metric}"), MAPS)
                .await;
        }
        left += world.daemon.metric("informerd_streams_open", "").await;
        let open = world
            .stage
            .simulated()
            .map(|cluster| cluster.open_watches(MAPS));
        left == 0.0 && open.unwrap_or(0) == 0
    };
    until("nothing is left of the subscribers", free).await;
}
