//! Writes the traces that subscribers of one filter must have received.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;

use crate::evaluate::{Expected, Matcher, Stored, expected_events, presentable, state_at, wants};
use crate::trace::{End, Event, Filter, Frame, Start, StreamTrace, Truth};

const INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct Script<'a> {
    truth: &'a Truth,
    filter: Filter,
    number: usize,
    events: Vec<Expected>,
    /// The version at which whole streams end.
    last: u64,
    rng: Rng,
    now: Duration,
    /// The stream that is being written.
    frames: Vec<(Duration, Frame)>,
    pub(super) streams: Vec<StreamTrace>,
}

impl<'a> Script<'a> {
    pub(super) fn new(
        truth: &'a Truth,
        filter: Filter,
        number: usize,
        last: u64,
        rng: Rng,
    ) -> Self {
        let events = expected_events(truth, &filter);
        let (frames, streams) = (Vec::new(), Vec::new());
        Self {
            truth,
            filter,
            number,
            events,
            last,
            rng,
            now: INTERVAL,
            frames,
            streams,
        }
    }

    pub(super) fn whole(&mut self, name: &str, begin: u64) {
        self.started("SNAPSHOT");
        self.snapshot(begin);
        self.deliver(begin, self.last);
        self.finish(name, Start::Snapshot, "OK");
    }

    pub(super) fn drained(&mut self, name: &str, begin: u64, cut: u64) {
        self.started("SNAPSHOT");
        self.snapshot(begin);
        self.deliver(begin, cut);
        self.push(Frame::Draining);
        self.bookmark(cut);
        self.finish(name, Start::Snapshot, "UNAVAILABLE");
        self.started("RESUMED");
        self.deliver(cut, self.last);
        self.finish(name, Start::Token(self.token(cut)), "OK");
    }

    pub(super) fn version(&mut self, name: &str, begin: u64) {
        self.started("RESUMED");
        self.deliver(begin, self.last);
        self.finish(name, Start::Version(begin), "OK");
    }

    pub(super) fn now_on(&mut self, name: &str, begin: u64) {
        self.started("FROM_NOW");
        self.deliver(begin, self.last);
        self.finish(name, Start::Now, "OK");
    }

    pub(super) fn reset(&mut self, name: &str, begin: u64, cut: u64, again: u64) {
        self.started("SNAPSHOT");
        self.snapshot(begin);
        self.deliver(begin, cut);
        self.push(Frame::Reset {
            reason: "LAGGED".into(),
            epoch: "e1".into(),
        });
        self.snapshot(again);
        self.deliver(again, self.last);
        self.finish(name, Start::Snapshot, "OK");
    }

    pub(super) fn resync(&mut self, name: &str, begin: u64, cut: u64, again: u64) {
        self.started("SNAPSHOT");
        self.snapshot(begin);
        self.deliver(begin, cut);
        self.push(Frame::UpstreamState("DEGRADED".into()));
        self.difference(cut, again);
        self.deliver(again, self.last);
        self.finish(name, Start::Snapshot, "OK");
    }

    /// Resumed into a difference, and once more from the token of that difference.
    pub(super) fn resumed_into_resync(&mut self, name: &str, begin: u64, cut: u64, again: u64) {
        self.started("SNAPSHOT");
        self.snapshot(begin);
        self.deliver(begin, cut);
        self.bookmark(cut);
        self.finish(name, Start::Snapshot, "");
        self.started("RESYNCED");
        self.difference(cut, again);
        self.finish(name, Start::Token(self.token(cut)), "");
        self.started("RESUMED");
        self.deliver(again, self.last);
        self.finish(name, Start::Token(self.token(again)), "OK");
    }

    pub(super) fn resumed_into_snapshot(&mut self, name: &str, begin: u64, cut: u64, again: u64) {
        self.started("SNAPSHOT");
        self.snapshot(begin);
        self.deliver(begin, cut);
        self.bookmark(cut);
        self.finish(name, Start::Snapshot, "");
        self.started("SNAPSHOT");
        self.push(Frame::Reset {
            reason: "EXPIRED".into(),
            epoch: "e1".into(),
        });
        self.snapshot(again);
        self.deliver(again, self.last);
        self.finish(name, Start::Token(self.token(cut)), "OK");
    }

    fn token(&self, version: u64) -> String {
        format!("filter-{}-at-{version}", self.number)
    }

    fn push(&mut self, frame: Frame) {
        self.now += Duration::from_millis(self.rng.u64(1..500));
        self.frames.push((self.now, frame));
    }

    fn started(&mut self, outcome: &str) {
        self.push(Frame::Started {
            outcome: outcome.into(),
            epoch: "e1".into(),
        });
    }

    fn bookmark(&mut self, version: u64) {
        let token = self.token(version);
        self.push(Frame::Bookmark { version, token });
    }

    fn matching(&self, version: u64) -> BTreeMap<String, Stored> {
        let matcher = Matcher::new(&self.filter);
        let mut state = state_at(self.truth, version);
        state.retain(|_, object| matcher.matches(&object.namespace, &object.name, &object.value));
        state
    }

    fn snapshot(&mut self, version: u64) {
        let state = self.matching(version);
        let mut count = 0;
        for object in state.values().filter(|_| wants(&self.filter, "ADDED")) {
            count += 1;
            let frame = event(
                "ADDED",
                "SNAPSHOT",
                object,
                object.version,
                None,
                String::new(),
            );
            self.now += Duration::from_millis(1);
            self.frames.push((self.now, frame));
        }
        let token = self.token(version);
        self.push(Frame::SnapshotEnd {
            version,
            token,
            count,
        });
    }

    /// What happened in `begin < version <= end`, with bookmarks here and there and at the end.
    fn deliver(&mut self, begin: u64, end: u64) {
        let inside = |event: &&Expected| begin < event.version && event.version <= end;
        let mut events: Vec<_> = self.events.iter().filter(inside).cloned().collect();
        for event in events.iter_mut().filter(|event| event.kind != "MODIFIED") {
            event.old = None;
        }
        for (place, event) in events.iter().enumerate() {
            let next = events.get(place + 1).map_or(end + 1, |next| next.version);
            let token = if next == event.version {
                String::new()
            } else {
                self.token(event.version)
            };
            self.push(Frame::Event(Event {
                kind: event.kind.into(),
                cause: event.cause.into(),
                namespace: event.namespace.clone(),
                name: event.name.clone(),
                uid: event.uid.clone(),
                version: event.version,
                token,
                object: event.object.to_string(),
                old_object: event
                    .old
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
            }));
            if next > event.version && self.rng.u8(..4) == 0 {
                let position = self.rng.u64(event.version..next);
                self.bookmark(position);
            }
        }
        self.bookmark(end);
    }

    /// The difference between the states at `begin` and `end`, found by comparing them.
    fn difference(&mut self, begin: u64, end: u64) {
        let (old, new) = (self.matching(begin), self.matching(end));
        let present = state_at(self.truth, end);
        let late = self.rng.bool();
        let mut changed = Vec::new();
        let mut vanished = Vec::new();
        for (key, object) in &new {
            match old.get(key) {
                Some(held) if held.uid != object.uid => {
                    changed.push((object.version, "DELETED", held, None));
                    changed.push((object.version, "ADDED", object, None));
                }
                Some(held) if held.version != object.version => {
                    changed.push((object.version, "MODIFIED", object, Some(held)));
                }
                Some(_) => {}
                None => changed.push((object.version, "ADDED", object, None)),
            }
        }
        for (key, held) in old.iter().filter(|(key, _)| !new.contains_key(*key)) {
            match present.get(key) {
                Some(left) if !late => changed.push((left.version, "DELETED", held, None)),
                _ => vanished.push((end, "DELETED", held, None)),
            }
        }
        changed.sort_by_key(|(version, ..)| *version);
        changed.append(&mut vanished);
        changed.retain(|(_, kind, ..)| wants(&self.filter, kind));
        let count = changed.len();
        for (place, (version, kind, object, held)) in changed.into_iter().enumerate() {
            let token = if place + 1 == count {
                self.token(end)
            } else {
                String::new()
            };
            self.push(event(kind, "RESYNC", object, version, held, token));
        }
        if count == 0 {
            self.bookmark(end);
        }
    }

    fn finish(&mut self, name: &str, start: Start, code: &str) {
        let reason = if code == "UNAVAILABLE" {
            "DRAINING"
        } else {
            ""
        };
        let end = End {
            code: code.into(),
            reason: reason.into(),
            message: String::new(),
        };
        self.streams.push(StreamTrace {
            subscriber: format!("{name}-{}", self.number),
            filter: self.filter.clone(),
            start,
            bookmark_interval: INTERVAL,
            frames: std::mem::take(&mut self.frames),
            end: (!code.is_empty()).then_some(end),
            timeout: (code == "OK").then_some(INTERVAL * 60),
            ended: Some(self.now + INTERVAL / 2),
        });
        self.now += INTERVAL;
    }
}

fn event(
    kind: &str,
    cause: &str,
    object: &Stored,
    version: u64,
    held: Option<&Stored>,
    token: String,
) -> Frame {
    let restamp = (kind == "DELETED").then_some(version);
    let old = held.map(|held| presentable(&held.value, None).to_string());
    Frame::Event(Event {
        kind: kind.into(),
        cause: cause.into(),
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        uid: object.uid.clone(),
        version,
        token,
        object: presentable(&object.value, restamp).to_string(),
        old_object: old.unwrap_or_default(),
    })
}
