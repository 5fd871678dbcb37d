//! Watches: where they begin, what they show, how they end.

use std::time::Duration;

use informerd_support::simulation::Options;
use serde_json::json;

use crate::client::{End, Fixture, version_of};

#[tokio::test]
async fn initial_events_end_with_a_marked_bookmark() {
    let fixture = Fixture::new().await;
    let a = fixture.create("a", "x");
    let secret = json!({ "metadata": { "name": "s" } });
    let newest = version_of(
        &fixture
            .cluster
            .create("secrets", secret)
            .expect("the name is free"),
    );
    for query in [
        "allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan",
        "allowWatchBookmarks=true&resourceVersion=0",
    ] {
        let mut watch = fixture.watch(query).await;
        let line = watch.line().await.expect("the object comes");
        let text = String::from_utf8(line).expect("JSON is UTF-8");
        assert!(text.starts_with(r#"{"type":"ADDED","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a""#), "{text}");
        assert!(text.contains(&format!("\"resourceVersion\":\"{a}\"")));
        let end = watch.value().await;
        assert_eq!(
            end["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"],
            "true"
        );
        assert_eq!(
            version_of(&end["object"]),
            newest,
            "the version is that of the whole store"
        );
    }
}

#[tokio::test]
async fn without_the_gate_nothing_marks_the_end() {
    let fixture = Fixture::with(Options {
        watch_list: false,
        ..Options::default()
    })
    .await;
    let a = fixture.create("a", "x");
    let mut watch = fixture.watch("allowWatchBookmarks=true").await;
    assert_eq!(watch.event().await, format!("ADDED a@{a}"));
    let b = fixture.create("b", "x");
    assert_eq!(watch.event().await, format!("ADDED b@{b}"));
    let refused = fixture
        .watch("sendInitialEvents=true&resourceVersionMatch=NotOlderThan")
        .await;
    assert_eq!(refused.status, 422);
}

#[tokio::test]
async fn selectors_turn_changes_into_comings_and_goings() {
    let fixture = Fixture::new().await;
    let from = fixture.cluster.revision();
    let mut watch = fixture
        .watch(&format!("labelSelector=app%3Dx&resourceVersion={from}"))
        .await;
    fixture.create("other", "y");
    let a1 = fixture.create("a", "x");
    let a2 = fixture.relabel("a", "y");
    let a3 = fixture.relabel("a", "x");
    fixture.relabel("a", "x");
    let a4 = fixture.delete("a");
    assert_eq!(watch.event().await, format!("ADDED a@{a1}"));
    let left = watch.value().await;
    assert_eq!(left["type"], "DELETED");
    assert_eq!(
        left["object"]["metadata"]["labels"]["app"], "x",
        "it shows the last selected state"
    );
    assert_eq!(
        version_of(&left["object"]),
        a2,
        "and the version of the change"
    );
    assert_eq!(watch.event().await, format!("ADDED a@{a3}"));
    assert_eq!(watch.event().await, format!("DELETED a@{a4}"));
}

#[tokio::test]
async fn history_is_replayed_up_to_its_window() {
    let fixture = Fixture::new().await;
    let a = fixture.create("a", "x");
    let b = fixture.create("b", "x");
    let mut watch = fixture.watch(&format!("resourceVersion={}", a - 1)).await;
    assert_eq!(watch.event().await, format!("ADDED a@{a}"));
    assert_eq!(watch.event().await, format!("ADDED b@{b}"));

    fixture
        .cluster
        .forget_watch_history("configmaps", a)
        .expect("it is served");
    let mut watch = fixture.watch(&format!("resourceVersion={a}")).await;
    assert_eq!(watch.event().await, format!("ADDED b@{b}"));
    let mut watch = fixture.watch(&format!("resourceVersion={}", a - 1)).await;
    assert_eq!(
        (watch.status, watch.event().await),
        (200, "ERROR 410".to_owned())
    );
    assert_eq!(watch.end().await, End::Clean);
}

#[tokio::test]
async fn a_future_start_is_silent_until_it_is_passed() {
    let fixture = Fixture::new().await;
    let future = fixture.cluster.revision() + 2;
    let mut watch = fixture
        .watch(&format!("resourceVersion={future}&allowWatchBookmarks=1"))
        .await;
    fixture.cluster.bookmark_now("configmaps");
    fixture.create("a", "x");
    fixture.create("b", "x");
    let c = fixture.create("c", "x");
    assert_eq!(watch.event().await, format!("ADDED c@{c}"));
}

#[tokio::test]
async fn bookmarks_come_on_request_by_interval_and_before_the_end() {
    let fixture = Fixture::new().await;
    let from = fixture.cluster.revision();
    let open = format!("resourceVersion={from}&allowWatchBookmarks=true");
    let mut watch = fixture.watch(&open).await;
    let newest = version_of(
        &fixture
            .cluster
            .create("secrets", json!({ "metadata": { "name": "s" } }))
            .expect("free"),
    );
    fixture.cluster.bookmark_now("configmaps");
    assert_eq!(watch.event().await, format!("BOOKMARK @{newest}"));
    fixture
        .cluster
        .set_bookmark_interval(Duration::from_millis(5));
    for _ in 0..3 {
        assert_eq!(watch.event().await, format!("BOOKMARK @{newest}"));
    }
    fixture
        .cluster
        .set_bookmark_interval(Duration::from_secs(60));
    let mut watch = fixture.watch(&format!("{open}&timeoutSeconds=1")).await;
    assert_eq!(
        watch.event().await,
        format!("BOOKMARK @{newest}"),
        "the last one"
    );
    assert_eq!(watch.end().await, End::Clean);
}

#[tokio::test]
async fn many_watches_see_every_write_once_and_in_order() {
    let fixture = Fixture::new().await;
    let from = fixture.cluster.revision();
    let mut watches = Vec::new();
    for _ in 0..20 {
        watches.push(fixture.watch(&format!("resourceVersion={from}")).await);
    }
    assert_eq!(fixture.cluster.open_watches("configmaps"), 20);
    fixture.create("a", "0");
    for step in 1..500 {
        fixture.relabel("a", &step.to_string());
    }
    for watch in &mut watches {
        for step in 0..500 {
            let value = watch.value().await;
            assert_eq!(version_of(&value["object"]), from + 1 + step);
        }
    }
    assert_eq!(fixture.cluster.truth("configmaps").commits.len(), 500);
}

#[tokio::test]
async fn a_rewind_and_an_unregistration_end_watches() {
    let fixture = Fixture::new().await;
    let a = fixture.create("a", "x");
    fixture.create("b", "x");
    let mut watch = fixture
        .watch(&format!("resourceVersion={}", fixture.cluster.revision()))
        .await;
    fixture.cluster.rewind(a, 0).expect("the version is known");
    assert_eq!(watch.end().await, End::Clean);
    assert_eq!(fixture.cluster.revision(), a);
    assert_eq!(fixture.create("c", "x"), a + 1, "versions are used again");
    assert_eq!(
        fixture.cluster.abandoned_truths("configmaps")[0]
            .commits
            .len(),
        2
    );
    assert_eq!(fixture.cluster.truth("configmaps").commits.len(), 2);

    fixture
        .cluster
        .rewind(a, 1_000)
        .expect("the version is known");
    assert_eq!(fixture.create("d", "x"), a + 1_001);

    let mut watch = fixture
        .watch(&format!("resourceVersion={}", fixture.cluster.revision()))
        .await;
    fixture
        .cluster
        .unregister("configmaps")
        .expect("it is served");
    assert!(watch.event().await.starts_with("DELETED a@"));
    assert!(watch.event().await.starts_with("DELETED d@"));
    assert_eq!(watch.end().await, End::Clean);
    assert_eq!(fixture.get("/api/v1/configmaps").await.0, 404);
}

#[tokio::test]
async fn the_journal_tells_when_an_answer_ended() {
    let fixture = Fixture::new().await;
    let mut watch = fixture.watch("timeoutSeconds=1").await;
    let open = fixture.cluster.requests();
    assert_eq!(
        (open[0].verb.as_str(), open[0].status, open[0].ended),
        ("watch", 200, None)
    );
    assert_eq!(watch.end().await, End::Clean);
    let (_, _) = fixture.get("/version").await;
    let requests = fixture.cluster.requests();
    assert!(requests[0].ended.is_some());
    assert_eq!(requests[1].verb, "other");
    assert_eq!(fixture.cluster.open_watches("configmaps"), 0);
    assert_eq!(fixture.cluster.max_open_watches("configmaps"), 1);
}

#[tokio::test]
async fn a_stopped_server_can_start_again_on_its_port() {
    let fixture = Fixture::new().await;
    let mut watch = fixture.watch("").await;
    let addr = fixture.server.addr();
    fixture.server.stop().await;
    assert_ne!(
        watch.line().await.expect_err("the stream is cut").1,
        End::Clean
    );
    let again =
        informerd_support::simulation::Server::start(fixture.cluster, &addr.to_string()).await;
    assert_eq!(again.expect("the port is free").addr(), addr);
}

#[tokio::test]
async fn a_limited_history_expires_what_it_drops() {
    let fixture = Fixture::new().await;
    fixture.cluster.limit_history(3);
    let first = fixture.create("a", "0");
    for step in 1..10 {
        fixture.relabel("a", &step.to_string());
    }
    let mut watch = fixture.watch(&format!("resourceVersion={first}")).await;
    assert_eq!(watch.event().await, "ERROR 410");
    assert_eq!(fixture.cluster.truth("configmaps").commits.len(), 3);
    let path = format!("/api/v1/configmaps?resourceVersion={first}&resourceVersionMatch=Exact");
    assert_eq!(fixture.get(&path).await.0, 410);
}
