//! What comes and goes under filters.

use informerd::proto::v1::EventType::{Added, Deleted, Modified};
use serde_json::json;

use super::scenarios;
use crate::{
    request::Ask,
    stage::Kind,
    subscriber::number,
    world::{World, quick},
};

scenarios![k1_multiple_watchers, k4_label_changed_and_restored];

/// e2e "should observe add, update, and delete watch notifications on configmaps".
async fn k1_multiple_watchers(kind: Kind) {
    let world = World::new(kind, "k1", &["configmaps"], &[]).await;
    let ask = || Ask::of("configmaps").namespace(&world.namespace);
    let mut a = world.synced("a", &ask().labels("watch=A"), 0).await;
    let mut b = world.synced("b", &ask().labels("watch=B"), 0).await;
    let mut ab = world.synced("ab", &ask().labels("watch in (A,B)"), 0).await;

    let created = world.create_map("cm-a", json!({"watch": "A"})).await;
    for subscriber in [&mut a, &mut ab] {
        subscriber.expect(Added, "cm-a", created).await;
    }
    for step in ["1", "2"] {
        let changed = world.touch_map("cm-a", step).await;
        for subscriber in [&mut a, &mut ab] {
            subscriber.expect(Modified, "cm-a", changed).await;
        }
    }
    world.delete_map("cm-a").await;
    let mut gone = 0;
    for subscriber in [&mut a, &mut ab] {
        let event = subscriber.event().await;
        assert_eq!((event.r#type(), event.name.as_str()), (Deleted, "cm-a"));
        gone = number(&event.resource_version);
    }
    b.quiet_until(gone).await;

    let created = world.create_map("cm-b", json!({"watch": "B"})).await;
    for subscriber in [&mut b, &mut ab] {
        subscriber.expect(Added, "cm-b", created).await;
    }
    a.quiet_until(created).await;
    world.delete_map("cm-b").await;
    for subscriber in [&mut b, &mut ab] {
        assert_eq!(subscriber.event().await.r#type(), Deleted);
    }
    drop((a, b, ab));
    world.finish(&quick(1)).await;
}

/// e2e "should observe an object deletion if it stops meeting the requirements of the selector".
async fn k4_label_changed_and_restored(kind: Kind) {
    let world = World::new(kind, "k4", &["configmaps"], &[]).await;
    let ask = Ask::of("configmaps")
        .namespace(&world.namespace)
        .labels("watch=X");
    let mut x = world.synced("x", &ask, 0).await;
    let created = world.create_map("cm", json!({"watch": "X"})).await;
    x.expect(Added, "cm", created).await;
    let changed = world.touch_map("cm", "1").await;
    x.expect(Modified, "cm", changed).await;
    let left = world.label_map("cm", json!({"watch": "wrong"})).await;
    let event = x.expect(Deleted, "cm", left).await;
    let shown: serde_json::Value = serde_json::from_slice(&event.object).expect("json");
    assert_eq!(shown["metadata"]["labels"]["watch"], "X");
    assert_eq!(shown["metadata"]["resourceVersion"], left.to_string());
    let unseen = world.touch_map("cm", "2").await;
    x.quiet_until(unseen).await;
    let restored = world.label_map("cm", json!({"watch": "X"})).await;
    x.expect(Added, "cm", restored).await;
    let changed = world.touch_map("cm", "3").await;
    x.expect(Modified, "cm", changed).await;
    world.delete_map("cm").await;
    assert_eq!(x.event().await.r#type(), Deleted);
    drop(x);
    world.finish(&quick(1)).await;
}
