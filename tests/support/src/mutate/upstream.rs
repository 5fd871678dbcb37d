//! Mutations of what isn't an event: tokens, bookmarks, times, epochs, ends, requests.

use std::time::Duration;

use fastrand::Rng;

use super::pick::{any, outcome};
use crate::trace::{End, Frame, Run, Start, StreamTrace};

const LONG: Duration = Duration::from_secs(10);

fn is_bookmark(trace: &StreamTrace, frame: usize) -> bool {
    matches!(trace.frames[frame].1, Frame::Bookmark { .. })
}

/// A stream is resumed with the token of another filter.
pub(super) fn foreign_token(run: &mut Run, rng: &mut Rng) -> bool {
    let fits = |trace: &StreamTrace, frame| {
        frame == 0
            && matches!(trace.start, Start::Token(_))
            && trace.filter != run.streams[0].filter
    };
    let Some((stream, _)) = any(run, rng, fits) else {
        return false;
    };
    let token = run.streams[0]
        .frames
        .iter()
        .rev()
        .find_map(|(_, frame)| match frame {
            Frame::Bookmark { token, .. } => Some(token.clone()),
            _ => None,
        });
    let Some(token) = token else { return false };
    run.streams[stream].start = Start::Token(token);
    true
}

pub(super) fn token_of_two_positions(run: &mut Run, rng: &mut Rng) -> bool {
    let Some((stream, frame)) = any(run, rng, is_bookmark) else {
        return false;
    };
    let other = run.streams[stream]
        .frames
        .iter()
        .find_map(|(_, frame)| match frame {
            Frame::SnapshotEnd { token, .. } => Some(token.clone()),
            _ => None,
        });
    let Some(other) = other else { return false };
    match &mut run.streams[stream].frames[frame].1 {
        Frame::Bookmark { token, .. } if *token != other => *token = other,
        _ => return false,
    }
    true
}

pub(super) fn bookmark_goes_back(run: &mut Run, rng: &mut Rng) -> bool {
    let fits = |trace: &StreamTrace, frame: usize| {
        let before = trace.frames[..frame].iter();
        let mut before = before
            .rev()
            .take_while(|(_, f)| !matches!(f, Frame::Reset { .. }));
        is_bookmark(trace, frame) && before.any(|(_, f)| matches!(f, Frame::Bookmark { .. }))
    };
    let Some((stream, frame)) = any(run, rng, fits) else {
        return false;
    };
    if let Frame::Bookmark { version, .. } = &mut run.streams[stream].frames[frame].1 {
        *version = 1;
    }
    true
}

pub(super) fn silence_between(run: &mut Run, rng: &mut Rng) -> bool {
    let Some((stream, frame)) = any(run, rng, |_, frame| frame > 0) else {
        return false;
    };
    for (at, _) in &mut run.streams[stream].frames[frame..] {
        *at += LONG;
    }
    true
}

pub(super) fn silence_at_the_end(run: &mut Run, rng: &mut Rng) -> bool {
    let Some((stream, _)) = any(run, rng, |_, frame| frame == 0) else {
        return false;
    };
    run.streams[stream].ended = run.streams[stream].ended.map(|ended| ended + LONG);
    true
}

pub(super) fn second_watch(run: &mut Run, _: &mut Rng) -> bool {
    let mut second = run.requests[1].clone();
    second.started += LONG;
    run.requests.push(second);
    true
}

/// Not at the same time: a watch that nobody needs is one too many whenever it is open.
pub(super) fn watch_of_a_namespace(run: &mut Run, _: &mut Rng) -> bool {
    let request = &mut run.requests[2];
    request.uri = request.uri.replace("/widgets", "/namespaces/a/widgets");
    true
}

pub(super) fn second_list(run: &mut Run, _: &mut Rng) -> bool {
    run.requests.push(run.requests[0].clone());
    true
}

pub(super) fn resumed_in_other_epoch(run: &mut Run, rng: &mut Rng) -> bool {
    let fits = |trace: &StreamTrace, frame| {
        frame == 0 && outcome(trace) == "RESUMED" && matches!(trace.start, Start::Token(_))
    };
    let Some((stream, frame)) = any(run, rng, fits) else {
        return false;
    };
    if let Frame::Started { epoch, .. } = &mut run.streams[stream].frames[frame].1 {
        *epoch = "e2".into();
    }
    true
}

pub(super) fn rewound_in_same_epoch(run: &mut Run, rng: &mut Rng) -> bool {
    let fits =
        |trace: &StreamTrace, frame: usize| matches!(trace.frames[frame].1, Frame::Reset { .. });
    let Some((stream, frame)) = any(run, rng, fits) else {
        return false;
    };
    if let Frame::Reset { reason, .. } = &mut run.streams[stream].frames[frame].1 {
        *reason = "REWOUND".into();
    }
    true
}

fn ends_with(code: &'static str) -> impl Fn(&StreamTrace, usize) -> bool {
    move |trace, frame| frame == 0 && trace.end.as_ref().is_some_and(|end| end.code == code)
}

pub(super) fn ok_without_timeout(run: &mut Run, rng: &mut Rng) -> bool {
    let Some((stream, _)) = any(run, rng, ends_with("OK")) else {
        return false;
    };
    run.streams[stream].timeout = None;
    true
}

pub(super) fn ok_without_bookmark(run: &mut Run, rng: &mut Rng) -> bool {
    let fits = |trace: &StreamTrace, frame: usize| {
        let last = frame + 1 == trace.frames.len() && frame > 0;
        last && ends_with("OK")(trace, 0) && !is_bookmark(trace, frame - 1)
    };
    let Some((stream, _)) = any(run, rng, fits) else {
        return false;
    };
    run.streams[stream].frames.pop();
    true
}

pub(super) fn ok_before_the_begin(run: &mut Run, rng: &mut Rng) -> bool {
    let Some((stream, _)) = any(run, rng, ends_with("OK")) else {
        return false;
    };
    run.streams[stream].frames.clear();
    true
}

pub(super) fn internal_error(run: &mut Run, rng: &mut Rng) -> bool {
    let Some((stream, _)) = any(run, rng, |_, frame| frame == 0) else {
        return false;
    };
    let text = String::new;
    run.streams[stream].end = Some(End {
        code: "INTERNAL".into(),
        reason: text(),
        message: text(),
    });
    true
}

pub(super) fn drained_untold(run: &mut Run, rng: &mut Rng) -> bool {
    let Some((stream, _)) = any(run, rng, ends_with("UNAVAILABLE")) else {
        return false;
    };
    run.streams[stream]
        .frames
        .retain(|(_, frame)| *frame != Frame::Draining);
    true
}

pub(super) fn nothing_happened(run: &mut Run, _: &mut Rng) -> bool {
    for trace in &mut run.streams {
        trace
            .frames
            .retain(|(_, frame)| !matches!(frame, Frame::Event(_)));
    }
    true
}
