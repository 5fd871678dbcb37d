//! Waiting for something that can be observed, never for time to pass.

use std::{future::Future, time::Duration};

/// Longest wait for what must happen.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks until `condition` holds. Panics with `what` if it never does.
pub async fn until<F, Fut>(what: &str, mut condition: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let looking = async {
        let mut look = tokio::time::interval(PAUSE);
        while !condition().await {
            look.tick().await;
        }
    };
    let looked = tokio::time::timeout(PATIENCE, looking).await;
    looked.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"));
}
