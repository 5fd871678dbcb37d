//! A no of an apiserver that has just begun to serve means nothing.
//!
//! It answers reviews before its authorizers have read the roles and its authenticators the
//! accounts, and then nobody may anything. Its `/readyz` says when they have (the checks
//! `informer-sync` and `poststarthook/rbac/bootstrap-roles`). Without this an apiserver's restart
//! would end every stream as forbidden.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::review::{ReviewError, Reviewer};

/// How long the word that an apiserver is ready is good for the answers that follow it.
const LASTS: Duration = Duration::from_secs(2);

/// When the apiserver was last known to be ready.
#[derive(Debug, Clone, Default)]
pub(super) struct Ready(Arc<Mutex<Option<Instant>>>);

impl Ready {
    /// Asks, and if the answer is a no makes sure that it comes from an apiserver that was ready
    /// when it was asked.
    ///
    /// # Errors
    /// Those of asking; [`ReviewError::Starting`].
    pub(super) async fn sure<T>(
        &self,
        reviewer: &dyn Reviewer,
        ask: impl Fn() -> BoxFuture<'static, Result<T, ReviewError>>,
        is_no: impl Fn(&T) -> bool,
    ) -> Result<T, ReviewError> {
        let asked = Instant::now();
        let answer = ask().await?;
        if !is_no(&answer) || self.held(asked) {
            return Ok(answer);
        }
        let begun = Instant::now();
        if !reviewer.ready().await? {
            return Err(ReviewError::Starting);
        }
        *self.0.lock() = Some(begun);
        ask().await
    }

    /// Whether the apiserver was known to be ready shortly before.
    fn held(&self, asked: Instant) -> bool {
        let last = *self.0.lock();
        last.is_some_and(|last| last <= asked && asked.duration_since(last) < LASTS)
    }
}
