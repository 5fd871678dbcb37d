//! One cacher per resource, or per resource and namespace: it owns the reflector, the feed and what reaches further back.
//!
//! The first subscriber starts the watch upstream; when the last one has left it lingers, then
//! stops. However many come and go, there is never more than one.

mod attach;
mod catch_up;
mod factory;
mod lease;
mod lifecycle;
mod report;

pub use attach::{StartAt, Watch};
pub use factory::{Cachers, Settings, Spawn};
pub use lease::Lease;
pub use report::{CacherSize, Phase, UpstreamStanding};
