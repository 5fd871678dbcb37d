//! G22: objects are the apiserver's, number by number and key by key.

use super::Violation;
use super::case::Case;
use super::history::{History, Prepared};
use crate::evaluate::{object_key, presentable};
use crate::trace::{Event, Frame};

/// G22: integers keep their spelling, keys their order and unknown fields their place;
/// `apiVersion` and `kind` come first, `metadata.managedFields` doesn't come.
#[must_use]
pub fn faithful_bytes(case: &Case<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for segment in &case.segments {
        let frames = &case.stream(segment).frames;
        let history = &case.histories[segment.history];
        let begins = |place: usize| {
            place > segment.first
                && case
                    .segments_of(segment.stream)
                    .any(|one| one.first == place)
        };
        let rest = frames.iter().enumerate().skip(segment.first);
        for (place, (_, frame)) in rest {
            match frame {
                // Where the next segment begins another history may be in force. A Reset that
                // belongs to the opening begins none.
                Frame::Reset { .. } if begins(place) => break,
                Frame::Event(event) => {
                    let at = || case.at(segment.stream, place);
                    violations.extend(unfaithful(event, history).map(|why| at().says(why)));
                }
                _ => {}
            }
        }
    }
    violations
}

fn unfaithful(event: &Event, history: &History<'_>) -> Option<String> {
    let name = object_key(&event.namespace, &event.name);
    let told = |why: String| format!("{} {name} at {}: {why}", event.kind, event.version);
    if !event.object.trim_start().starts_with("{\"apiVersion\":") {
        let start: String = event.object.chars().take(40).collect();
        return Some(told(format!("expected apiVersion first, got {start}")));
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
    Some(told(first.unwrap_or_else(|| {
        "the apiserver never had such an object".into()
    })))
}
