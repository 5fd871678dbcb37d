//! The metrics of what is encoded for readers, over all resources.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;

use super::{Row, counters, gauges};
use crate::view::BudgetSize;

const GAUGES: &[Row<BudgetSize, usize>] = &[
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

const COUNTERS: &[Row<BudgetSize, u64>] = &[
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

pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, size: &BudgetSize) -> fmt::Result {
    gauges(encoder, GAUGES, size)?;
    counters(encoder, COUNTERS, size)
}
