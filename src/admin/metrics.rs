//! The metrics. `docs/metrics.md` lists them; a test holds the two together.
//!
//! Labels are bounded by the number of resources, and by that of the namespaces which the operator
//! has named; never by subscribers or names.

mod access;
mod buffers;
mod standings;
mod transport;

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use crate::{
    access::Gate,
    cacher::{CacherSize, Cachers},
    grpc::Counters,
    reflector::RestartReason,
    subscription::UpstreamHealth,
    transport::Stats,
};

/// Where the figures come from.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// The cachers.
    pub cachers: Arc<Cachers>,
    /// What callers are let in by.
    pub gate: Gate,
    /// What the services count.
    pub counters: Counters,
    /// What the transport counts.
    pub transport: Arc<Stats>,
}

/// Registers all metrics.
pub fn registry(metrics: Metrics) -> Registry {
    let mut registry = Registry::with_prefix("informerd");
    let counters = &metrics.counters;
    registry.register(
        "streams_open",
        "Watch streams that are open",
        counters.open.clone(),
    );
    registry.register(
        "streams_started",
        "Watch streams by outcome",
        counters.started.clone(),
    );
    registry.register(
        "streams_ended",
        "Ended watch streams by reason",
        counters.ended.clone(),
    );
    registry.register(
        "strangers_refused",
        "Calls without credentials refused because too many were open",
        counters.strangers_refused.clone(),
    );
    registry.register(
        "messages_sent",
        "Messages sent on streams",
        counters.messages.clone(),
    );
    registry.register(
        "message_bytes_sent",
        "Bytes of those messages",
        counters.bytes.clone(),
    );
    standings::register(&mut registry, &metrics.gate);
    registry.register_collector(Box::new(Scrape(metrics)));
    registry
}

/// Sizes, read when they are asked for.
#[derive(Debug)]
struct Scrape(Metrics);

const GAUGES: &[Row<CacherSize, i64>] = &[
    ("upstream_watches", "Established watches upstream", |size| {
        i64::from(size.pulse.health == Some(UpstreamHealth::Healthy))
    }),
    (
        "upstream_forbidden",
        "Whether the daemon may not list and watch it",
        |size| i64::from(size.pulse.forbidden),
    ),
    (
        "watch_cache_synced",
        "Whether the watch cache holds a complete state",
        |size| i64::from(size.pulse.synced),
    ),
    (
        "watch_cache_objects",
        "Objects in the watch cache",
        |size| whole(size.feed.objects),
    ),
    (
        "watch_cache_history_changes",
        "Changes in the history",
        |size| whole(size.feed.history_changes),
    ),
    (
        "watch_cache_history_bytes",
        "Bytes of the changes in the history",
        |size| whole(size.feed.history_bytes),
    ),
    (
        "watch_cache_resource_version",
        "The newest resourceVersion, if it is a number",
        |size| size.pulse.version.to_string().parse().unwrap_or(0),
    ),
    ("views", "Distinct queries", |size| whole(size.feed.views)),
    ("view_log_bytes", "Bytes of encoded events", |size| {
        whole(size.feed.log_bytes)
    }),
    ("subscriptions", "Subscriptions", |size| {
        whole(size.feed.subscriptions)
    }),
];

const COUNTERS: &[Row<CacherSize, u64>] = &[
    ("reflector_lists", "Pages asked for upstream", |size| {
        size.stats.lists()
    }),
    ("reflector_watches", "Watches asked for upstream", |size| {
        size.stats.watches()
    }),
    ("reflector_events", "Events received from watches", |size| {
        size.stats.events()
    }),
    (
        "reflector_bookmarks",
        "Bookmarks received from watches",
        |size| size.stats.bookmarks(),
    ),
    ("reflector_bytes", "Bytes received from upstream", |size| {
        size.stats.bytes()
    }),
    (
        "reflector_duplicates",
        "Events dropped as already seen",
        |size| size.stats.duplicates(),
    ),
    (
        "reflector_malformed_lines",
        "Lines that could not be read",
        |size| size.stats.malformed(),
    ),
];

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let sizes = self.0.cachers.sizes();
        for (name, help, figure) in GAUGES {
            let values = sizes
                .iter()
                .map(|size| (size, ConstGauge::new(figure(size))));
            each(&mut encoder, name, help, MetricType::Gauge, values)?;
        }
        for (name, help, figure) in COUNTERS {
            let values = sizes
                .iter()
                .map(|size| (size, ConstCounter::new(figure(size))));
            each(&mut encoder, name, help, MetricType::Counter, values)?;
        }
        restarts(&mut encoder, &sizes)?;
        access::encode(&mut encoder, self.0.gate.tally())?;
        standings::encode(&mut encoder, &self.0.gate)?;
        buffers::encode(&mut encoder, &self.0.cachers.budget().size())?;
        transport::encode(&mut encoder, &self.0.transport)
    }
}

fn each<'a, M: EncodeMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    kind: MetricType,
    values: impl Iterator<Item = (&'a CacherSize, M)>,
) -> Result<(), fmt::Error> {
    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
    for (size, value) in values {
        value.encode(family.encode_family(&labels(size))?)?;
    }
    Ok(())
}

fn restarts(encoder: &mut DescriptorEncoder<'_>, sizes: &[CacherSize]) -> Result<(), fmt::Error> {
    let help = "Watches that ended and lists made anew, by reason";
    let name = "reflector_restarts";
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for size in sizes {
        for reason in RestartReason::ALL {
            let mut labels = labels(size);
            labels.push(("reason", reason.as_str().to_owned()));
            let counter = ConstCounter::new(size.stats.restarts(reason));
            counter.encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

/// With the namespace only where the operator has named some, each of which has a watch.
fn labels(size: &CacherSize) -> Vec<(&'static str, String)> {
    let gvr = size.source.gvr();
    let mut labels = vec![
        ("group", gvr.group.clone()),
        ("version", gvr.version.clone()),
        ("resource", gvr.resource.clone()),
    ];
    if let Some(namespace) = size.source.namespace() {
        labels.push(("namespace", namespace.to_owned()));
    }
    labels
}

fn whole(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

/// Name, help, and how the figure is read.
type Row<S, T> = (&'static str, &'static str, fn(&S) -> T);

/// Writes figures of one thing that go up and down.
fn gauges<S, T: TryInto<i64>>(
    encoder: &mut DescriptorEncoder<'_>,
    rows: &[Row<S, T>],
    of: &S,
) -> fmt::Result {
    for (name, help, figure) in rows {
        let gauge = ConstGauge::new(whole(figure(of)));
        gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
    }
    Ok(())
}

/// The same for figures that only grow.
fn counters<S>(encoder: &mut DescriptorEncoder<'_>, rows: &[Row<S, u64>], of: &S) -> fmt::Result {
    for (name, help, figure) in rows {
        let counter = ConstCounter::new(figure(of));
        counter.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
    }
    Ok(())
}
