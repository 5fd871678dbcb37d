//! G3: nothing comes twice, also across resumes.

use std::collections::HashSet;

use super::Violation;
use super::case::{Case, exact};
use crate::trace::{Frame, Start};

/// G3: no event twice in one segment, and after a resume none at or below its token.
#[must_use]
pub fn unique(case: &Case<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for segment in &case.segments {
        let mut seen = HashSet::new();
        for (frame, event) in segment.events() {
            let id = (
                &event.namespace,
                &event.name,
                &event.uid,
                event.version,
                &event.kind,
            );
            if !seen.insert(id) {
                let message = format!(
                    "{}/{} at {} twice",
                    event.namespace, event.name, event.version
                );
                violations.push(case.at(segment.stream, frame).says(message));
            }
        }
        let begin = match (&segment.snapshot, &case.stream(segment).start) {
            (Some(snapshot), _) => snapshot.end.map(|(_, version, _)| version),
            (None, Start::Version(version)) => Some(*version),
            (None, Start::Token(_)) => case.parent(segment.stream).and_then(|carrier| {
                let frame = case.frame(carrier);
                exact(frame).or(match frame {
                    Frame::Event(event) => Some(event.version),
                    _ => None,
                })
            }),
            (None, _) => None,
        };
        let Some(begin) = begin else { continue };
        for (frame, event) in segment.events().filter(|(_, event)| event.version <= begin) {
            let message = format!("an event at {} again after position {begin}", event.version);
            violations.push(case.at(segment.stream, frame).says(message));
        }
    }
    violations
}
