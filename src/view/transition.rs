//! From a change of an object to an event of a subscription.

use crate::{
    resource::{Object, ResourceVersion},
    selector::{EventType, Query},
    store::{Change, ChangeCause},
};

/// Why an event is delivered. `informerd.v1.EventCause` documents the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Created, deleted, or changed while it matched before and after.
    Change,
    /// Part of a snapshot.
    Snapshot,
    /// Existed before and came to match.
    Entered,
    /// Exists but ceased to match.
    Left,
    /// Found by comparing two states.
    Resync,
}

/// One event, before it is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery<'a> {
    /// What happens to the set that the subscription holds.
    pub event: EventType,
    /// Why.
    pub cause: Cause,
    /// The state to show.
    pub object: &'a Object,
    /// The state before, of a modification.
    pub old: Option<&'a Object>,
    /// The version to show it at.
    pub version: &'a ResourceVersion,
}

/// What one change leads to: nothing, one event, or two when one object replaced another.
pub type Deliveries<'a> = [Option<Delivery<'a>>; 2];

/// Applies the table of k8s.io/apiserver's `convertToWatchEvent`: what matches neither before nor
/// after is not seen; what comes to match is ADDED; what ceases to match is DELETED, showing the
/// last matching state at the version of this change.
///
/// An object that was deleted and created again under the same name is two events even when the
/// steps between were not seen. `event_types` acts last and never changes membership.
pub fn transition<'a>(query: &Query, change: &'a Change) -> Deliveries<'a> {
    let prev = change
        .prev
        .as_deref()
        .filter(|object| query.membership().matches(object));
    let cur = change
        .cur
        .as_deref()
        .filter(|object| query.membership().matches(object));
    let pair = replaced(change);
    let deliveries = match (prev, cur) {
        (None, None) => [None, None],
        (None, Some(cur)) => [Some(added(change, cur, pair)), None],
        (Some(prev), None) => [Some(deleted(change, prev, pair)), None],
        (Some(prev), Some(cur)) if pair => [
            Some(deleted(change, prev, pair)),
            Some(added(change, cur, pair)),
        ],
        (Some(prev), Some(cur)) => [Some(modified(change, prev, cur)), None],
    };
    deliveries.map(|delivery| delivery.filter(|d| query.event_types().contains(d.event)))
}

fn replaced(change: &Change) -> bool {
    match (&change.prev, &change.cur) {
        (Some(prev), Some(cur)) => prev.uid() != cur.uid(),
        _ => false,
    }
}

fn added<'a>(change: &'a Change, cur: &'a Object, pair: bool) -> Delivery<'a> {
    let entered = change.prev.is_some() && !pair;
    Delivery {
        event: EventType::Added,
        cause: cause(
            change,
            if entered {
                Cause::Entered
            } else {
                Cause::Change
            },
        ),
        object: cur,
        old: None,
        version: &change.version,
    }
}

fn modified<'a>(change: &'a Change, prev: &'a Object, cur: &'a Object) -> Delivery<'a> {
    Delivery {
        event: EventType::Modified,
        cause: cause(change, Cause::Change),
        object: cur,
        old: Some(prev),
        version: &change.version,
    }
}

fn deleted<'a>(change: &'a Change, prev: &'a Object, pair: bool) -> Delivery<'a> {
    let left = change.cur.is_some() && !pair;
    Delivery {
        event: EventType::Deleted,
        cause: cause(change, if left { Cause::Left } else { Cause::Change }),
        object: prev,
        old: None,
        version: &change.version,
    }
}

fn cause(change: &Change, seen: Cause) -> Cause {
    match change.cause {
        ChangeCause::Write => seen,
        ChangeCause::Resync => Cause::Resync,
    }
}
