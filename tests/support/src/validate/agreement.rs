//! G12: the same filter yields the same sequence for everyone.

use std::collections::HashMap;

use super::Violation;
use super::case::Case;
use super::segment::Segment;
use crate::trace::Event;

/// G12: two streams of one filter deliver the same events, byte for byte, wherever both were
/// present; also across replicas. Nothing but the streams is consulted. Segments with differences
/// of states, and the ranges of known gaps, are left out: there streams may rightly differ.
#[must_use]
pub fn agreement(case: &Case<'_>) -> Vec<Violation> {
    let mut groups: HashMap<String, Vec<Window<'_>>> = HashMap::new();
    for (place, segment) in case.segments.iter().enumerate() {
        let filter = &case.stream(segment).filter;
        if let Some(window) = window(case, segment, place) {
            groups
                .entry(format!("{} {filter:?}", segment.history))
                .or_default()
                .push(window);
        }
    }
    let mut violations = Vec::new();
    for group in groups.values() {
        let longest = group.iter().max_by_key(|window| window.events.len());
        for window in group {
            violations.extend(longest.and_then(|longest| window.disagrees(longest, case)));
        }
    }
    violations
}

struct Window<'a> {
    stream: usize,
    begin: u64,
    end: u64,
    events: Vec<(usize, &'a Event)>,
}

fn window<'a>(case: &Case<'a>, segment: &Segment<'a>, place: usize) -> Option<Window<'a>> {
    if segment.has_runs() || segment.opening == "RESYNCED" {
        return None;
    }
    let begin = case.followed(place).origin.iter().copied().max()?;
    let end = segment
        .items
        .iter()
        .map(super::segment::Item::version)
        .max()?;
    let hidden = |event: &Event| {
        case.run
            .gaps
            .iter()
            .any(|gap| (gap.from..=gap.to).contains(&event.version))
    };
    let events = segment
        .events()
        .filter(|(_, event)| !hidden(event))
        .collect();
    Some(Window {
        stream: segment.stream,
        begin,
        end,
        events,
    })
}

impl<'a> Window<'a> {
    fn within(&self, begin: u64, end: u64) -> impl Iterator<Item = &(usize, &'a Event)> {
        let inside = move |version| begin < version && version <= end;
        self.events
            .iter()
            .filter(move |(_, event)| inside(event.version))
    }

    fn disagrees(&self, other: &Window<'_>, case: &Case<'_>) -> Option<Violation> {
        let (begin, end) = (self.begin.max(other.begin), self.end.min(other.end));
        let name = &case.run.streams[other.stream].subscriber;
        let mut theirs = other.within(begin, end);
        for (frame, event) in self.within(begin, end) {
            let at = || case.at(self.stream, *frame);
            let Some((_, their)) = theirs.next() else {
                return Some(at().says(format!("{} isn't seen by {name}", told(event))));
            };
            if head(event) != head(their) {
                return Some(at().says(format!(
                    "{} where {name} saw {}",
                    told(event),
                    told(their)
                )));
            }
            if event.object != their.object {
                return Some(at().says(format!("{}: another object than {name} saw", told(event))));
            }
        }
        let (_, their) = theirs.next()?;
        let last = self.events.last().map_or(0, |(frame, _)| *frame);
        Some(
            case.at(self.stream, last)
                .says(format!("{name} also saw {}", told(their))),
        )
    }
}

fn head(event: &Event) -> (&str, &str, &str, &str, &str, u64) {
    let Event {
        kind,
        cause,
        namespace,
        name,
        uid,
        version,
        ..
    } = event;
    (kind, cause, namespace, name, uid, *version)
}

fn told(event: &Event) -> String {
    let Event {
        kind,
        cause,
        namespace,
        name,
        uid,
        version,
        ..
    } = event;
    format!("{kind}/{cause} {namespace}/{name} uid {uid} at {version}")
}
