//! The metrics of what callers are refused for want of quota.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, counter::ConstCounter},
};

use crate::access::{Limit, Tally};

/// Writes all of them.
pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, tally: &Tally) -> fmt::Result {
    let help = "Calls refused because a limit was met, by the limit";
    let name = "quota_refused";
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for limit in Limit::ALL {
        let counter = ConstCounter::new(tally.of(limit));
        counter.encode(family.encode_family(&[("limit", limit.as_str())])?)?;
    }
    Ok(())
}
