//! The typed watch over scripted steps.

use futures::FutureExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, PartialObjectMeta};

use super::*;
use crate::{
    client::{
        Bookmark, CallError, Cause, ChangeKind, Client, Notice, ResetReason, SnapshotEnd, Step,
        WatchBuilder,
    },
    proto::v1,
};

/// A step of an object whose JSON has `data` as it stands.
fn step(kind: v1::EventType, cause: v1::EventCause, name: &str, data: &str) -> Step {
    let object = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"t"}},"data":{data}}}"#
    );
    Step::Event(v1::Event {
        r#type: kind.into(),
        cause: cause.into(),
        namespace: "t".into(),
        name: name.into(),
        uid: format!("uid of {name}"),
        resource_version: "7".into(),
        object: object.into(),
        ..Default::default()
    })
}

fn modified(name: &str, data: &str) -> Step {
    step(v1::EventType::Modified, v1::EventCause::Change, name, data)
}

fn scripted<K>(steps: Vec<(Step, Option<&str>)>) -> Watch<K> {
    let items = steps.into_iter().map(|(step, token)| (Ok(step), token));
    Watch::new(Steps::scripted(items.collect()))
}

#[tokio::test]
async fn every_step_becomes_its_event() {
    use v1::{EventCause as C, EventType as T};
    let cases = [
        (T::Added, C::Snapshot, "ADDED", Cause::Snapshot),
        (T::Added, C::Entered, "ADDED", Cause::Entered),
        (T::Modified, C::Change, "MODIFIED", Cause::Change),
        (T::Modified, C::Resync, "MODIFIED", Cause::Resync),
        (T::Deleted, C::Left, "DELETED", Cause::Left),
        (T::Deleted, C::Unspecified, "DELETED", Cause::Unknown),
    ];
    let steps = cases.map(|(kind, cause, ..)| (step(kind, cause, "a", r#"{"k":"v"}"#), None));
    let mut watch = scripted::<ConfigMap>(steps.into());
    for (_, _, word, cause) in cases {
        let event = watch.next().await.expect("an item").expect("readable");
        let (kind, change) = event.change().expect("a change");
        assert_eq!((kind.as_str(), change.cause), (word, cause));
        assert_eq!(change.object.metadata.name.as_deref(), Some("a"));
        let data = change.object.data.as_ref().expect("data");
        assert_eq!(data["k"], "v");
        assert_eq!((&*change.namespace, &*change.name), ("t", "a"));
        assert_eq!((&*change.uid, &*change.resource_version), ("uid of a", "7"));
    }
    assert!(watch.next().await.is_none());
    assert!(watch.next().await.is_none(), "the end stays the end");
}

#[tokio::test]
async fn what_happened_to_no_object_is_told_apart() {
    let silence = prost_types::Duration {
        seconds: 3,
        nanos: 0,
    };
    let mut watch = scripted::<ConfigMap>(vec![
        (Step::Started(v1::Started::default()), None),
        (
            Step::SnapshotEnd(v1::SnapshotEnd {
                resource_version: "8".into(),
                count: 2,
                ..Default::default()
            }),
            Some("t8"),
        ),
        (
            Step::Bookmark(v1::Bookmark {
                resource_version: "9".into(),
                upstream_silence: Some(silence),
                ..Default::default()
            }),
            Some("t9"),
        ),
        (Step::Reset(ResetReason::Lagged), None),
    ]);
    let mut events = Vec::new();
    while let Some(event) = watch.next().await {
        events.push((event.expect("no error"), watch.token().map(str::to_owned)));
    }
    let end = SnapshotEnd {
        resource_version: "8".into(),
        count: Some(2),
    };
    let bookmark = Bookmark {
        resource_version: "9".into(),
        upstream_silence: Some(std::time::Duration::from_secs(3)),
    };
    let expected = [
        (Event::Notice(Notice::Started(v1::Started::default())), None),
        (Event::SnapshotEnd(end), Some("t8".to_owned())),
        (Event::Bookmark(bookmark), Some("t9".to_owned())),
        (Event::Reset(ResetReason::Lagged), None),
    ];
    assert_eq!(events, expected);
}

#[tokio::test]
async fn an_object_of_another_shape_is_named_and_does_not_end_the_watch() {
    let mut watch = scripted::<ConfigMap>(vec![
        (modified("odd", r#"{"k":5}"#), Some("t1")),
        (modified("fine", r#"{"k":"v"}"#), Some("t2")),
    ]);
    let error = watch.next().await.expect("an item").expect_err("odd");
    assert!(!error.ends_watch());
    assert_eq!(watch.token(), Some("t1"), "the position has moved past it");
    let text = error.to_string();
    let WatchError::Object(error) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.kind, ChangeKind::Modified);
    assert_eq!((&*error.namespace, &*error.name), ("t", "odd"));
    assert_eq!(error.path, "data.k");
    assert!(
        text.starts_with("cannot read t/odd at resourceVersion 7: data.k: invalid type: "),
        "{text}"
    );
    let event = watch.next().await.expect("goes on").expect("readable");
    assert_eq!(
        event.change().map(|(_, change)| &*change.name),
        Some("fine")
    );
}

#[tokio::test]
async fn the_old_state_comes_beside_the_new() {
    let Step::Event(mut event) = modified("a", r#"{"k":"new"}"#) else {
        panic!("an event");
    };
    event.old_object =
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{},"data":{"k":"old"}}"#.into();
    let mut watch = scripted::<ConfigMap>(vec![(Step::Event(event), None)]);
    let event = watch.next().await.expect("an item").expect("readable");
    let Event::Modified(change) = event else {
        panic!("{event:?}");
    };
    let data = |object: &ConfigMap| object.data.clone().expect("data")["k"].clone();
    assert_eq!(data(&change.object), "new");
    assert_eq!(change.old.map(|old| data(&old)), Some("old".to_owned()));
}

#[tokio::test]
async fn types_that_nobody_knows_are_left_out() {
    let unknown = step(
        v1::EventType::Unspecified,
        v1::EventCause::Change,
        "a",
        "{}",
    );
    let mut watch = scripted::<ConfigMap>(vec![(unknown, None), (modified("b", "{}"), None)]);
    let event = watch.next().await.expect("an item").expect("readable");
    assert_eq!(event.change().map(|(_, change)| &*change.name), Some("b"));
}

#[tokio::test]
async fn the_last_error_is_the_last_item() {
    let refused = CallError::unavailable("gone");
    let mut watch: Watch<ConfigMap> =
        Watch::new(Steps::scripted(vec![(Err(refused.clone()), Some("t1"))]));
    let error = watch.next().await.expect("an item").expect_err("refused");
    assert!(error.ends_watch());
    assert_eq!(error, WatchError::Call(refused));
    assert!(watch.next().await.is_none());
    assert_eq!(watch.token(), Some("t1"));
}

#[tokio::test]
async fn a_stop_wakes_the_poll_that_waits() {
    let mut watch: Watch<ConfigMap> = Watch::new(Steps::silent());
    let handle = watch.stop_handle();
    let mut next = watch.next();
    assert!((&mut next).now_or_never().is_none(), "nothing comes");
    let (ended, ()) = tokio::join!(next, async { handle.stop() });
    assert!(ended.is_none());
    assert!(handle.is_stopped());
}

#[tokio::test]
async fn nothing_comes_after_a_stop_and_the_token_stays() {
    let mut watch = scripted::<ConfigMap>(vec![
        (modified("a", "{}"), Some("t1")),
        (modified("b", "{}"), Some("t2")),
    ]);
    assert!(watch.next().await.is_some());
    watch.stop();
    assert!(
        watch.next().await.is_none(),
        "b was received, not handed out"
    );
    assert_eq!(watch.token(), Some("t1"));
}

/// The resource that a builder asks for.
fn asked<T>(builder: WatchBuilder<T>) -> (String, String, String) {
    let resource = builder.request.resource.expect("a resource");
    (resource.group, resource.version, resource.resource)
}

fn words(group: &str, version: &str, resource: &str) -> (String, String, String) {
    (group.into(), version.into(), resource.into())
}

#[tokio::test]
async fn a_type_brings_its_resource() {
    use k8s_openapi::api::apps::v1::Deployment;
    let client = Client::lazy("127.0.0.1:1").expect("an address");
    let deployments = || words("apps", "v1", "deployments");
    assert_eq!(
        asked(client.watch::<ConfigMap>()),
        words("", "v1", "configmaps")
    );
    assert_eq!(asked(client.watch::<Deployment>()), deployments());
    let partial = client.watch::<PartialObjectMeta<Deployment>>();
    assert_eq!(asked(partial), deployments());
    let kind = GroupVersionKind::gvk("cert-manager.io", "v1", "Certificate");
    let resource = ApiResource::from_gvk(&kind);
    let dynamic = client.watch_with::<DynamicObject>(&resource);
    assert_eq!(
        asked(dynamic),
        words("cert-manager.io", "v1", "certificates")
    );
    let raw = v1::WatchRequest {
        resource: WatchBuilder::new("", "v1", "pods").request.resource,
        start: Some(v1::watch_request::Start::Now(v1::NowStart {})),
        ..Default::default()
    };
    let deployment = client.watch::<Deployment>().request(raw.clone());
    assert_eq!(deployment.request.start, raw.start);
    assert_eq!(asked(deployment), deployments());
}

#[tokio::test]
async fn objects_without_a_type_keep_all_their_fields() {
    let mut watch = scripted::<DynamicObject>(vec![(modified("a", r#"{"k":5}"#), None)]);
    let event = watch.next().await.expect("an item").expect("readable");
    let object = event.object().expect("an object");
    assert_eq!(object.data["data"]["k"], 5);
    assert_eq!(object.types.as_ref().expect("types").kind, "ConfigMap");
}
