//! G4: everything delivered passes the filter, by the judge's own reading of it.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::Violation;
use super::case::Case;
use crate::evaluate::{Matcher, wants};
use crate::trace::{Event, Filter, Frame};

/// G4: the object that an event carries matches the filter (for DELETED that is the last
/// matching state), is the object that the event names, and the type was asked for.
#[must_use]
pub fn filter_sound(case: &Case<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    // Many streams deliver the same: each event is judged once per filter.
    let mut judged: HashMap<String, (Matcher, HashSet<Told<'_>>)> = HashMap::new();
    for (stream, trace) in case.run.streams.iter().enumerate() {
        let filter = judged.entry(format!("{:?}", trace.filter));
        let (matcher, sound) =
            filter.or_insert_with(|| (Matcher::new(&trace.filter), HashSet::new()));
        for (place, (_, frame)) in trace.frames.iter().enumerate() {
            let Frame::Event(event) = frame else { continue };
            if sound.contains(&told(event)) {
                continue;
            }
            match unsound(event, &trace.filter, matcher) {
                Some(why) => violations.push(case.at(stream, place).says(why)),
                None => {
                    sound.insert(told(event));
                }
            }
        }
    }
    violations
}

/// Everything in an event that its soundness depends on.
pub(super) type Told<'a> = (&'a str, &'a str, &'a str, &'a str, u64, &'a str);

pub(super) fn told(event: &Event) -> Told<'_> {
    let Event {
        kind,
        namespace,
        name,
        uid,
        version,
        object,
        ..
    } = event;
    (kind, namespace, name, uid, *version, object)
}

fn unsound(event: &Event, filter: &Filter, matcher: &Matcher) -> Option<String> {
    let name = format!(
        "{} {}/{} at {}",
        event.kind, event.namespace, event.name, event.version
    );
    if !wants(filter, &event.kind) {
        return Some(format!("{name}: the type wasn't asked for"));
    }
    let Ok(object) = serde_json::from_str::<Value>(&event.object) else {
        return Some(format!("{name}: the object is no JSON"));
    };
    for (field, said) in [
        ("namespace", &event.namespace),
        ("name", &event.name),
        ("uid", &event.uid),
        ("resourceVersion", &event.version.to_string()),
    ] {
        let carried = object["metadata"][field].as_str().unwrap_or("");
        if carried != said {
            return Some(format!(
                "{name}: metadata.{field} is {carried:?}, the event says {said:?}"
            ));
        }
    }
    let matches = matcher.matches(&event.namespace, &event.name, &object);
    (!matches).then(|| format!("{name}: the object doesn't match the filter"))
}
