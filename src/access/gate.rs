//! The one way in.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::time::Instant;

use super::{
    Caller, Credential, Permit, Quota, Refusal, Right, Scope, StreamSlot, Subscribe, Tally,
    ask::{About, Named, Question},
    caller::Known,
    counts::Counts,
    desk::desk,
    lane::Asker,
    pace::Pace,
    quota::Quotas,
    recheck,
    review::{Apiserver, ReviewError, Reviewer},
    reviews::Reviews,
    standing::{Subject, Timing},
    standings::{Census, Standings},
    whom::Whom,
};
use crate::{resource::Gvr, selector::Membership};

/// Whom to let in, and for how long.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Whom tokens have to be for; one of these. Not empty.
    pub audiences: Vec<String>,
    /// Whether tokens that are for the apiserver itself will do as well.
    pub accept_apiserver_audience: bool,
    /// Between two checks of an open stream. After twice as long without an answer it is held.
    pub recheck_interval: Duration,
    /// How long an open stream may then go unchecked, counted from when a check was due.
    pub recheck_outage: Duration,
    /// What one user may have at once, and all of them.
    pub quota: Quota,
}

/// Decides about callers.
#[derive(Clone)]
pub struct Gate {
    guard: Option<Arc<Guard>>,
    quotas: Arc<Quotas>,
    counts: Counts,
}

struct Guard {
    reviews: Arc<Reviews>,
    standings: Arc<Standings>,
}

impl Gate {
    /// Lets in anyone, to everything. Of the quota counts what all have together.
    pub fn open_to_anyone(quota: Quota) -> Self {
        Self {
            guard: None,
            quotas: Arc::new(Quotas::new(quota)),
            counts: Counts::default(),
        }
    }

    /// Asks an apiserver about everybody. The future carries on what is under way and checks open
    /// streams; it must run as long as the gate is used, and never ends.
    pub fn reviewed(client: kube::Client, policy: &Policy) -> (Self, BoxFuture<'static, ()>) {
        Self::with(Arc::new(Apiserver(client)), policy)
    }

    pub(super) fn with(
        reviewer: Arc<dyn Reviewer>,
        policy: &Policy,
    ) -> (Self, BoxFuture<'static, ()>) {
        let (desk, clerk) = desk();
        let quotas = Arc::new(Quotas::new(policy.quota));
        let counts = Counts::default();
        let reviews = Arc::new(Reviews::new(
            reviewer,
            policy.audiences.clone(),
            policy.accept_apiserver_audience,
            quotas.clone(),
            &desk,
            &counts,
        ));
        let timing = Timing {
            interval: policy.recheck_interval,
            outage: policy.recheck_outage,
        };
        let standings = Arc::new(Standings::new(timing, counts.early_checks.clone()));
        let guard = Guard {
            reviews: reviews.clone(),
            standings: standings.clone(),
        };
        let work = async move {
            tokio::join!(clerk.run(), recheck::run(standings, reviews));
        };
        let gate = Self {
            guard: Some(Arc::new(guard)),
            quotas,
            counts,
        };
        (gate, Box::pin(work))
    }

    /// Recognises whoever calls, from some address; from a unix socket if there is none.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::Invalid`], [`Refusal::Unverified`]. Cancel safe.
    pub async fn caller(
        &self,
        credential: Option<Credential>,
        from: Option<IpAddr>,
    ) -> Result<Caller, Refusal> {
        let Some(guard) = &self.guard else {
            return Ok(Caller { known: None });
        };
        let credential = credential.ok_or(Refusal::Missing)?;
        let asker = Asker::at(from);
        let who = guard.reviews.who(&credential, &asker, Pace::CALL);
        let (identity, _) = who.await?;
        Ok(Caller {
            known: Some(Known {
                credential,
                identity,
            }),
        })
    }

    /// Counts a stream that a caller opens, as long as the slot is kept.
    ///
    /// # Errors
    /// [`Refusal::Exhausted`].
    pub fn enter(&self, caller: &Caller) -> Result<StreamSlot, Refusal> {
        let user = match (&self.guard, &caller.known) {
            (None, _) => None,
            (Some(_), None) => return Err(Refusal::Missing),
            (Some(_), Some(known)) => Some(&known.identity),
        };
        self.quotas.enter(user, Instant::now())
    }

    /// How often each limit was met.
    pub fn tally(&self) -> &Tally {
        self.quotas.tally()
    }

    /// Decides whether a caller has the right `R` to a scope. The caller is recognised once more:
    /// what it asks may have come long after its call began.
    ///
    /// # Errors
    /// All of them. Cancel safe.
    pub async fn permit<R: Right>(
        &self,
        caller: &Caller,
        scope: Scope,
    ) -> Result<Permit<R>, Refusal> {
        let Some(guard) = &self.guard else {
            return Ok(Permit::new(scope, None));
        };
        let known = known(caller)?;
        let questions = Question::all::<R>(&scope);
        let reviews = &guard.reviews;
        if !R::LASTS {
            reviews.decide(known, &questions, Pace::CALL).await?;
            return Ok(Permit::new(scope, None));
        }
        let phase = reviews.caller_key(known);
        let key = reviews.standing_key(&phase, &questions);
        let user = &known.identity.username;
        let now = Instant::now();
        let held = self.quotas.hold(user, key, questions.len(), now)?;
        let (known, asked) = reviews.decide(known, &questions, Pace::CALL).await?;
        let subject = Subject {
            known,
            questions,
            held,
        };
        let standing = guard.standings.join(key, phase, subject, asked);
        Ok(Permit::new(scope, Some(standing)))
    }

    /// Whether a caller may follow all objects of a resource in one of these namespaces; in the
    /// whole cluster if there are none. As in [`Gate::permit`], the caller is recognised once more.
    /// One question at a time: most are a no, after which no other verb matters.
    ///
    /// # Errors
    /// All but [`Refusal::Denied`]. Cancel safe.
    pub async fn may_subscribe<S: AsRef<str>>(
        &self,
        caller: &Caller,
        gvr: &Gvr,
        namespaces: &[S],
    ) -> Result<bool, Refusal> {
        let Some(guard) = &self.guard else {
            return Ok(true);
        };
        let known = known(caller)?;
        let scope = Scope {
            resource: Named::from(gvr),
            membership: Membership::default(),
        };
        let places = match namespaces {
            [] => &[""][..],
            some => &some.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
        };
        let about = About::of::<Subscribe>(&scope);
        for place in places {
            let questions: Vec<_> = Question::within(&about, place).collect();
            if guard.reviews.may_one_by_one(known, &questions).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Decides about a path that is no resource, such as `/informerd/admin/upstreams`. As in
    /// [`Gate::permit`], the caller is recognised once more.
    ///
    /// # Errors
    /// All of them. Cancel safe.
    pub async fn visit(
        &self,
        caller: &Caller,
        path: &str,
        verb: &'static str,
    ) -> Result<(), Refusal> {
        let Some(guard) = &self.guard else {
            return Ok(());
        };
        let path = path.to_owned();
        let question = [Question::Path { path, verb }];
        let decided = guard.reviews.decide(known(caller)?, &question, Pace::CALL);
        decided.await.map(drop)
    }

    /// Takes notice that rights may have changed just now: the open streams which that may concern
    /// are checked soon, so many per second, and once more when every apiserver must know of it.
    pub fn rights_changed(&self, whom: Whom) {
        if let Some(guard) = &self.guard {
            guard.standings.tell(whom);
        }
    }

    /// What is counted of reviews and checks.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How the open streams are.
    pub fn census(&self) -> Census {
        let guard = self.guard.as_ref();
        guard.map_or_else(Census::default, |guard| guard.standings.census())
    }

    /// Tries whether callers can be checked at all.
    ///
    /// # Errors
    /// What is wrong and what to do, for the operator.
    pub async fn probe(&self) -> Result<(), Unable> {
        let Some(guard) = &self.guard else {
            return Ok(());
        };
        guard.reviews.probe().await.map_err(|why| match why {
            ReviewError::Forbidden(_) => Unable::Forbidden(why.to_string()),
            _ => Unable::Silent(why.to_string()),
        })
    }

    /// As if all answers had become too old.
    #[cfg(test)]
    pub(super) fn forget(&self) {
        if let Some(guard) = &self.guard {
            guard.reviews.forget();
        }
    }
}

/// Callers can't be checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unable {
    /// This daemon lacks a right. Nobody is let in until somebody grants it.
    #[error("{0}")]
    Forbidden(String),
    /// The apiserver gives no answer that counts, for now.
    #[error("{0}")]
    Silent(String),
}

/// A caller that another gate let in without a name has none here.
fn known(caller: &Caller) -> Result<&Known, Refusal> {
    caller.known.as_ref().ok_or(Refusal::Missing)
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.guard {
            None => "open to anyone",
            Some(_) => "reviewed",
        };
        f.debug_tuple("Gate").field(&kind).finish()
    }
}
