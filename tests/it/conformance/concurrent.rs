//! Many streams of the same question see the same order, whenever and wherever they begin.

use std::time::Duration;

use serde_json::json;
use tokio::sync::Semaphore;
use tonic::transport::Channel;

use super::scenarios;
use crate::{
    daemon::Daemon,
    kube,
    request::Ask,
    stage::Kind,
    subscriber::{Subscriber, number},
    world::{World, quick},
};
use informerd_support::validate::Expectation;

scenarios![k5_concurrent_watches, k5_concurrent_watches_on_two_replicas];

const STREAMS: usize = 100;
/// How many writes may be ahead of the readers. All streams of a connection share its flow control
/// window: unread events of many could fill it, and the one that is awaited would not come.
const LEAD: usize = 40;

/// e2e "should receive events on concurrent watches in same order".
async fn k5_concurrent_watches(kind: Kind) {
    let world = World::new(kind, "k5", &["configmaps"], &[]).await;
    same_order(&world, &[world.channel()]).await;
    // One more while the first position is reached back for.
    finish(world, 2).await;
}

/// The same with streams that take turns between two daemons.
async fn k5_concurrent_watches_on_two_replicas(kind: Kind) {
    let world = World::new(kind, "k5", &["configmaps"], &[]).await;
    let other = Daemon::start(&world.stage.kubeconfig(), &[]).await;
    same_order(&world, &[world.channel(), other.connect().await]).await;
    finish(world, 4).await;
}

async fn finish(world: World, watches: usize) {
    let events = STREAMS * (STREAMS + 1) / 2;
    let expectation = Expectation {
        watches,
        ..quick(events as u64)
    };
    world.finish(&expectation).await;
}

async fn same_order(world: &World, channels: &[Channel]) {
    let list = kube::collection("configmaps", &world.namespace);
    let start = kube::version(&world.kube.get(&list).await);
    let lead = Semaphore::new(LEAD);
    tokio::select! {
        () = write(world, &lead) => unreachable!("writing has no end"),
        () = read(world, channels, start, &lead) => {}
    }
}

/// Creates, changes and deletes at random, without end.
async fn write(world: &World, lead: &Semaphore) {
    let mut random = fastrand::Rng::with_seed(5);
    let mut existing = [false; 5];
    for step in 0_u64.. {
        lead.acquire().await.expect("it stays open").forget();
        let place = random.usize(..existing.len());
        let name = format!("cm-{place}");
        if !existing[place] {
            world.create_map(&name, json!({})).await;
            existing[place] = true;
        } else if random.bool() {
            world.touch_map(&name, &format!("step {step}")).await;
        } else {
            world.delete_map(&name).await;
            existing[place] = false;
        }
    }
}

/// Opens one stream after the other where the first one stands; the next event of all is the same.
async fn read(world: &World, channels: &[Channel], start: u64, lead: &Semaphore) {
    let mut position = start;
    let mut streams: Vec<Subscriber> = Vec::new();
    for (round, channel) in (0..STREAMS).zip(channels.iter().cycle()) {
        let ask = Ask::of("configmaps")
            .namespace(&world.namespace)
            .bookmarks(Duration::from_secs(5))
            .version(position)
            .or_fail();
        let name = format!("stream {round}");
        let opened = world.try_watch_on(&name, &ask, channel.clone()).await;
        streams.push(opened.unwrap_or_else(|status| panic!("{name}: {status:?}")));
        let mut next = None;
        for stream in &mut streams {
            let event = stream.event().await;
            let got = (event.r#type(), event.name, number(&event.resource_version));
            assert_eq!(
                &got,
                next.get_or_insert_with(|| got.clone()),
                "{}",
                stream.name
            );
        }
        position = next.map_or(position, |(_, _, version)| version);
        lead.add_permits(1);
    }
}
