//! What is promised of streams holds over TLS too.

use std::time::Duration;

use informerd::proto::v1::EventType::{Added, Modified};
use serde_json::json;

use super::{
    certificates::Authority,
    files::{Mounted, NAMES, borrowed},
};
use crate::{
    conformance::scenarios,
    kube,
    request::Ask,
    stage::Kind,
    world::{World, quick},
};

scenarios![tls_streams_are_whole];

/// Many small events and some that are larger than a record of TLS and than every buffer.
async fn tls_streams_are_whole(kind: Kind) {
    let authority = Authority::new("root");
    let mounted = Mounted::new(&authority.server(&NAMES), &authority, &authority);
    let flags = mounted.flags();
    let world = World::new(kind, "tls", &["configmaps"], &borrowed(&flags)).await;
    // They are read one after the other: silence is not to be taken for a missing bookmark.
    let calm = Duration::from_secs(120);
    let ask = Ask::of("configmaps")
        .namespace(&world.namespace)
        .bookmarks(calm);
    let mut subscribers = Vec::new();
    for connection in 0..3 {
        let channel = world.daemon.connect().await;
        for at in 0..5 {
            let name = format!("s{connection}-{at}");
            let opened = world.try_watch_on(&name, &ask, channel.clone()).await;
            subscribers.push(opened.expect("accepted"));
        }
    }
    let mut expected = Vec::new();
    for round in 0..10 {
        let name = format!("large-{round}");
        let large = json!({"text": "x".repeat(40_000 * (round + 1))});
        let object = kube::config_map(&name, json!({}), large);
        let made = world
            .kube
            .create("configmaps", &world.namespace, object)
            .await;
        expected.push((Added, name.clone(), kube::version(&made)));
        for step in 0..5 {
            let version = world.touch_map(&name, &step.to_string()).await;
            expected.push((Modified, name.clone(), version));
        }
    }
    for subscriber in &mut subscribers {
        subscriber.snapshot().await;
        for (kind, name, version) in &expected {
            subscriber.expect(*kind, name, *version).await;
        }
    }
    let expiry = "informerd_tls_certificate_expiry_timestamp_seconds";
    assert!(world.daemon.metric(expiry, "").await > 4e9);
    drop(subscribers);
    world.finish(&quick(800)).await;
}
