//! What one filter makes of one history, prepared once for all streams that share the filter.

use std::collections::HashMap;

use serde_json::Value;

use super::text::first_difference;
use crate::evaluate::{Expected, Matcher, object_key, transitions};
use crate::trace::{Commit, Event, Filter, Truth};

/// One history with an index by object.
#[derive(Debug)]
pub(crate) struct History<'a> {
    pub(crate) truth: &'a Truth,
    by_key: HashMap<String, Vec<usize>>,
}

impl<'a> History<'a> {
    pub(crate) fn new(truth: &'a Truth) -> Self {
        let mut by_key: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, commit) in truth.commits.iter().enumerate() {
            by_key
                .entry(object_key(&commit.namespace, &commit.name))
                .or_default()
                .push(index);
        }
        Self { truth, by_key }
    }

    /// All writes to one object, ascending.
    pub(crate) fn of(&self, key: &str) -> impl DoubleEndedIterator<Item = &'a Commit> {
        let commits = &self.truth.commits;
        self.by_key
            .get(key)
            .into_iter()
            .flatten()
            .map(move |index| &commits[*index])
    }

    /// The version of the object if it exists at `version`, whether or not it matches anything.
    pub(crate) fn exists_at(&self, key: &str, version: u64) -> Option<u64> {
        let commit = self
            .of(key)
            .rev()
            .find(|commit| commit.version <= version)?;
        commit.current.as_ref().map(|_| commit.version)
    }
}

/// A prepared object: its value, and the text that it has if nobody respelled it.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    value: Value,
    text: String,
}

impl Prepared {
    pub(crate) fn new(value: Value) -> Self {
        Self {
            text: value.to_string(),
            value,
        }
    }

    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    /// The first difference between this object and a received text.
    pub(crate) fn difference(&self, received: &str) -> Option<String> {
        if self.text == received {
            None
        } else {
            first_difference(received, &self.value)
        }
    }
}

/// An expected event with its objects prepared.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) event: Expected,
    pub(crate) key: String,
    pub(crate) object: Prepared,
    pub(crate) old: Option<Prepared>,
}

impl Wanted {
    pub(crate) fn new(mut event: Expected) -> Self {
        let object = Prepared::new(event.object.take());
        let old = event.old.take().map(Prepared::new);
        Self {
            key: object_key(&event.namespace, &event.name),
            event,
            object,
            old,
        }
    }

    /// The state that a subscriber held before this event.
    pub(crate) fn state_before(&self) -> Option<&Value> {
        self.old.as_ref().map(Prepared::value)
    }

    /// Why the received event is not this one; `None` if it is.
    pub(crate) fn difference(&self, got: &Event) -> Option<String> {
        let expected = &self.event;
        let same = (expected.kind, expected.cause) == (got.kind.as_str(), got.cause.as_str())
            && expected.version == got.version
            && expected.uid == got.uid
            && (&expected.namespace, &expected.name) == (&got.namespace, &got.name);
        if !same {
            let Event {
                kind,
                cause,
                namespace,
                name,
                uid,
                version,
                ..
            } = got;
            let key = object_key(namespace, name);
            return Some(format!(
                "expected {self}, got {kind}/{cause} {key} uid {uid} at {version}"
            ));
        }
        if let Some(difference) = self.object.difference(&got.object) {
            return Some(format!("object of {self}: {difference}"));
        }
        match &self.old {
            _ if got.old_object.is_empty() => None,
            _ if expected.kind != "MODIFIED" => {
                Some(format!("old object of {self}: expected none"))
            }
            None => Some(format!("old object of {self}: expected none")),
            Some(old) => old
                .difference(&got.old_object)
                .map(|difference| format!("old object of {self}: {difference}")),
        }
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Expected {
            kind,
            cause,
            uid,
            version,
            ..
        } = &self.event;
        write!(f, "{kind}/{cause} {} uid {uid} at {version}", self.key)
    }
}

/// All events of one membership filter over one history, before `event_types`.
#[derive(Debug)]
pub(crate) struct Projection {
    pub(crate) matcher: Matcher,
    pub(crate) events: Vec<Wanted>,
}

impl Projection {
    pub(crate) fn new(truth: &Truth, filter: &Filter) -> Self {
        let events = transitions(truth, filter)
            .into_iter()
            .map(Wanted::new)
            .collect();
        Self {
            matcher: Matcher::new(filter),
            events,
        }
    }

    /// The place of the first event above `version`.
    pub(crate) fn after(&self, version: u64) -> usize {
        self.events
            .partition_point(|wanted| wanted.event.version <= version)
    }

    /// The events of exactly this version.
    pub(crate) fn at(&self, version: u64) -> &[Wanted] {
        let end = self.after(version);
        let begin = self
            .events
            .partition_point(|wanted| wanted.event.version < version);
        &self.events[begin..end]
    }
}
