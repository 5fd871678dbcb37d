//! Whether a caller may all that it asks for, at the price that its user can pay.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt as _, StreamExt as _, stream::FuturesOrdered};
use tokio::time::{Instant, sleep, timeout};

use super::Reviews;
use crate::access::{
    Identity, Refusal,
    ask::Question,
    caller::Known,
    key::{Digest, Key, digest},
    lane::Asker,
    pace::{Pace, Way},
    quota::Allowance,
    review::{LIMIT, Reviewer},
};

/// How long all reviews may take that one decision needs.
pub(in crate::access) const DECISION: Duration = Duration::from_secs(2 * LIMIT.as_secs());
/// Questions of one call that are asked at once.
const AT_ONCE: usize = 8;
/// Answers to longer questions are not kept: their length is the caller's choice (as in
/// apiserver's `plugin/pkg/authorizer/webhook`).
const MAX_KEPT: usize = 10_000;

/// A question about somebody, and what its answer is remembered by.
struct Asked<'a> {
    question: &'a Question,
    key: Key,
    keep: bool,
}

/// Who asks, and how.
struct Asking<'a> {
    identity: &'a Arc<Identity>,
    asker: Asker,
    pace: Pace,
    /// `None` for open streams, whose questions were counted when they were opened.
    allowance: Option<Allowance<'a>>,
}

impl Reviews {
    /// Whether somebody who was recognised still is, and may all of these things: who that is now,
    /// and when the oldest answer was asked for.
    ///
    /// # Errors
    /// Why not; [`Refusal::Exhausted`] if too many of them would have to be asked, in which case
    /// none was. No answer within [`DECISION`] is none. Cancel safe.
    pub(in crate::access) async fn decide(
        &self,
        known: &Known,
        questions: &[Question],
        pace: Pace,
    ) -> Result<(Known, Instant), Refusal> {
        let decision = async {
            let asker = Asker::user(&known.identity.username);
            let who = self.who(&known.credential, &asker, pace);
            let (identity, recognised) = who.await?;
            if !identity.is_same_user(&known.identity) {
                return Err(Refusal::Invalid("the token now stands for another user"));
            }
            let decided = self.may(&identity, asker, questions, pace).await?;
            let credential = known.credential.clone();
            let known = Known {
                credential,
                identity,
            };
            Ok((known, recognised.min(decided)))
        };
        let late = |_| Refusal::Unverified;
        timeout(DECISION, decision).await.map_err(late)?
    }

    /// Whether a caller may all of these things, asked one after the other up to the first no.
    ///
    /// # Errors
    /// All but [`Refusal::Denied`]. Cancel safe.
    pub(in crate::access) async fn may_one_by_one(
        &self,
        known: &Known,
        questions: &[Question],
    ) -> Result<bool, Refusal> {
        for question in questions {
            let question = std::slice::from_ref(question);
            match self.decide(known, question, Pace::CALL).await {
                Ok(_) => {}
                Err(Refusal::Denied(_)) => return Ok(false),
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(true)
    }

    /// Whether a user may all of these things; gives when the oldest answer was asked for.
    async fn may(
        &self,
        identity: &Arc<Identity>,
        asker: Asker,
        questions: &[Question],
        pace: Pace,
    ) -> Result<Instant, Refusal> {
        let text = serde_json::to_vec(&**identity).expect("an identity is plain data");
        let whom = (digest(&text), text.len());
        let questions = questions.iter().map(|one| self.asked(whom, one));
        let questions: Vec<_> = questions.collect();
        let allowance = self.allowance(identity, &questions, pace)?;
        if let Some(allowance) = &allowance
            && !allowance.wait.is_zero()
        {
            sleep(allowance.wait).await;
        }
        let asking = Asking {
            identity,
            asker,
            pace,
            allowance,
        };
        self.ask(&asking, &questions).await
    }

    /// Done for each namespace and before anything is paid for, so it takes no longer for longer
    /// selectors. `whom`: digest and length of an identity.
    fn asked<'a>(&self, whom: (Digest, usize), question: &'a Question) -> Asked<'a> {
        let (identity, length) = whom;
        let parts = [&b"access"[..], &identity].into_iter();
        Asked {
            question,
            key: self.keyring.key(parts.chain(question.parts())),
            keep: length + question.length() <= MAX_KEPT,
        }
    }

    /// Sets aside what a call will have to ask.
    fn allowance<'a>(
        &'a self,
        identity: &'a Identity,
        questions: &[Asked<'_>],
        pace: Pace,
    ) -> Result<Option<Allowance<'a>>, Refusal> {
        if pace.way == Way::Recheck {
            return Ok(None);
        }
        let known = |asked: &&Asked<'_>| self.decisions.knows(&asked.key, pace);
        let unknown = questions.len() - questions.iter().filter(known).count();
        let quotas = &self.quotas;
        let allowance = quotas.allow(&identity.username, unknown, Instant::now());
        allowance.map(Some)
    }

    /// Asks all, few at a time.
    ///
    /// # Errors
    /// [`Refusal::Denied`] for the first one that it may not, even if others have no answer. That
    /// there is none, otherwise. Cancel safe.
    async fn ask(&self, asking: &Asking<'_>, questions: &[Asked<'_>]) -> Result<Instant, Refusal> {
        let mut answers = Vec::with_capacity(questions.len());
        for question in questions {
            answers.push(self.allowed(asking, question).boxed());
        }
        let mut answers = answers.into_iter();
        let mut asked: FuturesOrdered<_> = answers.by_ref().take(AT_ONCE).collect();
        let mut outcome = Ok(Instant::now());
        while let Some(answer) = asked.next().await {
            match (answer, &mut outcome) {
                (Ok(asked), Ok(oldest)) => *oldest = asked.min(*oldest),
                (Err(refusal @ Refusal::Denied(_)), _) => return Err(refusal),
                (Err(refusal), Ok(_)) => outcome = Err(refusal),
                // A no that is not confirmed says more than none.
                (Err(Refusal::Unconfirmed), Err(_)) => outcome = Err(Refusal::Unconfirmed),
                (_, Err(_)) => {}
            }
            // What is under way may still be a no; after a failure nothing more is begun.
            if outcome.is_ok() {
                asked.extend(answers.next());
            }
        }
        outcome
    }

    /// Whether a user may do one thing; gives when that was asked for.
    async fn allowed(&self, asking: &Asking<'_>, asked: &Asked<'_>) -> Result<Instant, Refusal> {
        let (allowed, when) = self.review_access(asking, asked).await?;
        if allowed {
            return Ok(when);
        }
        let user = &asking.identity.username;
        Err(Refusal::Denied(asked.question.forbidden(user)))
    }

    async fn review_access(
        &self,
        asking: &Asking<'_>,
        asked: &Asked<'_>,
    ) -> Result<(bool, Instant), Refusal> {
        let ask = || {
            if let Some(allowance) = &asking.allowance {
                allowance.spend();
            }
            let (identity, question) = (asking.identity.clone(), asked.question.clone());
            let review = move |reviewer: &dyn Reviewer| reviewer.access(&identity, &question);
            self.sure(review)
        };
        let (asker, pace) = (&asking.asker, asking.pace);
        let answer = self.decisions.get(asked.key, asker, pace, asked.keep, ask);
        answer.await.map_err(|error| self.unverified(&error))
    }
}
