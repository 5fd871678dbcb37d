//! Views: what one distinct query sees of a resource.
//!
//! All subscribers that ask the same share one [`View`]: each change is matched once, turned into
//! the subscriber's event once, encoded once, and appended to a log of shared bytes.

mod backlog;
mod frame;
mod index;
mod log;
mod registry;
mod snapshot;
mod transition;
#[allow(clippy::module_inception)]
mod view;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use backlog::Backlog;
pub use index::Anchor;
pub use log::Run;
pub use registry::{QuerySize, Registry};
pub use snapshot::{Chunk, SharedSnapshot};
pub use transition::{Cause, Deliveries, Delivery, transition};
pub use view::{Mint, Read, Reader, View};
