//! A user as Kubernetes knows it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Whom credentials stand for; what SubjectAccessReviews are asked about. The order of groups is
/// the authenticator's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The name; never empty.
    pub username: String,
    /// What tells apart users that had the same name one after the other. May be empty.
    #[serde(default)]
    pub uid: String,
    /// The groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// What else the authenticator tells.
    #[serde(default)]
    pub extra: BTreeMap<String, Vec<String>>,
}

impl Identity {
    /// The group of everybody who is known, which the apiserver adds to whoever it authenticates
    /// itself (`AuthenticatedGroupAdder` in apiserver's `pkg/authentication/group`).
    pub const AUTHENTICATED: &'static str = "system:authenticated";

    /// The group of everybody who is not (`user.AllUnauthenticated`).
    pub const UNAUTHENTICATED: &'static str = "system:unauthenticated";

    /// The name of somebody without one (`user.Anonymous`).
    pub const ANONYMOUS: &'static str = "system:anonymous";

    /// Whether both are the same user. Groups and the like may change in a user's life.
    pub fn is_same_user(&self, other: &Self) -> bool {
        self.username == other.username && self.uid == other.uid
    }
}
