//! Objects, queries and decoded events for the tests of the rooms from here on.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use crate::{
    proto::v1::{self, frame::Frame},
    resource::{Key, Labels, Object, ObjectParts, ResourceVersion},
    selector::{EventTypes, FilterSpec, Membership, Query},
};

/// A version.
pub(crate) fn rv(version: u64) -> ResourceVersion {
    ResourceVersion::new(&version.to_string())
}

/// A pod `ns/name` with labels, whose JSON holds all of it.
pub(crate) fn pod(key: &str, uid: &str, labels: &[(&str, &str)], version: u64) -> Arc<Object> {
    let (namespace, name) = key.split_once('/').expect("ns/name");
    let json = serde_json::json!({
        "metadata": {
            "name": name, "namespace": namespace, "uid": uid,
            "labels": labels.iter().copied().collect::<std::collections::BTreeMap<_, _>>(),
            "resourceVersion": version.to_string(),
        }
    });
    let json = json.to_string();
    let mark = format!(r#""resourceVersion":"{version}""#);
    let at = json.find(&mark).expect("just written") + r#""resourceVersion":""#.len();
    let span = at as u32..(at + version.to_string().len()) as u32;
    Arc::new(Object::new(ObjectParts {
        key: Key::new(namespace, name),
        uid: uid.into(),
        version: rv(version),
        labels: labels.iter().copied().collect::<Labels>(),
        json: Bytes::from(json),
        version_span: span,
    }))
}

/// A query by labels alone.
pub(crate) fn query(labels: &str) -> Query {
    let spec = FilterSpec {
        label_selector: labels,
        ..FilterSpec::default()
    };
    Query::new(
        Membership::new(spec).expect("valid"),
        EventTypes::ALL,
        false,
    )
}

/// Decodes what a subscriber is sent.
pub(crate) fn events(slices: &[Bytes]) -> Vec<v1::Event> {
    let message = v1::WatchResponse::decode(slices.concat().as_slice()).expect("a valid message");
    let event = |frame: v1::Frame| match frame.frame {
        Some(Frame::Event(event)) => event,
        other => panic!("no event: {other:?}"),
    };
    message.frames.into_iter().map(event).collect()
}

/// The same in short: `name@version` and the first letters of the type.
pub(crate) fn brief(slices: &[Bytes]) -> Vec<String> {
    let name = |event: v1::Event| {
        let kind = event.r#type().as_str_name();
        format!("{}@{}{}", event.name, event.resource_version, &kind[11..13])
    };
    events(slices).into_iter().map(name).collect()
}
