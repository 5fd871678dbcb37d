//! The questions that a call leads to, through the caches.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use parking_lot::Mutex;
use tokio::{sync::Semaphore, time::Instant};

use super::{
    Bearer, Credential, Identity, Refusal,
    ask::Question,
    cache::{Cache, TTL},
    caller::Known,
    certificate,
    desk::Desk,
    key::{Key, Keyring},
    ready::Ready,
    review::{ReviewError, Reviewer, access_spec},
};

/// Reviews that are asked for at once, on behalf of callers and of open streams each, so that
/// neither keeps the other from being served.
const LANES: usize = 64;
/// Questions of one call that are asked at once.
const PER_CALL: usize = 8;
/// Answers to longer questions are not kept: their length is the caller's choice (as in
/// apiserver's `plugin/pkg/authorizer/webhook`).
const MAX_KEPT: usize = 10_000;
/// A failure of the same kind is told so often at most.
const COMPLAINT: Duration = Duration::from_secs(10);

/// How fresh answers have to be, and whose turn it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    age: Duration,
    again: bool,
}

impl Pace {
    /// For a new call.
    pub(super) const CALL: Self = Self {
        age: TTL,
        again: false,
    };

    /// For an open stream: so fresh that little is added to the interval, and old enough for all
    /// streams of a caller to share.
    pub(super) fn recheck(interval: Duration) -> Self {
        let age = (interval / 10).min(Duration::from_secs(2));
        Self { age, again: true }
    }
}

/// Asks the apiserver, remembers what it said.
pub(super) struct Reviews {
    reviewer: Arc<dyn Reviewer>,
    keyring: Keyring,
    ready: Ready,
    /// Whom tokens have to be for. Never empty.
    audiences: Vec<String>,
    /// Whether tokens for the apiserver itself will do as well.
    accept_apiserver: bool,
    tokens: Cache<Option<Arc<Identity>>>,
    decisions: Cache<bool>,
    lanes: [Arc<Semaphore>; 2],
    complained: Mutex<Option<Instant>>,
}

impl Reviews {
    pub(super) fn new(
        reviewer: Arc<dyn Reviewer>,
        audiences: Vec<String>,
        accept_apiserver: bool,
        desk: &Desk,
    ) -> Self {
        Self {
            reviewer,
            keyring: Keyring::new(),
            ready: Ready::default(),
            audiences,
            accept_apiserver,
            tokens: Cache::new(desk.clone()),
            decisions: Cache::new(desk.clone()),
            lanes: [LANES; 2].map(|permits| Arc::new(Semaphore::new(permits))),
            complained: Mutex::default(),
        }
    }

    /// Who somebody is, and when that was asked.
    ///
    /// # Errors
    /// [`Refusal::Invalid`], [`Refusal::Unverified`]. Cancel safe.
    pub(super) async fn who(
        &self,
        credential: &Credential,
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
            Credential::Bearer(bearer) => self.whose_token(bearer, pace).await,
        }
    }

    async fn whose_token(
        &self,
        bearer: &Bearer,
        pace: Pace,
    ) -> Result<(Arc<Identity>, Instant), Refusal> {
        let (identity, asked) = self.review_token(bearer, &self.audiences, pace).await?;
        if let Some(identity) = identity {
            return Ok((identity, asked));
        }
        // A review with our audience says nothing about tokens that are for the apiserver itself:
        // for these it is asked as the apiserver asks itself, which is without any.
        if self.accept_apiserver
            && let (Some(identity), asked) = self.review_token(bearer, &[], pace).await?
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
        pace: Pace,
    ) -> Result<(Option<Arc<Identity>>, Instant), Refusal> {
        let parts = audiences.iter().map(|audience| audience.as_bytes());
        let token = [&b"token"[..], bearer.expose().as_bytes()];
        let key = self.keyring.key(token.into_iter().chain(parts));
        let ask = || {
            let (bearer, audiences) = (bearer.clone(), audiences.to_vec());
            let review = move |reviewer: &dyn Reviewer| reviewer.token(&bearer, &audiences);
            let known = self.in_turn(pace, review, Option::is_none);
            Box::pin(async { Ok(known.await?.map(Arc::new)) }) as BoxFuture<'static, _>
        };
        let answer = self.tokens.get(key, pace.age, true, ask).await;
        answer.map_err(|error| self.unverified(&error))
    }

    /// Whether a user may all of these things; gives when the oldest answer was asked for.
    ///
    /// # Errors
    /// [`Refusal::Denied`] for the first one that it may not; [`Refusal::Unverified`]. Cancel safe.
    pub(super) async fn may(
        &self,
        identity: &Identity,
        questions: &[Question],
        pace: Pace,
    ) -> Result<Instant, Refusal> {
        let mut answers = Vec::with_capacity(questions.len());
        for question in questions {
            answers.push(self.allowed(identity, question, pace).boxed());
        }
        let mut answers = stream::iter(answers).buffered(PER_CALL);
        let mut oldest = Instant::now();
        while let Some(answer) = answers.next().await {
            oldest = oldest.min(answer?);
        }
        Ok(oldest)
    }

    /// Whether a user may do one thing; gives when that was asked for.
    async fn allowed(
        &self,
        identity: &Identity,
        question: &Question,
        pace: Pace,
    ) -> Result<Instant, Refusal> {
        let (allowed, asked) = self.review_access(identity, question, pace).await?;
        if allowed {
            return Ok(asked);
        }
        Err(Refusal::Denied(question.forbidden(&identity.username)))
    }

    async fn review_access(
        &self,
        identity: &Identity,
        question: &Question,
        pace: Pace,
    ) -> Result<(bool, Instant), Refusal> {
        let spec = access_spec(identity, question).to_string();
        let key = self.keyring.key([&b"access"[..], spec.as_bytes()]);
        let keep = spec.len() <= MAX_KEPT;
        let ask = || {
            let (identity, question) = (identity.clone(), question.clone());
            let review = move |reviewer: &dyn Reviewer| reviewer.access(&identity, &question);
            self.in_turn(pace, review, |allowed| !allowed)
        };
        let answer = self.decisions.get(key, pace.age, keep, ask).await;
        answer.map_err(|error| self.unverified(&error))
    }

    /// Whether somebody who was let in would still be.
    ///
    /// # Errors
    /// Why not. Cancel safe.
    pub(super) async fn still(
        &self,
        known: &Known,
        questions: &[Question],
        pace: Pace,
    ) -> Result<(), Refusal> {
        let (identity, _) = self.who(&known.credential, pace).await?;
        if !identity.is_same_user(&known.identity) {
            return Err(Refusal::Invalid("the token now stands for another user"));
        }
        self.may(&identity, questions, pace).await.map(drop)
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
        let asked = serde_json::to_string(questions).expect("questions are plain data");
        self.keyring.key([&caller[..], asked.as_bytes()])
    }

    /// Puts a review into its lane. A no is one of an apiserver that knows what it says.
    fn in_turn<T: Send + 'static>(
        &self,
        pace: Pace,
        review: impl Fn(&dyn Reviewer) -> BoxFuture<'static, Result<T, ReviewError>>
        + Send
        + Sync
        + 'static,
        is_no: impl Fn(&T) -> bool + Send + Sync + 'static,
    ) -> BoxFuture<'static, Result<T, ReviewError>> {
        let lane = self.lanes[usize::from(pace.again)].clone();
        let (reviewer, ready) = (self.reviewer.clone(), self.ready.clone());
        Box::pin(async move {
            let turn = lane.acquire().await;
            let _turn = turn.expect("the semaphore is never closed");
            let reviewer = &*reviewer;
            ready.sure(reviewer, || review(reviewer), is_no).await
        })
    }

    fn unverified(&self, error: &ReviewError) -> Refusal {
        let now = Instant::now();
        let mut complained = self.complained.lock();
        if complained.is_none_or(|last| now.duration_since(last) >= COMPLAINT) {
            *complained = Some(now);
            tracing::warn!(%error, "callers can't be checked, new ones are turned away");
        }
        Refusal::Unverified
    }

    /// Asks once for each kind of review, past the caches.
    ///
    /// # Errors
    /// The first that is not answered.
    pub(super) async fn probe(&self) -> Result<(), ReviewError> {
        let limited = |review: BoxFuture<'static, Result<(), ReviewError>>| async {
            let late = |_| ReviewError::NoAnswer("none in time".to_owned());
            tokio::time::timeout(super::review::LIMIT, review)
                .await
                .map_err(late)?
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
