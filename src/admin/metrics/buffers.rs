//! The metrics of what is encoded for readers, over all resources.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use super::whole;
use crate::view::BudgetSize;

type Figure<T> = fn(&BudgetSize) -> T;

const GAUGES: &[(&str, &str, Figure<usize>)] = &[
    (
        "buffer_limit_bytes",
        "Most bytes that are encoded for readers",
        |size| size.limit,
    ),
    (
        "buffer_bytes",
        "Bytes that are encoded for readers, kept or on their way",
        |size| size.used,
    ),
    (
        "buffer_kept_bytes",
        "Of those, bytes that are kept for readers to come",
        |size| size.kept,
    ),
];

const COUNTERS: &[(&str, &str, Figure<u64>)] = &[
    (
        "buffer_evicted_bytes",
        "Bytes evicted for want of room",
        |size| size.evicted,
    ),
    (
        "buffer_refused",
        "Times that something was not encoded for want of room",
        |size| size.refused,
    ),
];

pub(super) fn encode(
    encoder: &mut DescriptorEncoder<'_>,
    size: &BudgetSize,
) -> Result<(), fmt::Error> {
    for (name, help, figure) in GAUGES {
        let gauge = ConstGauge::new(whole(figure(size)));
        gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
    }
    for (name, help, figure) in COUNTERS {
        let counter = ConstCounter::new(figure(size));
        counter.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
    }
    Ok(())
}
