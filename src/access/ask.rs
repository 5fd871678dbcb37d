//! What a caller wants to read, in the words in which the apiserver decides about it.

mod about;

use std::sync::Arc;

use serde::{Serialize, Serializer};

pub(super) use about::About;

use super::quota::PER_CALL;
use crate::{
    resource::{Gvr, ResourceInfo},
    selector::{MAX_EXACT_ENTRIES, Membership, echo},
};

/// The verbs of the right that takes most.
const VERBS: usize = 2;
const _: () = assert!(
    VERBS * MAX_EXACT_ENTRIES <= PER_CALL as usize,
    "a filter with more namespaces is refused before anything is asked, so no call has more questions"
);

/// A resource as a request names it. Nothing says yet that it exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// API group; empty for the core group.
    pub group: String,
    /// API version; empty for the preferred one.
    pub version: String,
    /// Plural name.
    pub resource: String,
}

impl Named {
    /// Whether this is a name of the resource.
    pub(super) fn names(&self, info: &ResourceInfo) -> bool {
        let gvr = &info.gvr;
        self.group == gvr.group
            && self.resource == gvr.resource
            && (self.version.is_empty() || self.version == gvr.version)
    }
}

impl From<&Gvr> for Named {
    fn from(gvr: &Gvr) -> Self {
        Self {
            group: gvr.group.clone(),
            version: gvr.version.clone(),
            resource: gvr.resource.clone(),
        }
    }
}

/// Which objects of which resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The resource.
    pub resource: Named,
    /// The objects. What is handed out has to match this.
    pub membership: Membership,
}

/// A kind of reading, and the verbs that it takes.
pub trait Right: Send + Sync + 'static {
    /// All of them are needed.
    const VERBS: &'static [&'static str];
    /// Whether it is used for longer than one answer takes, and so has to be checked again.
    const LASTS: bool;
    /// Whether it is about one object, whose name stands in the path of a request: there are no
    /// selectors then.
    const BY_NAME: bool;
}

/// Following changes: a snapshot is a list, a stream is a watch.
#[derive(Debug)]
pub struct Subscribe;

/// Reading many objects.
#[derive(Debug)]
pub struct List;

/// Reading one object.
#[derive(Debug)]
pub struct Get;

impl Right for Subscribe {
    const VERBS: &'static [&'static str] = &["list", "watch"];
    const LASTS: bool = true;
    const BY_NAME: bool = false;
}

impl Right for List {
    const VERBS: &'static [&'static str] = &["list"];
    const LASTS: bool = false;
    const BY_NAME: bool = false;
}

impl Right for Get {
    const VERBS: &'static [&'static str] = &["get"];
    const LASTS: bool = false;
    const BY_NAME: bool = true;
}

/// One question that a SubjectAccessReview answers; its spec without the user. Cheap to clone and
/// to tell from others, however long the selectors are.
#[derive(Debug, Clone, Serialize)]
pub(super) enum Question {
    /// About objects.
    #[serde(rename = "resourceAttributes")]
    Resource(ResourceAttributes),
    /// About a path that is no resource.
    #[serde(rename = "nonResourceAttributes")]
    Path {
        /// The path.
        path: String,
        /// The verb, for example `get`.
        verb: &'static str,
    },
}

/// `ResourceAttributes` of authorization.k8s.io/v1.
#[derive(Debug, Clone)]
pub(super) struct ResourceAttributes {
    verb: &'static str,
    namespace: Box<str>,
    about: Arc<About>,
}

impl Serialize for ResourceAttributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sent = self.about.attributes(self.verb, &self.namespace);
        sent.serialize(serializer)
    }
}

impl Question {
    /// What has to be allowed for a right: each verb in each namespace, or in the whole cluster
    /// when the scope names none.
    pub(super) fn all<R: Right>(scope: &Scope) -> Vec<Self> {
        let about = About::of::<R>(scope);
        match scope.membership.namespaces() {
            [] => Self::within(&about, "").collect(),
            some => {
                let each = some.iter().flat_map(|one| Self::within(&about, one));
                each.collect()
            }
        }
    }

    /// The same in one namespace; in the whole cluster if it is empty.
    pub(super) fn within<'a>(
        about: &'a Arc<About>,
        namespace: &'a str,
    ) -> impl Iterator<Item = Self> + 'a {
        let namespace = match namespace {
            "" => about.own_namespace(),
            other => other,
        };
        about.verbs().iter().map(move |&verb| {
            Self::Resource(ResourceAttributes {
                verb,
                namespace: namespace.into(),
                about: about.clone(),
            })
        })
    }

    /// What tells it from every other, in few bytes.
    pub(super) fn parts(&self) -> [&[u8]; 4] {
        match self {
            Self::Path { path, verb } => [b"path", b"", verb.as_bytes(), path.as_bytes()],
            Self::Resource(asked) => [
                b"resource",
                asked.about.digest(),
                asked.verb.as_bytes(),
                asked.namespace.as_bytes(),
            ],
        }
    }

    /// How long it is in a review, in bytes and without some that all questions have.
    pub(super) fn length(&self) -> usize {
        match self {
            Self::Path { path, .. } => path.len(),
            Self::Resource(asked) => asked.about.length() + asked.namespace.len(),
        }
    }

    /// The namespace that it is about; empty for the whole cluster.
    pub(super) fn namespace(&self) -> &str {
        match self {
            Self::Resource(asked) => &asked.namespace,
            Self::Path { .. } => "",
        }
    }

    /// What is refused, in the apiserver's words (`ForbiddenMessage` in apiserver's
    /// `pkg/endpoints/handlers/responsewriters`).
    pub(super) fn forbidden(&self, user: &str) -> String {
        let user = echo(user);
        match self {
            Self::Path { path, verb } => format!("user {user} cannot {verb} path {path:?}"),
            Self::Resource(asked) => {
                let (verb, about) = (asked.verb, &asked.about);
                let group = &about.resource().group;
                let place = match &*asked.namespace {
                    "" => "at the cluster scope".to_owned(),
                    namespace => format!("in the namespace {}", echo(namespace)),
                };
                let what = match about.name() {
                    "" => String::new(),
                    name => format!(" named {}", echo(name)),
                };
                let resource = echo(&about.resource().resource);
                format!(
                    "user {user} cannot {verb} resource {resource}{what} in API group {group:?} {place}"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests;
