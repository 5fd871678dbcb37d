//! The metrics of reviews, and of the standing of open streams.

use std::fmt;

use prometheus_client::{encoding::DescriptorEncoder, registry::Registry};

use super::{Row, gauges, whole};
use crate::access::{Census, Gate};

const GAUGES: &[Row<Census, i64>] = &[
    (
        "access_standings",
        "Distinct callers and questions of open streams",
        |census| whole(census.standings),
    ),
    (
        "access_standings_failing",
        "Those whose last check has brought no answer",
        |census| whole(census.failing),
    ),
    (
        "access_streams_held",
        "Streams that get no data because nobody can tell whether they may",
        |census| whole(census.held_streams),
    ),
    (
        "access_checks_suspended",
        "Whether only single checks are tried because nobody answers",
        |census| i64::from(census.suspended),
    ),
];

pub(super) fn register(registry: &mut Registry, gate: &Gate) {
    let counts = gate.counts();
    registry.register(
        "access_reviews",
        "Answers about callers by kind, outcome and source",
        counts.reviews.clone(),
    );
    registry.register(
        "access_early_checks",
        "Checks of open streams because rights may have changed",
        counts.early_checks.clone(),
    );
}

pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, gate: &Gate) -> fmt::Result {
    gauges(encoder, GAUGES, &gate.census())
}
