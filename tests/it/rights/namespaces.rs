//! `--namespaces`: one watch for each, Roles instead of a ClusterRole, and a word on what isn't served.

use informerd::proto::v1::{
    EventType::{Added, Deleted, Modified},
    Filter, GetObjectRequest, ListObjectsRequest, WatchRequest,
    object_service_client::ObjectServiceClient,
};
use serde_json::json;
use tonic::Code;

use super::{CALM, account::Account};
use crate::{
    bad_input::refusal::{Call, check, refused},
    conformance::scenarios,
    daemon::Daemon,
    kube,
    request::{Ask, named},
    stage::Kind,
    wait::until,
    world::{World, quick},
};

scenarios![
    namespaces_are_watched_one_by_one,
    a_namespace_that_does_not_exist_is_empty,
    other_namespaces_are_refused,
];

const MAPS: &str = "configmaps";
const READ: &[&str] = &["list", "watch"];

fn maps(namespace: &str) -> Ask {
    Ask::of(MAPS).namespace(namespace).bookmarks(CALM)
}

async fn create(world: &World, namespace: &str, name: &str) -> u64 {
    let object = kube::config_map(name, json!({}), json!({"step": "0"}));
    kube::version(&world.kube.create(MAPS, namespace, object).await)
}

async fn touch(world: &World, namespace: &str, name: &str) -> u64 {
    let patch = json!({"data": {"step": "1"}});
    kube::version(&world.kube.patch(MAPS, namespace, name, patch).await)
}

/// Each namespace's streams are whole and in order, on one watch; what isn't in a namespace has one
/// for the whole cluster.
async fn namespaces_are_watched_one_by_one(kind: Kind) {
    let mut world = World::new(kind, "one-by-one", &[MAPS, "nodes"], &[]).await;
    let (a, b) = (
        world.namespace.clone(),
        world.kube.namespace("one-by-one").await,
    );
    let foreign = world.kube.namespace("one-by-one").await;
    let account = Account::new(&world).await;
    account.grant_identity(&world).await;
    account.grant(&world, &a, &[MAPS], READ).await;
    account.grant(&world, &b, &[MAPS], READ).await;
    account.grant(&world, "", &["nodes"], READ).await;
    let served = format!("{a},{b}");
    let daemon = account.daemon(&["--namespaces", &served]).await;
    world.replace_daemon(daemon).await;

    for namespace in [&a, &b, &foreign] {
        create(&world, namespace, "first").await;
    }
    let mut in_a = Vec::new();
    for name in ["a-one", "a-two", "a-three"] {
        in_a.push(world.synced(name, &maps(&a), 1).await);
    }
    let mut in_b = world.synced("b", &maps(&b), 1).await;
    let nodes = world
        .watch("nodes", &Ask::of("nodes").bookmarks(CALM))
        .await;
    create(&world, &foreign, "second").await;
    let added = create(&world, &a, "second").await;
    let other = create(&world, &b, "second").await;
    let modified = touch(&world, &a, "first").await;
    world.kube.delete(MAPS, &a, "second").await;
    let last = touch(&world, &b, "first").await;
    for subscriber in &mut in_a {
        subscriber.expect(Added, "second", added).await;
        subscriber.expect(Modified, "first", modified).await;
        assert_eq!(subscriber.event().await.r#type(), Deleted);
    }
    in_b.expect(Added, "second", other).await;
    in_b.expect(Modified, "first", last).await;

    let watches = "informerd_upstream_watches";
    until("all three watches are established", || async {
        world.daemon.metric(watches, "").await >= 3.0
    })
    .await;
    for namespace in [&a, &b] {
        let label = format!("namespace=\"{namespace}\"");
        assert_eq!(world.daemon.metric(watches, &label).await as u64, 1);
    }
    let (_, metrics) = world.daemon.page("/metrics").await;
    assert!(!metrics.contains(&foreign), "{metrics}");

    let listed = ObjectServiceClient::new(world.channel())
        .list_objects(ListObjectsRequest {
            resource: Some(named(MAPS)),
            filter: maps(&b).message.filter,
            ..Default::default()
        })
        .await;
    assert_eq!(listed.expect("answered").into_inner().objects.len(), 2);
    drop((in_a, in_b, nodes));
    let mut expectation = quick(0);
    expectation.collections = 2;
    world.finish(&expectation).await;
}

/// The operator may name it before anyone makes it; from then on it is seen.
async fn a_namespace_that_does_not_exist_is_empty(kind: Kind) {
    let mut world = World::new(kind, "not-yet", &[MAPS], &[]).await;
    let future = format!("{}-future", world.namespace);
    let arguments = ["--namespaces", &*future];
    let daemon = Daemon::start(&world.stage.kubeconfig(), &arguments).await;
    world.replace_daemon(daemon).await;
    let mut early = world.synced("early", &maps(&future), 0).await;
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": future},
    });
    world.kube.create("namespaces", "", namespace).await;
    let added = create(&world, &future, "first").await;
    early.expect(Added, "first", added).await;
    drop(early);
    world.finish(&quick(1)).await;
}

/// Every kind of call, with a word on what to ask instead; and nobody is asked upstream.
async fn other_namespaces_are_refused(kind: Kind) {
    let mut world = World::new(kind, "refused", &[], &[]).await;
    let (a, b) = (world.namespace.clone(), "refused-b".to_owned());
    let served = format!("{a},{b}");
    let arguments = ["--namespaces", &*served];
    let daemon = Daemon::start(&world.stage.kubeconfig(), &arguments).await;
    world.replace_daemon(daemon).await;
    let expected = refused(Code::PermissionDenied, "NAMESPACE_NOT_SERVED");
    let rows: [(&[&str], &str); 4] = [
        (&[], "open one watch for each"),
        (&[&a, &b], "open one watch for each"),
        (&["kube-system"], "kube-system; it serves"),
        (&["kube-system", &a], "open one watch for each"),
    ];
    for (namespaces, remedy) in rows {
        let filter = Filter {
            namespaces: namespaces.iter().map(|name| (*name).to_owned()).collect(),
            field_selector: format!("metadata.namespace={a}"),
            ..Default::default()
        };
        for call in Call::filtered(named(MAPS), filter) {
            let text = check(&world.channel(), call, "", expected).await;
            assert!(text.contains(remedy), "{namespaces:?}: {text}");
        }
    }
    let get = GetObjectRequest {
        resource: Some(named(MAPS)),
        namespace: "kube-system".into(),
        name: "any".into(),
        ..Default::default()
    };
    let text = check(&world.channel(), Call::Get(get), "", expected).await;
    assert!(!text.contains(&a) && !text.contains(&b), "{text}");
    // What is malformed is told as such.
    let watch = WatchRequest {
        resource: Some(named(MAPS)),
        filter: maps("no/namespace").message.filter,
        ..Default::default()
    };
    let invalid = crate::bad_input::refusal::invalid("INVALID_FILTER", "filter.namespaces[0]");
    check(&world.channel(), Call::Watch(watch), "", invalid).await;
    if let Some(cluster) = world.stage.simulated() {
        let asked = cluster.requests();
        let about = |uri: &str| uri.contains(MAPS);
        assert!(
            !asked.iter().any(|request| about(&request.uri)),
            "{asked:#?}"
        );
    }
    world.finish(&quick(0)).await;
}
