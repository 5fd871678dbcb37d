//! The real control plane starts, keeps its data over a crash, and forgets history on demand.

use std::{
    env,
    io::{self, Write as _},
};

use informerd_support::control_plane::{ControlPlane, ControlPlaneError, Options, User};
use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec},
    core::v1::ConfigMap,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, PostParams, VersionMatch},
};

/// The control plane, or `None` with a printed reason; in CI its absence is a failure.
async fn start(options: Options) -> Option<ControlPlane> {
    match ControlPlane::start(options).await {
        Ok(plane) => Some(plane),
        Err(ControlPlaneError::Missing(missing)) if env::var_os("CI").is_none() => {
            // Written past the capture of the test runner: a skip must be seen.
            let _ = writeln!(io::stderr(), "skipped: {missing}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn config_map(name: &str) -> ConfigMap {
    let mut object = ConfigMap::default();
    object.metadata.name = Some(name.to_owned());
    object
}

fn config_maps(client: Client) -> Api<ConfigMap> {
    Api::default_namespaced(client)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_survives_crashes_of_the_apiserver_and_of_etcd() {
    let Some(mut plane) = start(Options::default()).await else {
        return;
    };
    let client = plane.client().await.expect("a client");
    let created = config_maps(client.clone())
        .create(&PostParams::default(), &config_map("kept"))
        .await
        .expect("the admin may create");

    plane.stop_apiserver();
    let refused = config_maps(client.clone()).get("kept").await;
    assert!(refused.is_err(), "a stopped apiserver still answers");
    plane.start_apiserver().await.expect("it starts again");

    let found = config_maps(client).get("kept").await.expect("still there");
    assert_eq!(found.uid(), created.uid());
    assert_eq!(found.resource_version(), created.resource_version());

    plane.stop_etcd();
    let silent = plane.etcd_revision().await;
    assert!(silent.is_err(), "a stopped etcd still answers: {silent:?}");
    plane.start_etcd().await.expect("it starts again");

    let output = plane
        .kubectl()
        .args(["get", "configmap", "kept", "-o", "name"])
        .output()
        .await
        .expect("kubectl runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "configmap/kept\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_ends_lists_at_older_versions() {
    let Some(mut plane) = start(Options::default()).await else {
        return;
    };
    let api = config_maps(plane.client().await.expect("a client"));
    let first = api
        .create(&PostParams::default(), &config_map("a"))
        .await
        .expect("created");
    api.create(&PostParams::default(), &config_map("b"))
        .await
        .expect("created");
    let version = first.resource_version().expect("the apiserver sets it");

    // A fresh apiserver has no cached history, so that etcd decides what is still there.
    plane.start_apiserver().await.expect("it starts again");
    let exact = ListParams::default()
        .at(&version)
        .matching(VersionMatch::Exact);
    let then = api.list(&exact).await.expect("etcd holds the version");
    let names: Vec<String> = then.iter().map(ResourceExt::name_any).collect();
    assert_eq!(names, ["a"]);

    let revision = plane.compact().await.expect("etcd compacts");
    assert!(revision > version.parse().expect("etcd's revisions are numbers"));
    match api.list(&exact).await {
        Err(kube::Error::Api(status)) => assert_eq!(status.code, 410, "{status:?}"),
        other => panic!("a compacted version was not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_users_are_known_and_have_no_rights() {
    let alice = User {
        name: "alice".to_owned(),
        token: "alice-token".to_owned(),
        groups: vec!["readers".to_owned()],
    };
    let options = Options {
        users: vec![alice.clone()],
        ..Options::default()
    };
    let Some(plane) = start(options).await else {
        return;
    };
    let theirs = config_maps(plane.client_for(&alice).await.expect("a client"));
    match theirs.list(&ListParams::default()).await {
        Err(kube::Error::Api(status)) => assert_eq!(status.code, 403, "{status:?}"),
        other => panic!("alice was not refused: {other:?}"),
    }

    let review = TokenReview {
        spec: TokenReviewSpec {
            token: Some(alice.token.clone()),
            ..TokenReviewSpec::default()
        },
        ..TokenReview::default()
    };
    let answered = Api::all(plane.client().await.expect("a client"))
        .create(&PostParams::default(), &review)
        .await
        .expect("the admin may review");
    let status = answered.status.expect("a review is answered");
    let user = status.user.expect("the token is known");
    assert_eq!(user.username.as_deref(), Some("alice"));
    assert!(user.groups.expect("groups").contains(&"readers".to_owned()));
}
