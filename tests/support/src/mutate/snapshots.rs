//! Mutations of snapshots and of the resets before them.

use fastrand::Rng;

use super::pick::{any, event_mut, live, snapshot};
use crate::evaluate::presentable;
use crate::trace::{Frame, Run, StreamTrace};

fn in_snapshot(trace: &StreamTrace, frame: usize) -> bool {
    snapshot(trace, frame).is_some()
}

/// The place and version of the end of the snapshot that a frame belongs to.
fn end_of(trace: &StreamTrace, frame: usize) -> (usize, u64) {
    let ends = trace
        .frames
        .iter()
        .enumerate()
        .skip(frame)
        .find_map(|(place, (_, frame))| match frame {
            Frame::SnapshotEnd { version, .. } => Some((place, *version)),
            _ => None,
        });
    ends.expect("every snapshot of a good run ends")
}

pub(super) fn object_of_the_future(run: &mut Run, rng: &mut Rng) -> bool {
    let commits = run.truth.commits.clone();
    let later = |trace: &StreamTrace, frame| {
        let (event, (_, version)) = (snapshot(trace, frame)?, end_of(trace, frame));
        let same = |c: &&crate::trace::Commit| c.version > version && c.uid == event.uid;
        let commit = commits.iter().find(same)?;
        Some((commit.version, commit.current.clone()?))
    };
    let fits = |trace: &StreamTrace, frame| later(trace, frame).is_some();
    let Some((stream, frame)) = any(run, rng, fits) else {
        return false;
    };
    let (version, object) = later(&run.streams[stream], frame).expect("it was chosen");
    let event = event_mut(run, (stream, frame));
    event.version = version;
    event.object = presentable(&object, None).to_string();
    true
}

/// The count agrees, so only the truth tells.
pub(super) fn object_missing(run: &mut Run, rng: &mut Rng) -> bool {
    let Some((stream, frame)) = any(run, rng, in_snapshot) else {
        return false;
    };
    let (end, _) = end_of(&run.streams[stream], frame);
    if let Frame::SnapshotEnd { count, .. } = &mut run.streams[stream].frames[end].1 {
        *count -= 1;
    }
    run.streams[stream].frames.remove(frame);
    true
}

pub(super) fn wrong_count(run: &mut Run, rng: &mut Rng) -> bool {
    let Some((stream, frame)) = any(run, rng, in_snapshot) else {
        return false;
    };
    let (end, _) = end_of(&run.streams[stream], frame);
    if let Frame::SnapshotEnd { count, .. } = &mut run.streams[stream].frames[end].1 {
        *count += 1;
    }
    true
}

pub(super) fn wrong_order(run: &mut Run, rng: &mut Rng) -> bool {
    let pair =
        |trace: &StreamTrace, frame| in_snapshot(trace, frame) && in_snapshot(trace, frame + 1);
    let Some((stream, frame)) = any(run, rng, pair) else {
        return false;
    };
    run.streams[stream].frames.swap(frame, frame + 1);
    true
}

pub(super) fn token_inside(run: &mut Run, rng: &mut Rng) -> bool {
    let Some(place) = any(run, rng, in_snapshot) else {
        return false;
    };
    event_mut(run, place).token = "inside".into();
    true
}

pub(super) fn change_inside(run: &mut Run, rng: &mut Rng) -> bool {
    let fits = |trace: &StreamTrace, frame: usize| {
        let end = matches!(trace.frames[frame].1, Frame::SnapshotEnd { .. });
        end && live(trace, frame + 1).is_some()
    };
    let Some((stream, frame)) = any(run, rng, fits) else {
        return false;
    };
    run.streams[stream].frames.swap(frame, frame + 1);
    true
}

/// Takes away the Reset of the first stream that `fits`, and its snapshot if `whole`.
fn untell(run: &mut Run, rng: &mut Rng, name: &str, whole: bool) -> bool {
    let fits = |trace: &StreamTrace, frame: usize| {
        let Frame::Reset { .. } = trace.frames[frame].1 else {
            return false;
        };
        let (end, _) = end_of(trace, frame);
        let told = trace
            .frames
            .iter()
            .take(frame)
            .rev()
            .find_map(|(_, frame)| match frame {
                Frame::Bookmark { version, .. } => Some(*version),
                _ => None,
            });
        let next = (end..trace.frames.len()).find_map(|frame| live(trace, frame));
        // Something must have been lost in between: an object of the snapshot is newer.
        let newer = (frame..end).any(|place| {
            snapshot(trace, place).is_some_and(|event| told.is_none_or(|told| event.version > told))
        });
        trace.subscriber.starts_with(name) && (!whole || (newer && next.is_some()))
    };
    let Some((stream, frame)) = any(run, rng, fits) else {
        return false;
    };
    let (end, _) = end_of(&run.streams[stream], frame);
    let last = if whole { end } else { frame };
    run.streams[stream].frames.drain(frame..=last);
    true
}

pub(super) fn reset_untold(run: &mut Run, rng: &mut Rng) -> bool {
    untell(run, rng, "reset-", true)
}

pub(super) fn reset_untold_after_resume(run: &mut Run, rng: &mut Rng) -> bool {
    untell(run, rng, "late-reset", false)
}

pub(super) fn older_after_reset(run: &mut Run, rng: &mut Rng) -> bool {
    let seen = |trace: &StreamTrace, frame: usize| {
        let event = snapshot(trace, frame)?;
        let reset = trace.frames[..frame]
            .iter()
            .rposition(|(_, f)| matches!(f, Frame::Reset { .. }))?;
        let same = |place: &usize| {
            super::pick::event(trace, *place).is_some_and(|earlier| earlier.uid == event.uid)
        };
        let place = (0..reset).rev().find(same)?;
        super::pick::event(trace, place).map(|earlier| earlier.version)
    };
    let fits = |trace: &StreamTrace, frame| seen(trace, frame).is_some();
    let Some((stream, frame)) = any(run, rng, fits) else {
        return false;
    };
    let version = seen(&run.streams[stream], frame).expect("it was chosen");
    event_mut(run, (stream, frame)).version = version - 1;
    true
}
