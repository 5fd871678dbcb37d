//! Cuts one stream into segments at Started and Reset.

use crate::trace::{Event, Frame, StreamTrace};

/// What was received between two explicit boundaries.
#[derive(Debug)]
pub(crate) struct Segment<'a> {
    /// Place of the stream in the run.
    pub(crate) stream: usize,
    /// Place of the boundary frame that opens it.
    pub(crate) first: usize,
    /// The outcome that Started told, or `RESET`.
    pub(crate) opening: &'a str,
    pub(crate) epoch: &'a str,
    /// Which history is in force.
    pub(crate) history: usize,
    /// The reasons of the Resets that open it.
    pub(crate) resets: Vec<&'a str>,
    pub(crate) snapshot: Option<Snapshot<'a>>,
    /// What followed the snapshot, or everything if there is none.
    pub(crate) items: Vec<Item<'a>>,
    /// Frames that have no business where they are.
    pub(crate) misplaced: Vec<(usize, String)>,
}

/// A snapshot, as far as it came.
#[derive(Debug, Default)]
pub(crate) struct Snapshot<'a> {
    pub(crate) events: Vec<(usize, &'a Event)>,
    /// Place, version and count of its end.
    pub(crate) end: Option<(usize, u64, u64)>,
}

/// A step of a segment.
#[derive(Debug)]
pub(crate) enum Item<'a> {
    /// An event that stands for one change.
    Event(usize, &'a Event),
    /// Events of cause RESYNC up to the first token.
    Run(Vec<(usize, &'a Event)>),
    /// A bookmark of this version.
    Bookmark(usize, u64),
}

impl Item<'_> {
    /// The frame that begins it.
    pub(crate) fn frame(&self) -> usize {
        match self {
            Item::Event(frame, _) | Item::Bookmark(frame, _) => *frame,
            Item::Run(events) => events[0].0,
        }
    }

    /// The highest version that it names.
    pub(crate) fn version(&self) -> u64 {
        match self {
            Item::Event(_, event) => event.version,
            Item::Bookmark(_, version) => *version,
            Item::Run(events) => events
                .iter()
                .map(|(_, event)| event.version)
                .max()
                .unwrap_or(0),
        }
    }
}

impl<'a> Segment<'a> {
    fn new(stream: usize, first: usize, opening: &'a str, epoch: &'a str, history: usize) -> Self {
        let snapshot = matches!(opening, "SNAPSHOT" | "RESET").then(Snapshot::default);
        let (resets, items, misplaced) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            stream,
            first,
            opening,
            epoch,
            history,
            resets,
            snapshot,
            items,
            misplaced,
        }
    }

    /// All events after the snapshot.
    pub(crate) fn events(&self) -> impl Iterator<Item = (usize, &'a Event)> {
        self.items.iter().flat_map(|item| match item {
            Item::Event(frame, event) => vec![(*frame, *event)],
            Item::Run(events) => events.clone(),
            Item::Bookmark(..) => vec![],
        })
    }

    /// Whether it holds events that stand for a comparison of states.
    pub(crate) fn has_runs(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Run(_)))
    }

    /// Whether nothing has followed the boundary yet.
    fn is_blank(&self) -> bool {
        let begun = self
            .snapshot
            .as_ref()
            .is_some_and(|s| !s.events.is_empty() || s.end.is_some());
        self.items.is_empty() && !begun
    }

    fn in_snapshot(&mut self) -> Option<&mut Snapshot<'a>> {
        self.snapshot
            .as_mut()
            .filter(|snapshot| snapshot.end.is_none())
    }

    fn event(&mut self, frame: usize, event: &'a Event, open: &mut bool) {
        if let Some(snapshot) = self.in_snapshot() {
            snapshot.events.push((frame, event));
            if event.cause != "SNAPSHOT" {
                let what = format!("event of cause {} inside a snapshot", event.cause);
                self.misplaced.push((frame, what));
            }
            return;
        }
        if event.cause != "RESYNC" {
            if event.cause == "SNAPSHOT" {
                self.misplaced
                    .push((frame, "event of a snapshot outside of one".into()));
            }
            *open = false;
            self.items.push(Item::Event(frame, event));
            return;
        }
        match self.items.last_mut() {
            Some(Item::Run(events)) if *open => events.push((frame, event)),
            _ => self.items.push(Item::Run(vec![(frame, event)])),
        }
        *open = event.token.is_empty();
    }
}

/// The segments of a stream. Frames before the first Started are misplaced in the first segment.
pub(crate) fn segments<'a>(
    stream: usize,
    trace: &'a StreamTrace,
    history_of: &impl Fn(&str) -> usize,
) -> Vec<Segment<'a>> {
    let mut segments: Vec<Segment<'a>> = Vec::new();
    let mut early = Vec::new();
    let mut open = false;
    for (place, (_, frame)) in trace.frames.iter().enumerate() {
        if let Frame::Started { outcome, epoch } = frame {
            let mut segment = Segment::new(stream, place, outcome, epoch, history_of(epoch));
            if !segments.is_empty() {
                segment.misplaced.push((place, "a second Started".into()));
            }
            segment.misplaced.append(&mut early);
            segments.push(segment);
            continue;
        }
        let Some(segment) = segments.last_mut() else {
            early.push((place, "a frame before Started".to_owned()));
            continue;
        };
        match frame {
            Frame::Reset { reason, epoch } => {
                if !(segment.is_blank() && segment.snapshot.is_some()) {
                    let next = Segment::new(stream, place, "RESET", epoch, history_of(epoch));
                    segments.push(next);
                }
                let segment = segments.last_mut().expect("there is one");
                (segment.epoch, segment.history) = (epoch, history_of(epoch));
                segment.resets.push(reason);
                open = false;
            }
            Frame::Event(event) => segment.event(place, event, &mut open),
            Frame::SnapshotEnd { version, count, .. } => match segment.in_snapshot() {
                Some(snapshot) => snapshot.end = Some((place, *version, *count)),
                None => segment
                    .misplaced
                    .push((place, "SnapshotEnd outside a snapshot".into())),
            },
            Frame::Bookmark { version, .. } => {
                if segment.in_snapshot().is_some() {
                    segment
                        .misplaced
                        .push((place, "bookmark inside a snapshot".into()));
                } else {
                    open = false;
                    segment.items.push(Item::Bookmark(place, *version));
                }
            }
            Frame::Started { .. } | Frame::UpstreamState(_) | Frame::Draining => {}
        }
    }
    segments
}
