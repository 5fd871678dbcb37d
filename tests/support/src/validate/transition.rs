//! G5: an event's type fits what the reader holds.

use super::Violation;
use super::case::Case;
use super::replay::replay;
use crate::evaluate::object_key;
use crate::trace::Event;

/// G5: MODIFIED and DELETED come only for what the reader holds, ADDED only for what it doesn't;
/// and each type is the one that the table of transitions gives. Where `event_types` or a start
/// at `now` hide what the reader holds, only the table is checked.
#[must_use]
pub fn transitions(case: &Case<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for stream in 0..case.run.streams.len() {
        replay(case, stream, None, |frame, event, view| {
            let held = view.objects.get(&object_key(&event.namespace, &event.name));
            let held = held.map(|(uid, _)| uid.as_str());
            if let Some(why) = wrong(event, held).filter(|_| view.exact) {
                violations.push(case.at(stream, frame).says(why));
            }
        });
    }
    for segment in &case.segments {
        let projection = case.projection(segment);
        for (frame, event) in segment
            .events()
            .filter(|(_, event)| event.cause != "RESYNC")
        {
            let same = |uid: &str| uid == event.uid;
            let wanted = projection
                .at(event.version)
                .iter()
                .find(|one| same(&one.event.uid));
            let wanted = wanted
                .map(|one| one.event.kind)
                .filter(|kind| *kind != event.kind);
            if let Some(kind) = wanted {
                let message = format!("{} at {}, expected {kind}", event.kind, event.version);
                violations.push(case.at(segment.stream, frame).says(message));
            }
        }
    }
    violations
}

fn wrong(event: &Event, held: Option<&str>) -> Option<String> {
    let name = format!(
        "{} {}/{} at {}",
        event.kind, event.namespace, event.name, event.version
    );
    match (event.kind.as_str(), held) {
        ("ADDED", Some(uid)) => Some(format!("{name}: the reader holds it already (uid {uid})")),
        ("MODIFIED" | "DELETED", None) => Some(format!("{name}: the reader doesn't hold it")),
        ("MODIFIED" | "DELETED", Some(uid)) if uid != event.uid => Some(format!(
            "{name}: of uid {}, the reader holds uid {uid}",
            event.uid
        )),
        ("ADDED" | "MODIFIED" | "DELETED", _) => None,
        _ => Some(format!("{name}: no such type")),
    }
}
