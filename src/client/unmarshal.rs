//! Reads the apiserver's own watch lines, for whoever has one in hand.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{
    Bookmark, Cause, Change, ChangeKind, Event, ObjectError, SnapshotEnd,
    decode::{self, Unreadable},
};

/// On the bookmark that ends the initial events (KEP-3157; `InitialEventsAnnotationKey` of
/// apimachinery's meta/v1/types.go).
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// A line that holds no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnmarshalError {
    /// Not JSON, or a field of the envelope has the wrong type.
    #[error("the line is no watch event: {reason}")]
    Malformed {
        /// What is wrong, and where.
        reason: String,
    },
    /// A part of the envelope is not there.
    #[error("the line has no `{field}`")]
    Missing {
        /// `type` or `object`.
        field: &'static str,
    },
    /// The type is none that Kubernetes has.
    #[error("there is no event type `{name}`")]
    UnknownType {
        /// As it was written.
        name: String,
    },
    /// The apiserver said why it can't go on, as an ERROR event or in place of the stream.
    #[error("the apiserver refused: {0}")]
    Refused(ApiStatus),
    /// A bookmark is nothing but its position, and this one has none.
    #[error("the bookmark has no `metadata.resourceVersion`")]
    NoPosition,
    /// The object is not of the type that was asked for.
    #[error(transparent)]
    Object(Box<ObjectError>),
}

/// What a `Status` of the apiserver says (meta/v1/types.go).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiStatus {
    /// The HTTP status code; 0 if none was given.
    pub code: i32,
    /// One word for programs, for example `Expired`.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

impl ApiStatus {
    /// Whether the position is too old: begin with a new list.
    pub fn is_expired(&self) -> bool {
        self.code == 410
    }
}

impl fmt::Display for ApiStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = (self.code != 0).then(|| self.code.to_string());
        let words: Vec<&str> = code.as_deref().into_iter().chain([&*self.reason]).collect();
        match (words.join(" ").trim(), &*self.message) {
            ("", "") => f.write_str("it did not say why"),
            ("", message) => f.write_str(message),
            (head, "") => f.write_str(head),
            (head, message) => write!(f, "{head}: {message}"),
        }
    }
}

/// The envelope of an event, and the fields of a `Status` that came without one.
#[derive(Deserialize)]
struct Line<'a> {
    r#type: Option<String>,
    #[serde(borrow)]
    object: Option<&'a RawValue>,
    kind: Option<String>,
    code: Option<i32>,
    reason: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize, Default)]
struct Named {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    namespace: Option<String>,
    name: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
}

/// Reads one line of a watch as the apiserver sends it, `{"type": .., "object": ..}`, with or
/// without its line break.
///
/// `ADDED`, `MODIFIED` and `DELETED` have [`Cause::Unknown`], because the apiserver doesn't say
/// it. A `BOOKMARK` is an [`Event::Bookmark`], and where it ends the initial events (KEP-3157) an
/// [`Event::SnapshotEnd`]; its object is never read as `K`. Types may be in any case.
///
/// # Errors
/// Each [`UnmarshalError`] says its own. An `ERROR` event and a bare `Status` body are
/// [`Refused`](UnmarshalError::Refused).
///
/// ```
/// use informerd::client::{Event, unmarshal_event};
/// use k8s_openapi::api::core::v1::Namespace;
///
/// let line = br#"{"type":"ADDED","object":{"apiVersion":"v1","kind":"Namespace",
///     "metadata":{"name":"shop","resourceVersion":"7"}}}"#;
/// let Ok(Event::Added(namespace)) = unmarshal_event::<Namespace>(line) else {
///     panic!("an object came");
/// };
/// assert_eq!((&*namespace.name, &*namespace.resource_version), ("shop", "7"));
/// ```
pub fn unmarshal_event<K: DeserializeOwned>(line: &[u8]) -> Result<Event<K>, UnmarshalError> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| {
        let reason = error.to_string();
        UnmarshalError::Malformed { reason }
    })?;
    let Some(kind) = &line.r#type else {
        return Err(line.without_type());
    };
    let object = line
        .object
        .map(RawValue::get)
        .ok_or(UnmarshalError::Missing { field: "object" })?;
    match &*kind.to_ascii_uppercase() {
        "ADDED" => change(ChangeKind::Added, object),
        "MODIFIED" => change(ChangeKind::Modified, object),
        "DELETED" => change(ChangeKind::Deleted, object),
        "BOOKMARK" => bookmark(object),
        "ERROR" => Err(UnmarshalError::Refused(status(object))),
        _ => Err(UnmarshalError::UnknownType { name: kind.clone() }),
    }
}

impl Line<'_> {
    fn without_type(self) -> UnmarshalError {
        let is_status = self.code.is_some() || self.kind.as_deref() == Some("Status");
        if self.object.is_some() || !is_status {
            return UnmarshalError::Missing { field: "type" };
        }
        UnmarshalError::Refused(ApiStatus {
            code: self.code.unwrap_or_default(),
            reason: self.reason.unwrap_or_default(),
            message: self.message.unwrap_or_default(),
        })
    }
}

/// What an ERROR event says; nothing if its object is no `Status`, as a proxy may send it.
fn status(object: &str) -> ApiStatus {
    let Ok(line) = serde_json::from_str::<Line<'_>>(object) else {
        return ApiStatus::default();
    };
    ApiStatus {
        code: line.code.unwrap_or_default(),
        reason: line.reason.unwrap_or_default(),
        message: line.message.unwrap_or_default(),
    }
}

/// The names of an object; none if it is no object at all, which only `K` can judge.
fn metadata(object: &str) -> Metadata {
    let named: Named = serde_json::from_str(object).unwrap_or_default();
    named.metadata
}

fn bookmark<K>(object: &str) -> Result<Event<K>, UnmarshalError> {
    let metadata = metadata(object);
    let resource_version = metadata.resource_version.unwrap_or_default();
    if resource_version.is_empty() {
        return Err(UnmarshalError::NoPosition);
    }
    let ends = |annotations: BTreeMap<String, String>| {
        annotations.get(INITIAL_EVENTS_END).map(String::as_str) == Some("true")
    };
    Ok(if metadata.annotations.is_some_and(ends) {
        Event::SnapshotEnd(SnapshotEnd {
            resource_version,
            count: None,
        })
    } else {
        Event::Bookmark(Bookmark {
            resource_version,
            upstream_silence: None,
        })
    })
}

fn change<K: DeserializeOwned>(kind: ChangeKind, json: &str) -> Result<Event<K>, UnmarshalError> {
    let metadata = metadata(json);
    let namespace = metadata.namespace.unwrap_or_default();
    let name = metadata.name.unwrap_or_default();
    let uid = metadata.uid.unwrap_or_default();
    let resource_version = metadata.resource_version.unwrap_or_default();
    let cause = Cause::Unknown;
    match decode::read(json.as_bytes()) {
        Ok(object) => Ok(Event::of(
            kind,
            Change {
                object: Arc::new(object),
                old: None,
                cause,
                namespace,
                name,
                uid,
                resource_version,
            },
        )),
        Err(Unreadable { path, reason }) => Err(UnmarshalError::Object(Box::new(ObjectError {
            kind,
            cause,
            namespace,
            name,
            uid,
            resource_version,
            path,
            reason,
        }))),
    }
}

#[cfg(test)]
mod tests;
