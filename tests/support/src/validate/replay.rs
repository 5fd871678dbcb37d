//! What a subscriber holds after the frames it received, across the streams it resumed.

use std::collections::HashMap;
use std::rc::Rc;

use super::case::{Carrier, Case};
use crate::evaluate::{object_key, wants};
use crate::trace::{Event, Filter, Frame, Start};

/// The objects that a subscriber holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    /// Uid and version by key.
    pub(crate) objects: HashMap<String, (String, u64)>,
    /// Whether the objects are known: not after `now`, nor if additions or deletions were
    /// filtered out.
    pub(crate) exact: bool,
    /// Everything up to here is in it.
    pub(crate) position: u64,
}

/// Whether a filter lets its reader know what it holds.
fn tells(filter: &Filter) -> bool {
    wants(filter, "ADDED") && wants(filter, "DELETED")
}

/// What the subscriber held when `stream` began.
fn inherited(case: &Case<'_>, stream: usize) -> View {
    let trace = &case.run.streams[stream];
    let mut view = match &trace.start {
        Start::Token(_) => case.parent(stream).map_or_else(View::default, |carrier| {
            let known = case
                .views
                .borrow()
                .get(&(carrier.stream, carrier.frame))
                .cloned();
            (*known.unwrap_or_else(|| remember(case, carrier))).clone()
        }),
        Start::Version(version) => at_version(case, stream, *version),
        Start::Snapshot | Start::Now => View::default(),
    };
    view.exact &= tells(&trace.filter);
    view
}

fn at_version(case: &Case<'_>, stream: usize, version: u64) -> View {
    let Some(segment) = case.segments_of(stream).next() else {
        return View::default();
    };
    let projection = case.projection(segment);
    let state = case.state(segment.history, version);
    let objects = state
        .iter()
        .filter(|(_, o)| projection.matcher.matches(&o.namespace, &o.name, &o.value))
        .map(|(key, object)| (key.clone(), (object.uid.clone(), object.version)))
        .collect();
    View {
        objects,
        exact: true,
        position: version,
    }
}

fn remember(case: &Case<'_>, carrier: Carrier) -> Rc<View> {
    let view = Rc::new(replay(
        case,
        carrier.stream,
        Some(carrier.frame),
        |_, _, _| {},
    ));
    case.views
        .borrow_mut()
        .insert((carrier.stream, carrier.frame), Rc::clone(&view));
    view
}

/// Replays a stream on top of what its subscriber held, up to and including the frame `last`.
/// `visit` sees each event outside of snapshots with the view before it.
pub(crate) fn replay(
    case: &Case<'_>,
    stream: usize,
    last: Option<usize>,
    mut visit: impl FnMut(usize, &Event, &View),
) -> View {
    let trace = &case.run.streams[stream];
    let mut view = inherited(case, stream);
    let mut in_snapshot = false;
    let until = last.map_or(trace.frames.len(), |last| last + 1);
    for (place, (_, frame)) in trace.frames[..until].iter().enumerate() {
        match frame {
            Frame::Started { outcome, .. } if outcome == "SNAPSHOT" => {
                in_snapshot = true;
                view = View {
                    exact: tells(&trace.filter),
                    ..View::default()
                };
            }
            Frame::Reset { .. } => {
                in_snapshot = true;
                view = View {
                    exact: tells(&trace.filter),
                    ..View::default()
                };
            }
            Frame::SnapshotEnd { version, .. } => {
                in_snapshot = false;
                view.position = *version;
            }
            Frame::Bookmark { version, .. } => view.position = view.position.max(*version),
            Frame::Event(event) => {
                if !in_snapshot {
                    visit(place, event, &view);
                    view.position = view.position.max(event.version);
                }
                apply(&mut view, event);
            }
            _ => {}
        }
    }
    view
}

fn apply(view: &mut View, event: &Event) {
    let key = object_key(&event.namespace, &event.name);
    if event.kind == "DELETED" {
        view.objects.remove(&key);
    } else {
        view.objects.insert(key, (event.uid.clone(), event.version));
    }
}
