//! G6: a snapshot is one consistent state.

use super::Violation;
use std::collections::BTreeMap;

use super::case::Case;
use super::history::Prepared;
use super::segment::{Segment, Snapshot};
use crate::evaluate::{object_key, presentable, wants};

/// G6: a snapshot holds exactly the matching objects at its version, ordered by
/// `namespace/name`, without tokens, with the right count, and is followed by changes above it
/// only. Every frame stands where the protocol lets it.
#[must_use]
pub fn snapshots(case: &Case<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for segment in &case.segments {
        let mut say = |frame, message: String| {
            violations.push(case.at(segment.stream, frame).says(message));
        };
        for (frame, what) in &segment.misplaced {
            say(*frame, what.clone());
        }
        if let Some(snapshot) = &segment.snapshot {
            shape(segment, snapshot, &mut say);
            state(case, segment, snapshot, &mut say);
        }
    }
    violations
}

fn shape(segment: &Segment<'_>, snapshot: &Snapshot<'_>, say: &mut impl FnMut(usize, String)) {
    let mut last: Option<String> = None;
    for (frame, event) in &snapshot.events {
        let key = object_key(&event.namespace, &event.name);
        if event.kind != "ADDED" {
            say(*frame, format!("{} of {key} inside a snapshot", event.kind));
        }
        if !event.token.is_empty() {
            say(*frame, format!("{key} hands out a token inside a snapshot"));
        }
        if let Some(last) = last.filter(|last| *last >= key) {
            say(*frame, format!("{key} comes after {last}"));
        }
        last = Some(key);
    }
    let Some((frame, version, count)) = snapshot.end else {
        return;
    };
    if count != snapshot.events.len() as u64 {
        say(
            frame,
            format!(
                "the count is {count}, delivered were {}",
                snapshot.events.len()
            ),
        );
    }
    if let Some((frame, event)) = segment
        .events()
        .next()
        .filter(|(_, e)| e.version <= version)
    {
        say(
            frame,
            format!(
                "a change at {} after a snapshot at {version}",
                event.version
            ),
        );
    }
}

fn state(
    case: &Case<'_>,
    segment: &Segment<'_>,
    snapshot: &Snapshot<'_>,
    say: &mut impl FnMut(usize, String),
) {
    let Some((end, version, _)) = snapshot.end else {
        return;
    };
    let filter = &case.stream(segment).filter;
    let matcher = &case.projection(segment).matcher;
    let state = case.state(segment.history, version);
    let mut expected: BTreeMap<_, _> = state.iter().collect();
    expected
        .retain(|_, o| wants(filter, "ADDED") && matcher.matches(&o.namespace, &o.name, &o.value));
    for (frame, event) in &snapshot.events {
        let key = object_key(&event.namespace, &event.name);
        let Some(object) = expected.remove(&key) else {
            say(
                *frame,
                format!("{key} is no part of the state at {version}"),
            );
            continue;
        };
        if (event.version, &event.uid) != (object.version, &object.uid) {
            let (uid, own) = (&object.uid, object.version);
            let got = format!("uid {} at {}", event.uid, event.version);
            say(
                *frame,
                format!("{key} in the state at {version}: expected uid {uid} at {own}, got {got}"),
            );
        } else if let Some(why) =
            Prepared::new(presentable(&object.value, None)).difference(&event.object)
        {
            say(*frame, format!("{key} in the state at {version}: {why}"));
        }
    }
    for key in expected.keys() {
        say(end, format!("{key} is missing from the state at {version}"));
    }
}
