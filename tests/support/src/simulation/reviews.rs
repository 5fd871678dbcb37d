//! Who may do what, as far as an apiserver tells others: TokenReview and SubjectAccessReview. The
//! simulation itself lets everybody do everything.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::cluster::Cluster;

/// Whom a token stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// User name.
    pub user: String,
    /// Uid.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
}

/// One permission.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// User or group.
    pub subject: String,
    /// Verbs; `*` for all.
    pub verbs: Vec<String>,
    /// Resources such as `deployments.apps`; `*` for all.
    pub resources: Vec<String>,
    /// Namespace; empty for the whole cluster.
    pub namespace: String,
}

impl Rule {
    /// Lets a user or group get, list and watch a resource; in all namespaces if `namespace` is
    /// empty.
    #[must_use]
    pub fn read(subject: &str, resource: &str, namespace: &str) -> Self {
        Self {
            subject: subject.to_owned(),
            verbs: ["get", "list", "watch"].map(str::to_owned).to_vec(),
            resources: vec![resource.to_owned()],
            namespace: namespace.to_owned(),
        }
    }

    fn allows(&self, subjects: &[&str], verb: &str, resource: &str, namespace: &str) -> bool {
        let lists =
            |list: &[String], wanted: &str| list.iter().any(|one| one == "*" || one == wanted);
        subjects.contains(&self.subject.as_str())
            && lists(&self.verbs, verb)
            && lists(&self.resources, resource)
            && (self.namespace.is_empty() || self.namespace == namespace)
    }
}

/// What reviews are answered from.
#[derive(Debug, Default)]
pub(super) struct Access {
    tokens: BTreeMap<String, Caller>,
    rules: Vec<Rule>,
}

impl Cluster {
    /// Makes a token known, or with `None` unknown again, to TokenReviews.
    pub fn set_token(&self, token: &str, caller: Option<Caller>) {
        self.access(|access| match caller {
            Some(caller) => drop(access.tokens.insert(token.to_owned(), caller)),
            None => drop(access.tokens.remove(token)),
        });
    }

    /// Replaces all permissions that SubjectAccessReviews know of.
    pub fn set_rules(&self, rules: Vec<Rule>) {
        self.access(|access| access.rules = rules);
    }
}

const TOKENS: &str = "tokenreviews.authentication.k8s.io";
const ACCESS: &str = "subjectaccessreviews.authorization.k8s.io";

/// The resource of a review, for faults and the journal.
pub(super) fn resource(path: &str) -> Option<&'static str> {
    match path {
        "/apis/authentication.k8s.io/v1/tokenreviews" => Some(TOKENS),
        "/apis/authorization.k8s.io/v1/subjectaccessreviews" => Some(ACCESS),
        _ => None,
    }
}

/// The review with its status.
pub(super) fn answer(cluster: &Cluster, resource: &str, mut review: Value) -> Value {
    let spec = review["spec"].clone();
    let status = cluster.access(|access| match resource {
        TOKENS => token_status(access, &spec),
        _ => access_status(access, &spec),
    });
    if !review.is_object() {
        review = json!({});
    }
    review["status"] = status;
    review
}

fn token_status(access: &Access, spec: &Value) -> Value {
    let Some(caller) = spec["token"]
        .as_str()
        .and_then(|token| access.tokens.get(token))
    else {
        return json!({ "user": {}, "error": "[invalid bearer token]" });
    };
    let mut groups = caller.groups.clone();
    groups.push("system:authenticated".to_owned());
    let mut status = json!({
        "authenticated": true,
        "user": { "username": caller.user, "uid": caller.uid, "groups": groups },
    });
    if spec["audiences"].is_array() {
        status["audiences"] = spec["audiences"].clone();
    }
    status
}

fn access_status(access: &Access, spec: &Value) -> Value {
    let attributes = &spec["resourceAttributes"];
    let text = |field: &str| attributes[field].as_str().unwrap_or_default();
    let resource = match text("group") {
        "" => text("resource").to_owned(),
        group => format!("{}.{group}", text("resource")),
    };
    let groups = spec["groups"].as_array().into_iter().flatten();
    let mut subjects: Vec<&str> = groups.filter_map(Value::as_str).collect();
    subjects.extend(spec["user"].as_str());
    let allowed = access
        .rules
        .iter()
        .any(|rule| rule.allows(&subjects, text("verb"), &resource, text("namespace")));
    json!({ "allowed": allowed })
}
