//! The questions that a call leads to, through the caches.

mod decide;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures::future::BoxFuture;
use tokio::time::{Instant, timeout};

pub(super) use decide::DECISION;

use super::{
    Bearer, Credential, Identity, Refusal, Sparing,
    answers::Answer,
    ask::Question,
    cache::Cache,
    caller::Known,
    certificate,
    counts::{Count, Counts},
    desk::Desk,
    key::{Key, Keyring},
    lane::Asker,
    pace::Pace,
    quota::Quotas,
    ready::Ready,
    review::{LIMIT, ReviewError, Reviewer},
};

/// Failures are told so often at most.
const COMPLAINT: Duration = Duration::from_secs(10);
/// So is that callers are turned away as too many.
const CROWD: Duration = Duration::from_secs(1);

/// Asks the apiserver, remembers what it said.
pub(super) struct Reviews {
    reviewer: Arc<dyn Reviewer>,
    keyring: Keyring,
    ready: Ready,
    /// Whom tokens have to be for. Never empty.
    audiences: Vec<String>,
    /// Whether tokens for the apiserver itself will do as well.
    accept_apiserver: bool,
    quotas: Arc<Quotas>,
    tokens: Cache<Option<Arc<Identity>>>,
    decisions: Cache<bool>,
    complaints: Sparing,
    crowd: Sparing,
}

impl Reviews {
    pub(super) fn new(
        reviewer: Arc<dyn Reviewer>,
        audiences: Vec<String>,
        accept_apiserver: bool,
        quotas: Arc<Quotas>,
        desk: &Desk,
        counts: &Counts,
    ) -> Self {
        let count = |kind| Count {
            counts: counts.clone(),
            kind,
        };
        Self {
            reviewer,
            keyring: Keyring::new(),
            ready: Ready::default(),
            audiences,
            accept_apiserver,
            quotas,
            tokens: Cache::new(desk.clone(), count("token")),
            decisions: Cache::new(desk.clone(), count("access")),
            complaints: Sparing::new(1, COMPLAINT),
            crowd: Sparing::new(1, CROWD),
        }
    }

    /// Who somebody is, and when that was asked. `asker`: on whose behalf.
    ///
    /// # Errors
    /// [`Refusal::Invalid`], [`Refusal::Unverified`]. Cancel safe.
    pub(super) async fn who(
        &self,
        credential: &Credential,
        asker: &Asker,
        pace: Pace,
    ) -> Result<(Arc<Identity>, Instant), Refusal> {
        match credential {
            Credential::Certificate(der) => {
                let read = certificate::identity(der);
                let (identity, end) = read.map_err(|error| {
                    tracing::info!(%error, "a client certificate names nobody");
                    Refusal::Invalid("the client certificate names no user, as its common name")
                })?;
                if SystemTime::now() >= end {
                    return Err(Refusal::Invalid("the client certificate has expired"));
                }
                Ok((Arc::new(identity), Instant::now()))
            }
            Credential::Bearer(bearer) => self.whose_token(bearer, asker, pace).await,
        }
    }

    async fn whose_token(
        &self,
        bearer: &Bearer,
        asker: &Asker,
        pace: Pace,
    ) -> Result<(Arc<Identity>, Instant), Refusal> {
        let review = |audiences| self.review_token(bearer, audiences, asker, pace);
        let (identity, asked) = review(&self.audiences).await?;
        if let Some(identity) = identity {
            return Ok((identity, asked));
        }
        // A review with our audience says nothing about tokens that are for the apiserver itself:
        // for these it is asked as the apiserver asks itself, which is without any.
        if self.accept_apiserver
            && let (Some(identity), asked) = review(&[]).await?
        {
            return Ok((identity, asked));
        }
        let remedy = "the token is unknown, expired, or for another audience";
        Err(Refusal::Invalid(remedy))
    }

    async fn review_token(
        &self,
        bearer: &Bearer,
        audiences: &[String],
        asker: &Asker,
        pace: Pace,
    ) -> Result<(Option<Arc<Identity>>, Instant), Refusal> {
        let parts = audiences.iter().map(|audience| audience.as_bytes());
        let token = [&b"token"[..], bearer.expose().as_bytes()];
        let key = self.keyring.key(token.into_iter().chain(parts));
        let ask = || {
            let (bearer, audiences) = (bearer.clone(), audiences.to_vec());
            let review = move |reviewer: &dyn Reviewer| reviewer.token(&bearer, &audiences);
            let known = self.sure(review);
            Box::pin(async { Ok(known.await?.map(Arc::new)) }) as BoxFuture<'static, _>
        };
        let answer = self.tokens.get(key, asker, pace, true, ask).await;
        answer.map_err(|error| self.unverified(&error))
    }

    /// By what a caller's open streams are told apart from those of others.
    pub(super) fn caller_key(&self, known: &Known) -> Key {
        let credential: [&[u8]; 2] = match &known.credential {
            Credential::Bearer(bearer) => [b"bearer", bearer.expose().as_bytes()],
            Credential::Certificate(der) => [b"certificate", der],
        };
        self.keyring.key(credential)
    }

    /// By what the standing of a caller who asks this is shared.
    pub(super) fn standing_key(&self, caller: &Key, questions: &[Question]) -> Key {
        let asked = questions.iter().flat_map(Question::parts);
        self.keyring.key([&caller[..]].into_iter().chain(asked))
    }

    /// A review whose no is one of an apiserver that knows what it says.
    fn sure<T: Answer>(
        &self,
        review: impl Fn(&dyn Reviewer) -> BoxFuture<'static, Result<T, ReviewError>>
        + Send
        + Sync
        + 'static,
    ) -> BoxFuture<'static, Result<T, ReviewError>> {
        let (reviewer, ready) = (self.reviewer.clone(), self.ready.clone());
        Box::pin(async move {
            let reviewer = &*reviewer;
            ready.sure(reviewer, || review(reviewer)).await
        })
    }

    fn unverified(&self, error: &ReviewError) -> Refusal {
        let now = std::time::Instant::now();
        if *error == ReviewError::Crowded {
            if let Some(before) = self.crowd.tell(now) {
                let reviews = before + 1;
                tracing::warn!(
                    reviews,
                    "too many callers wait to be checked, others are turned away"
                );
            }
        } else if self.complaints.tell(now).is_some() {
            tracing::warn!(%error, "callers can't be checked, new ones are turned away");
        }
        match error {
            ReviewError::Unconfirmed => Refusal::Unconfirmed,
            _ => Refusal::Unverified,
        }
    }

    /// Asks once for each kind of review, past the caches.
    ///
    /// # Errors
    /// The first that is not answered.
    pub(super) async fn probe(&self) -> Result<(), ReviewError> {
        let limited = |review: BoxFuture<'static, Result<(), ReviewError>>| async {
            let late = |_| ReviewError::NoAnswer("none in time".to_owned());
            timeout(LIMIT, review).await.map_err(late)?
        };
        let bearer = Bearer::new("informerd-self-test").expect("it is well formed");
        let token = self.reviewer.token(&bearer, &self.audiences);
        limited(Box::pin(async { token.await.map(drop) })).await?;
        let nobody = Identity {
            username: "informerd-self-test".to_owned(),
            ..Identity::default()
        };
        let question = Question::Path {
            path: "/informerd/admin".to_owned(),
            verb: "get",
        };
        let access = self.reviewer.access(&nobody, &question);
        limited(Box::pin(async { access.await.map(drop) })).await
    }

    /// As if all answers had become too old.
    #[cfg(test)]
    pub(super) fn forget(&self) {
        self.tokens.clear();
        self.decisions.clear();
    }
}

impl fmt::Debug for Reviews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reviews")
            .field("audiences", &self.audiences)
            .field("tokens", &self.tokens)
            .field("decisions", &self.decisions)
            .finish_non_exhaustive()
    }
}
