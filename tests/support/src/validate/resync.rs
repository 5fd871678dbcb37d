//! The difference between two states as one filter sees them: what events of cause RESYNC must
//! say after a break in the history.

use std::collections::BTreeMap;

use super::history::{History, Wanted};
use crate::evaluate::{Expected, object_key, presentable, wants};
use crate::trace::{Event, Filter};

/// What happened to the objects of one filter since some position, net of what was in between.
/// Grown event by event, so that many possible ends are cheap to try.
#[derive(Debug, Default)]
pub(crate) struct Net<'a> {
    /// Per key: the first and the last event since the position.
    touched: BTreeMap<&'a str, (&'a Wanted, &'a Wanted)>,
}

/// How one key differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Nothing,
    Added,
    Modified,
    Deleted,
    Replaced,
}

/// Where an object stands that still exists but has left the filter, or has been replaced by one
/// that doesn't match: with the changes, at its own version, or with the deletions at the end.
/// The contract can be read both ways; a run must keep to one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leavers {
    /// In order of its own version.
    AtTheirVersion,
    /// At the end.
    AtTheEnd,
}

impl<'a> Net<'a> {
    /// Takes in the next event of the filter.
    pub(crate) fn push(&mut self, wanted: &'a Wanted) {
        self.touched
            .entry(&wanted.key)
            .and_modify(|(_, last)| *last = wanted)
            .or_insert((wanted, wanted));
    }

    fn change(first: &Wanted, last: &Wanted) -> Change {
        let held = first.event.kind != "ADDED";
        let holds = last.event.kind != "DELETED";
        match (held, holds) {
            (false, false) => Change::Nothing,
            (false, true) => Change::Added,
            (true, false) => Change::Deleted,
            (true, true) if first.event.uid == last.event.uid => Change::Modified,
            (true, true) => Change::Replaced,
        }
    }

    /// The versions above `from`, up to `upto`, at which objects that have left the filter change.
    pub(crate) fn moves_of_leavers(&self, history: &History<'_>, from: u64, upto: u64) -> Vec<u64> {
        let left = self
            .touched
            .iter()
            .filter(|(_, (first, last))| Self::change(first, last) == Change::Deleted);
        left.flat_map(|(key, _)| history.of(key))
            .map(|commit| commit.version)
            .filter(|version| *version > from && *version <= upto)
            .collect()
    }

    /// How many events of the kinds that `filter` wants the difference has.
    pub(crate) fn len(&self, filter: &Filter) -> usize {
        let one = |kind| usize::from(wants(filter, kind));
        let events = self
            .touched
            .values()
            .map(|(first, last)| match Self::change(first, last) {
                Change::Nothing => 0,
                Change::Added => one("ADDED"),
                Change::Modified => one("MODIFIED"),
                Change::Deleted => one("DELETED"),
                Change::Replaced => one("DELETED") + one("ADDED"),
            });
        events.sum()
    }

    /// Whether `got` may be the difference, by what is cheap to see.
    pub(crate) fn resembles(&self, got: &[(usize, &Event)]) -> bool {
        got.iter().all(|(_, event)| {
            let key = object_key(&event.namespace, &event.name);
            self.touched
                .get(key.as_str())
                .is_some_and(|(first, last)| match event.kind.as_str() {
                    "DELETED" => first.event.kind != "ADDED",
                    _ => last.event.kind != "DELETED" && last.event.version == event.version,
                })
        })
    }

    /// The difference up to `end`: changes by ascending version, then what vanished, at `end`
    /// and by key. The number tells where the latter begin.
    pub(crate) fn events(
        &self,
        end: u64,
        history: &History<'_>,
        leavers: Leavers,
        filter: &Filter,
    ) -> (Vec<Wanted>, usize) {
        let mut changed = Vec::new();
        let mut vanished = Vec::new();
        for (key, (first, last)) in &self.touched {
            let version = last.event.version;
            match Self::change(first, last) {
                Change::Nothing => {}
                Change::Added => changed.push(resynced("ADDED", last, None)),
                Change::Modified => changed.push(resynced("MODIFIED", last, before(first))),
                Change::Replaced => {
                    changed.push(gone(first, version));
                    changed.push(resynced("ADDED", last, None));
                }
                Change::Deleted => match history.exists_at(key, end) {
                    Some(own) if leavers == Leavers::AtTheirVersion => {
                        changed.push(gone(first, own));
                    }
                    _ => vanished.push(gone(first, end)),
                },
            }
        }
        changed.retain(|wanted| wants(filter, wanted.event.kind));
        vanished.retain(|wanted| wants(filter, wanted.event.kind));
        // Stable: a replaced object's two events stay together, the deletion first.
        changed.sort_by_key(|wanted| wanted.event.version);
        let tail = changed.len();
        changed.append(&mut vanished);
        (changed, tail)
    }
}

fn before(first: &Wanted) -> Option<serde_json::Value> {
    first.state_before().cloned()
}

fn resynced(kind: &'static str, last: &Wanted, old: Option<serde_json::Value>) -> Wanted {
    let event = Expected {
        kind,
        cause: "RESYNC",
        object: last.object.value().clone(),
        old,
        ..last.event.clone()
    };
    Wanted::new(event)
}

/// The deletion of what was held at the position.
fn gone(first: &Wanted, version: u64) -> Wanted {
    let held = first.state_before().unwrap_or_else(|| first.object.value());
    let event = Expected {
        kind: "DELETED",
        cause: "RESYNC",
        version,
        object: presentable(held, Some(version)),
        old: None,
        ..first.event.clone()
    };
    Wanted::new(event)
}

/// Why the received events are not this difference; `None` if they are. With `partial` they may
/// stop early.
pub(crate) fn mismatch(
    (expected, tail): &(Vec<Wanted>, usize),
    got: &[(usize, &Event)],
    partial: bool,
) -> Option<(usize, String)> {
    for (place, (frame, event)) in got.iter().enumerate() {
        let found = if place < *tail {
            expected[place].difference(event)
        } else {
            // Deletions at the end share one version; their order means nothing.
            let repeated = got[*tail..place]
                .iter()
                .any(|(_, earlier)| earlier.uid == event.uid);
            let same = expected[*tail..]
                .iter()
                .find(|wanted| wanted.event.uid == event.uid);
            match same {
                Some(wanted) if !repeated => wanted.difference(event),
                _ => Some(format!(
                    "{}/RESYNC {}/{} at {} is no part of the difference",
                    event.kind, event.namespace, event.name, event.version
                )),
            }
        };
        if let Some(found) = found {
            return Some((*frame, found));
        }
    }
    if got.len() < expected.len() && !partial {
        let frame = got.last().map_or(0, |(frame, _)| *frame);
        return Some((
            frame,
            format!("the difference lacks {}", expected[got.len()]),
        ));
    }
    None
}
