//! G15: no reader is led back in time.

use std::collections::HashMap;
use std::time::Duration;

use super::Violation;
use super::case::{Case, token_of};
use crate::trace::Frame;

#[derive(Default)]
struct Seen<'a> {
    until: Duration,
    epoch: &'a str,
    versions: HashMap<&'a str, u64>,
}

/// G15: for one subscriber and one uid the version never decreases: not across messages, resumes,
/// snapshots or replicas, unless a new epoch lies between. Streams of one subscriber that ran at
/// the same time are not compared. A difference of states that its reader left before the token
/// at its end is told again, by whatever way is known then, so what came of it doesn't count.
#[must_use]
pub fn no_time_travel(case: &Case<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut subscribers: HashMap<String, Seen<'_>> = HashMap::new();
    for (stream, trace) in case.run.streams.iter().enumerate() {
        let Some(((begun, _), (ended, _))) = trace.frames.first().zip(trace.frames.last()) else {
            continue;
        };
        let who = format!("{} {:?}", trace.subscriber, trace.filter);
        let seen = subscribers.entry(who).or_default();
        if *begun < seen.until {
            *seen = Seen::default();
        }
        seen.until = *ended;
        let closed = trace
            .frames
            .iter()
            .rposition(|(_, frame)| token_of(frame).is_some());
        for (place, (_, frame)) in trace.frames.iter().enumerate() {
            match frame {
                Frame::Started { epoch, .. } | Frame::Reset { epoch, .. } => {
                    if seen.epoch != epoch {
                        seen.versions.clear();
                    }
                    seen.epoch = epoch;
                }
                Frame::Event(event) => {
                    let last = seen.versions.get(event.uid.as_str()).copied().unwrap_or(0);
                    let left = event.cause == "RESYNC" && closed.is_none_or(|end| place > end);
                    if !left {
                        seen.versions.insert(&event.uid, event.version);
                    }
                    if last > event.version {
                        let why = format!("uid {} at {} after {last}", event.uid, event.version);
                        violations.push(case.at(stream, place).says(why));
                    }
                }
                _ => {}
            }
        }
    }
    violations
}
