//! The one place where a test waits for a condition that nobody announces.

use std::{future::Future, time::Duration};

/// Longest wait; a test that gets there has failed.
const PATIENCE: Duration = Duration::from_secs(120);
/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks again and again until a condition holds.
pub async fn until<F>(what: &str, mut holds: impl FnMut() -> F)
where
    F: Future<Output = bool>,
{
    let looking = async {
        let mut looks = tokio::time::interval(PAUSE);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            if holds().await {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, looking)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"));
}

/// Lets time pass that is itself what a scenario is about, such as that of a linger. Nothing may be
/// concluded from it.
pub async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}
