//! Waiting for something that can only be looked at.

use std::{future::Future, time::Duration};

/// Longest wait.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks again and again until a condition holds.
pub async fn until<F, L>(what: &str, look: F)
where
    F: Fn() -> L,
    L: Future<Output = bool>,
{
    let looking = async {
        while !look().await {
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking)
        .await
        .unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain: {what}"));
}
