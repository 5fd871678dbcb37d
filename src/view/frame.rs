//! Events as bytes: entries of `WatchResponse.frames`.
//!
//! Encoded entries can be put one behind the other: any run of them is a valid message. So what is
//! encoded here once is what every subscriber of the query is sent.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::{Cause, Delivery, View, log::Unit, transition};
use crate::{proto::v1, selector::EventType, store::Change};

/// The field number of `WatchResponse.frames`.
const FRAMES: u32 = 1;

/// Appends one event.
pub(super) fn encode_event(
    buffer: &mut BytesMut,
    delivery: &Delivery<'_>,
    token: String,
    old: bool,
) {
    let object = delivery.object;
    let old_object = delivery
        .old
        .filter(|_| old)
        .map_or_else(Bytes::new, |o| o.json().clone());
    let event = v1::Event {
        r#type: event_type(delivery.event).into(),
        cause: cause(delivery.cause).into(),
        namespace: object.namespace().to_owned(),
        name: object.name().to_owned(),
        uid: object.uid().to_owned(),
        resource_version: delivery.version.to_string(),
        resume_token: token,
        object: object.json_at(delivery.version),
        old_object,
    };
    let frame = v1::Frame {
        frame: Some(v1::frame::Frame::Event(event)),
    };
    prost::encoding::message::encode(FRAMES, &frame, buffer);
}

/// Turns changes into what a view shows of them, as one contiguous unit; `None` if it shows nothing.
///
/// `changes` holds whole groups: the position of a group is reached only after its last event, so
/// only that carries a token.
pub(super) fn encode_unit(view: &View, changes: &[Arc<Change>]) -> Option<Unit> {
    let mut unit = Unit::default();
    let mut buffer = BytesMut::new();
    encode_each(view, changes, &mut buffer, |change, closes, buffer| {
        unit.mark(
            change.seq,
            buffer.len(),
            closes.then(|| change.position.clone()),
        );
    });
    unit.bytes = buffer.freeze();
    (!unit.bytes.is_empty()).then_some(unit)
}

/// Encodes changes (whole groups) for one reader that comes from further back than the view's log
/// reaches, in pieces of about `max` bytes.
pub fn encode_changes(view: &View, changes: &[Arc<Change>], max: usize) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    let mut buffer = BytesMut::new();
    encode_each(view, changes, &mut buffer, |_, _, buffer| {
        if buffer.len() >= max {
            pieces.push(buffer.split().freeze());
        }
    });
    if !buffer.is_empty() {
        pieces.push(buffer.freeze());
    }
    pieces
}

/// Appends the events of `changes` to `buffer`; calls `after` behind each, with whether it closes
/// its group.
fn encode_each(
    view: &View,
    changes: &[Arc<Change>],
    buffer: &mut BytesMut,
    mut after: impl FnMut(&Change, bool, &mut BytesMut),
) {
    let shown: Vec<(&Change, Delivery<'_>)> = changes
        .iter()
        .flat_map(|change| {
            transition(view.query(), change)
                .into_iter()
                .flatten()
                .map(|d| (&**change, d))
        })
        .collect();
    buffer.reserve(shown.iter().map(|(_, delivery)| size_hint(delivery)).sum());
    for (at, (change, delivery)) in shown.iter().enumerate() {
        let closes = shown
            .get(at + 1)
            .is_none_or(|(next, _)| next.group_end != change.group_end);
        let token = if closes {
            view.token(&change.position)
        } else {
            String::new()
        };
        encode_event(buffer, delivery, token, view.query().include_old());
        after(change, closes, buffer);
    }
}

fn size_hint(delivery: &Delivery<'_>) -> usize {
    const HEAD: usize = 256;
    HEAD + delivery.object.json().len() + delivery.old.map_or(0, |old| old.json().len())
}

fn event_type(event: EventType) -> v1::EventType {
    match event {
        EventType::Added => v1::EventType::Added,
        EventType::Modified => v1::EventType::Modified,
        EventType::Deleted => v1::EventType::Deleted,
    }
}

fn cause(cause: Cause) -> v1::EventCause {
    match cause {
        Cause::Change => v1::EventCause::Change,
        Cause::Snapshot => v1::EventCause::Snapshot,
        Cause::Entered => v1::EventCause::Entered,
        Cause::Left => v1::EventCause::Left,
        Cause::Resync => v1::EventCause::Resync,
    }
}
