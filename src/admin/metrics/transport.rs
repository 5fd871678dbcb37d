//! The metrics of connections.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use super::{Row, counters, gauges};
use crate::transport::Stats;

type Figure = fn(&Stats) -> u64;

const GAUGES: &[Row<Stats, u64>] = &[
    (
        "connections_open",
        "Open connections",
        Stats::open_connections,
    ),
    (
        "requests_open",
        "Open HTTP/2 streams, of all methods",
        Stats::open_streams,
    ),
];

const COUNTERS: &[Row<Stats, u64>] = &[
    (
        "connections_accepted",
        "Accepted connections",
        Stats::accepted,
    ),
    (
        "accept_errors",
        "Connections that could not be accepted",
        Stats::accept_errors,
    ),
    (
        "streams_stalled",
        "Streams ended because their reader took nothing",
        Stats::stalled,
    ),
    (
        "streams_crowded",
        "Streams ended because too much waited for slow readers",
        Stats::crowded,
    ),
    (
        "requests_panicked",
        "Requests that ended by a panic, which is a defect",
        Stats::panics,
    ),
];

/// Name, help, name of the label, and the figure for each of its values.
type Family = (
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, Figure)],
);

const FAMILIES: &[Family] = &[
    (
        "connections_refused",
        "Connections closed right after accept, by the limit",
        "limit",
        &[
            ("total", Stats::refused),
            ("address", Stats::refused_source),
            ("rate", Stats::refused_pace),
        ],
    ),
    (
        "handshakes_failed",
        "Connections that never spoke HTTP/2, by reason",
        "reason",
        &[
            ("late", Stats::silent),
            ("displaced", Stats::displaced),
            ("tls", Stats::tls_failures),
            ("http2", Stats::wrong_prefaces),
        ],
    ),
    (
        "connections_dropped",
        "Connections ended by the daemon, by reason",
        "reason",
        &[
            ("no_answer", Stats::keepalive_timeouts),
            ("flood", Stats::floods),
            ("idle", Stats::idle),
        ],
    ),
    (
        "tls_reloads",
        "New certificate files, by what became of them",
        "outcome",
        &[
            ("taken", Stats::tls_reloads),
            ("refused", Stats::tls_reloads_refused),
        ],
    ),
];

/// Writes all of them.
pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, stats: &Stats) -> fmt::Result {
    gauges(encoder, GAUGES, stats)?;
    counters(encoder, COUNTERS, stats)?;
    for (name, help, label, values) in FAMILIES {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (value, figure) in *values {
            let counter = ConstCounter::new(figure(stats));
            counter.encode(family.encode_family(&[(*label, *value)])?)?;
        }
    }
    let name = "tls_certificate_expiry_timestamp_seconds";
    let help = "When the certificate in use expires, in seconds since 1970";
    let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    match stats.certificate_expiry() {
        Some(seconds) => ConstGauge::new(seconds).encode(metric),
        None => Ok(()),
    }
}
