//! Selectors: parse once, evaluate often, and describe a query in one canonical way.
//!
//! Two requests that mean the same make equal [`Query`] values, so that they can share one view.
//! Nothing here does I/O; text from subscribers comes in as `&str` and goes no further than here.

mod error;
mod field;
mod label;
mod membership;
mod path;
mod query;
mod syntax;

pub(crate) use error::echo;
pub use error::{FilterError, SelectorError};
pub use field::{FieldOperator, FieldRequirement, FieldSelector};
pub use label::{LabelOperator, LabelRequirement, LabelSelector};
pub use membership::{FilterSpec, MAX_EXACT_ENTRIES, Membership};
pub use path::{FieldPath, MAX_SEGMENTS, Segment};
pub use query::{EventType, EventTypes, Query};

/// Longest text of a selector, in bytes.
pub const MAX_SELECTOR_BYTES: usize = 4096;

/// Most requirements in a selector.
pub const MAX_REQUIREMENTS: usize = 64;

/// Most values in the set of one `in` or `notin`, as written.
pub const MAX_SET_VALUES: usize = 256;
