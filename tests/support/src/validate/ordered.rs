//! G2: versions strictly increase outside snapshots.

use super::Violation;
use super::case::Case;
use crate::trace::Event;

/// G2: on a stream, outside snapshots, versions strictly increase. Only events of one difference
/// and the two events of an object that was replaced may share a version.
#[must_use]
pub fn ordered(case: &Case<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for segment in &case.segments {
        let mut last: Option<&Event> = None;
        for (frame, event) in segment.events() {
            if let Some(last) = last.filter(|last| !may_follow(last, event)) {
                let message = format!("version {} after {}", event.version, last.version);
                violations.push(case.at(segment.stream, frame).says(message));
            }
            last = Some(event);
        }
    }
    violations
}

fn may_follow(last: &Event, event: &Event) -> bool {
    if event.version > last.version {
        return true;
    }
    let resynced = last.cause == "RESYNC" && event.cause == "RESYNC";
    event.version == last.version && (resynced || is_replacement(last, event))
}

/// Whether the two events are the deletion of an object and the addition of its successor.
pub(super) fn is_replacement(last: &Event, event: &Event) -> bool {
    let same = (&last.namespace, &last.name) == (&event.namespace, &event.name);
    same && last.kind == "DELETED" && event.kind == "ADDED" && last.uid != event.uid
}
