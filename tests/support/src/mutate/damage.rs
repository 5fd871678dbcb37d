//! Mutations of single events.

use fastrand::Rng;

use super::model::key_of;
use super::pick::{any, event, event_mut, followed, live, outcome, snapshot};
use crate::evaluate::{Matcher, object_key, presentable, wants};
use crate::trace::{Event, Frame, Run, StreamTrace};

/// Removes the event at a place that `fits`.
fn remove(run: &mut Run, rng: &mut Rng, fits: impl Fn(&StreamTrace, usize) -> bool) -> bool {
    let Some((stream, frame)) = any(run, rng, fits) else {
        return false;
    };
    run.streams[stream].frames.remove(frame);
    true
}

/// Changes the event at a place that `fits`.
fn change(
    run: &mut Run,
    rng: &mut Rng,
    fits: impl Fn(&StreamTrace, usize) -> bool,
    how: impl FnOnce(&mut Event),
) -> bool {
    let Some(place) = any(run, rng, fits) else {
        return false;
    };
    how(event_mut(run, place));
    true
}

pub(super) fn drop_event(run: &mut Run, rng: &mut Rng) -> bool {
    // The first event after `now` is nobody's to miss.
    remove(run, rng, |trace, frame| {
        live(trace, frame).is_some() && followed(trace, frame) && outcome(trace) != "FROM_NOW"
    })
}

fn is_resync(trace: &StreamTrace, frame: usize) -> bool {
    event(trace, frame).is_some_and(|event| event.cause == "RESYNC")
}

pub(super) fn resync_lacks_event(run: &mut Run, rng: &mut Rng) -> bool {
    remove(run, rng, |trace, frame| {
        is_resync(trace, frame) && is_resync(trace, frame + 1)
    })
}

pub(super) fn resync_tells_unchanged(run: &mut Run, rng: &mut Rng) -> bool {
    let begins = |trace: &StreamTrace, frame: usize| {
        is_resync(trace, frame) && !is_resync(trace, frame - 1) && wants(&trace.filter, "MODIFIED")
    };
    let Some((stream, frame)) = any(run, rng, begins) else {
        return false;
    };
    let frames = &mut run.streams[stream].frames;
    let (at, held) = (frames[frame].0, frames.iter().take(frame).rev());
    let told: Vec<_> = frames[frame..]
        .iter()
        .filter_map(|(_, frame)| match frame {
            Frame::Event(event) if event.cause == "RESYNC" => Some(event.uid.clone()),
            _ => None,
        })
        .collect();
    let unchanged = { held }.find_map(|(_, frame)| match frame {
        Frame::Event(event) if event.kind != "DELETED" && !told.contains(&event.uid) => Some(event),
        _ => None,
    });
    let Some(mut event) = unchanged.cloned() else {
        return false;
    };
    event.kind = "MODIFIED".into();
    event.cause = "RESYNC".into();
    event.token.clear();
    frames.insert(frame, (at, Frame::Event(event)));
    true
}

pub(super) fn wrong_cause(run: &mut Run, rng: &mut Rng) -> bool {
    let fits = |trace: &StreamTrace, frame| {
        live(trace, frame).is_some_and(|event| event.cause != "CHANGE")
    };
    change(run, rng, fits, |event| event.cause = "CHANGE".into())
}

pub(super) fn swap_events(run: &mut Run, rng: &mut Rng) -> bool {
    let pair = |trace: &StreamTrace, frame: usize| {
        let pair = live(trace, frame).zip(live(trace, frame + 1));
        pair.is_some_and(|(one, other)| one.version < other.version)
    };
    let Some((stream, frame)) = any(run, rng, pair) else {
        return false;
    };
    let frames = &mut run.streams[stream].frames;
    let later = frames[frame + 1].1.clone();
    frames[frame + 1].1 = std::mem::replace(&mut frames[frame].1, later);
    true
}

pub(super) fn duplicate_event(run: &mut Run, rng: &mut Rng) -> bool {
    let Some((stream, frame)) = any(run, rng, |trace, frame| live(trace, frame).is_some()) else {
        return false;
    };
    let frames = &mut run.streams[stream].frames;
    frames.insert(frame + 1, frames[frame].clone());
    true
}

pub(super) fn repeat_across_resume(run: &mut Run, rng: &mut Rng) -> bool {
    let resumed = |trace: &StreamTrace, frame| {
        frame == 0 && trace.subscriber.starts_with("drained") && outcome(trace) == "RESUMED"
    };
    let Some((stream, _)) = any(run, rng, resumed) else {
        return false;
    };
    let before = &run.streams[stream - 1];
    let last = (0..before.frames.len())
        .rev()
        .find_map(|frame| live(before, frame));
    let Some(last) = last.cloned() else {
        return false;
    };
    let frames = &mut run.streams[stream].frames;
    frames.insert(1, (frames[0].0, Frame::Event(last)));
    true
}

pub(super) fn leaving_object_is_new(run: &mut Run, rng: &mut Rng) -> bool {
    let fits =
        |trace: &StreamTrace, frame| live(trace, frame).is_some_and(|event| event.cause == "LEFT");
    let Some(place) = any(run, rng, fits) else {
        return false;
    };
    let version = event_mut(run, place).version;
    let commit = run
        .truth
        .commits
        .iter()
        .find(|commit| commit.version == version);
    let new = commit
        .and_then(|commit| commit.current.clone())
        .expect("it left and still exists");
    event_mut(run, place).object = presentable(&new, None).to_string();
    true
}

/// A creation that the filter must hold back is delivered.
pub(super) fn event_of_unwanted_object(run: &mut Run, rng: &mut Rng) -> bool {
    let commits = run.truth.commits.clone();
    let fits = |trace: &StreamTrace, frame: usize| {
        let Some(event) = live(trace, frame) else {
            return false;
        };
        unwanted(&commits, trace, event.version).is_some() && wants(&trace.filter, "ADDED")
    };
    let Some((stream, frame)) = any(run, rng, fits) else {
        return false;
    };
    let trace = &mut run.streams[stream];
    let version = live(trace, frame).expect("it was chosen").version;
    let (version, uid, object) = unwanted(&commits, trace, version).expect("it was chosen");
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or("").to_owned();
    let (namespace, name, token) = (text("namespace"), text("name"), String::new());
    let (kind, cause) = ("ADDED".to_owned(), "CHANGE".to_owned());
    let (object, old_object) = (presentable(&object, None).to_string(), String::new());
    let event = Event {
        kind,
        cause,
        namespace,
        name,
        uid,
        version,
        token,
        object,
        old_object,
    };
    let at = trace.frames[frame].0;
    trace.frames.insert(frame + 1, (at, Frame::Event(event)));
    true
}

fn unwanted(
    commits: &[crate::trace::Commit],
    trace: &StreamTrace,
    after: u64,
) -> Option<(u64, String, serde_json::Value)> {
    let commit = commits.iter().find(|commit| commit.version > after)?;
    let object = commit
        .current
        .clone()
        .filter(|_| commit.previous.is_none())?;
    let matches = Matcher::new(&trace.filter).matches(&commit.namespace, &commit.name, &object);
    (!matches).then(|| (commit.version, commit.uid.clone(), object))
}

fn is_kind(kind: &str, cause: &str) -> impl Fn(&StreamTrace, usize) -> bool {
    move |trace, frame| {
        live(trace, frame).is_some_and(|event| event.kind == kind && event.cause == cause)
    }
}

pub(super) fn added_for_held(run: &mut Run, rng: &mut Rng) -> bool {
    change(run, rng, is_kind("MODIFIED", "CHANGE"), |event| {
        event.kind = "ADDED".into()
    })
}

pub(super) fn modified_for_entering(run: &mut Run, rng: &mut Rng) -> bool {
    change(run, rng, is_kind("ADDED", "ENTERED"), |event| {
        event.kind = "MODIFIED".into()
    })
}

pub(super) fn skip_after_resume(run: &mut Run, rng: &mut Rng) -> bool {
    remove(run, rng, |trace, frame| {
        let first = (0..frame).all(|before| live(trace, before).is_none());
        first
            && live(trace, frame).is_some()
            && outcome(trace) == "RESUMED"
            && followed(trace, frame)
    })
}

pub(super) fn lose_range(run: &mut Run, rng: &mut Rng) -> bool {
    let fits = |trace: &StreamTrace, frame: usize| {
        let range = frame..frame + 3;
        range.clone().all(|frame| live(trace, frame).is_some())
            && followed(trace, frame + 2)
            && outcome(trace) != "FROM_NOW"
    };
    let Some((stream, frame)) = any(run, rng, fits) else {
        return false;
    };
    run.streams[stream].frames.drain(frame..frame + 3);
    true
}

pub(super) fn bookmark_too_early(run: &mut Run, rng: &mut Rng) -> bool {
    let fits = |trace: &StreamTrace, frame: usize| {
        let bookmark = matches!(trace.frames[frame].1, Frame::Bookmark { .. });
        bookmark && frame > 0 && live(trace, frame - 1).is_some()
    };
    let Some((stream, frame)) = any(run, rng, fits) else {
        return false;
    };
    let frames = &mut run.streams[stream].frames;
    let earlier = frames[frame - 1].1.clone();
    frames[frame - 1].1 = std::mem::replace(&mut frames[frame].1, earlier);
    true
}

/// The bytes mean the same; only the comparison of two streams can see it.
pub(super) fn one_sees_other_bytes(run: &mut Run, rng: &mut Rng) -> bool {
    let others: Vec<_> = run
        .streams
        .iter()
        .filter(|trace| trace.subscriber.starts_with("whole-a"))
        .map(|trace| (trace.filter.clone(), trace.frames.clone()))
        .collect();
    let fits = |trace: &StreamTrace, frame: usize| {
        let Some(event) = live(trace, frame) else {
            return false;
        };
        let same = |(filter, frames): &(_, Vec<(_, Frame)>)| {
            *filter == trace.filter
                && frames
                    .iter()
                    .any(|(_, other)| *other == Frame::Event(event.clone()))
        };
        trace.subscriber.starts_with("whole-b") && others.iter().any(same)
    };
    change(run, rng, fits, |event| event.object.push(' '))
}

/// The last word on an object, that it left the filter, is withheld.
pub(super) fn leaving_untold(run: &mut Run, rng: &mut Rng) -> bool {
    remove(run, rng, |trace, frame| {
        let Some(event) = live(trace, frame).filter(|event| event.cause == "LEFT") else {
            return false;
        };
        let later = trace
            .frames
            .iter()
            .skip(frame + 1)
            .all(|(_, later)| match later {
                Frame::Event(later) => {
                    (&later.namespace, &later.name) != (&event.namespace, &event.name)
                }
                Frame::Reset { .. } => false,
                _ => true,
            });
        later && wants(&trace.filter, "ADDED") && outcome(trace) != "FROM_NOW"
    })
}

fn is_event(trace: &StreamTrace, frame: usize) -> bool {
    live(trace, frame).is_some() || snapshot(trace, frame).is_some()
}

pub(super) fn integer_damaged(run: &mut Run, rng: &mut Rng) -> bool {
    change(run, rng, is_event, |event| {
        event.object = event.object.replace("9007199254740993", "9007199254740992");
    })
}

pub(super) fn kind_first(run: &mut Run, rng: &mut Rng) -> bool {
    change(run, rng, is_event, |event| {
        let (good, bad) = (
            r#""apiVersion":"example.com/v1","kind":"Widget""#,
            r#""kind":"Widget","apiVersion":"example.com/v1""#,
        );
        event.object = event.object.replace(good, bad);
    })
}

pub(super) fn managed_fields_left(run: &mut Run, rng: &mut Rng) -> bool {
    let commits = run.truth.commits.clone();
    let Some(place) = any(run, rng, |trace, frame| {
        live(trace, frame).is_some_and(|event| event.kind != "DELETED")
    }) else {
        return false;
    };
    let event = event_mut(run, place);
    let key = object_key(&event.namespace, &event.name);
    let same = |commit: &&crate::trace::Commit| commit.version == event.version;
    let commit = commits
        .iter()
        .find(same)
        .filter(|commit| key_of(commit) == key);
    let fields = commit
        .and_then(|commit| commit.current.as_ref())
        .expect("it was delivered");
    let left = format!(
        r#"}},"managedFields":{},"#,
        fields["metadata"]["managedFields"]
    );
    event.object = event.object.replacen("},", &left, 1);
    true
}
