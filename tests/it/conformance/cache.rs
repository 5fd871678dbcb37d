//! The watch cache under changes of membership, reinitialization and churn.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures::future::{FutureExt as _, join_all};
use informerd::proto::v1::EventType::{self, Added, Deleted, Modified};
use informerd_support::simulation::{Action, Cluster, Disruption, Fault, Verb};
use serde_json::{Value, json};

use super::{maps, scenarios};
use crate::{
    kube,
    stage::Kind,
    subscriber::{Subscriber, number},
    tail::Tail,
    wait::until,
    world::{World, quick},
};

scenarios![
    k32_membership_sequences,
    k38_no_events_missed_on_reinitialization: "needs expiry on demand",
    k39_no_leak_with_many_watchers,
    k44_deletions_show_the_last_match,
];

/// Writes an object whose field is as given; gives the version.
async fn put(world: &World, name: &str, state: &str, step: usize) -> u64 {
    let data = json!({"state": state, "step": step.to_string()});
    let namespace = &world.namespace;
    let written = if step == 0 {
        let object = kube::config_map(name, json!({}), data);
        world.kube.create("configmaps", namespace, object).await
    } else {
        let patch = json!({"data": data});
        world.kube.patch("configmaps", namespace, name, patch).await
    };
    kube::version(&written)
}

/// Cacher `TestCacheWatcherHandlesFiltering`: what an object's comings and goings look like; the
/// same live and replayed.
async fn k32_membership_sequences(kind: Kind) {
    type Sequence = (&'static [&'static str], &'static [(EventType, usize)]);
    const SEQUENCES: [Sequence; 4] = [
        (
            &["in", "out", "in"],
            &[(Added, 0), (Deleted, 1), (Added, 2)],
        ),
        (
            &["out", "out", "in", "in", "out", "out"],
            &[(Added, 2), (Modified, 3), (Deleted, 4)],
        ),
        (&["out", "out", "out"], &[]),
        (&["in", "in"], &[(Added, 0), (Modified, 1)]),
    ];
    let world = World::new(kind, "k32", &["configmaps"], &[]).await;
    let ask = || {
        let ask = maps(&world);
        ask.fields("data.state=in")
    };
    let mut live = world.synced("live", &ask(), 0).await;
    let begin = world.fence("configmaps").await;
    let mut expected = Vec::new();
    let mut last = begin;
    for (number, (states, events)) in SEQUENCES.iter().enumerate() {
        let name = format!("cm-{number}");
        let mut versions = Vec::new();
        for (step, state) in states.iter().enumerate() {
            versions.push(put(&world, &name, state, step).await);
        }
        last = versions[versions.len() - 1];
        let steps = events.iter().map(|(kind, step)| (*kind, versions[*step]));
        expected.extend(steps.map(|(kind, version)| (kind, name.clone(), version)));
    }
    let mut replayed = world.watch("replayed", &ask().version(begin)).await;
    for stream in [&mut live, &mut replayed] {
        for (kind, name, version) in &expected {
            stream.expect(*kind, name, *version).await;
        }
        stream.quiet_until(last).await;
    }
    drop((live, replayed));
    world.finish(&quick(16)).await;
}

/// Cacher `TestCacherDontMissEventsOnReinitialization`: the watch upstream expires and a new list
/// takes its place while a thousand streams begin at the same old position. All of them see the
/// same steps, and the jump is told by its cause.
async fn k38_no_events_missed_on_reinitialization(kind: Kind) {
    let world = World::new(kind, "k38", &["configmaps"], &[]).await;
    let cluster = world.stage.simulated().expect("a simulated cluster");
    let ask = maps(&world);
    let mut first = world.watch("first", &ask).await;
    let (_, end) = first.snapshot().await;
    let begin = number(&end.resource_version);
    for name in ["a", "b", "c", "d", "e", "f"] {
        world.create_map(name, json!({})).await;
    }
    first.events_until(cluster.revision()).await;
    let mut channels = Vec::new();
    for _ in 0..4 {
        channels.push(world.daemon.connect().await);
    }
    let from = ask.clone().version(begin);
    let subscribe = join_all((0..1000).map(async |number| {
        let name = format!("crowd-{number}");
        let channel = channels[number % channels.len()].clone();
        let stream = world.try_watch_on(&name, &from, channel).await;
        Tail::begin(stream.expect("accepted")).await
    }));
    let tail = tokio::spawn(async move { first.events_until(u64::MAX).await });
    let (tails, fence) = futures::join!(subscribe, reinitialize(&world, cluster));
    tail.abort();
    let mut reference: Option<Vec<u64>> = None;
    for tail in tails {
        let read = tail.until(fence).await;
        assert!(
            read.end.is_none() && read.resets().is_empty(),
            "{}",
            read.name
        );
        let seen = read.versions();
        assert!(seen.is_sorted(), "{}: {seen:?}", read.name);
        let reference = reference.get_or_insert_with(|| seen.clone());
        assert_eq!(seen, *reference, "{}", read.name);
    }
    assert!(cluster.faults_unbitten().is_empty());
    world.finish(&quick(1000).requiring(&["RESYNC"])).await;
}

/// The watch upstream expires, writes happen before the daemon lists again, and more after that.
async fn reinitialize(world: &World, cluster: &Cluster) -> u64 {
    let late = Action::Delay(Duration::from_millis(500));
    cluster.inject(Fault::on("configmaps", Verb::Any, late));
    cluster.break_watches(
        "configmaps",
        Disruption::error(410, "Expired", "too old resource version: 1 (7)"),
    );
    until("the daemon lists again", async || {
        cluster.faults_unbitten().is_empty()
    })
    .await;
    let namespace = &world.namespace;
    for step in ["1", "2", "3"] {
        let change = json!({"data": {"step": step}});
        cluster
            .patch("configmaps", namespace, "a", &change)
            .expect("patched");
    }
    cluster
        .delete("configmaps", namespace, "b")
        .expect("deleted");
    for step in 0..6 {
        world.touch_map("c", &format!("after {step}")).await;
    }
    world.fence("configmaps").await
}

/// Cacher `TestCacherNoLeakWithMultipleWatchers`: streams that come and go, some before they are
/// answered, leave nothing behind.
async fn k39_no_leak_with_many_watchers(kind: Kind) {
    let world = World::new(kind, "k39", &["configmaps"], &[]).await;
    world.create_map("cm", json!({})).await;
    let over = AtomicBool::new(false);
    let write = async {
        let mut step = 0_u64;
        while !over.load(Ordering::Relaxed) {
            step += 1;
            world.touch_map("cm", &step.to_string()).await;
        }
    };
    let churn = async |worker: usize| {
        for round in 0..50 {
            let name = format!("churn-{worker}");
            let ask = maps(&world);
            let ask = ask.labels(&format!("worker!={round}"));
            drop(world.watch(&name, &ask).now_or_never());
            let mut stream = world.watch(&name, &ask).await;
            for _ in 0..(worker + round) % 7 {
                stream.frame().await;
            }
        }
    };
    let all = async {
        join_all((0..4).map(churn)).await;
        over.store(true, Ordering::Relaxed);
    };
    futures::join!(write, all);
    for name in ["subscriptions", "streams_open", "views", "requests_open"] {
        let metric = format!("informerd_{name}");
        until(&format!("{metric} is 0"), async || {
            world.daemon.metric(&metric, "").await == 0.0
        })
        .await;
    }
    world.finish(&quick(200)).await;
}

/// Cacher `TestCachingDeleteEvents`: whoever's filter an object leaves is shown its last match,
/// whether by a change or by its deletion.
async fn k44_deletions_show_the_last_match(kind: Kind) {
    let world = World::new(kind, "k44", &["configmaps"], &[]).await;
    let ask = || maps(&world);
    let mut all = world.synced("all", &ask(), 0).await;
    let mut with_foo = world.synced("foo", &ask().labels("foo"), 0).await;
    let mut with_bar = world.synced("bar", &ask().labels("bar"), 0).await;
    let one = world
        .create_map("cm", json!({"foo": "1", "bar": "1"}))
        .await;
    let two = world.label_map("cm", json!({"bar": null})).await;
    let three = world.label_map("cm", json!({"foo": null})).await;
    world.delete_map("cm").await;
    let fence = world.fence("configmaps").await;

    all.expect(Added, "cm", one).await;
    all.expect(Modified, "cm", two).await;
    all.expect(Modified, "cm", three).await;
    let gone = all.event().await;
    assert_eq!(gone.r#type(), Deleted);
    assert!((three + 1..fence).contains(&number(&gone.resource_version)));
    assert_eq!(labels(&gone.object), json!(null));

    with_foo.expect(Added, "cm", one).await;
    with_foo.expect(Modified, "cm", two).await;
    leaves(&mut with_foo, three, json!({"foo": "1"})).await;
    with_foo.quiet_until(fence).await;

    with_bar.expect(Added, "cm", one).await;
    leaves(&mut with_bar, two, json!({"foo": "1", "bar": "1"})).await;
    with_bar.quiet_until(fence).await;
    drop((all, with_foo, with_bar));
    world.finish(&quick(9)).await;
}

async fn leaves(stream: &mut Subscriber, version: u64, shown: Value) {
    let event = stream.expect(Deleted, "cm", version).await;
    assert_eq!(labels(&event.object), shown, "{}", stream.name);
}

fn labels(object: &[u8]) -> Value {
    let object: Value = serde_json::from_slice(object).expect("json");
    object["metadata"]["labels"].clone()
}
