//! What is watched: resources, keys, versions, objects and the events of an upstream watch.
//!
//! Everything downstream speaks in these terms. Nothing here does I/O.

mod event;
mod gvr;
mod key;
mod labels;
mod object;
mod source;
mod version;

pub use event::{Delta, Status, UpstreamEvent};
pub use gvr::{Gvr, ResourceInfo};
pub use key::Key;
pub use labels::Labels;
pub use object::{Object, ObjectParts};
pub use source::{OutOfReach, Reach, ReachError, Source, SourceKey};
pub use version::ResourceVersion;
