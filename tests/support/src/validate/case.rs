//! A recorded run, cut into segments at its explicit boundaries: the form in which validators
//! read it.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::Expectation;
use super::follow::{Followed, follow};
use super::history::{History, Projection};
use super::replay::View;
use super::segment::{Segment, segments};
use crate::evaluate::{Stored, state_at};
use crate::trace::{Event, Filter, Frame, Run, Start, StreamTrace};

/// A run under judgement, with what several validators need computed once.
///
/// The streams of the run must stand in the order in which they began, as a recorder keeps them.
#[derive(Debug)]
pub struct Case<'a> {
    /// The run.
    pub run: &'a Run,
    /// What it was meant to show.
    pub expectation: &'a Expectation,
    pub(crate) segments: Vec<Segment<'a>>,
    pub(crate) histories: Vec<History<'a>>,
    carriers: HashMap<&'a str, Vec<Carrier>>,
    projections: RefCell<HashMap<(usize, String), Rc<Projection>>>,
    states: RefCell<HashMap<(usize, u64), Rc<State>>>,
    followed: RefCell<HashMap<usize, Rc<Followed>>>,
    pub(super) views: RefCell<HashMap<(usize, usize), Rc<View>>>,
}

/// The objects at some version, by key.
pub(crate) type State = BTreeMap<String, Stored>;

/// How many states are remembered: streams that begin or end together ask for the same one.
const STATES: usize = 64;

/// A frame that handed out a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Carrier {
    pub(crate) stream: usize,
    pub(crate) frame: usize,
}

impl<'a> Case<'a> {
    /// Prepares a run.
    #[must_use]
    pub fn new(run: &'a Run, expectation: &'a Expectation) -> Self {
        let epochs = epochs(run);
        let histories: Vec<_> = run
            .rewound
            .iter()
            .chain([&run.truth])
            .map(History::new)
            .collect();
        // The last epoch seen is the one in force; earlier ones count back from it.
        let history_of = |epoch: &str| {
            let place = epochs
                .iter()
                .position(|known| *known == epoch)
                .unwrap_or(epochs.len());
            (histories.len() + place)
                .saturating_sub(epochs.len().max(1))
                .min(histories.len() - 1)
        };
        let mut all = Vec::new();
        let mut carriers: HashMap<&str, Vec<Carrier>> = HashMap::new();
        for (stream, trace) in run.streams.iter().enumerate() {
            all.extend(segments(stream, trace, &history_of));
            for (frame, (_, what)) in trace.frames.iter().enumerate() {
                if let Some(token) = token_of(what) {
                    carriers
                        .entry(token)
                        .or_default()
                        .push(Carrier { stream, frame });
                }
            }
        }
        Self {
            run,
            expectation,
            segments: all,
            histories,
            carriers,
            projections: RefCell::default(),
            states: RefCell::default(),
            followed: RefCell::default(),
            views: RefCell::default(),
        }
    }

    pub(crate) fn stream(&self, segment: &Segment<'_>) -> &'a StreamTrace {
        &self.run.streams[segment.stream]
    }

    /// The segments of one stream.
    pub(crate) fn segments_of(&self, stream: usize) -> impl Iterator<Item = &Segment<'a>> {
        self.segments
            .iter()
            .filter(move |segment| segment.stream == stream)
    }

    /// What `filter` makes of the history in force during `segment`.
    pub(crate) fn projection(&self, segment: &Segment<'_>) -> Rc<Projection> {
        let filter = &self.stream(segment).filter;
        self.projection_of(segment.history, filter)
    }

    pub(crate) fn projection_of(&self, history: usize, filter: &Filter) -> Rc<Projection> {
        let key = (history, membership(filter));
        let mut known = self.projections.borrow_mut();
        let made = known
            .entry(key)
            .or_insert_with(|| Rc::new(Projection::new(self.histories[history].truth, filter)));
        Rc::clone(made)
    }

    /// The objects of a history at `version`.
    pub(crate) fn state(&self, history: usize, version: u64) -> Rc<State> {
        let mut known = self.states.borrow_mut();
        if known.len() >= STATES && !known.contains_key(&(history, version)) {
            known.clear();
        }
        let made = known
            .entry((history, version))
            .or_insert_with(|| Rc::new(state_at(self.histories[history].truth, version)));
        Rc::clone(made)
    }

    /// How the segment of this place compares with its history.
    pub(crate) fn followed(&self, place: usize) -> Rc<Followed> {
        if let Some(known) = self.followed.borrow().get(&place) {
            return Rc::clone(known);
        }
        let made = Rc::new(follow(self, &self.segments[place]));
        self.followed.borrow_mut().insert(place, Rc::clone(&made));
        made
    }

    /// The frames that carried a token, in streams that began before `stream`.
    pub(crate) fn carriers(&self, token: &str, stream: usize) -> impl Iterator<Item = Carrier> {
        let carriers = self.carriers.get(token).map_or(&[][..], Vec::as_slice);
        carriers
            .iter()
            .copied()
            .filter(move |carrier| carrier.stream < stream)
    }

    /// All tokens with the frames that carried them.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = (&'a str, &[Carrier])> {
        self.carriers
            .iter()
            .map(|(token, carriers)| (*token, carriers.as_slice()))
    }

    pub(crate) fn frame(&self, carrier: Carrier) -> &'a Frame {
        &self.run.streams[carrier.stream].frames[carrier.frame].1
    }

    /// The frame that `stream` continues after: its own subscriber's, if that carried the token.
    pub(crate) fn parent(&self, stream: usize) -> Option<Carrier> {
        let trace = &self.run.streams[stream];
        let Start::Token(token) = &trace.start else {
            return None;
        };
        let own =
            |carrier: &Carrier| self.run.streams[carrier.stream].subscriber == trace.subscriber;
        let last = self.carriers(token, stream).filter(own).last();
        last.or_else(|| self.carriers(token, stream).last())
    }

    /// The positions that a token may stand for: one, except for the token of a difference whose
    /// end its last event doesn't tell.
    pub(crate) fn positions(&self, token: &str, stream: usize) -> Vec<u64> {
        let exact = self
            .carriers(token, stream)
            .find_map(|carrier| exact(self.frame(carrier)));
        if let Some(version) = exact {
            return vec![version];
        }
        let Some(carrier) = self.carriers(token, stream).last() else {
            return Vec::new();
        };
        let inside = |segment: &Segment<'_>| {
            segment.stream == carrier.stream && segment.first <= carrier.frame
        };
        let place = self.segments.iter().rposition(inside);
        let followed = place.map(|place| self.followed(place));
        let known = followed.and_then(|followed| followed.positions.get(&carrier.frame).cloned());
        known.unwrap_or_else(|| match self.frame(carrier) {
            Frame::Event(event) => vec![event.version],
            _ => Vec::new(),
        })
    }
}

fn membership(filter: &Filter) -> String {
    let Filter {
        namespaces,
        names,
        label_selector,
        field_selector,
        ..
    } = filter;
    format!("{namespaces:?} {names:?} {label_selector:?} {field_selector:?}")
}

/// The epochs in the order in which anyone first saw them.
pub(crate) fn epochs(run: &Run) -> Vec<&str> {
    let mut seen: Vec<_> = run
        .streams
        .iter()
        .flat_map(|trace| &trace.frames)
        .filter_map(|(at, frame)| match frame {
            Frame::Started { epoch, .. } | Frame::Reset { epoch, .. } => Some((*at, epoch)),
            _ => None,
        })
        .collect();
    seen.sort_by_key(|(at, _)| *at);
    let mut epochs: Vec<&str> = Vec::new();
    for (_, epoch) in seen {
        if !epochs.contains(&epoch.as_str()) {
            epochs.push(epoch);
        }
    }
    epochs
}

/// The token that a frame hands out.
pub(crate) fn token_of(frame: &Frame) -> Option<&str> {
    match frame {
        Frame::Event(Event { token, .. })
        | Frame::SnapshotEnd { token, .. }
        | Frame::Bookmark { token, .. } => Some(token.as_str()).filter(|token| !token.is_empty()),
        _ => None,
    }
}

/// The version that the token of a frame stands for, if the frame tells it.
pub(crate) fn exact(frame: &Frame) -> Option<u64> {
    match frame {
        Frame::SnapshotEnd { version, .. } | Frame::Bookmark { version, .. } => Some(*version),
        Frame::Event(event) if event.cause != "RESYNC" => Some(event.version),
        _ => None,
    }
}
