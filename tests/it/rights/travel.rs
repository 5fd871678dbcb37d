//! Tokens between a daemon that watches the cluster and one that watches namespaces.

use std::time::Duration;

use informerd::proto::v1::{StartOutcome, frame::Frame};
use serde_json::json;

use crate::{
    conformance::scenarios,
    daemon::Daemon,
    kube,
    request::Ask,
    stage::Kind,
    subscriber::{Subscriber, number},
    world::{World, quick},
};

scenarios![tokens_travel_between_reaches];

const MAPS: &str = "configmaps";

/// Reads until a bookmark stands at `version` or after it.
async fn moved_on(subscriber: &mut Subscriber, version: u64) {
    loop {
        if let Frame::Bookmark(bookmark) = subscriber.frame().await
            && number(&bookmark.resource_version) >= version
        {
            return;
        }
    }
}

/// One round: continues all tokens at the daemon as it was just started, sees each change since, and
/// gives tokens of its own: of a change, and of a bookmark past a change elsewhere. (A real
/// apiserver tells a watch of one namespace only each minute that others have moved on.)
async fn round(world: &World, number: usize, tokens: &[(String, usize)]) -> Vec<(String, usize)> {
    let ask = Ask::of(MAPS)
        .namespace(&world.namespace)
        .bookmarks(Duration::from_secs(3));
    let step = format!("round {number}");
    let last = world.touch_map("own", &step).await;
    let mut own = Vec::new();
    for (at, (token, missed)) in tokens.iter().enumerate() {
        let name = format!("reader-{at}");
        let mut reader = world.watch(&name, &ask.clone().token(token)).await;
        let outcome = reader.started().await.outcome();
        assert_eq!(outcome, StartOutcome::Resumed, "{name} in {step}");
        let events = reader.events_until(last).await;
        assert_eq!(events.len(), missed + 1, "{name} in {step}");
        own.push(reader);
    }
    let mut reader = own.pop().expect("there are tokens");
    // Only this one is read on.
    drop(own);
    let change = reader.token();
    let elsewhere = world.kube.namespace("elsewhere").await;
    let object = kube::config_map("other", json!({}), json!({}));
    let other = world.kube.create(MAPS, &elsewhere, object).await;
    let cluster = world.stage.simulated();
    cluster
        .into_iter()
        .for_each(|cluster| cluster.bookmark_now(MAPS));
    if cluster.is_some() || number % 2 == 1 {
        moved_on(&mut reader, kube::version(&other)).await;
        assert_ne!(reader.token(), change);
    }
    vec![(change, 0), (reader.token(), 0)]
}

/// Positions are the cluster's and a token's filter names the namespace in any case, so both kinds
/// of daemons continue each other's tokens, by the apiserver's history and by their own.
async fn tokens_travel_between_reaches(kind: Kind) {
    let mut world = World::new(kind, "travel", &[MAPS], &[]).await;
    world.create_map("own", json!({})).await;
    let ask = Ask::of(MAPS).namespace(&world.namespace);
    let mut first = world.synced("reader-0", &ask, 1).await;
    let changed = world.touch_map("own", "first").await;
    first.events_until(changed).await;
    let mut tokens = vec![(first.token(), 0)];
    drop(first);
    let namespace = world.namespace.clone();
    let reaches: [&[&str]; 4] = [
        &["--namespaces", &namespace],
        &[],
        &["--namespaces", &namespace],
        &[],
    ];
    for (number, arguments) in reaches.into_iter().enumerate() {
        world.daemon.crash();
        // Something is missed, and has to be fetched from the apiserver.
        world.touch_map("own", &format!("between {number}")).await;
        for (_, missed) in &mut tokens {
            *missed += 1;
        }
        let daemon = Daemon::start(&world.stage.kubeconfig(), arguments).await;
        world.replace_daemon(daemon).await;
        tokens = round(&world, number, &tokens).await;
    }
    let mut expectation = quick(8).requiring(&["STARTED RESUMED"]);
    expectation.watches = 2;
    expectation.collections = 2;
    world.finish(&expectation).await;
}
