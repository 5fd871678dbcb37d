//! Objects arrive as the apiserver wrote them, by whatever way the daemon learned of them.

use http::Request;
use informerd::proto::v1::{
    EventType::{Added, Modified},
    GetObjectRequest, ListObjectsRequest,
    object_service_client::ObjectServiceClient,
};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::scenarios;
use crate::{
    daemon::Daemon,
    kube,
    request::{Ask, named},
    stage::Kind,
    world::{World, quick},
};

scenarios![k77_preserve_int, k77_same_name_in_two_namespaces];

const WIDGETS: &str = "widgets.example.com";

/// What JSON libraries like to damage.
const SPEC: &str = r#"{"zebra":9007199254740993,"alpha":9223372036854775807,"min":-9223372036854775808,"list":[9007199254740993,{"z":1,"a":9007199254740995}],"text":"<&>ü \\ \" \u2028","empty":{},"nothing":[],"half":0.5}"#;

/// A custom resource without a schema of ours.
#[derive(Deserialize)]
struct Widget<'a> {
    #[serde(borrow)]
    spec: &'a RawValue,
    #[serde(borrow)]
    unknown: &'a RawValue,
}

/// test/integration/apiserver `TestPreserveInt` of apiextensions, and unknown fields: byte for byte
/// what the apiserver itself shows, live, in a snapshot, in reads and after a restart.
async fn k77_preserve_int(kind: Kind) {
    let mut world = World::new(kind, "k77", &[WIDGETS], &[]).await;
    let ask = Ask::of(WIDGETS).namespace(&world.namespace);
    let mut live = world.synced("live", &ask, 0).await;
    let body = format!(
        r#"{{"apiVersion":"example.com/v1","kind":"Widget","metadata":{{"name":"big"}},"spec":{SPEC},"unknown":{{"b":1,"a":[null,true]}}}}"#
    );
    let created = Request::post(kube::collection(WIDGETS, &world.namespace))
        .header("content-type", "application/json")
        .body(body.into_bytes())
        .expect("a request");
    let created = world.kube.client.request_text(created).await;
    created.expect("created");
    let added = live.event().await;
    assert_eq!((added.r#type(), added.name.as_str()), (Added, "big"));
    assert_faithful(&world, &added.object).await;

    let size = json!({"spec": {"zebra": 9_007_199_254_740_997_u64}});
    let changed = world
        .kube
        .patch(WIDGETS, &world.namespace, "big", size)
        .await;
    let modified = live.expect(Modified, "big", kube::version(&changed)).await;
    assert_faithful(&world, &modified.object).await;
    assert!(
        modified
            .object
            .windows(16)
            .any(|w| w == b"9007199254740997"),
        "the patch is in it"
    );

    assert_same_everywhere(&world, &ask, "first", &modified.object).await;
    drop(live);
    // Another daemon learns of it by the initial state instead of an event.
    let daemon = Daemon::start(&world.stage.kubeconfig(), &[]).await;
    world.replace_daemon(daemon).await.kill();
    assert_same_everywhere(&world, &ask, "second", &modified.object).await;
    world.finish(&quick(4)).await;
}

/// The object's own parts stand in `object` as they stand in the apiserver's answer.
async fn assert_faithful(world: &World, object: &[u8]) {
    let object = std::str::from_utf8(object).expect("text");
    let head = r#"{"apiVersion":"example.com/v1","kind":"Widget","#;
    assert!(object.starts_with(head), "{object}");
    let path = format!("{}/big", kube::collection(WIDGETS, &world.namespace));
    let request = Request::get(path).body(Vec::new()).expect("a request");
    let shown = world.kube.client.request_text(request).await;
    let shown = shown.expect("readable");
    let widget: Widget<'_> = serde_json::from_str(&shown).expect("json");
    for (name, raw) in [("spec", widget.spec), ("unknown", widget.unknown)] {
        let member = format!("\"{name}\":{}", raw.get());
        assert!(object.contains(&member), "{member}\nis not in\n{object}");
    }
}

/// Snapshots and reads give the very same bytes.
async fn assert_same_everywhere(world: &World, ask: &Ask, name: &str, object: &[u8]) {
    let (snapshot, _) = world.watch(name, ask).await.snapshot().await;
    let mut client = ObjectServiceClient::with_interceptor(world.channel(), world.bearer());
    let get = GetObjectRequest {
        resource: Some(named(WIDGETS)),
        namespace: world.namespace.clone(),
        name: "big".into(),
        ..GetObjectRequest::default()
    };
    let got = client.get_object(get).await.expect("it exists");
    let list = ListObjectsRequest {
        resource: Some(named(WIDGETS)),
        filter: ask.message.filter.clone(),
        ..ListObjectsRequest::default()
    };
    let listed = client.list_objects(list).await.expect("a list");
    let listed = listed.into_inner().objects;
    assert_eq!((snapshot.len(), listed.len()), (1, 1));
    let got = got.into_inner().object.expect("an object");
    for (way, bytes) in [
        ("snapshot", &snapshot[0].object),
        ("get", &got.object),
        ("list", &listed[0].object),
    ] {
        let text = std::str::from_utf8(bytes).expect("text");
        assert_eq!(text.as_bytes(), object, "{way}: {text}");
    }
}

/// test/integration/client `TestSameNameDiffNamespace`.
async fn k77_same_name_in_two_namespaces(kind: Kind) {
    let world = World::new(kind, "k77-one", &["configmaps"], &[]).await;
    let second = world.kube.namespace("k77-two").await;
    let ask = || Ask::of("configmaps");
    let mut one = world
        .synced("one", &ask().namespace(&world.namespace), 0)
        .await;
    let mut two = world.synced("two", &ask().namespace(&second), 0).await;
    let both = ask().namespace(&world.namespace).namespace(&second);
    let mut both = world.synced("both", &both.name("same"), 0).await;

    let first = world.create_map("same", json!({})).await;
    let object = kube::config_map("same", json!({}), json!({"step": "0"}));
    let created = world.kube.create("configmaps", &second, object).await;
    let other = kube::version(&created);
    one.expect(Added, "same", first).await;
    two.expect(Added, "same", other).await;
    both.expect(Added, "same", first).await;
    both.expect(Added, "same", other).await;

    let changed = world.touch_map("same", "1").await;
    one.expect(Modified, "same", changed).await;
    both.expect(Modified, "same", changed).await;
    two.quiet_until(changed).await;
    world.kube.delete("configmaps", &second, "same").await;
    for subscriber in [&mut two, &mut both] {
        let gone = subscriber.event().await;
        assert_eq!(gone.namespace, second);
        one.quiet_until(crate::subscriber::number(&gone.resource_version))
            .await;
    }
    drop((one, two, both));
    world.finish(&quick(7).requiring(&["DELETED"])).await;
}
