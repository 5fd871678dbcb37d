//! Discovery against a scripted apiserver.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::reflector::testing::{Server, answer};

const CORE: &str = r#"{"kind":"APIGroupDiscoveryList","items":[{"versions":[{"version":"v1","resources":[
  {"resource":"pods","responseKind":{"kind":"Pod"},"scope":"Namespaced","shortNames":["po"],"verbs":["get","list","watch"],"subresources":[{"subresource":"status"}]},
  {"resource":"nodes","responseKind":{"kind":"Node"},"scope":"Cluster","verbs":["list","watch"]},
  {"resource":"bindings","responseKind":{"kind":"Binding"},"scope":"Namespaced","verbs":["create"]}]}]}]}"#;

const GROUPS: &str = r#"{"kind":"APIGroupDiscoveryList","items":[
  {"metadata":{"name":"x.io"},"versions":[
    {"version":"v2","resources":[{"resource":"widgets","responseKind":{"kind":"Widget"},"scope":"Namespaced","verbs":["list","watch"]}]},
    {"version":"v1","resources":[{"resource":"widgets","responseKind":{"kind":"Widget"},"scope":"Namespaced","verbs":["list","watch"]},
                                 {"resource":"olds","responseKind":{"kind":"Old"},"scope":"Cluster","verbs":["list"]}]}]},
  {"metadata":{"name":"broken.io"},"versions":[{"version":"v1","freshness":"Stale"}]}]}"#;

async fn aggregated() -> (Server, Discovery) {
    let server = Server::start(|target| match target {
        "/api" => answer(200, CORE),
        "/apis" => answer(200, GROUPS),
        _ => answer(503, "no"),
    })
    .await;
    let discovery = Discovery::new(server.client.clone());
    (server, discovery)
}

fn found(resolve: Result<Resolve, DiscoveryError>) -> ResourceInfo {
    match resolve {
        Ok(Resolve::Found(info)) => info,
        other => panic!("expected a resource, got {other:?}"),
    }
}

#[tokio::test]
async fn resolves_plural_names() {
    let (_server, discovery) = aggregated().await;
    let pods = found(discovery.resolve("", "", "pods").await);
    assert_eq!((&*pods.gvr.version, &*pods.kind), ("v1", "Pod"));
    assert!(pods.namespaced && pods.watchable && pods.preferred);
    assert!(!found(discovery.resolve("", "v1", "nodes").await).namespaced);
    assert!(!found(discovery.resolve("", "v1", "bindings").await).watchable);

    let widgets = found(discovery.resolve("x.io", "", "widgets").await);
    assert_eq!(widgets.gvr.version, "v2");
    let widgets = found(discovery.resolve("x.io", "v1", "widgets").await);
    assert!(!widgets.preferred);
    // The preferred version of a resource is the first one that serves it.
    let olds = found(discovery.resolve("x.io", "", "olds").await);
    assert_eq!(olds.gvr.version, "v1");

    for name in ["Pod", "pod", "po", "Pods", "PODS"] {
        let got = discovery.resolve("", "", name).await;
        assert!(
            matches!(&got, Ok(Resolve::NotPlural(info)) if info.gvr.resource == "pods"),
            "{got:?}"
        );
    }
    for (group, version, name) in [
        ("", "v2", "pods"),
        ("y.io", "", "pods"),
        ("", "", "pods/status"),
    ] {
        assert_eq!(
            discovery.resolve(group, version, name).await,
            Ok(Resolve::NotServed)
        );
    }
}

#[tokio::test]
async fn f34_a_group_that_fails_hides_no_other() {
    let (_server, discovery) = aggregated().await;
    assert_eq!(discovery.resources().await.expect("known").len(), 6);
    let error = discovery.resolve("broken.io", "", "things").await;
    let error = error.expect_err("not to be judged").to_string();
    assert_eq!(
        error,
        "the api group \"broken.io\" doesn't answer; check its APIService"
    );
}

#[tokio::test]
async fn callers_share_one_refresh() {
    let (mut server, discovery) = aggregated().await;
    let calls = (0..20).map(|_| discovery.resolve("", "", "nothing"));
    for outcome in futures::future::join_all(calls).await {
        assert_eq!(outcome, Ok(Resolve::NotServed));
    }
    // Both roots, and the one version that the aggregator had no news of.
    assert_eq!(server.pending(), 3);
    found(discovery.resolve("", "", "pods").await);
    assert_eq!(server.pending(), 0);
}

#[tokio::test]
async fn old_servers_are_asked_version_by_version() {
    let server = Server::start(|target| match target {
        "/api" => answer(200, r#"{"kind":"APIVersions","versions":["v1"]}"#),
        "/api/v1" => answer(
            200,
            r#"{"kind":"APIResourceList","groupVersion":"v1","resources":[
            {"name":"pods","kind":"Pod","namespaced":true,"verbs":["list","watch"],"shortNames":["po"]},
            {"name":"pods/status","kind":"Pod","namespaced":true,"verbs":["get"]}]}"#,
        ),
        "/apis" => answer(
            200,
            r#"{"kind":"APIGroupList","groups":[{"name":"x.io",
            "versions":[{"groupVersion":"x.io/v1","version":"v1"},{"groupVersion":"x.io/v2","version":"v2"}],
            "preferredVersion":{"groupVersion":"x.io/v2","version":"v2"}}]}"#,
        ),
        "/apis/x.io/v1" | "/apis/x.io/v2" => answer(
            200,
            r#"{"resources":[{"name":"widgets","kind":"Widget","namespaced":false,"verbs":["list","watch"]}]}"#,
        ),
        _ => answer(404, ""),
    })
    .await;
    let discovery = Discovery::new(server.client.clone());
    let names: Vec<_> = discovery
        .resources()
        .await
        .expect("known")
        .iter()
        .map(|info| info.gvr.to_string())
        .collect();
    assert_eq!(names, ["pods/v1", "widgets.x.io/v2", "widgets.x.io/v1"]);
    assert_eq!(
        found(discovery.resolve("x.io", "", "widgets").await)
            .gvr
            .version,
        "v2"
    );
}

#[tokio::test]
async fn an_outage_is_an_error_until_something_is_known() {
    let up = Arc::new(AtomicBool::new(false));
    let server = Server::start({
        let up = up.clone();
        move |target| match target {
            _ if !up.load(Ordering::SeqCst) => answer(500, "no"),
            "/api" => answer(200, CORE),
            _ => answer(200, r#"{"kind":"APIGroupDiscoveryList","items":[]}"#),
        }
    })
    .await;
    let discovery = Discovery::new(server.client.clone());
    let error = discovery.resolve("", "", "pods").await.expect_err("down");
    assert_eq!(
        error.to_string(),
        "the apiserver's resources can't be read: status 500 for /api"
    );
    assert!(discovery.resources().await.is_err());

    up.store(true, Ordering::SeqCst);
    let discovery = Discovery::new(server.client.clone());
    found(discovery.resolve("", "", "pods").await);
    up.store(false, Ordering::SeqCst);
    found(discovery.resolve("", "", "pods").await);
}
