//! G20: every stream ends in a way that its client can act on.

use super::Violation;
use super::case::Case;
use crate::trace::{End, Frame, StreamTrace};

/// Codes with their reasons, and whether they may end a stream that was established.
const ALLOWED: &[(&str, &[&str], bool)] = &[
    ("NOT_FOUND", &["RESOURCE_NOT_SERVED"], true),
    ("FAILED_PRECONDITION", &["NOT_WATCHABLE"], false),
    ("PERMISSION_DENIED", &["ACCESS_DENIED"], true),
    (
        "PERMISSION_DENIED",
        &["RESOURCE_DISABLED", "NAMESPACE_NOT_SERVED"],
        false,
    ),
    ("OUT_OF_RANGE", &["RESOURCE_EXPIRED", "EPOCH_CHANGED"], true),
    ("OUT_OF_RANGE", &["RESOURCE_VERSION_TOO_LARGE"], false),
    ("RESOURCE_EXHAUSTED", &["SLOW_CONSUMER"], true),
    ("RESOURCE_EXHAUSTED", &["QUOTA_EXCEEDED"], false),
    ("UNAVAILABLE", &["DRAINING", "ACCESS_UNVERIFIED"], true),
    (
        "UNAVAILABLE",
        &["NOT_SYNCED", "UPSTREAM_DOWN", "UPSTREAM_FORBIDDEN"],
        false,
    ),
];

/// G20: a status comes from the contract's table, with its reason; OK comes only after a
/// requested timeout and after `Started`, with a last bookmark where there was a position; an
/// established stream that is drained was told so.
/// With `Expectation::crashes` a broken connection (no reason) is forgiven.
#[must_use]
pub fn clean_end(case: &Case<'_>) -> Vec<Violation> {
    let ends = case
        .run
        .streams
        .iter()
        .enumerate()
        .filter_map(|(stream, trace)| {
            let why = unclean(trace, trace.end.as_ref()?, case.expectation.crashes)?;
            Some(
                case.at(stream, trace.frames.len().saturating_sub(1))
                    .says(why),
            )
        });
    ends.collect()
}

fn unclean(trace: &StreamTrace, end: &End, crashes: bool) -> Option<String> {
    let established = !trace.frames.is_empty();
    let End {
        code,
        reason,
        message,
    } = end;
    let allowed = match code.as_str() {
        "OK" => return unplanned(trace),
        "UNAUTHENTICATED" => true,
        "INVALID_ARGUMENT" => !established && !reason.is_empty(),
        _ if crashes && reason.is_empty() => return None,
        _ => ALLOWED.iter().any(|(known, reasons, late)| {
            known == code && reasons.contains(&reason.as_str()) && (*late || !established)
        }),
    };
    if !allowed {
        let when = if established {
            "an established stream"
        } else {
            "a request"
        };
        return Some(format!("{code} ({reason:?}) ended {when}: {message}"));
    }
    if reason == "DRAINING" && established {
        let told = trace
            .frames
            .iter()
            .any(|(_, frame)| *frame == Frame::Draining);
        return (!told).then(|| "drained without a Draining frame".to_owned());
    }
    None
}

fn unplanned(trace: &StreamTrace) -> Option<String> {
    if trace.timeout.is_none() {
        return Some("OK ended a stream that had no timeout".into());
    }
    let Some((_, last)) = trace.frames.last() else {
        return Some("OK ended a stream that had not begun".into());
    };
    let closed = matches!(last, Frame::Bookmark { .. });
    (has_position(trace) && !closed).then(|| format!("OK without a last bookmark, but {last:?}"))
}

/// Whether the stream stood at a position when it ended: not in a snapshot, nor between
/// events that belong together.
fn has_position(trace: &StreamTrace) -> bool {
    let mut position = false;
    for (_, frame) in &trace.frames {
        match frame {
            Frame::Started { outcome, .. } => position = outcome != "SNAPSHOT",
            Frame::Reset { .. } => position = false,
            Frame::SnapshotEnd { .. } => position = true,
            Frame::Event(event) => position = !event.token.is_empty(),
            _ => {}
        }
    }
    position
}
