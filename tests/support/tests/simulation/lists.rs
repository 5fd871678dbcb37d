//! Lists: versions, pages, compaction.

use serde_json::Value;

use crate::client::{Fixture, version_of};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("a list has items");
    items
        .iter()
        .filter_map(|item| item["metadata"]["name"].as_str())
        .collect()
}

#[tokio::test]
async fn items_are_ordered_by_key_and_untyped_unless_custom() {
    let fixture = Fixture::new().await;
    for namespace in ["t1", "t1-bad"] {
        let object = serde_json::json!({ "metadata": { "name": "x", "namespace": namespace } });
        fixture
            .cluster
            .create("configmaps", object.clone())
            .expect("the name is free");
        fixture
            .cluster
            .create("widgets.example.com", object)
            .expect("the name is free");
    }
    let (_, list) = fixture.get("/api/v1/configmaps").await;
    assert_eq!(list["kind"], "ConfigMapList");
    assert_eq!(version_of(&list), fixture.cluster.revision());
    assert_eq!(
        list["items"][0]["metadata"]["namespace"], "t1-bad",
        "bytewise by namespace/name"
    );
    assert_eq!(list["items"][0]["kind"], Value::Null);
    let (_, list) = fixture.get("/apis/example.com/v1/widgets").await;
    assert_eq!(list["items"][1]["kind"], "Widget");
}

#[tokio::test]
async fn pages_stay_at_the_version_of_the_first() {
    let fixture = Fixture::new().await;
    for name in ["a", "b", "c", "d"] {
        fixture.create(name, "x");
    }
    let (_, first) = fixture.get(&format!("{MAPS}?limit=2")).await;
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 2);
    fixture.delete("c");
    fixture.create("e", "x");
    let token = first["metadata"]["continue"]
        .as_str()
        .expect("there are more");
    let (_, second) = fixture
        .get(&format!("{MAPS}?limit=2&continue={token}"))
        .await;
    assert_eq!(names(&second), ["c", "d"]);
    assert_eq!(version_of(&second), version_of(&first));
    assert_eq!(second["metadata"]["continue"], Value::Null);

    fixture.cluster.compact(fixture.cluster.revision());
    let (status, expired) = fixture
        .get(&format!("{MAPS}?limit=2&continue={token}"))
        .await;
    assert_eq!((status, &expired["reason"]), (410, &"Expired".into()));
    let token = expired["metadata"]["continue"]
        .as_str()
        .expect("one may go on inconsistently");
    let (_, rest) = fixture.get(&format!("{MAPS}?continue={token}")).await;
    assert_eq!(names(&rest), ["d", "e"]);
}

#[tokio::test]
async fn exact_lists_show_the_past_until_it_is_compacted() {
    let fixture = Fixture::new().await;
    let first = fixture.create("a", "x");
    fixture.relabel("a", "y");
    fixture.create("b", "y");
    fixture.delete("a");
    let exact = format!("{MAPS}?resourceVersion={first}&resourceVersionMatch=Exact");
    let (_, list) = fixture.get(&exact).await;
    assert_eq!(names(&list), ["a"]);
    assert_eq!(list["items"][0]["metadata"]["labels"]["app"], "x");
    assert_eq!(version_of(&list), first);
    fixture
        .cluster
        .forget_watch_history("configmaps", first + 1)
        .expect("it is served");
    assert_eq!(
        fixture.get(&exact).await.0,
        200,
        "the watch window is another matter"
    );
    fixture.cluster.compact(first + 1);
    assert_eq!(fixture.get(&exact).await.0, 410);
}

#[tokio::test]
async fn a_version_from_the_future_is_waited_for_and_then_refused() {
    let fixture = Fixture::new().await;
    let next = fixture.cluster.revision() + 1;
    let path = format!("{MAPS}?resourceVersion={next}");
    let (status, refused) = fixture.get(&path).await;
    assert_eq!(status, 504);
    assert_eq!(
        refused["details"]["causes"][0]["reason"],
        "ResourceVersionTooLarge"
    );
    let (answer, _) = tokio::join!(fixture.get(&path), async { fixture.create("a", "x") });
    assert_eq!(answer.0, 200);
}

#[tokio::test]
async fn selectors_choose_and_bad_ones_are_refused() {
    let fixture = Fixture::new().await;
    fixture.create("a", "x");
    fixture.create("b", "y");
    for (query, expected) in [
        ("labelSelector=app%3Dy", vec!["b"]),
        ("labelSelector=app+in+(x,y)", vec!["a", "b"]),
        ("fieldSelector=metadata.name!%3Db", vec!["a"]),
    ] {
        let query = query.replace(' ', "%20");
        let (_, list) = fixture.get(&format!("{MAPS}?{query}")).await;
        assert_eq!(names(&list), expected, "{query}");
    }
    assert_eq!(
        fixture.get(&format!("{MAPS}?labelSelector=%3D")).await.0,
        400
    );
}

#[tokio::test]
async fn a_lagging_server_shows_the_past() {
    let fixture = Fixture::new().await;
    let first = fixture.create("a", "x");
    fixture.cluster.hold_at(Some(first));
    fixture.create("b", "x");
    let (_, list) = fixture.get(MAPS).await;
    assert_eq!((names(&list), version_of(&list)), (vec!["a"], first));
    fixture.cluster.hold_at(None);
    assert_eq!(names(&fixture.get(MAPS).await.1), ["a", "b"]);
}
