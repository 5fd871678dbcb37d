//! One object state and one committed write, each with its text made once and shared by all
//! lists and watches that send it.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::trace::Commit;

/// One state of one object; never changes.
#[derive(Debug)]
pub(super) struct Object {
    /// With `kind` and `apiVersion` first.
    pub(super) value: Value,
    text: OnceLock<Bytes>,
    added: OnceLock<Bytes>,
    modified: OnceLock<Bytes>,
}

impl Object {
    pub(super) fn new(value: Value) -> Self {
        Self {
            value,
            text: OnceLock::new(),
            added: OnceLock::new(),
            modified: OnceLock::new(),
        }
    }

    /// The string at `metadata.field`; empty if absent.
    pub(super) fn metadata(&self, field: &str) -> &str {
        self.value["metadata"][field].as_str().unwrap_or_default()
    }

    /// The JSON text.
    pub(super) fn text(&self) -> Bytes {
        self.text
            .get_or_init(|| Bytes::from(self.value.to_string()))
            .clone()
    }

    /// The JSON text without `kind` and `apiVersion`, less its opening brace.
    pub(super) fn untyped_tail(&self) -> Bytes {
        let text = self.text();
        let head = json!({ "kind": self.value["kind"], "apiVersion": self.value["apiVersion"] });
        // The closing brace of `head` stands where the text has a comma.
        text.slice(head.to_string().len()..)
    }

    pub(super) fn added(&self) -> Bytes {
        self.added
            .get_or_init(|| event_line("ADDED", &self.text()))
            .clone()
    }

    pub(super) fn modified(&self) -> Bytes {
        self.modified
            .get_or_init(|| event_line("MODIFIED", &self.text()))
            .clone()
    }
}

/// One committed write.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) version: u64,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) previous: Option<Arc<Object>>,
    pub(super) current: Option<Arc<Object>>,
    deleted: OnceLock<Bytes>,
}

impl Entry {
    pub(super) fn new(
        version: u64,
        namespace: &str,
        name: &str,
        previous: Option<Arc<Object>>,
        current: Option<Arc<Object>>,
    ) -> Self {
        Self {
            version,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            previous,
            current,
            deleted: OnceLock::new(),
        }
    }

    /// The event line for a watcher that ceases to see the object: the state before this write
    /// with the resourceVersion of this write (cacher `convertToWatchEvent`).
    pub(super) fn deleted(&self) -> Bytes {
        self.deleted
            .get_or_init(|| {
                let before = self
                    .previous
                    .as_ref()
                    .map_or(Value::Null, |old| old.value.clone());
                let text = with_version(before, self.version).to_string();
                event_line("DELETED", &text.into())
            })
            .clone()
    }

    pub(super) fn commit(&self) -> Commit {
        let states = [&self.current, &self.previous];
        let uid = states
            .into_iter()
            .flatten()
            .next()
            .map_or("", |object| object.metadata("uid"));
        Commit {
            version: self.version,
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: uid.to_owned(),
            previous: self.previous.as_ref().map(|object| object.value.clone()),
            current: self.current.as_ref().map(|object| object.value.clone()),
        }
    }
}

/// `object` with its resourceVersion replaced.
pub(super) fn with_version(mut object: Value, version: u64) -> Value {
    object["metadata"]["resourceVersion"] = json!(version.to_string());
    object
}

/// One line of a watch.
pub(super) fn event_line(kind: &str, object: &Bytes) -> Bytes {
    let mut line = Vec::with_capacity(object.len() + 40);
    line.extend_from_slice(br#"{"type":""#);
    line.extend_from_slice(kind.as_bytes());
    line.extend_from_slice(br#"","object":"#);
    line.extend_from_slice(object);
    line.extend_from_slice(b"}\n");
    line.into()
}
