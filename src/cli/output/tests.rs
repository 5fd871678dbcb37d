//! Output as people see it, in golden strings.

use super::*;
use crate::proto::v1::GroupVersionResource;

fn resource(group: &str, name: &str, kind: &str) -> Resource {
    Resource {
        resource: Some(GroupVersionResource {
            group: group.into(),
            version: "v1".into(),
            resource: name.into(),
        }),
        kind: kind.into(),
        namespaced: true,
        ..Default::default()
    }
}

fn event(kind: v1::EventType, cause: v1::EventCause, token: &str) -> v1::Event {
    v1::Event {
        r#type: kind.into(),
        cause: cause.into(),
        namespace: "default".into(),
        name: "web-1".into(),
        uid: "u1".into(),
        resource_version: "7".into(),
        resume_token: token.into(),
        object: r#"{"kind":"Pod","metadata":{"name":"web-1","generation":18446744073709551616},
 "spec":{"containers":[{}],"on":"yes"},"status":{"phase":"Running"}}"#
            .into(),
        ..Default::default()
    }
}

fn written(format: Option<Format>, resource: &Resource, events: &[v1::Event]) -> String {
    let mut printer = EventPrinter::new(format, resource, true);
    let mut out = Vec::new();
    for event in events {
        let now = Timestamp::UNIX_EPOCH;
        printer
            .event(&mut out, event, now)
            .expect("memory takes all");
    }
    String::from_utf8(anstream::adapter::strip_bytes(&out).into_vec()).expect("text")
}

#[test]
fn a_table_shows_type_and_unusual_cause() {
    use v1::{EventCause::*, EventType::*};
    let events = [
        event(Added, Snapshot, ""),
        event(Modified, Change, "t1"),
        event(Deleted, Left, "t2"),
    ];
    let text = written(None, &resource("", "pods", "Pod"), &events);
    let expected = "\
EVENT             NAMESPACE   NAME                       READY   STATUS              RESTARTS      AGE
ADDED/snapshot    default     web-1                      0/1     Running             0             <unknown>
MODIFIED          default     web-1                      0/1     Running             0             <unknown>
DELETED/left      default     web-1                      0/1     Running             0             <unknown>
";
    assert_eq!(text, expected);
}

#[test]
fn cluster_scoped_resources_have_no_namespace_column() {
    let mut nodes = resource("", "nodes", "Node");
    nodes.namespaced = false;
    let text = written(
        Some(Format::Wide),
        &nodes,
        &[v1::Event {
            object: "{}".into(),
            ..Default::default()
        }],
    );
    assert!(text.starts_with("EVENT             NAME  "), "{text}");
    assert!(text.contains("INTERNAL-IP"), "{text}");
}

#[test]
fn a_line_of_json_holds_everything_and_stays_one_line() {
    use v1::{EventCause::*, EventType::*};
    let mut last = event(Modified, Change, "t1");
    last.old_object = "{\"a\":1}".into();
    let events = [event(Added, Snapshot, ""), last];
    let text = written(Some(Format::Jsonl), &resource("", "pods", "Pod"), &events);
    let object = r#"{"kind":"Pod","metadata":{"name":"web-1","generation":18446744073709551616},"spec":{"containers":[{}],"on":"yes"},"status":{"phase":"Running"}}"#;
    let expected = format!(
        "{{\"type\":\"ADDED\",\"cause\":\"SNAPSHOT\",\"namespace\":\"default\",\"name\":\"web-1\",\
         \"uid\":\"u1\",\"resourceVersion\":\"7\",\"token\":null,\"object\":{object}}}\n\
         {{\"type\":\"MODIFIED\",\"cause\":\"CHANGE\",\"namespace\":\"default\",\"name\":\"web-1\",\
         \"uid\":\"u1\",\"resourceVersion\":\"7\",\"token\":\"t1\",\"object\":{object},\
         \"oldObject\":{{\"a\":1}}}}\n"
    );
    assert_eq!(text, expected);
}

#[test]
fn objects_come_as_json_yaml_and_names() {
    use v1::{EventCause::*, EventType::*};
    let mut event = event(Added, Change, "t1");
    event.object = r#"{"b":"on","a":[1,{"c":"x: y"}],"d":"1.0","e":"two\nlines"}"#.into();
    let deployments = resource("apps", "deployments", "Deployment");
    let text = |format| written(Some(format), &deployments, std::slice::from_ref(&event));
    assert!(text(Format::Json).starts_with("{\n  \"b\": \"on\",\n  \"a\": [\n    1,\n"));
    assert_eq!(text(Format::Name), "deployment.apps/web-1\n");
    let yaml = text(Format::Yaml);
    let body = yaml.strip_prefix("---\n").expect("a document marker");
    let back: serde_json::Value = serde_saphyr::from_str(body).expect("yaml");
    let object: serde_json::Value = serde_json::from_slice(&event.object).expect("json");
    assert_eq!(back, object);
}
