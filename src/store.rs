//! The watch cache of one resource: the current objects and a bounded history of changes.
//!
//! One writer, and no I/O, clock or lock of its own: the owner says when things happen.

mod change;
mod history;
mod scan;
mod watch_cache;

#[cfg(test)]
mod tests;

pub use change::{Change, ChangeCause, Seq};
pub use history::{HistoryLimits, Located, Since};
pub use scan::Scan;
pub use watch_cache::{Head, Objects, Snapshot, WatchCache};
