//! Resources of other kinds: custom ones, namespaces as objects, several namespaces at once.

use informerd::proto::v1::{
    EventCause,
    EventType::{Added, Deleted, Modified},
};
use serde_json::{Value, json};

use super::scenarios;
use crate::{
    kube,
    request::Ask,
    stage::Kind,
    subscriber::number,
    world::{World, quick},
};

scenarios![
    k6_custom_resources_by_name,
    k7_namespaces_as_objects,
    k8_cross_namespace_watch,
    k11_selectable_fields,
];

const WIDGETS: &str = "widgets.example.com";

fn widget(name: &str, labels: Value, spec: Value) -> Value {
    json!({
        "apiVersion": "example.com/v1", "kind": "Widget",
        "metadata": {"name": name, "labels": labels}, "spec": spec,
    })
}

async fn create(world: &World, namespace: &str, object: Value) -> u64 {
    kube::version(&world.kube.create(WIDGETS, namespace, object).await)
}

async fn paint(world: &World, name: &str, color: &str) -> u64 {
    let patch = json!({"spec": {"color": color}});
    kube::version(
        &world
            .kube
            .patch(WIDGETS, &world.namespace, name, patch)
            .await,
    )
}

/// e2e `crd_watch.go` "watch on custom resource definition objects".
async fn k6_custom_resources_by_name(kind: Kind) {
    let world = World::new(kind, "k6", &[WIDGETS], &[]).await;
    let ask = |name| {
        Ask::of(WIDGETS)
            .namespace(&world.namespace)
            .fields(&format!("metadata.name={name}"))
    };
    let mut one = world.synced("one", &ask("name1"), 0).await;
    let mut two = world.synced("two", &ask("name2"), 0).await;
    // Whatever the one is told too much, its next expectation meets.
    for step in ["create", "patch"] {
        for (subscriber, name) in [(&mut one, "name1"), (&mut two, "name2")] {
            let (kind, version) = if step == "create" {
                let object = widget(name, json!({}), json!({"color": "red"}));
                (Added, create(&world, &world.namespace, object).await)
            } else {
                (Modified, paint(&world, name, "green").await)
            };
            subscriber.expect(kind, name, version).await;
        }
    }
    for (subscriber, name) in [(&mut one, "name1"), (&mut two, "name2")] {
        world.kube.delete(WIDGETS, &world.namespace, name).await;
        let event = subscriber.event().await;
        assert_eq!((event.r#type(), event.name.as_str()), (Deleted, name));
        assert_eq!(event.cause(), EventCause::Change);
    }
    let fence = world.fence(WIDGETS).await;
    one.quiet_until(fence).await;
    two.quiet_until(fence).await;
    drop((one, two));
    world.finish(&quick(6)).await;
}

/// `TestWatchNamespaceEvent` (test/integration/apiserver/watch_test.go): a namespace object has
/// no namespace, although its own name is one.
async fn k7_namespaces_as_objects(kind: Kind) {
    let world = World::new(kind, "k7", &["namespaces"], &[]).await;
    let asks = [
        Ask::of("namespaces").name(&world.namespace),
        Ask::of("namespaces").fields(&format!("metadata.name={}", world.namespace)),
    ];
    let starts: [fn(Ask) -> Ask; 2] = [|ask| ask, |ask| ask.version(0)];
    let mut streams = Vec::new();
    for ask in &asks {
        for start in starts {
            let name = format!("stream {}", streams.len());
            let mut stream = world.watch(&name, &start(ask.clone())).await;
            let (objects, _) = stream.snapshot().await;
            let found: Vec<_> = objects.iter().map(|object| object.name.as_str()).collect();
            assert_eq!(found, [world.namespace.as_str()], "{name}");
            assert_eq!(
                (objects[0].r#type(), objects[0].namespace.as_str()),
                (Added, "")
            );
            streams.push(stream);
        }
    }
    for count in ["1", "2"] {
        let patch = json!({"metadata": {"annotations": {"count": count}}});
        let patched = world.kube.patch("namespaces", "", &world.namespace, patch);
        let version = kube::version(&patched.await);
        for stream in &mut streams {
            stream.expect(Modified, &world.namespace, version).await;
        }
    }
    let fence = world.fence("namespaces").await;
    for stream in &mut streams {
        stream.quiet_until(fence).await;
    }
    drop(streams);
    world.finish(&quick(12)).await;
}

/// `TestCrossNamespaceListWatch` (apiextensions test/integration/basic_test.go).
async fn k8_cross_namespace_watch(kind: Kind) {
    let world = World::new(kind, "k8", &[WIDGETS], &[]).await;
    let (ns1, ns2) = (world.namespace.as_str(), world.kube.namespace("k8").await);
    let start = kube::version(&world.kube.get(&kube::collection(WIDGETS, "")).await);
    let all = Ask::of(WIDGETS).labels(&format!("k8={ns1}")).version(start);
    let mut cluster = world.watch("cluster", &all).await;
    let mut one = world.watch("one", &all.clone().namespace(ns1)).await;
    let mut two = world.watch("two", &all.clone().namespace(&ns2)).await;

    let labels = json!({"k8": ns1});
    let mut last = 0;
    for (namespace, name, own) in [(ns1, "foo1", &mut one), (&ns2, "foo2", &mut two)] {
        last = create(&world, namespace, widget(name, labels.clone(), json!({}))).await;
        let event = cluster.expect(Added, name, last).await;
        assert_eq!(
            (event.namespace.as_str(), event.uid.is_empty()),
            (namespace, false)
        );
        let shown: Value = serde_json::from_slice(&event.object).expect("json");
        assert_eq!(shown["metadata"]["uid"], event.uid);
        assert_eq!(
            (&shown["apiVersion"], &shown["kind"]),
            (&json!("example.com/v1"), &json!("Widget"))
        );
        own.expect(Added, name, last).await;
    }
    for stream in [&mut cluster, &mut one, &mut two] {
        stream.quiet_until(last).await;
    }
    drop((cluster, one, two));
    world.finish(&quick(4)).await;
}

/// `TestSelectableFields` (apiextensions test/integration/fieldselector_test.go), and a field that
/// the apiserver does not select by.
async fn k11_selectable_fields(kind: Kind) {
    let world = World::new(kind, "k11", &[WIDGETS], &[]).await;
    let ask = |fields| Ask::of(WIDGETS).namespace(&world.namespace).fields(fields);
    let mut blue = world.synced("blue", &ask("spec.color=blue"), 0).await;
    let medium = ask("spec.color=blue,spec.size=M");
    let mut medium = world.synced("medium", &medium, 0).await;
    let mut host = world.synced("host", &ask("spec.nosuchfield=x"), 0).await;

    let spec = json!({"color": "blue", "size": "S"});
    let small = create(&world, &world.namespace, widget("small", json!({}), spec)).await;
    blue.expect(Added, "small", small).await;
    let spec = json!({"color": "blue", "size": "M", "nosuchfield": "x"});
    let shirt = create(&world, &world.namespace, widget("shirt", json!({}), spec)).await;
    for stream in [&mut blue, &mut medium, &mut host] {
        stream.expect(Added, "shirt", shirt).await;
    }
    let spec = json!({"color": "green", "size": "M"});
    create(&world, &world.namespace, widget("green", json!({}), spec)).await;

    world.kube.delete(WIDGETS, &world.namespace, "small").await;
    let gone = blue.event().await;
    assert_eq!((gone.r#type(), gone.cause()), (Deleted, EventCause::Change));
    let painted = paint(&world, "shirt", "red").await;
    for stream in [&mut blue, &mut medium] {
        let left = stream.expect(Deleted, "shirt", painted).await;
        assert_eq!(left.cause(), EventCause::Left);
        let shown: Value = serde_json::from_slice(&left.object).expect("json");
        assert_eq!(shown["spec"]["color"], "blue");
    }
    host.expect(Modified, "shirt", painted).await;
    assert!(number(&gone.resource_version) < painted);
    for stream in [&mut blue, &mut medium, &mut host] {
        stream.quiet_until(painted).await;
    }
    drop((blue, medium, host));
    world.finish(&quick(8)).await;
}
