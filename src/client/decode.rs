//! Makes typed events of the steps of the protocol.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::{
    Bookmark, Cause, Change, ChangeKind, Event, Notice, ObjectError, SnapshotEnd, Step, WatchError,
    builder::std_duration,
};
use crate::proto::v1;

/// Where in a JSON text, and why, an object could not be read.
pub(crate) struct Unreadable {
    pub(crate) path: String,
    pub(crate) reason: String,
}

/// Reads one object.
///
/// Paths cost an allocation per key, so they are looked for only when something is wrong.
pub(crate) fn read<K: DeserializeOwned>(json: &[u8]) -> Result<K, Unreadable> {
    let plain = match serde_json::from_slice(json) {
        Ok(object) => return Ok(object),
        Err(error) => error,
    };
    let mut json = serde_json::Deserializer::from_slice(json);
    let found = serde_path_to_error::deserialize::<_, K>(&mut json).err();
    // Without an error of its own the second reading stopped before what follows the object.
    Err(match found {
        Some(error) => Unreadable {
            path: error.path().to_string(),
            reason: error.inner().to_string(),
        },
        None => Unreadable {
            path: ".".to_owned(),
            reason: plain.to_string(),
        },
    })
}

/// The event that a step stands for; `None` for events of a type that this client doesn't know.
pub(crate) fn event<K: DeserializeOwned>(step: Step) -> Option<Result<Event<K>, WatchError>> {
    let event = match step {
        Step::Event(event) => {
            let change = change(event)?;
            return Some(change.map_err(|error| WatchError::Object(Box::new(error))));
        }
        Step::SnapshotEnd(end) => Event::SnapshotEnd(SnapshotEnd {
            resource_version: end.resource_version,
            count: Some(end.count),
        }),
        Step::Bookmark(bookmark) => Event::Bookmark(Bookmark {
            resource_version: bookmark.resource_version,
            upstream_silence: bookmark.upstream_silence.and_then(std_duration),
        }),
        Step::Reset(reason) => Event::Reset(reason),
        Step::Started(started) => Event::Notice(Notice::Started(started)),
        Step::UpstreamState(state) => Event::Notice(Notice::UpstreamState(state)),
        Step::Draining(draining) => Event::Notice(Notice::Draining(draining)),
        Step::Disconnected { error, retry_in } => {
            Event::Notice(Notice::Disconnected { error, retry_in })
        }
    };
    Some(Ok(event))
}

fn change<K: DeserializeOwned>(event: v1::Event) -> Option<Result<Event<K>, ObjectError>> {
    let kind = match event.r#type() {
        v1::EventType::Added => ChangeKind::Added,
        v1::EventType::Modified => ChangeKind::Modified,
        v1::EventType::Deleted => ChangeKind::Deleted,
        v1::EventType::Unspecified => return None,
    };
    let cause = cause(event.cause());
    let objects = read(&event.object).and_then(|object| {
        let old = match &*event.old_object {
            [] => None,
            old => Some(Arc::new(read(old)?)),
        };
        Ok((Arc::new(object), old))
    });
    Some(match objects {
        Ok((object, old)) => Ok(Event::of(
            kind,
            Change {
                object,
                old,
                cause,
                namespace: event.namespace,
                name: event.name,
                uid: event.uid,
                resource_version: event.resource_version,
            },
        )),
        Err(Unreadable { path, reason }) => Err(ObjectError {
            kind,
            cause,
            namespace: event.namespace,
            name: event.name,
            uid: event.uid,
            resource_version: event.resource_version,
            path,
            reason,
        }),
    })
}

fn cause(cause: v1::EventCause) -> Cause {
    match cause {
        v1::EventCause::Change => Cause::Change,
        v1::EventCause::Snapshot => Cause::Snapshot,
        v1::EventCause::Entered => Cause::Entered,
        v1::EventCause::Left => Cause::Left,
        v1::EventCause::Resync => Cause::Resync,
        v1::EventCause::Unspecified => Cause::Unknown,
    }
}
