//! The transition function: from the true history to the events that a filter makes of it
//! (Kubernetes `cacher/cache_watcher.go`, `convertToWatchEvent`, and the project's contract).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Matcher, wants};
use crate::trace::{Commit, Filter, Truth};

/// An event as it must be delivered.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// `ADDED`, `MODIFIED` or `DELETED`.
    pub kind: &'static str,
    /// `CHANGE`, `ENTERED`, `LEFT`, or `RESYNC` where states are compared.
    pub cause: &'static str,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
    /// The version of the change.
    pub version: u64,
    /// The object as delivered; for DELETED the last matching state with the new version.
    pub object: Value,
    /// The state before, for MODIFIED and DELETED.
    pub old: Option<Value>,
}

/// An object of the truth at some version.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
    /// The version of its last write.
    pub version: u64,
    /// Its state, as committed.
    pub value: Value,
}

/// `namespace/name`, or the name alone for cluster-scoped objects; bytewise order of this string
/// is the order of snapshots.
#[must_use]
pub fn object_key(namespace: &str, name: &str) -> String {
    if namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}/{name}")
    }
}

/// The object as a subscriber must see it: `apiVersion` and `kind` first, without
/// `metadata.managedFields`, and with `metadata.resourceVersion` replaced if `restamp` is given.
#[must_use]
pub fn presentable(value: &Value, restamp: Option<u64>) -> Value {
    let Some(fields) = value.as_object() else {
        return value.clone();
    };
    let mut shown = Map::new();
    for first in ["apiVersion", "kind"] {
        if let Some(value) = fields.get(first) {
            shown.insert(first.to_owned(), value.clone());
        }
    }
    for (key, value) in fields {
        if key != "apiVersion" && key != "kind" {
            shown.insert(key.clone(), value.clone());
        }
    }
    if let Some(metadata) = shown.get_mut("metadata").and_then(Value::as_object_mut) {
        // `remove` would move the last key into the hole; the order is part of the promise.
        metadata.shift_remove("managedFields");
        if let Some(version) = restamp {
            metadata.insert(
                "resourceVersion".to_owned(),
                Value::String(version.to_string()),
            );
        }
    }
    Value::Object(shown)
}

/// All events of `filter` over the whole history, before `event_types`.
#[must_use]
pub fn transitions(truth: &Truth, filter: &Filter) -> Vec<Expected> {
    let matcher = Matcher::new(filter);
    truth
        .commits
        .iter()
        .flat_map(|commit| step(commit, &matcher))
        .collect()
}

/// All events of `filter` over the whole history, after `event_types`.
#[must_use]
pub fn expected_events(truth: &Truth, filter: &Filter) -> Vec<Expected> {
    let mut events = transitions(truth, filter);
    events.retain(|event| wants(filter, event.kind));
    events
}

/// The objects that exist at `version`, by key.
#[must_use]
pub fn state_at(truth: &Truth, version: u64) -> BTreeMap<String, Stored> {
    let mut last: BTreeMap<String, (&Commit, &Value)> = BTreeMap::new();
    for commit in truth
        .commits
        .iter()
        .take_while(|commit| commit.version <= version)
    {
        let key = object_key(&commit.namespace, &commit.name);
        match &commit.current {
            None => last.remove(&key),
            Some(value) => last.insert(key, (commit, value)),
        };
    }
    let stored = |(key, (commit, value)): (String, (&Commit, &Value))| {
        let stored = Stored {
            namespace: commit.namespace.clone(),
            name: commit.name.clone(),
            uid: uid_of(value, commit),
            version: commit.version,
            value: value.clone(),
        };
        (key, stored)
    };
    last.into_iter().map(stored).collect()
}

fn uid_of(value: &Value, commit: &Commit) -> String {
    value["metadata"]["uid"]
        .as_str()
        .unwrap_or(&commit.uid)
        .to_owned()
}

fn step(commit: &Commit, matcher: &Matcher) -> Vec<Expected> {
    let matching = |value: &&Value| matcher.matches(&commit.namespace, &commit.name, value);
    let old = commit.previous.as_ref().filter(matching);
    let new = commit.current.as_ref().filter(matching);
    let replaced = match (&commit.previous, &commit.current) {
        (Some(old), Some(new)) => uid_of(old, commit) != uid_of(new, commit),
        _ => false,
    };
    let event = |kind, cause, source: &Value, object, old| Expected {
        kind,
        cause,
        namespace: commit.namespace.clone(),
        name: commit.name.clone(),
        uid: uid_of(source, commit),
        version: commit.version,
        object,
        old,
    };
    let added = |cause, new| event("ADDED", cause, new, presentable(new, None), None);
    let deleted = |cause, old| {
        let (last, before) = (
            presentable(old, Some(commit.version)),
            presentable(old, None),
        );
        event("DELETED", cause, old, last, Some(before))
    };
    match (old, new) {
        (None, None) => vec![],
        (Some(old), Some(new)) if replaced => vec![deleted("CHANGE", old), added("CHANGE", new)],
        (Some(old), Some(new)) => {
            let before = Some(presentable(old, None));
            vec![event(
                "MODIFIED",
                "CHANGE",
                new,
                presentable(new, None),
                before,
            )]
        }
        (None, Some(new)) => {
            let entered = commit.previous.is_some() && !replaced;
            vec![added(if entered { "ENTERED" } else { "CHANGE" }, new)]
        }
        (Some(old), None) => {
            let left = commit.current.is_some() && !replaced;
            vec![deleted(if left { "LEFT" } else { "CHANGE" }, old)]
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(uid: &str, version: u64, app: &str) -> Value {
        json!({"metadata": {"name": "a", "uid": uid, "managedFields": [1], "labels": {"app": app},
               "resourceVersion": version.to_string()}, "kind": "Pod", "apiVersion": "v1"})
    }

    fn commit(version: u64, previous: Option<Value>, current: Option<Value>) -> Commit {
        let uid = current.as_ref().or(previous.as_ref()).expect("a state")["metadata"]["uid"]
            .as_str()
            .expect("a uid")
            .to_owned();
        Commit {
            version,
            namespace: "n".into(),
            name: "a".into(),
            uid,
            previous,
            current,
        }
    }

    fn row(
        previous: Option<Value>,
        current: Option<Value>,
    ) -> Vec<(&'static str, &'static str, String)> {
        let truth = Truth {
            resource: "pods".into(),
            commits: vec![commit(9, previous, current)],
        };
        let filter = Filter {
            label_selector: "app=x".into(),
            ..Filter::default()
        };
        transitions(&truth, &filter)
            .into_iter()
            .map(|event| (event.kind, event.cause, event.object.to_string()))
            .collect()
    }

    fn text(uid: &str, version: u64) -> String {
        format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"a","uid":"{uid}","labels":{{"app":"x"}},"resourceVersion":"{version}"}}}}"#
        )
    }

    #[test]
    fn the_table_of_transitions_holds() {
        let (x1, y1) = (|v| Some(object("1", v, "x")), |v| Some(object("1", v, "y")));
        assert_eq!(row(None, x1(9)), [("ADDED", "CHANGE", text("1", 9))]);
        assert_eq!(row(None, y1(9)), []);
        assert_eq!(row(y1(5), x1(9)), [("ADDED", "ENTERED", text("1", 9))]);
        assert_eq!(row(x1(5), x1(9)), [("MODIFIED", "CHANGE", text("1", 9))]);
        assert_eq!(row(x1(5), y1(9)), [("DELETED", "LEFT", text("1", 9))]);
        assert_eq!(row(x1(5), None), [("DELETED", "CHANGE", text("1", 9))]);
        assert_eq!(row(y1(5), None), []);
        assert_eq!(
            row(x1(5), Some(object("2", 9, "x"))),
            [
                ("DELETED", "CHANGE", text("1", 9)),
                ("ADDED", "CHANGE", text("2", 9))
            ]
        );
        assert_eq!(
            row(y1(5), Some(object("2", 9, "x"))),
            [("ADDED", "CHANGE", text("2", 9))]
        );
    }

    #[test]
    fn the_state_follows_the_history() {
        let (one, two) = (object("1", 3, "x"), object("1", 5, "x"));
        let commits = vec![
            commit(3, None, Some(one.clone())),
            commit(5, Some(one), Some(two.clone())),
            commit(8, Some(two), None),
        ];
        let truth = Truth {
            resource: "pods".into(),
            commits,
        };
        let version = |at| state_at(&truth, at).get("n/a").map(|stored| stored.version);
        assert_eq!(
            [version(2), version(3), version(7), version(8)],
            [None, Some(3), Some(5), None]
        );
    }
}
