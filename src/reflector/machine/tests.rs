//! The rules of the machine, one by one. Names with an F are the faults of the reliability table.

mod missing;
mod model;
mod syncing;
mod watching;

use bytes::Bytes;

use super::*;
use crate::resource::{Key, Labels, ObjectParts};

/// A machine under test and what it did.
struct Rig {
    machine: Machine,
    rng: Rng,
    effects: Vec<Effect>,
    next: Next,
}

fn options() -> ReflectorOptions {
    ReflectorOptions::default()
}

fn rv(version: u64) -> ResourceVersion {
    ResourceVersion::new(&version.to_string())
}

fn object(name: &str, version: &str) -> Arc<Object> {
    Arc::new(Object::new(ObjectParts {
        key: Key::new("n", name),
        uid: name.into(),
        version: ResourceVersion::new(version),
        labels: Labels::default(),
        json: Bytes::from_static(b"{}"),
        version_span: 0..0,
    }))
}

fn added(name: &str, version: u64) -> Line {
    Ok(UpstreamEvent::Added(object(name, &version.to_string())))
}

fn modified(name: &str, version: u64) -> Line {
    Ok(UpstreamEvent::Modified(object(name, &version.to_string())))
}

fn deleted(name: &str, version: u64) -> Line {
    Ok(UpstreamEvent::Deleted(object(name, &version.to_string())))
}

fn bookmark(version: u64) -> Line {
    Ok(UpstreamEvent::Bookmark {
        version: rv(version),
        initial_events_end: false,
    })
}

fn end(version: u64) -> Line {
    Ok(UpstreamEvent::Bookmark {
        version: rv(version),
        initial_events_end: true,
    })
}

fn garbage() -> Line {
    Err(DecodeError::Malformed { column: 3 })
}

fn coded(code: u16) -> Status {
    Status {
        code,
        ..Status::default()
    }
}

fn error(status: Status) -> Line {
    Ok(UpstreamEvent::Error(status))
}

fn page(names: &[&str], version: u64, continue_token: Option<&str>) -> Input {
    Input::Page(Ok(Page {
        objects: names.iter().map(|name| object(name, "1")).collect(),
        version: rv(version),
        continue_token: continue_token.map(str::to_owned),
    }))
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Rig {
    /// Just started.
    fn new(options: ReflectorOptions) -> Self {
        let mut rig = Self {
            machine: Machine::new(options),
            rng: Rng::with_seed(1),
            effects: Vec::new(),
            next: Next::Wait(Duration::ZERO),
        };
        rig.step(Input::Waited);
        rig
    }

    /// Lists and watches; the list is asked for.
    fn paged() -> Self {
        Self::new(ReflectorOptions {
            watch_list: false,
            ..options()
        })
    }

    /// Watches from version 10 by list and watch, healthy, nothing heard yet.
    fn synced() -> Self {
        let mut rig = Self::paged();
        rig.step(page(&["a"], 10, None));
        rig.step(Input::Opened);
        assert_eq!(rig.next, Next::Read { initial: false });
        rig.effects.clear();
        rig
    }

    fn step(&mut self, input: Input) -> &mut Self {
        let step = self.machine.step(input, &mut self.rng);
        self.effects.extend(step.effects);
        self.next = step.next;
        self
    }

    fn lines(&mut self, lines: impl Into<Vec<Line>>) -> &mut Self {
        self.lines_at(lines, secs(2))
    }

    fn lines_at(&mut self, lines: impl Into<Vec<Line>>, lived: Duration) -> &mut Self {
        let lines = lines.into();
        self.step(Input::Lines { lines, lived })
    }

    fn ended(&mut self, end: End, lived: Duration) -> &mut Self {
        self.step(Input::Ended { end, lived })
    }

    fn wait(&self) -> Duration {
        match self.next {
            Next::Wait(wait) => wait,
            ref other => panic!("expected a wait, got {other:?}"),
        }
    }

    /// Waits if that is due, and says what is asked for then.
    fn asks(&mut self) -> &Next {
        if matches!(self.next, Next::Wait(_)) {
            self.step(Input::Waited);
        }
        &self.next
    }

    fn watches_from(&mut self, version: u64) {
        match self.asks() {
            Next::Watch {
                from: Some(from), ..
            } => assert_eq!(*from, rv(version)),
            other => panic!("expected a watch from {version}, got {other:?}"),
        }
    }

    fn watch_lists(&mut self) {
        let next = self.asks();
        assert!(matches!(next, Next::Watch { from: None, .. }), "{next:?}");
    }

    fn lists(&mut self, token: Option<&str>, limit: Option<u32>) {
        let continue_token = token.map(str::to_owned);
        let want = Next::List {
            continue_token,
            limit,
        };
        assert_eq!(*self.asks(), want);
    }

    fn deltas(&self) -> Vec<String> {
        let told = self.effects.iter().filter_map(|effect| match effect {
            Effect::Apply(deltas) => Some(deltas),
            _ => None,
        });
        told.flatten().map(text).collect()
    }

    fn replaced(&self) -> Option<(Vec<&str>, &ResourceVersion, bool)> {
        self.effects.iter().rev().find_map(|effect| match effect {
            Effect::Replace {
                objects,
                version,
                rewound,
            } => Some((
                objects.iter().map(|object| object.name()).collect(),
                version,
                *rewound,
            )),
            _ => None,
        })
    }

    fn restarts(&self) -> Vec<RestartReason> {
        let reasons = self.effects.iter().filter_map(|effect| match effect {
            Effect::Restart(reason) => Some(*reason),
            _ => None,
        });
        reasons.collect()
    }

    fn healths(&self) -> Vec<Health> {
        let healths = self.effects.iter().filter_map(|effect| match effect {
            Effect::Health(health) => Some(*health),
            _ => None,
        });
        healths.collect()
    }

    fn duplicates(&self) -> u64 {
        let counts = self.effects.iter().map(|effect| match effect {
            Effect::Duplicates(count) => *count,
            _ => 0,
        });
        counts.sum()
    }
}

fn text(delta: &Delta) -> String {
    match delta {
        Delta::Added(object) => format!("+{}@{}", object.name(), object.version()),
        Delta::Modified(object) => format!("~{}@{}", object.name(), object.version()),
        Delta::Deleted(object) => format!("-{}@{}", object.name(), object.version()),
        Delta::Bookmark(version) => format!("={version}"),
    }
}

fn degraded(reason: DegradedReason) -> Health {
    Health::Degraded { reason }
}
