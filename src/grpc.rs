//! The gRPC services: from a request to a validated question, and from what comes back to frames.
//!
//! The only room that knows `tonic::Status`. `Watch` answers with a body of shared bytes; all else
//! is ordinary tonic.

mod account;
mod admin;
mod audit;
mod bounded;
mod caller;
mod counters;
mod deadline;
mod frames;
mod framing;
mod objects;
mod offer;
mod origin;
mod prompt;
mod resources;
mod service;
mod status;
mod strangers;
mod validate;
mod watch;

pub use counters::{Counters, EndLabels, StartLabels};
pub use offer::{AllowList, AllowListError, Offer};
pub use service::{Api, outdated_trailers, stall_trailers};
