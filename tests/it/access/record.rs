//! Rights that come and go on recorded streams, judged by all validators.

use futures::future::join_all;
use informerd::proto::v1::{EventType, UpstreamHealth, frame::Frame};
use informerd_support::{
    simulation::{Caller, Mood, Rule},
    trace::{Filter, Rights},
};
use serde_json::json;

use crate::{
    conformance::scenarios,
    daemon::Daemon,
    request::Ask,
    stage::Kind,
    subscriber::{Subscriber, reason},
    world::{World, quick},
};

scenarios![access_on_the_record];

const GROUP: &str = "rbac.authorization.k8s.io";

/// Lets a user of this name read the namespace's config maps; gives its token.
async fn tenant(world: &World, name: &str) -> String {
    if let Some(cluster) = world.stage.simulated() {
        let token = format!("token-of-{name}");
        let caller = Caller {
            user: name.to_owned(),
            audiences: vec!["informerd".to_owned()],
            ..Caller::default()
        };
        cluster.set_token(&token, Some(caller));
        return token;
    }
    let (kube, namespace) = (&world.kube, &world.namespace);
    let metadata = json!({"name": name});
    let account = json!({"metadata": metadata});
    kube.create("serviceaccounts", namespace, account).await;
    let verbs = ["get", "list", "watch"];
    let rules = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": verbs}]);
    let role = json!({"metadata": metadata, "rules": rules});
    kube.create(&format!("roles.{GROUP}"), namespace, role)
        .await;
    let binding = json!({
        "metadata": metadata,
        "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    });
    kube.create(&format!("rolebindings.{GROUP}"), namespace, binding)
        .await;
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
    let spec = json!({"spec": {"audiences": ["informerd"], "expirationSeconds": 3600}});
    let review = kube.post(&path, spec).await;
    review["status"]["token"]
        .as_str()
        .expect("a token")
        .to_owned()
}

/// On a simulated cluster these alone may read; a real one needs only to lose the others.
async fn allow(world: &World, left: &[&str], lost: &[&str]) {
    if let Some(cluster) = world.stage.simulated() {
        let read = |name: &&str| Rule::read(name, "configmaps", &world.namespace);
        cluster.set_rules(left.iter().map(read).collect());
        return;
    }
    for name in lost {
        let bindings = format!("rolebindings.{GROUP}");
        world.kube.delete(&bindings, &world.namespace, name).await;
    }
}

/// Two tenants read the same; nobody can tell for a while who may; one of them loses its right.
async fn access_on_the_record(kind: Kind) {
    let mut world = World::new(kind, "record", &["configmaps"], &[]).await;
    let arguments = ["--recheck-interval", "1s"];
    let guarded = Daemon::guarded(&world.stage.kubeconfig(), &arguments).await;
    drop(world.replace_daemon(guarded).await);
    let (ann, bob) = (tenant(&world, "ann").await, tenant(&world, "bob").await);
    allow(&world, &["ann", "bob"], &[]).await;
    let namespace = world.namespace.clone();
    let maps = |token: &str| Ask::of("configmaps").namespace(&namespace).shown(token);
    let own = Filter {
        namespaces: vec![namespace.clone()],
        ..Filter::default()
    };
    world.create_map("one", json!({"app": "web"})).await;
    let mut stays = world.watch("ann", &maps(&ann)).await;
    let mut goes = world.watch("bob", &maps(&bob)).await;
    let mut goes_too = world
        .watch("bob-too", &maps(&bob).types(&[EventType::Modified]))
        .await;
    for stream in [&mut stays, &mut goes, &mut goes_too] {
        stream.snapshot().await;
    }
    let version = world.touch_map("one", "shared").await;
    for stream in [&mut stays, &mut goes, &mut goes_too] {
        stream.events_until(version).await;
    }
    if let Some(cluster) = world.stage.simulated() {
        cluster.set_mood(Mood::Down);
        let all = [&mut stays, &mut goes, &mut goes_too];
        join_all(all.map(degraded)).await;
        let during = world.touch_map("one", "during").await;
        let all = [&mut stays, &mut goes, &mut goes_too];
        join_all(all.map(held)).await;
        cluster.set_mood(Mood::Honest);
        let all = [&mut stays, &mut goes, &mut goes_too];
        for events in join_all(all.map(|stream| stream.events_until(during))).await {
            assert_eq!(events.len(), 1, "the one that was held");
        }
    }
    allow(&world, &["ann"], &["bob"]).await;
    let mut ended = Vec::new();
    for stream in [goes, goes_too] {
        let mut stream = stream;
        let status = stream.end().await;
        assert_eq!(reason(&status), "ACCESS_DENIED", "{status:?}");
        ended.push(world.touch_map("one", "too late").await);
        assert!(world.try_watch("bob-again", &maps(&bob)).await.is_err());
    }
    let last = ended.last().copied().expect("two have ended");
    stays.events_until(last).await;
    drop(stays);
    let rights = |ended_at| Rights {
        filter: own.clone(),
        ended_at,
    };
    world.grant("ann", rights(None));
    world.grant("bob", rights(Some(ended[0])));
    // Both have one right between them, as they see the same objects: it ends for both at once.
    world.grant("bob-too", rights(Some(ended[0])));
    world.finish(&quick(6)).await;
}

/// Two bookmarks, and nothing else.
async fn held(stream: &mut Subscriber) {
    for _ in 0..2 {
        let frame = stream.frame().await;
        assert!(matches!(frame, Frame::Bookmark(_)), "{frame:?}");
    }
}

/// Waits until the stream is told that it is held; nothing new may come before.
async fn degraded(stream: &mut Subscriber) {
    loop {
        if let Frame::UpstreamState(state) = stream.frame().await
            && state.health() == UpstreamHealth::Degraded
        {
            return;
        }
    }
}
