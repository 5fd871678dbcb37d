//! G14: a rewound history is a new epoch, and nobody is led across the border unaware.

use super::Violation;
use super::case::{Carrier, Case, epochs};
use crate::trace::{Frame, Start};

/// G14: there are no more epochs than histories; a stream's epoch changes only with a Reset of
/// reason REWOUND, and such a Reset always changes it; a token of an epoch is never resumed in
/// another.
#[must_use]
pub fn epoch(case: &Case<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let (seen, histories) = (epochs(case.run), case.histories.len());
    if seen.len() > histories {
        let message = format!(
            "epochs {seen:?}, but the history was rewound {} times",
            histories - 1
        );
        violations.push(case.everywhere(message));
    }
    for stream in 0..case.run.streams.len() {
        let trace = &case.run.streams[stream];
        let mut current = match &trace.start {
            Start::Token(_) => case
                .parent(stream)
                .and_then(|parent| epoch_at(case, parent)),
            _ => None,
        };
        for (place, (_, frame)) in trace.frames.iter().enumerate() {
            let at = || case.at(stream, place);
            match frame {
                Frame::Started { outcome, epoch } => {
                    let continues = matches!(outcome.as_str(), "RESUMED" | "RESYNCED");
                    if let Some(old) = current.filter(|old| continues && *old != epoch) {
                        let why = format!("a token of epoch {old:?} was resumed in {epoch:?}");
                        violations.push(at().says(why));
                    }
                    current = current.filter(|_| !continues).or(Some(epoch));
                }
                Frame::Reset { reason, epoch } => {
                    let changed = current.is_some_and(|old| old != epoch);
                    if changed != (reason == "REWOUND") {
                        let why = format!("Reset {reason} from epoch {current:?} to {epoch:?}");
                        violations.push(at().says(why));
                    }
                    current = Some(epoch);
                }
                _ => {}
            }
        }
    }
    violations
}

fn epoch_at<'a>(case: &Case<'a>, carrier: Carrier) -> Option<&'a str> {
    let frames = &case.run.streams[carrier.stream].frames[..carrier.frame];
    frames.iter().rev().find_map(|(_, frame)| match frame {
        Frame::Started { epoch, .. } | Frame::Reset { epoch, .. } => Some(epoch.as_str()),
        _ => None,
    })
}
