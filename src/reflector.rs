//! The reflector: turns an apiserver's LIST and WATCH of one resource into states and changes.
//!
//! One pure machine decides ([`machine`]), one driver does what it says ([`Reflector::run`]), and
//! everything leaves through one seam, the [`Sink`]. Beside it stand the other things that are
//! asked of an apiserver: [`Fetcher`] for old positions, [`Discovery`] for what is served, and the
//! way there itself, [`connect()`].

mod connection;
mod identity;
mod options;
mod request;
mod run;
mod sink;
mod stats;

pub mod connect;
pub mod decode;
pub mod discovery;
pub mod fetch;
pub mod lines;
pub mod machine;

/// A connection to an apiserver, as [`connect()`] makes it.
pub use kube::Client as ApiClient;

pub use connect::{ConnectError, ConnectOptions, Upstream, connect};
pub use decode::DecodeError;
pub use discovery::{Discovery, DiscoveryError, Resolve};
pub use fetch::{FetchError, Fetcher};
pub use identity::{IdentityError, cluster_id};
pub use options::ReflectorOptions;
pub use run::Reflector;
pub use sink::{DegradedReason, Health, Sink};

use crate::resource::Delta;
pub use stats::{ReflectorStats, RestartReason};

#[cfg(test)]
pub(crate) mod testing;
