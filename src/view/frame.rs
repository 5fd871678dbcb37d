//! Events as bytes: entries of `WatchResponse.frames`.
//!
//! Encoded entries can be put one behind the other: any run of them is a valid message. So what is
//! encoded here once is what every subscriber of the query is sent.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::{Cause, Deliveries, Delivery, View, log::Unit, transition};
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

/// Appends the events of one change; only the last of them carries the token.
pub(super) fn encode_change(
    buffer: &mut BytesMut,
    deliveries: &Deliveries<'_>,
    mut token: String,
    old: bool,
) {
    let mut events = deliveries.iter().flatten().peekable();
    while let Some(delivery) = events.next() {
        let token = if events.peek().is_none() {
            std::mem::take(&mut token)
        } else {
            String::new()
        };
        encode_event(buffer, delivery, token, old);
    }
}

/// Turns changes into what a view shows of them, as one contiguous unit; `None` if it shows nothing.
///
/// `changes` holds whole groups: the position of a group is reached only after its last event, so
/// only that carries a token.
pub(super) fn encode_unit(view: &View, changes: &[Arc<Change>]) -> Option<Unit> {
    let shown: Vec<(&Change, Deliveries<'_>)> = changes
        .iter()
        .map(|change| (&**change, transition(view.query(), change)))
        .filter(|(_, deliveries)| deliveries.iter().any(Option::is_some))
        .collect();
    let size = shown.iter().map(|(_, deliveries)| size_hint(deliveries));
    let mut buffer = BytesMut::with_capacity(size.sum());
    let mut unit = Unit::default();
    for (at, (change, deliveries)) in shown.iter().enumerate() {
        let closes = shown
            .get(at + 1)
            .is_none_or(|(next, _)| next.group_end != change.group_end);
        let position = closes.then(|| change.position.clone());
        let token = position.as_ref().map(|position| view.token(position));
        let token = token.unwrap_or_default();
        encode_change(&mut buffer, deliveries, token, view.query().include_old());
        unit.mark(change.seq, buffer.len(), position);
    }
    unit.bytes = buffer.freeze();
    (!unit.bytes.is_empty()).then_some(unit)
}

/// About how many bytes the events of one change take.
pub(super) fn size_hint(deliveries: &Deliveries<'_>) -> usize {
    const HEAD: usize = 256;
    let size = |delivery: &Delivery<'_>| {
        HEAD + delivery.object.json().len() + delivery.old.map_or(0, |old| old.json().len())
    };
    deliveries.iter().flatten().map(size).sum()
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
