//! G22: objects are the apiserver's, number by number and key by key.

use std::collections::HashSet;

use super::Violation;
use super::case::Case;
use super::history::{History, Prepared};
use super::sound::{Told, told};
use crate::evaluate::{object_key, presentable};
use crate::trace::Event;

/// G22: integers keep their spelling, keys their order and unknown fields their place;
/// `apiVersion` and `kind` come first, `metadata.managedFields` doesn't come.
#[must_use]
pub fn faithful_bytes(case: &Case<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    // Many streams deliver the same: each event is judged once.
    let mut faithful: HashSet<(usize, Told<'_>)> = HashSet::new();
    for segment in &case.segments {
        let history = &case.histories[segment.history];
        let snapshot = segment
            .snapshot
            .as_ref()
            .map_or(&[][..], |snapshot| &snapshot.events);
        for (place, event) in snapshot.iter().copied().chain(segment.events()) {
            if faithful.contains(&(segment.history, told(event))) {
                continue;
            }
            match unfaithful(event, history) {
                Some(why) => violations.push(case.at(segment.stream, place).says(why)),
                None => {
                    faithful.insert((segment.history, told(event)));
                }
            }
        }
    }
    violations
}

fn unfaithful(event: &Event, history: &History<'_>) -> Option<String> {
    let name = object_key(&event.namespace, &event.name);
    let says = |why: String| format!("{} {name} at {}: {why}", event.kind, event.version);
    if !event.object.trim_start().starts_with("{\"apiVersion\":") {
        let start: String = event.object.chars().take(40).collect();
        return Some(says(format!("expected apiVersion first, got {start}")));
    }
    let of_uid = |value: &&serde_json::Value| value["metadata"]["uid"] == event.uid.as_str();
    let (candidates, restamp): (Vec<_>, _) = if event.kind == "DELETED" {
        // Which state it must be is a matter of the filter; that it is one isn't.
        let before = |version: u64| version < event.version;
        let states = history
            .of(&name)
            .rev()
            .filter(|commit| before(commit.version));
        (
            states
                .filter_map(|commit| commit.current.as_ref())
                .collect(),
            Some(event.version),
        )
    } else {
        let states = history
            .of(&name)
            .filter(|commit| commit.version == event.version);
        (
            states
                .filter_map(|commit| commit.current.as_ref())
                .collect(),
            None,
        )
    };
    let mut first = None;
    for state in candidates.into_iter().filter(of_uid) {
        let why = Prepared::new(presentable(state, restamp)).difference(&event.object)?;
        first = first.or(Some(why));
    }
    Some(says(first.unwrap_or_else(|| {
        "the apiserver never had such an object".into()
    })))
}
