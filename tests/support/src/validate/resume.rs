//! G7: a stream continues exactly where its token stands.

use super::case::{Case, exact};
use super::segment::Segment;
use super::{At, Violation};
use crate::evaluate::same_membership;
use crate::trace::{Frame, Start};

/// G7: a resumed stream continues exactly after the position of its token, or says that it
/// doesn't: by a status, or by outcome SNAPSHOT and Reset. A token stands for one position, is
/// good for one filter only, and is never handed out between two events of one version.
#[must_use]
pub fn resumable(case: &Case<'_>) -> Vec<Violation> {
    let mut violations = ambiguous(case);
    for (place, segment) in case.segments.iter().enumerate() {
        violations.extend(early_token(case, segment));
        if segment.opening != "RESET" {
            let at = case.at(segment.stream, segment.first);
            violations.extend(outcome(case, segment).map(|why| at.clone().says(why)));
            violations.extend(joint(case, segment, place));
        }
    }
    violations
}

fn outcome(case: &Case<'_>, segment: &Segment<'_>) -> Option<String> {
    let trace = case.stream(segment);
    let fits = match (&trace.start, segment.opening) {
        (Start::Snapshot, "SNAPSHOT") | (Start::Now, "FROM_NOW") => true,
        (Start::Version(0), "SNAPSHOT") => true,
        (Start::Version(_) | Start::Token(_), "SNAPSHOT") => {
            let empty = segment
                .snapshot
                .as_ref()
                .is_none_or(|s| s.events.is_empty() && s.end.is_none());
            if segment.resets.is_empty() && !empty {
                return Some("a resume became a snapshot without Reset".into());
            }
            true
        }
        (Start::Version(_) | Start::Token(_), "RESUMED" | "RESYNCED") => true,
        _ => false,
    };
    if !fits {
        return Some(format!(
            "outcome {} for start {:?}",
            segment.opening, trace.start
        ));
    }
    let Start::Token(token) = &trace.start else {
        return None;
    };
    let Some(parent) = case.parent(segment.stream) else {
        return (segment.opening != "SNAPSHOT")
            .then(|| format!("token {token:?} was accepted, but no recorded stream received it"));
    };
    let foreign = !same_membership(&case.run.streams[parent.stream].filter, &trace.filter);
    foreign.then(|| {
        let from = &case.run.streams[parent.stream].subscriber;
        format!("the token of {from} was accepted, though its filter is another")
    })
}

/// The first event after a resume isn't the one that the position demands.
fn joint(case: &Case<'_>, segment: &Segment<'_>, place: usize) -> Option<Violation> {
    if !matches!(segment.opening, "RESUMED" | "RESYNCED") {
        return None;
    }
    let followed = case.followed(place);
    let found = followed
        .divergence
        .as_ref()
        .filter(|found| found.at_begin)?;
    let positions = &followed.origin;
    let why = format!("doesn't continue position {positions:?}: {}", found.message);
    Some(case.at(segment.stream, found.frame).says(why))
}

/// Resuming from a token inside a pair of one version would repeat or miss the second event.
fn early_token(case: &Case<'_>, segment: &Segment<'_>) -> Vec<Violation> {
    let events: Vec<_> = segment.events().collect();
    let pairs = events.windows(2).filter(|pair| {
        let [(_, one), (_, two)] = pair else {
            return false;
        };
        one.version == two.version && !one.token.is_empty()
    });
    let says = |at: At, version| at.says(format!("a token before the last event at {version}"));
    pairs
        .map(|pair| says(case.at(segment.stream, pair[0].0), pair[0].1.version))
        .collect()
}

fn ambiguous(case: &Case<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (token, carriers) in case.tokens() {
        let mut first: Option<u64> = None;
        for carrier in carriers {
            let frame: &Frame = case.frame(*carrier);
            let Some(version) = exact(frame) else {
                continue;
            };
            if let Some(first) = first.filter(|first| *first != version) {
                let why = format!("token {token:?} stands for {first} and for {version}");
                violations.push(case.at(carrier.stream, carrier.frame).says(why));
            }
            first = first.or(Some(version));
        }
    }
    violations
}
