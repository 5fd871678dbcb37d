//! What a subscriber must receive, decided by code that shares nothing with the daemon: the judge
//! needs its own reading of selectors and of the transition table.

mod fields;
mod labels;
mod transition;

use serde_json::Value;

pub use transition::{
    Expected, Stored, expected_events, object_key, presentable, state_at, transitions,
};

use crate::trace::Filter;

/// A filter's membership conditions, parsed. `event_types` is not among them: it acts later.
#[derive(Debug, Clone)]
pub struct Matcher {
    namespaces: Vec<String>,
    names: Vec<String>,
    labels: Vec<labels::Requirement>,
    fields: Vec<fields::Term>,
}

impl Matcher {
    /// Parses the selectors of `filter`.
    ///
    /// # Panics
    /// On a malformed selector: a test that asks for one has no expected answer.
    #[must_use]
    pub fn new(filter: &Filter) -> Self {
        Self {
            namespaces: filter.namespaces.clone(),
            names: filter.names.clone(),
            labels: labels::parse(&filter.label_selector),
            fields: fields::parse(&filter.field_selector),
        }
    }

    /// Whether the object of this key belongs to the subscription.
    #[must_use]
    pub fn matches(&self, namespace: &str, name: &str, object: &Value) -> bool {
        let exact = |allowed: &[String], got: &str| {
            allowed.is_empty() || allowed.iter().any(|value| value == got)
        };
        exact(&self.namespaces, namespace)
            && exact(&self.names, name)
            && self
                .labels
                .iter()
                .all(|requirement| requirement.matches(object))
            && self.fields.iter().all(|term| term.matches(object))
    }
}

/// Whether `kind` passes the filter's `event_types`.
#[must_use]
pub fn wants(filter: &Filter, kind: &str) -> bool {
    filter.event_types.is_empty() || filter.event_types.iter().any(|wanted| wanted == kind)
}

/// Whether two filters select the same objects (`event_types` may differ).
#[must_use]
pub fn same_membership(one: &Filter, other: &Filter) -> bool {
    one.namespaces == other.namespaces
        && one.names == other.names
        && one.label_selector == other.label_selector
        && one.field_selector == other.field_selector
}
