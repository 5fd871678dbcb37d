//! Roles and bindings, followed so that changes of rights are noticed at once.
//!
//! What they allow is never worked out: that is asked. Of each binding is known whom it names and
//! to which role, of each role whether its rules are still the same; so of each change whom it may
//! concern, which is told to whoever checks them.

mod book;
mod follow;
mod object;

pub use follow::{Tell, follow};
