//! Writes over HTTP, and discovery.

use serde_json::{Value, json};

use crate::client::{Fixture, version_of};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const JSON: &str = "application/json";

#[tokio::test]
async fn writes_check_their_preconditions() {
    let fixture = Fixture::new().await;
    let body = json!({ "kind": "ConfigMap", "metadata": { "name": "a" }, "data": { "k": "1" } });
    let (status, created) = fixture.request("POST", MAPS, JSON, &body.to_string()).await;
    assert_eq!(
        (status, &created["metadata"]["namespace"]),
        (201, &"default".into())
    );
    assert_eq!(
        fixture
            .request("POST", MAPS, JSON, &body.to_string())
            .await
            .0,
        409
    );

    let mut next = created.clone();
    next["data"]["k"] = json!("2");
    let path = format!("{MAPS}/a");
    let (status, updated) = fixture.request("PUT", &path, JSON, &next.to_string()).await;
    assert_eq!(
        (status, version_of(&updated)),
        (200, version_of(&created) + 1)
    );
    let (status, stale) = fixture.request("PUT", &path, JSON, &next.to_string()).await;
    assert_eq!((status, &stale["reason"]), (409, &"Conflict".into()));
    let (_, same) = fixture
        .request("PUT", &path, JSON, &updated.to_string())
        .await;
    assert_eq!(
        version_of(&same),
        version_of(&updated),
        "no change, no version"
    );

    let merge = "application/merge-patch+json";
    let (_, patched) = fixture
        .request("PATCH", &path, merge, r#"{"data":{"k":null,"n":"3"}}"#)
        .await;
    assert_eq!(patched["data"], json!({ "n": "3" }));
    let wrong = json!({ "preconditions": { "uid": "another" } });
    assert_eq!(
        fixture
            .request("DELETE", &path, JSON, &wrong.to_string())
            .await
            .0,
        409
    );
    assert_eq!(fixture.request("DELETE", &path, JSON, "").await.0, 200);
    assert_eq!(fixture.get(&path).await.0, 404);
}

#[tokio::test]
async fn the_last_label_takes_the_labels_along() {
    let fixture = Fixture::new().await;
    let body = json!({ "metadata": { "name": "a", "labels": { "x": "1" }, "annotations": {} } });
    let (_, created) = fixture.request("POST", MAPS, JSON, &body.to_string()).await;
    assert_eq!(created["metadata"]["labels"], json!({ "x": "1" }));
    assert_eq!(created["metadata"].get("annotations"), None);
    let change = r#"{"metadata":{"labels":{"x":null}}}"#;
    let merge = "application/merge-patch+json";
    let path = format!("{MAPS}/a");
    let (status, patched) = fixture.request("PATCH", &path, merge, change).await;
    assert_eq!(status, 200);
    assert_eq!(patched["metadata"].get("labels"), None);
}

#[tokio::test]
async fn status_is_written_through_its_subresource_alone() {
    let fixture = Fixture::new().await;
    let pod = json!({ "metadata": { "name": "p" }, "spec": { "nodeName": "n" } });
    let mut pod = fixture
        .cluster
        .create("pods", pod)
        .expect("the name is free");
    assert_eq!(pod["metadata"]["generation"], 1);
    pod["status"] = json!({ "phase": "Running" });
    pod["spec"]["nodeName"] = json!("m");
    let updated = fixture
        .cluster
        .update("pods", pod.clone())
        .expect("it exists");
    assert_eq!(
        (&updated["status"], &updated["metadata"]["generation"]),
        (&Value::Null, &json!(2))
    );
    pod["metadata"]["resourceVersion"] = Value::Null;
    pod["spec"]["nodeName"] = json!("ignored");
    let updated = fixture
        .cluster
        .update_status("pods", pod)
        .expect("it exists");
    assert_eq!(updated["status"]["phase"], "Running");
    assert_eq!(updated["spec"]["nodeName"], "m");
    let managers = updated["metadata"]["managedFields"]
        .as_array()
        .map(Vec::len);
    assert_eq!(managers, Some(2));
}

#[tokio::test]
async fn finalizers_hold_and_namespaces_take_along() {
    let fixture = Fixture::new().await;
    let cluster = &fixture.cluster;
    cluster
        .create("namespaces", json!({ "metadata": { "name": "shop" } }))
        .expect("free");
    let held = json!({ "metadata": { "name": "h", "namespace": "shop", "finalizers": ["x/y"] } });
    cluster.create("configmaps", held).expect("free");
    let marked = cluster
        .delete("configmaps", "shop", "h")
        .expect("it exists");
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    let free = json!({ "metadata": { "finalizers": null } });
    cluster
        .patch("configmaps", "shop", "h", &free)
        .expect("it exists");
    assert_eq!(
        cluster
            .get("configmaps", "shop", "h")
            .expect_err("it is gone")
            .code,
        404
    );
    cluster
        .create(
            "pods",
            json!({ "metadata": { "name": "p", "namespace": "shop" } }),
        )
        .expect("free");
    cluster.delete("namespaces", "", "shop").expect("it exists");
    assert_eq!(cluster.truth("pods").commits[1].current, None);
    let body = json!({ "metadata": { "name": "q" } }).to_string();
    let (status, refused) = fixture
        .request("POST", "/api/v1/namespaces/shop/pods", JSON, &body)
        .await;
    assert_eq!(
        (status, refused["message"].as_str()),
        (404, Some("namespaces \"shop\" not found"))
    );
}

#[tokio::test]
async fn discovery_speaks_both_dialects_and_follows_registration() {
    use informerd_support::simulation::ResourceSpec;
    let fixture = Fixture::new().await;
    fixture
        .cluster
        .register(ResourceSpec::new("a.io", "v1beta1", "things", "Thing").custom());
    let (_, groups) = fixture.get("/apis").await;
    let names: Vec<&Value> = groups["groups"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|group| &group["name"])
        .collect();
    assert_eq!(names, ["a.io", "apps", "example.com"]);
    let (_, core) = fixture.get("/api/v1").await;
    let status = core["resources"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|r| r["name"] == "pods/status");
    assert_eq!(status.map(|entry| &entry["kind"]), Some(&json!("Pod")));
    let (_, things) = fixture.get("/apis/a.io/v1beta1").await;
    assert_eq!(things["resources"][0]["singularName"], "thing");
    assert_eq!(fixture.get("/apis/a.io/v1beta1/things").await.0, 200);
    assert_eq!(fixture.get("/apis/a.io/v1/things").await.0, 404);
    fixture
        .cluster
        .unregister("things.a.io")
        .expect("it is served");
    assert_eq!(fixture.get("/apis/a.io/v1beta1").await.0, 404);
    assert_eq!(fixture.get("/api/v1/componentstatuses").await.0, 200);
    assert_eq!(
        fixture.get("/api/v1/componentstatuses?watch=1").await.0,
        405
    );
}

#[tokio::test]
async fn scale_and_binding_write_the_object_behind_them() {
    let fixture = Fixture::new().await;
    let deployment = json!({ "metadata": { "name": "d" }, "spec": { "replicas": 1 } });
    fixture
        .cluster
        .create("deployments.apps", deployment)
        .expect("free");
    let path = "/apis/apps/v1/namespaces/default/deployments/d/scale";
    let (_, scale) = fixture.get(path).await;
    assert_eq!(
        (&scale["kind"], &scale["spec"]["replicas"]),
        (&json!("Scale"), &json!(1))
    );
    let merge = "application/merge-patch+json";
    let (status, scale) = fixture
        .request("PATCH", path, merge, r#"{"spec":{"replicas":3}}"#)
        .await;
    assert_eq!((status, &scale["spec"]["replicas"]), (200, &json!(3)));
    let behind = fixture
        .cluster
        .get("deployments.apps", "default", "d")
        .expect("it exists");
    assert_eq!(
        (
            &behind["spec"]["replicas"],
            &behind["metadata"]["generation"]
        ),
        (&json!(3), &json!(2))
    );

    fixture
        .cluster
        .create("pods", json!({ "metadata": { "name": "p" }, "spec": {} }))
        .expect("free");
    let path = "/api/v1/namespaces/default/pods/p/binding";
    let binding =
        json!({ "kind": "Binding", "target": { "kind": "Node", "name": "n" } }).to_string();
    assert_eq!(fixture.request("POST", path, JSON, &binding).await.0, 201);
    let pod = fixture
        .cluster
        .get("pods", "default", "p")
        .expect("it exists");
    assert_eq!(pod["spec"]["nodeName"], "n");
    assert_eq!(fixture.request("POST", path, JSON, &binding).await.0, 409);
}

#[tokio::test]
async fn a_dry_run_answers_and_writes_nothing() {
    let fixture = Fixture::new().await;
    let before = fixture.cluster.revision();
    let body = json!({ "metadata": { "name": "a", "creationTimestamp": null } }).to_string();
    let (status, created) = fixture
        .request("POST", &format!("{MAPS}?dryRun=All"), JSON, &body)
        .await;
    assert_eq!(status, 201);
    assert!(
        created["metadata"]["creationTimestamp"].is_string(),
        "null counts as absent"
    );
    assert_eq!(fixture.cluster.revision(), before);
    assert_eq!(fixture.get(&format!("{MAPS}/a")).await.0, 404);
}

#[tokio::test]
async fn reviews_tell_who_may_what() {
    use informerd_support::simulation::{Caller, Rule};
    let fixture = Fixture::new().await;
    let ann = Caller {
        user: "ann".to_owned(),
        groups: vec!["dev".to_owned()],
        ..Caller::default()
    };
    fixture.cluster.set_token("t", Some(ann));
    fixture
        .cluster
        .set_rules(vec![Rule::read("dev", "deployments.apps", "shop")]);
    let tokens = "/apis/authentication.k8s.io/v1/tokenreviews";
    let ask = |token| json!({ "spec": { "token": token, "audiences": ["informerd"] } }).to_string();
    let (_, review) = fixture.request("POST", tokens, JSON, &ask("t")).await;
    assert_eq!(review["status"]["user"]["username"], "ann");
    assert_eq!(review["status"]["audiences"][0], "informerd");
    let (_, review) = fixture.request("POST", tokens, JSON, &ask("x")).await;
    assert_eq!(review["status"]["authenticated"], Value::Null);

    let access = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    for (verb, namespace, allowed) in [
        ("watch", "shop", true),
        ("delete", "shop", false),
        ("watch", "", false),
    ] {
        let attributes = json!({
            "verb": verb, "group": "apps", "resource": "deployments", "namespace": namespace,
        });
        let spec = json!({ "user": "ann", "groups": ["dev"], "resourceAttributes": attributes });
        let body = json!({ "spec": spec }).to_string();
        let (status, review) = fixture.request("POST", access, JSON, &body).await;
        assert_eq!(
            (status, &review["status"]["allowed"]),
            (201, &json!(allowed)),
            "{verb} {namespace}"
        );
    }
    let requests = fixture.cluster.requests();
    assert_eq!(requests[0].resource, "tokenreviews.authentication.k8s.io");
}
