//! What the services count.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};

/// Labels of a started stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StartLabels {
    /// `snapshot`, `resumed`, `resynced` or `from_now`.
    pub outcome: &'static str,
}

/// Labels of an ended stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct EndLabels {
    /// `client` if the client left; else the name of the reason, see `docs/metrics.md`.
    pub reason: &'static str,
}

/// Counts of the services. Cheap to clone; all clones count together.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    /// Streams that are open.
    pub open: Gauge,
    /// Streams that were started, by outcome.
    pub started: Family<StartLabels, Counter>,
    /// Streams that have ended, by reason.
    pub ended: Family<EndLabels, Counter>,
    /// Calls of the open services that were refused, because too many are open.
    pub strangers_refused: Counter,
    /// Messages sent on streams.
    pub messages: Counter,
    /// Bytes of those messages.
    pub bytes: Counter,
}
