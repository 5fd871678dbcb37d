//! Events as bytes: entries of `WatchResponse.frames`.
//!
//! Encoded entries can be put one behind the other: any run of them is a valid message. So what is
//! encoded here once is what every subscriber of the query is sent.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::{
    Cause, Deliveries, Delivery, View,
    budget::MESSAGE_BYTES,
    transition,
    unit::{Draft, Unit},
};
use crate::{
    proto::v1,
    selector::EventType,
    store::{Change, Seq},
};

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

/// What a view shows of changes.
pub(super) enum Shown {
    Nothing,
    /// Events, in units that are no longer than a message.
    Units(Vec<Unit>),
    /// Events that there is no room for: the first and the last change that led to them.
    TooMuch(Seq, Seq),
}

/// Turns changes into what a view shows of them. `has_room` says whether so many bytes may be kept;
/// if not, nothing is encoded: whoever reads finds the changes in the history.
///
/// `changes` holds whole groups: the position of a group is reached only after its last event, so
/// only that carries a token.
pub(super) fn encode_units(
    view: &View,
    changes: &[Arc<Change>],
    has_room: impl FnOnce(usize) -> bool,
) -> Shown {
    let shown: Vec<(&Change, Deliveries<'_>)> = changes
        .iter()
        .map(|change| (&**change, transition(view.query(), change)))
        .filter(|(_, deliveries)| deliveries.iter().any(Option::is_some))
        .collect();
    let (Some((first, _)), Some((last, _))) = (shown.first(), shown.last()) else {
        return Shown::Nothing;
    };
    let old = view.query().include_old();
    let sizes = shown
        .iter()
        .map(|(_, deliveries)| size_hint(deliveries, old));
    let mut left: usize = sizes.sum();
    if !has_room(left) {
        return Shown::TooMuch(first.seq, last.seq);
    }
    let mut units = Vec::new();
    let mut draft = Draft::new(first.seq.back(1), left.min(MESSAGE_BYTES));
    for (at, (change, deliveries)) in shown.iter().enumerate() {
        let size = size_hint(deliveries, old);
        if !draft.buffer.is_empty() && draft.buffer.len() + size > MESSAGE_BYTES {
            let next = Draft::new(change.seq.back(1), left.min(MESSAGE_BYTES));
            units.push(std::mem::replace(&mut draft, next));
        }
        left = left.saturating_sub(size);
        let closes = shown
            .get(at + 1)
            .is_none_or(|(next, _)| next.group_end != change.group_end);
        let position = closes.then(|| change.position.clone());
        let token = position.as_ref().map(|position| view.token(position));
        let token = token.unwrap_or_default();
        encode_change(&mut draft.buffer, deliveries, token, old);
        draft.mark(change.seq, position);
    }
    units.push(draft);
    let finish = |draft: Draft| draft.finish(|buffer| view.budget().track(buffer));
    Shown::Units(units.into_iter().filter_map(finish).collect())
}

/// About how many bytes the events of one change take.
pub(super) fn size_hint(deliveries: &Deliveries<'_>, old: bool) -> usize {
    const HEAD: usize = 256;
    let size = |delivery: &Delivery<'_>| {
        let old = delivery.old.filter(|_| old);
        HEAD + delivery.object.json().len() + old.map_or(0, |old| old.json().len())
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
