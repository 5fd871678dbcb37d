//! What is expected of a run, what was counted in it, and what was found wrong.

use std::collections::BTreeMap;
use std::fmt;

use super::case::Case;
use crate::trace::{Frame, Run};

/// How many violations of one guarantee a report prints.
const PRINTED: usize = 10;

/// What a run was meant to show and what its faults excuse.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// Least number of events over all streams.
    pub min_events: u64,
    /// What must occur: the names that [`Summary::count`] knows.
    pub required: Vec<String>,
    /// Most open watches per collection at one instant: one per replica, and one more while a
    /// catch-up with the apiserver's history runs.
    pub watches: usize,
    /// Most collections per resource that are watched: the whole cluster's, or one for each
    /// namespace that the daemon was told to serve.
    pub collections: usize,
    /// Most lists per resource; `None` if it doesn't matter.
    pub lists: Option<usize>,
    /// Whether a connection may break without a status that the server chose.
    pub crashes: bool,
    /// Whether open streams must have come to the end of the history.
    pub caught_up: bool,
}

impl Default for Expectation {
    /// One event, one watch of the whole cluster, no faults.
    fn default() -> Self {
        Self {
            min_events: 1,
            required: Vec::new(),
            watches: 1,
            collections: 1,
            lists: None,
            crashes: false,
            caught_up: false,
        }
    }
}

impl Expectation {
    /// Also demands that each of `names` occurs.
    #[must_use]
    pub fn requiring(mut self, names: &[&str]) -> Self {
        self.required
            .extend(names.iter().map(|name| (*name).to_owned()));
        self
    }
}

/// Where and how a run breaks a guarantee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The guarantee, as named in `VALIDATORS`; empty until [`validate_all`] fills it in.
    ///
    /// [`validate_all`]: super::validate_all
    pub guarantee: &'static str,
    /// The stream and the frame in the run; `None` if it concerns no stream.
    pub place: Option<(usize, usize)>,
    /// The subscriber.
    pub subscriber: String,
    /// What was expected and what was found.
    pub message: String,
}

impl Violation {
    pub(super) fn of(self, guarantee: &'static str) -> Self {
        Self { guarantee, ..self }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((stream, frame)) = self.place {
            write!(f, "stream {stream} ({}), frame {frame}: ", self.subscriber)?;
        }
        f.write_str(&self.message)
    }
}

/// A place in a run, on its way to a violation.
#[derive(Debug, Clone)]
pub(super) struct At {
    place: (usize, usize),
    subscriber: String,
}

impl At {
    pub(super) fn says(self, message: String) -> Violation {
        let Self { place, subscriber } = self;
        Violation {
            guarantee: "",
            place: Some(place),
            subscriber,
            message,
        }
    }
}

impl Case<'_> {
    pub(super) fn at(&self, stream: usize, frame: usize) -> At {
        let subscriber = self.run.streams[stream].subscriber.clone();
        At {
            place: (stream, frame),
            subscriber,
        }
    }

    pub(super) fn everywhere(&self, message: String) -> Violation {
        Violation {
            guarantee: "",
            place: None,
            subscriber: String::new(),
            message,
        }
    }
}

/// What occurred in a run, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    counts: BTreeMap<String, u64>,
}

impl Summary {
    /// Counts a run.
    #[must_use]
    pub fn of(run: &Run) -> Self {
        let mut summary = Self::default();
        summary.add("commits", run.truth.commits.len() as u64);
        summary.add("requests", run.requests.len() as u64);
        summary.add("streams", run.streams.len() as u64);
        for trace in &run.streams {
            for (_, frame) in &trace.frames {
                summary.frame(frame);
            }
            if let Some(end) = &trace.end {
                summary.add(&format!("END {} {}", end.code, end.reason), 1);
            }
        }
        summary
    }

    fn frame(&mut self, frame: &Frame) {
        match frame {
            Frame::Started { outcome, .. } => self.add(&format!("STARTED {outcome}"), 1),
            Frame::Event(event) => {
                self.add("events", 1);
                self.add(&event.kind, 1);
                self.add(&event.cause, 1);
            }
            Frame::SnapshotEnd { .. } => self.add("SNAPSHOT_END", 1),
            Frame::Bookmark { .. } => self.add("BOOKMARK", 1),
            Frame::Reset { reason, .. } => {
                self.add("RESET", 1);
                self.add(&format!("RESET {reason}"), 1);
            }
            Frame::UpstreamState(state) => self.add(state, 1),
            Frame::Draining => self.add("DRAINING", 1),
        }
    }

    fn add(&mut self, name: &str, count: u64) {
        *self.counts.entry(name.trim_end().to_owned()).or_default() += count;
    }

    /// How often something occurred: `commits`, `requests`, `streams`, `events`; types (`ADDED`),
    /// causes (`LEFT`), frames (`BOOKMARK`, `SNAPSHOT_END`, `RESET`, `RESET LAGGED`, `DRAINING`,
    /// `DEGRADED`), outcomes (`STARTED RESUMED`) and ends (`END UNAVAILABLE DRAINING`).
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    /// How many events were received.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.count("events")
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<_> = self
            .counts
            .iter()
            .map(|(name, count)| format!("{name}: {count}"))
            .collect();
        f.write_str(&counts.join(", "))
    }
}

/// What was found wrong with a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// What occurred.
    pub summary: Summary,
    /// All violations, by guarantee.
    pub violations: Vec<Violation>,
}

impl Report {
    /// The guarantees that were broken.
    #[must_use]
    pub fn guarantees(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self
            .violations
            .iter()
            .map(|found| found.guarantee)
            .collect();
        names.dedup();
        names
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the run breaks {}", self.guarantees().join(", "))?;
        for guarantee in self.guarantees() {
            let of: Vec<_> = self
                .violations
                .iter()
                .filter(|found| found.guarantee == guarantee)
                .collect();
            writeln!(f, "{guarantee}: {} violations", of.len())?;
            for found in of.iter().take(PRINTED) {
                writeln!(f, "  {found}")?;
            }
            if of.len() > PRINTED {
                writeln!(f, "  and {} more", of.len() - PRINTED)?;
            }
        }
        write!(f, "counted: {}", self.summary)
    }
}

impl std::error::Error for Report {}
