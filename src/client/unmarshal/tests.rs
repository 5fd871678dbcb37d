//! Lines of an apiserver. Most cases are those of the Python client's unit tests.

use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ConfigMap, Namespace},
};
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::*;

fn unmarshal<K: DeserializeOwned>(line: &Value) -> Result<Event<K>, UnmarshalError> {
    unmarshal_event(line.to_string().as_bytes())
}

fn refusal(line: &Value) -> ApiStatus {
    match unmarshal::<Namespace>(line) {
        Err(UnmarshalError::Refused(status)) => status,
        other => panic!("{other:?}"),
    }
}

/// `test_watch_with_decode`
#[test]
fn each_type_becomes_its_event() {
    for word in ["ADDED", "MODIFIED", "DELETED", "added"] {
        let event = unmarshal::<Namespace>(&json!({
            "type": word,
            "object": {
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": "shop", "uid": "u", "resourceVersion": "7"},
                "spec": {}, "status": {},
            },
        }));
        let event = event.expect(word);
        let (kind, change) = event.change().expect("a change");
        assert_eq!(kind.as_str(), word.to_ascii_uppercase());
        assert_eq!(change.object.metadata.name.as_deref(), Some("shop"));
        let names = (&*change.namespace, &*change.name, &*change.uid);
        assert_eq!(names, ("", "shop", "u"));
        assert_eq!(change.resource_version, "7");
        assert_eq!((change.cause, &change.old), (Cause::Unknown, &None));
    }
}

/// `test_unmarshal_with_float_object`
#[test]
fn an_object_may_be_whatever_the_type_takes() {
    let event = unmarshal::<f64>(&json!({"type": "ADDED", "object": 1}));
    let object = event.expect("a number").object().map(|number| **number);
    assert_eq!(object, Some(1.0));
}

/// `test_unmarshal_without_return_type`, `test_unmarshal_with_empty_return_type`
#[test]
fn json_is_a_type_too() {
    let event = unmarshal::<Value>(&json!({"type": "ADDED", "object": ["test1"]}));
    let event = event.expect("json");
    assert_eq!(event.object().map(|v| &**v), Some(&json!(["test1"])));
}

/// `test_unmarshal_with_custom_object`
#[test]
fn custom_objects_need_no_type_of_their_own() {
    let event = unmarshal::<DynamicObject>(&json!({
        "type": "ADDED",
        "object": {
            "apiVersion": "test.com/v1beta1", "kind": "foo",
            "metadata": {"name": "bar", "resourceVersion": "1"},
        },
    }));
    let event = event.expect("an object");
    let object = event.object().expect("an object");
    assert_eq!(object.metadata.name.as_deref(), Some("bar"));
}

/// `test_unmarshall_k8s_error_response`
#[test]
fn an_error_event_says_that_the_position_is_too_old() {
    let status = refusal(&json!({
        "type": "ERROR",
        "object": {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "too old resource version: 1 (8146471)",
            "reason": "Gone", "code": 410,
        },
    }));
    assert!(status.is_expired());
    assert_eq!(
        UnmarshalError::Refused(status).to_string(),
        "the apiserver refused: 410 Gone: too old resource version: 1 (8146471)"
    );
}

/// `test_unmarshall_k8s_error_response_401_gke`
#[test]
fn a_bare_status_is_a_refusal() {
    let status = refusal(&json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "Unauthorized", "reason": "Unauthorized", "code": 401,
    }));
    assert!(!status.is_expired());
    assert_eq!(status.code, 401);
    assert_eq!(status.to_string(), "401 Unauthorized: Unauthorized");
    let without_code = refusal(&json!({"kind": "Status", "message": "no"}));
    assert_eq!(without_code.to_string(), "no");
}

#[test]
fn an_error_event_of_a_strange_shape_is_a_refusal_all_the_same() {
    for object in [json!({}), json!("broken"), json!({"code": "x"})] {
        let status = refusal(&json!({"type": "error", "object": object}));
        assert_eq!(status, ApiStatus::default(), "{object}");
        assert_eq!(status.to_string(), "it did not say why");
    }
    let code = refusal(&json!({"type": "ERROR", "object": {"code": 500}}));
    assert_eq!(code.to_string(), "500");
}

/// `test_unmarshal_bookmark_succeeds_and_preserves_resource_version`,
/// `test_unmarshal_job_bookmark_succeeds_and_preserves_resource_version`
#[test]
fn a_bookmark_is_its_position_and_never_an_object() {
    // Its spec would be no Job: a container needs a name.
    let event = unmarshal::<Job>(&json!({
        "type": "BOOKMARK",
        "object": {
            "kind": "Job", "apiVersion": "batch/v1",
            "metadata": {"resourceVersion": "3", "creationTimestamp": null},
            "spec": {"template": {"metadata": {}, "spec": {"containers": [{}]}}},
            "status": {},
        },
    }));
    let bookmark = Bookmark {
        resource_version: "3".into(),
        upstream_silence: None,
    };
    assert_eq!(event, Ok(Event::Bookmark(bookmark)));
}

/// `test_unmarshall_job_bookmark_malformed_object_fails`
#[test]
fn a_bookmark_without_a_position_is_an_error() {
    for metadata in [json!({}), json!({"resourceVersion": ""}), json!(null)] {
        let event = unmarshal::<Job>(&json!({
            "type": "BOOKMARK",
            "object": {"kind": "Job", "apiVersion": "batch/v1", "metadata": metadata},
        }));
        assert_eq!(event, Err(UnmarshalError::NoPosition), "{metadata}");
    }
}

#[test]
fn the_bookmark_of_the_watch_list_ends_the_snapshot() {
    let line = |value: &str| {
        json!({
            "type": "BOOKMARK",
            "object": {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {
                "resourceVersion": "9", "annotations": {INITIAL_EVENTS_END: value},
            }},
        })
    };
    let end = SnapshotEnd {
        resource_version: "9".into(),
        count: None,
    };
    let event = unmarshal::<ConfigMap>(&line("true"));
    assert_eq!(event, Ok(Event::SnapshotEnd(end)));
    let event = unmarshal::<ConfigMap>(&line("false"));
    assert!(matches!(event, Ok(Event::Bookmark(_))), "{event:?}");
}

#[test]
fn whatever_is_no_event_says_what_it_lacks() {
    let missing = |field| UnmarshalError::Missing { field };
    let cases = [
        (json!({}), missing("type")),
        (json!({"object": {}}), missing("type")),
        (json!({"object": {}, "code": 410}), missing("type")),
        (json!({"type": null, "object": {}}), missing("type")),
        (json!({"type": "ADDED"}), missing("object")),
        (json!({"type": "ADDED", "object": null}), missing("object")),
        (
            json!({"type": "CHANGED", "object": {}}),
            UnmarshalError::UnknownType {
                name: "CHANGED".into(),
            },
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(unmarshal::<Value>(&line), Err(expected), "{line}");
    }
}

#[test]
fn what_is_not_json_is_never_an_event() {
    let lines: [&[u8]; 7] = [
        b"",
        b"a line of a log",
        b"5",
        b"{\"type\":\"ADDED\",\"object\":{}",
        b"{\"type\":\"ADDED\",\"object\":{}} {}",
        b"{\"type\":5,\"object\":{}}",
        b"\xff",
    ];
    for line in lines {
        let event = unmarshal_event::<Value>(line);
        let malformed = matches!(event, Err(UnmarshalError::Malformed { .. }));
        assert!(malformed, "{}: {event:?}", line.escape_ascii());
    }
    let line = b"{\"type\":\"ADDED\",\"object\":7}\r\n";
    assert!(unmarshal_event::<Value>(line).is_ok(), "with a line break");
}

#[test]
fn an_object_of_another_type_is_named() {
    let event = unmarshal::<ConfigMap>(&json!({
        "type": "MODIFIED",
        "object": {
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"namespace": "t", "name": "odd", "resourceVersion": "7"},
            "data": {"k": [1]},
        },
    }));
    let Err(UnmarshalError::Object(error)) = event else {
        panic!("{event:?}");
    };
    assert_eq!(error.path, "data.k");
    let text = error.to_string();
    assert!(
        text.starts_with("cannot read t/odd at resourceVersion 7: data.k: "),
        "{text}"
    );
    let pod = unmarshal::<ConfigMap>(&json!({
        "type": "ADDED",
        "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}},
    }));
    let Err(UnmarshalError::Object(error)) = pod else {
        panic!("{pod:?}");
    };
    assert!(error.reason.contains("ConfigMap"), "{error}");
}
