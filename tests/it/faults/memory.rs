//! Many who ask differently, and read slowly or not at all: the memory for them is bounded in all.

use std::time::Duration;

use informerd::proto::v1::EventType::Modified;
use serde_json::json;

use super::{
    slow::Lazy,
    storm::{MAPS, Storm},
};
use crate::{
    conformance::scenarios,
    request::Ask,
    stage::Kind,
    wait::until,
    world::{World, quick},
};

scenarios![
    b1_many_queries_share_one_budget,
    b2_who_can_not_be_kept_for_is_served_from_the_history,
    b3_a_budget_smaller_than_an_object,
    b4_slow_readers_of_snapshots_hold_no_chunks,
];

const READERS: usize = 40;
const SLEEPERS: usize = 40;
const WRITES: usize = 60;
const PADDING: usize = 20_000;
const BUDGET: usize = 4 << 20;

/// A query of its own for each, which matches everything.
fn distinct(world: &World, number: usize) -> Ask {
    // They aren't read all the time.
    let calm = Duration::from_secs(120);
    let ask = Ask::of(MAPS).namespace(&world.namespace).bookmarks(calm);
    ask.labels(&format!("n!=x{number}"))
}

async fn fatten(world: &World, step: usize, padding: usize) -> u64 {
    let data = json!({"data": {"step": step.to_string(), "pad": "x".repeat(padding)}});
    let changed = world.kube.patch(MAPS, &world.namespace, "fat", data);
    crate::kube::version(&changed.await)
}

/// The bytes that are held for readers now.
async fn held(world: &World) -> f64 {
    world.daemon.metric("informerd_buffer_bytes", "").await
}

async fn evicted(world: &World) -> f64 {
    let name = "informerd_buffer_evicted_bytes_total";
    world.daemon.metric(name, "").await
}

/// Each of 80 logs would grow to more than a megabyte. Those who read get every event, and those
/// who don't read hold nobody up.
async fn b1_many_queries_share_one_budget(kind: Kind) {
    let budget = BUDGET.to_string();
    let arguments = ["--buffer-memory", &budget, "--stall-limit", "5m"];
    let world = World::new(kind, "b1", &[MAPS], &arguments).await;
    world.create_map("fat", json!({})).await;
    let mut readers = Vec::new();
    for at in 0..READERS {
        let ask = distinct(&world, at);
        let channel = world.daemon.connect().await;
        let reader = world.try_watch_on(&format!("r{at}"), &ask, channel).await;
        let mut reader = reader.expect("accepted");
        reader.snapshot().await;
        readers.push(reader);
    }
    let mut lazy = Lazy::connect(&world.daemon).await;
    let mut asleep = Vec::new();
    for at in 0..SLEEPERS {
        asleep.push(lazy.watch(&distinct(&world, READERS + at)).await);
    }
    let mut most = 0.0_f64;
    for step in 0..WRITES {
        let written = fatten(&world, step, PADDING).await;
        // Half of them read along, the others sometimes.
        for (at, reader) in readers.iter_mut().enumerate() {
            if at % 2 == 0 {
                reader.expect(Modified, "fat", written).await;
            }
        }
        most = most.max(held(&world).await);
    }
    assert!(most > BUDGET as f64 / 4.0, "only {most} bytes were held");
    assert!(most <= BUDGET as f64, "{most} bytes were held");
    let evicted = evicted(&world).await;
    assert!(evicted > 2.0 * BUDGET as f64, "{evicted}");
    let last = fatten(&world, WRITES, 1).await;
    for reader in &mut readers {
        reader.events_until(last).await;
    }
    drop((readers, asleep, lazy));
    until("all of it is given back", || async {
        held(&world).await == 0.0
    })
    .await;
    world.finish(&quick((READERS * WRITES / 2) as u64)).await;
}

/// Readers that come back to what was evicted miss nothing, and need no new start.
async fn b2_who_can_not_be_kept_for_is_served_from_the_history(kind: Kind) {
    let arguments = ["--buffer-memory", "256Ki", "--stall-limit", "5m"];
    let mut storm = Storm::brew(kind, "b2", &arguments).await;
    storm.subscribe().await;
    let ask = |at: usize| Ask::of(MAPS).labels(&format!("n!=x{at}"));
    let mut sleepers: Vec<(Ask, String)> = Vec::new();
    for at in 0..20 {
        let mut sleeper = storm.world.watch(&format!("s{at}"), &ask(at)).await;
        sleeper.snapshot().await;
        sleepers.push((ask(at), sleeper.token()));
    }
    // They keep the views of the others alive, and read nothing.
    let mut lazy = Lazy::connect(&storm.world.daemon).await;
    let mut asleep = Vec::new();
    for at in 0..20 {
        asleep.push(lazy.watch(&ask(at)).await);
    }
    storm.blow();
    for _ in 0..5 {
        for (at, (ask, token)) in sleepers.iter_mut().enumerate() {
            let ask = ask.clone().token(token);
            let mut sleeper = storm.world.watch(&format!("s{at}"), &ask).await;
            sleeper.events_until(storm.cluster.revision() + 2).await;
            *token = sleeper.token();
        }
    }
    let evicted = evicted(&storm.world).await;
    assert!(evicted > 64.0 * 1024.0, "{evicted}");
    drop((asleep, lazy));
    let calm = storm
        .calm(&quick(500).requiring(&["STARTED RESUMED"]))
        .await;
    calm.without(&["RESET"]);
}

/// Each of 20 snapshots is half as large as the budget, and somebody has stopped in the middle of
/// it. Whoever comes after reads all of it, and what is changed meanwhile.
async fn b4_slow_readers_of_snapshots_hold_no_chunks(kind: Kind) {
    let budget = BUDGET.to_string();
    let arguments = ["--buffer-memory", &budget, "--stall-limit", "5m"];
    let world = World::new(kind, "b4", &[MAPS], &arguments).await;
    for at in 0..100 {
        let name = format!("o{at}");
        let object = crate::kube::config_map(&name, json!({}), json!({"pad": "x".repeat(PADDING)}));
        world.kube.create(MAPS, &world.namespace, object).await;
    }
    let mut lazy = Lazy::connect(&world.daemon).await;
    let mut asleep = Vec::new();
    let mut most = 0.0_f64;
    for at in 0..20 {
        let ask = distinct(&world, at);
        asleep.push(lazy.watch(&ask).await);
        let mut reader = world.synced(&format!("r{at}"), &ask, 100).await;
        let written = world.touch_map("o7", &at.to_string()).await;
        reader.expect(Modified, "o7", written).await;
        most = most.max(held(&world).await);
    }
    assert!(most > BUDGET as f64 / 4.0, "only {most} bytes were held");
    assert!(most <= BUDGET as f64, "{most} bytes were held");
    assert!(evicted(&world).await > BUDGET as f64);
    drop((asleep, lazy));
    world.finish(&quick(20 * 101)).await;
}

/// An object that is larger than the whole budget reaches everyone, in time.
async fn b3_a_budget_smaller_than_an_object(kind: Kind) {
    let arguments = ["--buffer-memory", "64Ki"];
    let world = World::new(kind, "b3", &[MAPS], &arguments).await;
    world.create_map("fat", json!({})).await;
    let mut readers = Vec::new();
    for at in 0..10 {
        let ask = distinct(&world, at);
        readers.push(world.synced(&format!("r{at}"), &ask, 1).await);
    }
    for step in 0..5 {
        let written = fatten(&world, step, 200_000).await;
        for reader in &mut readers {
            reader.expect(Modified, "fat", written).await;
        }
    }
    let late = world.synced("late", &distinct(&world, 11), 1).await;
    let refused = world.daemon.metric("informerd_buffer_refused_total", "");
    assert!(refused.await > 0.0);
    drop((readers, late));
    world.finish(&quick(50)).await;
}
