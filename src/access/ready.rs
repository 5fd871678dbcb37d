//! A no of an apiserver that has just begun to serve means nothing.
//!
//! It answers reviews before its authorizers have read the roles and its authenticators the
//! accounts, and then nobody may anything. Its `/readyz` says when they have (the checks
//! `informer-sync` and `poststarthook/rbac/bootstrap-roles`). Without this an apiserver's restart
//! would end every stream as forbidden.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use super::{
    answers::Answer,
    review::{ReviewError, Reviewer},
};

/// How long the word that an apiserver is ready is good for the answers that follow it.
const LASTS: Duration = Duration::from_secs(2);
/// How long it may take to make sure of a no. Shorter than an answer may, so that the no is not
/// lost with it.
const CONFIRMED: Duration = Duration::from_secs(3);

/// When the apiserver was last known to be ready.
#[derive(Debug, Clone, Default)]
pub(super) struct Ready(Arc<Mutex<Option<Instant>>>);

impl Ready {
    /// Asks, and if the answer is a no makes sure that it comes from an apiserver that was ready
    /// when it was asked.
    ///
    /// # Errors
    /// Those of asking; [`ReviewError::Unconfirmed`] after a no, whatever keeps it from being
    /// confirmed.
    pub(super) async fn sure<T: Answer>(
        &self,
        reviewer: &dyn Reviewer,
        ask: impl Fn() -> BoxFuture<'static, Result<T, ReviewError>>,
    ) -> Result<T, ReviewError> {
        let asked = Instant::now();
        let answer = ask().await?;
        if !answer.is_no() || self.held(asked) {
            return Ok(answer);
        }
        let again = async {
            let begun = Instant::now();
            if !reviewer.ready().await? {
                return Err(ReviewError::Unconfirmed);
            }
            *self.0.lock() = Some(begun);
            ask().await
        };
        let again = timeout(CONFIRMED, again).await.ok();
        again.and_then(Result::ok).ok_or(ReviewError::Unconfirmed)
    }

    /// Whether the apiserver was known to be ready shortly before.
    fn held(&self, asked: Instant) -> bool {
        let last = *self.0.lock();
        last.is_some_and(|last| last <= asked && asked.duration_since(last) < LASTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_on_readiness_is_good_for_what_is_asked_soon_after_it() {
        let second = Duration::from_secs(1);
        let (ready, word) = (Ready::default(), Instant::now() + 10 * second);
        assert!(!ready.held(word), "nobody has said so");
        *ready.0.lock() = Some(word);
        assert!(ready.held(word) && ready.held(word + second));
        assert!(!ready.held(word + 3 * second), "long ago");
        assert!(
            !ready.held(word - second),
            "what was asked before may be wrong"
        );
    }
}
