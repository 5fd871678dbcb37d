//! Secrets, where they are named: without the annotation that repeats them, on every way to a reader.

use std::time::Duration;

use informerd::proto::v1::{
    EventType::{Added, Deleted, Modified},
    GetObjectRequest, ListObjectsRequest, Payload, StartOutcome,
    object_service_client::ObjectServiceClient,
};
use informerd_support::simulation::{Action, Disruption, Fault, Verb};
use serde_json::{Value, json};

use super::CALM;
use crate::{
    conformance::scenarios,
    daemon::Daemon,
    kube,
    request::{Ask, named},
    stage::Kind,
    wait::until,
    world::{World, quick},
};

scenarios![secrets_come_without_last_applied];

const SECRETS: &str = "secrets";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Stands in the annotation only.
const CANARY: &str = "canary-b3c1";

/// A secret as `kubectl apply` leaves it.
fn secret(name: &str, note: &str) -> Value {
    let applied = json!({"kind": "Secret", "stringData": {"password": CANARY}}).to_string();
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": name, "annotations": {LAST_APPLIED: applied, "note": note}},
        "data": {"password": "aHVudGVyMg=="},
    })
}

async fn create(world: &World, name: &str, note: &str) -> u64 {
    let created = world
        .kube
        .create(SECRETS, &world.namespace, secret(name, note));
    kube::version(&created.await)
}

async fn note(world: &World, name: &str, note: &str) -> u64 {
    let patch = json!({"metadata": secret(name, note)["metadata"]});
    kube::version(
        &world
            .kube
            .patch(SECRETS, &world.namespace, name, patch)
            .await,
    )
}

fn clean(object: &[u8]) -> Value {
    let text = std::str::from_utf8(object).expect("json is text");
    assert!(
        !text.contains(CANARY) && !text.contains(LAST_APPLIED),
        "{text}"
    );
    serde_json::from_str(text).expect("json")
}

/// Snapshot, changes with their old states, deletions, reads, selectors, what is listed anew and
/// what is fetched from the past. That all other bytes are the apiserver's is judged in the end.
async fn secrets_come_without_last_applied(kind: Kind) {
    let arguments = ["--resources", "secrets,configmaps"];
    let mut world = World::new(kind, "secrets", &[SECRETS], &arguments).await;
    assert!(world.daemon.has_logged("secrets are named in --resources"));
    create(&world, "first", "x").await;
    let ask = Ask::of(SECRETS).namespace(&world.namespace).bookmarks(CALM);
    let mut whole = ask.clone();
    whole.message.payload = Some(Payload {
        include_old_object: true,
        ..Default::default()
    });
    let mut reader = world.watch("reader", &whole).await;
    let (objects, _) = reader.snapshot().await;
    let shown = clean(&objects[0].object);
    assert_eq!(shown["metadata"]["annotations"], json!({"note": "x"}));
    assert_eq!(shown["data"]["password"], "aHVudGVyMg==");

    // Neither the annotation nor any word in it can be asked for.
    let path = format!("metadata.annotations['{LAST_APPLIED}']");
    let guess = secret("", "")["metadata"]["annotations"][LAST_APPLIED].clone();
    let guess = guess
        .as_str()
        .expect("text")
        .replace('\\', "\\\\")
        .replace(',', "\\,")
        .replace('=', "\\=");
    let none = world
        .synced("guess", &ask.clone().fields(&format!("{path}={guess}")), 0)
        .await;
    let all = world
        .synced("absent", &ask.clone().fields(&format!("{path}=")), 1)
        .await;

    let added = create(&world, "second", "x").await;
    let event = reader.expect(Added, "second", added).await;
    clean(&event.object);
    let changed = note(&world, "second", "y").await;
    let event = reader.expect(Modified, "second", changed).await;
    clean(&event.object);
    clean(&event.old_object);
    world.kube.delete(SECRETS, &world.namespace, "second").await;
    let event = reader.event().await;
    assert_eq!(event.r#type(), Deleted);
    clean(&event.object);
    read(&world).await;
    let token = reader.token();
    drop((reader, none, all));

    relisted(&world, &ask).await;
    // From before the next daemon: an exact list and a replay.
    world.daemon.crash();
    note(&world, "first", "late").await;
    let daemon = Daemon::start(&world.stage.kubeconfig(), &arguments).await;
    world.replace_daemon(daemon).await;
    let last = note(&world, "first", "later").await;
    let mut reader = world.watch("reader", &whole.token(&token)).await;
    assert_eq!(reader.started().await.outcome(), StartOutcome::Resumed);
    for event in reader.events_until(last).await {
        clean(&event.object);
        clean(&event.old_object);
    }
    drop(reader);
    let mut expectation = quick(5);
    expectation.watches = 2;
    world.finish(&expectation).await;
}

/// Single objects and lists.
async fn read(world: &World) {
    let mut client = ObjectServiceClient::new(world.channel());
    let get = GetObjectRequest {
        resource: Some(named(SECRETS)),
        namespace: world.namespace.clone(),
        name: "first".into(),
        ..Default::default()
    };
    let got = client
        .get_object(get)
        .await
        .expect("it exists")
        .into_inner();
    clean(&got.object.expect("an object").object);
    let list = ListObjectsRequest {
        resource: Some(named(SECRETS)),
        filter: Ask::of(SECRETS).namespace(&world.namespace).message.filter,
        ..Default::default()
    };
    let listed = client
        .list_objects(list)
        .await
        .expect("answered")
        .into_inner();
    assert_eq!(listed.objects.len(), 1);
    clean(&listed.objects[0].object);
}

/// The state is fetched anew after the history has broken, where that can be arranged.
async fn relisted(world: &World, ask: &Ask) {
    let Some(cluster) = world.stage.simulated() else {
        return;
    };
    cluster.set_watch_list(false);
    let mut reader = world.synced("relisted", ask, 1).await;
    let from = cluster.revision();
    // Long enough that something is written before the list is made.
    let late = Action::Delay(Duration::from_secs(2));
    cluster.inject(Fault::on(SECRETS, Verb::List, late));
    let refused = "too old resource version";
    cluster.break_watches(SECRETS, Disruption::error(410, "Expired", refused));
    until("it is listed anew", || async {
        let asked = world.requests(SECRETS);
        asked.iter().any(|asked| asked.verb == "list")
    })
    .await;
    let changed = note(world, "first", "relisted").await;
    for event in reader.events_until(changed).await {
        clean(&event.object);
    }
    drop(reader);
    world.excuse_gap(from, cluster.revision());
}
