//! G17: a subscriber sees what it may see, and nothing after that has ended.

use serde_json::Value;

use super::Violation;
use super::case::Case;
use crate::evaluate::Matcher;
use crate::trace::{Frame, Rights, StreamTrace};

/// G17: every object that a subscriber was given lies within its rights; nothing was written after
/// they had ended; and no stream outlived them. Runs that name no rights say nothing here.
#[must_use]
pub fn authorised(case: &Case<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (stream, trace) in case.run.streams.iter().enumerate() {
        let Some(rights) = case.run.rights.get(&trace.subscriber) else {
            continue;
        };
        let matcher = Matcher::new(&rights.filter);
        for (place, (_, frame)) in trace.frames.iter().enumerate() {
            if let Some(why) = beyond(frame, rights, &matcher) {
                violations.push(case.at(stream, place).says(why));
            }
        }
        if rights.ended_at.is_some() && !is_refused(trace) {
            let last = trace.frames.len().saturating_sub(1);
            let why = format!("the stream outlived its rights, its end is {:?}", trace.end);
            violations.push(case.at(stream, last).says(why));
        }
    }
    violations
}

fn beyond(frame: &Frame, rights: &Rights, matcher: &Matcher) -> Option<String> {
    let Frame::Event(event) = frame else {
        return None;
    };
    let name = format!("{}/{} at {}", event.namespace, event.name, event.version);
    if rights.ended_at.is_some_and(|ended| event.version >= ended) {
        return Some(format!("{name}: written after the rights had ended"));
    }
    let object: Value = serde_json::from_str(&event.object).unwrap_or_default();
    let within = matcher.matches(&event.namespace, &event.name, &object);
    (!within).then(|| format!("{name}: not within the rights"))
}

fn is_refused(trace: &StreamTrace) -> bool {
    let refusals = ["PERMISSION_DENIED", "UNAUTHENTICATED"];
    let end = trace.end.as_ref();
    end.is_some_and(|end| refusals.contains(&end.code.as_str()))
}
