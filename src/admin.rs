//! What operators and the kubelet look at: probes and metrics over plain HTTP.

mod metrics;
mod probes;
mod server;

pub use metrics::{Metrics, registry};
pub use probes::{Readiness, router};
pub use server::{AdminLimits, serve};
