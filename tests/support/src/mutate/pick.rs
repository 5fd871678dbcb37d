//! Finds places in a run at which a mutation must show.

use fastrand::Rng;

use crate::trace::{Event, Frame, Run, StreamTrace};

/// Place of a stream and of a frame in it.
pub(super) type Place = (usize, usize);

/// A random place among those that `fits`.
pub(super) fn any(
    run: &Run,
    rng: &mut Rng,
    fits: impl Fn(&StreamTrace, usize) -> bool,
) -> Option<Place> {
    let mut places = Vec::new();
    for (stream, trace) in run.streams.iter().enumerate() {
        let frames = 0..trace.frames.len();
        places.extend(
            frames
                .filter(|frame| fits(trace, *frame))
                .map(|frame| (stream, frame)),
        );
    }
    rng.choice(places)
}

/// The event at a place, if it is one.
pub(super) fn event(trace: &StreamTrace, frame: usize) -> Option<&Event> {
    match trace.frames.get(frame) {
        Some((_, Frame::Event(event))) => Some(event),
        _ => None,
    }
}

/// The event at a place if it stands for one change.
pub(super) fn live(trace: &StreamTrace, frame: usize) -> Option<&Event> {
    event(trace, frame).filter(|event| !matches!(event.cause.as_str(), "SNAPSHOT" | "RESYNC"))
}

/// The event at a place if it belongs to a snapshot.
pub(super) fn snapshot(trace: &StreamTrace, frame: usize) -> Option<&Event> {
    event(trace, frame).filter(|event| event.cause == "SNAPSHOT")
}

/// Whether something with a position follows before the next boundary: only then is a hole seen.
pub(super) fn followed(trace: &StreamTrace, frame: usize) -> bool {
    let after = trace.frames.iter().skip(frame + 1).map(|(_, frame)| frame);
    let mut after = after.take_while(|frame| !matches!(frame, Frame::Reset { .. }));
    after.any(|frame| matches!(frame, Frame::Event(_) | Frame::Bookmark { .. }))
}

/// The event at a place, to be changed.
pub(super) fn event_mut(run: &mut Run, (stream, frame): Place) -> &mut Event {
    match &mut run.streams[stream].frames[frame].1 {
        Frame::Event(event) => event,
        other => panic!("the chosen place holds {other:?}, not an event"),
    }
}

/// How the stream began.
pub(super) fn outcome(trace: &StreamTrace) -> &str {
    match trace.frames.first() {
        Some((_, Frame::Started { outcome, .. })) => outcome,
        _ => "",
    }
}
