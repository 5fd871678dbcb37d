//! Views: what one distinct query sees of a resource.
//!
//! All subscribers that ask the same share one [`View`]: each change is matched once, turned into
//! the subscriber's event once, encoded once, and appended to a log of shared bytes.

mod backlog;
mod budget;
mod evict;
mod frame;
mod index;
mod log;
mod past;
mod readers;
mod registry;
mod snapshot;
mod transition;
mod unit;
#[allow(clippy::module_inception)]
mod view;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use backlog::{Backlog, Difference, Untold};
pub use budget::{Budget, BudgetSize};
pub use index::Anchor;
pub use readers::Reader;
pub use registry::{QuerySize, Registry};
pub use snapshot::{Chunk, SharedSnapshot};
pub use transition::{Cause, Deliveries, Delivery, transition};
pub use unit::Run;
pub use view::{HistoryPlace, Mint, Past, Read, View};
