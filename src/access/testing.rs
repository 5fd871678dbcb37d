//! An apiserver by script, for the tests of this room.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{FutureExt as _, future::BoxFuture};
use parking_lot::Mutex;

use super::{
    Bearer, Credential, Gate, Identity, Named, Policy, Quota, Scope,
    ask::Question,
    review::{ReviewError, Reviewer, access_spec},
};
use crate::selector::{FilterSpec, Membership};

/// Says what it was told to say.
#[derive(Default)]
pub(super) struct Script(Mutex<State>);

#[derive(Default)]
struct State {
    /// By token: for whom it is, and who it is.
    tokens: BTreeMap<String, (String, Identity)>,
    /// Pairs of user and resource.
    allowed: Vec<(String, String)>,
    /// Pairs of group and resource.
    allowed_groups: Vec<(String, String)>,
    down: bool,
    /// Reviews are never answered.
    hang: bool,
    /// Reviews of users and tokens that begin with this never are; empty for none.
    slow: &'static str,
    /// The verb about which reviews fail.
    fails: &'static str,
    /// Whether it can't be asked if it is ready.
    mute: bool,
    /// Not ready, and it denies everything.
    starting: bool,
    asked_ready: u32,
    token_reviews: u32,
    access_reviews: u32,
}

impl Script {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Makes a token known, for an audience; empty for the apiserver's own.
    pub(super) fn token(&self, token: &str, audience: &str, user: &str) {
        let identity = Identity {
            username: user.to_owned(),
            ..Identity::default()
        };
        let known = (audience.to_owned(), identity);
        self.0.lock().tokens.insert(token.to_owned(), known);
    }

    pub(super) fn forget(&self, token: &str) {
        self.0.lock().tokens.remove(token);
    }

    pub(super) fn allow(&self, user: &str, resource: &str) {
        self.0
            .lock()
            .allowed
            .push((user.to_owned(), resource.to_owned()));
    }

    pub(super) fn revoke(&self, user: &str) {
        self.0.lock().allowed.retain(|(known, _)| known != user);
    }

    pub(super) fn down(&self, down: bool) {
        self.0.lock().down = down;
    }

    pub(super) fn allow_group(&self, group: &str, resource: &str) {
        let pair = (group.to_owned(), resource.to_owned());
        self.0.lock().allowed_groups.push(pair);
    }

    pub(super) fn join_group(&self, token: &str, group: &str) {
        let mut state = self.0.lock();
        let (_, identity) = state.tokens.get_mut(token).expect("a known token");
        identity.groups.push(group.to_owned());
    }

    pub(super) fn hang(&self, hang: bool) {
        self.0.lock().hang = hang;
    }

    /// Reviews of users and tokens that begin with this are never answered; empty for none.
    pub(super) fn slow(&self, name: &'static str) {
        self.0.lock().slow = name;
    }

    /// Reviews about a verb fail from now on.
    pub(super) fn fail(&self, verb: &'static str) {
        self.0.lock().fails = verb;
    }

    /// Whether it says if it is ready.
    pub(super) fn readiness(&self, answers: bool) {
        self.0.lock().mute = !answers;
    }

    /// Like an apiserver that serves and does not know its roles yet.
    pub(super) fn starting(&self, starting: bool) {
        self.0.lock().starting = starting;
    }

    /// How often it was asked whether it is ready.
    pub(super) fn asked_ready(&self) -> u32 {
        self.0.lock().asked_ready
    }

    /// How many reviews of tokens and of access there were.
    pub(super) fn counts(&self) -> (u32, u32) {
        let state = self.0.lock();
        (state.token_reviews, state.access_reviews)
    }
}

impl State {
    fn hangs(&self, name: &str) -> bool {
        self.hang || (!self.slow.is_empty() && name.starts_with(self.slow))
    }
}

impl Reviewer for Script {
    fn token(
        &self,
        bearer: &Bearer,
        audiences: &[String],
    ) -> BoxFuture<'static, Result<Option<Identity>, ReviewError>> {
        let mut state = self.0.lock();
        state.token_reviews += 1;
        let known = state.tokens.get(bearer.expose());
        let meant = known.filter(|(audience, _)| match audiences {
            [] => audience.is_empty(),
            some => some.contains(audience),
        });
        let answer = match state.down {
            true => Err(ReviewError::Status(503)),
            false => Ok(meant.map(|(_, identity)| identity.clone())),
        };
        say(state.hangs(bearer.expose()), answer)
    }

    fn ready(&self) -> BoxFuture<'static, Result<bool, ReviewError>> {
        let mut state = self.0.lock();
        state.asked_ready += 1;
        let ready = match state.mute {
            true => Err(ReviewError::Status(429)),
            false => Ok(!state.starting),
        };
        std::future::ready(ready).boxed()
    }

    fn access(
        &self,
        identity: &Identity,
        question: &Question,
    ) -> BoxFuture<'static, Result<bool, ReviewError>> {
        let spec = access_spec(identity, question);
        let spec = serde_json::to_value(spec).expect("JSON");
        let resource = spec["resourceAttributes"]["resource"]
            .as_str()
            .unwrap_or("");
        let mut state = self.0.lock();
        state.access_reviews += 1;
        let asked = (identity.username.clone(), resource.to_owned());
        let mut groups = identity.groups.iter();
        let allowed = state.allowed.contains(&asked)
            || groups.any(|group| {
                let pair = (group.clone(), resource.to_owned());
                state.allowed_groups.contains(&pair)
            });
        let fails = spec["resourceAttributes"]["verb"] == state.fails;
        let answer = match state.down || fails {
            true => Err(ReviewError::Status(503)),
            false => Ok(!state.starting && allowed),
        };
        say(state.hangs(&identity.username), answer)
    }
}

/// An answer, or for ever none.
fn say<T: Send + 'static>(
    hang: bool,
    answer: Result<T, ReviewError>,
) -> BoxFuture<'static, Result<T, ReviewError>> {
    match hang {
        true => std::future::pending().boxed(),
        false => std::future::ready(answer).boxed(),
    }
}

pub(super) const INTERVAL: Duration = Duration::from_secs(30);

pub(super) fn policy() -> Policy {
    Policy {
        audiences: vec!["informerd".to_owned()],
        accept_apiserver_audience: false,
        recheck_interval: INTERVAL,
        recheck_outage: Duration::from_secs(600),
        quota: Quota::default(),
    }
}

/// A gate before a script, and its work, which nobody does yet.
pub(super) fn gate(script: &Arc<Script>, policy: &Policy) -> (Gate, BoxFuture<'static, ()>) {
    Gate::with(script.clone(), policy)
}

pub(super) fn bearer(token: &str) -> Option<Credential> {
    Bearer::new(token).map(Credential::Bearer)
}

/// All objects of a resource of the core group.
pub(super) fn everything(resource: &str) -> Scope {
    matching(resource, FilterSpec::default())
}

/// Some objects of a resource of the core group.
pub(super) fn matching(resource: &str, filter: FilterSpec<'_>) -> Scope {
    Scope {
        resource: Named {
            group: String::new(),
            version: "v1".to_owned(),
            resource: resource.to_owned(),
        },
        membership: Membership::new(filter).expect("valid"),
    }
}
