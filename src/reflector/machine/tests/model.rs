//! The machine against a model: whatever a server with faults does, what the owner holds is at
//! each moment the true state at its version, and it arrives at the present once faults end.

use std::collections::BTreeMap;

use super::*;

/// Name → version of an object.
type Objects = BTreeMap<String, u64>;

/// The truth: states by version, and the changes between them.
struct Cluster {
    states: BTreeMap<u64, Objects>,
    log: Vec<(u64, Change)>,
    compacted: u64,
    faults: bool,
    connection: Option<Conn>,
    bit: BTreeMap<&'static str, u32>,
}

#[derive(Clone)]
enum Change {
    Put(String),
    Remove(String),
}

struct Conn {
    position: u64,
    initial: bool,
    fresh: bool,
}

/// What the owner holds.
#[derive(Default)]
struct Owner {
    objects: Objects,
    version: u64,
}

impl Cluster {
    fn new() -> Self {
        Self {
            states: BTreeMap::from([(1, Objects::new())]),
            log: Vec::new(),
            compacted: 0,
            faults: true,
            connection: None,
            bit: BTreeMap::new(),
        }
    }

    fn head(&self) -> (u64, &Objects) {
        let (version, objects) = self.states.last_key_value().expect("never empty");
        (*version, objects)
    }

    fn write(&mut self, rng: &mut Rng) {
        let (version, mut objects) = (self.head().0 + rng.u64(1..3), self.head().1.clone());
        let name = format!("o{}", rng.u8(0..6));
        let change = if objects.contains_key(&name) && rng.bool() {
            objects.remove(&name);
            Change::Remove(name)
        } else {
            objects.insert(name.clone(), version);
            Change::Put(name)
        };
        self.states.insert(version, objects);
        self.log.push((version, change));
    }

    /// Whether a fault of this name happens now.
    fn fault(&mut self, name: &'static str, rng: &mut Rng) -> bool {
        let happens = self.faults && rng.u8(0..12) == 0;
        if happens {
            *self.bit.entry(name).or_default() += 1;
        }
        happens
    }

    fn answer(&mut self, next: &Next, rng: &mut Rng) -> Input {
        match next {
            Next::Wait(_) => Input::Waited,
            Next::List { continue_token, .. } => self.list(continue_token.as_deref(), rng),
            Next::Watch { from, .. } => self.watch(from.as_ref(), rng),
            Next::Read { .. } => self.read(rng),
            // It is served all the time, whatever a server says.
            Next::Confirm => Input::Served(rng.bool().then_some(true)),
        }
    }

    fn refusal(&mut self, rng: &mut Rng) -> Option<Input> {
        if self.fault("unreachable", rng) {
            return Some(Input::Unreachable);
        }
        let codes = [400, 401, 403, 404, 410, 422, 429, 500, 503, 504];
        let code = codes[rng.usize(0..codes.len())];
        self.fault("refused", rng)
            .then(|| Input::Refused(coded(code)))
    }

    fn list(&mut self, token: Option<&str>, rng: &mut Rng) -> Input {
        if let Some(refusal) = self.refusal(rng) {
            return refusal;
        }
        let (mut version, offset) = token.map_or((self.head().0, 0), |token| {
            let (version, offset) = token.split_once(':').expect("our own token");
            (
                version.parse().expect("a version"),
                offset.parse().expect("an offset"),
            )
        });
        if token.is_some() && self.fault("changed page", rng) {
            self.write(rng);
            version = self.head().0;
        }
        let all = &self.states[&version];
        let objects: Vec<_> = all.iter().skip(offset).take(2).collect();
        let more = offset + objects.len() < all.len();
        Input::Page(Ok(Page {
            objects: objects
                .iter()
                .map(|(name, at)| object(name, &at.to_string()))
                .collect(),
            version: rv(version),
            continue_token: more.then(|| format!("{version}:{}", offset + 2)),
        }))
    }

    fn watch(&mut self, from: Option<&ResourceVersion>, rng: &mut Rng) -> Input {
        if self.fault("compaction", rng) {
            self.compacted = self.head().0;
        }
        if let Some(refusal) = self.refusal(rng) {
            return refusal;
        }
        let position = from.map_or(0, |from| from.to_string().parse().expect("a number"));
        if from.is_some() && position < self.compacted {
            return Input::Refused(coded(410));
        }
        self.connection = Some(Conn {
            position,
            initial: from.is_none(),
            fresh: true,
        });
        Input::Opened
    }

    fn read(&mut self, rng: &mut Rng) -> Input {
        let lived = secs(rng.u64(0..200));
        let ends = [End::Closed, End::Broken, End::Idle];
        if self.fault("end", rng) {
            let end = ends[rng.usize(0..ends.len())];
            return Input::Ended { end, lived };
        }
        if self.faults && rng.bool() {
            self.write(rng);
        }
        let mut connection = self.connection.take().expect("a watch is open");
        let mut lines = Vec::new();
        if connection.initial {
            self.initial(&mut connection, &mut lines, rng);
        } else {
            self.changes(&mut connection, &mut lines, rng);
        }
        self.spoil(&mut lines, rng);
        self.connection = Some(connection);
        Input::Lines { lines, lived }
    }

    fn initial(&mut self, connection: &mut Conn, lines: &mut Vec<Line>, rng: &mut Rng) {
        let (version, objects) = self.head();
        lines.extend(objects.iter().map(|(name, at)| added(name, *at)));
        (connection.position, connection.initial) = (version, false);
        if self.fault("untrue end", rng) {
            lines.push(bookmark(version));
        } else {
            lines.push(end(version));
        }
    }

    fn changes(&mut self, connection: &mut Conn, lines: &mut Vec<Line>, rng: &mut Rng) {
        if connection.fresh && self.fault("replay", rng) {
            let old = self.log.iter().filter(|(at, _)| *at <= connection.position);
            lines.extend(old.map(line));
        }
        connection.fresh = false;
        let count = rng.usize(0..4);
        let position = connection.position;
        for change in self.log.iter().filter(|(at, _)| *at > position).take(count) {
            lines.push(line(change));
            connection.position = change.0;
        }
        if rng.u8(0..3) == 0 {
            lines.push(bookmark(connection.position));
        }
    }

    /// Puts one bad line somewhere.
    fn spoil(&mut self, lines: &mut Vec<Line>, rng: &mut Rng) {
        let codes = [410, 429, 500, 504];
        let bad = match rng.u8(0..5) {
            0 if self.fault("garbage", rng) => garbage(),
            1 if self.fault("no version", rng) => Err(DecodeError::NoVersion),
            2 if self.fault("error", rng) => error(coded(codes[rng.usize(0..codes.len())])),
            3 if self.fault("old bookmark", rng) => bookmark(1),
            4 if self.fault("out of order", rng) => {
                // Only behind an event is it known to be one.
                let is_event = |line: &Line| !matches!(line, Ok(UpstreamEvent::Bookmark { .. }));
                if !lines.iter().any(is_event) {
                    return;
                }
                lines.push(modified("o1", 1));
                return;
            }
            _ => return,
        };
        // In the place of a good line: what stood there is lost to who goes on reading.
        let place = rng.usize(0..=lines.len());
        lines.splice(place..lines.len().min(place + 1), [bad]);
    }
}

fn line((version, change): &(u64, Change)) -> Line {
    match change {
        Change::Put(name) => modified(name, *version),
        Change::Remove(name) => deleted(name, *version),
    }
}

impl Owner {
    fn take(&mut self, effect: &Effect, cluster: &Cluster) {
        match effect {
            Effect::Replace {
                objects,
                version,
                rewound,
            } => {
                assert!(!rewound, "the cluster never goes back");
                self.objects = objects
                    .iter()
                    .map(|o| (o.name().into(), at(o.version())))
                    .collect();
                assert_eq!(self.objects.len(), objects.len(), "no object twice");
                self.version = at(version);
                assert_eq!(self.objects, cluster.states[&self.version]);
            }
            Effect::Apply(deltas) => {
                assert!(!deltas.is_empty());
                for delta in deltas {
                    self.apply(delta, cluster);
                }
            }
            _ => {}
        }
    }

    fn apply(&mut self, delta: &Delta, cluster: &Cluster) {
        let version = at(delta.version());
        match delta {
            Delta::Added(object) | Delta::Modified(object) => {
                assert!(version > self.version);
                self.objects.insert(object.name().into(), version);
            }
            Delta::Deleted(object) => {
                assert!(version > self.version);
                self.objects.remove(object.name());
            }
            Delta::Bookmark(_) => assert!(version >= self.version),
        }
        self.version = version;
        assert_eq!(self.objects, cluster.states[&version], "at {version}");
    }
}

fn at(version: &ResourceVersion) -> u64 {
    version.to_string().parse().expect("a number")
}

/// Runs one cluster and says which faults bit.
fn converges(seed: u64) -> BTreeMap<&'static str, u32> {
    let mut rng = Rng::with_seed(seed);
    let (mut cluster, mut owner) = (Cluster::new(), Owner::default());
    let watch_list = seed.is_multiple_of(2);
    let mut machine = Machine::new(ReflectorOptions {
        watch_list,
        ..options()
    });
    let mut next = Next::Wait(Duration::ZERO);
    for round in 0..600 {
        cluster.faults = round < 500;
        let input = cluster.answer(&next, &mut rng);
        let step = machine.step(input, &mut rng);
        for effect in &step.effects {
            owner.take(effect, &cluster);
        }
        next = step.next;
    }
    let (version, objects) = cluster.head();
    assert_eq!(
        (owner.version, &owner.objects),
        (version, objects),
        "seed {seed}"
    );
    cluster.bit
}

#[test]
fn the_owner_always_holds_a_true_state() {
    let mut bit: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in 0..200 {
        for (fault, times) in converges(seed) {
            *bit.entry(fault).or_default() += times;
        }
    }
    // A fault that never happened proves nothing.
    assert_eq!(bit.len(), 12, "{bit:?}");
    assert!(bit.values().all(|times| *times > 20), "{bit:?}");
}
