//! Mutations of what a subscriber may see.

use fastrand::Rng;

use super::pick::{any, event};
use crate::trace::{End, Run, StreamTrace};

/// A place with an event of a subscriber whose rights are known, and which is not the first.
fn place(run: &Run, rng: &mut Rng) -> Option<(usize, usize)> {
    let fits = |trace: &StreamTrace, frame: usize| {
        event(trace, frame).is_some() && run.rights.contains_key(&trace.subscriber)
    };
    any(run, rng, fits)
}

/// An object is shown that the rights do not cover.
pub(super) fn object_beyond_the_rights(run: &mut Run, rng: &mut Rng) -> bool {
    let Some((stream, frame)) = place(run, rng) else {
        return false;
    };
    let shown = event(&run.streams[stream], frame).map(|event| event.name.clone());
    let others = run.truth.commits.iter().map(|commit| commit.name.clone());
    let others: Vec<_> = others.filter(|name| Some(name) != shown.as_ref()).collect();
    let subscriber = run.streams[stream].subscriber.clone();
    let rights = run.rights.get_mut(&subscriber);
    rights.map(|rights| rights.filter.names = others).is_some()
}

/// A change is shown that was written after the rights had ended.
pub(super) fn event_after_the_rights(run: &mut Run, rng: &mut Rng) -> bool {
    let Some((stream, frame)) = place(run, rng) else {
        return false;
    };
    let version = event(&run.streams[stream], frame).map(|event| event.version);
    let subscriber = run.streams[stream].subscriber.clone();
    for trace in &mut run.streams {
        if trace.subscriber == subscriber {
            trace.end = Some(refusal());
        }
    }
    let rights = run.rights.get_mut(&subscriber);
    rights.map(|rights| rights.ended_at = version).is_some()
}

/// A stream stays open although its rights have ended.
pub(super) fn outlives_the_rights(run: &mut Run, rng: &mut Rng) -> bool {
    let Some((stream, _)) = place(run, rng) else {
        return false;
    };
    let subscriber = run.streams[stream].subscriber.clone();
    run.streams[stream].end = None;
    let rights = run.rights.get_mut(&subscriber);
    rights
        .map(|rights| rights.ended_at = Some(u64::MAX))
        .is_some()
}

fn refusal() -> End {
    End {
        code: "PERMISSION_DENIED".to_owned(),
        reason: "ACCESS_DENIED".to_owned(),
        message: String::new(),
    }
}
