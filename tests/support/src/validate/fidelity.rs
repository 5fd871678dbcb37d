//! G16: what a reader holds is what there is; nothing deleted lingers.

use std::collections::{BTreeMap, HashMap};

use super::Violation;
use super::case::Case;
use super::replay::{View, replay};
use super::segment::{Item, Segment};
use crate::evaluate::wants;

/// G16: at the end of each stream its reader holds exactly the matching objects at the stream's
/// position, of the right uid (and version, if modifications were asked for). With
/// `Expectation::caught_up` the last stream of each subscriber that wasn't ended by the server
/// must have come to the end of the history.
#[must_use]
pub fn delete_fidelity(case: &Case<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut last: HashMap<&str, usize> = HashMap::new();
    for (stream, trace) in case.run.streams.iter().enumerate() {
        last.insert(&trace.subscriber, stream);
        let Some(place) = case.segments.iter().rposition(|one| one.stream == stream) else {
            continue;
        };
        let segment = &case.segments[place];
        let torn = match segment.items.last() {
            Some(Item::Run(events)) => events.last().is_some_and(|(_, one)| one.token.is_empty()),
            _ => false,
        };
        if segment
            .snapshot
            .as_ref()
            .is_some_and(|snapshot| snapshot.end.is_none())
            || torn
        {
            continue;
        }
        let view = replay(case, stream, None, |_, _, _| {});
        if view.exact {
            violations.extend(differs(case, segment, place, &view));
        }
    }
    if case.expectation.caught_up {
        violations.extend(last.values().filter_map(|stream| behind(case, *stream)));
    }
    violations
}

fn differs(case: &Case<'_>, segment: &Segment<'_>, place: usize, view: &View) -> Option<Violation> {
    let positions = match segment.items.last() {
        Some(Item::Run(events)) => {
            let last = events.last().map_or(0, |(frame, _)| *frame);
            case.followed(place)
                .positions
                .get(&last)
                .cloned()
                .unwrap_or(vec![view.position])
        }
        None if segment.snapshot.is_none() => case.followed(place).origin.clone(),
        _ => vec![view.position],
    };
    let mut found = None;
    for position in positions {
        found = difference(case, segment, position, view);
        found.as_ref()?;
    }
    let frames = case.stream(segment).frames.len();
    found.map(|why| case.at(segment.stream, frames.saturating_sub(1)).says(why))
}

fn difference(
    case: &Case<'_>,
    segment: &Segment<'_>,
    position: u64,
    view: &View,
) -> Option<String> {
    let projection = case.projection(segment);
    let versions = wants(&case.stream(segment).filter, "MODIFIED");
    let state = case.state(segment.history, position);
    let expected: BTreeMap<_, _> = state
        .iter()
        .filter(|(_, o)| projection.matcher.matches(&o.namespace, &o.name, &o.value))
        .collect();
    for (key, object) in &expected {
        match view.objects.get(*key) {
            None => return Some(format!("doesn't hold {key}, which exists at {position}")),
            Some((uid, version)) => {
                if *uid != object.uid || (versions && *version != object.version) {
                    let (wanted, own) = (&object.uid, object.version);
                    let got = format!("uid {uid} at {version}");
                    return Some(format!("holds {key} {got}, expected uid {wanted} at {own}"));
                }
            }
        }
    }
    let lingering = view
        .objects
        .keys()
        .find(|key| !expected.contains_key(key))?;
    Some(format!(
        "still holds {lingering}, which is gone at {position}"
    ))
}

fn behind(case: &Case<'_>, stream: usize) -> Option<Violation> {
    let trace = &case.run.streams[stream];
    let segment = case.segments_of(stream).last()?;
    let projection = case.projection(segment);
    if trace.end.is_some() {
        return None;
    }
    let snapshot = segment.snapshot.as_ref().and_then(|snapshot| snapshot.end);
    let reached = segment.items.iter().map(Item::version).max().unwrap_or(0);
    let place = case.segments.iter().rposition(|one| one.stream == stream)?;
    let origin = case
        .followed(place)
        .origin
        .iter()
        .copied()
        .max()
        .unwrap_or(0);
    let reached = reached.max(snapshot.map_or(origin, |(_, version, _)| version));
    let mut pending = projection.events[projection.after(reached)..].iter();
    let missing = pending.find(|wanted| wants(&trace.filter, wanted.event.kind))?;
    let last = trace.frames.len().saturating_sub(1);
    Some(
        case.at(stream, last)
            .says(format!("never received {missing}; it stands at {reached}")),
    )
}
